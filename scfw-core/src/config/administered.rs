//! What the system's file says by itself, for what a user's word alone must not settle under a policy.

use std::path::{Path, PathBuf};

use toml::Table;

use super::{ConfigError, FILE_NAME, File, Settings, System};
use crate::manager::ManagerId;
use crate::package::{Package, Pattern};

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

/// The administrator's part of the settings.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Administered {
    pub(super) managers: Vec<ManagerId>,
    pub(super) osv_ignore: IgnoreFile,
    private: Vec<Pattern>,
}

impl Administered {
    /// What `table`, the content of the system's file, says.
    pub(super) fn new(table: &Table, system: &System) -> Result<Self, ConfigError> {
        let file: File = table.clone().try_into().map_err(|error: toml::de::Error| ConfigError::Invalid {
            path: system.directory.join(FILE_NAME),
            message: error.to_string(),
        })?;
        Ok(Self {
            managers: file.managers.unwrap_or_else(|| ManagerId::ALL.to_vec()),
            osv_ignore: IgnoreFile::new(file.osv_ignore, &system.directory),
            private: file.private.unwrap_or_default(),
        })
    }
}

impl Settings {
    /// Whether `package` is one whose name must not leave this machine.
    #[must_use]
    pub fn is_private(&self, package: &Package) -> bool {
        matches(&self.private, package)
    }

    /// Whether it is that by the user's word alone.
    #[must_use]
    pub fn is_private_by_user(&self, package: &Package) -> bool {
        self.is_private(package) && !matches(&self.administered.private, package)
    }

    /// The user's list of advisories to ignore and the administrator's. Only the latter counts for vulnerabilities that
    /// the policy has shown whatever the user does.
    #[must_use]
    pub const fn ignore_files(&self) -> (&IgnoreFile, &IgnoreFile) {
        (&self.osv_ignore, &self.administered.osv_ignore)
    }
}

fn matches(patterns: &[Pattern], package: &Package) -> bool {
    patterns.iter().any(|pattern| pattern.matches(package))
}
