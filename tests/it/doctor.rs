//! `scfw doctor`: what works, what does not, and what is only not set up.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use scfw_world::Agent;
use serde_json::Value;

use crate::support::sinks::KEY;
use crate::support::{Finished, Sandbox};

fn checks(finished: &Finished) -> Vec<Value> {
    let report: Value = serde_json::from_str(&finished.stdout).unwrap();
    report["checks"].as_array().unwrap().clone()
}

fn outcome<'a>(checks: &'a [Value], check: &str, subject: &str) -> &'a Value {
    let matches =
        |each: &&Value| each["check"] == check && each["subject"].as_str().unwrap().ends_with(subject);
    checks.iter().find(matches).unwrap_or_else(|| panic!("no {check} {subject} in {checks:?}"))
}

/// Puts an npm first on `PATH` that runs `line` before it is npm.
fn wrap_npm(sandbox: &mut Sandbox, line: &str) {
    let real = std::env::split_paths(&sandbox.variable("PATH")).nth(1).unwrap().join("npm");
    let wrapper = sandbox.write("bin/npm", format!("#!/bin/sh\n{line}\nexec {} \"$@\"\n", real.display()));
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let mut path = wrapper.parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(sandbox.variable("PATH"));
    sandbox.set("PATH", path);
}

/// Fails the test if anything of the self-test reached a sink.
#[track_caller]
fn nothing_was_delivered(sandbox: &Sandbox, agent: &Agent) {
    assert_eq!(sandbox.collected(), Vec::new());
    assert_eq!(sandbox.intake_records(), Vec::<Value>::new());
    assert_eq!(agent.lines(), Vec::<Value>::new());
}

#[test]
fn a_self_test_is_in_nobodys_telemetry_and_gets_no_key() {
    let mut sandbox = Sandbox::new();
    let agent = Agent::start().unwrap();
    sandbox.log_to_collector();
    sandbox.log_to_api();
    sandbox.log_to_agent(&agent);
    let environments = sandbox.path("environments");
    wrap_npm(&mut sandbox, &format!("env >> {}", environments.display()));
    // A home that the start-up files name is not the self-test's either.
    let home = sandbox.path("elsewhere");
    let options = ["configure", "--shell", "bash,zsh,fish", "--scfw-home", home.to_str().unwrap()];
    sandbox.scfw(&options).ended_with(0);
    let own_log = sandbox.path("own.log");
    for (file, export) in
        [(".bashrc", "export "), (".zshrc", "export "), (".config/fish/conf.d/own.fish", "set -gx ")]
    {
        let separator = if file.ends_with("fish") { ' ' } else { '=' };
        let line = format!("\n{export}SCFW_LOG_FILE{separator}{}\n", own_log.display());
        let path = sandbox.path("home").join(file);
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, before + &line).unwrap();
    }
    let finished = sandbox.scfw(&["doctor", "--offline", "--json"]).ended_with(0);
    assert_eq!(outcome(&checks(&finished), "shell", "fish")["outcome"], "ok", "{finished:?}");
    nothing_was_delivered(&sandbox, &agent);
    assert!(!home.join("store.db").exists() && !home.join("scfw.log").exists() && !own_log.exists());
    let environments = fs::read_to_string(environments).unwrap();
    assert!(environments.contains("npm_config_registry=") && !environments.contains(KEY));
    assert_eq!(sandbox.temporary_files(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_self_test_is_no_news_for_the_administrators_sinks() {
    let mut sandbox = Sandbox::new();
    let agent = Agent::start().unwrap();
    let log = sandbox.path("everybodys.log");
    let config = format!(
        "log_file = \"{}\"\n\n[datadog]\nagent_port = {}\nlog_level = \"ALLOW\"\n\n[otlp]\nendpoint = \"{}\"\n",
        log.display(),
        agent.port(),
        sandbox.world.collector_url()
    );
    sandbox.administer("config.toml", config);
    sandbox.administer("policy.toml", "locked = [\"datadog\", \"otlp\"]\n");
    sandbox.scfw(&["doctor", "--offline"]).ended_with(0);
    nothing_was_delivered(&sandbox, &agent);
    assert!(!log.exists());
    assert_eq!(sandbox.temporary_files(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_secret_that_others_can_read_is_found_out() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("scfw/config.toml");
    for secret in [
        format!("[datadog]\napi_key = \"{KEY}\"\n"),
        format!("[otlp]\nheaders = {{ authorization = \"Bearer {KEY}\" }}\n"),
    ] {
        fs::write(&path, secret).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let remedy = format!("chmod 600 {}", path.display());
        let finished = sandbox.scfw(&["doctor", "--offline", "--json"]).ended_with(1);
        let checks = checks(&finished);
        let detail = outcome(&checks, "configuration", "osv-ignore.txt")["detail"].as_str().unwrap();
        assert!(detail.contains(&remedy) && !finished.stdout.contains(KEY), "{}", finished.stdout);
        let finished = sandbox.scfw(&["status"]);
        assert!(finished.stdout.contains(&remedy), "{}", finished.stdout);
        let finished = sandbox.scfw(&["status", "--json"]);
        assert!(finished.stdout.contains(&remedy), "{}", finished.stdout);
        // Saved once, it is closed.
        sandbox.scfw(&["configure", "--yes"]).ended_with(0);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let finished = sandbox.scfw(&["status"]);
        assert!(!finished.stdout.contains("chmod"), "{}", finished.stdout);
        sandbox.scfw(&["configure", "--remove"]).ended_with(0);
    }
    // Where there is no secret, everybody may read it.
    fs::remove_file(&path).unwrap();
    fs::write(&path, "deadline = 3\n[otlp]\nendpoint = \"http://c.example\"\n").unwrap();
    assert!(!sandbox.scfw(&["status"]).stdout.contains("chmod"));
}

#[test]
fn each_manager_that_is_found_is_tested_for_real() {
    let sandbox = Sandbox::new();
    let finished = sandbox.scfw(&["doctor", "--json"]).ended_with(0);
    let checks = checks(&finished);
    for (check, subject) in
        [("gate", "/pip"), ("gate", "/npm"), ("feeds", "OSV, Datadog"), ("runs", "earlier installs")]
    {
        assert_eq!(outcome(&checks, check, subject)["outcome"], "ok", "{finished:?}");
    }
    assert_eq!(outcome(&checks, "shims", "/shims")["outcome"], "absent");
    assert_eq!(outcome(&checks, "store", "store.db")["outcome"], "absent");
    assert!(!sandbox.was_asked_for("scfw-selftest"), "the user's own registry hears nothing of the test");
    assert_eq!(sandbox.log().len(), 0, "nor does the user's log");
    assert_eq!(sandbox.temporary_files(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn the_gates_that_are_tested_are_the_users_own() {
    let mut sandbox = Sandbox::new();
    let traced = sandbox.path("traced");
    wrap_npm(&mut sandbox, &format!("echo $PYTHONPATH > {}", traced.display()));
    let finished = sandbox.scfw(&["doctor", "--offline", "--json"]).ended_with(0);
    assert_eq!(outcome(&checks(&finished), "gates", "scfw/gates")["outcome"], "ok");
    // The path is the test's; the files are the user's.
    let entry = fs::read_to_string(traced).unwrap();
    let archive = std::path::Path::new(entry.trim()).iter().rev().take(2).collect::<Vec<_>>();
    let archive = sandbox.path("scfw/gates").join(archive[1]).join(archive[0]);
    assert!(archive.is_file(), "{}", archive.display());
    // Where they cannot be written, nothing that the user installs works.
    fs::remove_dir_all(sandbox.path("scfw/gates")).unwrap();
    fs::write(sandbox.path("scfw/gates"), "").unwrap();
    let finished = sandbox.scfw(&["doctor", "--offline", "--json"]).ended_with(1);
    let gates = checks(&finished);
    let gates = outcome(&gates, "gates", "scfw/gates");
    assert!(gates["outcome"] == "failed" && gates["detail"].as_str().unwrap().contains("cannot be written"));
    sandbox.hook(&["pip", "install", "x"]).ended_with(69).says("could not be written");
}

#[test]
fn a_manager_that_loses_its_gate_is_found_out() {
    let mut sandbox = Sandbox::new();
    wrap_npm(&mut sandbox, "unset NODE_OPTIONS");
    let finished = sandbox.scfw(&["doctor", "--json"]).ended_with(1);
    let checks = checks(&finished);
    assert_eq!(outcome(&checks, "gate", "bin/npm")["outcome"], "failed");
    assert_eq!(outcome(&checks, "gate", "/pip")["outcome"], "ok");
}

#[test]
fn a_broken_configuration_and_a_silent_feed_are_said() {
    let sandbox = Sandbox::new();
    sandbox.world.fail(scfw_world::Service::Osv, Some(scfw_world::Failure::Status(500)));
    let finished = sandbox.scfw(&["doctor"]).ended_with(1);
    assert!(
        finished.stdout.contains("FAILED feeds OSV, Datadog: could not be verified: OSV.dev"),
        "{}",
        finished.stdout
    );
    sandbox.scfw(&["doctor", "--offline"]).ended_with(0);
    fs::write(sandbox.path("scfw/config.toml"), "deadlin = 3\n").unwrap();
    let finished = sandbox.scfw(&["doctor"]).ended_with(1);
    assert!(finished.stdout.contains("did you mean `deadline`?"), "{}", finished.stdout);
}

#[test]
fn runs_whose_gate_never_reported_are_listed_once() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("scfw/runs")).unwrap();
    // No process has the highest number there is.
    fs::write(sandbox.path("scfw/runs/run-2147483647-1"), "pip install lost (in /somewhere)\n").unwrap();
    let finished = sandbox.scfw(&["doctor", "--offline"]).ended_with(1);
    assert!(finished.stdout.contains("pip install lost (in /somewhere)"), "{}", finished.stdout);
    sandbox.scfw(&["doctor", "--offline"]).ended_with(0);
}

#[test]
fn the_store_is_looked_at() {
    let sandbox = Sandbox::new();
    let doctor = |status| checks(&sandbox.scfw(&["doctor", "--offline", "--json"]).ended_with(status));
    sandbox.scfw(&["update"]).ended_with(0);
    assert_eq!(outcome(&doctor(0), "store", "store.db")["outcome"], "ok");
    let finished = sandbox.scfw(&["status"]);
    assert!(
        finished.stdout.contains("store: 4 feeds, brought up to date 0 minutes ago"),
        "{}",
        finished.stdout
    );
    let store = rusqlite::Connection::open(sandbox.path("scfw/store.db")).unwrap();
    store.execute("UPDATE feeds SET updated = updated - 80 * 3600 WHERE name = 'osv/npm'", []).unwrap();
    drop(store);
    sandbox.world.fail(scfw_world::Service::Bulk, Some(scfw_world::Failure::Status(500)));
    sandbox.scfw(&["update"]).ended_with(1);
    let checks = doctor(1);
    let store = outcome(&checks, "store", "store.db");
    assert_eq!(store["outcome"], "failed");
    let detail = store["detail"].as_str().unwrap();
    assert!(detail.contains("3 days ago, which is too long") && detail.contains("status 500"), "{detail}");
    fs::write(sandbox.path("scfw/store.db"), "garbage").unwrap();
    let finished = sandbox.scfw(&["status"]);
    assert!(finished.stdout.contains("is damaged; \"scfw update\" rebuilds it"), "{}", finished.stdout);
}
