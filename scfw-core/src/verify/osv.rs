//! OSV advisories, from the store, or through the API. There the API decides which versions an advisory is about; the
//! advisories themselves are fetched for their severity, for their text, and for whether they were withdrawn.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::ErrorKind;

use regex::Regex;

use super::local::{Known, Local};
use super::{AtOnce, Outcome, Verifier, VerifierError, Verifying};
use crate::advisory::{Advisory, Severity, is_malicious_id};
use crate::config::{AdvisorySettings, IgnoreFile, PrivatePackages, Settings};
use crate::ecosystem::Version;
use crate::feed::{Client, osv};
use crate::files::{FileError, Kept, read_text};
use crate::finding::{ADVISORY_URL, Disclosure, Finding, FindingSeverity, OSV};
use crate::package::{Ecosystem, Package, Target};
use crate::store::FeedName;

/// Most advisories about vulnerabilities that are fetched in one run; the rest are named without details.
const MOST_DETAILS: usize = 500;
/// Longest summary that is shown, in characters.
const LONGEST_SUMMARY: usize = 120;
/// Largest list of advisories to ignore, in bytes.
const LARGEST_IGNORE_LIST: u64 = 1024 * 1024;
/// Most findings about one target; real packages stay below a few hundred.
const MOST_FINDINGS: usize = 1000;

/// Says which advisories are about each target.
pub(super) struct Osv {
    /// Base of the API.
    api_url: String,
    private: PrivatePackages,
    minimum_severity: Option<Severity>,
    ignoring: Ignoring,
    /// Whether nothing is installed without an answer.
    is_required: bool,
}

impl Osv {
    pub(super) fn new(settings: &Settings) -> Result<Self, VerifierError> {
        Ok(Self {
            api_url: settings.feeds.osv_api_url.clone(),
            private: settings.private.clone(),
            minimum_severity: settings.advisories.minimum_severity,
            ignoring: Ignoring::load(&settings.advisories, settings.policy.minimum_severity())?,
            is_required: settings.policy.requires(OSV),
        })
    }
}

impl Verifier for Osv {
    fn name(&self) -> Cow<'static, str> {
        OSV.into()
    }

    fn verify_at_once(&self, targets: &[Target], local: &Local<'_>) -> AtOnce {
        let mut at_once = AtOnce::default();
        for ecosystem in Ecosystem::ALL {
            let concerned: Vec<(usize, &Target, String)> = targets
                .iter()
                .enumerate()
                .filter(|(_, target)| target.package.ecosystem == ecosystem)
                .map(|(index, target)| (index, target, target.package.key()))
                .collect();
            if concerned.is_empty() {
                continue;
            }
            let (known, advisories) = local.consult(&FeedName::Osv(ecosystem), |snapshot, feed| {
                snapshot.advisories(feed, ecosystem, concerned.iter().map(|(_, _, key)| key.as_str()))
            });
            for (index, target, key) in &concerned {
                let about = advisories.as_ref().and_then(|advisories| advisories.get(key.as_str()));
                if let Some(about) = about {
                    let findings = self.findings(&target.package, about);
                    at_once.outcome.findings.extend(findings.map(|finding| (*index, finding)));
                }
            }
            if !matches!(known, Known::Current) {
                at_once.remaining.extend(concerned.iter().map(|(index, ..)| *index));
                let why = local.explain(known, &format!("the advisories for {ecosystem}"));
                at_once.why = at_once.why.or(why);
            }
        }
        at_once
    }

    fn verify<'a>(&'a self, targets: &'a [Target], client: &'a Client) -> Verifying<'a> {
        Box::pin(async move {
            // One package may stand in the tree many times; it is asked about once, and a private one never.
            let mut packages: Vec<Package> = Vec::new();
            let mut index_of: HashMap<&Package, usize> = HashMap::new();
            let base = &self.api_url;
            let asked: Vec<(usize, usize)> = targets
                .iter()
                .enumerate()
                .filter(|(_, target)| !self.private.contains(&target.package))
                .map(|(index, target)| {
                    let package = *index_of.entry(&target.package).or_insert_with(|| {
                        packages.push(target.package.clone());
                        packages.len() - 1
                    });
                    (index, package)
                })
                .collect();
            let (mut ids, query_failure) = osv::query(client, base, &packages).await;
            for ids in &mut ids {
                // The severity is not known yet.
                ids.retain(|id| is_malicious_id(id) || !self.ignoring.leaves_out(id, None));
            }
            let (malicious, other): (BTreeSet<String>, BTreeSet<String>) =
                ids.iter().flatten().cloned().partition(|id| is_malicious_id(id));
            let wanted = malicious.into_iter().chain(other.into_iter().take(MOST_DETAILS));
            // A finding without details is still a finding, so a failure here takes nothing away.
            let (advisories, _finding_without_details) = osv::advisories(client, base, wanted).await;
            let mut outcome = Outcome { findings: self.unasked(targets), general: Vec::new() };
            for (target, package) in asked {
                // Malice comes first: it must not be among the advisories that are cut off.
                let ids = ids.get(package);
                let of_kind =
                    |malicious| ids.into_iter().flatten().filter(move |id| is_malicious_id(id) == malicious);
                let findings = of_kind(true)
                    .chain(of_kind(false))
                    .filter_map(|id| self.finding(&targets.get(target)?.package, id, advisories.get(id)))
                    .take(MOST_FINDINGS);
                outcome.findings.extend(findings.map(|finding| (target, finding)));
            }
            if let Some(error) = query_failure {
                outcome.general.push(Finding::unverified(OSV, &format!("OSV.dev: {error}")));
            }
            outcome
        })
    }
}

impl Osv {
    /// If the policy wants an answer, the user's word is none: a package that only the user calls private is not
    /// verified.
    fn unasked(&self, targets: &[Target]) -> Vec<(usize, Finding)> {
        if !self.is_required {
            return Vec::new();
        }
        let private = targets.iter().map(|target| &target.package).enumerate();
        let private = private.filter(|(_, package)| self.private.contains_by_user(package));
        private
            .map(|(index, package)| {
                let message = format!("{package} is private by your configuration, so OSV.dev was not asked");
                (index, Finding::unverified(OSV, &message))
            })
            .collect()
    }

    /// The findings of the advisories `about` a package of that name on `package`.
    fn findings(&self, package: &Package, about: &[Advisory]) -> impl Iterator<Item = Finding> {
        let (affecting, others): (Vec<&Advisory>, Vec<&Advisory>) =
            about.iter().partition(|advisory| advisory.affects(package));
        let affecting: BTreeMap<&str, &Advisory> =
            affecting.into_iter().map(|advisory| (advisory.id.as_str(), advisory)).collect();
        let of_kind = |malicious| affecting.iter().filter(move |(id, _)| is_malicious_id(id) == malicious);
        let mut findings: Vec<Finding> = of_kind(true)
            .chain(of_kind(false))
            .filter_map(|(id, advisory)| self.finding(package, id, Some(advisory)))
            .take(MOST_FINDINGS)
            .collect();
        findings.extend(incomparable(OSV, "OSV.dev", package, others.len()));
        findings.into_iter()
    }

    fn finding(&self, package: &Package, id: &str, advisory: Option<&Advisory>) -> Option<Finding> {
        if advisory.is_some_and(|advisory| advisory.withdrawn.is_some()) {
            return None;
        }
        let severity = advisory.and_then(|advisory| advisory.severity_for(package));
        let (weight, message) = if is_malicious_id(id) {
            // Without a version in question, malice is certain only if every version is malicious.
            let is_certain = package.version.is_some()
                || advisory.is_none_or(|advisory| advisory.affects_every_version(package));
            if is_certain {
                let message = format!("An OSV.dev malicious package disclosure exists for package {package}");
                (FindingSeverity::Critical, message)
            } else {
                let message = format!(
                    "An OSV.dev malicious package disclosure exists for some versions of package {package}"
                );
                (FindingSeverity::Warning, message)
            }
        } else {
            let is_below = |minimum| severity.is_some_and(|severity| severity < minimum);
            if self.minimum_severity.is_some_and(is_below) || self.ignoring.leaves_out(id, severity) {
                return None;
            }
            (FindingSeverity::Warning, format!("An OSV.dev disclosure exists for package {package}"))
        };
        Some(Finding {
            severity: weight,
            verifier: OSV.into(),
            message,
            advisory: Some(id.to_owned()),
            url: Some(format!("{ADVISORY_URL}{id}")),
            detail: (!is_malicious_id(id)).then(|| describe(package, severity, advisory)),
            disclosure: advisory.map(|advisory| disclosure(package, severity, advisory)),
            is_unverified: false,
            is_accepted: false,
        })
    }
}

/// The finding that `package` has a version that cannot be compared, if there are `others`: advisories of `source`
/// about the package that do not list exactly that version.
pub(super) fn incomparable(
    verifier: &'static str,
    source: &str,
    package: &Package,
    others: usize,
) -> Option<Finding> {
    let version = package.version.as_deref()?;
    if others == 0 || Version::parse(package.ecosystem, version).is_some() {
        return None;
    }
    let plural = if others == 1 { "y" } else { "ies" };
    let message = format!(
        "the version {version} of package {} is none that {} defines, so it was compared exactly, character by character, with what \
         {others} advisor{plural} of {source} list",
        package.name, package.ecosystem
    );
    Some(Finding::unverified(verifier, &message))
}

/// The rest of a vulnerability's line: `High: prototype pollution in foo; fixed in 1.2.4`.
pub(super) fn describe(package: &Package, severity: Option<Severity>, advisory: Option<&Advisory>) -> String {
    let severity = severity.map_or_else(|| "severity unknown".to_owned(), |severity| severity.to_string());
    let Some(advisory) = advisory else { return format!("{severity}: its details could not be fetched") };
    let summary = summary(advisory).map_or_else(|| "no summary".to_owned(), shorten);
    match advisory.first_fixed(package) {
        Some(fixed) => format!("{severity}: {summary}; fixed in {fixed}"),
        None => format!("{severity}: {summary}; no fixed version is known"),
    }
}

/// The first line of the advisory's text.
fn summary(advisory: &Advisory) -> Option<&str> {
    let texts = [&advisory.summary, &advisory.details];
    texts.into_iter().flatten().flat_map(|text| text.lines()).map(str::trim).find(|line| !line.is_empty())
}

pub(super) fn disclosure(package: &Package, severity: Option<Severity>, advisory: &Advisory) -> Disclosure {
    Disclosure {
        severity,
        ratings: advisory.ratings_for(package),
        summary: summary(advisory).map(shorten),
        fixed: advisory.first_fixed(package),
    }
}

/// The beginning of a text that may be an article, cut between words.
fn shorten(text: &str) -> String {
    let end = text.char_indices().nth(LONGEST_SUMMARY).map_or(text.len(), |(end, _)| end);
    if end == text.len() {
        return text.trim_end_matches('.').to_owned();
    }
    let cut = &text[..end];
    let words = cut.rsplit_once(char::is_whitespace).map_or(cut, |(words, _)| words);
    format!("{}…", words.trim_end_matches(['.', ',', ';', ':']))
}

/// The advisories that are ignored.
#[derive(Debug, Default)]
struct Ignoring {
    /// The advisories that are ignored whatever their severity.
    always: Ignored,
    /// The advisories that are ignored if they are known to be below that severity.
    below: Option<(Severity, Ignored)>,
}

impl Ignoring {
    /// `floor` is the severity from which on vulnerabilities are shown in any case.
    fn load(settings: &AdvisorySettings, floor: Option<Severity>) -> Result<Self, VerifierError> {
        let AdvisorySettings { ignore: own, administered_ignore: administrators, .. } = settings;
        match floor.filter(|_| own != administrators) {
            None => Ok(Self { always: Ignored::load(own)?, below: None }),
            Some(floor) => {
                Ok(Self { always: Ignored::load(administrators)?, below: Some((floor, Ignored::load(own)?)) })
            }
        }
    }

    fn leaves_out(&self, id: &str, severity: Option<Severity>) -> bool {
        let is_below = |(floor, ignored): &(Severity, Ignored)| {
            severity.is_some_and(|severity| severity < *floor) && ignored.matches(id)
        };
        self.always.matches(id) || self.below.as_ref().is_some_and(is_below)
    }
}

/// `osv-ignore.txt`: ids and regular expressions that match a whole id, separated by white space; `#` begins a
/// comment. Reports of malice are never ignored.
#[derive(Debug, Default)]
struct Ignored {
    ids: BTreeSet<String>,
    patterns: Vec<Regex>,
}

impl Ignored {
    fn load(file: &IgnoreFile) -> Result<Self, VerifierError> {
        let path = file.path.display().to_string();
        let kept = if file.is_named { Kept::ByName } else { Kept::Privately };
        let problem = match read_text(&file.path, kept, LARGEST_IGNORE_LIST) {
            Ok(Some(text)) => return Self::parse(&text, &path),
            Ok(None) if !file.is_named => return Ok(Self::default()),
            Ok(None) => FileError::Unreadable(ErrorKind::NotFound.into()),
            Err(problem) => problem,
        };
        Err(VerifierError::IgnoreFile { path, problem })
    }

    fn parse(text: &str, path: &str) -> Result<Self, VerifierError> {
        let mut ignored = Self::default();
        let words =
            text.lines().flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace());
        for word in words {
            let is_id = word.chars().all(|character| character.is_ascii_alphanumeric() || character == '-');
            if is_id {
                ignored.ids.insert(word.to_owned());
            } else {
                let pattern = Regex::new(&format!("^(?:{word})$")).map_err(|_| {
                    VerifierError::IgnorePattern { path: path.to_owned(), pattern: word.to_owned() }
                })?;
                ignored.patterns.push(pattern);
            }
        }
        Ok(ignored)
    }

    fn matches(&self, id: &str) -> bool {
        self.ids.contains(id) || self.patterns.iter().any(|pattern| pattern.is_match(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_cut_between_words() {
        assert_eq!(shorten("It leaks."), "It leaks");
        let long = shorten(&"word, ".repeat(100));
        assert!(long.chars().count() <= LONGEST_SUMMARY + 1 && long.ends_with("word…"), "{long}");
        assert!(shorten(&"ü".repeat(1000)).ends_with("ü…"));
    }

    #[test]
    fn the_ignore_list_takes_ids_and_patterns_over_whole_ids() {
        let ignored =
            Ignored::parse("GHSA-aaaa-bbbb-cccc # reviewed\nPYSEC-2024-.* CVE-\\d+-1", "x").unwrap();
        assert!(ignored.matches("GHSA-aaaa-bbbb-cccc"));
        assert!(ignored.matches("PYSEC-2024-17"));
        assert!(!ignored.matches("XPYSEC-2024-17"));
        assert!(ignored.matches("CVE-2024-1"));
        assert!(!ignored.matches("CVE-2024-12"));
        assert!(!ignored.matches("reviewed"));
        assert!(Ignored::parse("GHSA-(", "x").is_err());
    }
}
