//! Settings: the environment, the user's `config.toml` and the system's, resolved once into one value. Order:
//! environment, user file, system file, default; the policy above all. A key that is unknown or of the wrong type is
//! an error that says where it stands.

mod advisories;
mod age;
mod attributes;
mod datadog;
mod exposure;
mod feeds;
mod keys;
mod layers;
mod otlp;
mod policy;
#[cfg(test)]
mod policy_tests;
mod private;
mod run;
mod telemetry;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::advisory::Severity;
use crate::env::{self, Variables};
use crate::files::{FileError, Untrusted, check_directory};
use crate::manager::{ManagerId, deserialize_names};
use crate::package::Pattern;
use crate::text::without_credentials;

pub(crate) use layers::System;

pub use advisories::{AdvisorySettings, IgnoreFile};
pub use age::{AgeSettings, MinimumAge, UnknownAge};
pub use attributes::AttributeSources;
pub use datadog::{ApiKey, Datadog, is_site};
pub use exposure::holds_secret;
pub use feeds::{ExtraFeed, FeedLocks, FeedPlace, FeedSettings};
pub use layers::{LARGEST, SYSTEM_DIRECTORY};
pub use otlp::Otlp;
pub use policy::{Exemptible, POLICY_NAME, Policy, RequiredRoute, WarningPolicy};
pub use private::PrivatePackages;
pub use run::{Bypass, OnWarning, RunSettings};
pub use telemetry::TelemetrySettings;

/// The name of the configuration file within the configuration directory.
pub const FILE_NAME: &str = "config.toml";

/// The directories of scfw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// `config.toml`, `lists/`, `verifiers.d/`, `osv-ignore.txt`.
    pub config: PathBuf,
    /// `store.db`, `gates/`, `runs/`, `feeds/`, `scfw.log`.
    pub data: PathBuf,
}

impl Directories {
    /// `$SCFW_HOME` for both when set, else `scfw/` in the user's configuration and data directories. The paths are
    /// absolute, because what a manager starts may run elsewhere.
    #[must_use]
    pub fn resolve(variable: Variables<'_>) -> Option<Self> {
        let (config, data) = match variable(env::SCFW_HOME).filter(|home| !home.is_empty()) {
            Some(home) => (PathBuf::from(&home), PathBuf::from(home)),
            None => (dirs::config_dir()?.join("scfw"), dirs::data_dir()?.join("scfw")),
        };
        Some(Self { config: std::path::absolute(config).ok()?, data: std::path::absolute(data).ok()? })
    }
}

/// All settings, resolved, each group for those who need it.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The directories of scfw.
    pub directories: Directories,
    /// The administrator's directory with lists and verifiers for everybody.
    pub system_directory: PathBuf,
    /// The managers that the shells route to scfw.
    pub managers: Vec<ManagerId>,
    /// The managers that they route to it as the administrator has it.
    administered_managers: Vec<ManagerId>,
    /// The settings of one run.
    pub run: RunSettings,
    /// The places that data comes from.
    pub feeds: FeedSettings,
    /// The advisories that count.
    pub advisories: AdvisorySettings,
    /// The minimum age of versions.
    pub age: AgeSettings,
    /// The packages whose names leave this machine in no request.
    pub private: PrivatePackages,
    /// The content of records, and their recipients.
    pub telemetry: TelemetrySettings,
    /// The administrator's policy.
    pub policy: Policy,
    /// The user's settings that had no effect, as sentences that say why.
    pub overruled: Vec<String>,
    /// Mistakes in the variables of telemetry, which are no reason to stop an install, as sentences that say what
    /// follows.
    pub mistakes: Vec<String>,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Neither `SCFW_HOME` nor a home directory is known.
    #[error("no home directory is known; set {} to the directory that scfw may use", env::SCFW_HOME)]
    NoHome,
    /// The file is there and cannot be read.
    #[error("{} could not be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file of the user's is there and is not read.
    #[error("{} {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: FileError,
    },
    /// A directory of the user's whose content somebody else could have changed.
    #[error("{}, or set {} to another directory", .0, env::SCFW_HOME)]
    Exposed(Untrusted),
    /// A file of the administrator's that somebody else could have changed.
    #[error("{} {problem}, so it cannot be relied on and nothing is installed; root alone has to own and write it", path.display())]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// The mistake.
        problem: &'static str,
    },
    /// The file is no valid configuration.
    #[error("{} is not valid: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The place and the mistake, with a suggestion if there is one.
        message: String,
    },
    /// A variable has a value that it cannot have.
    #[error("{variable} is {value:?}, which is not {expected}")]
    Variable {
        /// Its name.
        variable: &'static str,
        /// Its value.
        value: String,
        /// The values that it can have.
        expected: &'static str,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names are the keys of config.toml")]
struct File {
    on_warning: Option<OnWarning>,
    minimum_severity: Option<Severity>,
    deadline: Option<f64>,
    offline: Option<bool>,
    log_file: Option<PathBuf>,
    environment: Option<String>,
    #[serde(default, deserialize_with = "deserialize_names")]
    managers: Option<Vec<ManagerId>>,
    #[serde(default)]
    datadog: datadog::Table,
    #[serde(default)]
    otlp: otlp::Table,
    osv_api_url: Option<String>,
    osv_bulk_url: Option<String>,
    datadog_dataset_url: Option<String>,
    #[serde(default)]
    feeds: Vec<feeds::Table>,
    refresh_after: Option<f64>,
    max_age: Option<f64>,
    osv_ignore: Option<PathBuf>,
    private: Option<Vec<Pattern>>,
    minimum_age: Option<u32>,
    minimum_age_exceptions: Option<BTreeMap<Pattern, u32>>,
    unknown_age: Option<UnknownAge>,
}

impl Settings {
    /// Reads the policy, the configuration files and the environment.
    pub fn load(variable: Variables<'_>) -> Result<Self, ConfigError> {
        Self::load_with(variable, &System::installed())
    }

    /// The same with another directory of the system's, for tests within this crate: a user whom a policy is to bind
    /// has no way to name one.
    pub(crate) fn load_with(variable: Variables<'_>, system: &System) -> Result<Self, ConfigError> {
        let directories = Directories::resolve(variable).ok_or(ConfigError::NoHome)?;
        let policy = Policy::read(system)?;
        let below = layers::read_system(&system.directory.join(FILE_NAME), system.owner)?;
        let administered: File = below.clone().try_into().map_err(|error: toml::de::Error| {
            ConfigError::Invalid { path: system.directory.join(FILE_NAME), message: error.to_string() }
        })?;
        for directory in [&directories.config, &directories.data] {
            check_directory(directory).map_err(ConfigError::Exposed)?;
        }
        let path = directories.config.join(FILE_NAME);
        let mut above = layers::read_user(&path)?;
        let overruled = policy.unlock(&mut above, &path, &below, variable);
        // Each file is valid by itself, so this finds no mistake.
        let file: File = layers::laid_over(below, above).try_into().map_err(|error: toml::de::Error| {
            ConfigError::Invalid { path: path.clone(), message: error.to_string() }
        })?;
        let heeded = |name: &str| if policy.silences(name) { None } else { variable(name) };
        let mut settings = Self::resolve(directories, &path, file, &policy, system, &heeded)?;
        settings.overruled = overruled;
        settings.administer(administered, policy, system);
        Ok(settings)
    }

    /// The directories of that name in which files of the user's and of the administrator's stand side by side.
    #[must_use]
    pub fn shared_directories(&self, name: &str) -> [PathBuf; 2] {
        [self.system_directory.join(name), self.directories.config.join(name)]
    }

    /// Mistakes in the configuration that stop no install, as sentences that say what follows or what to do.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let exposed = exposure::exposed_secret(&self.directories.config.join(FILE_NAME));
        self.mistakes.iter().cloned().chain(exposed).collect()
    }

    fn resolve(
        directories: Directories,
        file_path: &Path,
        mut file: File,
        policy: &Policy,
        system: &System,
        variable: Variables<'_>,
    ) -> Result<Self, ConfigError> {
        let invalid = |message: String| ConfigError::Invalid { path: file_path.to_owned(), message };
        let named_ignore = variable(env::SCFW_OSV_VERIFIER_IGNORE)
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
            .or(file.osv_ignore.take());
        // If the list is locked, the user's own does not count.
        let ignoring = if policy.locks("osv_ignore") { &system.directory } else { &directories.config };
        let mut mistakes = Vec::new();
        Ok(Self {
            run: RunSettings::resolve(&file, variable)?,
            feeds: FeedSettings::resolve(&mut file, &directories, invalid, variable)?,
            advisories: AdvisorySettings {
                minimum_severity: file.minimum_severity,
                ignore: IgnoreFile::new(named_ignore, ignoring),
                administered_ignore: IgnoreFile::default(),
            },
            age: AgeSettings::resolve(&mut file, variable)?,
            telemetry: TelemetrySettings::resolve(&mut file, &directories, variable, &mut mistakes),
            managers: file.managers.unwrap_or_else(|| ManagerId::ALL.to_vec()),
            administered_managers: Vec::new(),
            private: PrivatePackages { patterns: file.private.unwrap_or_default(), administered: Vec::new() },
            system_directory: system.directory.clone(),
            policy: Policy::default(),
            overruled: Vec::new(),
            mistakes,
            directories,
        })
    }

    /// Takes over the settings of the administrator's `file` alone, for questions that a user's word must not settle
    /// under a policy.
    fn administer(&mut self, file: File, policy: Policy, system: &System) {
        self.administered_managers = file.managers.unwrap_or_else(|| ManagerId::ALL.to_vec());
        self.private.administered = file.private.unwrap_or_default();
        self.advisories.administered_ignore = IgnoreFile::new(file.osv_ignore, &system.directory);
        policy.tighten(self);
        self.feeds.locks = policy.feed_locks();
        self.policy = policy;
    }
}

/// A variable whose value has to be text; none if it is empty.
fn text(variable: Variables<'_>, name: &'static str) -> Result<Option<String>, ConfigError> {
    let Some(value) = variable(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    value.into_string().map(Some).map_err(|value| ConfigError::Variable {
        variable: name,
        value: without_credentials(&value.to_string_lossy()).into_owned(),
        expected: "text in UTF-8",
    })
}

/// Whether the value of a switch turns it on: any value but an empty one, `0`, `false`, `no` and `off`.
#[must_use]
pub fn is_true(value: &str) -> bool {
    !matches!(value.to_ascii_lowercase().as_str(), "" | "0" | "false" | "no" | "off")
}
