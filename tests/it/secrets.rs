//! Secrets where nobody expects them: in a command line, a configuration, an address or a query. They come out on no
//! terminal and in no file, and no program gets them that has no use for them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use scfw_world::{NpmPackage, Service, Wheel};
use serde_json::json;

use crate::support::sinks::{KEY, eventually};
use crate::support::{Sandbox, binary};
use crate::telemetry::holding;

const SECRET: &str = "S3CRET";

/// Puts an executable that writes its environment to a file, and does `rest`, to that place in the sandbox.
fn add_spy(sandbox: &Sandbox, place: &str, rest: &str) -> String {
    let path = sandbox.path(place);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let dump = sandbox.path("environment");
    fs::write(&path, format!("#!/bin/sh\nenv >> {}\n{rest}\n", dump.display())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Sets every variable with a secret of a sink's, without any sink.
fn set_secrets(sandbox: &mut Sandbox) {
    sandbox.set("DD_API_KEY", SECRET);
    sandbox.set("OTEL_EXPORTER_OTLP_HEADERS", format!("key={SECRET}"));
    sandbox.set("OTEL_EXPORTER_OTLP_LOGS_HEADERS", format!("key={SECRET}"));
}

#[test]
fn no_spelling_of_a_secret_in_a_command_line_is_kept() {
    let mut sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    let registry = sandbox.world.registry_url();
    let tarball = format!("u:S3CRET@{}good/-/good-1.0.0.tgz", registry.trim_start_matches("http://"));
    let (without_slashes, with_one) = (format!("good@http:{tarball}"), format!("http:/{tarball}"));
    for (prefix, arguments, status) in [
        ("a", &["-otp=S3CRET", "good"][..], 0),
        ("b", &["-otp", "S3CRET", "good"], 0),
        ("c", &["--ot", "S3CRET", "good"], 0),
        ("d", &["-//host.example/:_authToken=S3CRET", "good"], 0),
        ("e", &[&without_slashes], 69),
        ("f", &[&with_one], 69),
        ("g", &["github:u:S3CRET@o/r"], 69),
    ] {
        let install = ["npm", "install", "--prefix", prefix];
        sandbox.hook(&[&install, arguments].concat()).ended_with(status).does_not_say(SECRET);
    }
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    let pip = ["pip", "install", "--target", "out", "--prox", "u:S3CRET@host.example:1", "--no-deps"];
    let host = ["--trusted-host", "127.0.0.1", "good"];
    sandbox.set("no_proxy", "*");
    sandbox.hook(&[&pip[..], &host].concat()).does_not_say(SECRET);
    let history = sandbox.scfw(&["history", "--format", "json"]).ended_with(0).stdout;
    for kept in
        ["-otp=[…]", "--ot", "-//host.example/:_authToken=[…]", "good@http:127.0.0.1", "\"http:/127.0.0.1"]
    {
        assert!(history.contains(kept), "{kept}: {history}");
    }
    assert!(!history.contains(SECRET), "{history}");
    assert_eq!(holding(&sandbox.path("scfw"), SECRET), Vec::<String>::new());
}

#[test]
fn a_mistake_in_the_configuration_is_told_without_what_stands_there() {
    let sandbox = Sandbox::new();
    for (content, told) in [
        (
            "[otlp]\nheaders = \"authorization=Bearer S3CRET\"\n",
            "line 2, column 11: the value of `headers` does not fit",
        ),
        ("datadog = \"S3CRET\"\n", "line 1, column 11: the value of `datadog` does not fit"),
        ("[datadog]\nagent_port = \"S3CRET\"\n", "line 2, column 14: the value of `agent_port` does not fit"),
        ("[datadog]\nS3CRET = 1\n", "line 2, column 1: unknown key"),
    ] {
        fs::create_dir_all(sandbox.path("scfw")).unwrap();
        fs::write(sandbox.path("scfw/config.toml"), content).unwrap();
        for arguments in [&["check", "npm:good"][..], &["doctor"], &["run", "npm", "install"]] {
            let finished = sandbox.scfw(arguments).does_not_say(SECRET);
            assert!(!finished.stdout.contains(SECRET), "{}", finished.stdout);
            assert!(format!("{}{}", finished.stdout, finished.stderr).contains(told), "{finished:?}");
        }
    }
}

#[test]
fn an_address_of_a_feed_that_is_none_is_not_shown() {
    let mut sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    for address in ["u:S3CRET@host.example", "http://u:S3CRET@ho st/"] {
        for variable in ["SCFW_OSV_API_URL", "SCFW_OSV_BULK_URL", "SCFW_DD_DATASET_URL"] {
            sandbox.set(variable, address);
        }
        let finished = sandbox.scfw(&["check", "npm:good@1.0.0"]).ended_with(1);
        assert!(finished.stdout.contains("OSV.dev: the address could not be reached"), "{finished:?}");
        assert!(!finished.stdout.contains(SECRET), "{finished:?}");
        sandbox.hook(&["npm", "install", "good@1.0.0"]).ended_with(69).does_not_say(SECRET);
        for arguments in [&["update"][..], &["update", "--from", address]] {
            sandbox.scfw(arguments).ended_with(1).does_not_say(SECRET);
            let status = sandbox.scfw(&["status", "--json"]).stdout;
            assert!(status.contains("\"last_update_error\": \"") && !status.contains(SECRET), "{status}");
        }
    }
    assert_eq!(holding(&sandbox.path("scfw"), SECRET), Vec::<String>::new());
}

#[test]
fn what_was_asked_is_repeated_without_credentials() {
    let sandbox = Sandbox::new();
    let purl = "pkg:npm/good?repository_url=https:%2F%2Fu:S3CRET@host.example%2F";
    let checked = sandbox.scfw(&["check", "--format", "json", purl]).ended_with(0).stdout;
    assert!(checked.contains("\"pkg:npm/good?repository_url=https://host.example/\""), "{checked}");
    for query in ["npm:https://u:S3CRET@host.example/x.tgz", "x@u:S3CRET@host.example:o/r"] {
        sandbox.scfw(&["check", query]).ended_with(2).says("host.example").does_not_say(SECRET);
        let arguments = ["allow", query, "--reason", "x"];
        sandbox.scfw(&arguments).ended_with(2).says("host.example").does_not_say(SECRET);
    }
    sandbox.scfw(&["allow", "--remove", purl]).ended_with(1).says("host.example").does_not_say(SECRET);
    let reason = "see https://u:S3CRET@tracker.example/show?id=5";
    let made = sandbox.scfw(&["allow", "npm:good", "--reason", reason]).ended_with(0).stdout;
    assert!(made.ends_with("see https://tracker.example/show?id=5\n"), "{made}");
    assert_eq!(holding(&sandbox.path("scfw"), SECRET), Vec::<String>::new());
}

#[test]
fn programs_that_scfw_runs_for_itself_get_no_secret_of_a_sink() {
    let mut sandbox = Sandbox::new();
    set_secrets(&mut sandbox);
    add_spy(&sandbox, "scfw/verifiers.d/spy", "cat > /dev/null; echo '{\"findings\": []}'");
    sandbox.scfw(&["check", "npm:good@1.0.0"]).ended_with(0);
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox.hook(&["npm", "install", "good@1.0.0"]).ended_with(0);
    let modules = sandbox.path("node_modules");
    fs::create_dir_all(&modules).unwrap();
    let npm = add_spy(&sandbox, "npm-that-answers", &format!("echo {}", modules.display()));
    sandbox.scfw(&["audit", "npm", "--global", "--executable", &npm]).ended_with(0);
    add_spy(&sandbox, "agent/datadog-agent", "exit 1");
    let path = format!("{}:{}", sandbox.path("agent").display(), sandbox.variable("PATH").display());
    sandbox.set("PATH", path);
    sandbox
        .scfw(&["configure", "--yes", "--dd-agent-port", "10365"])
        .ended_with(1)
        .says("nothing was changed");
    let environment = fs::read_to_string(sandbox.path("environment")).unwrap();
    // check, the screen or the gate, npm, and the Agent.
    assert!(environment.matches("\nSCFW_HOME=").count() >= 4, "{environment}");
    assert!(!environment.contains(SECRET), "{environment}");
}

#[test]
fn records_below_an_installing_manager_are_sent_with_the_key_that_it_did_not_get() {
    let mut sandbox = Sandbox::new();
    sandbox.log_to_api();
    let other = "[datadog]\napi_key = \"ffffffffffffffffffffffffffffffff\"\n";
    fs::write(sandbox.path("scfw/config.toml"), other).unwrap();
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    let script = format!(
        "mkdir inner; cd inner; echo {{}} > package.json; '{}' npm install good",
        binary("scfw-hook").display()
    );
    let package = json!({"name": "x", "version": "1.0.0", "scripts": {"preinstall": script}});
    sandbox.write("package.json", package.to_string());
    sandbox.hook(&["npm", "install"]).ended_with(0);
    let log = sandbox.log();
    eventually("all records", || (sandbox.intake_records().len() >= log.len()).then_some(()));
    let requests = sandbox.world.requests();
    let mut sent = requests.iter().filter(|request| request.service == Service::Intake);
    assert!(sent.all(|request| request.header("dd-api-key") == Some(KEY)));
}

#[test]
fn the_headers_of_a_collector_are_in_no_managers_environment_and_records_below_it_are_sent_with_them() {
    let mut sandbox = Sandbox::new();
    sandbox.log_to_collector();
    sandbox.set("OTEL_EXPORTER_OTLP_LOGS_HEADERS", format!("api-key={KEY}"));
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    let dump = sandbox.path("environment");
    let script = format!(
        "env >> {}; mkdir inner; cd inner; echo {{}} > package.json; '{}' npm install good",
        dump.display(),
        binary("scfw-hook").display()
    );
    sandbox.write(
        "package.json",
        json!({"name": "x", "version": "1.0.0", "scripts": {"preinstall": script}}).to_string(),
    );
    sandbox.hook(&["npm", "install"]).ended_with(0);
    let environment = fs::read_to_string(&dump).unwrap();
    assert!(environment.contains("OTEL_EXPORTER_OTLP_ENDPOINT="), "{environment}");
    assert!(!environment.contains(KEY) && !environment.contains("s3cret"), "{environment}");
    let log = sandbox.log();
    eventually("all records", || (sandbox.collected().len() >= log.len()).then_some(()));
    let requests = sandbox.world.requests();
    let mut sent = requests.iter().filter(|request| request.service == Service::Collector);
    assert!(sent.all(|request| request.header("api-key") == Some(KEY)));
}
