//! What people read: the findings as text for a terminal, and as JSON for a script.

use std::fmt::Write;

use serde::Serialize;

use crate::package::Target;
use crate::policy::Verdict;
use crate::text::sanitise;
use crate::verify::{Finding, FindingSeverity, Verification};

/// Findings shown per target; the rest are counted.
const SHOWN_FINDINGS: usize = 25;
/// Targets shown; the rest are counted.
const SHOWN_TARGETS: usize = 100;

/// The lines that end a report.
pub const BLOCKED: &str = "The installation request was blocked. No changes have been made.";

/// The findings as text, target by target, without a closing line. Empty where nothing was found.
#[must_use]
pub fn text(verification: &Verification, colour: bool) -> String {
    let paint = Paint { colour };
    let mut report = String::new();
    let mut found: Vec<(&Target, Vec<&Finding>)> = verification
        .targets
        .iter()
        .map(|(target, findings)| (target, findings.iter().filter(|finding| !finding.is_accepted).collect()))
        .filter(|(_, findings): &(&Target, Vec<&Finding>)| !findings.is_empty())
        .collect();
    // Those that block come first: they must not be what is counted instead of shown.
    found.sort_by_key(|(_, findings)| {
        std::cmp::Reverse(findings.iter().map(|finding| finding.severity).max())
    });
    for (target, findings) in found.iter().take(SHOWN_TARGETS) {
        let name = sanitise(&target.package.to_string()).into_owned();
        let required_by = if target.required_by.is_empty() {
            String::new()
        } else {
            format!(" (required by {})", sanitise(&target.required_by.join(" > ")))
        };
        let heading = format!("Installation target {name}{required_by}:");
        line(&mut report, &paint.by(findings.iter().map(|finding| finding.severity).max(), &heading));
        let groups = by_message(findings.iter().copied());
        for group in groups.iter().take(SHOWN_FINDINGS) {
            write_group(&mut report, group);
        }
        count_rest(&mut report, "  - ", groups.len(), SHOWN_FINDINGS, "finding");
    }
    count_rest(&mut report, "", found.len(), SHOWN_TARGETS, "installation target");
    if !verification.general.is_empty() {
        line(&mut report, &paint.by(Some(FindingSeverity::Warning), "All installation targets:"));
        for group in &by_message(&verification.general) {
            write_group(&mut report, group);
        }
    }
    report
}

/// Findings that say the same of several advisories stand together, in the order of the first of each.
fn by_message<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Vec<Vec<&'a Finding>> {
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    for finding in findings {
        match groups.iter_mut().find(|group| group[0].message == finding.message) {
            Some(group) => group.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    groups
}

fn write_group(report: &mut String, group: &[&Finding]) {
    let message = sanitise(&group[0].message).into_owned();
    let links: Vec<&&Finding> = group.iter().filter(|finding| finding.url.is_some()).collect();
    line(report, &format!("  - {message}{}", if links.is_empty() { "" } else { ":" }));
    for finding in links.iter().take(SHOWN_FINDINGS) {
        let url = sanitise(finding.url.as_deref().unwrap_or_default()).into_owned();
        match finding.detail.as_deref() {
            Some(detail) => line(report, &format!("      * {url} {}", sanitise(detail))),
            None => line(report, &format!("      * {url}")),
        }
    }
    count_rest(report, "      * ", links.len(), SHOWN_FINDINGS, "disclosure");
}

fn count_rest(report: &mut String, bullet: &str, all: usize, shown: usize, what: &str) {
    if all > shown {
        let rest = all - shown;
        line(report, &format!("{bullet}and {rest} more {what}{}", if rest == 1 { "" } else { "s" }));
    }
}

fn line(report: &mut String, text: &str) {
    report.push_str(text);
    report.push('\n');
}

struct Paint {
    colour: bool,
}

impl Paint {
    fn by(&self, severity: Option<FindingSeverity>, text: &str) -> String {
        let code = match severity {
            Some(FindingSeverity::Critical) => "1;31",
            Some(FindingSeverity::Warning) => "1;33",
            None => return text.to_owned(),
        };
        let mut painted = String::new();
        // Writing to a string does not fail.
        let _infallible = if self.colour {
            write!(painted, "\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            write!(painted, "{text}")
        };
        painted
    }
}

/// One package in the JSON of `scfw check`.
#[derive(Debug, Serialize)]
pub struct JsonPackage<'a> {
    query: &'a str,
    ecosystem: &'static str,
    name: &'a str,
    version: Option<&'a str>,
    verdict: &'static str,
    findings: Vec<&'a Finding>,
}

/// The JSON of `scfw check`: one object per package, each with the query it answers. What could not be found
/// out about all packages is a finding of each.
#[must_use]
pub fn json<'a>(verification: &'a Verification, queries: &'a [String]) -> Vec<JsonPackage<'a>> {
    verification
        .targets
        .iter()
        .zip(queries)
        .map(|((target, findings), query)| {
            let findings: Vec<&Finding> = findings.iter().chain(&verification.general).collect();
            let verdict = Verdict::of_severity(findings.iter().map(|finding| finding.severity).max());
            JsonPackage {
                query,
                ecosystem: target.package.ecosystem.osv_name(),
                name: &target.package.name,
                version: target.package.version.as_deref(),
                verdict: verdict.name(),
                findings,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{Ecosystem, Package, Target};

    fn finding(message: &str, id: Option<&str>) -> Finding {
        Finding {
            severity: FindingSeverity::Critical,
            verifier: "test".into(),
            message: message.to_owned(),
            advisory: id.map(str::to_owned),
            url: id.map(|id| format!("https://advisories.example/{id}")),
            detail: None,
            is_unverified: false,
            is_accepted: false,
        }
    }

    fn about(name: &str, findings: Vec<Finding>) -> Verification {
        let target = Target::registry(Package::new(Ecosystem::Npm, name, Some("1.0.0")));
        Verification { targets: vec![(target, findings)], general: Vec::new() }
    }

    #[test]
    fn a_report_names_target_finding_and_link() {
        let mut verification =
            about("evil", vec![finding("it is bad", None), finding("it was disclosed", Some("MAL-1"))]);
        verification.targets[0].0.required_by = vec!["a".to_owned(), "b".to_owned()];
        verification.general.push(Finding::unverified("test", "no network"));
        assert_eq!(
            text(&verification, false),
            "Installation target evil@1.0.0 (required by a > b):\n  - it is bad\n  - it was disclosed:\n      \
             * https://advisories.example/MAL-1\nAll installation targets:\n  - could not be verified: no network\n"
        );
    }

    #[test]
    fn nothing_from_outside_moves_the_cursor() {
        let report = text(
            &about("evil\u{1b}[2J\r", vec![finding("a\u{1b}]0;b\u{7}\nThe installation was allowed", None)]),
            false,
        );
        assert!(
            !report.contains('\u{1b}') && !report.contains('\r') && report.lines().count() == 2,
            "{report:?}"
        );
    }

    #[test]
    fn a_clean_verification_says_nothing() {
        assert_eq!(text(&about("good", Vec::new()), true), "");
    }

    #[test]
    fn a_million_findings_make_a_short_report() {
        let findings =
            (0..100_000).map(|number| finding("it was disclosed", Some(&format!("X-{number}")))).collect();
        let report = text(&about("evil", findings), false);
        assert!(report.lines().count() < 60, "{}", report.lines().count());
        assert!(report.contains("and 99975 more disclosures"), "{report}");
    }

    #[test]
    fn colour_is_there_only_when_asked_for() {
        let verification = about("evil", vec![finding("it is bad", None)]);
        assert!(text(&verification, true).contains("\u{1b}[1;31m"));
        assert!(!text(&verification, false).contains('\u{1b}'));
    }
}
