//! The kind of the file that was found for a manager's name, by one look at its beginning: a script that starts
//! Python out of the gate's reach, or another manager. Wrappers are let be, for version managers' are wrappers too; a
//! file is reported only if it is certain to be something else.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use scfw_core::files::read_head;
use scfw_core::manager::{ManagerId, Runs, Runtime, manager};
use scfw_programs::{named, uncovered};

/// The part of a file that is looked at, in bytes.
const HEAD: u64 = 4096;

/// The endings that the name of a script of Node's may have beside its command.
const SCRIPT_SUFFIXES: [&str; 3] = [".js", ".cjs", ".mjs"];
/// The beginning of the second line of a Python script whose interpreter has a path too long for the first.
const TRAMPOLINE: &str = "'''exec' ";
/// Interpreters of shell scripts.
const SHELLS: [&str; 6] = ["ash", "bash", "dash", "ksh", "sh", "zsh"];

/// The option in a manager's script that makes its interpreter ignore the environment. It stands in the `#!` line or,
/// if the interpreter's path is too long for that, in the line after it (`'''exec' /a/long/path/python -E "$0"
/// "$@"`).
#[must_use]
pub fn isolating_option(id: ManagerId, path: &Path) -> Option<String> {
    if manager(id).hold().runtime != Runtime::Python {
        return None;
    }
    let head = read_head(path, HEAD).ok()?;
    let mut lines = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n');
    let first = lines.next()?;
    let second = lines.next().and_then(|line| line.strip_prefix(TRAMPOLINE.as_bytes()));
    [Some(first), second].into_iter().flatten().find_map(isolating_option_in)
}

fn isolating_option_in(line: &[u8]) -> Option<String> {
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_whitespace().map(|word| word.trim_matches('"'));
    words.find(|word| is_python(Path::new(word)))?;
    words
        .take_while(|word| word.starts_with('-'))
        .find(|word| !word.starts_with("--") && word.contains(['E', 'I', 'S']))
        .map(str::to_owned)
}

/// Whether the file's name is Python's.
#[must_use]
pub fn is_python(path: &Path) -> bool {
    path.file_name().and_then(|name| named(name.as_bytes())).is_some_and(|name| name.runs == Runs::Python)
}

/// The other manager that the file at `path` is, although it was found for the name of a manager: by the name of the
/// file that a link leads to, or as the last command of a shell script.
#[must_use]
pub fn other_manager(id: ManagerId, path: &Path) -> Option<&'static str> {
    let real = path.canonicalize().ok()?;
    other(id, real.file_name()?).or_else(|| other(id, &last_command(path)?))
}

/// The manager, other than `id`, whose name a program's file has.
fn other(id: ManagerId, file: &OsStr) -> Option<&'static str> {
    let file = file.to_str()?;
    let name = SCRIPT_SUFFIXES.iter().find_map(|suffix| file.strip_suffix(suffix)).unwrap_or(file);
    let is_other = |runs| matches!(runs, Runs::Manager(other) if other != id);
    uncovered(name)
        .or_else(|| named(name.as_bytes()).filter(|name| is_other(name.runs)).map(|name| name.stem))
}

/// The program that a whole, short shell script runs last, unless the script has ended before. An indented command
/// depends on a condition and does not count.
fn last_command(path: &Path) -> Option<std::ffi::OsString> {
    let head = read_head(path, HEAD).ok()?;
    if head.len() as u64 == HEAD {
        return None;
    }
    let text = std::str::from_utf8(&head).ok()?;
    let mut lines = text.strip_prefix("#!")?.lines();
    let interpreter = lines.next()?.split_whitespace();
    let is_shell = |word: &str| {
        Path::new(word).file_name().is_some_and(|name| SHELLS.iter().any(|shell| name == *shell))
    };
    if !interpreter.take(2).any(is_shell) {
        return None;
    }
    let mut lines = lines.peekable();
    // The lines that follow are Python.
    if lines.peek().is_some_and(|line| line.starts_with(TRAMPOLINE)) {
        return None;
    }
    let last = lines.rfind(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))?;
    if last.starts_with(char::is_whitespace) {
        return None;
    }
    let is_before_program = |word: &&str| matches!(*word, "exec" | "command") || word.contains('=');
    let word = last.split_whitespace().find(|word| !is_before_program(word))?;
    let word = word.trim_matches(['"', '\'']);
    Path::new(OsStr::from_bytes(word.as_bytes())).file_name().map(OsStr::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn another_manager_is_told_by_its_file_or_by_the_script_that_runs_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            path
        };
        for (content, other) in [
            ("#!/bin/sh\nexec uv pip \"$@\"\n", Some("uv")),
            (
                "#!/usr/bin/env bash\nset -e\n# pip is uv here\nUV_QUIET=1 exec '/opt/bin/uv' pip \"$@\"\n\n",
                Some("uv"),
            ),
            ("#!/bin/sh\nuv pip \"$@\"\n", Some("uv")),
            ("#!/bin/sh\nif true; then\n  exec uv pip \"$@\"\nfi\nexec /usr/bin/pip \"$@\"\n", None),
            ("#!/bin/sh\nif true; then\n  exec uv pip \"$@\"\n", None),
            (
                "#!/usr/bin/env bash\nset -e\nexec \"/home/u/.pyenv/libexec/pyenv\" exec \"$program\" \"$@\"\n",
                None,
            ),
            ("#!/bin/sh\n'''exec' /a/python \"$0\" \"$@\"\n' '''\nimport sys\nuv = 1\n", None),
            ("#!/usr/bin/python3\nimport uv\nuv\n", None),
            ("\u{7f}ELF uv", None),
        ] {
            assert_eq!(other_manager(ManagerId::Pip, &file("pip", content)), other, "{content}");
        }
        for (target, other) in [
            ("pnpm", Some("pnpm")),
            ("pnpm.cjs", Some("pnpm")),
            ("yarn.js", Some("yarn")),
            ("bun", Some("bun")),
            ("npm-cli.js", None),
            ("volta-shim", None),
            ("mise", None),
            ("npm.js", None),
        ] {
            let link = folder.path().join("npm");
            drop(fs::remove_file(&link));
            symlink(file(target, ""), &link).unwrap();
            assert_eq!(other_manager(ManagerId::Npm, &link), other, "{target}");
        }
    }

    #[test]
    fn an_isolating_interpreter_is_told_in_both_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pip");
        for (content, option) in [
            ("#!/usr/bin/python3 -I\n", Some("-I")),
            ("#!/usr/bin/env -S python3 -sE\n", Some("-sE")),
            ("#!/usr/bin/python3 -s\n", None),
            ("#!/bin/sh\n'''exec' \"/a b/python3.11\" -sE \"$0\" \"$@\"\n", Some("-sE")),
            ("#!/bin/sh\n'''exec' \"/ab/python3.11\" -sE \"$0\" \"$@\"\n", Some("-sE")),
            ("#!/bin/sh\n'''exec' /ab/python3.11 \"$0\" -E \"$@\"\n", None),
        ] {
            fs::write(&path, content).unwrap();
            assert_eq!(isolating_option(ManagerId::Pip, &path).as_deref(), option, "{content}");
        }
    }
}
