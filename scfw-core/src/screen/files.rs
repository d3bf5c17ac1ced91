//! The file-reading seam: whole regular files up to a limit. A pipe, a terminal or a device is never opened, for the
//! manager needs what comes through it.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;

/// Device and inode of the file at `path`, where there is one that [`read`] would read.
pub(super) fn identity(path: &Path) -> Result<(u64, u64), String> {
    let metadata = std::fs::metadata(path).map_err(|error| describe(&error))?;
    regular(&metadata)?;
    // Where /dev/stdin is not a link to the file behind it, opening it shares the offset with the manager's own.
    if path.canonicalize().is_ok_and(|real| real.starts_with("/dev")) {
        return Err("is not a regular file".to_owned());
    }
    Ok((metadata.dev(), metadata.ino()))
}

/// Reads the regular file at `path`, of at most `limit` bytes. The error is a sentence.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    identity(path)?;
    // Without O_NONBLOCK, a pipe that has taken the file's place since would hold us here.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)
        .map_err(|error| describe(&error))?;
    let metadata = file.metadata().map_err(|error| describe(&error))?;
    regular(&metadata)?;
    read_up_to(file, &metadata, limit)
}

/// Like [`read`], with nothing instead of an error where there is no such file.
pub(super) fn read_if_present(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, String> {
    match std::fs::metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        _ => read(path, limit).map(Some),
    }
}

fn read_up_to(file: File, metadata: &Metadata, limit: u64) -> Result<Vec<u8>, String> {
    let too_long = || format!("is longer than {} MiB", limit >> 20);
    if metadata.len() > limit {
        return Err(too_long());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    // A file in /proc or one that is being written to can be longer than its metadata says.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| describe(&error))?;
    if bytes.len() as u64 > limit { Err(too_long()) } else { Ok(bytes) }
}

fn regular(metadata: &Metadata) -> Result<(), String> {
    if metadata.is_file() { Ok(()) } else { Err("is not a regular file".to_owned()) }
}

fn describe(error: &io::Error) -> String {
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
        assert_eq!(read(&file, (1 << 20) - 1), Err("is longer than 0 MiB".to_owned()));
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        for odd in [pipe.as_path(), folder.path(), Path::new("/dev/null"), Path::new("/dev/tty")] {
            assert!(read(odd, 10).is_err(), "{}", odd.display());
        }
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
