//! The differences between ecosystems: how packages are named, how versions are written and ordered, and what purls
//! and the OSV schema call it. Each rule stands here once, and each use says which of them it needs.

pub(crate) mod npm;
pub(crate) mod pypi;
mod version;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use version::{Version, is_same_version};

/// A package ecosystem, by the name that the OSV schema gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Ecosystem {
    /// Python packages, installed by pip.
    #[serde(rename = "PyPI")]
    PyPi,
    /// JavaScript packages, installed by npm.
    #[serde(rename = "npm")]
    Npm,
}

impl Ecosystem {
    /// Every ecosystem there is.
    pub const ALL: [Self; 2] = [Self::PyPi, Self::Npm];

    /// The name in the OSV schema: `PyPI`, `npm`.
    #[must_use]
    pub const fn osv_name(self) -> &'static str {
        match self {
            Self::PyPi => "PyPI",
            Self::Npm => "npm",
        }
    }

    /// The lower-case name that purls and the Datadog data set use: `pypi`, `npm`.
    #[must_use]
    pub const fn purl_type(self) -> &'static str {
        match self {
            Self::PyPi => "pypi",
            Self::Npm => "npm",
        }
    }

    /// The ecosystem of that name in any case, or nothing.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ecosystem| ecosystem.osv_name().eq_ignore_ascii_case(name))
    }

    /// The form of `name` under which two spellings of one package are equal: PEP 503 for PyPI; npm names are
    /// compared as they are, because the registry still serves old names that differ in case only.
    #[must_use]
    pub fn normalise(self, name: &str) -> String {
        match self {
            Self::PyPi => pypi::normalise(name),
            Self::Npm => name.to_owned(),
        }
    }

    /// Whether a registry can hold a package of this name.
    #[must_use]
    pub fn is_name(self, name: &str) -> bool {
        match self {
            Self::PyPi => pypi::is_name(name),
            Self::Npm => npm::is_name(name),
        }
    }

    /// Whether `version` is one version as a manager resolves it, and no range, tag, alias or address. `PyPI` has versions
    /// that PEP 440 does not know.
    #[must_use]
    pub fn is_exact(self, version: &str) -> bool {
        match self {
            Self::PyPi => pypi::is_version(version),
            Self::Npm => npm::exact(version).is_some(),
        }
    }

    /// The name behind the namespace and the name of a purl; none if the ecosystem has no namespaces.
    #[must_use]
    pub fn name_of_purl(self, namespace: Option<&str>, name: &str) -> Option<String> {
        match (self, namespace) {
            (_, None) => Some(name.to_owned()),
            (Self::Npm, Some(scope)) => Some(format!("{scope}/{name}")),
            (Self::PyPi, Some(_)) => None,
        }
    }

    /// The scope and the rest of a name; npm alone has scopes.
    #[must_use]
    pub fn scope_and_name(self, name: &str) -> (Option<&str>, &str) {
        match (self, name.split_once('/')) {
            (Self::Npm, Some((scope, name))) => (Some(scope), name),
            _ => (None, name),
        }
    }
}

impl fmt::Display for Ecosystem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.osv_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_pep_503_says() {
        for spelling in ["Friendly-Bard", "FRIENDLY.BARD", "friendly__bard", "friendly-._bard"] {
            assert_eq!(Ecosystem::PyPi.normalise(spelling), "friendly-bard");
        }
        assert_eq!(Ecosystem::Npm.normalise("@Scope/JSONStream"), "@Scope/JSONStream");
    }
}
