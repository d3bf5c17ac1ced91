//! Source distributions: Python packages whose installation runs their own code.

use std::path::PathBuf;

use crate::archive::{self, Entry};
use crate::pypi::File;
use crate::python::{Distribution, literal};

const BACKEND: &str = include_str!("templates/backend.py");

/// The way to build a source distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SdistStyle {
    /// It has a PEP 517 backend of its own in the tree, which needs nothing but the standard library.
    #[default]
    Pyproject,
    /// It has a `setup.py` that imports setuptools, which pip has to find in its environment or, for an isolated
    /// build, in an index; a world has none unless a wheel of it is added.
    SetupPy,
}

/// A source distribution with one module, `<name_with_underscores>.py`.
#[derive(Debug, Clone)]
#[must_use = "a source distribution does nothing until it is added to a world"]
pub struct Sdist {
    distribution: Distribution,
    build_requires: Vec<String>,
    style: SdistStyle,
}

impl Sdist {
    /// A source distribution with an empty module and a backend in its tree, uploaded on 1 January 2020.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            distribution: Distribution::new(name, version),
            build_requires: Vec::new(),
            style: SdistStyle::default(),
        }
    }

    /// Adds a requirement (PEP 508) of the built package.
    pub fn requires(mut self, requirement: impl Into<String>) -> Self {
        self.distribution.requires.push(requirement.into());
        self
    }

    /// Adds a requirement (PEP 508) of the build, which pip installs before it builds.
    pub fn build_requires(mut self, requirement: impl Into<String>) -> Self {
        self.build_requires.push(requirement.into());
        self
    }

    /// Sets the source of the module.
    pub fn module_source(mut self, source: impl Into<String>) -> Self {
        self.distribution.module_source = source.into();
        self
    }

    /// Sets the upload time (PEP 700), `2020-01-01T00:00:00Z`.
    pub fn uploaded(mut self, time: impl Into<String>) -> Self {
        self.distribution.uploaded = Some(time.into());
        self
    }

    /// Leaves the upload time out, as an index without PEP 700 does.
    pub fn without_upload_time(mut self) -> Self {
        self.distribution.uploaded = None;
        self
    }

    /// Makes the build's first act to append the line `<name> <version> build` to the file at `path`. One install
    /// may leave several lines: pip loads a backend anew for each of its hooks.
    pub fn canary(mut self, path: impl Into<PathBuf>) -> Self {
        self.distribution.canary = Some(path.into());
        self
    }

    /// Sets how it is built.
    pub const fn style(mut self, style: SdistStyle) -> Self {
        self.style = style;
        self
    }

    /// Puts other core metadata into the source distribution, in its PKG-INFO. The index, the file name and a
    /// metadata file of its own stay as they were.
    pub fn packed_metadata(mut self, metadata: impl Into<Vec<u8>>) -> Self {
        self.distribution.packed_metadata = Some(metadata.into());
        self
    }

    pub(crate) fn into_file(self) -> File {
        let Self { distribution, build_requires, style } = self;
        let stem = distribution.stem();
        let canary = distribution.canary_source("build");
        let mut entries = vec![
            Entry::new("PKG-INFO", distribution.packed_metadata()),
            Entry::new(format!("{}.py", distribution.module()), distribution.module_source.as_str()),
        ];
        match style {
            SdistStyle::Pyproject => {
                let build_system = format!(
                    "[build-system]\nrequires = {}\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n",
                    list(&build_requires)
                );
                entries.push(Entry::new("pyproject.toml", build_system));
                entries.push(Entry::new("backend.py", canary + BACKEND));
            }
            SdistStyle::SetupPy => {
                let setup = format!(
                    "from setuptools import setup\n\nsetup(name={}, version={}, py_modules={}, install_requires={})\n",
                    literal(&distribution.name),
                    literal(&distribution.version),
                    list(&[distribution.module()]),
                    list(&distribution.requires)
                );
                entries.push(Entry::new("setup.py", canary + &setup));
                if !build_requires.is_empty() {
                    let requires = [vec!["setuptools".to_owned()], build_requires].concat();
                    let build_system = format!("[build-system]\nrequires = {}\n", list(&requires));
                    entries.push(Entry::new("pyproject.toml", build_system));
                }
            }
        }
        let archive = archive::tar_gz(&stem, &entries);
        File::new(format!("{stem}.tar.gz"), distribution, archive, None)
    }
}

/// A list of strings as TOML and Python write it, which both read JSON's.
fn list(items: &[String]) -> String {
    serde_json::Value::from(items).to_string()
}
