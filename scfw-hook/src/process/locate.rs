//! The real executable: the first match on `PATH` that is not ours, told by device and inode.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use crate::process::Process;

/// The path for a program that has none (POSIX leaves it to the system).
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A program that was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Located {
    /// Its file.
    pub path: PathBuf,
    /// Whether an entry of ours stood before it on `PATH`.
    pub behind_ours: bool,
}

/// The identity of a file.
type Identity = (u64, u64);

/// The file of scfw-hook: this program, or the one beside `scfw`.
pub(crate) fn own_program(process: &Process) -> Option<PathBuf> {
    let own = process.own_file().ok()?;
    if own.file_name()? == "scfw-hook" {
        return Some(own);
    }
    Some(own.with_file_name("scfw-hook")).filter(|path| path.is_file())
}

/// The directory of the files that were installed beside the program `hook`, which is in the `bin/` of its prefix.
pub(crate) fn own_library(hook: &Path) -> PathBuf {
    hook.parent().and_then(Path::parent).unwrap_or(Path::new("/")).join("lib/scfw")
}

/// The `scfw` that a shell should call: this program, or the one beside it.
#[must_use]
pub fn scfw_program(process: &Process) -> Option<PathBuf> {
    process.own_file().ok().map(|own| own.with_file_name("scfw")).filter(|path| path.is_file())
}

/// Finds the program that a shell would run for `name` if scfw were not there. A name with a slash is a path
/// and taken as it is.
#[must_use]
pub fn locate(process: &Process, name: &OsStr) -> Option<Located> {
    if name.as_bytes().contains(&b'/') {
        return Some(Located { path: PathBuf::from(name), behind_ours: false });
    }
    let own = process.own_file().unwrap_or_default();
    // The shims are links to scfw-hook, for either of the two programs.
    let ours: Vec<Identity> =
        [own.with_file_name("scfw-hook"), own].iter().filter_map(|path| identity(path)).collect();
    let path = process.variable("PATH").unwrap_or_else(|| OsString::from(DEFAULT_PATH));
    search(name, &path, &ours)
}

/// Whether `path` is a shim, this installation's or another's.
#[must_use]
pub fn is_shim(process: &Process, path: &Path) -> bool {
    let own = process.own_file().unwrap_or_default();
    is_of_another_scfw(path)
        || identity(path).is_some_and(|shim| identity(&own.with_file_name("scfw-hook")) == Some(shim))
}

fn search(name: &OsStr, path: &OsStr, ours: &[Identity]) -> Option<Located> {
    let mut behind_ours = false;
    for directory in path.as_bytes().split(|byte| *byte == b':') {
        // An empty entry is the working directory.
        let directory =
            if directory.is_empty() { Path::new(".") } else { Path::new(OsStr::from_bytes(directory)) };
        let candidate = directory.join(name);
        let Ok(metadata) = fs::metadata(&candidate) else { continue };
        if !metadata.is_file() || access(&candidate, AccessFlags::X_OK).is_err() {
            continue;
        }
        if ours.contains(&(metadata.dev(), metadata.ino())) || is_of_another_scfw(&candidate) {
            behind_ours = true;
            continue;
        }
        return Some(Located { path: candidate, behind_ours });
    }
    None
}

/// A shim of another installation would pass over its own, find ours, and so for ever.
fn is_of_another_scfw(candidate: &Path) -> bool {
    fs::read_link(candidate).is_ok_and(|target| target.file_name().is_some_and(|name| name == "scfw-hook"))
}

/// Whether both paths lead to one file.
#[must_use]
pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    identity(one).is_some_and(|one| identity(other) == Some(one))
}

fn identity(path: &Path) -> Option<Identity> {
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn program(directory: &Path, name: &str, mode: u32) -> PathBuf {
        fs::create_dir_all(directory).unwrap();
        let path = directory.join(name);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn what_is_ours_is_passed_over_under_any_name() {
        let root = tempfile::tempdir().unwrap();
        let hook = program(&root.path().join("bin"), "scfw-hook", 0o755);
        let shims = root.path().join("shims");
        fs::create_dir(&shims).unwrap();
        symlink(&hook, shims.join("pip")).unwrap();
        fs::hard_link(&hook, root.path().join("bin/pip")).unwrap();
        let not_executable = program(&root.path().join("first"), "pip", 0o644);
        let real = program(&root.path().join("last"), "pip", 0o755);
        fs::create_dir_all(root.path().join("directory/pip")).unwrap();
        let others = root.path().join("others");
        fs::create_dir(&others).unwrap();
        let another = program(&root.path().join("elsewhere"), "scfw-hook", 0o755);
        symlink(another, others.join("pip")).unwrap();
        let path = format!(
            "{}:{}:{}:{}:{}:{}",
            shims.display(),
            others.display(),
            root.path().join("bin").display(),
            not_executable.parent().unwrap().display(),
            root.path().join("directory").display(),
            real.parent().unwrap().display()
        );
        let ours = [identity(&hook).unwrap()];
        let located = search(OsStr::new("pip"), OsStr::new(&path), &ours).unwrap();
        assert_eq!(located, Located { path: real, behind_ours: true });
        assert_eq!(search(OsStr::new("pip3"), OsStr::new(&path), &ours), None);
    }

    #[test]
    fn a_path_is_taken_as_it_is() {
        let located = locate(&Process::System, OsStr::new("/opt/venv/bin/pip")).unwrap();
        assert_eq!(located.path, Path::new("/opt/venv/bin/pip"));
    }
}
