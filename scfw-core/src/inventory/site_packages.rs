//! The packages that are installed for a Python interpreter: the `dist-info` directories of its site directories (the
//! recording of installed projects, PEP 376 and PEP 627; direct URLs, PEP 610), and the records of older tools:
//! `egg-info`, `.egg` and `.egg-link`.

mod distribution;
mod metadata;
mod source;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::graph::Graph;
use super::{Builder, Inventory, is_version};
use crate::ecosystem::Version;
use crate::ecosystem::pypi::is_name;
use crate::files;
use crate::package::{Ecosystem, Package, Source, Target};
use distribution::Distribution;

/// Entries looked at in one site directory; a real one has a few per package.
const MOST_ENTRIES: usize = 2_000_000;
/// Directories that path configuration files add, at most.
const MOST_ADDED: usize = 1_000;
/// A path configuration file or an egg-link is at most this many bytes.
const PATH_FILE_LENGTH: u64 = 1 << 20;

/// The directories in which an interpreter finds packages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment {
    /// The directory that the environment is in (`sys.prefix`).
    pub prefix: PathBuf,
    /// Its site directories, whose path configuration files (`*.pth`) count.
    pub site_directories: Vec<PathBuf>,
    /// Other directories that it imports from, such as those of `PYTHONPATH`.
    pub other_directories: Vec<PathBuf>,
}

/// Reads the packages that are installed in `environment`. Directories that are not there hold nothing.
#[must_use]
pub fn read(environment: &Environment) -> Inventory {
    let mut reader =
        Reader { builder: Builder::new(Ecosystem::PyPi), found: Vec::new(), seen: HashSet::new() };
    let mut added = Vec::new();
    for directory in &environment.site_directories {
        reader.directory(directory, Some(&mut added));
    }
    for directory in environment.other_directories.iter().chain(&added) {
        reader.directory(directory, None);
    }
    reader.finish(&environment.prefix)
}

struct Reader {
    builder: Builder,
    found: Vec<Distribution>,
    /// The directories that were looked at, resolved.
    seen: HashSet<PathBuf>,
}

impl Reader {
    /// Reads the distributions in `directory`, and which directories its path configuration files add.
    fn directory(&mut self, directory: &Path, mut added: Option<&mut Vec<PathBuf>>) {
        // If a directory cannot be resolved, its listing fails and is noted.
        let resolved = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
        if !self.seen.insert(resolved) {
            return;
        }
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if files::is_absence(&error) => return,
            Err(error) => return self.builder.skip(directory, &files::describe(&error)),
        };
        for (count, entry) in entries.enumerate() {
            if count == MOST_ENTRIES {
                return self.builder.skip(directory, &format!("has more than {MOST_ENTRIES} entries"));
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return self.builder.skip(directory, &files::describe(&error)),
            };
            let path = entry.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("dist-info" | "egg-info" | "egg" | "egg-link") => {
                    let read = distribution::read(&path, |what, why| self.builder.skip(what, why));
                    self.found.extend(read);
                }
                Some("pth") => {
                    if let Some(added) = added.as_deref_mut() {
                        self.path_configuration(&path, directory, added);
                    }
                }
                _ => {}
            }
        }
    }

    /// The directories that a path configuration file adds (the documentation of `site`). Its lines of code are not
    /// run.
    fn path_configuration(&mut self, file: &Path, directory: &Path, added: &mut Vec<PathBuf>) {
        let bytes = match files::read_installed(file, PATH_FILE_LENGTH) {
            Ok(bytes) => bytes.unwrap_or_default(),
            Err(why) => return self.builder.skip(file, &why),
        };
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().map(str::trim_end).filter(|line| {
            !line.is_empty()
                && !line.starts_with('#')
                && !line.starts_with("import ")
                && !line.starts_with("import\t")
        });
        for path in lines.map(|line| directory.join(line)).filter(|path| path.is_dir()) {
            if added.len() == MOST_ADDED {
                return self.builder.skip(file, &format!("more than {MOST_ADDED} directories are added"));
            }
            added.push(path);
        }
    }

    fn finish(mut self, root: &Path) -> Inventory {
        // A project in development leaves its metadata beside its source as well, if a path configuration file or
        // PYTHONPATH leads to it.
        let own: HashMap<String, PathBuf> =
            self.found.iter().filter_map(|found| Some((key_of(found)?, found.own_folder.clone()?))).collect();
        let graph = graph(&self.found);
        for (node, found) in self.found.into_iter().enumerate() {
            let is_beside = |folder: &PathBuf| {
                let record = found.location.parent().and_then(Path::extension);
                found.location.starts_with(folder) && record.is_some_and(|record| record == "egg-info")
            };
            let is_own = found.own_folder.is_some()
                || key_of(&found).and_then(|key| own.get(&key)).is_some_and(is_beside);
            let (source, url) = match found.direct {
                _ if is_own => (Source::Path, None),
                Some((source, url)) => (source, Some(url)),
                None => (Source::Registry, None),
            };
            for (name, version) in identities(&found.declared, &found.named) {
                let package = Package { ecosystem: Ecosystem::PyPi, name, version };
                let target = Target { source, url: url.clone(), ..Target::registry(package) };
                self.builder.add(target, &found.location, found.licence.clone(), node);
            }
        }
        self.builder.finish(root, graph)
    }
}

/// The normalised name that a distribution declares.
fn key_of(found: &Distribution) -> Option<String> {
    found.declared.0.as_deref().map(|name| Ecosystem::PyPi.normalise(name))
}

/// A name with a version, as a file says it.
type Identity = (Option<String>, Option<String>);

/// The packages that a distribution is to be looked up as: its metadata's, and its directory's if that is another
/// one. They differ only if somebody has tampered.
fn identities(declared: &Identity, named: &Identity) -> Vec<(String, Option<String>)> {
    let key = |name: &str| Ecosystem::PyPi.normalise(name);
    let mut identities: Vec<(String, Option<String>)> = Vec::new();
    for (name, version) in [declared, named] {
        let Some(name) = name.as_deref().filter(|name| is_name(name)) else { continue };
        let version = version.clone().filter(|version| is_version(version));
        let is_there = identities.iter().any(|(other, other_version)| {
            key(other) == key(name)
                && (version.is_none() || is_same_version(version.as_deref(), other_version.as_deref()))
        });
        if !is_there {
            identities.push((name.to_owned(), version));
        }
    }
    // The name alone would mean every version of it.
    if identities.iter().any(|(_, version)| version.is_some()) {
        identities.retain(|(_, version)| version.is_some());
    }
    identities
}

/// Directory names have `_` where a version has `-`, and may have a version in another spelling.
fn is_same_version(left: Option<&str>, right: Option<&str>) -> bool {
    let (Some(left), Some(right)) = (left, right) else { return left == right };
    let parse = |version: &str| Version::parse(Ecosystem::PyPi, &version.replace('_', "-"));
    left.replace('_', "-") == right.replace('_', "-")
        || matches!((parse(left), parse(right)), (Some(left), Some(right)) if left == right)
}

/// The requirements between distributions. A distribution is requested if pip notes it as such, or if nothing
/// requires it.
fn graph(found: &[Distribution]) -> Graph {
    let key = |name: &str| Ecosystem::PyPi.normalise(name);
    let names: Vec<String> = found
        .iter()
        .map(|found| found.declared.0.clone().or_else(|| found.named.0.clone()).unwrap_or_default())
        .collect();
    let nodes: HashMap<String, usize> =
        names.iter().enumerate().rev().map(|(node, name)| (key(name), node)).collect();
    let requires: Vec<Vec<usize>> = found
        .iter()
        .map(|found| found.requires.iter().filter_map(|name| nodes.get(&key(name)).copied()).collect())
        .collect();
    let dependencies: HashSet<usize> = requires.iter().flatten().copied().collect();
    let requested =
        (0..found.len()).filter(|node| found[*node].is_requested || !dependencies.contains(node)).collect();
    Graph { names, requires, requested }
}
