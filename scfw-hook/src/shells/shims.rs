//! PATH shims: links with the managers' names that point to scfw-hook, for scripts, editors and CI, which know no
//! shell function. fish has a directory of its own: it cannot run a function in the background.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use scfw_core::files::create_private;
use scfw_programs::{Presence, program};

use crate::process::Process;
use crate::process::locate::locate;
use crate::process::locate::own_program;

/// The directory of the shims below the data directory.
#[must_use]
pub fn directory(data: &Path) -> PathBuf {
    data.join("shims")
}

/// The directory of the shims that the integration of fish puts first on `PATH`. They are no part of what
/// `scfw configure --shims` sets up.
#[must_use]
pub fn session_directory(data: &Path) -> PathBuf {
    data.join("session-shims")
}

/// Whether there are shims.
#[must_use]
pub fn are_there(data: &Path) -> bool {
    fs::read_dir(directory(data)).is_ok_and(|mut entries| entries.next().is_some())
}

/// Makes a shim for every program on `PATH` that scfw routes, and takes those away whose program is gone: a shim
/// without one would make scripts believe that it is there. Returns the shims.
pub fn install(process: &Process, data: &Path) -> io::Result<Vec<PathBuf>> {
    let directory = directory(data);
    let names = routed_names(process);
    for stale in existing(&directory)?
        .into_iter()
        .filter(|shim| !shim.file_name().is_some_and(|name| is_in(&names, name)))
    {
        fs::remove_file(stale)?;
    }
    link(process, &directory, &names)
}

/// Makes a session shim for every program on `PATH` that scfw routes. Those of other sessions, whose `PATH` may be
/// another, stay.
pub fn install_for_session(process: &Process, data: &Path) -> io::Result<()> {
    link(process, &session_directory(data), &routed_names(process)).map(drop)
}

/// Makes links to scfw-hook in `directory`.
fn link(process: &Process, directory: &Path, names: &BTreeSet<String>) -> io::Result<Vec<PathBuf>> {
    let hook = own_program(process)
        .ok_or_else(|| io::Error::new(ErrorKind::NotFound, "scfw-hook is not beside scfw"))?;
    let mut shims = Vec::with_capacity(names.len());
    for name in names {
        link_one(directory, name, &hook)?;
        shims.push(directory.join(name));
    }
    Ok(shims)
}

/// Links `name` in `directory` to `hook`, if it is not linked yet.
pub(crate) fn link_one(directory: &Path, name: &str, hook: &Path) -> io::Result<()> {
    let link = directory.join(name);
    if fs::read_link(&link).ok().as_deref() != Some(hook) {
        create_private(directory)?;
        // The link is made beside it and renamed, so that the name is never without a program.
        let fresh = directory.join(format!(".{name}.{}", std::process::id()));
        symlink(hook, &fresh)?;
        fs::rename(&fresh, &link)?;
    }
    Ok(())
}

/// Takes all shims in `directory` away. Files that somebody else has put there stay.
pub fn remove(directory: &Path) -> io::Result<()> {
    for shim in existing(directory)? {
        fs::remove_file(shim)?;
    }
    match fs::remove_dir(directory) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
            Err(error)
        }
        _ => Ok(()),
    }
}

fn is_in(names: &BTreeSet<String>, name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| names.contains(name))
}

/// Names on `PATH` that are routed and have a real program.
fn routed_names(process: &Process) -> BTreeSet<String> {
    let path = process.variable("PATH").unwrap_or_default();
    let entries = std::env::split_paths(&path).filter_map(|directory| fs::read_dir(directory).ok()).flatten();
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            program(name.as_bytes()).is_some_and(|known| known.presence != Presence::Untyped)
                && locate(process, OsStr::new(name)).is_some()
        })
        .collect()
}

/// The shims that are there: links to some scfw-hook.
fn existing(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut shims = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if fs::read_link(&path).is_ok_and(|target| target.file_name().is_some_and(|name| name == "scfw-hook"))
        {
            shims.push(path);
        }
    }
    Ok(shims)
}
