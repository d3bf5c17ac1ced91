//! `scfw configure` beyond this user's files: an API key is tried before it is saved, and a Datadog Agent is told.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use scfw_world::{Failure, Service};

use crate::support::Sandbox;
use crate::support::sinks::KEY;

fn config(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.path("scfw/config.toml")).unwrap_or_default()
}

#[test]
fn a_key_is_saved_once_the_intake_has_taken_it() {
    let sandbox = Sandbox::new();
    sandbox.world.accept_key(KEY);
    let options = ["configure", "--yes", "--dd-api-logger", "--dd-api-key"];
    let with = |key| [&options[..], &[key]].concat();
    let refused = sandbox.scfw(&with("fedcba9876543210fedcba9876543210")).ended_with(1);
    let refused =
        refused.says("was not saved").says("refused the key").says("--offline").says("nothing was changed");
    refused.does_not_say("fedcba");
    assert_eq!((config(&sandbox), sandbox.path("home/.bashrc").exists()), (String::new(), false));
    sandbox.scfw(&with(KEY)).ended_with(0);
    assert!(config(&sandbox).contains(KEY));
    assert!(sandbox.world.intake_logs().is_empty(), "it was tried with nothing to log");
}

#[test]
fn a_key_that_cannot_be_tried_is_saved_only_offline() {
    let mut sandbox = Sandbox::new();
    let options = ["configure", "--yes", "--dd-api-logger", "--dd-api-key", KEY];
    sandbox.world.fail(Service::Intake, Some(Failure::Status(500)));
    sandbox.scfw(&options).ended_with(1).says("status 500").says("--offline");
    assert_eq!(config(&sandbox), "");
    sandbox.world.forget_requests();
    sandbox.scfw(&[&options[..], &["--offline"]].concat()).ended_with(0);
    assert!(config(&sandbox).contains(KEY) && sandbox.world.requests().is_empty());
    sandbox.set("DD_SITE", "not/a/host");
    sandbox.unset("SCFW_DD_INTAKE_URL");
    sandbox.scfw(&options).ended_with(1).says("no name of a host");
}

/// An Agent that says where its integrations are, as `datadog-agent status --json` does.
fn with_agent(sandbox: &mut Sandbox, directory: &str) {
    let programs = sandbox.path("agent-bin");
    let agent = programs.join("datadog-agent");
    fs::create_dir_all(&programs).unwrap();
    fs::create_dir_all(sandbox.path(directory)).unwrap();
    let answer = serde_json::json!({"config": {"confd_path": sandbox.path(directory)}});
    fs::write(&agent, format!("#!/bin/sh\n[ \"$*\" = 'status --json' ] && echo '{answer}'\n")).unwrap();
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();
    let mut path = programs.into_os_string();
    path.push(":");
    path.push(sandbox.variable("PATH"));
    sandbox.set("PATH", path);
}

#[test]
fn an_agent_is_told_where_to_take_logs_and_told_no_longer_with_remove() {
    let mut sandbox = Sandbox::new();
    with_agent(&mut sandbox, "conf.d");
    let file = sandbox.path("conf.d/scfw.d/conf.yaml");
    let finished = sandbox.scfw(&["configure", "--yes", "--dd-agent-port", "10365"]).ended_with(0);
    assert!(finished.stdout.contains("conf.yaml: written; restart the Datadog Agent"), "{}", finished.stdout);
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        "logs:\n  - type: tcp\n    port: 10365\n    service: \"scfw\"\n    source: \"scfw\"\n"
    );
    sandbox.scfw(&["configure", "--dd-agent-port", "10366"]).ended_with(0);
    assert!(fs::read_to_string(&file).unwrap().contains("port: 10366"));
    let finished = sandbox.scfw(&["configure", "--remove"]).ended_with(0);
    assert!(finished.stdout.contains("conf.yaml: removed"), "{}", finished.stdout);
    assert!(!file.parent().unwrap().exists() && sandbox.path("conf.d").exists());
}

#[test]
fn without_an_agent_what_it_needs_is_shown() {
    let sandbox = Sandbox::new();
    let finished = sandbox.scfw(&["configure", "--yes", "--dd-agent-port", "10365"]).ended_with(0);
    finished.says("no Datadog Agent is installed here").says("    port: 10365\n");
    assert!(config(&sandbox).contains("agent_port = 10365"));
}

#[test]
fn an_agent_that_is_not_ours_to_configure_leaves_the_rest_done() {
    let mut sandbox = Sandbox::new();
    with_agent(&mut sandbox, "conf.d");
    fs::write(sandbox.path("conf.d/scfw.d"), "a file").unwrap();
    let finished = sandbox.scfw(&["configure", "--yes", "--dd-agent-port", "10365"]).ended_with(1);
    finished.says("everything else is done").says("    port: 10365\n").does_not_say("nothing was changed");
    assert!(config(&sandbox).contains("agent_port = 10365"));
}
