//! The sources of the user's own attributes of records: a variable, and a file.

use std::path::PathBuf;

/// The default path of the file within the configuration directory.
pub(super) const FILE_NAME: &str = "dd_logger/log_attributes.json";

/// The sources of attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttributeSources {
    /// The variable's value.
    pub inline: Option<String>,
    /// The file.
    pub file: PathBuf,
    /// Whether the user named that file, so that its absence is worth a word.
    pub is_file_named: bool,
}
