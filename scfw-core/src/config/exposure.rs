//! Whether others can read a configuration file that holds a secret. The system's file has to be readable for
//! everybody whom it configures, so this is about the user's.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use toml::{Table, Value};

use super::layers::LARGEST;
use crate::files::{Kept, read_text};

/// A mistake in the mode of the configuration file `path`, with the remedy; none if all is well.
pub(super) fn exposed_secret(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.mode() & 0o777;
    let is_exposed = mode & 0o077 != 0 && holds_secret(&read_text(path, Kept::Anyhow, LARGEST).ok()??);
    is_exposed.then(|| {
        format!("{0} holds a secret, and its mode is {mode:04o}; run: chmod 600 {0}", path.display())
    })
}

/// Whether a text of config.toml holds a key for Datadog's API or headers for a collector.
#[must_use]
pub fn holds_secret(text: &str) -> bool {
    let Ok(table) = text.parse::<Table>() else { return false };
    let value = |name: &str, key: &str| table.get(name).and_then(|within| within.get(key));
    value("datadog", "api_key").is_some()
        || value("otlp", "headers").and_then(Value::as_table).is_some_and(|headers| !headers.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_and_headers_are_secrets_however_they_are_written() {
        for text in [
            "[datadog]\napi_key = \"k\"\n", "datadog.api_key = \"k\"\n", "datadog = { api_key = \"k\" }\n",
            "[otlp.headers]\nx = \"k\"\n",
        ] {
            assert!(holds_secret(text), "{text}");
        }
        for text in
            ["", "# api_key = 1\n", "[datadog]\nsite = \"s\"\n", "[otlp]\nheaders = {}\n", "datadog = ["]
        {
            assert!(!holds_secret(text), "{text}");
        }
    }
}
