//! Findings as text for a terminal.

use crate::finding::{Exempted, Finding, FindingSeverity, Verification};
use crate::inventory::{Audit, Installed};
use crate::package::Target;
use crate::text::sanitise;
use crate::time::local;

/// Findings shown per target; the rest are counted.
const SHOWN_FINDINGS: usize = 25;
/// Targets shown; the rest are counted.
const SHOWN_TARGETS: usize = 100;

/// The words for the subject of a report.
struct Wording<'a> {
    /// A target, as it stands before a name.
    one: &'static str,
    /// A target, within a sentence.
    within: &'static str,
    /// All of them.
    all: &'static str,
    /// The rest of the heading of the target with this index.
    aside: &'a dyn Fn(usize) -> String,
}

/// The findings about an installation as text, target by target, without a closing line. Empty if nothing was found.
#[must_use]
pub fn text(verification: &Verification, colour: bool) -> String {
    let wording = Wording {
        one: "Installation target",
        within: "installation target",
        all: "All installation targets",
        aside: &|_| String::new(),
    };
    write(verification, colour, &wording)
}

/// The findings about packages that nobody is installing, likewise.
#[must_use]
pub fn packages_text(verification: &Verification, colour: bool) -> String {
    write(verification, colour, &packages(&|_| String::new()))
}

/// The findings about installed packages, each with its places, and a closing line that counts.
#[must_use]
pub fn audit_text(audit: &Audit<'_>, colour: bool) -> String {
    let packages_of = &audit.inventory.packages;
    let aside =
        |index: usize| packages_of.get(index).map(|installed| places(audit, installed)).unwrap_or_default();
    let mut report = write(&audit.verification, colour, &packages(&aside));
    let has_findings = |(_, findings): &&(Target, Vec<Finding>)| !findings.is_empty();
    let found = audit.verification.targets.iter().filter(has_findings).count();
    let count = packages_of.len();
    let plural = if count == 1 { "" } else { "s" };
    let rest = if audit.is_complete() { "" } else { "; not everything could be verified" };
    line(&mut report, &format!("{count} package{plural} audited, {found} with findings{rest}."));
    report
}

/// The places of a package: ` in node_modules/a and 2 other places`.
fn places(audit: &Audit<'_>, installed: &Installed) -> String {
    let mut folders = installed.folders().map(|folder| audit.inventory.relative(folder));
    let Some(first) = folders.next() else { return String::new() };
    let first = first.to_string_lossy();
    let first = sanitise(&first);
    match folders.count() {
        0 => format!(" in {first}"),
        1 => format!(" in {first} and another place"),
        others => format!(" in {first} and {others} other places"),
    }
}

const fn packages(aside: &dyn Fn(usize) -> String) -> Wording<'_> {
    Wording { one: "Package", within: "package", all: "All packages", aside }
}

fn write(verification: &Verification, colour: bool, wording: &Wording<'_>) -> String {
    let paint = Paint { colour };
    let mut report = String::new();
    let mut found: Vec<(usize, &Target, Vec<&Finding>)> = verification
        .targets
        .iter()
        .enumerate()
        .map(|(index, (target, findings))| {
            (index, target, findings.iter().filter(|finding| !finding.is_accepted).collect())
        })
        .filter(|(_, _, findings): &(usize, &Target, Vec<&Finding>)| !findings.is_empty())
        .collect();
    // Blocking findings come first: they must not be counted instead of shown.
    found.sort_by_key(|(_, _, findings)| {
        std::cmp::Reverse(findings.iter().map(|finding| finding.severity).max())
    });
    for (index, target, findings) in found.iter().take(SHOWN_TARGETS) {
        let name = sanitise(&target.package.to_string()).into_owned();
        let required_by = if target.required_by.is_empty() {
            String::new()
        } else {
            format!(" (required by {})", sanitise(&target.required_by.join(" > ")))
        };
        let heading = format!("{} {name}{required_by}{}:", wording.one, (wording.aside)(*index));
        line(&mut report, &paint.by(findings.iter().map(|finding| finding.severity).max(), &heading));
        let groups = by_message(findings.iter().copied());
        for group in groups.iter().take(SHOWN_FINDINGS) {
            write_group(&mut report, group);
        }
        count_rest(&mut report, "  - ", groups.len(), SHOWN_FINDINGS, "finding");
    }
    count_rest(&mut report, "", found.len(), SHOWN_TARGETS, wording.within);
    if !verification.general.is_empty() {
        line(&mut report, &paint.by(Some(FindingSeverity::Warning), &format!("{}:", wording.all)));
        for group in &by_message(&verification.general) {
            write_group(&mut report, group);
        }
    }
    write_exempted(&mut report, verification);
    report
}

/// The findings that no longer count, last of all, by package and exemption. A finding that this run has shown before
/// is not shown again.
fn write_exempted(report: &mut String, verification: &Verification) {
    let mut groups: Vec<(&Exempted, Vec<&Finding>)> = Vec::new();
    for exempted in verification.exempted.iter().filter(|exempted| !exempted.finding.is_accepted) {
        let is_of = |(first, _): &&mut (&Exempted, Vec<&Finding>)| {
            first.exemption.number == exempted.exemption.number && first.package == exempted.package
        };
        match groups.iter_mut().find(is_of) {
            Some((_, findings)) => findings.push(&exempted.finding),
            None => groups.push((exempted, vec![&exempted.finding])),
        }
    }
    for (Exempted { package, exemption, .. }, findings) in groups.iter().take(SHOWN_TARGETS) {
        let terms = &exemption.terms;
        let until = terms.expires.map(|expires| format!(" until {}", local(expires))).unwrap_or_default();
        line(
            report,
            &format!(
                "Exempted {} (by {}{until}: {}):",
                sanitise(&package.to_string()),
                sanitise(&terms.author),
                sanitise(&terms.reason)
            ),
        );
        let groups = by_message(findings.iter().copied());
        for group in groups.iter().take(SHOWN_FINDINGS) {
            write_group(report, group);
        }
        count_rest(report, "  - ", groups.len(), SHOWN_FINDINGS, "finding");
    }
    count_rest(report, "", groups.len(), SHOWN_TARGETS, "exempted target");
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
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
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
            disclosure: None,
            is_unverified: false,
            is_accepted: false,
        }
    }

    fn about(name: &str, findings: Vec<Finding>) -> Verification {
        let target = Target::registry(Package::new(Ecosystem::Npm, name, Some("1.0.0")));
        Verification { targets: vec![(target, findings)], ..Verification::default() }
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
