//! Which advisories count: those that are severe enough and not ignored.

use std::path::{Path, PathBuf};

use crate::advisory::Severity;

/// The name of the list within a configuration directory, where no other is named.
const IGNORE_NAME: &str = "osv-ignore.txt";

/// A file with advisory ids to ignore.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IgnoreFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it was asked for by name, so that its absence is an error.
    pub is_named: bool,
}

impl IgnoreFile {
    /// The file that is `named`, else the one in `directory`.
    pub(super) fn new(named: Option<PathBuf>, directory: &Path) -> Self {
        let is_named = named.is_some();
        Self { path: named.unwrap_or_else(|| directory.join(IGNORE_NAME)), is_named }
    }
}

/// Which advisories count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdvisorySettings {
    /// Vulnerabilities below it are left out; those of unknown severity never are.
    pub minimum_severity: Option<Severity>,
    /// The file with the ids that the user ignores.
    pub ignore: IgnoreFile,
    /// The file with the ids that the administrator ignores. It alone counts for vulnerabilities that the policy has shown
    /// whatever the user does.
    pub administered_ignore: IgnoreFile,
}
