//! The predecessor's settings in the blocks of start-up files that are about to be replaced.

use std::collections::BTreeMap;

use scfw_core::action::Action;
use scfw_core::config::{self, ApiKey};
use scfw_core::env;

use crate::files::config_file::Setting;
use crate::shells::rc_files::Change;

/// The predecessor's variables for its logger to Datadog Code Security, a private beta.
const CODE_SECURITY: [&str; 2] = ["DD_APP_KEY", "SCFW_DD_CODESEC_LOGGER_ENABLED"];

/// What becomes of it.
#[derive(Debug, Default)]
pub(super) struct Inheritance {
    /// What goes to config.toml.
    pub(super) settings: Vec<Setting>,
    /// What is not carried over, in sentences that say why.
    pub(super) left_behind: Vec<String>,
}

impl Inheritance {
    pub(super) fn of(changes: &[Change]) -> Self {
        let mut exports = BTreeMap::new();
        for (name, value) in changes
            .iter()
            .filter(|change| change.is_needed())
            .filter_map(|change| change.before.as_deref())
            .flat_map(scfw_core::rc_file::exports)
            .filter(|(_, value)| !value.is_empty())
        {
            exports.entry(name).or_insert(value);
        }
        let mut inheritance = Self::default();
        let settings = &mut inheritance.settings;
        let left_behind = &mut inheritance.left_behind;
        let mut not_carried =
            |name, reason| left_behind.push(format!("{name} is not carried over: it is not {reason}"));
        if let Some(port) = exports.remove(env::SCFW_DD_AGENT_LOG_PORT) {
            match port.parse() {
                Ok(port) => settings.push(Setting::AgentPort(Some(port))),
                Err(_) => not_carried(env::SCFW_DD_AGENT_LOG_PORT, "a port between 1 and 65535"),
            }
        }
        if let Some(value) = exports.remove(env::SCFW_DD_API_LOGGER_ENABLED) {
            settings.push(Setting::ApiLogger(config::is_true(&value)));
        }
        settings.extend(exports.remove(env::DD_API_KEY).map(ApiKey::from).map(Setting::ApiKey));
        settings.extend(exports.remove(env::DD_SITE).map(Setting::Site));
        if let Some(level) = exports.remove(env::SCFW_DD_LOG_LEVEL) {
            match Action::parse(&level.to_ascii_uppercase()) {
                Some(level) => settings.push(Setting::LogLevel(level.name().to_owned())),
                None => not_carried(env::SCFW_DD_LOG_LEVEL, "ALLOW, BLOCK or ABORT"),
            }
        }
        let unused: Vec<&str> =
            CODE_SECURITY.into_iter().filter(|name| exports.contains_key(*name)).collect();
        if !unused.is_empty() {
            left_behind.push(format!(
                "{} {} not carried over: scfw does not report to Datadog Code Security, the private beta that the \
                 predecessor needed that for",
                unused.join(" and "),
                if unused.len() == 1 { "is" } else { "are" },
            ));
        }
        inheritance
    }
}
