//! The shells in which the integrations are executed, and the options and settings under which users may run them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use super::{Finished, Sandbox};

/// A shell, the options it is started with, and what it runs first.
pub(crate) struct Case {
    pub(crate) shell: &'static str,
    pub(crate) options: &'static [&'static str],
    pub(crate) prelude: &'static str,
}

/// A case.
pub(crate) const fn case(
    shell: &'static str,
    options: &'static [&'static str],
    prelude: &'static str,
) -> Case {
    Case { shell, options, prelude }
}

/// What users start shells with.
pub(crate) const CASES: [Case; 21] = [
    case("bash", &[], ""),
    case("bash", &["-u", "-o", "pipefail"], ""),
    case("bash", &["-f"], ""),
    case("bash", &["--posix"], ""),
    case("bash", &["-o", "vi"], ""),
    case("bash", &["-C", "-a", "-T", "-E"], ""),
    case("bash", &["-O", "failglob"], "GLOBIGNORE=nothing IFS=p3"),
    case("bash", &["-O", "nullglob"], "shopt -s nocasematch nocaseglob dotglob; IFS="),
    case(
        "bash",
        &["-O", "expand_aliases"],
        "alias builtin=false local=false printf=false unset=false eval=false command=false case='case '",
    ),
    case("bash", &[], "local() { false; }; set() { false; }; unalias() { false; }; printf() { false; }"),
    case("zsh", &[], ""),
    case("zsh", &["-u", "-o", "pipefail"], ""),
    case("zsh", &[], "emulate sh"),
    case("zsh", &[], "emulate ksh"),
    case("zsh", &[], "emulate csh"),
    case("zsh", &["-o", "noglob"], "bindkey -v"),
    case("zsh", &["-o", "allexport"], "setopt ksh_arrays sh_word_split glob_subst; IFS=p3"),
    case(
        "zsh",
        &[],
        "setopt ignore_braces ignore_close_braces no_short_loops rc_quotes; alias -g G='| grep'",
    ),
    case(
        "zsh",
        &[],
        "alias builtin=false local=false printf=false unset=false eval=false command=false emulate=false",
    ),
    case("zsh", &[], "local() { false; }; set() { false; }; unalias() { false; }; printf() { false; }"),
    case(
        "fish",
        &[],
        "function printf; false; end; function contains; false; end; function functions; false; end",
    ),
];

impl Case {
    /// A command that runs `script` in this shell; `$INIT` is the integration and `source` reads it.
    pub(crate) fn command(&self, sandbox: &Sandbox, script: &str, arguments: &[&OsStr]) -> Command {
        let isolated: &[&str] = match self.shell {
            "bash" => &["--norc", "--noprofile"],
            "zsh" => &["-d", "-f"],
            _ => &["--no-config"],
        };
        let script = format!("{}\n{script}", self.prelude);
        let mut all: Vec<&OsStr> = isolated.iter().chain(self.options).map(OsStr::new).collect();
        all.extend([OsStr::new("-c"), OsStr::new(&script)]);
        if self.shell != "fish" {
            all.push(OsStr::new(self.shell));
        }
        all.extend(arguments);
        let mut command = sandbox.command(self.shell, &all);
        command.env("INIT", init_script(sandbox, self.shell));
        command
    }

    /// Runs `script` in this shell to its end.
    pub(crate) fn run(&self, sandbox: &Sandbox, script: &str) -> Finished {
        sandbox.finish(self.command(sandbox, script, &[]))
    }

    /// What to call this case in a report.
    pub(crate) fn name(&self) -> String {
        format!("{} {:?} {:?}", self.shell, self.options, self.prelude)
    }
}

/// How names are routed in a shell, as `scfw status` calls it.
pub(crate) fn route(shell: &str) -> &'static str {
    if shell == "fish" { "shim" } else { "function" }
}

/// Each shell with nothing of the user's.
pub(crate) fn plain() -> [Case; 3] {
    ["bash", "zsh", "fish"].map(|shell| case(shell, &[], ""))
}

/// What `scfw init` prints, in a file.
pub(crate) fn init_script(sandbox: &Sandbox, shell: &str) -> PathBuf {
    let path = sandbox.path(format!("init.{shell}"));
    if !path.exists() {
        fs::write(&path, sandbox.scfw(&["init", shell]).ended_with(0).stdout).unwrap();
    }
    path
}

/// A stand-in for a program, first on `PATH`, that shows its arguments.
pub(crate) fn stand_in(sandbox: &mut Sandbox, name: &str) -> PathBuf {
    let path = sandbox.write(
        format!("stand-ins/{name}"),
        format!("#!/bin/sh\nprintf '%s\\0' {name} \"$@\" > argv\nexit ${{STATUS:-0}}\n"),
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let directory = path.parent().unwrap().to_owned();
    let mut directories: Vec<PathBuf> = std::env::split_paths(&sandbox.variable("PATH")).collect();
    if directories[0] != directory {
        directories.insert(0, directory);
        sandbox.set("PATH", std::env::join_paths(directories).unwrap());
    }
    path
}
