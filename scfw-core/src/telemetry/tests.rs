//! Records against the predecessor's, their bounds, and the reference page.

use serde_json::{Value, json};

use super::reference::reference;
use super::*;
use crate::action::Action;
use crate::config::Settings;
use crate::finding::{Exempted, Finding, FindingSeverity, Verification};
use crate::manager::ManagerId;
use crate::package::{Ecosystem, Package, Source, Target};
use crate::store::{Alert, Exemption, NewExemption, Purpose, RunTarget, SinkKind};

const INSTALL: Purpose = Purpose::Install;

fn settings(variables: &[(&str, &str)]) -> Settings {
    let home = tempfile::tempdir().unwrap();
    Settings::load(&|name| {
        let set = variables.iter().find(|(variable, _)| *variable == name);
        if name == crate::env::SCFW_HOME {
            return Some(home.path().into());
        }
        set.map(|(_, value)| (*value).into())
    })
    .unwrap()
}

fn finding(severity: FindingSeverity, message: &str) -> Finding {
    let advisory = Some("MAL-2024-8868".to_owned());
    let is_unverified = false;
    Finding { severity, advisory, is_unverified, ..Finding::unverified("OSV", "") }.with_message(message)
}

impl Finding {
    fn with_message(mut self, message: &str) -> Self {
        message.clone_into(&mut self.message);
        self
    }
}

fn target(name: &str) -> Target {
    let package = Package::new(Ecosystem::Npm, name, Some("1.0.0"));
    let url = Some(format!("https://user:token@registry.example/{name}-1.0.0.tgz?sig=s3cret"));
    Target { url, ..Target::registry(package) }
}

fn verification() -> Verification {
    Verification {
        targets: vec![
            (target("bad"), vec![finding(FindingSeverity::Critical, "it is malicious")]),
            (target("app"), vec![finding(FindingSeverity::Warning, "it is vulnerable")]),
            (target("new"), vec![Finding::unverified("age", "the registry did not answer")]),
        ],
        general: vec![Finding::unverified("Datadog", "the data set did not answer")],
        exempted: vec![exempted(exemption())],
        ..Verification::default()
    }
}

fn exempted(exemption: Exemption) -> Exempted {
    let package = Package::new(Ecosystem::Npm, "app", Some("1.0.0"));
    let finding = finding(FindingSeverity::Warning, "it is vulnerable in another way");
    Exempted { package, finding, exemption }
}

fn exemption() -> Exemption {
    let terms = NewExemption {
        ecosystem: Ecosystem::Npm,
        name: "app".to_owned(),
        version: Some("1.0.0".to_owned()),
        advisory: Some("GHSA-xxxx-yyyy-zzzz".to_owned()),
        reason: "not reachable".to_owned(),
        malicious: false,
        created: 1_768_396_428,
        expires: Some(1_769_001_228),
        author: "bits".to_owned(),
    };
    Exemption { number: 7, terms }
}

fn command(arguments: &[String]) -> Command<'_> {
    Command { manager: ManagerId::Npm, program: "npm", executable: "/usr/bin/npm", arguments }
}

fn json_of(event: &Event<'_>) -> Value {
    serde_json::to_value(RecordContext::here(&settings(&[])).record(event)).unwrap()
}

/// One record of each kind, with the values that differ from machine to machine made the same.
fn samples() -> Vec<Value> {
    let arguments = ["install".to_owned(), "bad".to_owned()];
    let command = command(&arguments);
    let verification = verification();
    let exemption = exemption();
    let alert = Alert {
        target: RunTarget {
            number: 1,
            ecosystem: Ecosystem::Npm,
            name: "bad".to_owned(),
            version: Some("1.0.0".to_owned()),
            source: Source::Registry,
            url: None,
        },
        time: 1_768_396_428,
        directory: "/srv/app".to_owned(),
        manager: "npm".to_owned(),
        program: "npm".to_owned(),
        arguments: arguments.to_vec(),
        verifier: "OSV".to_owned(),
        advisory: "MAL-2024-8868".to_owned(),
        summary: "it is malicious".to_owned(),
        url: Some("https://osv.dev/vulnerability/MAL-2024-8868".to_owned()),
        told: Some(1_768_400_000),
    };
    let mut samples: Vec<Value> = [
        Event::Run {
            action: Action::Block,
            purpose: INSTALL,
            command,
            verification: &verification,
            refusal: None,
        },
        Event::Bypass { command },
        Event::Audit { manager: ManagerId::Npm, executable: "/usr/bin/npm", verification: &verification },
        Event::Exemption { change: ExemptionChange::Made, exemption: &exemption },
        Event::Policy { rule: "bypass = false", command: Some(command) },
        Event::Alert { alert: &alert },
        Event::Loss { sink: SinkKind::Api, dropped: 12 },
    ]
    .iter()
    .map(json_of)
    .collect();
    for sample in &mut samples {
        sample["id"] = json!("019bc0de-1234-7abc-8def-0123456789ab");
        sample["created"] = json!(1_768_396_428.952_134);
        sample["hostname"] = json!("bitshq");
        sample["username"] = json!("bits");
        sample["version"] = json!("1.0.0");
        sample["cwd"] = json!("~/app");
    }
    samples[0]["omitted"] = json!(3);
    samples
}

/// The fields that the predecessor's 3.1.0 writes, with their JSON types, and no other of them.
#[test]
fn a_run_has_every_field_of_the_predecessor() {
    let record = &samples()[0];
    let package = json!({
        "ecosystem": "npm", "name": "bad", "version": "1.0.0",
        "source": "https://registry.example/bad-1.0.0.tgz",
    });
    for (field, value) in [
        ("log_version", json!(1)),
        ("service", json!("scfw")),
        ("source", json!("scfw")),
        ("env", json!("dev")),
        ("action", json!("BLOCK")),
        ("ecosystem", json!("npm")),
        ("executable", json!("/usr/bin/npm")),
        ("package_manager", json!("npm")),
        ("msg", json!("Command 'npm install bad' was blocked")),
        ("verified", json!(true)),
        ("warning", json!(false)),
    ] {
        assert_eq!(record[field], value, "{field}");
    }
    assert_eq!(record["install_targets"].as_array().unwrap().len(), 3);
    assert_eq!(record["install_targets"][1], package, "in alphabetical order");
    assert_eq!(
        record["relevant_findings"],
        json!([{
            "package": package, "verifier": "OsvVerifier", "severity": "CRITICAL", "finding": "it is malicious",
            "advisory": "MAL-2024-8868",
        }]),
        "the critical ones decided"
    );
    assert_eq!(record["unverifiable"][0]["package"]["name"], "new");
    assert_eq!(
        record["unverifiable"][1],
        json!({"package": null, "error_messages": [{
            "verifier": "DatadogMaliciousPackagesVerifier", "error_message": "could not be verified: the data set did not answer",
        }]})
    );
}

#[test]
fn a_clean_run_has_no_empty_lists_and_an_audit_has() {
    let clean = Verification { targets: vec![(target("app"), Vec::new())], ..Verification::default() };
    let arguments = ["install".to_owned()];
    let run = Event::Run {
        action: Action::Allow,
        purpose: INSTALL,
        command: command(&arguments),
        verification: &clean,
        refusal: None,
    };
    let record = json_of(&run);
    for absent in ["relevant_findings", "unverifiable", "findings", "audited_packages", "exemptions", "sink"]
    {
        assert!(record.get(absent).is_none(), "{absent}");
    }
    assert_eq!((&record["warning"], &record["action"]), (&json!(false), &json!("ALLOW")));
    let audit = Event::Audit { manager: ManagerId::Pip, executable: "python", verification: &clean };
    let record = json_of(&audit);
    assert_eq!(record["msg"], "Successfully audited PyPI packages managed by pip");
    assert_eq!((&record["findings"], &record["unverifiable"]), (&json!([]), &json!([])));
    assert_eq!(record["audited_packages"][0]["name"], "app");
    assert!(record.get("action").is_none());
}

fn declined(verification: &Verification) -> Event<'_> {
    Event::Run { action: Action::Abort, purpose: INSTALL, command: command(&[]), verification, refusal: None }
}

#[test]
fn a_warning_is_one_only_without_anything_critical() {
    let mut verification = verification();
    verification.targets.remove(0);
    let record = json_of(&declined(&verification));
    assert_eq!(record["warning"], true);
    assert_eq!(record["relevant_findings"][0]["severity"], "WARNING");
    assert_eq!(record["msg"], "Command 'npm' was aborted");
    verification.targets.clear();
    let record = json_of(&declined(&verification));
    assert_eq!(record["warning"], true, "what could not be verified warns as well");
    assert!(record.get("relevant_findings").is_none());
}

#[test]
fn the_sentence_says_what_was_typed_what_became_of_it_and_why() {
    let sentence = |event: &Event<'_>| json_of(event)["msg"].clone();
    let arguments = ["cowsay".to_owned()];
    let command = Command { program: "npx", ..command(&arguments) };
    let verification = Verification::default();
    for (action, purpose, became) in [
        (Action::Allow, INSTALL, "allowed"),
        (Action::Allow, Purpose::Build, "allowed to build"),
        (Action::Block, Purpose::Build, "blocked"),
    ] {
        let run = Event::Run { action, purpose, command, verification: &verification, refusal: None };
        assert_eq!(sentence(&run), format!("Command 'npx cowsay' was {became}"));
    }
    let reason = "npm 6 is older than https://user:s3cret@host.example/";
    let unverified = Event::Unverified { action: Action::Allow, purpose: INSTALL, command, reason };
    let record = json_of(&unverified);
    assert_eq!(record["msg"], "Command 'npx cowsay' was allowed: npm 6 is older than https://host.example/");
    assert_eq!((&record["event"], &record["verified"]), (&json!("run"), &json!(false)));
    assert_eq!((&record["package_manager"], &record["warning"]), (&json!("npm"), &json!(false)));
}

#[test]
fn an_attribute_stands_beside_the_fields_and_never_for_one() {
    let variables = [(crate::env::SCFW_DD_LOG_ATTRIBUTES, r#"{"team": "a", "event": "x", "sink": "y"}"#)];
    let context = RecordContext::here(&settings(&variables));
    let record = serde_json::to_value(context.record(&Event::Bypass { command: command(&[]) })).unwrap();
    assert_eq!((&record["team"], &record["event"]), (&json!("a"), &json!("bypass")));
    assert!(record.get("sink").is_none());
}

#[test]
fn the_largest_install_makes_a_record_that_every_sink_takes() {
    let long = "\u{1}".repeat(2_000);
    let targets = (0..20_000).map(|number| {
        let mut findings = vec![finding(FindingSeverity::Critical, &long)];
        findings.push(Finding::unverified("OSV", &long));
        (target(&format!("{long}{number}")), findings)
    });
    let exempted = (0..1_000).map(|number| {
        let terms = NewExemption { reason: long.clone(), ..exemption().terms };
        exempted(Exemption { number, terms })
    });
    let exempted = exempted.collect();
    let verification = Verification { targets: targets.collect(), exempted, ..Verification::default() };
    let arguments = vec![long.clone(); 100];
    let event = Event::Run {
        action: Action::Block,
        purpose: INSTALL,
        command: command(&arguments),
        verification: &verification,
        refusal: None,
    };
    let record = json_of(&event);
    assert!(record.to_string().len() < 900_000, "{}", record.to_string().len());
    let kept: usize = ["install_targets", "relevant_findings", "unverifiable", "exempted_findings"]
        .iter()
        .map(|list| record[*list].as_array().unwrap().len())
        .sum();
    assert_eq!(record["omitted"], json!(61_000 - kept));
}

#[test]
fn the_log_level_is_about_decisions_and_about_datadog() {
    use Action::{Abort, Allow, Block};

    let arguments = [];
    let clean = Verification::default();
    let run = |action| Event::Run {
        action,
        purpose: INSTALL,
        command: command(&arguments),
        verification: &clean,
        refusal: None,
    };
    let variables = |level: Option<&'static str>| {
        let all = [
            (crate::env::SCFW_DD_AGENT_LOG_PORT, "1"),
            (crate::env::SCFW_DD_API_LOGGER_ENABLED, "1"),
            (crate::env::OTEL_EXPORTER_OTLP_ENDPOINT, "http://c.example"),
        ];
        let level = level.map(|level| (crate::env::SCFW_DD_LOG_LEVEL, level));
        settings(&all.into_iter().chain(level).collect::<Vec<_>>())
    };
    let count = |level, event: &Event<'_>| {
        let settings = variables(level);
        wanted_by(&RecordContext::here(&settings).record(event), &settings.telemetry).len()
    };
    for (level, counts) in [
        (None, [1, 1, 3]),
        (Some("BLOCK"), [1, 1, 3]),
        (Some("abort"), [1, 3, 3]),
        (Some("ALLOW"), [3, 3, 3]),
    ] {
        assert_eq!([Allow, Abort, Block].map(|action| count(level, &run(action))), counts, "{level:?}");
    }
    let exempted = Verification { exempted: vec![exempted(exemption())], ..Verification::default() };
    let exempted = Event::Run {
        action: Allow,
        purpose: INSTALL,
        command: command(&arguments),
        verification: &exempted,
        refusal: None,
    };
    for event in [exempted, Event::Bypass { command: command(&arguments) }] {
        assert_eq!(count(Some("BLOCK"), &event), 3);
    }
    let none = settings(&[]);
    assert!(wanted_by(&RecordContext::here(&none).record(&run(Block)), &none.telemetry).is_empty());
}

#[test]
fn the_reference_page_is_the_one_in_the_documentation() {
    let page = reference(&samples());
    assert!(!page.contains("|  |"), "each field has an example: {page}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/telemetry.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(path).unwrap_or_default(),
        page,
        "run this test once with UPDATE_DOCS=1"
    );
}
