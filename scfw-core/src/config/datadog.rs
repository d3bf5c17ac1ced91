//! The settings of logging to Datadog: the `[datadog]` table and the variables that go before it.

use std::fmt;
use std::num::NonZeroU16;

use serde::{Deserialize, Deserializer, de};

use super::is_true;
use crate::action::Action;
use crate::env::{self, Variables};

/// The site of those who name none.
const SITE: &str = "datadoghq.com";
/// A key with fewer characters is not shown even in part.
const SHOWN_FROM: usize = 16;

/// Logging to Datadog, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datadog {
    /// The local port on which the Agent takes logs; none: it gets none.
    pub agent_port: Option<NonZeroU16>,
    /// Decisions are sent to the API.
    pub api_logger: bool,
    /// The key for the API.
    pub api_key: Option<ApiKey>,
    /// The site that the API belongs to.
    pub site: String,
    /// The API's base, if it is not the site's own.
    pub intake_url: Option<String>,
    /// The lowest action that is sent; if none is set, the lowest is `BLOCK`.
    pub log_level: Option<Action>,
}

/// Whether `site` is the name of a host (RFC 1123), so that no part of it can be taken for anything else.
#[must_use]
pub fn is_site(site: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|character| character.is_ascii_alphanumeric() || character == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    site.len() <= 230 && site.split('.').all(is_label)
}

/// A secret: neither `Debug` nor `Display` shows more than its last characters.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// The secret itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for ApiKey {
    fn from(key: String) -> Self {
        Self(key)
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.chars().count();
        let shown = if count < SHOWN_FROM { 0 } else { 4 };
        write!(formatter, "…{}", self.0.chars().skip(count - shown).collect::<String>())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ApiKey({self})")
    }
}

impl<'de> Deserialize<'de> for ApiKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(key) => Ok(Self(key)),
            // The usual message names the value.
            _ => Err(de::Error::custom("the API key is no text: it belongs in quotes")),
        }
    }
}

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    agent_port: Option<NonZeroU16>,
    api_logger: Option<bool>,
    api_key: Option<ApiKey>,
    site: Option<String>,
    log_level: Option<Action>,
}

impl Datadog {
    /// The variables go before the table. They are other programs' too, and an install fails for no sink: a mistake
    /// in one of scfw's own goes to `mistakes`, as a sentence without secrets, and the sink gets nothing rather than
    /// a guess.
    pub(super) fn resolve(table: Table, variable: Variables<'_>, mistakes: &mut Vec<String>) -> Self {
        let text = |name: &str| {
            let value = variable(name).filter(|value| !value.is_empty())?;
            Some(value.to_string_lossy().into_owned())
        };
        let agent_port = match text(env::SCFW_DD_AGENT_LOG_PORT) {
            Some(value) => value
                .parse()
                .inspect_err(|_no_port| {
                    mistakes.push(format!(
                        "{} is {value:?}, which is not a port between 1 and 65535: the Datadog Agent gets no records",
                        env::SCFW_DD_AGENT_LOG_PORT
                    ));
                })
                .ok(),
            None => table.agent_port,
        };
        let api_logger = text(env::SCFW_DD_API_LOGGER_ENABLED).map(|value| is_true(&value));
        let api_logger = api_logger.or(table.api_logger).unwrap_or(false);
        let log_level = match text(env::SCFW_DD_LOG_LEVEL) {
            Some(value) => Some(Action::parse(&value.to_ascii_uppercase()).unwrap_or_else(|| {
                if api_logger || agent_port.is_some() {
                    mistakes.push(format!(
                        "{} is {value:?}, which is not ALLOW, BLOCK or ABORT: Datadog gets what was blocked",
                        env::SCFW_DD_LOG_LEVEL
                    ));
                }
                Action::Block
            })),
            None => table.log_level,
        };
        let api_key = match variable(env::DD_API_KEY).filter(|key| !key.is_empty()) {
            Some(key) => key
                .into_string()
                .inspect_err(|_secret| {
                    if api_logger {
                        mistakes.push(format!(
                            "{} is no text in UTF-8: Datadog's API gets no records",
                            env::DD_API_KEY
                        ));
                    }
                })
                .ok()
                .map(ApiKey),
            None => table.api_key,
        };
        Self {
            agent_port,
            api_logger,
            api_key,
            site: text(env::DD_SITE).or(table.site).unwrap_or_else(|| SITE.to_owned()),
            intake_url: text(env::SCFW_DD_INTAKE_URL),
            log_level,
        }
    }

    /// The base of the API for logs; none if the site is no name of a host.
    #[must_use]
    pub fn intake_url(&self) -> Option<String> {
        let of_site = || is_site(&self.site).then(|| format!("https://http-intake.logs.{}", self.site));
        self.intake_url.clone().or_else(of_site)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::load;
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn the_table_is_read_and_the_variables_go_before_it() {
        let none = load("", &[]).unwrap().telemetry.datadog;
        assert_eq!((none.agent_port, none.api_logger, none.site.as_str()), (None, false, "datadoghq.com"));
        let file = format!(
            "[datadog]\nagent_port = 10365\napi_logger = true\napi_key = \"{KEY}\"\nsite = \"eu.example\"\n\
             log_level = \"BLOCK\"\n"
        );
        let settings = load(&file, &[]).unwrap().telemetry.datadog;
        assert_eq!((settings.agent_port, settings.api_logger), (NonZeroU16::new(10365), true));
        assert_eq!(settings.api_key.unwrap().reveal(), KEY);
        assert_eq!((settings.site.as_str(), settings.log_level), ("eu.example", Some(Action::Block)));
        let variables = [
            (env::SCFW_DD_AGENT_LOG_PORT, "1"),
            (env::SCFW_DD_API_LOGGER_ENABLED, "0"),
            (env::DD_API_KEY, "other"),
            (env::DD_SITE, "us.example"),
            (env::SCFW_DD_LOG_LEVEL, "abort"),
        ];
        let settings = load(&file, &variables).unwrap().telemetry.datadog;
        assert_eq!((settings.agent_port, settings.api_logger), (NonZeroU16::new(1), false));
        assert_eq!(settings.api_key.unwrap().reveal(), "other");
        assert_eq!((settings.site.as_str(), settings.log_level), ("us.example", Some(Action::Abort)));
    }

    #[test]
    fn the_intake_is_a_host_of_the_site_and_of_nobody_else() {
        let intake = |variables: &[(&str, &str)]| load("", variables).unwrap().telemetry.datadog.intake_url();
        assert_eq!(intake(&[]).as_deref(), Some("https://http-intake.logs.datadoghq.com"));
        let europe = Some("https://http-intake.logs.datadoghq.eu");
        assert_eq!(intake(&[(env::DD_SITE, "datadoghq.eu")]).as_deref(), europe);
        for site in ["evil.example/", "a b", "u@evil.example", "evil.example:1", ".eu", "x..y", "-x", "eü"] {
            assert_eq!(intake(&[(env::DD_SITE, site)]), None, "{site}");
        }
        let proxy = [(env::DD_SITE, "x/y"), (env::SCFW_DD_INTAKE_URL, "http://proxy.example")];
        assert_eq!(intake(&proxy).as_deref(), Some("http://proxy.example"));
    }

    #[test]
    fn a_mistake_in_the_table_is_named_with_its_place_and_a_suggestion() {
        let message = load("[datadog]\nagent_prot = 1\n", &[]).unwrap_err().to_string();
        assert!(message.contains("line 2, column 1"), "{message}");
        assert!(message.contains("did you mean `agent_port`?"), "{message}");
        let message = load("[datadg]\nagent_port = 1\n", &[]).unwrap_err().to_string();
        assert!(message.contains("did you mean `datadog`?"), "{message}");
        let message = load("[datadog]\nlog_level = \"LOUD\"\n", &[]).unwrap_err().to_string();
        assert!(message.contains("line 2, column 13") && message.contains("`ABORT`"), "{message}");
        assert!(load("[datadog]\nagent_port = 0\n", &[]).is_err());
    }

    #[test]
    fn a_mistake_in_a_variable_turns_its_sink_off_and_is_said() {
        let file = "[datadog]\nagent_port = 10365\nlog_level = \"ALLOW\"\n";
        for wrong in ["0", "65536", "abc", " 1"] {
            let settings = load(file, &[(env::SCFW_DD_AGENT_LOG_PORT, wrong)]).unwrap();
            assert_eq!(settings.telemetry.datadog.agent_port, None, "{wrong}");
            assert!(settings.mistakes[0].contains(&format!("{wrong:?}")), "{:?}", settings.mistakes);
        }
        let settings = load(file, &[(env::SCFW_DD_LOG_LEVEL, "loud")]).unwrap();
        assert_eq!(settings.telemetry.datadog.log_level, Some(Action::Block));
        assert_eq!(settings.mistakes.len(), 1);
        let settings = load("", &[(env::SCFW_DD_LOG_LEVEL, "loud")]).unwrap();
        assert!(settings.mistakes.is_empty(), "there is no sink that it would be about");
        assert_eq!(load(file, &[]).unwrap().mistakes, Vec::<String>::new());
    }

    #[test]
    fn no_message_shows_the_key() {
        for line in [
            "api_key = \"SECRET".to_owned(),
            "api_key = SECRET".to_owned(),
            "api_key = 'SECRET\nsite = 1".to_owned(),
            "api_key = 777777".to_owned(),
            "api_key = [\"SECRET\"]".to_owned(),
            "api_key = \"SECRET\" x".to_owned(),
            "api_key = \"SECRET\"\napi_key = \"SECRET\"".to_owned(),
        ] {
            let message = load(&format!("[datadog]\n{line}\n"), &[]).unwrap_err().to_string();
            assert!(!message.contains("SECRET") && !message.contains("777777"), "{message}");
            assert!(message.contains("line "), "{message}");
        }
        let shown = format!("{:?}", load(&format!("[datadog]\napi_key = \"{KEY}\"\n"), &[]).unwrap());
        assert!(!shown.contains("0123456789") && shown.contains("…cdef"), "{shown}");
        assert_eq!(ApiKey::from("short".to_owned()).to_string(), "…");
    }
}
