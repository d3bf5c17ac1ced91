//! npm's packuments, in full (`time`) and abbreviated (`modified`).

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{History, ListedFile, Release};
use crate::package::publish_time;

/// The abbreviated packument, from a registry that has one.
pub(super) const ACCEPT_SHORT: &str = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8";
/// The full one.
pub(super) const ACCEPT_FULL: &str = "application/json";
/// Longest name that is asked for; npm has allowed 214 characters for many years.
const LONGEST_NAME: usize = 256;

#[derive(Deserialize)]
struct Packument<'a> {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    modified: Value,
    #[serde(default)]
    time: Option<HashMap<String, Value>>,
    #[serde(default, borrow)]
    versions: HashMap<String, Version<'a>>,
}

#[derive(Deserialize)]
struct Version<'a> {
    #[serde(default)]
    deprecated: Value,
    // The few that are wanted are read.
    #[serde(default, borrow)]
    dist: Option<&'a RawValue>,
}

/// The path of the packument of `name` below the registry; none if no package can have the name.
pub(super) fn path(name: &str) -> Option<String> {
    let is_part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.chars().all(|character| {
                character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | '~')
            })
    };
    let is_name = match name.strip_prefix('@') {
        Some(scoped) => scoped.split_once('/').is_some_and(|(scope, name)| is_part(scope) && is_part(name)),
        None => is_part(name),
    };
    (is_name && name.len() <= LONGEST_NAME).then(|| name.replace('/', "%2f"))
}

/// A packument's word about `name`; none if it is no packument, or another package's. The `wanted` versions come with
/// their files.
pub(super) fn parse(name: &str, body: &[u8], wanted: &[String]) -> Option<History> {
    let packument: Packument<'_> = serde_json::from_slice(body).ok()?;
    if packument.name.is_some_and(|found| found != name) {
        return None;
    }
    let times = packument.time.unwrap_or_default();
    let time = |key: &str| times.get(key).and_then(Value::as_str).and_then(publish_time);
    let releases = packument.versions.into_iter().map(|(version, document)| Release {
        file: wanted.contains(&version).then(|| listed(document.dist)),
        artifact: version.clone(),
        published: time(&version),
        version,
        is_withdrawn: !matches!(document.deprecated, Value::Null | Value::Bool(false))
            && document.deprecated.as_str() != Some(""),
    });
    let releases = releases.collect();
    let modified = packument.modified.as_str().and_then(publish_time).or_else(|| time("modified"));
    Some(History { modified, releases })
}

fn listed(dist: Option<&RawValue>) -> ListedFile {
    let dist: Value = dist.and_then(|dist| serde_json::from_str(dist.get()).ok()).unwrap_or_default();
    let text = |field: &str| dist.get(field).and_then(Value::as_str).map(str::to_owned);
    let integrity = text("integrity").map(|integrity| ("integrity".to_owned(), integrity));
    ListedFile { address: text("tarball"), hashes: integrity.into_iter().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_packument_tells_times_in_full_and_a_bound_abbreviated() {
        let versions = json!({"1.0.0": {"dist": {"tarball": "https://host.example/a-1.0.0.tgz", "integrity": "sha512-xx"}}, "2.0.0": {"deprecated": "it leaks"}, "3.0.0": {"deprecated": ""}});
        let full = json!({"name": "a", "versions": versions, "time": {
            "created": "2020-01-01T00:00:00Z", "modified": "2020-03-01T00:00:00.000Z", "1.0.0": "2020-01-01T00:00:00Z",
            "2.0.0": {"odd": true}, "0.9.0": "2019-01-01T00:00:00Z", "unpublished": {"name": "someone"}}});
        let history = parse("a", full.to_string().as_bytes(), &[]).unwrap();
        assert_eq!(history.modified, publish_time("2020-03-01T00:00:00Z"));
        let release = |version: &str| history.release(version).unwrap();
        assert_eq!(release("1.0.0").published, publish_time("2020-01-01T00:00:00Z"));
        assert_eq!((release("2.0.0").published, release("2.0.0").is_withdrawn), (None, true));
        assert!(!release("3.0.0").is_withdrawn);
        assert_eq!(history.release("0.9.0"), None, "what cannot be installed any more is no release");
        let short = json!({"name": "a", "versions": versions, "modified": "2020-03-01T00:00:00.000Z"});
        let wanted = ["1.0.0".to_owned(), "2.0.0".to_owned()];
        let history = parse("a", short.to_string().as_bytes(), &wanted).unwrap();
        let file = |version: &str| history.release(version).unwrap().file.clone();
        let address = Some("https://host.example/a-1.0.0.tgz".to_owned());
        let hashes = BTreeMap::from([("integrity".to_owned(), "sha512-xx".to_owned())]);
        assert_eq!(file("1.0.0"), Some(ListedFile { address, hashes }));
        assert_eq!((file("2.0.0"), file("3.0.0")), (Some(ListedFile::default()), None));
        assert_eq!(history.modified, publish_time("2020-03-01T00:00:00Z"));
        assert!(history.releases.iter().all(|release| release.published.is_none()));
        assert_eq!(
            parse("b", short.to_string().as_bytes(), &[]),
            None,
            "another package's times say nothing"
        );
    }

    #[test]
    fn only_a_name_becomes_a_path() {
        assert_eq!(path("left-pad").unwrap(), "left-pad");
        assert_eq!(path("@scope/JSONStream").unwrap(), "@scope%2fJSONStream");
        for name in
            ["", "..", "@a", "@/b", "@a/", "@a/..", "a/b", "@a/b/c", "a?b", "a#b", "a%2fb", "a b", "ä", "a\n"]
        {
            assert_eq!(path(name), None, "{name:?}");
        }
        assert_eq!(path(&"x".repeat(1000)), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(parse("a", &bytes, &[]));
        }
    }
}
