//! Several files replaced together, or none of them: each is written in full beside its target before the first takes
//! its place. If a later one fails, those already in place are put back.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::unistd::{AccessFlags, access};
use scfw_core::files::{Kept, read_kept};
use tempfile::{Builder, NamedTempFile, TempPath};

/// The beginning of our files' names until they are in place.
const PREFIX: &str = ".scfw-";
/// The number of links that Linux follows.
const MOST_LINKS: usize = 40;
/// The mode of a new file; the user's mask is taken from it.
const NEW_FILE: u32 = 0o666;
/// The largest file that is kept by a copy, in bytes.
const LARGEST: u64 = 64 * 1024 * 1024;

/// The files that wait for their turn.
#[derive(Debug, Default)]
pub struct Transaction {
    staged: Vec<Staged>,
}

#[derive(Debug)]
struct Staged {
    target: PathBuf,
    /// The new content; none if the file is to go.
    replacement: Option<TempPath>,
    /// The file as it was; none if there was none.
    backup: Option<TempPath>,
}

impl Transaction {
    /// Prepares `path` to hold `content`, or to go if there is none. A link stays a link, and the file that it leads
    /// to is replaced. Mode and owner stay, unless `mode` says otherwise.
    pub fn stage(&mut self, path: &Path, content: Option<&[u8]>, mode: Option<u32>) -> Result<()> {
        let target = follow(path).with_context(|| format!("{} could not be followed", path.display()))?;
        let existing = match fs::metadata(&target) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("{} could not be read", path.display())),
        };
        if let Some(metadata) = &existing {
            if !metadata.is_file() {
                bail!("{} is no regular file", path.display());
            }
            if metadata.permissions().readonly() || access(&target, AccessFlags::W_OK).is_err() {
                bail!("{0} is read-only; allow writing to it (chmod u+w {0}) and try again", path.display());
            }
        }
        let failed = || format!("{} could not be written", path.display());
        let replacement = match content {
            Some(content) => {
                Some(write_beside(&target, content, existing.as_ref(), mode).with_context(failed)?)
            }
            None => None,
        };
        let backup = match &existing {
            Some(metadata) => Some(keep(&target, metadata).with_context(failed)?),
            None => None,
        };
        if replacement.is_some() || backup.is_some() {
            self.staged.push(Staged { target, replacement, backup });
        }
        Ok(())
    }

    /// Puts every file in its place.
    pub fn commit(self) -> Result<()> {
        let mut done: Vec<Staged> = Vec::new();
        for mut staged in self.staged {
            let replaced = match staged.replacement.take() {
                Some(replacement) => replacement.persist(&staged.target).map_err(|error| error.error),
                None => fs::remove_file(&staged.target),
            };
            if let Err(error) = replaced {
                let message = format!("{} could not be replaced", staged.target.display());
                for staged in done {
                    let target = staged.target.display().to_string();
                    staged
                        .undo()
                        .with_context(|| format!("{message}, and {target} could not be put back"))?;
                }
                return Err(error).context(message);
            }
            done.push(staged);
        }
        for staged in &done {
            sync_directory(&staged.target);
        }
        Ok(())
    }
}

impl Staged {
    fn undo(self) -> io::Result<()> {
        match self.backup {
            Some(backup) => backup.persist(&self.target).map_err(|error| error.error),
            None => fs::remove_file(&self.target),
        }
    }
}

/// The file that `path` leads to, whether it exists or not.
pub fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_symlink() => {
                let link = fs::read_link(&path)?;
                path = path.parent().unwrap_or(Path::new("/")).join(link);
            }
            Ok(_) => {
                // Two names of one file must be found equal.
                return fs::canonicalize(&path);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many links"))
}

/// Writes `content` to a file in the folder of `target`, with the mode and owner of `like`.
fn write_beside(
    target: &Path,
    content: &[u8],
    like: Option<&Metadata>,
    mode: Option<u32>,
) -> io::Result<TempPath> {
    let directory = target.parent().unwrap_or(Path::new("/"));
    let mut builder = Builder::new();
    builder.prefix(PREFIX);
    if like.is_none() && mode.is_none() {
        builder.permissions(Permissions::from_mode(NEW_FILE));
    }
    let mut file: NamedTempFile = builder.tempfile_in(directory)?;
    file.write_all(content)?;
    if let Some(like) = like {
        let own = file.as_file().metadata()?;
        if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
            fchown(file.as_file(), Some(like.uid()), Some(like.gid()))?;
        }
    }
    if let Some(mode) = mode.or(like.map(|like| like.mode() & 0o7777)) {
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
    }
    file.as_file().sync_all()?;
    Ok(file.into_temp_path())
}

/// Keeps the file as it is under another name, so that it can be put back.
fn keep(target: &Path, metadata: &Metadata) -> io::Result<TempPath> {
    let directory = target.parent().unwrap_or(Path::new("/"));
    let link = Builder::new().prefix(PREFIX).make_in(directory, |path| fs::hard_link(target, path));
    if let Ok(link) = link {
        return Ok(link.into_temp_path());
    }
    // Some file systems have no links.
    let content = read_kept(target, Kept::Anyhow, LARGEST)?.ok_or(ErrorKind::NotFound)?;
    write_beside(target, &content, Some(metadata), None)
}

/// Makes a rename last. That it did happen is certain already, so a file system without this is fine.
fn sync_directory(target: &Path) {
    if let Some(directory) = target.parent()
        && let Ok(directory) = File::open(directory)
    {
        directory.sync_all().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_puts_everything_back() {
        let place = tempfile::tempdir().unwrap();
        let [first, new, gone, last] = ["first", "new", "gone", "last"].map(|name| place.path().join(name));
        for path in [&first, &gone, &last] {
            fs::write(path, "old").unwrap();
        }
        let mut transaction = Transaction::default();
        transaction.stage(&first, Some(b"1"), None).unwrap();
        transaction.stage(&new, Some(b"2"), None).unwrap();
        transaction.stage(&gone, None, None).unwrap();
        transaction.stage(&last, Some(b"3"), None).unwrap();
        // A folder can no longer be replaced by a file.
        fs::remove_file(&last).unwrap();
        fs::create_dir(&last).unwrap();
        let message = transaction.commit().unwrap_err().to_string();
        assert!(message.contains("last could not be replaced"), "{message}");
        assert_eq!(fs::read(&first).unwrap(), b"old");
        assert_eq!(fs::read(&gone).unwrap(), b"old");
        assert!(!new.exists());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 3, "no file of ours is left");
    }

    #[test]
    fn a_link_stays_a_link_even_one_that_leads_nowhere_yet() {
        let place = tempfile::tempdir().unwrap();
        let [link, target] = ["link", "target"].map(|name| place.path().join(name));
        std::os::unix::fs::symlink("target", &link).unwrap();
        for content in [&b"1"[..], b"2"] {
            let mut transaction = Transaction::default();
            transaction.stage(&link, Some(content), None).unwrap();
            transaction.commit().unwrap();
            assert!(link.is_symlink());
            assert_eq!(fs::read(&target).unwrap(), content);
        }
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let message = Transaction::default().stage(place.path(), Some(b"1"), None).unwrap_err().to_string();
        assert!(message.ends_with("is no regular file"), "{message}");
    }
}
