//! The files of the gates: what is built in, and where it lies for the managers to load.

use std::borrow::Cow;
use std::io::{self, Cursor, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use scfw_core::env;
use scfw_core::files::{Kept, create_private, read_kept};
use scfw_core::manager::{Runs, Runtime, manager};
use scfw_programs::NAMES;
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::shells::shims::link_one;

/// The directory of the gates below the data directory.
pub const GATES_NAME: &str = "gates";

/// The file that Python loads first, in the archive.
const PYTHON_ENTRY: &str = "sitecustomize.py";
/// The archive of Python's gate. Python keeps bytecode beside files and below `PYTHONPYCACHEPREFIX`, and believes it
/// later; of what it loads from an archive it keeps none.
const PYTHON_ARCHIVE: &str = "gate.zip";
/// The files of Python's gate.
const PYTHON: [(&str, &str); 6] = [
    (PYTHON_ENTRY, include_str!("../../gates/python/sitecustomize.py")),
    ("environment.py", include_str!("../../gates/python/environment.py")),
    ("verifier.py", include_str!("../../gates/python/verifier.py")),
    ("points_pip.py", include_str!("../../gates/python/points_pip.py")),
    ("pip_targets.py", include_str!("../../gates/python/pip_targets.py")),
    ("pip_unpacked.py", include_str!("../../gates/python/pip_unpacked.py")),
];

/// The file that Node.js loads first. It loads the others from its own directory.
const NODE_ENTRY: &str = "gate.cjs";
/// The files of Node.js's gate.
const NODE: [(&str, &str); 5] = [
    (NODE_ENTRY, include_str!("../../gates/node/gate.cjs")),
    ("environment.cjs", include_str!("../../gates/node/environment.cjs")),
    ("verifier.cjs", include_str!("../../gates/node/verifier.cjs")),
    ("npm.cjs", include_str!("../../gates/node/npm.cjs")),
    ("npm-targets.cjs", include_str!("../../gates/node/npm-targets.cjs")),
];

/// Where the gates' files lie.
#[derive(Debug)]
pub struct Gates {
    /// The file that Python loads first, in its archive.
    pub python: PathBuf,
    /// The file that Node.js loads first.
    pub node: PathBuf,
    /// A folder with the names of managers on Node, which lead to scfw-hook.
    pub commands: PathBuf,
}

impl Gates {
    /// Writes the gates below `data` where they are not there yet, each under the hash of its content. `hook` is
    /// scfw-hook.
    pub fn install(data: &Path, hook: &Path) -> io::Result<Self> {
        let gates = data.join(GATES_NAME);
        // PYTHONPATH and PATH are cut at a colon.
        let listed = if gates.as_os_str().as_bytes().contains(&b':') {
            Cow::Owned(own_temporary_directory()?.join(GATES_NAME))
        } else {
            Cow::Borrowed(&gates)
        };
        Ok(Self {
            python: write(&listed, &Files::python()?)?.join(PYTHON_ARCHIVE).join(PYTHON_ENTRY),
            node: write(&gates, &Files::node())?.join(NODE_ENTRY),
            commands: link_commands(&listed, hook)?,
        })
    }

    /// The gates of an armed environment.
    #[must_use]
    pub fn present() -> Option<Self> {
        let path = |name| std::env::var_os(name).map(PathBuf::from);
        let gates = Self {
            python: path(env::SCFW_GATE_PYTHON)?,
            node: path(env::SCFW_GATE_NODE)?,
            commands: path(env::SCFW_GATE_COMMANDS)?,
        };
        gates.node.is_file().then_some(gates)
    }
}

/// The files of one runtime's gate, as they are built in.
struct Files {
    /// The runtime.
    name: &'static str,
    /// Their names and contents.
    contents: Vec<(&'static str, Cow<'static, [u8]>)>,
}

impl Files {
    fn python() -> io::Result<Self> {
        Ok(Self { name: "python", contents: vec![(PYTHON_ARCHIVE, archive(&PYTHON)?.into())] })
    }

    fn node() -> Self {
        Self {
            name: "node",
            contents: NODE.map(|(name, content)| (name, content.as_bytes().into())).to_vec(),
        }
    }

    /// A name that other files do not have.
    fn versioned_name(&self) -> String {
        let mut digest = Sha256::new();
        for (name, content) in &self.contents {
            digest.update(name);
            digest.update(content.len().to_le_bytes());
            digest.update(content);
        }
        let hash = digest.finalize();
        let hash = hash.iter().take(8).fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte));
        format!("{}-{hash:016x}", self.name)
    }
}

/// Writes `files` into a directory of theirs below `gates`, where they are not there yet, and gives the directory.
fn write(gates: &Path, files: &Files) -> io::Result<PathBuf> {
    let directory = gates.join(files.versioned_name());
    for directory in [gates, &directory] {
        create_private(directory)?;
    }
    for (name, content) in &files.contents {
        let path = directory.join(name);
        // What is not as it should be is written again.
        let present = read_kept(&path, Kept::Privately, content.len() as u64);
        if present.is_ok_and(|present| present.as_deref() == Some(content)) {
            continue;
        }
        let mut file = tempfile::NamedTempFile::new_in(&directory)?;
        file.write_all(content)?;
        file.persist(&path)?;
    }
    Ok(directory)
}

/// Links the managers on Node to scfw-hook, for what an armed one starts by name with another `NODE_OPTIONS`.
fn link_commands(gates: &Path, hook: &Path) -> io::Result<PathBuf> {
    let directory = gates.join("commands");
    for name in NAMES {
        if matches!(name.runs, Runs::Manager(id) if manager(id).hold().runtime == Runtime::Node) {
            link_one(&directory, name.stem, hook)?;
        }
    }
    Ok(directory)
}

/// A zip archive of `files`, the same for the same files. It is not compressed: a Python may have been built without zlib.
fn archive(files: &[(&str, &str)]) -> io::Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default());
    for (name, content) in files {
        archive.start_file(*name, options)?;
        archive.write_all(content.as_bytes())?;
    }
    Ok(archive.finish()?.into_inner())
}

/// A directory of this user's alone whose path has no colon, below the first directory for passing things that is there.
fn own_temporary_directory() -> io::Result<PathBuf> {
    let user = nix::unistd::geteuid();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let above = [runtime, Some(std::env::temp_dir()), Some(PathBuf::from("/tmp"))]
        .into_iter()
        .flatten()
        .find(|above| above.is_absolute() && !above.as_os_str().as_bytes().contains(&b':') && above.is_dir())
        .ok_or_else(|| io::Error::other("no temporary directory has a path without a colon"))?;
    let directory = above.join(format!("scfw-{user}"));
    create_private(&directory)?;
    // Somebody else's link could lead elsewhere by the time that Python follows it.
    let metadata = std::fs::symlink_metadata(&directory)?;
    if metadata.is_dir() && metadata.uid() == user.as_raw() {
        Ok(directory)
    } else {
        Err(io::Error::other(format!("{} is not a directory of this user's alone", directory.display())))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_changed_gate_is_written_again() {
        let data = tempfile::tempdir().unwrap();
        let hook = Path::new("/bin/scfw-hook");
        let gates = Gates::install(data.path(), hook).unwrap();
        assert_eq!(fs::read_link(gates.commands.join("npx")).unwrap(), hook);
        for file in [gates.python.parent().unwrap(), &gates.node, &gates.node.with_file_name("npm.cjs")] {
            let written = fs::read(file).unwrap();
            for content in [&written[..written.len() - 1], b"PK", b""] {
                fs::write(file, content).unwrap();
                let again = Gates::install(data.path(), Path::new("/opt/scfw-hook")).unwrap();
                assert_eq!(fs::read_link(again.commands.join("npx")).unwrap(), Path::new("/opt/scfw-hook"));
                assert_eq!((&again.python, &again.node), (&gates.python, &gates.node));
                assert_eq!(fs::read(file).unwrap(), written);
            }
        }
    }

    #[test]
    fn every_file_of_a_gate_is_built_in() {
        let gates = Path::new(env!("CARGO_MANIFEST_DIR")).join("gates");
        for (runtime, built_in) in [("python", &PYTHON[..]), ("node", &NODE[..])] {
            let entries = fs::read_dir(gates.join(runtime)).unwrap().map(Result::unwrap);
            let is_source = |name: &String| name.ends_with(".py") || name.ends_with(".cjs");
            let mut files: Vec<String> =
                entries.map(|entry| entry.file_name().into_string().unwrap()).filter(is_source).collect();
            let mut names: Vec<&str> = built_in.iter().map(|(name, _)| *name).collect();
            files.sort();
            names.sort_unstable();
            assert_eq!(files, names);
        }
    }
}
