//! Directories and files that decide what is installed: made for their user alone, and used only if nobody else can
//! have changed them.
//!
//! The owner has to be this user or root, and nobody else may have the right to write. A directory of scfw's, or a
//! file in one, that this user owns and others can write is closed to them: older versions made such directories
//! under an open umask. The directory above must not be writable for others either, unless it is sticky, because they
//! could put another in its place; its owner is not looked at, because that is who gave the user a home.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User};

/// The mode of a directory of scfw's.
const DIRECTORY: u32 = 0o700;
/// The right to write of everybody but the owner.
const OTHERS_WRITE: u32 = 0o022;
const GROUP_WRITES: u32 = 0o020;
const ALL_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// A file or directory that somebody else can have changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {}", path.display(), self.reason())]
pub struct Untrusted {
    /// Its path.
    pub path: PathBuf,
    problem: Problem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    /// It belongs to the user with this number.
    Owner(u32),
    /// Others can write it, by their group or anyway.
    Writable(&'static str),
    /// Others can put something else in its place.
    Replaceable(&'static str),
}

impl Untrusted {
    /// The problem and the remedy, for a sentence that begins with the path.
    #[must_use]
    pub fn reason(&self) -> String {
        let path = self.path.display();
        match self.problem {
            Problem::Owner(owner) => format!(
                "belongs to another user (number {owner}), so it cannot be relied on; take it away, or once you have \
                 looked at it make it yours (chown)"
            ),
            Problem::Writable(who) => {
                format!("can be written by {who}, so it cannot be relied on; run: chmod go-w {path}")
            }
            Problem::Replaceable(who) => format!(
                "can be written by {who}, so what scfw keeps in it can be replaced; run: chmod go-w {path}"
            ),
        }
    }
}

impl From<Untrusted> for io::Error {
    fn from(untrusted: Untrusted) -> Self {
        Self::new(io::ErrorKind::PermissionDenied, untrusted)
    }
}

/// Makes `directory`, and the missing ones above it, with mode 0700 under any umask. A directory that is there stays
/// as it is.
pub fn make_private(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(DIRECTORY).create(directory) {
        // The umask may have taken rights of the owner's.
        Ok(()) => fs::set_permissions(directory, Permissions::from_mode(DIRECTORY)),
        Err(_) if directory.is_dir() => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = directory.parent().filter(|above| !above.as_os_str().is_empty()).ok_or(error)?;
            make_private(above)?;
            match DirBuilder::new().mode(DIRECTORY).create(directory) {
                Ok(()) => fs::set_permissions(directory, Permissions::from_mode(DIRECTORY)),
                // Another process was faster.
                Err(_) if directory.is_dir() => Ok(()),
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

/// Makes a directory of scfw's if it is missing, and closes it to others; an error if it cannot be relied on.
pub fn create_private(directory: &Path) -> io::Result<()> {
    make_private(directory)?;
    check_directory(directory).map_err(Into::into)
}

/// Fails if somebody else can have changed the content of a directory of scfw's, or put another in its place. A
/// directory of this user's own is closed to others first. A missing one is fine.
pub fn check_directory(directory: &Path) -> Result<(), Untrusted> {
    // A file that this user may not look at cannot be read either, and that error says more.
    let Ok(metadata) = fs::metadata(directory) else { return Ok(()) };
    check(directory, &metadata, DIRECTORY)?;
    let real = directory.canonicalize().ok();
    let real = real.as_deref().unwrap_or(directory);
    check_above(directory)?;
    if real == directory { Ok(()) } else { check_above(real) }
}

/// Fails if somebody else can have changed a directory that was installed with scfw, or put another in its place, wherever
/// links lead to it. It stays as it is: others than this user may rely on it.
pub fn check_installed(directory: &Path) -> io::Result<()> {
    let real = directory.canonicalize()?;
    check_named(&real, &fs::metadata(&real)?)?;
    Ok(check_above(&real)?)
}

/// Fails if somebody else can put something else in the place of `path`.
fn check_above(path: &Path) -> Result<(), Untrusted> {
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty())
        && let Ok(metadata) = fs::metadata(above)
        && metadata.mode() & STICKY == 0
        && let Some(who) = other_writers(&metadata)
    {
        return Err(Untrusted { path: above.to_owned(), problem: Problem::Replaceable(who) });
    }
    Ok(())
}

/// The same for a file in such a directory, whose `metadata` is known.
pub fn check_file(path: &Path, metadata: &Metadata) -> Result<(), Untrusted> {
    check(path, metadata, metadata.mode() & 0o7777 & !OTHERS_WRITE)
}

/// The same for a file that the user has put somewhere, which stays as it is.
pub fn check_named(path: &Path, metadata: &Metadata) -> Result<(), Untrusted> {
    let untrusted = |problem| Untrusted { path: path.to_owned(), problem };
    check_owner(metadata).map_err(untrusted)?;
    other_writers(metadata).map_or(Ok(()), |who| Err(untrusted(Problem::Writable(who))))
}

/// Whether only this user or root can have changed it; if it is this user's own, it gets `mode` if others could.
fn check(path: &Path, metadata: &Metadata, mode: u32) -> Result<(), Untrusted> {
    let untrusted = |problem| Untrusted { path: path.to_owned(), problem };
    check_owner(metadata).map_err(untrusted)?;
    if metadata.mode() & OTHERS_WRITE == 0 {
        return Ok(());
    }
    let is_own = metadata.uid() == Uid::effective().as_raw();
    if is_own {
        match fs::set_permissions(path, Permissions::from_mode(mode)) {
            Ok(()) => return Ok(()),
            // Nobody can write it there.
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => return Ok(()),
            Err(_) => {}
        }
    }
    other_writers(metadata).map_or(Ok(()), |who| Err(untrusted(Problem::Writable(who))))
}

fn check_owner(metadata: &Metadata) -> Result<(), Problem> {
    let (owner, own) = (metadata.uid(), Uid::effective());
    // A user who has become root by sudo is root with their own files.
    let is_before_sudo =
        || own.is_root() && std::env::var_os("SUDO_UID") == Some(OsString::from(owner.to_string()));
    if owner == 0 || owner == own.as_raw() || is_before_sudo() { Ok(()) } else { Err(Problem::Owner(owner)) }
}

/// The users who may write beside the owner, as the end of "can be written by".
fn other_writers(metadata: &Metadata) -> Option<&'static str> {
    if metadata.mode() & ALL_WRITE != 0 {
        return Some("everybody");
    }
    let group = Gid::from_raw(metadata.gid());
    (metadata.mode() & GROUP_WRITES != 0 && !is_of_one_user(group)).then_some("its group")
}

/// Whether nobody else is in a group: root's, which containers with arbitrary users rely on, or the one that goes by
/// this user's name, as most systems make one for each.
fn is_of_one_user(group: Gid) -> bool {
    group.as_raw() == 0
        || group == Gid::effective()
            && matches!((Group::from_gid(group), User::from_uid(Uid::effective())),
                (Ok(Some(group)), Ok(Some(user))) if group.name == user.name && group.mem.iter().all(|member| *member == user.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::chown;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn directories_are_made_for_their_user_alone() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b/c");
        create_private(&deep).unwrap();
        for path in [deep.as_path(), deep.parent().unwrap()] {
            assert_eq!(mode(path), 0o700);
        }
        create_private(&deep).unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        assert!(create_private(&root.path().join("file")).is_err());
        assert!(create_private(&root.path().join("file/below")).is_err());
    }

    #[test]
    fn what_is_ones_own_is_closed_to_others() {
        let root = tempfile::tempdir().unwrap();
        let (directory, file) = (root.path().join("data"), root.path().join("data/file"));
        create_private(&directory).unwrap();
        fs::write(&file, "").unwrap();
        for (before, after) in [(0o777, 0o700), (0o775, 0o700), (0o755, 0o755), (0o700, 0o700)] {
            fs::set_permissions(&directory, Permissions::from_mode(before)).unwrap();
            check_directory(&directory).unwrap();
            assert_eq!(mode(&directory), after);
        }
        fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
        assert!(check_named(&file, &fs::metadata(&file).unwrap()).is_err());
        check_file(&file, &fs::metadata(&file).unwrap()).unwrap();
        assert_eq!(mode(&file), 0o644);
    }

    #[test]
    fn a_directory_above_that_others_can_write_has_to_be_sticky() {
        let root = tempfile::tempdir().unwrap();
        let above = root.path().join("above");
        let directory = above.join("data");
        create_private(&directory).unwrap();
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&directory, &link).unwrap();
        fs::set_permissions(&above, Permissions::from_mode(0o777)).unwrap();
        for path in [&directory, &link] {
            let reason = check_directory(path).unwrap_err().to_string();
            assert!(reason.ends_with(&format!("chmod go-w {}", above.display())), "{reason}");
        }
        fs::set_permissions(&above, Permissions::from_mode(0o1777)).unwrap();
        check_directory(&directory).unwrap();
        assert_eq!(check_directory(&root.path().join("missing")), Ok(()));
    }

    #[test]
    fn what_belongs_to_another_user_is_refused() {
        if !Uid::effective().is_root() {
            // Nobody else can give a file away.
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("data");
        create_private(&directory).unwrap();
        chown(&directory, Some(Uid::from_raw(54321)), None).unwrap();
        let reason = check_directory(&directory).unwrap_err().to_string();
        assert!(reason.contains("belongs to another user (number 54321)"), "{reason}");
        assert!(create_private(&directory).is_err());
        // Closing a file to others takes a group's right to write only from this user's own.
        chown(&directory, Some(Uid::from_raw(0)), Some(Gid::from_raw(54321))).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(0o770)).unwrap();
        assert!(check_named(&directory, &fs::metadata(&directory).unwrap()).is_err());
        check_directory(&directory).unwrap();
        assert_eq!(mode(&directory), 0o700);
    }
}
