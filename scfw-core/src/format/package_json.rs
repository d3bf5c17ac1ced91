//! package.json: the direct dependencies of a project or a workspace.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

use super::lenient::Scalar;
use super::npm_spec::{self, Spec};
use crate::files;

/// A package.json is at most this many bytes.
const LENGTH: u64 = 2 << 20;

/// One group of dependencies has at most this many.
const GROUP: usize = 100_000;

/// Names with their ranges.
pub(crate) type Group = BTreeMap<String, String>;

/// The groups of dependencies of a package.json, or of the entry that a lockfile keeps for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Dependencies {
    /// `dependencies`, without those that are optional as well: as in npm, they are optional.
    pub(crate) production: Group,
    /// `devDependencies`.
    pub(crate) development: Group,
    /// `optionalDependencies`.
    pub(crate) optional: Group,
    /// `peerDependencies`.
    pub(crate) peer: Group,
}

impl Dependencies {
    fn new(mut production: Group, development: Group, optional: Group, peer: Group) -> Self {
        production.retain(|name, _| !optional.contains_key(name));
        Self { production, development, optional, peer }
    }

    /// Whether some of them are local folders.
    pub(crate) fn include_folders(&self) -> bool {
        let groups = [&self.production, &self.development, &self.optional, &self.peer];
        let mut ranges = groups.into_iter().flat_map(Group::values);
        ranges.any(|range| {
            range.starts_with(['.', '/'])
                || range.starts_with("~/")
                || range.contains("file:")
                || range.contains("link:")
        })
    }

    /// The packages of a registry that are installed under every `--omit`, each under the name that it is installed
    /// as. A name that is a development dependency too counts as that alone.
    pub(crate) fn certain(&self) -> impl Iterator<Item = (&str, Spec<'_>)> {
        self.production
            .iter()
            .filter(|(name, _)| !self.development.contains_key(*name))
            .filter_map(|(name, range)| Some((name.as_str(), npm_spec::named(name, range)?)))
    }
}

/// The content of a package.json, as far as it matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// `name`.
    pub(crate) name: Option<String>,
    /// Its dependencies.
    pub(crate) dependencies: Dependencies,
    /// The patterns of `workspaces`, in either form.
    pub(crate) workspaces: Vec<String>,
    /// There are `overrides`, which can replace the dependencies.
    pub(crate) has_overrides: bool,
    /// The commands of `bin`.
    pub(crate) commands: Vec<String>,
}

impl Manifest {
    /// Reads the package.json in `folder`, if there is one. The error is a sentence.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>, String> {
        let Some(bytes) = files::read_if_present(&folder.join("package.json"), LENGTH)? else {
            return Ok(None);
        };
        Self::parse(&String::from_utf8_lossy(&bytes)).map(Some)
    }

    /// Parses a package.json.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let value: Value =
            serde_json::from_str(text).map_err(|error| format!("is not a package.json: {error}"))?;
        let group = |name: &str| group(&value[name]);
        let name = value["name"].as_str().map(str::to_owned);
        let dependencies = Dependencies::new(
            group("dependencies"),
            group("devDependencies"),
            group("optionalDependencies"),
            group("peerDependencies"),
        );
        let workspaces = match &value["workspaces"] {
            Value::Object(object) => object.get("packages"),
            other => Some(other),
        };
        let workspaces = workspaces.and_then(Value::as_array).map_or_else(Vec::new, |patterns| {
            patterns.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        });
        let commands = match &value["bin"] {
            Value::Object(commands) => commands.keys().cloned().collect(),
            Value::String(_) => name.iter().map(|name| unscoped(name).to_owned()).collect(),
            _ => Vec::new(),
        };
        let has_overrides = !matches!(&value["overrides"], Value::Null)
            && !matches!(&value["overrides"], Value::Object(overrides) if overrides.is_empty());
        Ok(Self { name, dependencies, workspaces, has_overrides, commands })
    }
}

fn unscoped(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn group(value: &Value) -> Group {
    let entries = value.as_object().into_iter().flatten();
    entries.filter_map(|(name, range)| Some((name.clone(), range.as_str()?.to_owned()))).collect()
}

/// The entry that a lockfile keeps for a package.json.
impl<'de> Deserialize<'de> for Dependencies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Groups {
            dependencies: BoundedGroup,
            dev_dependencies: BoundedGroup,
            optional_dependencies: BoundedGroup,
            peer_dependencies: BoundedGroup,
        }
        let groups = Groups::deserialize(deserializer)?;
        Ok(Self::new(
            groups.dependencies.0, groups.dev_dependencies.0, groups.optional_dependencies.0,
            groups.peer_dependencies.0,
        ))
    }
}

#[derive(Default)]
struct BoundedGroup(Group);

impl<'de> Deserialize<'de> for BoundedGroup {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(GroupVisitor)
    }
}

struct GroupVisitor;

impl<'de> Visitor<'de> for GroupVisitor {
    type Value = BoundedGroup;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of dependencies")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut group = Group::new();
        while let Some(name) = map.next_key::<String>()? {
            if group.len() == GROUP {
                return Err(A::Error::custom(format!("more than {GROUP} dependencies of one package")));
            }
            if let Scalar::Text(range) = map.next_value::<Scalar<'de>>()? {
                group.insert(name, range.into_owned());
            }
        }
        Ok(BoundedGroup(group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certain(text: &str) -> Vec<String> {
        let dependencies = Manifest::parse(text).unwrap().dependencies;
        dependencies
            .certain()
            .map(|(_, spec)| {
                spec.version.map_or(spec.name.to_owned(), |version| format!("{}@{version}", spec.name))
            })
            .collect()
    }

    #[test]
    fn direct_dependencies() {
        let text = r#"{"dependencies": {"a": "^1", "b": "1.2.3", "c": "=1.2.3", "d": "v1.2.3", "e": "npm:real@~2",
            "f": "npm:@s/exact@2.0.0", "g": "latest", "h": "", "i": "u/r", "j": "git+ssh://git@host.example/u/r",
            "k": "https://host.example/x.tgz", "l": "file:../l", "m": "workspace:*", "n": "link:n", "o": 5,
            "p": "1.0.0", "q": "1.0.0", "r": "1.0.0", "../x": "1.0.0"},
            "devDependencies": {"p": "1.0.0", "dev": "1.0.0"}, "optionalDependencies": {"q": "1.0.0"},
            "peerDependencies": {"r": "1", "peer": "1.0.0"}}"#;
        let expected = ["a", "b@1.2.3", "c@1.2.3", "d@1.2.3", "real", "@s/exact@2.0.0", "g", "h", "r@1.0.0"];
        assert_eq!(certain(text), expected);
    }

    #[test]
    fn odd_shapes_are_empty_or_errors() {
        for text in
            ["{}", "[]", "5", "null", r#"{"dependencies": ["a"], "workspaces": 5, "bin": 5}"#, "\u{feff}{}"]
        {
            assert_eq!(Manifest::parse(text), Ok(Manifest::default()), "{text}");
        }
        for text in ["", "{", &"[".repeat(10_000)] {
            assert!(Manifest::parse(text).is_err());
        }
    }

    #[test]
    fn workspaces_commands_and_overrides() {
        let manifest = Manifest::parse(
            r#"{"name": "@s/n", "bin": "x.js", "workspaces": {"packages": ["a", 5]}, "overrides": {"a": "1"}}"#,
        )
        .unwrap();
        assert_eq!(manifest.workspaces, ["a"]);
        assert_eq!(manifest.commands, ["n"]);
        assert!(manifest.has_overrides);
        let manifest =
            Manifest::parse(r#"{"bin": {"x": "x.js"}, "workspaces": ["a/*", "!a/b"], "overrides": {}}"#)
                .unwrap();
        assert_eq!(manifest.workspaces, ["a/*", "!a/b"]);
        assert_eq!(manifest.commands, ["x"]);
        assert!(!manifest.has_overrides);
    }
}
