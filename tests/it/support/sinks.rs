//! The sinks of telemetry around a sandbox, and waiting for what reaches them: delivery takes its time, and no test
//! says how much.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use scfw_core::store::{SinkKind, SinkState, Store};
use scfw_world::{Agent, NpmPackage};
use serde_json::Value;

use super::Sandbox;

/// A key as Datadog's look.
pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";
/// A test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(100);

/// Waits until `found` finds something.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Sandbox {
    /// Has records sent to an Agent, everything of them.
    pub(crate) fn log_to_agent(&mut self, agent: &Agent) {
        self.set("SCFW_DD_AGENT_LOG_PORT", agent.port().to_string());
        self.set("SCFW_DD_LOG_LEVEL", "ALLOW");
    }

    /// Has records sent to the world's intake, everything of them.
    pub(crate) fn log_to_api(&mut self) {
        self.world.accept_key(KEY);
        self.set("SCFW_DD_API_LOGGER_ENABLED", "1");
        self.set("DD_API_KEY", KEY);
        self.set("SCFW_DD_LOG_LEVEL", "ALLOW");
    }

    /// Has records sent to the world's collector.
    pub(crate) fn log_to_collector(&mut self) {
        self.set("OTEL_EXPORTER_OTLP_ENDPOINT", self.world.collector_url());
        self.set("OTEL_EXPORTER_OTLP_HEADERS", "api-key=s3cret%2Ftoken");
    }

    /// The ids of the file log, in order.
    pub(crate) fn logged_ids(&self) -> Vec<String> {
        ids(&self.log())
    }

    /// The records that the intake has taken.
    pub(crate) fn intake_records(&self) -> Vec<Value> {
        let message = |log: Value| serde_json::from_str(log["message"].as_str().unwrap()).unwrap();
        self.world.intake_logs().into_iter().map(message).collect()
    }

    /// The log records that the collector has taken.
    pub(crate) fn collected(&self) -> Vec<LogRecord> {
        let requests = self.world.collector_requests();
        let decode = |request: Vec<u8>| ExportLogsServiceRequest::decode(request.as_slice()).unwrap();
        let resources = requests.into_iter().flat_map(|request| decode(request).resource_logs);
        resources.flat_map(|resource| resource.scope_logs).flat_map(|scope| scope.log_records).collect()
    }

    /// How delivering to a sink goes.
    pub(crate) fn sink(&self, kind: SinkKind) -> SinkState {
        let store = Store::open_existing(&Store::path_in(&self.path("scfw"))).unwrap();
        store.map(|store| store.sink_state(kind).unwrap()).unwrap_or_default()
    }

    /// Waits until an attempt to deliver has failed, and gives what was wrong.
    pub(crate) fn failure_of(&self, kind: SinkKind) -> String {
        eventually("an attempt that fails", || self.sink(kind).error.map(|(error, _)| error))
    }

    /// Kills the senders of this sandbox, as a power cut would.
    pub(crate) fn kill_senders(&self) -> usize {
        let data = format!("\0{}\0", self.path("scfw").display());
        let processes = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
            let process: i32 = entry.file_name().to_str()?.parse().ok()?;
            let command = fs::read_to_string(entry.path().join("cmdline")).ok()?;
            (command.contains("\0deliver-records\0") && command.ends_with(&data)).then_some(process)
        });
        let killed = |process: i32| kill(Pid::from_raw(process), Signal::SIGKILL).is_ok();
        processes.filter(|process| killed(*process)).count()
    }
}

/// A world with the npm package `good`, which [`install`] installs.
pub(crate) fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox
}

/// Installs a package, from nothing each time, for what is there already is no decision.
pub(crate) fn install(sandbox: &Sandbox) {
    for left in ["package.json", "package-lock.json"] {
        // There is none the first time.
        fs::remove_file(sandbox.project(left)).ok();
    }
    // There is none the first time.
    fs::remove_dir_all(sandbox.project("node_modules")).ok();
    let finished = sandbox.hook(&["npm", "install", "good"]).ended_with(0);
    assert_eq!(finished.stderr, "", "a sink is no reason to speak");
}

/// Waits until the intake has every record of the file log, and checks that it has each once, in order.
#[track_caller]
pub(crate) fn intake_has_everything(sandbox: &Sandbox) {
    let count = sandbox.log().len();
    eventually("every record", || (sandbox.world.intake_logs().len() >= count).then_some(()));
    assert_eq!(sandbox.intake_records(), sandbox.log());
}

/// The ids of records, in order.
pub(crate) fn ids(records: &[Value]) -> Vec<String> {
    records.iter().map(|record| record["id"].as_str().unwrap().to_owned()).collect()
}

/// The ids once each.
pub(crate) fn distinct(ids: &[String]) -> BTreeSet<&str> {
    ids.iter().map(String::as_str).collect()
}

/// The text of an attribute of OpenTelemetry.
pub(crate) fn attribute<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    match &found.value {
        Some(AnyValue { value: Some(Any::StringValue(text)) }) => Some(text),
        _ => None,
    }
}
