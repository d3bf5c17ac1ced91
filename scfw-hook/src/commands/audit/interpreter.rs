//! The Python interpreter behind a manager, and the places in which it finds packages.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use scfw_core::files::read_head;
use scfw_core::inventory::site_packages::Environment;
use scfw_programs::{Runs, Suffix, named, program};

use crate::process::Process;
use crate::process::answer::{AskError, ask};
use crate::process::locate::locate;

/// The question to the interpreter.
const QUESTION: &str = include_str!("environment.py");
/// The beginning of the answer.
const MARK: &[u8] = b"scfw-environment";
/// The number of bytes within which the lines of a script name its interpreter.
const SCRIPT_HEAD: u64 = 4096;

/// The reason why the place of packages is not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum InterpreterError {
    /// A script that is started by something else.
    #[error("{} is no Python and no program whose Python is known; name the Python with --executable", .0.display())]
    Unknown(PathBuf),
    /// The interpreter did not answer.
    #[error("{} could not be asked where its packages are", path.display())]
    Silent {
        /// The interpreter.
        path: PathBuf,
        /// Why.
        source: AskError,
    },
    /// The output is no answer.
    #[error("{} is no Python: it did not say where its packages are", .0.display())]
    Answer(PathBuf),
}

/// The environment of `executable`, which is a Python or a manager on one.
pub(super) fn environment(process: &Process, executable: &Path) -> Result<Environment, InterpreterError> {
    let path =
        interpreter(process, executable).ok_or_else(|| InterpreterError::Unknown(executable.to_owned()))?;
    let mut command = Command::new(&path);
    // Isolated, without the site module and without writing: nothing of the environment's own runs.
    command.args(["-I", "-S", "-B", "-c", QUESTION]);
    let answer = ask(command).map_err(|source| InterpreterError::Silent { path: path.clone(), source })?;
    parse(&answer).ok_or(InterpreterError::Answer(path))
}

fn parse(answer: &[u8]) -> Option<Environment> {
    let mut parts = answer.split(|byte| *byte == 0);
    if parts.next() != Some(MARK) {
        return None;
    }
    let path = |bytes: &[u8]| PathBuf::from(OsString::from_vec(bytes.to_vec()));
    let mut environment = Environment { prefix: path(parts.next()?), ..Environment::default() };
    for part in parts {
        match part.split_first()? {
            (b's', directory) => environment.site_directories.push(path(directory)),
            (b'o', directory) => environment.other_directories.push(path(directory)),
            _ => return None,
        }
    }
    Some(environment)
}

/// The interpreter that runs `executable`: itself, the one that its first lines name, or, for what a version manager
/// puts in its place, the Python beside it.
fn interpreter(process: &Process, executable: &Path) -> Option<PathBuf> {
    let name = executable.file_name()?.to_str()?;
    if is_python(OsStr::new(name)) {
        return Some(executable.to_owned());
    }
    let head = read_head(executable, SCRIPT_HEAD).ok()?;
    let Some(script) = head.strip_prefix(b"#!") else { return Some(executable.to_owned()) };
    named_by(process, script).or_else(|| beside(executable, name))
}

fn is_python(name: &OsStr) -> bool {
    named(name.as_bytes()).is_some_and(|name| name.runs == Runs::Python)
}

/// The Python that a script's first line names, or its second if the path is too long for the first.
fn named_by(process: &Process, script: &[u8]) -> Option<PathBuf> {
    let mut lines = script.split(|byte| *byte == b'\n');
    let mut words = lines.next()?.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let program = Path::new(OsStr::from_bytes(words.next()?));
    if program.file_name()? == "env" {
        let name =
            words.find(|word| !word.starts_with(b"-") && !word.contains(&b'=')).map(OsStr::from_bytes)?;
        return is_python(name).then(|| locate(process, name)).flatten().map(|located| located.path);
    }
    if is_python(program.file_name()?) {
        return Some(program.to_owned());
    }
    // '''exec' "/a/long/path/python" "$0" "$@"
    let rest = lines.next()?.strip_prefix(b"'''exec' ")?;
    let end = if rest.starts_with(b"\"") { b'"' } else { b' ' };
    let path = rest.strip_prefix(b"\"").unwrap_or(rest).split(|byte| *byte == end).next()?;
    let path = Path::new(OsStr::from_bytes(path));
    is_python(path.file_name()?).then(|| path.to_owned())
}

/// `python3.11` beside a manager's `…3.11`.
fn beside(executable: &Path, name: &str) -> Option<PathBuf> {
    let known = program(name.as_bytes()).filter(|known| known.suffix == Suffix::Version)?;
    let version = name.strip_prefix(known.stem)?;
    let candidates = [format!("python{version}"), "python3".to_owned()];
    let shown: usize = if version.is_empty() { 2 } else { 1 };
    candidates.iter().take(shown).map(|name| executable.with_file_name(name)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_pip_leads_to_its_python() {
        let folder = tempfile::tempdir().unwrap();
        let script = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            interpreter(&Process::System, &path)
        };
        assert_eq!(script("pip", "#!/opt/python3.11 -sP\nimport x"), Some(PathBuf::from("/opt/python3.11")));
        let long = "#!/bin/sh\n'''exec' \"/a b/python3\" \"$0\" \"$@\"\n' '''\n";
        assert_eq!(script("pip", long), Some(PathBuf::from("/a b/python3")));
        let plain = "#!/bin/sh\n'''exec' /a/python3 \"$0\" \"$@\"\n";
        assert_eq!(script("pip", plain), Some(PathBuf::from("/a/python3")));
        let shim = "#!/usr/bin/env bash\nexec pyenv";
        assert_eq!(script("pip3.11", shim), None);
        fs::write(folder.path().join("python3.11"), "").unwrap();
        assert_eq!(script("pip3.11", shim), Some(folder.path().join("python3.11")));
        assert_eq!(script("pip3.12", shim), None);
        assert_eq!(script("python3.9", shim), Some(folder.path().join("python3.9")));
        assert_eq!(script("other", shim), None);
    }

    #[test]
    fn only_a_marked_answer_is_one() {
        let answer = parse(b"scfw-environment\0/prefix\0s/site\0o/other").unwrap();
        assert_eq!(answer.prefix, Path::new("/prefix"));
        assert_eq!(answer.site_directories, [Path::new("/site")]);
        assert_eq!(answer.other_directories, [Path::new("/other")]);
        for answer in
            ["", "pip 26.3", "scfw-environment", "scfw-environment\0/prefix\0x", "scfw-environment\0/p\0"]
        {
            assert_eq!(parse(answer.as_bytes()), None, "{answer:?}");
        }
    }
}
