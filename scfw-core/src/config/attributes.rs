//! Where the user's own attributes of records stand: in a variable, and in a file.

use std::path::PathBuf;

/// Where the file is within the configuration directory unless it is named.
pub(super) const FILE_NAME: &str = "dd_logger/log_attributes.json";

/// Where the attributes stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttributeSources {
    /// What the variable holds.
    pub inline: Option<String>,
    /// The file.
    pub file: PathBuf,
    /// Whether that file was asked for by name, so that its absence is worth a word.
    pub is_file_named: bool,
}
