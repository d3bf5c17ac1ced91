//! Settings: the environment, the user's `config.toml` and the system's, resolved once into one value. Order:
//! environment, user file, system file, default; the policy above all. A key that is unknown or of the wrong type is
//! an error that says where it stands.

mod administered;
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
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::advisory::Severity;
use crate::env::{self, Variables};
use crate::files::{FileError, Untrusted, check_directory};
use crate::manager::{ManagerId, deserialize_names};
use crate::package::{Package, Pattern};
use crate::text::without_credentials;

pub(crate) use layers::System;

use administered::Administered;
pub use administered::IgnoreFile;
pub use age::{MinimumAge, UnknownAge};
pub use attributes::AttributeSources;
pub use datadog::{ApiKey, Datadog, is_site};
pub use exposure::holds_secret;
pub use feeds::{ExtraFeed, FeedPlace};
pub use layers::{LARGEST, SYSTEM_DIRECTORY};
pub use otlp::Otlp;
pub use policy::{Exemptible, POLICY_NAME, Policy, RequiredRoute, WarningPolicy};

/// Base of the public OSV API.
const OSV_API_URL: &str = "https://api.osv.dev";
/// Base of the published Datadog data set.
const DATADOG_DATASET_URL: &str =
    "https://raw.githubusercontent.com/DataDog/malicious-software-packages-dataset/main";
/// Base of OSV's public bulk export.
const OSV_BULK_URL: &str = "https://osv-vulnerabilities.storage.googleapis.com";
/// Hours after which the store is brought up to date in the background, and after which it is not believed alone.
const STORE_AGES: (f64, f64) = (6.0, 72.0);
/// More hours than this are a mistake and not a wish.
const MOST_HOURS: f64 = 24.0 * 366.0;
/// Seconds that all verifiers together may take.
const DEADLINE: f64 = 10.0;
/// More than this, in seconds, is a mistake and not a wish.
const LONGEST_DEADLINE: f64 = 600.0;
/// The name of the configuration file within the configuration directory.
pub const FILE_NAME: &str = "config.toml";

/// Where scfw keeps its things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// `config.toml`, `lists/`, `verifiers.d/`, `osv-ignore.txt`.
    pub config: PathBuf,
    /// `store.db`, `gates/`, `runs/`, `feeds/`, `scfw.log`.
    pub data: PathBuf,
}

impl Directories {
    /// `$SCFW_HOME` for both when set, else `scfw/` in the user's configuration and data directories. Absolute, for
    /// what a manager starts may run elsewhere.
    #[must_use]
    pub fn resolve(variable: Variables<'_>) -> Option<Self> {
        let (config, data) = match variable(env::SCFW_HOME).filter(|home| !home.is_empty()) {
            Some(home) => (PathBuf::from(&home), PathBuf::from(home)),
            None => (dirs::config_dir()?.join("scfw"), dirs::data_dir()?.join("scfw")),
        };
        Some(Self { config: std::path::absolute(config).ok()?, data: std::path::absolute(data).ok()? })
    }
}

/// What to do about warnings without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnWarning {
    /// Go on.
    Allow,
    /// Stop.
    Block,
}

/// Whether this one run is to go unverified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bypass {
    /// Nobody asks for it.
    Off,
    /// It is asked for.
    On,
    /// It is asked for, and the policy does not allow it.
    Refused,
}

/// All settings, resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where everything is kept.
    pub directories: Directories,
    /// Decides about warnings even on a terminal: the command line or the environment says so.
    pub on_warning_always: Option<OnWarning>,
    /// Decides about warnings where nobody can be asked.
    pub on_warning_unasked: OnWarning,
    /// Vulnerabilities below it are left out; those of unknown severity never are.
    pub minimum_severity: Option<Severity>,
    /// How long all verifiers together may take.
    pub deadline: Duration,
    /// Nothing is asked over the network.
    pub offline: bool,
    /// The file log.
    pub log_file: PathBuf,
    /// The environment that log records name.
    pub environment: String,
    /// The managers that the shells route to scfw.
    pub managers: Vec<ManagerId>,
    /// Logging to Datadog.
    pub datadog: Datadog,
    /// Logging to an OpenTelemetry Collector.
    pub otlp: Otlp,
    /// The user's own attributes for every record.
    pub log_attributes: AttributeSources,
    /// Base of the OSV API.
    pub osv_api_url: String,
    /// Base of OSV's bulk export.
    pub osv_bulk_url: String,
    /// Base of the Datadog data set.
    pub datadog_dataset_url: String,
    /// Feeds beside those two.
    pub feeds: Vec<ExtraFeed>,
    /// A store older than this is brought up to date in the background.
    pub refresh_after: Duration,
    /// A store older than this is not believed alone: the network is asked too.
    pub max_age: Duration,
    /// The file with advisory ids to ignore.
    pub osv_ignore: IgnoreFile,
    /// What of all this the administrator has said.
    administered: Administered,
    /// Where the administrator keeps lists and verifiers for everybody.
    pub system_directory: PathBuf,
    /// The packages whose names leave this machine in no request.
    pub private: Vec<Pattern>,
    /// How old a version has to be, as the user has it; [`Settings::minimum_age_of`] knows the policy too.
    pub minimum_age: MinimumAge,
    /// How old it has to be at least, as the policy has it.
    least_age: MinimumAge,
    /// What follows where nobody knows how old it is.
    pub unknown_age: UnknownAge,
    /// Whether this run is to go unverified.
    pub bypass: Bypass,
    /// A manager too old or too new for its gate runs unverified.
    pub allow_unsupported: bool,
    /// What the administrator has laid down.
    pub policy: Policy,
    /// What of the user's had no effect, in sentences that say why.
    pub overruled: Vec<String>,
    /// What is wrong with the variables of telemetry, which is no reason to stop an install, in sentences that say what
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
        /// What the system says.
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
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The file is no valid configuration.
    #[error("{} is not valid: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Where and what, with a suggestion where there is one.
        message: String,
    },
    /// A variable has a value that it cannot have.
    #[error("{variable} is {value:?}, which is not {expected}")]
    Variable {
        /// Its name.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What it could be.
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

    /// The same with another directory of the system's, for tests within this crate: whoever a policy is to bind has
    /// no way to name one.
    pub(crate) fn load_with(variable: Variables<'_>, system: &System) -> Result<Self, ConfigError> {
        let directories = Directories::resolve(variable).ok_or(ConfigError::NoHome)?;
        let policy = Policy::read(system)?;
        let below = layers::read_system(&system.directory.join(FILE_NAME), system.owner)?;
        let administered = Administered::new(&below, system)?;
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
        settings.administered = administered;
        policy.tighten(&mut settings);
        settings.policy = policy;
        Ok(settings)
    }

    /// The directories of that name in which files of the user's and of the administrator's stand side by side.
    #[must_use]
    pub fn shared_directories(&self, name: &str) -> [PathBuf; 2] {
        [self.system_directory.join(name), self.directories.config.join(name)]
    }

    /// What is wrong with the configuration and stops no install, in sentences that say what follows or what to do.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let exposed = exposure::exposed_secret(&self.directories.config.join(FILE_NAME));
        self.mistakes.iter().cloned().chain(exposed).collect()
    }

    /// How old a version of `package` has to be: as the user has it, or as the policy does if that is longer.
    #[must_use]
    pub fn minimum_age_of(&self, package: &Package) -> Duration {
        self.minimum_age.of(package).max(self.least_age.of(package))
    }

    fn resolve(
        directories: Directories,
        file_path: &Path,
        file: File,
        policy: &Policy,
        system: &System,
        variable: Variables<'_>,
    ) -> Result<Self, ConfigError> {
        let invalid = |message: String| ConfigError::Invalid { path: file_path.to_owned(), message };
        let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let deadline = match text(variable, env::SCFW_DEADLINE)? {
            Some(value) => parse_deadline(&value)?,
            None => file.deadline.unwrap_or(DEADLINE),
        };
        let offline = text(variable, env::SCFW_OFFLINE)?.map(|value| is_true(&value)).or(file.offline);
        let on_warning = text(variable, env::SCFW_ON_WARNING)?;
        let named_ignore = path(env::SCFW_OSV_VERIFIER_IGNORE).or(file.osv_ignore);
        let osv_api_url = text(variable, env::SCFW_OSV_API_URL)?.or(file.osv_api_url);
        let osv_bulk_url = text(variable, env::SCFW_OSV_BULK_URL)?.or(file.osv_bulk_url);
        let max_age = file.max_age.unwrap_or(STORE_AGES.1);
        let refresh_after = file.refresh_after.unwrap_or(STORE_AGES.0.min(max_age));
        if !(0.0..=max_age).contains(&refresh_after) || max_age > MOST_HOURS {
            return Err(invalid(
                "refresh_after and max_age are not hours, from 0 to 8784, the former within the latter"
                    .to_owned(),
            ));
        }
        let datadog_dataset_url = text(variable, env::SCFW_DD_DATASET_URL)?.or(file.datadog_dataset_url);
        let log_file = path(env::SCFW_LOG_FILE).or(file.log_file);
        // Other programs' too: what is no text is no reason to stop an install.
        let environment = variable(env::DD_ENV).filter(|environment| !environment.is_empty());
        let environment = environment.map(|name| name.to_string_lossy().into_owned()).or(file.environment);
        let mut mistakes = Vec::new();
        let minimum_age = match text(variable, env::SCFW_PACKAGE_MINIMUM_AGE)? {
            Some(value) => Some(parse_minimum_age(value)?),
            None => file.minimum_age,
        };
        let is_on = |name| Ok(text(variable, name)?.is_some_and(|value| is_true(&value)));
        // Where the list is locked, the user's own is none.
        let ignoring = if policy.locks("osv_ignore") { &system.directory } else { &directories.config };
        let attributes_file = path(env::SCFW_DD_LOG_ATTRIBUTES_FILE);
        let log_attributes = AttributeSources {
            inline: variable(env::SCFW_DD_LOG_ATTRIBUTES)
                .filter(|text| !text.is_empty())
                .map(|text| text.to_string_lossy().into_owned()),
            is_file_named: attributes_file.is_some(),
            file: attributes_file.unwrap_or_else(|| directories.config.join(attributes::FILE_NAME)),
        };
        Ok(Self {
            on_warning_always: on_warning.map(|value| parse_on_warning(&value)).transpose()?,
            on_warning_unasked: file.on_warning.unwrap_or(OnWarning::Block),
            minimum_severity: file.minimum_severity,
            deadline: Duration::from_secs_f64(deadline),
            offline: offline.unwrap_or(false),
            log_file: log_file.unwrap_or_else(|| directories.data.join("scfw.log")),
            environment: environment.unwrap_or_else(|| "dev".to_owned()),
            managers: file.managers.unwrap_or_else(|| ManagerId::ALL.to_vec()),
            datadog: Datadog::resolve(file.datadog, variable, &mut mistakes),
            otlp: Otlp::resolve(file.otlp, variable),
            log_attributes,
            osv_api_url: osv_api_url.unwrap_or_else(|| OSV_API_URL.to_owned()),
            osv_bulk_url: osv_bulk_url.unwrap_or_else(|| OSV_BULK_URL.to_owned()),
            feeds: feeds::resolve(file.feeds).map_err(&invalid)?,
            refresh_after: Duration::from_secs_f64(refresh_after * 3600.0),
            max_age: Duration::from_secs_f64(max_age * 3600.0),
            datadog_dataset_url: datadog_dataset_url.unwrap_or_else(|| DATADOG_DATASET_URL.to_owned()),
            osv_ignore: IgnoreFile::new(named_ignore, ignoring),
            administered: Administered::default(),
            system_directory: system.directory.clone(),
            private: file.private.unwrap_or_default(),
            minimum_age: MinimumAge {
                hours: minimum_age.unwrap_or(age::MINIMUM_AGE),
                is_chosen: minimum_age.is_some(),
                exceptions: file.minimum_age_exceptions.unwrap_or_default(),
            },
            least_age: MinimumAge::default(),
            unknown_age: file.unknown_age.unwrap_or_default(),
            bypass: if is_on(env::SCFW_BYPASS)? { Bypass::On } else { Bypass::Off },
            allow_unsupported: is_on(env::SCFW_ALLOW_UNSUPPORTED)?,
            policy: Policy::default(),
            overruled: Vec::new(),
            mistakes,
            directories,
        })
    }
}

/// A variable whose value has to be text; nothing where it is empty.
fn text(variable: Variables<'_>, name: &'static str) -> Result<Option<String>, ConfigError> {
    let Some(value) = variable(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    value.into_string().map(Some).map_err(|value| ConfigError::Variable {
        variable: name,
        value: without_credentials(&value.to_string_lossy()).into_owned(),
        expected: "text in UTF-8",
    })
}

/// Whether a variable that is a switch is on: anything but nothing, `0`, `false`, `no` and `off`.
#[must_use]
pub fn is_true(value: &str) -> bool {
    !matches!(value.to_ascii_lowercase().as_str(), "" | "0" | "false" | "no" | "off")
}

fn parse_on_warning(value: &str) -> Result<OnWarning, ConfigError> {
    match value.to_ascii_uppercase().as_str() {
        "ALLOW" => Ok(OnWarning::Allow),
        "BLOCK" => Ok(OnWarning::Block),
        _ => Err(ConfigError::Variable {
            variable: env::SCFW_ON_WARNING,
            value: value.to_owned(),
            expected: "ALLOW or BLOCK",
        }),
    }
}

fn parse_deadline(value: &str) -> Result<f64, ConfigError> {
    value.parse().ok().filter(|seconds| is_sensible_deadline(*seconds)).ok_or_else(|| ConfigError::Variable {
        variable: env::SCFW_DEADLINE,
        value: value.to_owned(),
        expected: "a number of seconds between 0 and 600",
    })
}

fn is_sensible_deadline(seconds: f64) -> bool {
    seconds > 0.0 && seconds <= LONGEST_DEADLINE
}

fn parse_minimum_age(value: String) -> Result<u32, ConfigError> {
    value.trim().parse().ok().filter(|hours| *hours <= age::LONGEST_AGE).ok_or(ConfigError::Variable {
        variable: env::SCFW_PACKAGE_MINIMUM_AGE,
        value,
        expected: "a whole number of hours, of ten years at most",
    })
}
