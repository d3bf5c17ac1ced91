//! Requirements and constraints files with everything that they include, and the packages that come out of them.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::Screened;
use super::collector::Collector;
use crate::files;
use crate::format::requirement::{self, Parsed};
use crate::format::requirements_file::{self, Statement};
use crate::package::{Ecosystem, Package};

/// A file is at most this many bytes, and all of them together at most [`TOTAL_LENGTH`].
const FILE_LENGTH: u64 = 10 << 20;
const TOTAL_LENGTH: usize = 64 << 20;

/// Files include each other at most this deep.
const DEPTH: usize = 64;

/// This many files are looked at, the missing ones and the repeated ones too.
const FILES: usize = 1_000;

/// This many requirements and constraints are taken.
const REQUIREMENTS: usize = 50_000;

/// The purpose of a file's requirements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Role {
    /// They are installed.
    Requirements,
    /// They narrow packages that are installed for another reason.
    Constraints,
}

/// A file in one role. Its folder belongs to it, because its includes are relative to the folder under which it was
/// found, and one file can be found under several.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Visit {
    identity: (u64, u64),
    folder: Option<PathBuf>,
    role: Role,
}

/// The versions that a name is pinned to.
enum Pins {
    One(String),
    Contradicting,
}

/// Reads a pip command's requirements.
pub(super) struct Reader<'a> {
    environment: &'a dyn Fn(&str) -> Option<String>,
    packages: Vec<Package>,
    pins: HashMap<String, Pins>,
    collector: Collector,
    visited: HashSet<Visit>,
    open: Vec<Visit>,
    files: usize,
    requirements: usize,
    length: usize,
    expanded: Rc<Cell<usize>>,
}

impl<'a> Reader<'a> {
    /// A reader that has read nothing.
    pub(super) fn new(environment: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            environment,
            packages: Vec::new(),
            pins: HashMap::new(),
            collector: Collector::default(),
            visited: HashSet::new(),
            open: Vec::new(),
            files: 0,
            requirements: 0,
            length: 0,
            expanded: Rc::default(),
        }
    }

    /// Takes a positional argument.
    pub(super) fn argument(&mut self, text: &str) {
        self.requirement(text, Role::Requirements, || text.to_owned());
    }

    /// Takes the file that `name` stands for in `folder`, and its includes.
    pub(super) fn file(&mut self, folder: &Path, name: &str, role: Role) {
        if is_url(name) {
            return;
        }
        let path = folder.join(name);
        if let Err(why) = self.include(&path, role) {
            self.collector.skip(&path.to_string_lossy(), &why);
        }
    }

    /// The packages, each in the version that a pin elsewhere gives it when it has none of its own.
    pub(super) fn finish(mut self) -> Screened {
        for mut package in self.packages {
            if package.version.is_none()
                && let Some(Pins::One(version)) = self.pins.get(&package.key())
            {
                package.version = Some(version.clone());
            }
            self.collector.target(package);
        }
        self.collector.finish()
    }

    fn include(&mut self, path: &Path, role: Role) -> Result<(), String> {
        self.files += 1;
        if self.files > FILES {
            return Err(format!("is one of more than {FILES} files"));
        }
        let identity = match files::identity(path) {
            Ok(identity) => identity,
            // A pipe or a terminal is for pip alone to read, which is no trouble worth a word.
            Err(_) if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_dir()) => return Ok(()),
            Err(why) => return Err(why),
        };
        let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
        let visit = Visit { identity, folder, role };
        if self.open.contains(&visit) {
            return Err("includes itself".to_owned());
        }
        if self.open.len() >= DEPTH {
            return Err(format!("is included more than {DEPTH} files deep"));
        }
        if !self.visited.insert(visit.clone()) {
            return Ok(());
        }
        let bytes = files::read(path, FILE_LENGTH)?;
        self.length = self.length.saturating_add(bytes.len());
        if self.length > TOTAL_LENGTH {
            return Err(format!("is one of files that are longer than {} MiB together", TOTAL_LENGTH >> 20));
        }
        self.open.push(visit);
        self.statements(path, &requirements_file::decode(&bytes), role);
        self.open.pop();
        Ok(())
    }

    fn statements(&mut self, path: &Path, text: &str, role: Role) {
        let folder = path.parent().unwrap_or(path);
        let place = |number: usize| format!("{}, line {number}", path.display());
        let environment = self.environment;
        let spent = Rc::clone(&self.expanded);
        // Short lines could ask for a long variable over and over.
        let bounded = move |name: &str| {
            let value = environment(name)?;
            spent.set(spent.get().saturating_add(value.len()));
            (spent.get() <= TOTAL_LENGTH).then_some(value)
        };
        for (number, statement) in requirements_file::statements(text, &bounded) {
            match statement {
                Statement::Requirement(requirement) => {
                    self.requirement(&requirement, role, || place(number));
                }
                // As in pip, a file that a constraints file includes with `-r` is installed.
                Statement::Requirements(name) => self.file(folder, &name, Role::Requirements),
                Statement::Constraints(name) => self.file(folder, &name, Role::Constraints),
                Statement::Invalid(why) => self.collector.skip(&place(number), &why),
            }
        }
    }

    fn requirement(&mut self, text: &str, role: Role, place: impl FnOnce() -> String) {
        self.requirements += 1;
        if self.requirements > REQUIREMENTS {
            self.collector.skip(&place(), &format!("is one of more than {REQUIREMENTS} requirements"));
            return;
        }
        match requirement::parse(text) {
            Parsed::Package { name, version } => {
                let package = Package::new(Ecosystem::PyPi, name, version.as_deref());
                if let Some(version) = version {
                    self.pin(package.key(), version);
                }
                if role == Role::Requirements {
                    self.packages.push(package);
                }
            }
            Parsed::LeftOut => {}
            Parsed::Invalid(why) => self.collector.skip(&place(), &why),
        }
    }

    fn pin(&mut self, key: String, version: String) {
        match self.pins.get_mut(&key) {
            None => {
                self.pins.insert(key, Pins::One(version));
            }
            Some(pins) => {
                if !matches!(pins, Pins::One(known) if *known == version) {
                    *pins = Pins::Contradicting;
                }
            }
        }
    }
}

/// Whether pip fetches the file instead of opening it.
fn is_url(name: &str) -> bool {
    let scheme = name.split_once(':').map_or("", |(scheme, _)| scheme);
    ["http", "https", "file"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}
