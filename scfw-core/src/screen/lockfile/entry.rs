//! One package of a lockfile, and values of whatever JSON type a hostile one may hold in its fields.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::screen::npm_spec;

/// A package that a lockfile installs. The name is not checked yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Locked<'a> {
    /// Its real name.
    pub(crate) name: Cow<'a, str>,
    /// Its exact version.
    pub(crate) version: Cow<'a, str>,
}

/// An entry of `packages`, as far as it decides what is installed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Entry<'a> {
    #[serde(borrow)]
    name: Scalar<'a>,
    #[serde(borrow)]
    version: Scalar<'a>,
    #[serde(borrow)]
    resolved: Scalar<'a>,
    link: Truth,
    dev: Truth,
    optional: Truth,
    dev_optional: Truth,
    peer: Truth,
    extraneous: Truth,
    ideally_inert: Truth,
    os: Truth,
    cpu: Truth,
    libc: Truth,
}

impl<'a> Entry<'a> {
    /// The package in `folder`, the end of the entry's path, if it is certain. Where the archive is plainly that of
    /// another package, that one comes as well, for it is what npm would unpack.
    pub(super) fn locked(self, folder: Text<'a>) -> impl Iterator<Item = Locked<'a>> {
        let uncertain = [
            self.link, self.dev, self.optional, self.dev_optional, self.peer, self.extraneous,
            self.ideally_inert, self.os, self.cpu, self.libc,
        ];
        let locked = if uncertain.iter().any(|truth| truth.0) {
            None
        } else {
            match self.name {
                Scalar::Text(name) => Some(name),
                Scalar::Absent => Some(folder.0),
                Scalar::Other => None,
            }
        }
        .and_then(|name| Some(Locked { name, version: self.version.exact()? }))
        .filter(|_| self.resolved.is_registry());
        let archive = locked.as_ref().and_then(|locked| self.resolved.other_archive(locked));
        locked.into_iter().chain(archive)
    }
}

/// A string, borrowed where it has no escapes. (`Cow` itself is never borrowed as a map's key.)
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl Text<'_> {
    /// The string.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the last `node_modules` of a path, or nothing without one.
    pub(crate) fn after_last_node_modules(&self) -> Option<Self> {
        const FOLDER: &str = "node_modules/";
        let path: &str = &self.0;
        let start = path
            .rmatch_indices(FOLDER)
            .map(|(start, _)| start)
            .find(|&start| start == 0 || path.as_bytes()[start - 1] == b'/')?
            + FOLDER.len();
        Some(Self(match &self.0 {
            Cow::Borrowed(path) => Cow::Borrowed(&path[start..]),
            Cow::Owned(path) => Cow::Owned(path[start..].to_owned()),
        }))
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

/// A value that should be a string.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Scalar<'a> {
    /// Absent, null or false.
    #[default]
    Absent,
    /// A string.
    Text(Cow<'a, str>),
    /// Anything else.
    Other,
}

impl<'a> Scalar<'a> {
    /// The string as an exact version.
    pub(crate) fn exact(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(Cow::Borrowed(text)) => npm_spec::exact(text).map(Cow::Borrowed),
            Self::Text(Cow::Owned(text)) => {
                npm_spec::exact(&text).map(|version| Cow::Owned(version.to_owned()))
            }
            Self::Absent | Self::Other => None,
        }
    }

    /// As `resolved`: whether it can be an archive of a registry. Nothing at all is one too.
    pub(crate) fn is_registry(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Text(url) => url.starts_with("https://") || url.starts_with("http://"),
            Self::Other => false,
        }
    }

    /// As `resolved`: the package that the archive's URL names in the way of registries,
    /// `…/name/-/name-version.tgz`, where it is not `locked` itself.
    pub(crate) fn other_archive(&self, locked: &Locked<'_>) -> Option<Locked<'a>> {
        let Self::Text(url) = self else {
            return None;
        };
        let url = url.split(['?', '#']).next()?;
        let (folder, archive) = url.strip_suffix(".tgz")?.rsplit_once("/-/")?;
        let archive = archive.rsplit('/').next()?;
        let (before, base) = folder.rsplit_once('/')?;
        let (scope, base) = match base.split_once("%2f").or_else(|| base.split_once("%2F")) {
            Some((scope, base)) => (Some(scope), base),
            None => (before.rsplit('/').next().filter(|scope| scope.starts_with('@')), base),
        };
        let version = npm_spec::exact(archive.strip_prefix(base)?.strip_prefix('-')?)?;
        let name = match scope {
            Some(scope) => Cow::Owned(format!("{scope}/{base}")),
            None => Cow::Borrowed(base),
        };
        let differs = name != locked.name || version != locked.version;
        (differs && npm_spec::is_name(&name))
            .then(|| Locked { name: Cow::Owned(name.into_owned()), version: Cow::Owned(version.to_owned()) })
    }
}

/// Whether a value counts as true, in JavaScript's sense where that is simple, and as true where it is not.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Truth(pub(crate) bool);

struct ScalarVisitor;

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(if value { Scalar::Other } else { Scalar::Absent })
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Absent)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

impl<'de> Deserialize<'de> for Truth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Scalar::deserialize(deserializer)? != Scalar::Absent))
    }
}
