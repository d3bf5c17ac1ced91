//! Lockfiles of version 1: `dependencies` nested in each other.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::ENTRIES_SCREENED;
use super::entry::{is_registry, other_archive};
use crate::ecosystem::npm::exact;
use crate::format::lenient::{Scalar, Text, Truth};
use crate::format::npm_spec;
use crate::format::package_json::Dependencies;
use crate::lockfile::{LockedPackage, Origin, Project};

/// The content of a lockfile of version 1.
#[derive(Debug, Default)]
pub(super) struct Old<'a> {
    /// The packages that are certain to be installed with the whole lockfile.
    locked: Vec<LockedPackage<'a>>,
    top: Top<'a>,
    entries: usize,
}

/// The traits of the project that it can have been written for.
#[derive(Debug, Default)]
pub(super) struct Top<'a> {
    /// The packages at the top, certain or not, with what it says of their versions.
    packages: Vec<(Cow<'a, str>, Scalar<'a>)>,
    /// The names that some package in it requires.
    required: HashSet<String>,
}

impl<'a> Old<'a> {
    /// The packages that are certain to be installed, and those at the top.
    pub(super) fn into_parts(self) -> (Vec<LockedPackage<'a>>, Top<'a>) {
        (self.locked, self.top)
    }
}

impl Origin for Top<'_> {
    fn is_in_step(&self, project: &Project<'_>) -> bool {
        // Overrides and workspaces are not recorded, so with them it cannot be known.
        project.manifest.is_some_and(|manifest| {
            !manifest.has_overrides && manifest.workspaces.is_empty() && self.is_for(&manifest.dependencies)
        })
    }
}

impl Top<'_> {
    /// Whether the lockfile can have been written for these dependencies: each of them is at the top, in a version
    /// that it accepts, and nothing is at the top that neither they nor another package require. Version 1 does not
    /// record the ranges, so this is as close as it gets.
    fn is_for(&self, dependencies: &Dependencies) -> bool {
        let declared = [&dependencies.production, &dependencies.development, &dependencies.optional];
        let is_declared = |name: &str| declared.iter().any(|group| group.contains_key(name));
        if !self.packages.iter().all(|(name, _)| is_declared(name) || self.required.contains(name.as_ref())) {
            return false;
        }
        let top: HashMap<&str, &Scalar<'_>> =
            self.packages.iter().map(|(name, version)| (name.as_ref(), version)).collect();
        declared.iter().flat_map(|group| group.iter()).all(|(name, range)| {
            top.get(name.as_str()).is_some_and(|version| match version {
                Scalar::Text(version) => accepts(range, version),
                Scalar::Absent | Scalar::Other => false,
            })
        })
    }
}

/// Whether `range` accepts `version`. Texts that are no version and no range cannot be told apart from here and count
/// as accepted when both come from elsewhere.
fn accepts(range: &str, version: &str) -> bool {
    let parsed = (nodejs_semver::Range::parse(range), exact(version).map(nodejs_semver::Version::parse));
    match parsed {
        (Ok(range), Some(Ok(version))) => version.satisfies(&range),
        (Err(_), Some(_)) => npm_spec::named("name", range).is_some_and(|spec| spec.name == "name"),
        (_, _) => range.contains([':', '/']) && version.contains(':'),
    }
}

impl<'de> Deserialize<'de> for Old<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut old = Self::default();
        Level { old: &mut old, is_top: true }.deserialize(deserializer)?;
        Ok(old)
    }
}

/// One `dependencies` object. Nesting is bounded by the JSON parser's own limit.
struct Level<'a, 'de> {
    old: &'a mut Old<'de>,
    is_top: bool,
}

impl<'de> DeserializeSeed<'de> for Level<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Level<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of dependencies")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Text<'de>>()? {
            self.old.entries += 1;
            if self.old.entries > ENTRIES_SCREENED {
                return Err(A::Error::custom(format!("more than {ENTRIES_SCREENED} entries")));
            }
            map.next_value_seed(Dependency { old: self.old, name: name.0, is_top: self.is_top })?;
        }
        Ok(())
    }
}

struct Dependency<'a, 'de> {
    old: &'a mut Old<'de>,
    name: Cow<'de, str>,
    is_top: bool,
}

impl<'de> DeserializeSeed<'de> for Dependency<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Dependency<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a dependency")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut version, mut resolved) = (Scalar::Absent, Scalar::Absent);
        let (mut dev, mut optional) = (Truth::default(), Truth::default());
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match key.as_str() {
                "version" => version = map.next_value()?,
                "resolved" => resolved = map.next_value()?,
                "dev" => dev = map.next_value()?,
                "optional" => optional = map.next_value()?,
                "requires" => map.next_value_seed(Requires { old: self.old })?,
                "dependencies" => map.next_value_seed(Level { old: self.old, is_top: false })?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if !dev.0 && !optional.0 && is_registry(&resolved) {
            let locked = locked(&self.name, &version);
            let archive = locked.as_ref().and_then(|locked| other_archive(&resolved, locked));
            self.old.locked.extend(locked.into_iter().chain(archive));
        }
        if self.is_top {
            self.old.top.packages.push((self.name, version));
        }
        Ok(())
    }
}

/// The package that an entry's version stands for: a version, or `npm:name@version` for an alias. URLs, repositories
/// and files are left out.
fn locked<'a>(name: &Cow<'a, str>, version: &Scalar<'a>) -> Option<LockedPackage<'a>> {
    let Scalar::Text(version) = version else {
        return None;
    };
    if let Some(exact) = exact(version) {
        return Some(LockedPackage { name: name.clone(), version: Cow::Owned(exact.to_owned()) });
    }
    let spec = npm_spec::named("name", version).filter(|_| version.contains(':'))?;
    Some(LockedPackage {
        name: Cow::Owned(spec.name.to_owned()),
        version: Cow::Owned(spec.version?.to_owned()),
    })
}

/// The `requires` of an entry: an object, or `true` in the oldest ones.
struct Requires<'a, 'de> {
    old: &'a mut Old<'de>,
}

impl<'de> DeserializeSeed<'de> for Requires<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Requires<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object or true")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, _)) = map.next_entry::<Text<'de>, IgnoredAny>()? {
            if !self.old.top.required.contains(name.as_str()) {
                if self.old.top.required.len() == ENTRIES_SCREENED {
                    return Err(A::Error::custom(format!("more than {ENTRIES_SCREENED} requirements")));
                }
                self.old.top.required.insert(name.0.into_owned());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Lockfile, parse};
    use super::*;

    fn old(dependencies: &str) -> Old<'_> {
        match parse(dependencies) {
            Ok(Lockfile::Old(old)) => old,
            other => panic!("{other:?}"),
        }
    }

    fn names(old: &Old<'_>) -> Vec<String> {
        old.locked.iter().map(|locked| format!("{}@{}", locked.name, locked.version)).collect()
    }

    #[test]
    fn nested_dependencies_and_aliases() {
        let old = old(r#"{"lockfileVersion": 1, "requires": true, "dependencies": {
            "a": {"version": "1.0.0", "resolved": "https://host.example/a/-/a-1.0.0.tgz", "requires": {"b": "^2"},
                "dependencies": {"b": {"version": "2.0.0", "bundled": true, "dependencies": {
                    "@s/c": {"version": "3.0.0"}}}}},
            "alias": {"version": "npm:real@4.0.0"},
            "dev": {"version": "1.0.0", "dev": true, "dependencies": {"d": {"version": "1.0.0", "dev": true}}},
            "optional": {"version": "1.0.0", "optional": true},
            "url": {"version": "https://host.example/x.tgz"},
            "git": {"version": "git+ssh://git@host.example/u/r.git#0"},
            "file": {"version": "file:x"},
            "range": {"version": "^1"},
            "odd": {"version": 5, "requires": true}
        }}"#);
        assert_eq!(names(&old), ["@s/c@3.0.0", "b@2.0.0", "a@1.0.0", "real@4.0.0"]);
    }

    #[test]
    fn deep_nesting_is_an_error() {
        let text = format!(
            r#"{{"dependencies": {}{{}}{}}}"#,
            r#"{"a": {"version": "1.0.0", "dependencies": "#.repeat(10_000),
            "}}".repeat(10_000)
        );
        assert!(parse(&text).is_err());
    }

    #[test]
    fn it_is_in_step_when_it_can_have_been_written_for_the_manifest() {
        let old = old(r#"{"dependencies": {
            "a": {"version": "1.2.0", "requires": {"b": "*"}}, "b": {"version": "1.0.0"},
            "git": {"version": "git+https://host.example/u/r#0"}, "tag": {"version": "1.0.0"},
            "alias": {"version": "npm:real@1.0.0"}}}"#);
        let dependencies = |a: &str, others: &[&str]| {
            let mut dependencies = Dependencies::default();
            dependencies.production.insert("a".to_owned(), a.to_owned());
            for name in others {
                dependencies.development.insert((*name).to_owned(), "*".to_owned());
            }
            for (name, range) in [("git", "github:u/r"), ("tag", "latest"), ("alias", "npm:real@^1")] {
                dependencies.optional.insert(name.to_owned(), range.to_owned());
            }
            dependencies
        };
        assert!(old.top.is_for(&dependencies("^1.1.0", &[])));
        assert!(old.top.is_for(&dependencies("^1.1.0", &["b"])));
        assert!(!old.top.is_for(&dependencies("^2.0.0", &[])));
        assert!(!old.top.is_for(&dependencies("^1.1.0", &["new"])));
        let mut gone = dependencies("^1.1.0", &[]);
        gone.optional.remove("git");
        assert!(!old.top.is_for(&gone));
    }
}
