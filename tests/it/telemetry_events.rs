//! What is recorded beside installs: audits, exemptions made, used and removed, refusals of the policy, and alerts after
//! the fact. Each is in the file log and reaches every sink.

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use scfw_core::package::Ecosystem;
use scfw_world::{Agent, NpmPackage};
use serde_json::{Value, json};

use crate::support::Sandbox;
use crate::support::sinks::{attribute, eventually, ids};

/// A world with the vulnerable npm package `leaky` and every sink for records.
fn sandbox() -> (Sandbox, Agent) {
    let agent = Agent::start().unwrap();
    let mut sandbox = Sandbox::new();
    sandbox.log_to_agent(&agent);
    sandbox.log_to_api();
    sandbox.log_to_collector();
    sandbox.unset("SCFW_DD_LOG_LEVEL");
    sandbox.world.add_npm(NpmPackage::new("leaky", "1.0.0"));
    sandbox.world.add_advisory(json!({
        "id": "GHSA-1", "summary": "It leaks", "affected": [{"package": {"ecosystem": "npm", "name": "leaky"}}]
    }));
    (sandbox, agent)
}

/// The records of the file log, once the sinks have them too; their events.
fn recorded(sandbox: &Sandbox, agent: &Agent) -> (Vec<Value>, Vec<String>) {
    let log = sandbox.log();
    let lines = eventually("all lines", || Some(agent.lines()).filter(|lines| lines.len() >= log.len()));
    assert_eq!(lines, log);
    eventually("all logs", || (sandbox.intake_records().len() >= log.len()).then_some(()));
    assert_eq!(sandbox.intake_records(), log);
    let collected = eventually("all log records", || {
        Some(sandbox.collected()).filter(|collected| collected.len() >= log.len())
    });
    let id = |record: &LogRecord| attribute(&record.attributes, "log.record.uid").unwrap().to_owned();
    assert_eq!(collected.iter().map(id).collect::<Vec<_>>(), ids(&log));
    let events = log.iter().map(|record| record["event"].as_str().unwrap().to_owned()).collect();
    (log, events)
}

#[test]
fn exemptions_are_recorded_when_they_are_made_used_and_removed() {
    let (sandbox, agent) = sandbox();
    sandbox.scfw(&["allow", "npm:leaky", "--reason", "we do not call it"]).ended_with(0);
    sandbox.hook(&["npm", "install", "leaky"]).ended_with(0).says("Exempted leaky@1.0.0");
    sandbox.scfw(&["allow", "--remove", "1"]).ended_with(0);
    let (log, events) = recorded(&sandbox, &agent);
    assert_eq!(events, ["exemption", "run", "exemption"]);
    for (record, change) in log.iter().zip(["made", "used", "removed"]) {
        let exemption = &record["exemptions"][0];
        assert_eq!((&exemption["change"], &exemption["number"]), (&json!(change), &json!(1)));
        assert_eq!(exemption["reason"], "we do not call it");
        assert_eq!(exemption["package"]["name"], "leaky");
    }
    let exempted = &log[1]["exempted_findings"][0];
    assert_eq!((&exempted["advisory"], &exempted["exemption"]), (&json!("GHSA-1"), &json!(1)));
    assert_eq!((&log[1]["action"], log[1].get("relevant_findings")), (&json!("ALLOW"), None));
    assert_eq!(log[2]["msg"], "Package leaky was no longer exempted");
}

#[test]
fn an_audit_is_recorded_with_what_it_found() {
    let (sandbox, agent) = sandbox();
    sandbox.write("package.json", r#"{"name": "p", "version": "1.0.0"}"#);
    sandbox.bare("npm", &["install", "leaky"]).ended_with(0);
    sandbox.scfw(&["audit", "npm"]).ended_with(1);
    let (log, events) = recorded(&sandbox, &agent);
    assert_eq!(events, ["audit"]);
    assert_eq!(log[0]["msg"], "Successfully audited npm packages managed by npm");
    assert_eq!(log[0]["audited_packages"][0]["name"], "leaky");
    assert_eq!(log[0]["findings"][0]["advisory"], "GHSA-1");
    assert_eq!(log[0]["unverifiable"], json!([]));
    assert!(log[0]["executable"].as_str().unwrap().ends_with("/npm"), "{}", log[0]);
}

#[test]
fn refusals_of_the_policy_are_recorded_with_the_rule() {
    let (mut sandbox, agent) = sandbox();
    sandbox.administer("policy.toml", "allow_bypass = false\nexemptions = \"none\"\n");
    sandbox.scfw(&["allow", "npm:leaky", "--reason", "x"]).ended_with(1).says("exemptions are not allowed");
    sandbox.set("SCFW_BYPASS", "1");
    sandbox.hook(&["npm", "install", "leaky"]).ended_with(77);
    sandbox.unset("SCFW_BYPASS");
    let (log, events) = recorded(&sandbox, &agent);
    assert_eq!(events, ["policy", "policy"]);
    assert!(log[0]["policy"].as_str().unwrap().contains("exemptions are not allowed"));
    assert!(log[0].get("package_manager").is_none());
    assert!(log[1]["policy"].as_str().unwrap().contains("SCFW_BYPASS is not allowed"));
    assert_eq!(log[1]["msg"], "Command 'npm install leaky' was refused by the policy");
    assert!(log.iter().all(|record| record["action"] == "BLOCK"));
    let history = sandbox.scfw(&["history", "--format", "json"]).ended_with(0).stdout;
    let history: Value = serde_json::from_str(&history).unwrap();
    assert_eq!(history.as_array().unwrap().len(), 1, "the refused command: {history}");
    assert_eq!(history[0]["policy"], log[1]["policy"]);
}

#[test]
fn whatever_the_policy_refuses_beside_is_recorded_too() {
    let (mut sandbox, agent) = sandbox();
    sandbox.administer(
        "policy.toml",
        "required_routes = [\"bash\"]\nlocked = [\"osv_api_url\", \"osv_bulk_url\"]\nrequired_verifiers = [\"OSV\"]\n\
         on_warning = \"block\"\n",
    );
    let dead = format!("osv_api_url = {:?}\n", "http://127.0.0.1:1");
    sandbox.administer("config.toml", dead);
    sandbox.scfw(&["disable", "--shell", "bash"]).ended_with(1);
    sandbox.scfw(&["disable", "--session", "bash"]).ended_with(77);
    sandbox.scfw(&["configure", "--remove"]).ended_with(1);
    sandbox.scfw(&["update", "--from", "https://user:s3cret@mirror.example/"]).ended_with(77);
    sandbox.set("SCFW_ON_WARNING", "ALLOW");
    sandbox.hook(&["npm", "install", "leaky"]).ended_with(69);
    let (log, events) = recorded(&sandbox, &agent);
    assert_eq!(events, ["policy", "policy", "policy", "policy", "run"]);
    for (record, rule) in log.iter().zip([
        "policy: bash is required on this machine (/etc/scfw/policy.toml)",
        "policy: bash is required on this machine (/etc/scfw/policy.toml)",
        "policy: bash is required on this machine (/etc/scfw/policy.toml)",
        "policy: where feeds come from is locked, so nothing is brought in from https://mirror.example/ (",
        "policy: nothing is installed without an answer of OSV (/etc/scfw/policy.toml); policy: ",
    ]) {
        assert!(record["policy"].as_str().unwrap().starts_with(rule), "{record}");
        assert_eq!(record["action"], "BLOCK");
    }
    let overruled =
        "warnings cannot be allowed beforehand (--allow-on-warning, SCFW_ON_WARNING or on_warning)";
    assert!(log[4]["policy"].as_str().unwrap().contains(overruled), "{}", log[4]);
}

#[test]
fn an_alert_is_recorded_once_and_before_anybody_is_there_to_be_told() {
    let (sandbox, agent) = sandbox();
    sandbox.world.add_npm(NpmPackage::new("turned", "1.0.0"));
    sandbox.hook(&["npm", "install", "turned"]).ended_with(0);
    let id = sandbox.world.malicious(Ecosystem::Npm, "turned", Some("1.0.0"));
    sandbox.scfw(&["update", "--background"]).ended_with(0).does_not_say("malicious");
    let log = sandbox.log();
    sandbox.scfw(&["update"]).ended_with(0).says("since been found to be malicious");
    sandbox.scfw(&["update"]).ended_with(0).does_not_say("since been found to be malicious");
    assert_eq!(sandbox.log(), log, "it is recorded already");
    let alerts: Vec<&Value> = log.iter().filter(|record| record["event"] == "alert").collect();
    assert_eq!(log.len(), 1 + alerts.len());
    let by_osv: Vec<_> =
        alerts.iter().filter(|alert| alert["relevant_findings"][0]["advisory"] == id.as_str()).collect();
    assert_eq!(by_osv.len(), 1, "{log:?}");
    let alert = by_osv[0];
    assert_eq!(alert["relevant_findings"][0]["severity"], "CRITICAL");
    assert_eq!(alert["relevant_findings"][0]["verifier"], "OsvVerifier");
    assert_eq!(alert["install_targets"][0]["name"], "turned");
    assert!(alert["installed"].as_f64().unwrap() <= log[0]["created"].as_f64().unwrap() + 1.0);
    let lines = eventually("the alerts", || Some(agent.lines()).filter(|lines| lines.len() >= alerts.len()));
    assert_eq!(lines.iter().collect::<Vec<_>>(), alerts, "the install is below the level");
}
