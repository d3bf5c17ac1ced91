//! Telemetry, from an install to a sink: every sink for every action, and the secrets nowhere.

use std::fs;
use std::path::Path;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message;
use scfw_core::package::Ecosystem;
use scfw_core::store::{SinkKind, SinkState};
use scfw_world::{Agent, NpmPackage, Service, Wheel};
use serde_json::{Value, json};

use crate::support::Sandbox;
use crate::support::sinks::{KEY, attribute, eventually, ids};

/// One command of each kind that ends differently; returns what the log has of them.
fn every_action(sandbox: &mut Sandbox) -> Vec<Value> {
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("top", "1.0.0").dependency("evil", "*"));
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0"));
    sandbox.world.add_wheel(Wheel::new("leaky", "1.0"));
    sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
    let affected = json!([{"package": {"ecosystem": "PyPI", "name": "leaky"}}]);
    sandbox.world.add_advisory(json!({"id": "GHSA-1", "affected": affected}));
    sandbox.hook(&["npm", "install", "good"]).ended_with(0);
    sandbox.hook(&["npm", "install", "top"]).ended_with(77);
    sandbox.hook(&["npm", "install", "evil@1.0.0"]).ended_with(77);
    let pip = ["pip", "install", "--target", "out", "leaky"];
    let (status, shown) = sandbox.on_terminal(&pip, "[y/N]", Some("n\n"));
    assert_eq!(status, 76, "{shown}");
    let (status, shown) = sandbox.on_terminal(&pip, "[y/N]", Some("y\n"));
    assert_eq!(status, 0, "{shown}");
    sandbox.set("SCFW_BYPASS", "1");
    sandbox.hook(&["pip", "install", "--target", "out2", "leaky"]).ended_with(0);
    sandbox.unset("SCFW_BYPASS");
    let log = sandbox.log();
    let actions: Vec<(&str, &str)> = log
        .iter()
        .map(|record| (record["event"].as_str().unwrap(), record["action"].as_str().unwrap()))
        .collect();
    assert_eq!(
        actions,
        [
            ("run", "ALLOW"),
            ("run", "BLOCK"),
            ("run", "BLOCK"),
            ("run", "ABORT"),
            ("run", "ALLOW"),
            ("bypass", "ALLOW")
        ]
    );
    log
}

#[test]
fn the_agent_gets_a_line_for_every_action() {
    let agent = Agent::start().unwrap();
    let mut sandbox = Sandbox::new();
    sandbox.log_to_agent(&agent);
    let log = every_action(&mut sandbox);
    let lines = eventually("all lines", || Some(agent.lines()).filter(|lines| lines.len() >= log.len()));
    assert_eq!(lines, log, "what the file log has, in its order, each once");
}

#[test]
fn datadogs_api_gets_a_log_for_every_action() {
    let mut sandbox = Sandbox::new();
    sandbox.log_to_api();
    sandbox.set("DD_ENV", "ci");
    let log = every_action(&mut sandbox);
    let logs =
        eventually("all logs", || Some(sandbox.world.intake_logs()).filter(|logs| logs.len() >= log.len()));
    assert_eq!(sandbox.intake_records(), log);
    for (item, record) in logs.iter().zip(&log) {
        let version = record["version"].as_str().unwrap();
        assert_eq!(
            (&item["ddsource"], &item["service"], &item["hostname"]),
            (&json!("scfw"), &json!("scfw"), &record["hostname"])
        );
        assert_eq!(item["ddtags"], format!("env:ci,version:{version}"));
    }
    let requests = sandbox.world.requests();
    for request in requests.iter().filter(|request| request.service == Service::Intake) {
        assert_eq!(request.header("content-encoding"), Some("deflate"));
        assert_eq!(request.header("dd-api-key"), Some(KEY));
    }
}

#[test]
fn a_collector_gets_a_log_record_for_every_action() {
    let mut sandbox = Sandbox::new();
    sandbox.log_to_collector();
    let log = every_action(&mut sandbox);
    let collected =
        eventually("all log records", || Some(sandbox.collected()).filter(|all| all.len() >= log.len()));
    let uids: Vec<_> =
        collected.iter().map(|record| attribute(&record.attributes, "log.record.uid").unwrap()).collect();
    assert_eq!(uids, ids(&log));
    for (collected, record) in collected.iter().zip(&log) {
        assert_eq!(attribute(&collected.attributes, "action"), record["action"].as_str());
        assert_eq!(collected.event_name, format!("scfw.{}", record["event"].as_str().unwrap()));
        let severity = match (record["action"].as_str().unwrap(), record["event"].as_str().unwrap()) {
            ("BLOCK", _) => "ERROR",
            ("ABORT", _) | (_, "bypass") => "WARN",
            _ => "INFO",
        };
        assert_eq!(collected.severity_text, severity);
        let seconds = record["created"].as_f64().unwrap();
        #[expect(clippy::cast_precision_loss, reason = "a microsecond more or less is none")]
        let difference = collected.time_unix_nano as f64 / 1e9 - seconds;
        assert!(difference.abs() < 1e-3, "{difference}");
    }
    let request = ExportLogsServiceRequest::decode(sandbox.world.collector_requests()[0].as_slice()).unwrap();
    let resource = request.resource_logs[0].resource.as_ref().unwrap();
    assert_eq!(attribute(&resource.attributes, "service.name"), Some("scfw"));
    assert_eq!(attribute(&resource.attributes, "host.name"), log[0]["hostname"].as_str());
    let requests = sandbox.world.requests();
    let headers = requests.iter().filter(|request| request.service == Service::Collector);
    assert!(headers.map(|request| request.header("api-key")).all(|key| key == Some("s3cret/token")));
}

#[test]
fn without_a_sink_nothing_is_started_and_nothing_waits() {
    let mut sandbox = Sandbox::new();
    every_action(&mut sandbox);
    for kind in SinkKind::ALL {
        assert_eq!(sandbox.sink(kind), SinkState::default());
    }
    assert!(!sandbox.path("scfw/sender.lock").exists(), "no sender was started");
}

#[test]
fn the_level_is_what_was_blocked_unless_it_is_set_and_overrides_are_always_sent() {
    let mut sandbox = Sandbox::new();
    sandbox.log_to_api();
    sandbox.unset("SCFW_DD_LOG_LEVEL");
    let log = every_action(&mut sandbox);
    let expected: Vec<Value> = [1, 2, 5].map(|index| log[index].clone()).to_vec();
    eventually("three logs", || (sandbox.world.intake_logs().len() >= 3).then_some(()));
    assert_eq!(sandbox.intake_records(), expected);
}

/// Every file below `place` that holds `secret`.
pub(crate) fn holding(place: &Path, secret: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(place).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(holding(&path, secret));
        } else if fs::read(&path)
            .is_ok_and(|bytes| bytes.windows(secret.len()).any(|window| window == secret.as_bytes()))
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn the_key_is_in_no_managers_environment_and_in_no_file() {
    let mut sandbox = Sandbox::new();
    sandbox.log_to_api();
    let dump = sandbox.path("environment");
    for directory in [".", "bypassed"] {
        sandbox.write(
            format!("{directory}/package.json"),
            json!({"name": "x", "version": "1.0.0", "scripts": {"preinstall": format!("env >> {}", dump.display())}})
                .to_string(),
        );
    }
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox.hook(&["npm", "install", "good"]).ended_with(0);
    sandbox.set("SCFW_BYPASS", "1");
    sandbox.hook(&["npm", "install", "--prefix", "bypassed"]).ended_with(0);
    let environment = fs::read_to_string(&dump).unwrap();
    assert!(environment.contains("SCFW_DD_API_LOGGER_ENABLED=1"), "{environment}");
    assert!(!environment.contains(KEY) && !environment.contains("DD_API_KEY="), "{environment}");
    eventually("both records", || (sandbox.world.intake_logs().len() >= 2).then_some(()));
    assert_eq!(holding(&sandbox.path("."), KEY), Vec::<String>::new());
}

#[test]
fn a_key_that_is_not_for_scfw_is_left_to_the_manager() {
    let mut sandbox = Sandbox::new();
    sandbox.set("DD_API_KEY", KEY);
    sandbox.set("OTEL_EXPORTER_OTLP_HEADERS", "api-key=s3cret");
    let script = format!("env > {}", sandbox.path("environment").display());
    let package = json!({"name": "x", "version": "1.0.0", "scripts": {"preinstall": script}});
    sandbox.write("package.json", package.to_string());
    sandbox.hook(&["npm", "install"]).ended_with(0);
    let environment = fs::read_to_string(sandbox.path("environment")).unwrap();
    assert!(environment.contains(KEY) && environment.contains("api-key=s3cret"), "{environment}");
}

#[test]
fn credentials_and_home_directories_are_in_no_record() {
    let agent = Agent::start().unwrap();
    let mut sandbox = Sandbox::new();
    sandbox.log_to_agent(&agent);
    sandbox.set("SCFW_DD_LOG_ATTRIBUTES", r#"{"team": "a", "mirror": "https://u:s3cret@mirror.example"}"#);
    let home = sandbox.path("home");
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    let index = sandbox.world.index_url().replace("http://", "http://user:s3cret@");
    let target = home.join("out").display().to_string();
    let arguments = ["pip", "install", "--index-url", &index, "--target", &target, "good"];
    sandbox.hook(&arguments).ended_with(0);
    let lines = eventually("a line", || Some(agent.lines()).filter(|lines| !lines.is_empty()));
    let text = lines[0].to_string();
    assert!(!text.contains("s3cret") && !text.contains(home.to_str().unwrap()), "{text}");
    assert!(lines[0]["msg"].as_str().unwrap().contains("--target ~/out good"), "{text}");
    assert_eq!((&lines[0]["team"], &lines[0]["mirror"]), (&json!("a"), &json!("https://mirror.example")));
    assert!(lines[0]["install_targets"][0]["source"].as_str().unwrap().starts_with("http://127.0.0.1"));
}

#[test]
fn attributes_that_are_wrong_are_said_and_change_nothing() {
    let mut sandbox = Sandbox::new();
    sandbox.set("SCFW_DD_LOG_ATTRIBUTES", "[1]");
    sandbox.set("SCFW_DD_LOG_ATTRIBUTES_FILE", sandbox.path("missing.json"));
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox
        .hook(&["npm", "install", "good"])
        .ended_with(0)
        .says("SCFW_DD_LOG_ATTRIBUTES is not one JSON object")
        .says("missing.json could not be read");
    assert_eq!(sandbox.log().len(), 1);
}
