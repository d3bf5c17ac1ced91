//! The files of the gates: their built-in contents, and the place from which managers load them. They are installed
//! with scfw. If they are not, or differ from the built-in ones, they are written below the data directory.

use std::borrow::Cow;
use std::fs::{self, Permissions};
use std::io::{self, Cursor, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use scfw_core::env;
use scfw_core::files::{Kept, check_installed, create_private, read_kept, replace, write_beside};
use scfw_core::manager::{Runs, Runtime, manager};
use scfw_programs::{NAMES, Name};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::process::Process;
use crate::process::locate::own_library;
use crate::shells::shims::link_one;

/// The directory of the gates below the data directory, and below the directory of an installation.
pub const GATES_NAME: &str = "gates";

/// The directory of the commands below that of the gates.
const COMMANDS_NAME: &str = "commands";
/// The mode of an installed directory.
const INSTALLED_DIRECTORY: u32 = 0o755;
/// The mode of an installed file.
const INSTALLED_FILE: u32 = 0o644;

/// The file that Python loads first, in the archive.
const PYTHON_ENTRY: &str = "sitecustomize.py";
/// The archive of Python's gate. Python keeps bytecode beside files and below `PYTHONPYCACHEPREFIX`, and believes it
/// later; it keeps none of modules that it loads from an archive.
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

/// The paths of the gates' files.
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
    /// The gates for managers to load: those that are installed with `hook`, which is scfw-hook, or else those below
    /// `data`.
    pub fn provide(process: &Process, data: &Path, hook: &Path) -> io::Result<Self> {
        Self::installed(hook).or_else(|_| Self::write(process, data, hook))
    }

    /// The place of the installed gates of `hook`.
    #[must_use]
    pub fn installed_directory(hook: &Path) -> PathBuf {
        own_library(hook).join(GATES_NAME)
    }

    /// The gates that are installed with `hook`; an error if one is missing, differs from the built-in one, or can
    /// have been changed by somebody else.
    pub fn installed(hook: &Path) -> io::Result<Self> {
        let directory = Self::installed_directory(hook);
        if has_colon(&directory) {
            return Err(io::Error::other("has a colon in its path, at which PYTHONPATH and PATH are cut"));
        }
        check_installed(&directory)?;
        let files = [Files::python()?, Files::node()];
        for files in &files {
            files.compare(&directory.join(files.name))?;
        }
        let [python, node] = files.map(|files| directory.join(files.name));
        let commands = directory.join(COMMANDS_NAME);
        check_installed(&commands)?;
        for name in commands_on_node() {
            if identity(&commands.join(name))? != identity(hook)? {
                return Err(io::Error::other(format!(
                    "has a {name} that does not lead to {}",
                    hook.display()
                )));
            }
        }
        Ok(Self {
            python: python.join(PYTHON_ARCHIVE).join(PYTHON_ENTRY),
            node: node.join(NODE_ENTRY),
            commands,
        })
    }

    /// Installs the gates with `hook`, for every user of it.
    pub fn install(hook: &Path) -> io::Result<()> {
        let directory = Self::installed_directory(hook);
        for files in [Files::python()?, Files::node()] {
            let directory = directory.join(files.name);
            make_installed(&directory)?;
            for (name, content) in &files.contents {
                let path = directory.join(name);
                let file = write_beside(&path, content)?;
                file.as_file().set_permissions(Permissions::from_mode(INSTALLED_FILE))?;
                file.persist(path)?;
            }
        }
        make_installed(&directory)?;
        let commands = directory.join(COMMANDS_NAME);
        make_installed(&commands)?;
        // A relative link stays right in an installation that is packed up and unpacked elsewhere.
        let program = hook.components().rev().take(2).collect::<Vec<_>>().into_iter().rev();
        let program = Path::new("../../../..").join(program.collect::<PathBuf>());
        for name in commands_on_node() {
            let fresh = commands.join(format!(".{name}.{}", std::process::id()));
            symlink(&program, &fresh)?;
            fs::rename(&fresh, commands.join(name))?;
        }
        Ok(())
    }

    /// Writes the gates below `data` if they are not there yet, each under the hash of its content.
    fn write(process: &Process, data: &Path, hook: &Path) -> io::Result<Self> {
        let gates = data.join(GATES_NAME);
        // The variables PYTHONPATH and PATH are cut at a colon.
        let listed = if has_colon(&gates) {
            Cow::Owned(own_temporary_directory(process)?.join(GATES_NAME))
        } else {
            Cow::Borrowed(&gates)
        };
        Ok(Self {
            python: Files::python()?.write(&listed)?.join(PYTHON_ARCHIVE).join(PYTHON_ENTRY),
            node: Files::node().write(&gates)?.join(NODE_ENTRY),
            commands: link_commands(&listed, hook)?,
        })
    }

    /// The gates of an armed environment.
    #[must_use]
    pub fn present(process: &Process) -> Option<Self> {
        let path = |name| process.variable(name).map(PathBuf::from);
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

    /// Fails unless `directory` holds exactly these files, and only this user or root can have changed them.
    fn compare(&self, directory: &Path) -> io::Result<()> {
        check_installed(directory)?;
        for (name, content) in &self.contents {
            let path = directory.join(name);
            let present = read_kept(&path, Kept::ByName, content.len() as u64)?;
            if present.is_none_or(|present| present != **content) {
                return Err(io::Error::other(format!("has another {name} than this scfw")));
            }
        }
        Ok(())
    }

    /// Writes them into a directory of theirs below `gates`, if they are not there yet, and gives the directory.
    fn write(&self, gates: &Path) -> io::Result<PathBuf> {
        let directory = gates.join(self.versioned_name());
        for directory in [gates, &directory] {
            create_private(directory)?;
        }
        for (name, content) in &self.contents {
            let path = directory.join(name);
            // A file that is not as it should be is written again.
            let present = read_kept(&path, Kept::Privately, content.len() as u64);
            if present.is_ok_and(|present| present.as_deref() == Some(content)) {
                continue;
            }
            replace(&path, content)?;
        }
        Ok(directory)
    }
}

/// Makes a directory of an installation, with the rights that everybody needs to read it, whatever the umask.
fn make_installed(directory: &Path) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "what is installed is no secret of its user's")]
    fs::create_dir_all(directory)?;
    fs::set_permissions(directory, Permissions::from_mode(INSTALLED_DIRECTORY))
}

/// The device and inode of a file.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

fn has_colon(path: &Path) -> bool {
    path.as_os_str().as_bytes().contains(&b':')
}

/// The names of the managers on Node, which are armed again if they have lost the gate.
fn commands_on_node() -> impl Iterator<Item = &'static str> {
    let is_on_node =
        |name: &&Name| matches!(name.runs, Runs::Manager(id) if manager(id).hold().runtime == Runtime::Node);
    NAMES.iter().filter(is_on_node).map(|name| name.stem)
}

/// Links the managers on Node to scfw-hook, for calls by name that an armed manager makes with another
/// `NODE_OPTIONS`.
fn link_commands(gates: &Path, hook: &Path) -> io::Result<PathBuf> {
    let directory = gates.join(COMMANDS_NAME);
    for name in commands_on_node() {
        link_one(&directory, name, hook)?;
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

/// A directory of this user's alone whose path has no colon, below the first directory for passing things that
/// exists.
fn own_temporary_directory(process: &Process) -> io::Result<PathBuf> {
    let user = nix::unistd::geteuid();
    let runtime = process.variable("XDG_RUNTIME_DIR").map(PathBuf::from);
    let above = [runtime, Some(std::env::temp_dir()), Some(PathBuf::from("/tmp"))]
        .into_iter()
        .flatten()
        .find(|above| above.is_absolute() && !above.as_os_str().as_bytes().contains(&b':') && above.is_dir())
        .ok_or_else(|| io::Error::other("no temporary directory has a path without a colon"))?;
    let directory = above.join(format!("scfw-{user}"));
    create_private(&directory)?;
    // Somebody else's link could lead elsewhere by the time that Python follows it.
    let metadata = fs::symlink_metadata(&directory)?;
    if metadata.is_dir() && metadata.uid() == user.as_raw() {
        Ok(directory)
    } else {
        Err(io::Error::other(format!("{} is not a directory of this user's alone", directory.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_gate_is_written_again() {
        let data = tempfile::tempdir().unwrap();
        let hook = Path::new("/bin/scfw-hook");
        let gates = Gates::write(&Process::System, data.path(), hook).unwrap();
        assert_eq!(fs::read_link(gates.commands.join("npx")).unwrap(), hook);
        for file in [gates.python.parent().unwrap(), &gates.node, &gates.node.with_file_name("npm.cjs")] {
            let written = fs::read(file).unwrap();
            for content in [&written[..written.len() - 1], b"PK", b""] {
                fs::write(file, content).unwrap();
                let again = Gates::write(&Process::System, data.path(), Path::new("/opt/scfw-hook")).unwrap();
                assert_eq!(fs::read_link(again.commands.join("npx")).unwrap(), Path::new("/opt/scfw-hook"));
                assert_eq!((&again.python, &again.node), (&gates.python, &gates.node));
                assert_eq!(fs::read(file).unwrap(), written);
            }
        }
    }

    /// A prefix with a program and its gates.
    fn prefix() -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let hook = root.path().join("prefix/bin/scfw-hook");
        fs::create_dir_all(hook.parent().unwrap()).unwrap();
        fs::write(&hook, "").unwrap();
        Gates::install(&hook).unwrap();
        Gates::install(&hook).unwrap();
        (root, hook)
    }

    #[test]
    fn installed_gates_are_found_and_move_with_their_prefix() {
        let (root, hook) = prefix();
        Gates::installed(&hook).unwrap();
        fs::rename(root.path().join("prefix"), root.path().join("moved")).unwrap();
        let moved = root.path().join("moved/bin/scfw-hook");
        let gates = Gates::installed(&moved).unwrap();
        assert!(gates.node.is_file() && gates.python.parent().is_some_and(Path::is_file));
        assert_eq!(gates.commands.join("npm").canonicalize().unwrap(), moved.canonicalize().unwrap());
    }

    #[test]
    fn installed_gates_that_are_not_what_is_built_in_are_not_used() {
        for file in ["python/gate.zip", "node/gate.cjs", "node/npm.cjs", "commands/npx"] {
            let (_root, hook) = prefix();
            let path = Gates::installed_directory(&hook).join(file);
            fs::remove_file(&path).unwrap();
            assert!(Gates::installed(&hook).is_err(), "{file} is missing");
            fs::write(&path, "changed").unwrap();
            assert!(Gates::installed(&hook).is_err(), "{file} is changed");
        }
    }

    #[test]
    fn installed_gates_that_others_can_write_are_not_used_and_stay_as_they_are() {
        for path in ["", "python", "node", "commands", "python/gate.zip", "node/verifier.cjs", ".."] {
            let (_root, hook) = prefix();
            let path = Gates::installed_directory(&hook).join(path);
            fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
            let said = Gates::installed(&hook).unwrap_err().to_string();
            assert!(said.contains("can be written by everybody"), "{}: {said}", path.display());
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o777);
        }
    }

    #[test]
    fn every_file_of_a_gate_is_built_in() {
        let gates = Path::new(env!("CARGO_MANIFEST_DIR")).join("gates");
        for (runtime, built_in) in [("python", &PYTHON[..]), ("node", &NODE[..])] {
            let files = fs::read_dir(gates.join(runtime)).unwrap().map(|entry| entry.unwrap().path());
            let is_source = |file: &PathBuf| {
                let extension = file.extension().unwrap_or_default();
                extension == "py" || extension == "cjs"
            };
            let files = files.filter(is_source);
            let mut files: Vec<String> =
                files.map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect();
            let mut names: Vec<&str> = built_in.iter().map(|(name, _)| *name).collect();
            files.sort();
            names.sort_unstable();
            assert_eq!(files, names);
        }
    }
}
