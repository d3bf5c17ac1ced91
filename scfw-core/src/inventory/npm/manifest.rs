//! The `package.json` of an installed package. A hostile one may hold anything; as for npm, the last of several
//! fields of one name counts, and a field of the wrong type counts as absent.

use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::files;
use crate::inventory::Licence;
use crate::screen::lockfile::Text;
use crate::screen::npm_spec;

/// A package.json is at most this many bytes.
const LENGTH: u64 = 4 << 20;
/// Requirements kept of one package.
const MOST_REQUIRED: usize = 10_000;
/// Longest licence that is taken for one, in bytes.
const LONGEST_LICENCE: usize = 100;

/// What a package.json says, as far as an inventory needs it.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) licence: Option<Licence>,
    /// Dependencies, optional and peer ones included, with what is asked for.
    pub(super) requires: Vec<(String, String)>,
    /// Development dependencies.
    pub(super) requires_for_development: Vec<(String, String)>,
}

/// Reads the package.json in `folder`, if there is one. The error is a sentence.
pub(super) fn read(folder: &Path) -> Result<Option<Manifest>, String> {
    let Some(bytes) = files::read_installed(&folder.join("package.json"), LENGTH)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    serde_json::from_str(text).map(Some).map_err(|error| format!("is not a package.json: {error}"))
}

/// Where a dependency's specification says that the package comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A registry, or a place on this machine, which shows as a link.
    Registry,
    /// A bare URL.
    Url,
    /// A repository, in full or in one of npm's short forms.
    Git,
}

impl Origin {
    pub(super) fn of(name: &str, spec: &str) -> Self {
        if spec.starts_with("https://") || spec.starts_with("http://") {
            let is_repository = spec
                .split('#')
                .next()
                .is_some_and(|url| url.trim_end_matches('/').strip_suffix(".git").is_some());
            return if is_repository { Self::Git } else { Self::Url };
        }
        let is_short = |spec: &str| {
            let mut parts = spec.split('#').next().unwrap_or_default().split('/');
            let is_part = |part: Option<&str>| {
                part.is_some_and(|part| !part.is_empty() && !part.starts_with(['.', '~', '@']))
            };
            is_part(parts.next()) && is_part(parts.next()) && parts.next().is_none() && !spec.contains(':')
        };
        let is_git = ["git:", "git+", "git@", "github:", "gitlab:", "bitbucket:", "gist:"]
            .iter()
            .any(|scheme| spec.starts_with(scheme));
        if npm_spec::named(name, spec).is_none() && (is_git || is_short(spec)) {
            Self::Git
        } else {
            Self::Registry
        }
    }
}

impl<'de> Deserialize<'de> for Manifest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ManifestVisitor)
    }
}

struct ManifestVisitor;

impl<'de> Visitor<'de> for ManifestVisitor {
    type Value = Manifest;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut manifest = Manifest::default();
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match key.as_str() {
                "name" => manifest.name = text(map.next_value()?),
                "version" => manifest.version = text(map.next_value()?),
                "license" => manifest.licence = licence(&map.next_value()?),
                "dependencies" | "optionalDependencies" | "peerDependencies" => {
                    collect(map.next_value()?, &mut manifest.requires);
                }
                "devDependencies" => collect(map.next_value()?, &mut manifest.requires_for_development),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(manifest)
    }
}

fn text(value: Value) -> Option<String> {
    if let Value::String(text) = value { Some(text) } else { None }
}

fn collect(value: Value, into: &mut Vec<(String, String)>) {
    let Value::Object(group) = value else { return };
    let left = MOST_REQUIRED.saturating_sub(into.len());
    into.extend(group.into_iter().take(left).map(|(name, spec)| (name, text(spec).unwrap_or_default())));
}

/// npm's documentation wants an SPDX expression, of which old packages know an object's form.
fn licence(value: &Value) -> Option<Licence> {
    let text = value.as_str().or_else(|| value["type"].as_str())?.trim();
    if text.is_empty() || text.len() > LONGEST_LICENCE {
        return None;
    }
    let is_expression = text != "UNLICENSED"
        && !text.starts_with("SEE ")
        && text.split([' ', '(', ')']).filter(|word| !word.is_empty()).all(|word| {
            word.chars().all(|character| character.is_ascii_alphanumeric() || "-.+:".contains(character))
        });
    let is_sequence =
        text.contains(' ') && ![" OR ", " AND ", " WITH "].iter().any(|word| text.contains(word));
    Some(if is_expression && !is_sequence {
        Licence::Expression(text.to_owned())
    } else {
        Licence::Name(text.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Manifest {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_last_field_counts_and_odd_types_count_as_absent() {
        let manifest = parse(
            r#"{"name": "x", "name": "a", "version": 5, "license": {"type": "MIT"}, "dependencies": {"b": "^1", "c": 5},
                "peerDependencies": ["d"], "devDependencies": {"e": "1"}, "other": [[{"name": "z"}]]}"#,
        );
        assert_eq!((manifest.name.as_deref(), manifest.version), (Some("a"), None));
        assert_eq!(manifest.licence, Some(Licence::Expression("MIT".to_owned())));
        let pair = |name: &str, spec: &str| (name.to_owned(), spec.to_owned());
        assert_eq!(manifest.requires, [pair("b", "^1"), pair("c", "")]);
        assert_eq!(manifest.requires_for_development, [pair("e", "1")]);
    }

    #[test]
    fn licences() {
        let licence = |text: &str| licence(&Value::from(text));
        assert_eq!(
            licence("(MIT OR Apache-2.0)"),
            Some(Licence::Expression("(MIT OR Apache-2.0)".to_owned()))
        );
        for text in ["UNLICENSED", "SEE LICENSE IN x", "my own licence", "a/b"] {
            assert_eq!(licence(text), Some(Licence::Name(text.to_owned())));
        }
        assert_eq!(licence(&"x".repeat(1000)), None);
    }

    #[test]
    fn where_a_dependency_comes_from() {
        for spec in
            ["^1", "latest", "npm:b@1", "file:../b", "link:b", "workspace:*", "../b", "", "@s/b", "a/b/c"]
        {
            assert_eq!(Origin::of("a", spec), Origin::Registry, "{spec}");
        }
        for spec in [
            "u/r", "u/r#main", "github:u/r", "git+ssh://git@host.example/u/r",
            "https://host.example/u/r.git#v1",
        ] {
            assert_eq!(Origin::of("a", spec), Origin::Git, "{spec}");
        }
        assert_eq!(Origin::of("a", "https://host.example/a.tgz"), Origin::Url);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in r#"\{("(name|version|license|dependencies)": ?("x"|1|\[\]|\{"a": ?1\}),?){0,4}\}"#) {
            let _read = serde_json::from_str::<Manifest>(&text);
        }
    }
}
