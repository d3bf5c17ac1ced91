//! Sinks that fail: an install neither fails nor waits for them, nothing is lost, and nothing is doubled beyond its id.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use opentelemetry_proto::tonic::common::v1::any_value;
use scfw_core::store::{SinkKind, Store, now};
use scfw_world::{Agent, AgentMood, Failure, Service};
use serde_json::Value;

use crate::support::sinks::{KEY, eventually, install, intake_has_everything, sandbox};
use crate::support::tls::Tls;

/// The intake is in trouble for two installs, then heals.
fn intake_in_trouble(failure: Failure, reason: &str) {
    let mut sandbox = sandbox();
    sandbox.log_to_api();
    sandbox.world.fail(Service::Intake, Some(failure));
    install(&sandbox);
    let error = sandbox.failure_of(SinkKind::Api);
    assert!(error.contains(reason) && error.contains("127.0.0.1"), "{error}");
    install(&sandbox);
    assert_eq!(sandbox.sink(SinkKind::Api).waiting, 2);
    sandbox.world.fail(Service::Intake, None);
    install(&sandbox);
    intake_has_everything(&sandbox);
    eventually("an empty outbox", || (sandbox.sink(SinkKind::Api).waiting == 0).then_some(()));
    assert_eq!(sandbox.sink(SinkKind::Api).error, None);
}

#[test]
fn an_intake_that_is_out_of_order_gets_everything_once_it_is_not() {
    intake_in_trouble(Failure::Status(500), "status 500");
}

#[test]
fn an_intake_that_refuses_the_key_gets_everything_once_it_does_not() {
    intake_in_trouble(Failure::Status(403), "refused the key");
}

#[test]
fn an_intake_that_closes_connections_gets_everything_once_it_does_not() {
    intake_in_trouble(Failure::Close, "could not be reached");
}

#[test]
fn an_intake_that_is_busy_is_left_alone_for_as_long_as_it_asks() {
    let mut sandbox = sandbox();
    sandbox.log_to_api();
    sandbox.world.fail(Service::Intake, Some(Failure::Busy(3600)));
    install(&sandbox);
    assert!(sandbox.failure_of(SinkKind::Api).contains("status 429"));
    let state = sandbox.sink(SinkKind::Api);
    assert!(state.not_before > now() + 3500, "{state:?}");
    sandbox.world.fail(Service::Intake, Some(Failure::Busy(0)));
    install(&sandbox);
    let state = sandbox.sink(SinkKind::Api);
    assert_eq!((state.waiting, state.attempts), (2, 1), "{state:?}");
}

#[test]
fn flush_waits_for_no_pause_and_tells_whether_anything_is_left() {
    let mut sandbox = sandbox();
    let nothing = sandbox.scfw(&["flush"]).ended_with(0);
    assert_eq!(nothing.stdout, "There is no sink to deliver to.\n");
    sandbox.log_to_api();
    sandbox.world.fail(Service::Intake, Some(Failure::Busy(3600)));
    install(&sandbox);
    sandbox.failure_of(SinkKind::Api);
    let failed = sandbox.scfw(&["flush", "--timeout", "1"]).ended_with(1);
    assert!(
        failed.stdout.starts_with("telemetry: 1 record waits for Datadog's API; last error"),
        "{failed:?}"
    );
    assert_eq!(sandbox.sink(SinkKind::Api).attempts, 2, "the sender's and this");
    sandbox.world.fail(Service::Intake, None);
    let flushed = sandbox.scfw(&["flush"]).ended_with(0);
    assert!(
        flushed.stdout.starts_with("telemetry: 0 records wait for Datadog's API; the last"),
        "{flushed:?}"
    );
    assert_eq!(sandbox.intake_records(), sandbox.log());
    sandbox.scfw(&["flush", "--timeout", "86401"]).ended_with(2);
}

#[test]
fn an_intake_that_was_busy_gets_everything_afterwards() {
    intake_in_trouble(Failure::Busy(1), "status 429");
}

#[test]
fn a_hanging_intake_holds_up_neither_the_install_nor_whoever_waits_for_its_output() {
    let mut sandbox = sandbox();
    sandbox.log_to_api();
    sandbox.world.fail(Service::Intake, Some(Failure::Hang));
    // A descriptor beside the standard ones, as test runners and makefiles leave them open.
    let hook = crate::support::binary("scfw-hook");
    let script = format!("exec 7>&1; exec {} npm install good", hook.display());
    let finished = sandbox.bare("sh", &["-c", &script]).ended_with(0);
    assert_eq!(finished.stderr, "");
    eventually("an attempt", || {
        sandbox.world.requests().iter().any(|request| request.service == Service::Intake).then_some(())
    });
    assert_eq!(sandbox.sink(SinkKind::Api).waiting, 1);
    sandbox.world.fail(Service::Intake, None);
    assert!(sandbox.kill_senders() >= 1, "one hangs");
    install(&sandbox);
    intake_has_everything(&sandbox);
}

#[test]
fn a_certificate_that_cannot_be_trusted_is_an_error_like_any_other() {
    let mut sandbox = sandbox();
    let tls = Tls::before(&sandbox.world.intake_url());
    sandbox.log_to_api();
    sandbox.set("SCFW_DD_INTAKE_URL", tls.url(&sandbox.world.intake_url()));
    install(&sandbox);
    let error = sandbox.failure_of(SinkKind::Api);
    assert!(error.contains("localhost could not be reached (invalid peer certificate"), "{error}");
    assert_eq!(sandbox.sink(SinkKind::Api).waiting, 1);
    // From a relative path, which means another file wherever the sender is.
    sandbox.write("trusted.pem", &tls.certificate);
    sandbox.set("SSL_CERT_FILE", "trusted.pem");
    sandbox.kill_senders();
    install(&sandbox);
    intake_has_everything(&sandbox);
}

#[test]
fn a_collector_with_a_certificate_of_its_own_is_trusted_by_opentelemetrys_variable() {
    let mut sandbox = sandbox();
    let tls = Tls::before(&sandbox.world.collector_url());
    sandbox.log_to_collector();
    sandbox.set("OTEL_EXPORTER_OTLP_ENDPOINT", tls.url(&sandbox.world.collector_url()));
    sandbox.set("OTEL_EXPORTER_OTLP_CERTIFICATE", "missing.pem");
    install(&sandbox);
    let error = sandbox.failure_of(SinkKind::Otlp);
    assert!(error.contains("missing.pem cannot be read"), "{error}");
    sandbox.kill_senders();
    sandbox.write("collector.pem", &tls.certificate);
    sandbox.set("OTEL_EXPORTER_OTLP_CERTIFICATE", "collector.pem");
    sandbox.scfw(&["flush"]).ended_with(0);
    assert_eq!(sandbox.collected().len(), 1);
    sandbox.set("OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE", sandbox.write("no.pem", "nothing"));
    install(&sandbox);
    assert!(sandbox.failure_of(SinkKind::Otlp).contains("no.pem holds no certificate"));
}

#[test]
fn what_is_configured_wrongly_fails_no_install_and_waits() {
    for (variable, value, reason) in [
        ("DD_SITE", "not/a/host", "no name of a host"),
        ("DD_API_KEY", "a\u{e9}\nb", "no key"),
        ("SCFW_DD_INTAKE_URL", "nonsense", "address is not valid"),
    ] {
        let mut sandbox = sandbox();
        sandbox.log_to_api();
        if variable == "DD_SITE" {
            sandbox.unset("SCFW_DD_INTAKE_URL");
        }
        sandbox.set(variable, value);
        install(&sandbox);
        let error = sandbox.failure_of(SinkKind::Api);
        assert!(error.contains(reason), "{variable}: {error}");
        assert_eq!(sandbox.sink(SinkKind::Api).waiting, 1);
    }
}

#[test]
fn a_mistaken_variable_is_said_and_fails_no_install() {
    for (variable, value, said) in [
        ("SCFW_DD_AGENT_LOG_PORT", &b"abc"[..], "is \"abc\", which is not a port between 1 and 65535"),
        ("SCFW_DD_LOG_LEVEL", b"INFO", "is \"INFO\", which is not ALLOW, BLOCK or ABORT"),
        ("DD_API_KEY", b"secret\xff", "is no text in UTF-8"),
    ] {
        let mut sandbox = sandbox();
        sandbox.log_to_api();
        sandbox.set(variable, OsStr::from_bytes(value));
        let finished = sandbox.hook(&["npm", "install", "good"]).ended_with(0);
        let said = format!("scfw: {variable} {said}");
        assert_eq!(finished.stderr.matches(&said).count(), 1, "{}", finished.stderr);
        let finished = finished.does_not_say("secret");
        assert!(finished.stdout.contains("added 1 package"), "{}", finished.stdout);
        let finished = sandbox.scfw(&["status"]);
        assert!(finished.stdout.contains(said.trim_start_matches("scfw: ")), "{}", finished.stdout);
        let finished = sandbox.scfw(&["doctor", "--offline"]).ended_with(1);
        assert!(finished.stdout.contains(said.trim_start_matches("scfw: ")), "{}", finished.stdout);
    }
}

#[test]
fn a_variable_of_others_is_none_of_scfws_business() {
    let mut sandbox = sandbox();
    for variable in ["DD_API_KEY", "DD_SITE", "DD_ENV"] {
        sandbox.set(variable, OsStr::from_bytes(b"\xff"));
    }
    sandbox.hook(&["npm", "install", "good"]).ended_with(0).does_not_say("scfw:");
    assert_eq!(sandbox.log()[0]["env"], "\u{fffd}");
}

#[test]
fn an_agent_that_is_not_there_or_hangs_gets_everything_later() {
    let agent = Agent::start().unwrap();
    let mut sandbox = sandbox();
    sandbox.log_to_agent(&agent);
    let port = agent.port();
    drop(agent);
    install(&sandbox);
    assert!(sandbox.failure_of(SinkKind::Agent).contains("could not be used"));
    let agent = Agent::start_on(port).unwrap();
    agent.set_mood(AgentMood::Hangs);
    eventually("an attempt that hangs", || {
        sandbox.sink(SinkKind::Agent).error.filter(|(error, _)| error.contains("in time"))
    });
    assert_eq!(agent.lines(), Vec::<Value>::new());
    agent.set_mood(AgentMood::Reads);
    install(&sandbox);
    eventually("both records", || (agent.lines().len() >= 2).then_some(()));
    assert_eq!(agent.lines(), sandbox.log());
}

#[test]
fn a_collector_that_is_out_of_order_gets_everything_once_it_is_not() {
    let mut sandbox = sandbox();
    sandbox.log_to_collector();
    sandbox.world.fail(Service::Collector, Some(Failure::Status(503)));
    install(&sandbox);
    assert!(sandbox.failure_of(SinkKind::Otlp).contains("status 503"));
    sandbox.world.fail(Service::Collector, None);
    install(&sandbox);
    eventually("both", || (sandbox.collected().len() >= 2).then_some(()));
    assert_eq!(sandbox.collected().len(), 2);
}

#[test]
fn one_sink_that_fails_is_no_hindrance_to_another() {
    let agent = Agent::start().unwrap();
    let mut sandbox = sandbox();
    sandbox.log_to_api();
    sandbox.log_to_agent(&agent);
    sandbox.log_to_collector();
    sandbox.world.fail(Service::Intake, Some(Failure::Status(500)));
    install(&sandbox);
    eventually("the agent's line", || (agent.lines().len() == 1).then_some(()));
    eventually("the collector's record", || (sandbox.collected().len() == 1).then_some(()));
    let status = sandbox.scfw(&["status", "--json"]);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let sinks = status["sinks"].as_array().unwrap();
    let waiting: Vec<_> =
        sinks.iter().map(|sink| (sink["sink"].as_str(), sink["waiting"].as_i64())).collect();
    let expected = [(Some("agent"), Some(0)), (Some("api"), Some(1)), (Some("otlp"), Some(0))];
    assert_eq!(waiting, expected);
    assert!(sinks[1]["error"].as_str().unwrap().contains("status 500"), "{sinks:?}");
    let text = sandbox.scfw(&["status"]).stdout;
    assert!(text.contains("telemetry: 1 record waits for Datadog's API; last error at 2"), "{text}");
}

#[test]
fn a_batch_that_is_too_large_is_split_and_a_record_that_is_refused_is_counted() {
    let mut sandbox = sandbox();
    sandbox.log_to_api();
    sandbox.world.fail(Service::Intake, Some(Failure::Status(500)));
    for _ in 0..5 {
        install(&sandbox);
    }
    sandbox.world.intake_takes(2);
    sandbox.world.fail(Service::Intake, None);
    install(&sandbox);
    intake_has_everything(&sandbox);
    sandbox.world.fail(Service::Intake, Some(Failure::Status(500)));
    for _ in 0..4 {
        install(&sandbox);
    }
    sandbox.world.intake_hates(&sandbox.logged_ids()[7]);
    sandbox.world.fail(Service::Intake, None);
    sandbox.scfw(&["flush"]).ended_with(0);
    assert_eq!(sandbox.sink(SinkKind::Api).dropped, 1);
    let last = eventually("word of the loss", || {
        let records = sandbox.intake_records();
        records.last().filter(|record| record["event"] == "loss").cloned()
    });
    assert_eq!((&last["dropped"], &last["sink"]), (&Value::from(1), &Value::from("api")));
    let mut log = sandbox.log();
    log.remove(7);
    assert_eq!(sandbox.intake_records(), log, "the rest, in order, and the word of the loss");
}

#[test]
fn whoever_refuses_everything_at_a_wrong_address_loses_nothing() {
    let mut sandbox = sandbox();
    sandbox.log_to_api();
    sandbox.world.fail(Service::Intake, Some(Failure::Status(400)));
    for _ in 0..3 {
        install(&sandbox);
    }
    eventually("a pause", || (sandbox.sink(SinkKind::Api).attempts > 0).then_some(()));
    sandbox.scfw(&["flush", "--timeout", "1"]).ended_with(1);
    let state = sandbox.sink(SinkKind::Api);
    assert_eq!((state.waiting, state.dropped), (3, 0), "{state:?}");
    sandbox.world.fail(Service::Intake, None);
    sandbox.scfw(&["flush"]).ended_with(0);
    assert_eq!(sandbox.intake_records(), sandbox.log());
}

#[test]
fn what_a_collector_takes_and_does_not_keep_is_counted() {
    let mut sandbox = sandbox();
    sandbox.log_to_collector();
    sandbox.world.collector_rejects(99);
    install(&sandbox);
    let loss = eventually("word of the loss", || {
        sandbox.collected().into_iter().find(|record| record.event_name == "scfw.loss")
    });
    let dropped = loss.attributes.iter().find(|attribute| attribute.key == "dropped").unwrap();
    assert_eq!(dropped.value.clone().unwrap().value, Some(any_value::Value::IntValue(1)));
    // It does not keep that either, and that is not told any more.
    sandbox.scfw(&["flush"]).ended_with(0);
    let state = sandbox.sink(SinkKind::Otlp);
    assert_eq!((state.waiting, state.dropped, sandbox.collected().len()), (0, 2, 2));
}

#[test]
fn another_key_is_tried_at_once() {
    let mut sandbox = sandbox();
    sandbox.log_to_api();
    sandbox.set("DD_API_KEY", "00000000000000000000000000000000");
    install(&sandbox);
    assert!(sandbox.failure_of(SinkKind::Api).contains("refused the key"));
    let mut store = Store::open(&Store::path_in(&sandbox.path("scfw"))).unwrap();
    let place = sandbox.sink(SinkKind::Api).place.unwrap();
    store.note_failure(SinkKind::Api, &place, now() + 3600, "it was refused for long").unwrap();
    sandbox.kill_senders();
    sandbox.set("DD_API_KEY", KEY);
    install(&sandbox);
    intake_has_everything(&sandbox);
}

#[test]
fn a_sink_that_hangs_keeps_no_other_waiting() {
    let agent = Agent::start().unwrap();
    let mut sandbox = sandbox();
    sandbox.log_to_api();
    sandbox.log_to_agent(&agent);
    agent.set_mood(AgentMood::Hangs);
    for _ in 0..3 {
        install(&sandbox);
        intake_has_everything(&sandbox);
    }
    assert_eq!(sandbox.sink(SinkKind::Agent).error, None, "it still hangs");
    // Another process is at it, so that this one cannot do much.
    sandbox.scfw(&["flush", "--timeout", "1"]).ended_with(1);
    assert_eq!(sandbox.sink(SinkKind::Agent).waiting, 3);
}

#[test]
fn what_closes_connections_unread_is_no_agent() {
    let agent = Agent::start().unwrap();
    let mut sandbox = sandbox();
    sandbox.log_to_agent(&agent);
    agent.set_mood(AgentMood::Closes);
    for _ in 0..5 {
        install(&sandbox);
        sandbox.failure_of(SinkKind::Agent);
        sandbox.scfw(&["flush", "--timeout", "1"]).ended_with(1);
    }
    agent.set_mood(AgentMood::Reads);
    sandbox.scfw(&["flush"]).ended_with(0);
    assert_eq!(agent.lines(), sandbox.log());
}
