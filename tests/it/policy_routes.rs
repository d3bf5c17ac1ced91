//! The routes that an administrator requires: named where they are missing, and not to be taken down.

use std::fs;

use serde_json::Value;

use crate::support::Sandbox;
use crate::support::shell_cases::plain;

fn under(policy: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.administer("policy.toml", policy);
    sandbox
}

const ALL: &str = "required_routes = [\"bash\", \"zsh\", \"fish\", \"shims\"]\n";

#[test]
fn what_is_missing_is_named_by_status_and_doctor_until_it_is_set_up() {
    let sandbox = under(ALL);
    let json = |finished: &str| serde_json::from_str::<Value>(finished).unwrap();
    let policy_of = |report: &Value| {
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["check"] == "policy").unwrap().clone()
    };
    let status = sandbox.scfw(&["status", "--json"]).ended_with(1);
    assert_eq!(json(&status.stdout)["missing_routes"], serde_json::json!(["bash", "zsh", "fish", "shims"]));
    let text = sandbox.scfw(&["status"]).ended_with(1).stdout;
    assert!(
        text.contains("policy: required and NOT set up: bash, zsh, fish, shims; run scfw configure --shell"),
        "{text}"
    );
    let doctor = sandbox.scfw(&["doctor", "--offline", "--json"]).ended_with(1);
    let check = policy_of(&json(&doctor.stdout));
    assert_eq!(check["outcome"], "failed");
    assert!(check["detail"].as_str().unwrap().contains("not set up: bash, zsh, fish, shims"), "{check}");
    sandbox.scfw(&["configure", "--yes", "--shims"]).ended_with(0);
    let status = sandbox.scfw(&["status", "--json"]);
    assert_eq!(json(&status.stdout)["missing_routes"], serde_json::json!([]));
    let doctor = sandbox.scfw(&["doctor", "--offline", "--json"]);
    assert_eq!(policy_of(&json(&doctor.stdout))["outcome"], "ok", "{}", doctor.stdout);
}

#[test]
fn what_is_required_is_not_taken_down() {
    let mut sandbox = under("required_routes = [\"zsh\", \"shims\"]\n");
    sandbox.scfw(&["configure", "--shell", "bash,zsh", "--shims"]).ended_with(0);
    let before = fs::read(sandbox.path("home/.zshrc")).unwrap();
    for (arguments, route) in [
        (&["configure", "--remove"][..], "zsh"),
        (&["disable", "--shell", "zsh"], "zsh"),
        (&["disable", "--shell", "bash,zsh"], "zsh"),
        (&["configure", "--no-shims"], "shims"),
    ] {
        let refused = sandbox.scfw(arguments).ended_with(1);
        refused
            .says(&format!("scfw: policy: {route} is required on this machine"))
            .says("nothing was changed");
        assert_eq!(fs::read(sandbox.path("home/.zshrc")).unwrap(), before, "{arguments:?}");
        assert!(sandbox.path("home/.bashrc").exists() && sandbox.path("scfw/shims/npm").exists());
    }
    sandbox.scfw(&["disable", "--shell", "bash"]).ended_with(0);
    sandbox.administer("policy.toml", "alow_bypass = false\n");
    sandbox.scfw(&["configure", "--remove"]).ended_with(78).says("policy.toml");
    sandbox.administer("policy.toml", "");
    sandbox.scfw(&["configure", "--remove"]).ended_with(0);
    assert!(!sandbox.path("home/.zshrc").exists());
}

#[test]
fn a_session_of_a_required_shell_is_not_switched_off() {
    let mut sandbox = under("");
    for policy in [ALL, "required_routes = [\"shims\"]\n", "required_routes = [\"csh\"]\n"] {
        sandbox.administer("policy.toml", policy);
        let is_kept = !policy.contains("[\"shims");
        for case in plain() {
            let (load, status) =
                if case.shell == "fish" { ("source $INIT", "$status") } else { (". \"$INIT\"", "$?") };
            let script = format!("{load}\nscfw disable; echo status={status}\ntype npm");
            let finished = case.run(&sandbox, &script).ended_with(0);
            let expected = if is_kept { "status=77" } else { "status=0" };
            assert!(finished.stdout.contains(expected), "{}: {finished:?}", case.name());
            let ours = if case.shell == "fish" { "session-shims/npm" } else { "function" };
            assert_eq!(finished.stdout.contains(ours), is_kept, "{}: {finished:?}", case.name());
            let why = if policy == ALL { "is required on this machine" } else { "policy.toml is not valid" };
            assert_eq!(finished.stderr.contains(why), is_kept, "{}: {finished:?}", case.name());
        }
    }
}

#[test]
fn the_doctor_tests_the_routes_under_locked_feeds_too() {
    let mut sandbox = under("locked = [\"osv_api_url\", \"datadog_dataset_url\"]\n");
    let urls = format!(
        "osv_api_url = {:?}\ndatadog_dataset_url = {:?}\n",
        sandbox.world.osv_url(),
        sandbox.world.datadog_url()
    );
    sandbox.administer("config.toml", urls);
    let finished = sandbox.scfw(&["doctor", "--json"]).ended_with(0);
    let report: Value = serde_json::from_str(&finished.stdout).unwrap();
    let gates: Vec<_> =
        report["checks"].as_array().unwrap().iter().filter(|check| check["check"] == "gate").collect();
    assert!(gates.iter().all(|gate| gate["outcome"] == "ok"), "{gates:?}");
    assert!(gates.iter().any(|gate| gate["detail"].as_str().unwrap().contains("malicious one stopped")));
}

#[test]
fn required_shims_stay_when_scfw_moves_to_another_folder() {
    let mut sandbox = under("required_routes = [\"shims\"]\n");
    sandbox.scfw(&["configure", "--shell", "bash,fish", "--shims"]).ended_with(0);
    let missing = |sandbox: &Sandbox| {
        let status = sandbox.scfw(&["status", "--json"]);
        serde_json::from_str::<Value>(&status.stdout).unwrap()["missing_routes"].clone()
    };
    assert_eq!(missing(&sandbox), serde_json::json!([]));
    let other = sandbox.path("it's other");
    sandbox.set("SCFW_HOME", &other);
    assert_eq!(missing(&sandbox), serde_json::json!(["shims"]), "the blocks name another folder");
    sandbox.scfw(&["configure", "--yes"]).ended_with(0);
    assert_eq!(missing(&sandbox), serde_json::json!([]));
    let third = sandbox.path("third");
    sandbox
        .scfw(&["configure", "--shell", "bash,fish", "--scfw-home", third.to_str().unwrap()])
        .ended_with(0);
    for file in ["home/.bashrc", "home/.config/fish/conf.d/scfw.fish"] {
        let block = fs::read_to_string(sandbox.path(file)).unwrap();
        assert!(block.contains("/third/shims'"), "{file}: {block}");
    }
    assert!(third.join("shims/npm").exists());
    // Shims that no block puts on PATH are none.
    sandbox.set("SCFW_HOME", &third);
    for shell in ["bash", "zsh", "fish"] {
        sandbox.scfw(&["disable", "--shell", shell]).ended_with(0);
    }
    assert_eq!(missing(&sandbox), serde_json::json!(["shims"]));
    sandbox.scfw(&["configure", "--shell", "bash"]).ended_with(0);
    assert_eq!(missing(&sandbox), serde_json::json!([]));
}

#[test]
fn only_what_is_missing_is_advised() {
    let mut sandbox = under("required_routes = [\"bash\", \"zsh\"]\n");
    let advised = |sandbox: &Sandbox, command: &str| {
        for text in [sandbox.scfw(&["status"]).stdout, sandbox.scfw(&["doctor", "--offline"]).stdout] {
            let line = text.lines().find(|line| line.contains("; run scfw configure")).unwrap();
            assert!(line.ends_with(&format!("; run {command}")), "{line}");
        }
    };
    sandbox.scfw(&["configure", "--shell", "bash"]).ended_with(0);
    advised(&sandbox, "scfw configure --shell zsh");
    sandbox.administer("policy.toml", "required_routes = [\"bash\", \"shims\"]\n");
    advised(&sandbox, "scfw configure --shell bash --shims");
    sandbox.administer("policy.toml", "required_routes = [\"preload\", \"zsh\"]\n");
    advised(&sandbox, "scfw configure --shell bash,zsh --preload");
}
