//! `scfw configure` beyond this user's files: an API key is tried before it is saved, and a Datadog Agent is told.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

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
    refused.does_not_say("fedcba").does_not_say("3210");
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
    fs::create_dir_all(sandbox.path(directory)).unwrap();
    let answer = serde_json::json!({"config": {"confd_path": sandbox.path(directory)}});
    with_agent_that(sandbox, &format!("[ \"$*\" = 'status --json' ] && echo '{answer}'"));
}

/// An Agent that is this line of a shell.
fn with_agent_that(sandbox: &mut Sandbox, line: &str) {
    let programs = sandbox.path("agent-bin");
    let agent = programs.join("datadog-agent");
    fs::create_dir_all(&programs).unwrap();
    fs::write(&agent, format!("#!/bin/sh\n{line}\n")).unwrap();
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
fn a_conf_yaml_of_somebody_elses_is_neither_replaced_nor_followed_nor_removed() {
    let mut sandbox = Sandbox::new();
    with_agent(&mut sandbox, "conf.d");
    let file = sandbox.path("conf.d/scfw.d/conf.yaml");
    let linked = sandbox.path("linked.yaml");
    let ours = "logs:\n  - type: tcp\n    port: 1\n    service: \"scfw\"\n    source: \"scfw\"\n";
    let theirs = format!("{ours}    tags:\n      - team:a\n");
    let configure = |sandbox: &Sandbox| {
        let finished = sandbox.scfw(&["configure", "--yes", "--dd-agent-port", "10365"]).ended_with(1);
        finished
            .says("conf.yaml is not as scfw writes it")
            .says("everything else is done")
            .says("    port: 10365\n");
        assert!(config(sandbox).contains("agent_port = 10365"));
    };
    fs::create_dir(file.parent().unwrap()).unwrap();
    fs::write(&file, &theirs).unwrap();
    configure(&sandbox);
    sandbox.scfw(&["configure", "--remove"]).ended_with(0).says("conf.yaml is not as scfw writes it");
    assert_eq!(fs::read_to_string(&file).unwrap(), theirs);
    fs::remove_file(&file).unwrap();
    fs::write(&linked, ours).unwrap();
    symlink(&linked, &file).unwrap();
    configure(&sandbox);
    sandbox.scfw(&["configure", "--remove"]).ended_with(0).says("conf.yaml is not as scfw writes it");
    assert_eq!(fs::read_to_string(&linked).unwrap(), ours);
    assert!(file.is_symlink());
}

#[test]
fn an_agent_that_does_not_say_where_it_is_configured_leaves_everything_as_it_was() {
    let mut sandbox = Sandbox::new();
    with_agent_that(&mut sandbox, "echo 'it is not running' >&2; exit 1");
    let finished = sandbox.scfw(&["configure", "--yes", "--dd-agent-port", "10365"]).ended_with(1);
    finished.says("agent-bin/datadog-agent").says("nothing was changed").does_not_say("no Datadog Agent");
    assert_eq!((config(&sandbox), sandbox.path("home/.bashrc").exists()), (String::new(), false));
    // What has nothing to do with it goes on, and so does leaving.
    sandbox.scfw(&["configure", "--yes", "--dd-log-level", "ALLOW"]).ended_with(0);
    sandbox.scfw(&["configure", "--remove"]).ended_with(0);
}

/// A block of the predecessor's with these lines.
fn with_block(sandbox: &Sandbox, lines: &str) -> String {
    let text =
        format!("# BEGIN SCFW MANAGED BLOCK\nalias pip=\"scfw run pip\"\n{lines}# END SCFW MANAGED BLOCK\n");
    fs::write(sandbox.path("home/.bashrc"), &text).unwrap();
    text
}

#[test]
fn a_key_of_the_predecessors_is_tried_like_any_other() {
    let mut sandbox = Sandbox::new();
    sandbox.world.accept_key("fedcba9876543210fedcba9876543210");
    let block = with_block(&sandbox, &format!("export DD_API_KEY=\"{KEY}\"\n"));
    let refused = sandbox.scfw(&["configure", "--shell", "bash"]).ended_with(1);
    refused
        .says("the API key of the block that is to be replaced was not saved")
        .says("refused the key")
        .says("--offline")
        .says("take DD_API_KEY out of the block")
        .says("nothing was changed")
        .does_not_say("cdef");
    assert_eq!(config(&sandbox), "");
    assert_eq!(fs::read_to_string(sandbox.path("home/.bashrc")).unwrap(), block);
    // One that is given instead is the one that counts, and the one that is tried.
    let other = ["configure", "--shell", "bash", "--dd-api-key", "fedcba9876543210fedcba9876543210"];
    sandbox.scfw(&other).ended_with(0);
    assert!(config(&sandbox).contains("fedcba") && !config(&sandbox).contains(KEY));
    // Whoever is offline is so for this too.
    with_block(&sandbox, &format!("export DD_API_KEY=\"{KEY}\"\n"));
    sandbox.set("SCFW_OFFLINE", "1");
    sandbox.world.forget_requests();
    sandbox.scfw(&["configure", "--shell", "bash"]).ended_with(0);
    assert!(config(&sandbox).contains(KEY) && sandbox.world.requests().is_empty());
    fs::write(sandbox.path("scfw/config.toml"), "offline = true\n").unwrap();
    sandbox.set("SCFW_OFFLINE", "0");
    sandbox.scfw(&["configure", "--yes", "--dd-api-key", KEY]).ended_with(1).says("refused the key");
}

#[test]
fn what_of_the_predecessors_is_not_carried_over_is_said() {
    let sandbox = Sandbox::new();
    with_block(
        &sandbox,
        "export SCFW_DD_CODESEC_LOGGER_ENABLED=\"1\"\nexport DD_APP_KEY=\"app-secret\"\n\
         export SCFW_DD_LOG_LEVEL=\"INFO\"\nexport SCFW_DD_AGENT_LOG_PORT=\"10365\"\n",
    );
    sandbox
        .scfw(&["configure", "--shell", "bash"])
        .ended_with(0)
        .says("DD_APP_KEY and SCFW_DD_CODESEC_LOGGER_ENABLED are not carried over")
        .says("Datadog Code Security")
        .says("SCFW_DD_LOG_LEVEL is not carried over: it is not ALLOW, BLOCK or ABORT")
        .does_not_say("app-secret");
    assert!(config(&sandbox).contains("agent_port = 10365"));
    // Once it is gone, it is no news.
    sandbox.scfw(&["configure", "--shell", "bash"]).ended_with(0).does_not_say("carried over");
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
