//! Archives that are the same byte for byte on every run: fixed times, owners and order.

use std::io::{Cursor, Write as _};

use flate2::{Compression, write::GzEncoder};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// The time of every file in every tarball: that of npm's own (26 October 1985), in seconds.
const MODIFIED: u64 = 499_162_500;

/// One file of an archive.
pub(crate) struct Entry {
    /// Its path in the archive, with `/`.
    pub(crate) path: String,
    /// Its content.
    pub(crate) content: Vec<u8>,
    /// Whether it may be executed.
    pub(crate) executable: bool,
}

impl Entry {
    /// A file that is only read.
    pub(crate) fn new(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), content: content.into(), executable: false }
    }

    const fn mode(&self) -> u32 {
        if self.executable { 0o755 } else { 0o644 }
    }
}

/// A gzipped tar archive with every entry below `root`.
pub(crate) fn tar_gz(root: &str, entries: &[Entry]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(entry.content.len() as u64);
        header.set_mode(entry.mode());
        header.set_mtime(MODIFIED);
        archive
            .append_data(&mut header, format!("{root}/{}", entry.path), entry.content.as_slice())
            .expect("a relative path and a write to memory");
    }
    archive.into_inner().and_then(GzEncoder::finish).expect("writing to memory does not fail")
}

/// A zip archive.
pub(crate) fn zip(entries: &[Entry]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for entry in entries {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(entry.mode());
        archive
            .start_file(entry.path.as_str(), options)
            .map_err(std::io::Error::from)
            .and_then(|()| archive.write_all(&entry.content))
            .expect("a fresh path and a write to memory");
    }
    archive.finish().expect("writing to memory does not fail").into_inner()
}
