//! The advisories that count: those that are severe enough and not ignored.

use std::path::{Path, PathBuf};

use crate::advisory::Severity;

/// The default name of the list within a configuration directory.
const IGNORE_NAME: &str = "osv-ignore.txt";

/// A file with advisory ids to ignore.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IgnoreFile {
    /// Its path.
    pub path: PathBuf,
    /// Whether the user named it, so that its absence is an error.
    pub is_named: bool,
}

impl IgnoreFile {
    /// The file that is `named`, else the one in `directory`.
    pub(super) fn new(named: Option<PathBuf>, directory: &Path) -> Self {
        let is_named = named.is_some();
        Self { path: named.unwrap_or_else(|| directory.join(IGNORE_NAME)), is_named }
    }
}

/// The advisories that count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdvisorySettings {
    /// Vulnerabilities below it are left out; those of unknown severity never are.
    pub minimum_severity: Option<Severity>,
    /// The file with the ids that the user ignores.
    pub ignore: IgnoreFile,
    /// The file with the ids that the administrator ignores. It alone counts for vulnerabilities that the policy
    /// shows in any case.
    pub administered_ignore: IgnoreFile,
}
