//! The file-reading seam: whole regular files up to a limit. A pipe, a terminal or a device is never opened, because
//! the manager needs what comes through it.

mod private;

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use tempfile::NamedTempFile;

pub use private::{
    Untrusted, check_directory, check_file, check_installed, check_named, create_private, make_private,
};

/// Why a file was not read. Each message goes on from the file's path.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system says so.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// It is a directory, a pipe, a device.
    #[error("is not a regular file")]
    NotRegular,
    /// It is longer than such a file can sensibly be.
    #[error("is longer than {}", size(*limit))]
    TooLong {
        /// Its greatest length, in bytes.
        limit: u64,
    },
    /// It is no text.
    #[error("is not in UTF-8")]
    NotText,
    /// Somebody else can have changed it.
    #[error("{}", .0.reason())]
    Untrusted(Untrusted),
}

impl From<FileError> for io::Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Unreadable(source) => source,
            error => Self::other(error),
        }
    }
}

/// The owner of a file, who may have changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// A file in a directory of scfw's: only this user or root may have.
    Privately,
    /// Named by the user, who relies on it: the same, but it stays as it is.
    ByName,
    /// Anywhere: anybody.
    Anyhow,
}

/// Reads a file that scfw or its user keeps, of at most `limit` bytes; none if there is none.
pub fn read_kept(path: &Path, kept: Kept, limit: u64) -> Result<Option<Vec<u8>>, FileError> {
    let (file, metadata) = match open_regular(path) {
        Err(FileError::Unreadable(error)) if is_absence(&error) => return Ok(None),
        opened => opened?,
    };
    match kept {
        Kept::Privately => check_file(path, &metadata),
        Kept::ByName => check_named(path, &metadata),
        Kept::Anyhow => Ok(()),
    }
    .map_err(FileError::Untrusted)?;
    read_whole(file, &metadata, limit).map(Some)
}

/// The same for text.
pub fn read_text(path: &Path, kept: Kept, limit: u64) -> Result<Option<String>, FileError> {
    let Some(bytes) = read_kept(path, kept, limit)? else { return Ok(None) };
    String::from_utf8(bytes).map(Some).map_err(|_| FileError::NotText)
}

/// The first bytes of the regular file at `path`, at most `limit`.
pub fn read_head(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let (file, _) = open_regular(path)?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(FileError::Unreadable)?;
    Ok(bytes)
}

/// Opens the regular file at `path` for reading; nothing else is opened in a way that could block.
pub fn open_regular(path: &Path) -> Result<(File, Metadata), FileError> {
    // O_NONBLOCK keeps a pipe that has taken the file's place since from holding us here.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits() | OFlag::O_NOCTTY.bits())
        .open(path)
        .map_err(FileError::Unreadable)?;
    let metadata = file.metadata().map_err(FileError::Unreadable)?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(FileError::NotRegular) }
}

/// Device and inode of the file at `path`, if [`read`] would read it.
pub(crate) fn identity(path: &Path) -> Result<(u64, u64), String> {
    let metadata = std::fs::metadata(path).map_err(|error| describe(&error))?;
    regular(&metadata)?;
    // If /dev/stdin is not a link to the file behind it, opening it shares the offset with the manager's own.
    if path.canonicalize().is_ok_and(|real| real.starts_with("/dev")) {
        return Err("is not a regular file".to_owned());
    }
    Ok((metadata.dev(), metadata.ino()))
}

/// Reads the regular file at `path`, of at most `limit` bytes. The error is a sentence.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    identity(path)?;
    let (file, metadata) = open(path)?;
    read_up_to(file, &metadata, limit)
}

/// Like [`read_if_present`] for a file that no user names, such as one in an installed package: it cannot be the
/// manager's own input, so the path is not resolved to find that out.
pub(crate) fn read_installed(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, String> {
    if !is_regular(path)? {
        return Ok(None);
    }
    let (file, metadata) = open(path)?;
    read_up_to(file, &metadata, limit).map(Some)
}

/// Whether there is a regular file at `path`; any other kind of file is an error.
fn is_regular(path: &Path) -> Result<bool, String> {
    match std::fs::metadata(path) {
        Err(error) if is_absence(&error) => Ok(false),
        Err(error) => Err(describe(&error)),
        Ok(metadata) => regular(&metadata).map(|()| true),
    }
}

/// Reads the regular file at `path` up to the first `end`, or its first `limit` bytes if `end` does not come in them.
/// None if there is no such file; the error is a sentence.
pub(crate) fn read_until(path: &Path, end: &[u8], limit: usize) -> Result<Option<Vec<u8>>, String> {
    const STEP: usize = 8 << 10;
    if !is_regular(path)? {
        return Ok(None);
    }
    let (file, _) = open(path)?;
    let mut bytes = Vec::new();
    while bytes.len() < limit {
        let searched = bytes.len().saturating_sub(end.len());
        let step = STEP.min(limit - bytes.len()) as u64;
        let read = (&file).take(step).read_to_end(&mut bytes).map_err(|error| describe(&error))?;
        if let Some(at) = bytes[searched..].windows(end.len()).position(|window| window == end) {
            bytes.truncate(searched + at);
            break;
        }
        if read == 0 {
            break;
        }
    }
    Ok(Some(bytes))
}

fn open(path: &Path) -> Result<(File, Metadata), String> {
    open_regular(path).map_err(|error| error.to_string())
}

/// Like [`read`], with nothing instead of an error if there is no such file.
pub(crate) fn read_if_present(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, String> {
    match std::fs::metadata(path) {
        Err(error) if is_absence(&error) => Ok(None),
        _ => read(path, limit).map(Some),
    }
}

fn read_up_to(file: File, metadata: &Metadata, limit: u64) -> Result<Vec<u8>, String> {
    read_whole(file, metadata, limit).map_err(|error| error.to_string())
}

fn read_whole(file: File, metadata: &Metadata, limit: u64) -> Result<Vec<u8>, FileError> {
    if metadata.len() > limit {
        return Err(FileError::TooLong { limit });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    // A file in /proc or one that is being written to can be longer than its metadata says.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(FileError::Unreadable)?;
    if bytes.len() as u64 > limit { Err(FileError::TooLong { limit }) } else { Ok(bytes) }
}

/// Replaces the file at `path` in one step: nobody ever sees half of `content`. Only this user can read it.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    write_beside(path, content)?.persist(path)?;
    Ok(())
}

/// Writes `content` to a file beside `path`, which goes away unless it is put there with `persist`. Only this user can
/// read it.
pub fn write_beside(path: &Path, content: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new_in(path.parent().unwrap_or(Path::new("/")))?;
    file.write_all(content)?;
    Ok(file)
}

fn size(bytes: u64) -> String {
    if bytes < 1 << 20 { format!("{} KiB", bytes >> 10) } else { format!("{} MiB", bytes >> 20) }
}

fn regular(metadata: &Metadata) -> Result<(), String> {
    if metadata.is_file() { Ok(()) } else { Err("is not a regular file".to_owned()) }
}

/// Whether the error says that there is no such file.
#[must_use]
pub fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The reason why a reader failed, as a sentence.
pub(crate) fn describe(error: &io::Error) -> String {
    format!("cannot be read: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;

    #[test]
    fn only_regular_files_within_the_limit_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, vec![b'x'; 1 << 20]).unwrap();
        assert_eq!(read(&file, 1 << 20).map(|bytes| bytes.len()), Ok(1 << 20));
        assert_eq!(read(&file, (1 << 20) - 1), Err("is longer than 1023 KiB".to_owned()));
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        for odd in [pipe.as_path(), folder.path(), Path::new("/dev/null"), Path::new("/dev/tty")] {
            assert!(read(odd, 10).is_err(), "{}", odd.display());
        }
    }

    #[test]
    fn the_beginning_of_a_file_ends_where_it_is_told_to() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        for at in [0, 1, 8 << 10, (8 << 10) - 1, 20_000] {
            std::fs::write(&file, [vec![b'x'; at], b"\n\ny".to_vec()].concat()).unwrap();
            let read = read_until(&file, b"\n\n", 1 << 20).map(|bytes| bytes.map(|bytes| bytes.len()));
            assert_eq!(read, Ok(Some(at)));
        }
        std::fs::File::create(&file).unwrap().set_len(1 << 30).unwrap();
        let read = read_until(&file, b"\n\n", 1000).map(|bytes| bytes.map(|bytes| bytes.len()));
        assert_eq!(read, Ok(Some(1000)));
        assert_eq!(read_until(&folder.path().join("missing"), b"x", 10), Ok(None));
        assert!(read_until(folder.path(), b"x", 10).is_err());
    }

    #[test]
    fn a_missing_file_is_an_error_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        assert!(read(&missing, 10).is_err_and(|why| why.contains("No such file")));
        assert_eq!(read_if_present(&missing, 10), Ok(None));
        assert!(read_if_present(folder.path(), 10).is_err());
    }
}
