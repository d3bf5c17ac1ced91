//! Packages, and the targets that an install is about to bring in. Names and versions are kept as they were written;
//! comparing goes through [`Package::key`] and the ecosystem's own rules.

mod pattern;
mod publication;
mod query;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::ecosystem::Ecosystem;
pub use pattern::{Pattern, PatternError};
pub use publication::{Publication, Told, registry as registry_base, time as publish_time};
pub use query::{QueryError, shown_query};

/// A package, with a version or, if the version is not known yet, without.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Package {
    /// The ecosystem of the package.
    pub ecosystem: Ecosystem,
    /// Its name as it was written, scope included for npm.
    pub name: String,
    /// Its exact version, if one is known.
    pub version: Option<String>,
}

impl Package {
    /// A package with a version where `version` is `Some`.
    #[must_use]
    pub fn new(ecosystem: Ecosystem, name: impl Into<String>, version: Option<&str>) -> Self {
        Self { ecosystem, name: name.into(), version: version.map(str::to_owned) }
    }

    /// The normalised name, under which data sets are looked up.
    #[must_use]
    pub fn key(&self) -> String {
        self.ecosystem.normalise(&self.name)
    }
}

/// `name@version` for npm, `name-version` for PyPI, the name alone without a version.
impl fmt::Display for Package {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        match (&self.version, self.ecosystem) {
            (Some(version), Ecosystem::Npm) => write!(formatter, "@{version}"),
            (Some(version), Ecosystem::PyPi) => write!(formatter, "-{version}"),
            (None, _) => Ok(()),
        }
    }
}

/// The source of a target's bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A package index or registry, the default one or another, or files that were taken from one.
    Registry,
    /// A bare URL of an archive.
    Url,
    /// A version-control repository.
    Git,
    /// A place in the local file system.
    Path,
}

impl Source {
    /// The word in documents: `registry`, `url`, `git`, `path`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Url => "url",
            Self::Git => "git",
            Self::Path => "path",
        }
    }

    /// The source behind that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Registry, Self::Url, Self::Git, Self::Path].into_iter().find(|source| source.name() == word)
    }
}

/// One package that would be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The package.
    pub package: Package,
    /// Its source.
    pub source: Source,
    /// The archive or repository, if there is one; credentials are already taken out.
    pub url: Option<String>,
    /// The chain of packages that led to it, the one the user asked for first. Empty for a direct target.
    pub required_by: Vec<String>,
    /// The hashes that the manager holds the archive against, by the name of the algorithm (`sha256` in hexadecimal,
    /// or `integrity` as in Subresource Integrity). Empty if none is known.
    pub hashes: BTreeMap<String, String>,
    /// The user has already accepted this target's warnings in this run, so only critical findings count.
    pub accepted: bool,
    /// The way to find out its age.
    pub publication: Publication,
}

impl Target {
    /// A direct target from a registry.
    #[must_use]
    pub const fn registry(package: Package) -> Self {
        Self {
            package,
            source: Source::Registry,
            url: None,
            required_by: Vec::new(),
            hashes: BTreeMap::new(),
            accepted: false,
            publication: Publication::Unasked,
        }
    }

    /// Whether a lockfile or a page gives an address for it as that of a registry in use, which only the registry can
    /// confirm. Until then it is a bare URL.
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        self.source == Source::Url
            && self.package.version.is_some()
            && !self.publication.registries().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_reads_as_its_manager_writes_it() {
        assert_eq!(Package::new(Ecosystem::Npm, "@a/b", Some("1.0.0")).to_string(), "@a/b@1.0.0");
        assert_eq!(Package::new(Ecosystem::PyPi, "foo", Some("2.0")).to_string(), "foo-2.0");
        assert_eq!(Package::new(Ecosystem::PyPi, "foo", None).to_string(), "foo");
    }
}
