//! What the feeds say when they answer: pages, withdrawn advisories, details that are missing, floods, and the copy
//! that is kept of the Datadog manifest.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use scfw_core::package::Ecosystem;
use scfw_world::{Failure, NpmPackage, Service};
use serde_json::{Value, json};

use crate::support::Sandbox;

/// An advisory about every version of the npm package `name`.
fn advisory(id: &str, name: &str) -> Value {
    json!({"id": id, "summary": "It leaks", "affected": [{"package": {"ecosystem": "npm", "name": name}}]})
}

/// The ids that a check of the npm package `name` finds.
fn ids(sandbox: &Sandbox, name: &str, status: i32) -> Vec<String> {
    let query = format!("npm:{name}@1.0.0");
    let finished = sandbox.scfw(&["check", "--format", "json", &query]).ended_with(status);
    let json: Value = serde_json::from_str(&finished.stdout).unwrap();
    let findings = json[0]["findings"].as_array().unwrap();
    findings.iter().filter_map(|finding| finding["advisory"].as_str()).map(str::to_owned).collect()
}

#[test]
fn all_pages_of_an_answer_are_read() {
    let sandbox = Sandbox::new();
    for id in ["GHSA-a", "GHSA-b", "MAL-0000-1"] {
        sandbox.world.add_advisory(advisory(id, "evil"));
    }
    sandbox.world.add_advisory(advisory("GHSA-c", "leaky"));
    sandbox.world.osv_page_size(1);
    assert_eq!(ids(&sandbox, "evil", 77), ["MAL-0000-1", "GHSA-a", "GHSA-b"]);
    assert_eq!(ids(&sandbox, "leaky", 1), ["GHSA-c"]);
    // Side by side each has pages of its own.
    let finished = sandbox.scfw(&["check", "npm:leaky", "npm:evil", "npm:innocent"]).ended_with(77);
    for id in ["GHSA-a", "GHSA-b", "MAL-0000-1", "GHSA-c"] {
        assert_eq!(finished.stdout.matches(id).count(), 1, "{id}: {}", finished.stdout);
    }
}

#[test]
fn pages_without_end_are_left_at_some_point_and_that_is_said() {
    let sandbox = Sandbox::new();
    for number in 0..60 {
        sandbox.world.add_advisory(advisory(&format!("GHSA-{number}"), "leaky"));
    }
    sandbox.world.osv_page_size(1);
    let finished = sandbox.scfw(&["check", "npm:leaky@1.0.0"]).ended_with(1);
    assert!(finished.stdout.contains("GHSA-1"), "what was read counts: {}", finished.stdout);
    assert!(finished.stdout.contains("could not be verified: OSV.dev: "), "{}", finished.stdout);
}

#[test]
fn a_withdrawn_report_of_malice_is_no_finding() {
    let sandbox = Sandbox::new();
    let mut withdrawn = advisory("MAL-0000-1", "once-evil");
    withdrawn["withdrawn"] = json!("2024-01-01T00:00:00Z");
    sandbox.world.osv_serves_withdrawn(true);
    sandbox.world.add_advisory(withdrawn);
    sandbox.world.add_npm(NpmPackage::new("once-evil", "1.0.0"));
    assert!(ids(&sandbox, "once-evil", 0).is_empty());
    sandbox.hook(&["npm", "install", "once-evil"]).ended_with(0);
    sandbox.world.add_advisory(advisory("MAL-0000-2", "once-evil"));
    assert_eq!(ids(&sandbox, "once-evil", 77), ["MAL-0000-2"]);
}

#[test]
fn malice_blocks_even_where_its_details_cannot_be_read() {
    let sandbox = Sandbox::new();
    for id in ["MAL-0000-1", "GHSA-unreadable"] {
        let mut garbage = advisory(id, if id.starts_with("MAL") { "evil" } else { "leaky" });
        garbage["summary"] = json!({"not": ["a", "sentence"]});
        garbage["withdrawn"] = json!(["perhaps"]);
        sandbox.world.add_advisory(garbage);
    }
    sandbox.world.osv_serves_withdrawn(true);
    assert_eq!(ids(&sandbox, "evil", 77), ["MAL-0000-1"]);
    let finished = sandbox.scfw(&["check", "npm:leaky@1.0.0"]).ended_with(1);
    let line = "GHSA-unreadable severity unknown: its details could not be fetched";
    assert!(finished.stdout.contains(line), "{}", finished.stdout);
}

#[test]
fn twenty_thousand_findings_make_a_short_report() {
    let sandbox = Sandbox::new();
    for number in 0..20_000 {
        sandbox.world.add_advisory(advisory(&format!("GHSA-{number}"), "leaky"));
    }
    sandbox.world.osv_page_size(1000);
    let finished = sandbox.scfw(&["check", "npm:leaky@1.0.0"]).ended_with(1);
    assert!(finished.stdout.lines().count() < 60, "{}", finished.stdout.lines().count());
    assert!(finished.stdout.contains(" more disclosures"), "{}", finished.stdout);
    assert!(!finished.stdout.contains(" more findings"), "they are counted once: {}", finished.stdout);
}

#[test]
fn malice_is_not_lost_among_thousands_of_other_findings() {
    let sandbox = Sandbox::new();
    for number in 0..3_000 {
        sandbox.world.add_advisory(advisory(&format!("GHSA-{number}"), "evil"));
    }
    sandbox.world.add_advisory(advisory("MAL-0000-1", "evil"));
    let finished = sandbox.scfw(&["check", "npm:evil@1.0.0"]).ended_with(77);
    assert!(finished.stdout.contains("vulnerability/MAL-0000-1"), "{}", finished.stdout);
}

#[test]
fn nothing_that_a_feed_says_reaches_the_terminal_as_an_escape() {
    let sandbox = Sandbox::new();
    let mut hostile = advisory("GHSA-x\u{1b}[2J", "leaky");
    hostile["summary"] = json!("\u{1b}]0;owned\u{7}\u{9b}1A\r\nThe installation request was allowed.");
    sandbox.world.add_advisory(hostile.clone());
    hostile["id"] = json!("GHSA-y");
    sandbox.world.add_advisory(hostile);
    sandbox.world.add_npm(NpmPackage::new("leaky", "1.0.0"));
    let finished = sandbox.hook(&["npm", "install", "leaky"]).ended_with(77).says("GHSA-y");
    assert!(!finished.stderr.contains(['\u{1b}', '\u{7}', '\u{9b}', '\r']), "{:?}", finished.stderr);
    assert!(!finished.stderr.contains("\nThe installation request was allowed"), "{}", finished.stderr);
}

/// The file whose time says when the copy of the manifest was last checked, and that of the copy.
fn copy(sandbox: &Sandbox) -> (PathBuf, PathBuf) {
    let feeds = fs::read_dir(sandbox.path("scfw/feeds")).unwrap();
    let paths: Vec<PathBuf> = feeds.map(|file| file.unwrap().path()).collect();
    let with = |extension: &str| {
        let found = paths.iter().find(|path| path.extension().is_some_and(|found| found == extension));
        found.unwrap_or_else(|| panic!("{paths:?}")).clone()
    };
    (with("etag"), with("json"))
}

/// Makes the copy of the manifest one that was last checked `age` ago.
fn age_copy(sandbox: &Sandbox, age: Duration) {
    let (etag, _) = copy(sandbox);
    File::options().write(true).open(etag).unwrap().set_modified(SystemTime::now() - age).unwrap();
}

/// What the data set was asked since, each with the `ETag` that was sent along; then forgets it.
fn manifest_requests(sandbox: &Sandbox) -> Vec<Option<String>> {
    let requests = sandbox.world.requests();
    sandbox.world.forget_requests();
    requests
        .iter()
        .filter(|request| request.service == Service::Datadog)
        .map(|request| request.header("if-none-match").map(str::to_owned))
        .collect()
}

const HOUR: Duration = Duration::from_hours(1);

/// A world with a copy of a manifest in which `evil` stands, which OSV does not know.
fn with_copy() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.world.list_in_datadog(Ecosystem::Npm, "evil", None);
    sandbox.scfw(&["check", "npm:evil"]).ended_with(77);
    assert_eq!(manifest_requests(&sandbox), [None]);
    sandbox
}

#[test]
fn a_manifest_is_asked_for_once_in_a_while() {
    let sandbox = with_copy();
    sandbox.scfw(&["check", "npm:evil"]).ended_with(77);
    sandbox.scfw(&["check", "npm:innocent"]).ended_with(0);
    assert!(manifest_requests(&sandbox).is_empty());
}

#[test]
fn one_install_asks_for_the_manifest_once() {
    let sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox.hook(&["npm", "install", "good"]).ended_with(0);
    assert_eq!(manifest_requests(&sandbox).len(), 1, "screen and gate share it");
}

#[test]
fn an_older_copy_is_revalidated_by_its_etag() {
    let sandbox = with_copy();
    age_copy(&sandbox, Duration::from_mins(6));
    let etag = fs::read_to_string(copy(&sandbox).0).unwrap();
    sandbox.scfw(&["check", "npm:evil"]).ended_with(77);
    assert_eq!(manifest_requests(&sandbox), [Some(etag)]);
    sandbox.scfw(&["check", "npm:evil"]).ended_with(77);
    assert!(manifest_requests(&sandbox).is_empty(), "revalidated, it is fresh again");
}

#[test]
fn a_manifest_that_has_changed_replaces_the_copy() {
    let sandbox = with_copy();
    sandbox.world.list_in_datadog(Ecosystem::Npm, "also-evil", None);
    sandbox.scfw(&["check", "npm:also-evil"]).ended_with(0);
    age_copy(&sandbox, HOUR);
    sandbox.scfw(&["check", "npm:also-evil"]).ended_with(77);
    sandbox.scfw(&["check", "npm:evil"]).ended_with(77);
}

#[test]
fn a_copy_from_the_last_day_serves_while_the_feed_is_down() {
    let sandbox = with_copy();
    for failure in [Failure::Status(500), Failure::Garbage, Failure::Close] {
        age_copy(&sandbox, 23 * HOUR);
        sandbox.world.fail(Service::Datadog, Some(failure));
        sandbox.scfw(&["check", "npm:evil"]).ended_with(77);
        let clean = sandbox.scfw(&["check", "npm:innocent"]).ended_with(0);
        assert_eq!((clean.stdout.as_str(), clean.stderr.as_str()), ("No findings.\n", ""));
    }
}

#[test]
fn an_older_copy_does_not_serve_while_the_feed_is_down() {
    let sandbox = with_copy();
    sandbox.world.fail(Service::Datadog, Some(Failure::Status(500)));
    age_copy(&sandbox, 25 * HOUR);
    let finished = sandbox.scfw(&["check", "npm:innocent"]).ended_with(1);
    assert!(finished.stdout.contains("could not be verified: the Datadog"), "{}", finished.stdout);
    // Nor does one that claims to have been checked in the future.
    let (etag, _) = copy(&sandbox);
    File::options().write(true).open(etag).unwrap().set_modified(SystemTime::now() + 48 * HOUR).unwrap();
    sandbox.scfw(&["check", "npm:innocent"]).ended_with(1);
}

#[test]
fn a_copy_that_is_damaged_is_fetched_anew() {
    let sandbox = with_copy();
    fs::write(copy(&sandbox).1, b"{\"evil\"").unwrap();
    sandbox.scfw(&["check", "npm:evil"]).ended_with(77);
    assert_eq!(manifest_requests(&sandbox), [None], "an ETag would bring no manifest");
}

#[test]
fn offline_the_fresh_copy_still_blocks() {
    let mut sandbox = with_copy();
    sandbox.set("SCFW_OFFLINE", "1");
    sandbox.scfw(&["check", "npm:evil"]).ended_with(77);
    sandbox.hook(&["npm", "install", "evil"]).ended_with(77);
    assert!(sandbox.world.requests().is_empty());
}
