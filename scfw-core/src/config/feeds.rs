//! The places that data comes from: OSV, Datadog, and `[[feeds]]` of `config.toml` with further advisories in the OSV
//! schema.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{ConfigError, Directories, File, is_true, text};
use crate::env::{self, Variables};

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
/// Longest name of a feed, in bytes.
const LONGEST_NAME: usize = 64;

/// The places that data comes from, and how old it may be.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedSettings {
    /// Nothing is asked over the network.
    pub offline: bool,
    /// Base of the OSV API.
    pub osv_api_url: String,
    /// Base of OSV's bulk export.
    pub osv_bulk_url: String,
    /// Base of the Datadog data set.
    pub datadog_dataset_url: String,
    /// Feeds beside those two.
    pub extra: Vec<ExtraFeed>,
    /// A store older than this is brought up to date in the background.
    pub refresh_after: Duration,
    /// A store older than this is not believed alone: the network is asked too.
    pub max_age: Duration,
    /// The data directory, in which the store is and downloads are kept.
    pub directory: PathBuf,
    /// The places that only the administrator sets.
    pub locks: FeedLocks,
}

/// The feeds whose places only the system's file sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedLocks {
    /// OSV's bulk export.
    pub osv: bool,
    /// The Datadog data set.
    pub datadog: bool,
    /// The feeds beside the two.
    pub extra: bool,
    /// The policy that locks them, for messages.
    pub file: String,
}

impl FeedSettings {
    pub(super) fn resolve(
        file: &mut File,
        directories: &Directories,
        invalid: impl Fn(String) -> ConfigError,
        variable: Variables<'_>,
    ) -> Result<Self, ConfigError> {
        let offline = text(variable, env::SCFW_OFFLINE)?.map(|value| is_true(&value)).or(file.offline);
        let max_age = file.max_age.unwrap_or(STORE_AGES.1);
        let refresh_after = file.refresh_after.unwrap_or(STORE_AGES.0.min(max_age));
        if !(0.0..=max_age).contains(&refresh_after) || max_age > MOST_HOURS {
            let message =
                "refresh_after and max_age are not hours, from 0 to 8784, the former within the latter";
            return Err(invalid(message.to_owned()));
        }
        let url = |name, own: &mut Option<String>, default: &str| -> Result<String, ConfigError> {
            let url = text(variable, name)?.or(own.take());
            Ok(url.unwrap_or_else(|| default.to_owned()))
        };
        Ok(Self {
            offline: offline.unwrap_or(false),
            osv_api_url: url(env::SCFW_OSV_API_URL, &mut file.osv_api_url, OSV_API_URL)?,
            osv_bulk_url: url(env::SCFW_OSV_BULK_URL, &mut file.osv_bulk_url, OSV_BULK_URL)?,
            datadog_dataset_url: url(
                env::SCFW_DD_DATASET_URL,
                &mut file.datadog_dataset_url,
                DATADOG_DATASET_URL,
            )?,
            extra: resolve(std::mem::take(&mut file.feeds)).map_err(invalid)?,
            refresh_after: Duration::from_secs_f64(refresh_after * 3600.0),
            max_age: Duration::from_secs_f64(max_age * 3600.0),
            directory: directories.data.clone(),
            locks: FeedLocks::default(),
        })
    }
}

impl FeedLocks {
    /// Whether only the system's file sets the place of some of the store's feeds.
    #[must_use]
    pub const fn any(&self) -> bool {
        self.osv || self.datadog || self.extra
    }
}

/// A feed that the user has added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraFeed {
    /// Its name in findings.
    pub name: String,
    /// The place that it comes from.
    pub place: FeedPlace,
    /// Whether everything that it reports is malicious, whatever its ids begin with.
    pub malicious: bool,
}

/// The place that a feed comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedPlace {
    /// A zip of advisories, by `http` or `https`.
    Url(String),
    /// A zip of advisories, or a directory with one `.json` each.
    Path(PathBuf),
}

/// One `[[feeds]]` table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    name: String,
    url: Option<String>,
    path: Option<PathBuf>,
    #[serde(default)]
    malicious: bool,
}

/// The feeds of the tables, or the mistake in one.
fn resolve(tables: Vec<Table>) -> Result<Vec<ExtraFeed>, String> {
    let mut feeds: Vec<ExtraFeed> = Vec::with_capacity(tables.len());
    for Table { name, url, path, malicious } in tables {
        let is_name = (1..=LONGEST_NAME).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        if !is_name {
            return Err(format!(
                "the name {name:?} of a feed is not made of up to {LONGEST_NAME} letters, digits, \"-\", \"_\" and \".\""
            ));
        }
        if feeds.iter().any(|feed| feed.name == name) {
            return Err(format!("two feeds are called {name:?}"));
        }
        let place = match (url, path) {
            (Some(url), None) if url.starts_with("https://") || url.starts_with("http://") => {
                FeedPlace::Url(url)
            }
            (Some(_), None) => return Err(format!("the url of feed {name:?} is neither http nor https")),
            (None, Some(path)) => FeedPlace::Path(path),
            _ => return Err(format!("feed {name:?} needs either a url or a path")),
        };
        feeds.push(ExtraFeed { name, place, malicious });
    }
    Ok(feeds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::load;

    #[test]
    fn a_feed_has_a_name_and_one_place() {
        let file = "[[feeds]]\nname = \"ours\"\nurl = \"https://feeds.example/ours.zip\"\nmalicious = true\n\
            [[feeds]]\nname = \"local\"\npath = \"advisories\"\n";
        let settings = load(file, &[]).unwrap();
        let url = FeedPlace::Url("https://feeds.example/ours.zip".to_owned());
        assert_eq!(
            settings.feeds.extra[0],
            ExtraFeed { name: "ours".to_owned(), place: url, malicious: true }
        );
        let path = FeedPlace::Path(settings.directories.config.join("advisories"));
        assert_eq!(
            settings.feeds.extra[1],
            ExtraFeed { name: "local".to_owned(), place: path, malicious: false }
        );
        for wrong in [
            "[[feeds]]\nname = \"a\"\n",
            "[[feeds]]\nname = \"a\"\nurl = \"http://x\"\npath = \"y\"\n",
            "[[feeds]]\nname = \"a\"\nurl = \"ftp://x\"\n",
            "[[feeds]]\nname = \"a/b\"\npath = \"y\"\n",
            "[[feeds]]\nname = \"a\"\npath = \"y\"\n[[feeds]]\nname = \"a\"\npath = \"z\"\n",
            "[[feeds]]\nname = \"a\"\npath = \"y\"\nmalicous = true\n",
        ] {
            assert!(load(wrong, &[]).is_err(), "{wrong}");
        }
    }
}
