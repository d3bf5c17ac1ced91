//! npm's hidden lockfile, `node_modules/.package-lock.json`: where each folder came from, as far as it is not older
//! than the folder.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::walk::Folder;
use crate::files;
use crate::inventory::is_version;
use crate::screen::lockfile::{self, Locked, Scalar, Truth};
use crate::screen::npm_spec;

/// A lockfile is at most this many bytes.
const LENGTH: u64 = 256 << 20;

/// A hidden lockfile's text, and when it was written.
#[derive(Debug)]
pub(super) struct Text {
    text: String,
    written: Option<SystemTime>,
}

/// Reads the lockfile at `path`, if there is one. The error is a sentence.
pub(super) fn read(path: &Path) -> Result<Option<Text>, String> {
    let Some(bytes) = files::read_installed(path, LENGTH)? else { return Ok(None) };
    let written = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    Ok(Some(Text { text, written }))
}

impl Text {
    pub(super) fn parse(&self) -> Result<Hidden<'_>, String> {
        // A list would be taken for an object's fields in their order.
        if !self.text.trim_start().starts_with('{') {
            return Err("is not a lockfile: it is no object".to_owned());
        }
        let document: Document<'_> =
            serde_json::from_str(&self.text).map_err(|error| format!("is not a lockfile: {error}"))?;
        Ok(Hidden { entries: document.packages.0, written: self.written })
    }
}

/// What a hidden lockfile says.
#[derive(Debug)]
pub(super) struct Hidden<'a> {
    entries: HashMap<String, Recorded<'a>>,
    written: Option<SystemTime>,
}

impl<'a> Hidden<'a> {
    /// What it says about `folder`, which lies in the project `root`, unless the folder has changed since.
    pub(super) fn about(&self, folder: &Folder, root: &Path) -> Option<&Recorded<'a>> {
        let entry = self.entries.get(folder.path.strip_prefix(root).ok()?.to_str()?)?;
        let file = fs::metadata(folder.path.join("package.json")).and_then(|metadata| metadata.modified());
        // A package.json that is gone has left its trace in the folder's own time.
        let has_changed =
            [folder.modified, file.ok()].into_iter().flatten().any(|time| Some(time) > self.written);
        (!entry.link.0 && !has_changed).then_some(entry)
    }
}

/// What it says about one folder.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Recorded<'a> {
    #[serde(borrow)]
    name: Scalar<'a>,
    #[serde(borrow)]
    version: Scalar<'a>,
    #[serde(borrow)]
    resolved: Scalar<'a>,
    link: Truth,
}

impl Recorded<'_> {
    /// The packages that the folder `name` is by this record: the one it names, and the one whose archive it was
    /// unpacked from, where that is plainly another.
    pub(super) fn identities(&self, name: &str) -> Vec<(String, String)> {
        let name = match &self.name {
            Scalar::Text(name) => name.as_ref(),
            Scalar::Absent | Scalar::Other => name,
        };
        let Scalar::Text(version) = &self.version else { return Vec::new() };
        if !npm_spec::is_name(name) || !is_version(version) {
            return Vec::new();
        }
        let named = Locked { name: name.into(), version: version.as_ref().into() };
        let archive = self.resolved.other_archive(&named);
        let own = |locked: Locked<'_>| (locked.name.into_owned(), locked.version.into_owned());
        archive.map(own).into_iter().chain([own(named)]).rev().collect()
    }

    /// The address that it was fetched from.
    pub(super) fn resolved(&self) -> Option<&str> {
        match &self.resolved {
            Scalar::Text(url) => Some(url),
            Scalar::Absent | Scalar::Other => None,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Document<'a> {
    #[serde(borrow)]
    packages: Packages<'a>,
}

#[derive(Default)]
struct Packages<'a>(HashMap<String, Recorded<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Packages<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PackagesVisitor).map(Packages)
    }
}

struct PackagesVisitor;

impl<'de> Visitor<'de> for PackagesVisitor {
    type Value = HashMap<String, Recorded<'de>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of packages")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = HashMap::new();
        while let Some(path) = map.next_key::<String>()? {
            if entries.len() == lockfile::ENTRIES {
                return Err(A::Error::custom(format!("more than {} entries", lockfile::ENTRIES)));
            }
            entries.insert(path, map.next_value()?);
        }
        Ok(entries)
    }
}
