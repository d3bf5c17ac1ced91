//! Ranges against the evaluation that the OSV schema gives in pseudocode, and the compact form against the whole one.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::Advisory;
use crate::package::{Ecosystem, Package};

#[derive(Debug, Clone, Copy)]
enum Kind {
    Introduced,
    Fixed,
    LastAffected,
    Limit,
}

/// Events at places that are all different, so that their order leaves nothing open.
fn events() -> impl Strategy<Value = Vec<(Kind, u32)>> {
    let kind = prop_oneof![
        3 => Just(Kind::Introduced),
        2 => Just(Kind::Fixed),
        2 => Just(Kind::LastAffected),
        1 => Just(Kind::Limit)
    ];
    proptest::collection::btree_map(0_u32..30, kind, 0..8)
        .prop_map(|events| events.into_iter().map(|(place, kind)| (kind, place)).collect::<Vec<_>>())
        .prop_shuffle()
}

fn version(place: u32) -> String {
    format!("{}.{}.0", place / 5, place % 5)
}

fn document(ranges: &[Vec<(Kind, u32)>], listed: &[u32], ecosystem: Ecosystem) -> Value {
    let kind = if ecosystem == Ecosystem::Npm { "SEMVER" } else { "ECOSYSTEM" };
    let ranges: Vec<Value> = ranges
        .iter()
        .map(|events| {
            let events: Vec<Value> = events
                .iter()
                .map(|(kind, place)| match kind {
                    Kind::Introduced if *place == 0 => json!({"introduced": "0"}),
                    Kind::Introduced => json!({"introduced": version(*place)}),
                    Kind::Fixed => json!({"fixed": version(*place)}),
                    Kind::LastAffected => json!({"last_affected": version(*place)}),
                    Kind::Limit => json!({"limit": version(*place)}),
                })
                .collect();
            json!({"type": kind, "events": events})
        })
        .collect();
    let listed: Vec<String> = listed.iter().map(|place| version(*place)).collect();
    json!({"id": "GHSA-x", "summary": " \n One line\nand another", "details": "Long.", "references": [],
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
        "affected": [{"package": {"ecosystem": ecosystem.osv_name(), "name": "left", "purl": "pkg:x/left"},
            "ranges": ranges, "versions": listed, "database_specific": {"severity": "LOW", "source": "x"}},
            {"package": {"ecosystem": "Go", "name": "left"}, "versions": ["1.0.0"]}]})
}

/// `IncludedInRanges` and `BeforeLimits` of the schema, on places instead of versions.
fn is_included(ranges: &[Vec<(Kind, u32)>], place: u32) -> bool {
    ranges.iter().any(|events| {
        let mut limits = events.iter().filter(|(kind, _)| matches!(kind, Kind::Limit)).peekable();
        let is_before_limits = limits.peek().is_none() || limits.any(|(_, limit)| place < *limit);
        let mut events = events.clone();
        events.sort_by_key(|(_, place)| *place);
        let mut is_vulnerable = false;
        for (kind, at) in events {
            match kind {
                Kind::Introduced if place >= at => is_vulnerable = true,
                Kind::Fixed if place >= at => is_vulnerable = false,
                Kind::LastAffected if place > at => is_vulnerable = false,
                _ => {}
            }
        }
        is_before_limits && is_vulnerable
    })
}

proptest! {
    #[test]
    fn ranges_are_evaluated_as_the_schema_says(
        ranges in proptest::collection::vec(events(), 1..4),
        listed in proptest::collection::vec(0_u32..30, 0..3),
        is_npm: bool,
    ) {
        let ecosystem = if is_npm { Ecosystem::Npm } else { Ecosystem::PyPi };
        let document = document(&ranges, &listed, ecosystem).to_string();
        let whole = Advisory::parse(document.as_bytes()).unwrap();
        let compact = Advisory::parse(whole.compact().as_bytes()).unwrap();
        prop_assert!(whole.compact().len() < document.len());
        for place in 0..32 {
            let package = Package::new(ecosystem, "left", Some(&version(place)));
            let expected = listed.contains(&place) || is_included(&ranges, place);
            prop_assert_eq!(whole.affects(&package), expected, "{}", version(place));
            prop_assert_eq!(compact.affects(&package), expected);
            prop_assert_eq!(compact.affects_every_version(&package), whole.affects_every_version(&package));
            prop_assert_eq!(compact.first_fixed(&package), whole.first_fixed(&package));
            prop_assert_eq!(compact.severity_for(&package), whole.severity_for(&package));
        }
        prop_assert_eq!(compact.package_keys().count(), 1);
        prop_assert_eq!(compact.summary.as_deref(), Some("One line"));
    }

    #[test]
    fn no_document_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC*") {
        drop(Advisory::parse_leniently(&bytes));
        let document = json!({"id": text, "affected": [{"package": {"ecosystem": "npm", "name": text},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": text}, {"fixed": text}]}], "versions": [text]}]});
        if let Ok(advisory) = Advisory::parse_leniently(document.to_string().as_bytes()) {
            let package = Package::new(Ecosystem::Npm, text.clone(), Some(&text));
            prop_assert!(advisory.affects(&package), "it lists exactly that version");
        }
    }
}
