//! The parts that wheels and source distributions have in common.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use scfw_core::package::Ecosystem;

/// The time of upload of a file unless its builder says otherwise.
const UPLOADED: &str = "2020-01-01T00:00:00Z";

/// The parts of every Python distribution.
#[derive(Debug, Clone)]
pub(crate) struct Distribution {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) requires: Vec<String>,
    pub(crate) module_source: String,
    pub(crate) uploaded: Option<String>,
    pub(crate) canary: Option<PathBuf>,
    /// The core metadata in the archive, if they are others than these.
    pub(crate) packed_metadata: Option<Vec<u8>>,
}

impl Distribution {
    pub(crate) fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            requires: Vec::new(),
            module_source: String::new(),
            uploaded: Some(UPLOADED.to_owned()),
            canary: None,
            packed_metadata: None,
        }
    }

    /// The name as it stands in file names and as the one module: `Some-Name` is `some_name`.
    pub(crate) fn module(&self) -> String {
        Ecosystem::PyPi.normalise(&self.name).replace('-', "_")
    }

    /// `some_name-1.0`, with which file names begin.
    pub(crate) fn stem(&self) -> String {
        format!("{}-{}", self.module(), self.version)
    }

    /// The core metadata, which is METADATA in a wheel and PKG-INFO in a source distribution.
    pub(crate) fn metadata(&self) -> String {
        let mut metadata = format!("Metadata-Version: 2.1\nName: {}\nVersion: {}\n", self.name, self.version);
        for requirement in &self.requires {
            // Writing to a string does not fail.
            writeln!(metadata, "Requires-Dist: {requirement}").ok();
        }
        metadata
    }

    /// The core metadata as they stand in the archive.
    pub(crate) fn packed_metadata(&self) -> Vec<u8> {
        self.packed_metadata.clone().unwrap_or_else(|| self.metadata().into_bytes())
    }

    /// Python that leaves `<name> <version> <occasion>` in the canary's file; empty without a canary.
    pub(crate) fn canary_source(&self, occasion: &str) -> String {
        let Some(path) = &self.canary else { return String::new() };
        let line = format!("{} {} {occasion}\n", self.name, self.version);
        format!(
            "with open({}, \"a\") as canary:\n    canary.write({})\n",
            literal(&path_text(path)),
            literal(&line)
        )
    }
}

/// `text` as a string literal of Python and of JavaScript, which both read JSON's.
pub(crate) fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A path as text. Parts that are not UTF-8 are lost.
pub(crate) fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
