//! Versions as their ecosystem orders them: PEP 440 for PyPI, npm's semver for npm.

use std::cmp::Ordering;
use std::str::FromStr;

use super::{Ecosystem, npm};

/// A version that can be compared with others of its ecosystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// PEP 440.
    Pep440(pep440_rs::Version),
    /// Semantic versioning as npm reads it; build metadata does not count.
    Semver(nodejs_semver::Version),
}

impl Version {
    /// The version; none if it is none by its ecosystem's rules. A leading `v` or `=` is passed over, as both
    /// ecosystems do.
    #[must_use]
    pub fn parse(ecosystem: Ecosystem, version: &str) -> Option<Self> {
        let version = version.trim();
        match ecosystem {
            Ecosystem::PyPi => pep440_rs::Version::from_str(version).ok().map(Self::Pep440),
            Ecosystem::Npm => {
                let bare = version.trim_start_matches(['v', '=']).trim_start();
                npm::is_version(bare)
                    .then(|| nodejs_semver::Version::parse(bare).ok().map(Self::Semver))
                    .flatten()
            }
        }
    }

    /// Whether it is a pre-release or, in PEP 440, a development release.
    #[must_use]
    pub fn is_prerelease(&self) -> bool {
        match self {
            Self::Pep440(version) => version.any_prerelease(),
            Self::Semver(version) => version.is_prerelease(),
        }
    }

    /// The version without its PEP 440 local part, which marks a rebuild of the public version.
    #[must_use]
    pub(crate) fn public(&self) -> Self {
        match self {
            Self::Pep440(version) => Self::Pep440(version.clone().without_local()),
            Self::Semver(version) => Self::Semver(version.clone()),
        }
    }

    /// Whether this is the version `listed`; a local part counts only where `listed` has one (PEP 440, `==`).
    pub(crate) fn is(&self, listed: &Self) -> bool {
        self == listed || self.public() == *listed
    }
}

/// Whether two spellings are one version by their ecosystem's rules; versions that do not parse are compared as text.
#[must_use]
pub fn is_same_version(ecosystem: Ecosystem, left: &str, right: &str) -> bool {
    left == right
        || Version::parse(ecosystem, left)
            .is_some_and(|left| Version::parse(ecosystem, right).is_some_and(|right| left == right))
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Pep440(left), Self::Pep440(right)) => left.cmp(right),
            (Self::Semver(left), Self::Semver(right)) => left.cmp(right),
            // Versions of two ecosystems never meet; an order is given so that sorting cannot panic.
            (Self::Pep440(_), Self::Semver(_)) => Ordering::Less,
            (Self::Semver(_), Self::Pep440(_)) => Ordering::Greater,
        }
    }
}
