//! A manager's knowledge of when a package was published.

use jiff::Timestamp;
use reqwest::Url;

/// Longest time or address that is taken for one, in bytes.
const LONGEST: usize = 2048;

/// The way to find out the age of a target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Publication {
    /// The age is not asked for: the version is not settled yet, or it comes within another package and is as old as
    /// that.
    #[default]
    Unasked,
    /// The age is what this machine remembers: nobody has said which registry it would come from.
    Remembered,
    /// The age is what the manager told, and if that is not enough, what the registry says.
    Told(Told),
}

impl Publication {
    /// The registry that was told.
    #[must_use]
    pub fn registry(&self) -> Option<&str> {
        self.registries().first().copied()
    }

    /// All registries that were told of, the one that it comes from first.
    #[must_use]
    pub fn registries(&self) -> Vec<&str> {
        match self {
            Self::Told(told) => told.registry.iter().chain(&told.others).map(String::as_str).collect(),
            Self::Unasked | Self::Remembered => Vec::new(),
        }
    }
}

/// A manager's word about a version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// The base of the registry or index that it comes from, as [`registry`] makes it.
    pub registry: Option<String>,
    /// Further registries in use, if it is not known from which of them it comes.
    pub others: Vec<String>,
    /// The time of publication.
    pub published: Option<Timestamp>,
    /// The last publication of any version of the package; this one was published by then at the latest.
    pub modified: Option<Timestamp>,
}

/// A time as registries write it (RFC 3339); none if it is none.
#[must_use]
pub fn time(text: &str) -> Option<Timestamp> {
    (text.len() <= LONGEST).then(|| text.parse().ok()).flatten()
}

/// The base URL of a registry in one form: with a slash at its end and without credentials, query and fragment. None
/// if it is not on the web.
#[must_use]
pub fn registry(url: &str) -> Option<String> {
    let mut url = (url.len() <= LONGEST).then(|| Url::parse(url).ok()).flatten()?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return None;
    }
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_registry_has_one_form() {
        let form = |url| registry(url).unwrap();
        assert_eq!(form("https://user:t0ken@Host.example:443/npm?x#y"), "https://host.example/npm/");
        assert_eq!(form("http://host.example"), "http://host.example/");
        for other in ["file:///etc", "ftp://host.example/", "host.example/npm", "", "https://", "data:,x"] {
            assert_eq!(registry(other), None, "{other}");
        }
        assert_eq!(registry(&format!("https://host.example/{}", "x".repeat(LONGEST))), None);
    }

    #[test]
    fn times_are_read_as_registries_write_them() {
        let expected = "2020-01-01T00:00:00Z".parse().ok();
        for text in ["2020-01-01T00:00:00.000Z", "2020-01-01T01:00:00+01:00", "2020-01-01T00:00:00.000000Z"] {
            assert_eq!(time(text), expected, "{text}");
        }
        for text in
            ["", "yesterday", "2020-13-01T00:00:00Z", "2020-01-01", "99999-01-01T00:00:00Z", "1577836800"]
        {
            assert_eq!(time(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,100}") {
            let _ = time(&text);
            if let Some(registry) = registry(&text) {
                let url = Url::parse(&registry).unwrap();
                prop_assert!(registry.ends_with('/') && url.username().is_empty() && url.password().is_none());
            }
        }

        #[test]
        fn every_second_is_read_back(seconds in -60_000_000_000i64..250_000_000_000) {
            let timestamp = Timestamp::from_second(seconds).unwrap();
            prop_assert_eq!(time(&timestamp.to_string()), Some(timestamp));
        }
    }
}
