//! npm's lockfiles, package-lock.json and npm-shrinkwrap.json, versions 1 to 3. Parsed in one pass that borrows from the text and keeps no more than is asked for.

mod entry;
mod old;

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::{Format, Locked, LockedPackage, Origin, Project};
use crate::ecosystem::Ecosystem;
use crate::format::lenient::Text;
use crate::format::package_json::{Dependencies, Manifest};
use crate::format::workspaces::Workspaces;

pub(crate) use entry::other_archive;
use entry::{Entry, after_last_node_modules};
use old::Old;

/// The lockfiles of npm.
pub static FORMAT: Format = Format {
    names: &["npm-shrinkwrap.json", "package-lock.json"],
    ecosystem: Ecosystem::Npm,
    largest: 64 << 20,
    read,
};

/// A lockfile has at most this many entries, of any kind.
pub(crate) const ENTRIES: usize = 1_000_000;

/// Before an install, a lockfile of at most this many is read.
const ENTRIES_SCREENED: usize = 50_000;

/// The number of own folders of the user's among them is at most this.
const OWN_ENTRIES: usize = 1_000;

/// A lockfile.
#[derive(Debug)]
enum Lockfile<'a> {
    /// Versions 2 and 3, with a `packages` map.
    Current(Current<'a>),
    /// Version 1, with nested `dependencies`.
    Old(Old<'a>),
}

/// The content of a lockfile with a `packages` map.
#[derive(Debug, Default)]
struct Current<'a> {
    /// The packages that are certain to be installed with the whole lockfile.
    locked: Vec<LockedPackage<'a>>,
    /// The project, under the empty path, its workspaces and its other local folders, with their dependencies at the
    /// time of writing.
    own: Vec<(String, Dependencies)>,
}

fn read(text: &str) -> Result<Locked<'_>, String> {
    Ok(match parse(text)? {
        Lockfile::Current(Current { locked, own }) => {
            Locked { packages: locked, origin: Box::new(Importers(own)) }
        }
        Lockfile::Old(old) => {
            let (packages, top) = old.into_parts();
            Locked { packages, origin: Box::new(top) }
        }
    })
}

/// The project, under the empty path, its workspaces and its other local folders, with their dependencies at the time
/// of writing.
#[derive(Debug)]
struct Importers(Vec<(String, Dependencies)>);

impl Origin for Importers {
    fn is_in_step(&self, project: &Project<'_>) -> bool {
        // Overrides are not recorded, so with them it cannot be known.
        let Some(manifest) = project.manifest.filter(|manifest| !manifest.has_overrides) else {
            return false;
        };
        let workspaces = Workspaces::new(&manifest.workspaces);
        let has_folders = manifest.dependencies.include_folders();
        let mut has_root = false;
        self.0.iter().all(|(path, dependencies)| {
            if path.is_empty() {
                has_root = true;
                return *dependencies == manifest.dependencies;
            }
            // A folder that is no workspace any more takes its dependencies with it.
            let belongs = has_folders || workspaces.may_match(path);
            let there = belongs.then(|| Manifest::read(&project.root.join(path)));
            matches!(there, Some(Ok(Some(there))) if *dependencies == there.dependencies)
        }) && has_root
    }
}

/// Parses a lockfile. The error is a sentence.
fn parse(text: &str) -> Result<Lockfile<'_>, String> {
    serde_json::from_str(text).map_err(|error| format!("cannot be read as a lockfile: {error}"))
}

impl<'de> Deserialize<'de> for Lockfile<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(LockfileVisitor)
    }
}

struct LockfileVisitor;

impl<'de> Visitor<'de> for LockfileVisitor {
    type Value = Lockfile<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut current, mut old) = (None, None);
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match key.as_str() {
                "packages" => current = map.next_value::<Option<Current<'de>>>()?,
                // Version 2 has both, and then only `packages` counts.
                "dependencies" if current.is_none() => old = map.next_value::<Option<Old<'de>>>()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(match current {
            Some(current) => Lockfile::Current(current),
            None => Lockfile::Old(old.unwrap_or_default()),
        })
    }
}

impl<'de> Deserialize<'de> for Current<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(CurrentVisitor)
    }
}

struct CurrentVisitor;

impl<'de> Visitor<'de> for CurrentVisitor {
    type Value = Current<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of packages")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut current = Current::default();
        let mut entries = 0;
        while let Some(path) = map.next_key::<Text<'de>>()? {
            entries += 1;
            if entries > ENTRIES_SCREENED {
                return Err(A::Error::custom(format!("more than {ENTRIES_SCREENED} entries")));
            }
            if let Some(folder) = after_last_node_modules(&path) {
                let entry: Entry<'de> = map.next_value()?;
                current.locked.extend(entry.locked(folder));
            } else {
                if current.own.len() == OWN_ENTRIES {
                    return Err(A::Error::custom(format!("more than {OWN_ENTRIES} local folders")));
                }
                current.own.push((path.as_str().to_owned(), map.next_value()?));
            }
        }
        Ok(current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(packages: &str) -> Vec<(String, String)> {
        match parse(&format!(r#"{{"lockfileVersion": 3, "packages": {packages}}}"#)) {
            Ok(Lockfile::Current(current)) => current
                .locked
                .into_iter()
                .map(|locked| (locked.name.into_owned(), locked.version.into_owned()))
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    fn one(fields: &str) -> Vec<(String, String)> {
        locked(&format!(r#"{{"node_modules/a": {{{fields}}}}}"#))
    }

    fn pair(name: &str, version: &str) -> (String, String) {
        (name.to_owned(), version.to_owned())
    }

    #[test]
    fn paths_give_names() {
        for (path, name) in [
            ("node_modules/a", "a"),
            ("node_modules/@s/a", "@s/a"),
            ("node_modules/a/node_modules/@s/b", "@s/b"),
            ("packages/a/node_modules/b", "b"),
            (r"node_modules/\u0061", "a"),
        ] {
            let found = locked(&format!(r#"{{"{path}": {{"version": "1.0.0"}}}}"#));
            assert_eq!(found, [pair(name, "1.0.0")], "{path}");
        }
        for path in ["", "packages/a", "my_node_modules/a", "node_modules"] {
            assert_eq!(locked(&format!(r#"{{"{path}": {{"version": "1.0.0"}}}}"#)), [], "{path}");
        }
    }

    #[test]
    fn an_alias_is_known_by_its_real_name() {
        assert_eq!(one(r#""name": "real", "version": "1.0.0""#), [pair("real", "1.0.0")]);
    }

    #[test]
    fn an_archive_of_another_package_counts_as_that_too() {
        for (resolved, others) in [
            ("https://host.example/a/-/a-1.0.0.tgz", vec![]),
            ("https://host.example/api/npm/a/-/a-1.0.0.tgz", vec![]),
            ("https://host.example/b/-/b-2.0.0.tgz", vec![pair("b", "2.0.0")]),
            ("https://host.example/@s/b/-/b-2.0.0-rc.1.tgz?x#y", vec![pair("@s/b", "2.0.0-rc.1")]),
            ("https://host.example/@s%2Fb/-/b-2.0.0.tgz", vec![pair("@s/b", "2.0.0")]),
            ("https://host.example/a/-/a-0.9.0.tgz", vec![pair("a", "0.9.0")]),
            ("https://host.example/b/-/c-2.0.0.tgz", vec![]),
            ("https://host.example/whatever", vec![]),
        ] {
            let mut expected = vec![pair("a", "1.0.0")];
            expected.extend(others);
            assert_eq!(
                one(&format!(r#""version": "1.0.0", "resolved": "{resolved}""#)),
                expected,
                "{resolved}"
            );
        }
    }

    #[test]
    fn what_is_not_certain_is_left_out() {
        for fields in [
            r#""link": true"#,
            r#""dev": true"#,
            r#""optional": true"#,
            r#""devOptional": true"#,
            r#""peer": true"#,
            r#""extraneous": true"#,
            r#""ideallyInert": true"#,
            r#""dev": "yes""#,
            r#""os": ["linux"]"#,
            r#""cpu": "x64""#,
            r#""libc": ["glibc"]"#,
            r#""name": 7"#,
            r#""resolved": "git+ssh://git@host.example/u/r#0""#,
            r#""resolved": "file:../a.tgz""#,
            r#""resolved": ["https://host.example/"]"#,
        ] {
            assert_eq!(one(&format!(r#""version": "1.0.0", {fields}"#)), [], "{fields}");
        }
        for fields in ["", r#""version": 1"#, r#""version": "^1""#, r#""version": "file:x""#] {
            assert_eq!(one(fields), [], "{fields}");
        }
    }

    #[test]
    fn what_does_not_matter_is_skipped() {
        let fields = r#""version": "1.0.0", "dev": false, "peer": null, "resolved": false, "inBundle": true,
            "license": {"a": [1, 2.5, null, "\ud83d\ude00"]}, "dependencies": {"b": "^1"}, "os": null"#;
        assert_eq!(one(fields), [pair("a", "1.0.0")]);
    }

    #[test]
    fn own_folders_keep_their_dependencies() {
        let text = r#"{"packages": {"": {"dependencies": {"a": "1", "b": "2"}, "optionalDependencies": {"b": "2"}},
            "packages/x": {"devDependencies": {"c": "3", "odd": 4}}}, "dependencies": 5}"#;
        let Ok(Lockfile::Current(current)) = parse(text) else { panic!() };
        assert_eq!(current.own.len(), 2);
        assert_eq!(current.own[0].0, "");
        assert_eq!(current.own[0].1.production.len(), 1);
        assert_eq!(current.own[1].1.development.len(), 1);
    }

    #[test]
    fn what_is_no_lockfile_is_an_error() {
        for text in ["", "[]", "null", "{", r#"{"packages": 5}"#, r#"{"packages": {"node_modules/a": 5}}"#] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_skipped() {
        let objects = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
        let arrays = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for value in [objects, arrays] {
            assert_eq!(one(&format!(r#""os": {value}, "version": "1.0.0""#)), []);
            assert_eq!(one(&format!(r#""version": {value}"#)), []);
            assert_eq!(one(&format!(r#""other": {value}, "version": "1.0.0""#)), [pair("a", "1.0.0")]);
        }
    }
}
