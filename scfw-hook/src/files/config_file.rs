//! `config.toml` as it is written: settings are changed one by one, and the user's comments, order and spelling
//! stay.

use std::fmt;
use std::num::NonZeroU16;

use anyhow::{Result, anyhow};
use scfw_core::config::ApiKey;
use scfw_core::manager::ManagerId;
use toml_edit::{Array, DocumentMut, Item, TableLike, Value, table};

/// One setting with its new value; a default need not be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// The managers that the shells route to scfw.
    Managers(Vec<ManagerId>),
    /// The local port of the Datadog Agent; none: it gets no records.
    AgentPort(Option<NonZeroU16>),
    /// Whether Datadog's API gets records.
    ApiLogger(bool),
    /// The key for it.
    ApiKey(ApiKey),
    /// Its site.
    Site(String),
    /// The lowest action that is sent to Datadog: `ALLOW`, `BLOCK`, `ABORT`.
    LogLevel(String),
}

impl Setting {
    const fn key(&self) -> &'static str {
        match self {
            Self::Managers(_) => "managers",
            Self::AgentPort(_) => "agent_port",
            Self::ApiLogger(_) => "api_logger",
            Self::ApiKey(_) => "api_key",
            Self::Site(_) => "site",
            Self::LogLevel(_) => "log_level",
        }
    }

    /// The value to write; none for the default.
    fn value(&self) -> Option<Value> {
        match self {
            Self::Managers(managers) if ManagerId::ALL.iter().all(|manager| managers.contains(manager)) => {
                None
            }
            Self::Managers(managers) => {
                Some(Value::Array(managers.iter().map(|manager| manager.name()).collect::<Array>()))
            }
            Self::AgentPort(port) => port.map(|port| Value::from(i64::from(port.get()))),
            Self::ApiLogger(is_on) => is_on.then(|| Value::from(true)),
            Self::ApiKey(key) => Some(Value::from(key.reveal())),
            Self::Site(text) | Self::LogLevel(text) => Some(Value::from(text.as_str())),
        }
    }
}

impl fmt::Display for Setting {
    /// The text for people: a secret is not shown.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.value()) {
            (Self::ApiKey(key), _) => write!(formatter, "api_key = {key}"),
            (_, Some(value)) => write!(formatter, "{} = {value}", self.key()),
            (_, None) => write!(formatter, "{}: the default", self.key()),
        }
    }
}

/// The file's `text` with `settings` changed, and those that did change. An error never shows the file's content.
pub fn edit(text: &str, settings: Vec<Setting>) -> Result<(String, Vec<Setting>)> {
    let mut document: DocumentMut =
        text.parse().map_err(|_shows_the_line| anyhow!("config.toml is not valid TOML"))?;
    let mut changed = Vec::new();
    for setting in settings {
        let is_changed = if let Setting::Managers(_) = setting {
            put(document.as_table_mut(), &setting)
        } else {
            if setting.value().is_none() && !document.contains_key("datadog") {
                continue;
            }
            let datadog = document.entry("datadog").or_insert_with(table);
            let datadog = datadog.as_table_like_mut();
            put(datadog.ok_or_else(|| anyhow!("datadog in config.toml is no table"))?, &setting)
        };
        if is_changed {
            changed.push(setting);
        }
    }
    Ok((document.to_string(), changed))
}

/// Sets one key, or removes it; whether that changed anything.
fn put(table: &mut dyn TableLike, setting: &Setting) -> bool {
    let key = setting.key();
    let Some(mut value) = setting.value() else { return table.remove(key).is_some() };
    let existing = table.get_mut(key).and_then(Item::as_value_mut);
    if let Some(existing) = existing {
        if existing.clone().decorated("", "").to_string() == value.clone().decorated("", "").to_string() {
            return false;
        }
        // The text around the value, such as a comment, stays.
        *value.decor_mut() = existing.decor().clone();
        *existing = value;
    } else {
        table.insert(key, Item::Value(value));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Setting> {
        vec![
            Setting::Managers(vec![ManagerId::Pip]),
            Setting::AgentPort(NonZeroU16::new(10365)),
            Setting::ApiLogger(true),
            Setting::ApiKey(ApiKey::from("0123456789abcdef\"'".to_owned())),
            Setting::Site("eu.example".to_owned()),
            Setting::LogLevel("BLOCK".to_owned()),
        ]
    }

    #[test]
    fn comments_and_order_stay_and_a_second_time_changes_nothing() {
        let text = "# mine\ndeadline = 3 # short\n\n[datadog] # logs\nsite = 'us.example' # ours\n# end\n";
        let (edited, changed) = edit(text, all()).unwrap();
        assert_eq!(changed, all());
        for kept in ["# mine\ndeadline = 3 # short\n", "[datadog] # logs\n", "site = \"eu.example\" # ours\n"]
        {
            assert!(edited.contains(kept), "{kept:?} in {edited}");
        }
        assert!(edited.ends_with("# end\n"), "{edited}");
        assert!(edited.find("managers = [\"pip\"]").unwrap() < edited.find("[datadog]").unwrap());
        let (again, changed) = edit(&edited, all()).unwrap();
        assert_eq!((again, changed), (edited.clone(), Vec::new()));
        let defaults = vec![
            Setting::Managers(ManagerId::ALL.to_vec()),
            Setting::AgentPort(None),
            Setting::ApiLogger(false),
        ];
        let (edited, _) = edit(&edited, defaults.clone()).unwrap();
        assert!(
            !edited.contains("managers") && !edited.contains("agent_port") && !edited.contains("api_logger")
        );
        assert_eq!(edit("", defaults).unwrap(), (String::new(), Vec::new()));
    }

    #[test]
    fn inline_and_dotted_tables_are_edited_where_they_are() {
        for text in ["datadog = { site = 'us.example' }\n", "datadog.site = 'us.example'\n"] {
            let (edited, _) = edit(text, all()).unwrap();
            assert!(!edited.contains("[datadog]") && edited.contains("eu.example"), "{edited}");
            assert_eq!(
                edited.parse::<DocumentMut>().unwrap()["datadog"]["agent_port"].as_integer(),
                Some(10365)
            );
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let message = edit("[datadog]\napi_key = \"SECRET\n", all()).unwrap_err().to_string();
        assert!(!message.contains("SECRET"), "{message}");
        let shown: Vec<String> = all().iter().map(Setting::to_string).collect();
        assert!(shown.contains(&"agent_port = 10365".to_owned()), "{shown:?}");
        assert!(!shown.join(" ").contains("0123"), "{shown:?}");
    }
}
