//! Advisories in the OSV schema, as far as a verdict needs them: which packages and versions they are about, how
//! severe they are, and which version fixes them. Documents come from outside and are not trusted: a missing or
//! malformed part makes an advisory less precise, never absent.

mod lenient;
mod severity;

use serde::{Deserialize, Serialize};

use crate::ecosystem::{Ecosystem, Version};
use crate::package::Package;

pub use severity::{Rating, Severity};

/// One advisory (OSV schema 1.x). Fields that no verdict needs are left out.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Advisory {
    /// The identifier: `GHSA-…`, `PYSEC-…`, `MAL-…`.
    pub id: String,
    /// The time of withdrawal (RFC 3339), if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
    /// One line on its subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The long text; its first line stands in for a missing summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// The time of the last change (RFC 3339).
    #[serde(default, skip_serializing)]
    pub modified: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    severity: Vec<severity::Score>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    affected: Vec<Affected>,
    #[serde(default, skip_serializing_if = "DatabaseSpecific::is_silent")]
    database_specific: DatabaseSpecific,
}

/// Additions of one source database; only the severity's word is read.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
struct DatabaseSpecific {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    severity: Option<serde_json::Value>,
}

impl DatabaseSpecific {
    const fn is_silent(&self) -> bool {
        self.severity.is_none()
    }

    fn severity(&self) -> Option<Severity> {
        self.severity.as_ref()?.as_str().and_then(Severity::from_word)
    }
}

/// A package that an advisory is about, with the versions it names.
#[derive(Debug, Clone, Deserialize, Serialize)]
struct Affected {
    #[serde(default)]
    package: Option<AffectedPackage>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ranges: Vec<Range>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    versions: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    severity: Vec<severity::Score>,
    #[serde(default, skip_serializing_if = "DatabaseSpecific::is_silent")]
    database_specific: DatabaseSpecific,
    #[serde(default, skip_serializing_if = "DatabaseSpecific::is_silent")]
    ecosystem_specific: DatabaseSpecific,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
struct AffectedPackage {
    ecosystem: String,
    name: String,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
struct Range {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    events: Vec<Event>,
}

/// One event of a range. The schema allows one of the fields per object; some databases write more.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
struct Event {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    introduced: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fixed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_affected: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<String>,
}

/// An advisory that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("not an advisory in the OSV schema")]
pub struct ParseError(#[from] serde_json::Error);

impl Advisory {
    /// Reads one advisory document.
    pub fn parse(document: &[u8]) -> Result<Self, ParseError> {
        Ok(serde_json::from_slice(document)?)
    }

    /// Reads one advisory document, parts of which may differ from the schema. A part that cannot be read counts as
    /// unknown; if it would have named versions, every version counts as affected. An error if the packages that it
    /// is about cannot be told.
    pub fn parse_leniently(document: &[u8]) -> Result<Self, ParseError> {
        match Self::parse(document) {
            Ok(advisory) => Ok(advisory),
            Err(error) => lenient::advisory(serde_json::from_slice(document)?).ok_or(error),
        }
    }

    /// The document in the OSV schema with nothing in it but what a verdict needs, for packages of the ecosystems
    /// that scfw knows. [`parse`](Self::parse) reads it back, and it gives the same verdict on every package as this
    /// one.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "texts and lists can always be written as JSON")]
    pub fn compact(&self) -> String {
        let mut compact = self.clone();
        let has_text = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.trim().is_empty());
        compact.details =
            (!has_text(&self.summary)).then(|| self.details.as_deref().map(first_line)).flatten();
        compact.summary = self.summary.as_deref().map(first_line);
        compact.affected.retain(|affected| {
            affected.package.as_ref().is_some_and(|package| package.ecosystem().is_some())
        });
        for affected in &mut compact.affected {
            affected.ranges.retain(Range::is_about_versions);
        }
        serde_json::to_string(&compact).expect("a document without maps can be written")
    }

    /// Whether it reports malice: its identifier begins with `MAL-`.
    #[must_use]
    pub fn is_malicious(&self) -> bool {
        is_malicious_id(&self.id)
    }

    /// The normalised names of the packages that it is about.
    pub fn package_keys(&self) -> impl Iterator<Item = (Ecosystem, String)> + '_ {
        self.affected.iter().filter_map(|affected| {
            let package = affected.package.as_ref()?;
            let ecosystem = package.ecosystem()?;
            Some((ecosystem, ecosystem.normalise(&package.name)))
        })
    }

    /// Whether `package` is affected; without a version, whether any version of it is.
    #[must_use]
    pub fn affects(&self, package: &Package) -> bool {
        self.entries_about(package).any(|affected| {
            package.version.as_deref().is_none_or(|version| affected.affects(package.ecosystem, version))
        })
    }

    /// Whether every version of the package is affected, future ones included.
    #[must_use]
    pub fn affects_every_version(&self, package: &Package) -> bool {
        self.entries_about(package).any(Affected::is_about_every_version)
    }

    /// The lowest version that fixes the advisory and is above the one of `package`; without a version, the
    /// lowest of all.
    #[must_use]
    pub fn first_fixed(&self, package: &Package) -> Option<String> {
        let ecosystem = package.ecosystem;
        let current = package.version.as_deref().and_then(|version| Version::parse(ecosystem, version));
        let mut fixes: Vec<(Version, &str)> = self
            .entries_about(package)
            .flat_map(|affected| &affected.ranges)
            .filter(|range| range.is_about_versions())
            .flat_map(|range| &range.events)
            .filter_map(|event| event.fixed.as_deref())
            .filter_map(|fixed| Some((Version::parse(ecosystem, fixed)?, fixed)))
            .filter(|(fixed, _)| current.as_ref().is_none_or(|current| fixed > current))
            .collect();
        fixes.sort_by(|left, right| left.0.cmp(&right.0));
        fixes.first().map(|(_, fixed)| (*fixed).to_owned())
    }

    /// How severe it is for `package`: the highest CVSS rating given, else the database's own word.
    #[must_use]
    pub fn severity_for(&self, package: &Package) -> Option<Severity> {
        let of_entries = || self.entries_about(package);
        let rated = self
            .severity
            .iter()
            .chain(of_entries().flat_map(|affected| &affected.severity))
            .filter_map(severity::Score::severity)
            .max();
        rated
            .or_else(|| self.database_specific.severity())
            .or_else(|| of_entries().filter_map(Affected::severity_word).max())
    }

    /// The CVSS ratings given to it for `package`.
    #[must_use]
    pub fn ratings_for(&self, package: &Package) -> Vec<Rating> {
        let of_entries = self.entries_about(package).flat_map(|affected| &affected.severity);
        self.severity.iter().chain(of_entries).filter_map(severity::Score::rating).collect()
    }

    fn entries_about<'a>(&'a self, package: &Package) -> impl Iterator<Item = &'a Affected> {
        let ecosystem = package.ecosystem;
        let key = package.key();
        self.affected.iter().filter(move |affected| {
            affected.package.as_ref().is_some_and(|about| {
                about.ecosystem() == Some(ecosystem) && ecosystem.normalise(&about.name) == key
            })
        })
    }
}

/// The first line of `text` that is not empty, within reason.
fn first_line(text: &str) -> String {
    const LONGEST: usize = 500;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    line.chars().take(LONGEST).collect()
}

/// Whether an advisory of that identifier reports malice.
#[must_use]
pub fn is_malicious_id(id: &str) -> bool {
    id.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("MAL-"))
}

impl AffectedPackage {
    /// The ecosystem without the suffix that the schema allows (`PyPI:…`).
    fn ecosystem(&self) -> Option<Ecosystem> {
        Ecosystem::parse(self.ecosystem.split(':').next().unwrap_or_default())
    }
}

impl Affected {
    fn severity_word(&self) -> Option<Severity> {
        self.database_specific.severity().or_else(|| self.ecosystem_specific.severity())
    }

    fn is_about_every_version(&self) -> bool {
        if self.ranges.iter().all(|range| !range.is_about_versions()) {
            return self.versions.is_empty();
        }
        self.ranges.iter().any(|range| {
            range.is_about_versions()
                && range.events.iter().any(|event| event.introduced.as_deref() == Some("0"))
                && range.events.iter().all(|event| event.fixed.is_none() && event.last_affected.is_none())
                && range.events.iter().all(|event| event.limit.as_deref().is_none_or(|limit| limit == "*"))
        })
    }

    fn affects(&self, ecosystem: Ecosystem, version: &str) -> bool {
        if self.is_about_every_version() || self.versions.iter().any(|listed| listed == version) {
            return true;
        }
        let Some(parsed) = Version::parse(ecosystem, version) else { return false };
        let listed = self.versions.iter().filter_map(|listed| Version::parse(ecosystem, listed));
        listed.into_iter().any(|listed| parsed.is(&listed))
            || self.ranges.iter().any(|range| range.is_about_versions() && range.contains(ecosystem, &parsed))
    }
}

impl Range {
    /// `GIT` ranges are about commits, which no registry version can be compared with.
    fn is_about_versions(&self) -> bool {
        matches!(self.kind.as_str(), "SEMVER" | "ECOSYSTEM")
    }

    /// The schema's evaluation: walk the events in version order; the last one passed decides. Events that do
    /// not parse are left out, but for an introduction, which then counts as passed: not knowing where a
    /// vulnerability began does not make a version safe.
    fn contains(&self, ecosystem: Ecosystem, version: &Version) -> bool {
        let public = version.public();
        let mut limits = self.events.iter().filter_map(|event| event.limit.as_deref()).peekable();
        if limits.peek().is_some()
            && !limits.any(|limit| {
                limit == "*" || Version::parse(ecosystem, limit).is_none_or(|limit| public < limit)
            })
        {
            return false;
        }
        // The turning points at or below the version, each with the state from there on. At equal versions an
        // introduction comes last, so that a range which ends where the next begins has no gap.
        let mut passed: Vec<(Option<Version>, bool)> = Vec::new();
        for event in &self.events {
            if let Some(introduced) = event.introduced.as_deref() {
                let start = if introduced == "0" { None } else { Version::parse(ecosystem, introduced) };
                if start.as_ref().is_none_or(|start| *start <= public) {
                    passed.push((start, true));
                }
            }
            if let Some(fixed) = event.fixed.as_deref().and_then(|fixed| Version::parse(ecosystem, fixed))
                && fixed <= public
            {
                passed.push((Some(fixed), false));
            }
            if let Some(last) =
                event.last_affected.as_deref().and_then(|last| Version::parse(ecosystem, last))
                && last < public
            {
                passed.push((Some(last), false));
            }
        }
        passed.sort_by(|left, right| left.0.cmp(&right.0).then(left.1.cmp(&right.1)));
        passed.last().is_some_and(|(_, affected)| *affected)
    }
}

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
