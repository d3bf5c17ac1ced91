//! `[[feeds]]` of `config.toml`: further advisories in the OSV schema, beside those of OSV itself.

use std::path::PathBuf;

use serde::Deserialize;

/// Longest name of a feed, in bytes.
const LONGEST_NAME: usize = 64;

/// A feed that the user has added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraFeed {
    /// What it is called in findings.
    pub name: String,
    /// Where it comes from.
    pub place: FeedPlace,
    /// Whether everything that it reports is malicious, whatever its ids begin with.
    pub malicious: bool,
}

/// Where a feed comes from.
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

/// The feeds of the tables, or what is wrong with one.
pub(super) fn resolve(tables: Vec<Table>) -> Result<Vec<ExtraFeed>, String> {
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
        assert_eq!(settings.feeds[0], ExtraFeed { name: "ours".to_owned(), place: url, malicious: true });
        let path = FeedPlace::Path(settings.directories.config.join("advisories"));
        assert_eq!(settings.feeds[1], ExtraFeed { name: "local".to_owned(), place: path, malicious: false });
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
