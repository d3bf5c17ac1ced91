//! The file log: JSON Lines, appended a whole line at a time by processes that run side by side.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;

use crate::files::make_private;

/// The time that others are waited for that append, or hold the file for no reason that is known here.
const PATIENCE: Duration = Duration::from_millis(250);
const PAUSE: Duration = Duration::from_millis(2);

/// Appends a record, in JSON, as one line, or nothing of it. The file is locked meanwhile, so that lines of parallel
/// runs do not mix even if the system writes one in pieces; but nobody can hold a record up by a lock of their own,
/// nor by a pipe that is not read.
pub fn append(path: &Path, record: &str) -> io::Result<()> {
    let line = format!("{record}\n");
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        make_private(directory)?;
    }
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)?;
    let is_locked = lock(&file);
    let metadata = file.metadata()?;
    file.write_all(line.as_bytes()).inspect_err(|_| {
        if is_locked && metadata.is_file() {
            // Half a line would spoil the next one. Where even that fails, the disk is in more trouble than the log.
            file.set_len(metadata.len()).ok();
        }
    })
}

/// Whether the lock could be taken.
fn lock(file: &File) -> bool {
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return true,
            Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => sleep(PAUSE),
            // Held for too long, or no lock is to be had in this file system.
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn neither_a_lock_nor_a_pipe_holds_a_record_up() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("new/scfw.log");
        append(&log, "1").unwrap();
        let holder = File::open(&log).unwrap();
        holder.lock().unwrap();
        append(&log, "2").unwrap();
        assert_eq!(fs::read_to_string(&log).unwrap(), "1\n2\n");
        let pipe = directory.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(append(&pipe, "3").is_err(), "nobody reads");
    }
}
