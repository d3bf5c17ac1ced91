//! Wheels (PEP 427): the built form of a Python package.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::archive::{self, Entry};
use crate::encoding::record_hash;
use crate::pypi::File;
use crate::python::Distribution;

/// A `py3-none-any` wheel with one module, `<name_with_underscores>.py`.
#[derive(Debug, Clone)]
#[must_use = "a wheel does nothing until it is added to a world"]
pub struct Wheel {
    distribution: Distribution,
    with_metadata_file: bool,
}

impl Wheel {
    /// A wheel with an empty module, uploaded on 1 January 2020.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { distribution: Distribution::new(name, version), with_metadata_file: false }
    }

    /// Adds a requirement (PEP 508), such as `dependency>=1; python_version > "3"`.
    pub fn requires(mut self, requirement: impl Into<String>) -> Self {
        self.distribution.requires.push(requirement.into());
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

    /// Makes the module append the line `<name> <version> import` to the file at `path` when it is imported.
    pub fn canary(mut self, path: impl Into<PathBuf>) -> Self {
        self.distribution.canary = Some(path.into());
        self
    }

    /// Serves the metadata on its own as well (PEP 658, PEP 714), so that pip need not download the wheel to
    /// resolve.
    pub const fn with_metadata_file(mut self) -> Self {
        self.with_metadata_file = true;
        self
    }

    /// Puts other core metadata into the wheel, in its METADATA. The index, the file name and a metadata file of its
    /// own stay as they were.
    pub fn packed_metadata(mut self, metadata: impl Into<Vec<u8>>) -> Self {
        self.distribution.packed_metadata = Some(metadata.into());
        self
    }

    pub(crate) fn into_file(self) -> File {
        let Self { distribution, with_metadata_file } = self;
        let stem = distribution.stem();
        let metadata = distribution.metadata();
        let source = distribution.canary_source("import") + &distribution.module_source;
        let mut entries = vec![
            Entry::new(format!("{}.py", distribution.module()), source),
            Entry::new(format!("{stem}.dist-info/METADATA"), distribution.packed_metadata()),
            Entry::new(
                format!("{stem}.dist-info/WHEEL"),
                "Wheel-Version: 1.0\nGenerator: scfw-world\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            ),
        ];
        let mut record = String::new();
        for entry in &entries {
            // Writing to a string does not fail.
            writeln!(record, "{},{},{}", entry.path, record_hash(&entry.content), entry.content.len()).ok();
        }
        let path = format!("{stem}.dist-info/RECORD");
        record.extend([path.as_str(), ",,\n"]);
        entries.push(Entry::new(path, record));
        let archive = archive::zip(&entries);
        let metadata = with_metadata_file.then(|| metadata.into_bytes());
        File::new(format!("{stem}-py3-none-any.whl"), distribution, archive, metadata)
    }
}
