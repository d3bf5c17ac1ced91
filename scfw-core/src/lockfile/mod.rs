//! Lockfiles: the packages that one is certain to install, and whether it still belongs to its project. A format is one file
//! here and one line in [`FORMATS`].

pub mod npm;

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::ecosystem::Ecosystem;
use crate::files;
use crate::format::package_json::Manifest;

/// Every format that is read.
pub static FORMATS: [&Format; 1] = [&npm::FORMAT];

/// A format of lockfiles.
#[derive(Debug)]
pub struct Format {
    /// The names of its files, the one that wins first.
    pub names: &'static [&'static str],
    /// The ecosystem of the packages in it.
    pub ecosystem: Ecosystem,
    /// Largest file that is read, in bytes.
    pub largest: u64,
    /// Reads the text of one. The error says why it cannot be read, as a sentence without its subject.
    pub read: fn(&str) -> Result<Locked<'_>, String>,
}

/// The content of a lockfile.
#[derive(Debug)]
pub struct Locked<'a> {
    /// The packages that are certain to be installed with the whole lockfile.
    pub packages: Vec<LockedPackage<'a>>,
    /// The project that it was written for, as far as the lockfile tells.
    pub origin: Box<dyn Origin + 'a>,
}

/// A package that a lockfile installs. The name is not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedPackage<'a> {
    /// Its real name.
    pub name: Cow<'a, str>,
    /// Its exact version.
    pub version: Cow<'a, str>,
}

/// The project that a lockfile was written for, as far as the lockfile tells.
pub trait Origin: fmt::Debug {
    /// Whether a manager takes the lockfile over as it is: it was written for what `project` is now.
    fn is_in_step(&self, project: &Project<'_>) -> bool;
}

/// A project as it is now.
#[derive(Debug, Clone, Copy)]
pub struct Project<'a> {
    /// Its folder.
    pub root: &'a Path,
    /// Its package.json, if it has one.
    pub manifest: Option<&'a Manifest>,
}

impl Format {
    /// The first file of this format in `folder`, with its text or why that could not be read. An empty one counts as none.
    #[must_use]
    pub fn find(&self, folder: &Path) -> Option<(PathBuf, Result<String, String>)> {
        self.names.iter().find_map(|name| {
            let path = folder.join(name);
            let text = match files::read_if_present(&path, self.largest) {
                Ok(bytes) => Ok(decode(bytes.filter(|bytes| !bytes.is_empty())?)),
                Err(why) => Err(why),
            };
            Some((path, text))
        })
    }

    /// The content of `text`, which may begin with a byte order mark.
    pub fn parse<'a>(&self, text: &'a str) -> Result<Locked<'a>, String> {
        (self.read)(text.strip_prefix('\u{feff}').unwrap_or(text))
    }
}

fn decode(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_name_wins_and_an_empty_file_counts_as_none() {
        for format in FORMATS {
            let folder = tempfile::tempdir().unwrap();
            assert!(format.find(folder.path()).is_none());
            for (index, name) in format.names.iter().enumerate().rev() {
                std::fs::write(folder.path().join(name), "").unwrap();
                assert!(format.find(folder.path()).is_none_or(|(path, _)| !path.ends_with(name)));
                std::fs::write(folder.path().join(name), index.to_string()).unwrap();
                let (path, text) = format.find(folder.path()).unwrap();
                assert_eq!((path, text), (folder.path().join(name), Ok(index.to_string())));
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,200}") {
            for format in FORMATS {
                drop(format.parse(&text));
            }
        }
    }
}
