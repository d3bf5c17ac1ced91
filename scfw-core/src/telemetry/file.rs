//! The file log: JSON Lines, appended a whole line at a time by processes that run side by side.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Appends a record, in JSON, as one line. The file is locked meanwhile, so that lines of parallel runs do not mix
/// even where the system writes one in pieces.
pub fn append(path: &Path, record: &str) -> io::Result<()> {
    let line = format!("{record}\n");
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    file.lock()?;
    file.write_all(line.as_bytes())
}
