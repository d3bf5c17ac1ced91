//! Records are durable: killed, doubled, in parallel, on a new machine, on a full disk, nothing is lost, and nothing is
//! doubled beyond its id.

use scfw_core::store::SinkKind;
use scfw_world::{Agent, AgentMood, Failure, Service};
use serde_json::Value;

use crate::support::sinks::{KEY, distinct, eventually, ids, install, intake_has_everything, sandbox};

#[test]
fn on_a_new_machine_the_first_record_is_delivered_as_well() {
    for _ in 0..5 {
        let mut sandbox = sandbox();
        sandbox.log_to_api();
        std::fs::remove_dir(sandbox.path("scfw")).unwrap();
        install(&sandbox);
        intake_has_everything(&sandbox);
    }
}

#[test]
fn a_record_that_comes_as_a_sender_ends_is_delivered_as_well() {
    let agent = Agent::start().unwrap();
    let mut sandbox = sandbox();
    sandbox.log_to_api();
    sandbox.log_to_agent(&agent);
    for _ in 0..40 {
        sandbox.scfw(&["allow", "npm:x", "--reason", "y"]).ended_with(0);
        // When this has arrived, its sender may be about to end.
        let count = sandbox.log().len();
        eventually("the record at the Agent", || (agent.lines().len() >= count).then_some(()));
    }
    intake_has_everything(&sandbox);
}

#[test]
fn killed_between_verdict_and_delivery_nothing_is_lost() {
    let mut sandbox = sandbox();
    sandbox.log_to_api();
    sandbox.world.fail(Service::Intake, Some(Failure::Hang));
    for _ in 0..3 {
        install(&sandbox);
        sandbox.kill_senders();
    }
    assert_eq!(sandbox.sink(SinkKind::Api).waiting, 3);
    sandbox.world.fail(Service::Intake, None);
    install(&sandbox);
    intake_has_everything(&sandbox);
}

#[test]
fn what_is_delivered_twice_has_one_id() {
    let agent = Agent::start().unwrap();
    agent.set_mood(AgentMood::ReadsAndHangs);
    let mut sandbox = sandbox();
    sandbox.log_to_agent(&agent);
    install(&sandbox);
    eventually("a line", || (!agent.lines().is_empty()).then_some(()));
    sandbox.kill_senders();
    agent.set_mood(AgentMood::Reads);
    install(&sandbox);
    eventually("three lines", || (agent.lines().len() >= 3).then_some(()));
    let delivered = ids(&agent.lines());
    assert_eq!(delivered.len(), 3, "the first twice");
    assert_eq!(distinct(&delivered), distinct(&sandbox.logged_ids()));
}

#[test]
fn parallel_installs_are_delivered_each_once() {
    let mut sandbox = sandbox();
    sandbox.log_to_api();
    let document = serde_json::json!({
        "protocol": 1, "manager": "npm", "version": "11.0.0", "phase": "install", "argv": ["install"],
        "targets": [{"name": "good", "version": "1.0.0", "source": "registry", "published": "2020-01-01T00:00:00Z"}],
    })
    .to_string();
    std::thread::scope(|scope| {
        for _process in 0..8 {
            scope.spawn(|| sandbox.hook_with_input(&["verify"], document.as_bytes()).ended_with(0));
        }
    });
    eventually("eight records", || (sandbox.world.intake_logs().len() >= 8).then_some(()));
    let delivered = ids(&sandbox.intake_records());
    assert_eq!((delivered.len(), distinct(&delivered)), (8, distinct(&sandbox.logged_ids())));
}

#[test]
fn where_the_store_cannot_be_opened_it_is_said_and_the_file_log_has_the_record() {
    let mut sandbox = sandbox();
    sandbox.log_to_api();
    std::fs::create_dir_all(sandbox.path("scfw/store.db")).unwrap();
    sandbox
        .hook(&["npm", "install", "good"])
        .ended_with(0)
        .says("this run is missing in \"scfw history\" and does not reach Datadog's API");
    assert_eq!(sandbox.log().len(), 1);
    assert!(!sandbox.log()[0].to_string().contains(KEY));
}

/// In a mount namespace of its own, where the data directory is a disk of two megabytes: one run before it is full, one
/// while it is, one afterwards, once the intake is there again.
const FULL_DISK: &str = r#"
set -eu
mount -t tmpfs -o size=2m,mode=700 none "$SCFW_HOME"
verify() { printf '%s' "$DOCUMENT" | "$HOOK" verify; }
verify
dd if=/dev/zero of="$SCFW_HOME/filler" bs=1024 2>/dev/null || true
verify
rm "$SCFW_HOME/filler"
: > full
while [ ! -e healed ]; do sleep 0.05; done
verify
"#;

#[test]
fn a_disk_that_was_full_in_between_fails_no_install_and_loses_nothing_that_was_queued() {
    let mut sandbox = sandbox();
    sandbox.log_to_api();
    sandbox.set("SCFW_LOG_FILE", sandbox.path("elsewhere.log"));
    sandbox.set("HOOK", crate::support::binary("scfw-hook"));
    let document = serde_json::json!({
        "protocol": 1, "manager": "npm", "version": "11.0.0", "phase": "install", "argv": ["install"],
        "targets": [{"name": "good", "version": "1.0.0", "source": "registry", "published": "2020-01-01T00:00:00Z"}],
    });
    sandbox.set("DOCUMENT", document.to_string());
    sandbox.world.fail(Service::Intake, Some(Failure::Status(500)));
    let arguments = ["--user", "--map-root-user", "--mount", "sh", "-c", FULL_DISK];
    let finished = std::thread::scope(|scope| {
        let running = scope.spawn(|| sandbox.bare("unshare", &arguments));
        eventually("a full disk", || sandbox.project("full").exists().then_some(()));
        sandbox.world.fail(Service::Intake, None);
        sandbox.write("healed", "");
        running.join().unwrap().ended_with(0)
    });
    assert_eq!(finished.stderr.matches("this run is missing in").count(), 1, "{}", finished.stderr);
    let log = std::fs::read_to_string(sandbox.path("elsewhere.log")).unwrap();
    let log: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(log.len(), 3, "the file log has them all");
    eventually("the first and the last", || (sandbox.world.intake_logs().len() >= 2).then_some(()));
    assert_eq!(sandbox.intake_records(), [log[0].clone(), log[2].clone()]);
}
