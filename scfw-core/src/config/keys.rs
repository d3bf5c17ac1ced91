//! The keys of config.toml and the variables that go before each, so that a policy can lock them.

use serde::de::{Deserialize, Deserializer, Error as _};

use super::layers::closest;
use crate::env;

/// Every key, with the variables that go before it.
const KEYS: &[(&str, &[&str])] = &[
    ("on_warning", &[env::SCFW_ON_WARNING]),
    ("minimum_severity", &[]),
    ("minimum_age", &[env::SCFW_PACKAGE_MINIMUM_AGE]),
    ("minimum_age_exceptions", &[]),
    ("unknown_age", &[]),
    ("private", &[]),
    ("deadline", &[env::SCFW_DEADLINE]),
    ("offline", &[env::SCFW_OFFLINE]),
    ("log_file", &[env::SCFW_LOG_FILE]),
    ("environment", &[env::DD_ENV]),
    ("managers", &[]),
    (
        "datadog",
        &[
            env::SCFW_DD_AGENT_LOG_PORT,
            env::SCFW_DD_API_LOGGER_ENABLED,
            env::SCFW_DD_LOG_LEVEL,
            env::DD_API_KEY,
            env::DD_SITE,
            env::SCFW_DD_INTAKE_URL,
        ],
    ),
    (
        "otlp",
        &[
            env::OTEL_EXPORTER_OTLP_ENDPOINT,
            env::OTEL_EXPORTER_OTLP_LOGS_ENDPOINT,
            env::OTEL_EXPORTER_OTLP_HEADERS,
            env::OTEL_EXPORTER_OTLP_LOGS_HEADERS,
            env::OTEL_EXPORTER_OTLP_PROTOCOL,
            env::OTEL_EXPORTER_OTLP_LOGS_PROTOCOL,
            env::OTEL_EXPORTER_OTLP_CERTIFICATE,
            env::OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE,
            env::OTEL_LOGS_EXPORTER,
            env::OTEL_SDK_DISABLED,
        ],
    ),
    ("osv_api_url", &[env::SCFW_OSV_API_URL]),
    ("osv_bulk_url", &[env::SCFW_OSV_BULK_URL]),
    ("datadog_dataset_url", &[env::SCFW_DD_DATASET_URL]),
    ("feeds", &[]),
    ("refresh_after", &[]),
    ("max_age", &[]),
    ("osv_ignore", &[env::SCFW_OSV_VERIFIER_IGNORE]),
];

/// One key of config.toml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    /// The key as it is written.
    pub(super) name: &'static str,
    /// The variables that go before it.
    pub(super) variables: &'static [&'static str],
}

impl Key {
    /// The key that is written so.
    pub(super) fn named(name: &str) -> Option<Self> {
        let (name, variables) = KEYS.iter().find(|(known, _)| *known == name)?;
        Some(Self { name, variables })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::named(&text).ok_or_else(|| {
            let guess = closest(&text, KEYS.iter().map(|(name, _)| *name))
                .map(|name| format!("; did you mean `{name}`?"));
            D::Error::custom(format!("`{text}` is no key of config.toml{}", guess.unwrap_or_default()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::File;
    use super::*;

    #[test]
    fn every_key_can_be_locked() {
        // The parser lists the keys that there are.
        let message = toml::from_str::<File>("no_such_key = 1\n").unwrap_err().message().to_owned();
        let mut there: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
        there.sort_unstable();
        let mut known: Vec<&str> = KEYS.iter().map(|(name, _)| *name).collect();
        known.sort_unstable();
        assert_eq!(known, there);
    }
}
