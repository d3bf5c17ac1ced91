//! The gates' other end by itself: documents that no gate of ours would send, and the log under load.

use scfw_core::package::Ecosystem;
use serde_json::{Value, json};

use crate::support::{Finished, Sandbox, binary};

fn document(targets: &Value) -> Value {
    // Old enough, for age is not what these tests are about.
    let mut targets = targets.clone();
    for target in targets.as_array_mut().unwrap() {
        target["published"] = "2020-01-01T00:00:00Z".into();
    }
    json!({"protocol": 1, "manager": "npm", "version": "11.0.0", "phase": "install", "argv": ["install"], "targets": targets})
}

fn verify(sandbox: &Sandbox, document: &[u8]) -> Finished {
    sandbox.hook_with_input(&["verify"], document)
}

#[test]
fn a_document_that_cannot_be_read_is_never_an_allow() {
    let sandbox = Sandbox::new();
    let good = document(&json!([{"name": "a", "version": "1.0.0", "source": "registry"}])).to_string();
    verify(&sandbox, good.as_bytes()).ended_with(0);
    for length in [0, 1, good.len() / 2, good.len() - 1] {
        verify(&sandbox, &good.as_bytes()[..length]).ended_with(69).says("could not be read");
    }
    verify(&sandbox, &[0xff; 100]).ended_with(69);
    verify(&sandbox, "[".repeat(100_000).as_bytes()).ended_with(69);
    let other = good.replace("\"protocol\":1", "\"protocol\":7");
    verify(&sandbox, other.as_bytes()).ended_with(69).says("protocol 7");
    verify(&sandbox, good.replace("\"npm\"", "\"cargo\"").as_bytes()).ended_with(69).says("unknown manager");
    verify(&sandbox, good.replace("registry", "elsewhere").as_bytes()).ended_with(69);
    let long = good.replace("\"a\"", &format!("\"{}\"", "x".repeat(1_000_000)));
    verify(&sandbox, long.as_bytes()).ended_with(69).says("overlong");
    let records = sandbox.log();
    let actions: Vec<_> = records.iter().map(|record| record["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["ALLOW", "BLOCK"], "the good one and the one that names what cannot be");
}

#[test]
fn accepted_targets_are_not_asked_about_again_but_malware_is() {
    let sandbox = Sandbox::new();
    sandbox
        .world
        .add_advisory(json!({"id": "GHSA-1", "affected": [{"package": {"ecosystem": "npm", "name": "a"}}]}));
    let target = |accepted: bool| {
        document(&json!([{"name": "a", "version": "1.0.0", "source": "registry", "accepted": accepted}]))
            .to_string()
    };
    verify(&sandbox, target(false).as_bytes()).ended_with(77).says("GHSA-1");
    verify(&sandbox, target(true).as_bytes()).ended_with(0).does_not_say("GHSA-1");
    sandbox.world.malicious(Ecosystem::Npm, "a", None);
    verify(&sandbox, target(true).as_bytes()).ended_with(77).says("MAL-");
}

#[test]
fn names_from_outside_cannot_move_the_cursor() {
    let sandbox = Sandbox::new();
    let name = "evil\u{1b}[2J\u{9b}31m\u{202e}name";
    sandbox.world.malicious(Ecosystem::Npm, name, None);
    let mut target = json!([{"name": name, "version": "1\u{7}", "source": "registry", "required_by": ["\u{1b}]0;x\u{7}"]}]);
    let refused =
        verify(&sandbox, document(&target).to_string().as_bytes()).ended_with(69).says("no registry");
    assert!(!refused.stderr.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']));
    target[0]["source"] = "url".into();
    let finished = verify(&sandbox, document(&target).to_string().as_bytes()).ended_with(77);
    assert!(finished.stderr.contains("evil[2J31mname@1 (required by ]0;x)"), "{:?}", finished.stderr);
    assert!(!finished.stderr.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']));
}

#[test]
fn many_targets_are_verified_in_one_go() {
    let sandbox = Sandbox::new();
    let targets: Vec<Value> = (0..2500)
        .map(|number| json!({"name": format!("package-{number}"), "version": "1.0.0", "source": "registry"}))
        .collect();
    sandbox.world.malicious(Ecosystem::Npm, "package-2400", Some("1.0.0"));
    let finished = verify(&sandbox, document(&json!(targets)).to_string().as_bytes()).ended_with(77);
    assert_eq!(finished.stderr.matches("Installation target").count(), 1, "{}", finished.stderr);
    let requests = sandbox.world.requests();
    let batches = requests.iter().filter(|request| request.path.ends_with("querybatch")).count();
    assert_eq!(batches, 3, "a batch takes 1,000 queries");
}

#[test]
fn parallel_runs_append_whole_lines() {
    let sandbox = Sandbox::new();
    let targets: Vec<Value> = (0..300)
        .map(|number| json!({"name": format!("a-rather-long-package-name-{number}"), "version": "1.0.0", "source": "registry"}))
        .collect();
    let input = document(&json!(targets)).to_string();
    std::thread::scope(|scope| {
        for _process in 0..8 {
            scope.spawn(|| verify(&sandbox, input.as_bytes()).ended_with(0));
        }
    });
    let log = sandbox.log();
    assert_eq!(log.len(), 8);
    assert!(log.iter().all(|record| record["install_targets"].as_array().unwrap().len() == 300));
}

#[test]
fn a_record_has_the_predecessors_fields() {
    let mut sandbox = Sandbox::new();
    sandbox.set("DD_ENV", "ci");
    sandbox.set("SCFW_LOG_FILE", sandbox.path("elsewhere/audit.jsonl"));
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    verify(
        &sandbox,
        document(&json!([{"name": "evil", "version": "1.0.0", "source": "registry"}])).to_string().as_bytes(),
    )
    .ended_with(77);
    let text = std::fs::read_to_string(sandbox.path("elsewhere/audit.jsonl")).unwrap();
    let record: Value = serde_json::from_str(&text).unwrap();
    let mut fields: Vec<&str> = record.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "action", "created", "cwd", "ecosystem", "env", "event", "executable", "hostname", "id",
            "install_targets", "log_version", "msg", "package_manager", "relevant_findings", "service",
            "source", "username", "verified", "version", "warning",
        ]
    );
    assert_eq!(record["msg"], "Command 'npm install' was blocked");
    assert_eq!(record["ecosystem"], "npm");
    assert_eq!(record["env"], "ci");
    let package = json!({"ecosystem": "npm", "name": "evil", "version": "1.0.0", "source": null});
    assert_eq!(record["install_targets"], json!([package]));
    assert_eq!(record["relevant_findings"][0]["severity"], "CRITICAL");
    assert_eq!(record["relevant_findings"][0]["package"], package);
    assert!(record["created"].as_f64().unwrap() > 1.7e9);
}

#[test]
fn an_unwritable_log_is_said_and_does_not_change_the_verdict() {
    let mut sandbox = Sandbox::new();
    sandbox.set("SCFW_LOG_FILE", "/dev/full");
    let good = document(&json!([{"name": "a", "version": "1.0.0", "source": "registry"}])).to_string();
    verify(&sandbox, good.as_bytes()).ended_with(0).says("/dev/full could not be written");
}

#[test]
fn an_unusable_data_directory_refuses_before_anything_runs() {
    let mut sandbox = Sandbox::new();
    let file = sandbox.write("a-file", "");
    sandbox.set("SCFW_HOME", file.join("below"));
    sandbox.world.add_npm(scfw_world::NpmPackage::new("good", "1.0.0"));
    sandbox
        .hook(&["npm", "install", "good"])
        .ended_with(69)
        .says("the gates could not be written")
        .says("SCFW_HOME");
    assert!(sandbox.list("node_modules").is_empty());
    assert!(binary("scfw-hook").exists());
}
