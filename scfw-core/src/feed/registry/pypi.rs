//! Project pages of Python package indexes as JSON (PEP 691), with upload times (PEP 700).

use std::collections::BTreeMap;

use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{History, ListedFile, Release};
use crate::package::{Ecosystem, publish_time};

pub(super) const ACCEPT: &str = "application/vnd.pypi.simple.v1+json";
/// Longest name that is asked for.
const LONGEST_NAME: usize = 256;
/// The endings of the names of source distributions.
const SOURCE_EXTENSIONS: [&str; 6] = [".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz", ".tar"];

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(default)]
    name: Option<String>,
    #[serde(borrow)]
    files: Vec<File<'a>>,
}

#[derive(Deserialize)]
struct File<'a> {
    filename: String,
    #[serde(default, rename = "upload-time")]
    uploaded: Value,
    #[serde(default)]
    yanked: Value,
    // The few files that are wanted are read.
    #[serde(default, borrow)]
    url: Option<&'a RawValue>,
    #[serde(default, borrow)]
    hashes: Option<&'a RawValue>,
}

/// The path of the page of `key` (a normalised name) below the index; none if no project can have the name.
pub(super) fn path(key: &str) -> Option<String> {
    let is_name = (1..=LONGEST_NAME).contains(&key.len())
        && key.chars().all(|character| character.is_ascii_alphanumeric() || character == '-');
    is_name.then(|| format!("{key}/"))
}

/// The word of the page at `base` about `key`; none if it is no such page, or another project's. The `wanted` files
/// come with their addresses and hashes.
pub(super) fn parse(key: &str, base: &str, body: &[u8], wanted: &[String]) -> Option<History> {
    let page: Page<'_> = serde_json::from_slice(body).ok()?;
    if page.name.is_some_and(|found| Ecosystem::PyPi.normalise(&found) != key) {
        return None;
    }
    let releases = page.files.into_iter().filter_map(|file| {
        let version = version_of(key, &file.filename)?.to_owned();
        let listed = wanted.contains(&file.filename).then(|| listed(&file, base));
        Some(Release {
            file: listed,
            version,
            published: file.uploaded.as_str().and_then(publish_time),
            is_withdrawn: !matches!(file.yanked, Value::Null | Value::Bool(false)),
            artifact: file.filename,
        })
    });
    Some(History { modified: None, releases: releases.collect() })
}

fn listed(file: &File<'_>, base: &str) -> ListedFile {
    let url: Option<String> = file.url.and_then(|raw| serde_json::from_str(raw.get()).ok());
    let address = url.and_then(|url| Url::parse(base).ok()?.join(&url).ok());
    let hashes: BTreeMap<String, Value> =
        file.hashes.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let hashes = hashes.into_iter().filter_map(|(name, digest)| Some((name, digest.as_str()?.to_owned())));
    ListedFile { address: address.map(String::from), hashes: hashes.collect() }
}

/// The version in the name of a file of `key`: the text between the first two hyphens of a wheel's (the binary
/// distribution format), and behind the project's name in a source distribution's.
pub(crate) fn version_of<'a>(key: &str, filename: &'a str) -> Option<&'a str> {
    let is_project = |name: &str| Ecosystem::PyPi.normalise(name) == key;
    if let Some(stem) = filename.strip_suffix(".whl") {
        let mut parts = stem.split('-');
        let (name, version) = (parts.next()?, parts.next()?);
        return is_project(name).then_some(version);
    }
    let stem = SOURCE_EXTENSIONS.iter().find_map(|extension| filename.strip_suffix(extension))?;
    let mut hyphens = stem.match_indices('-');
    hyphens.find(|(at, _)| is_project(&stem[..*at])).map(|(at, _)| &stem[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_page_tells_the_time_of_each_file() {
        let page = json!({"meta": {"api-version": "1.1"}, "name": "Some.Name", "files": [
            {"filename": "some_name-1.0-py3-none-any.whl", "upload-time": "2020-01-01T00:00:00.5Z", "yanked": false,
                "url": "../../files/some_name-1.0-py3-none-any.whl", "hashes": {"sha256": "00", "odd": 1}},
            {"filename": "some-name-1.0.tar.gz", "upload-time": 7, "yanked": "broken"},
            {"filename": "some-name-2.0.exe"}, {"filename": "other-1.0.tar.gz"}]});
        let wanted = ["some_name-1.0-py3-none-any.whl".to_owned()];
        let base = "https://host.example/simple/some-name/";
        let parsed = parse("some-name", base, page.to_string().as_bytes(), &wanted);
        let History { releases, modified } = parsed.unwrap();
        let file = releases[0].file.clone().unwrap();
        assert_eq!(file.address.unwrap(), "https://host.example/files/some_name-1.0-py3-none-any.whl");
        assert_eq!(file.hashes, BTreeMap::from([("sha256".to_owned(), "00".to_owned())]));
        assert_eq!(releases[1].file, None);
        let artifacts: Vec<&str> = releases.iter().map(|release| release.artifact.as_str()).collect();
        assert_eq!(artifacts, ["some_name-1.0-py3-none-any.whl", "some-name-1.0.tar.gz"]);
        assert_eq!(releases[0].published, publish_time("2020-01-01T00:00:00.5Z"));
        assert_eq!((releases[1].published, releases[1].is_withdrawn), (None, true));
        assert_eq!(modified, None);
        assert_eq!(parse("another-name", base, page.to_string().as_bytes(), &[]), None);
        assert_eq!(parse("some-name", base, b"<!DOCTYPE html>", &[]), None);
    }

    #[test]
    fn a_file_name_holds_the_version() {
        for (filename, version) in [
            ("some_name-1.0+local.1-2-py3-none-any.whl", Some("1.0+local.1")),
            ("Some.Name-1!2.0.tar.gz", Some("1!2.0")),
            ("some-name-1.0-beta-1.zip", Some("1.0-beta-1")),
            ("some-name.tar.gz", None),
            ("some_name.whl", None),
            ("some-name-extra-1.0.tar.gz", Some("extra-1.0")),
            ("name-1.0.tar.gz", None),
            ("", None),
        ] {
            assert_eq!(version_of("some-name", filename), version, "{filename}");
        }
    }

    #[test]
    fn only_a_name_becomes_a_path() {
        assert_eq!(path("some-name").unwrap(), "some-name/");
        for key in ["", "..", "a/b", "a?b", "a%2fb", "ä", &"x".repeat(1000)] {
            assert_eq!(path(key), None, "{key:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), filename in ".{0,60}") {
            drop(parse("a", "https://host.example/a/", &bytes, &[]));
            let _ = version_of("a", &filename);
        }
    }
}
