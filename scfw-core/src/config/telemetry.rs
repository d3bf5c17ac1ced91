//! The settings of records: their content, and their recipients.

use std::path::PathBuf;

use super::attributes::{self, AttributeSources};
use super::{Datadog, Directories, File, Otlp};
use crate::env::{self, Variables};

/// The content of records, and their recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// The file log.
    pub log_file: PathBuf,
    /// The environment that log records name.
    pub environment: String,
    /// The user's own attributes for every record.
    pub attributes: AttributeSources,
    /// Logging to Datadog.
    pub datadog: Datadog,
    /// Logging to an OpenTelemetry Collector.
    pub otlp: Otlp,
}

impl TelemetrySettings {
    /// A mistake in a variable is no reason to stop an install, and goes to `mistakes`.
    pub(super) fn resolve(
        file: &mut File,
        directories: &Directories,
        variable: Variables<'_>,
        mistakes: &mut Vec<String>,
    ) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let lossy = |name: &str| set(name).map(|text| text.to_string_lossy().into_owned());
        let log_file = set(env::SCFW_LOG_FILE).map(PathBuf::from).or(file.log_file.take());
        // Other programs have it too: a value that is no text is no reason to stop an install.
        let environment = lossy(env::DD_ENV).or(file.environment.take());
        let attributes_file = set(env::SCFW_DD_LOG_ATTRIBUTES_FILE).map(PathBuf::from);
        Self {
            log_file: log_file.unwrap_or_else(|| directories.data.join("scfw.log")),
            environment: environment.unwrap_or_else(|| "dev".to_owned()),
            attributes: AttributeSources {
                inline: lossy(env::SCFW_DD_LOG_ATTRIBUTES),
                is_file_named: attributes_file.is_some(),
                file: attributes_file.unwrap_or_else(|| directories.config.join(attributes::FILE_NAME)),
            },
            datadog: Datadog::resolve(std::mem::take(&mut file.datadog), variable, mistakes),
            otlp: Otlp::resolve(std::mem::take(&mut file.otlp), variable),
        }
    }
}
