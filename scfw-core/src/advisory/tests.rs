use super::*;
use serde_json::json;

fn advisory(affected: &serde_json::Value) -> Advisory {
    let document = json!({"id": "GHSA-test", "affected": [affected]});
    Advisory::parse(document.to_string().as_bytes()).unwrap()
}

fn npm(version: &str) -> Package {
    Package::new(Ecosystem::Npm, "left", Some(version))
}

fn pypi(version: &str) -> Package {
    Package::new(Ecosystem::PyPi, "Left.Pad", Some(version))
}

#[test]
fn ranges_follow_their_events() {
    let advisory = advisory(&json!({
        "package": {"ecosystem": "npm", "name": "left"},
        "ranges": [{"type": "SEMVER", "events": [
            {"introduced": "2.0.0"}, {"fixed": "2.3.0"}, {"introduced": "1.0.0"}, {"fixed": "1.5.0"}]}]
    }));
    for (version, affected) in [
        ("0.9.9", false),
        ("1.0.0", true),
        ("1.5.0", false),
        ("2.0.0-rc.1", false),
        ("2.2.9", true),
        ("2.3.0", false),
    ] {
        assert_eq!(advisory.affects(&npm(version)), affected, "{version}");
    }
    assert_eq!(advisory.first_fixed(&npm("1.2.0")).as_deref(), Some("1.5.0"));
    assert_eq!(advisory.first_fixed(&npm("2.0.0")).as_deref(), Some("2.3.0"));
    assert!(!advisory.affects_every_version(&npm("1.0.0")));
}

#[test]
fn last_affected_and_limits_end_a_range() {
    let advisory = advisory(&json!({
        "package": {"ecosystem": "PyPI", "name": "left-pad"},
        "ranges": [{"type": "ECOSYSTEM", "events": [
            {"introduced": "0"}, {"last_affected": "1.4"}]},
            {"type": "ECOSYSTEM", "events": [{"introduced": "3"}, {"limit": "4"}]}]
    }));
    for (version, affected) in [
        ("0.1.dev1", true),
        ("1.4", true),
        ("1.4.0", true),
        ("1.4+local.1", true),
        ("1.4.post1", false),
        ("3", true),
        ("3.9", true),
        ("4.0", false),
        ("1!0.1", false),
    ] {
        assert_eq!(advisory.affects(&pypi(version)), affected, "{version}");
    }
}

#[test]
fn listed_versions_match_as_the_ecosystem_compares_them() {
    let advisory = advisory(&json!({
        "package": {"ecosystem": "PyPI", "name": "left_pad"}, "versions": ["1.0", "not a version"]
    }));
    assert!(advisory.affects(&pypi("1.0.0")));
    assert!(advisory.affects(&pypi("1.0+cpu")));
    assert!(advisory.affects(&pypi("not a version")));
    assert!(!advisory.affects(&pypi("1.1")));
    assert!(!advisory.affects_every_version(&pypi("1.0")));
    assert!(advisory.affects(&Package::new(Ecosystem::PyPi, "LEFT-pad", None)));
}

#[test]
fn a_package_named_without_versions_is_affected_in_all() {
    for affected in [
        json!({"package": {"ecosystem": "npm", "name": "left"}}),
        json!({"package": {"ecosystem": "npm", "name": "left"},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}], "versions": ["1.0.0"]}),
    ] {
        let advisory = advisory(&affected);
        assert!(advisory.affects_every_version(&npm("9.9.9")));
        assert!(advisory.affects(&npm("neither parsed nor listed")));
    }
}

#[test]
fn another_package_or_ecosystem_is_not_affected() {
    let advisory = advisory(&json!({"package": {"ecosystem": "npm", "name": "left"}}));
    assert!(!advisory.affects(&Package::new(Ecosystem::PyPi, "left", Some("1.0"))));
    assert!(!advisory.affects(&Package::new(Ecosystem::Npm, "right", Some("1.0.0"))));
}

#[test]
fn severity_is_the_highest_rating_or_the_word() {
    let rated = json!({"id": "x", "severity": [
        {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:P/RL:O"},
        {"type": "CVSS_V2", "score": "AV:N/AC:M/Au:N/C:N/I:P/A:N"}],
        "database_specific": {"severity": "LOW"}});
    let rated = Advisory::parse(rated.to_string().as_bytes()).unwrap();
    assert_eq!(rated.severity_for(&npm("1.0.0")), Some(Severity::Critical));
    let worded = json!({"id": "x", "severity": [{"type": "CVSS_V4", "score": "garbage"}],
        "database_specific": {"severity": "MODERATE"}});
    let worded = Advisory::parse(worded.to_string().as_bytes()).unwrap();
    assert_eq!(worded.severity_for(&npm("1.0.0")), Some(Severity::Medium));
    let newest = json!({"id": "x", "severity": [{"type": "CVSS_V4",
        "score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"}]});
    let newest = Advisory::parse(newest.to_string().as_bytes()).unwrap();
    assert_eq!(newest.severity_for(&npm("1.0.0")), Some(Severity::Critical));
}

#[test]
fn malice_is_told_by_the_identifier() {
    assert!(is_malicious_id("MAL-2024-1") && is_malicious_id("mal-2024-1"));
    assert!(!is_malicious_id("GHSA-MAL-1") && !is_malicious_id("MALI-1") && !is_malicious_id("é"));
}
