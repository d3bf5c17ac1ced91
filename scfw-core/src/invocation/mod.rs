//! What a command line means, from its arguments alone. The question is always the same: can this install or
//! build packages? Where the answer is in doubt, it can.

mod npm;
mod pip;
mod python;

use std::borrow::Cow;
use std::path::Path;

use serde::Deserialize;

use crate::package::Ecosystem;
use crate::screen::{NpmRequest, PipRequest};

/// A program that installs packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Manager {
    /// pip, by whichever name or interpreter it is called.
    Pip,
    /// npm and npx.
    Npm,
}

impl Manager {
    /// Every manager there is.
    pub const ALL: [Self; 2] = [Self::Pip, Self::Npm];

    /// The name that logs and messages use: `pip`, `npm`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pip => "pip",
            Self::Npm => "npm",
        }
    }

    /// The ecosystem that it installs from.
    #[must_use]
    pub const fn ecosystem(self) -> Ecosystem {
        match self {
            Self::Pip => Ecosystem::PyPi,
            Self::Npm => Ecosystem::Npm,
        }
    }
}

/// A program whose calls are looked at, by the name that it is called under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `pip`, `pip3`, `pip3.12`, `pip.pyz`.
    Pip,
    /// `python`, `python3`, `python3.12`, `pypy3`: counts only where it runs pip.
    Python,
    /// `npm`.
    Npm,
    /// `npx`.
    Npx,
}

impl Program {
    /// The manager that it is or runs.
    #[must_use]
    pub const fn manager(self) -> Manager {
        match self {
            Self::Pip | Self::Python => Manager::Pip,
            Self::Npm | Self::Npx => Manager::Npm,
        }
    }

    /// The program behind a path: by its file name, or npm where that is what npm's folder stands for (`npm/index.js`).
    /// node finds its scripts without their `.js` as well.
    #[must_use]
    pub fn from_path(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let is_in_npm = || path.parent().and_then(Path::file_name).is_some_and(|folder| folder == "npm");
        if matches!(name, "index.js" | "index") && is_in_npm() {
            return Some(Self::Npm);
        }
        Self::from_name(name)
    }

    /// The program behind a file name, without a directory.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "npm" | "npm-cli.js" | "npm-cli" => Some(Self::Npm),
            "npx" | "npx-cli.js" | "npx-cli" => Some(Self::Npx),
            _ => {
                let versioned = |stem: &str| name.strip_prefix(stem).is_some_and(is_version_suffix);
                if versioned("pip") || is_pip_archive(name) {
                    Some(Self::Pip)
                } else if versioned("python") || versioned("pypy") {
                    Some(Self::Python)
                } else {
                    None
                }
            }
        }
    }
}

/// Whether a file of that name is pip in one archive: `pip.pyz`, `pip-26.3.pyz`. `pipx.pyz` is another program.
fn is_pip_archive(name: &str) -> bool {
    let rest = name.strip_prefix("pip").and_then(|rest| rest.strip_suffix(".pyz"));
    rest.is_some_and(|rest| !rest.starts_with(|first: char| first.is_ascii_alphabetic()))
}

/// Whether `suffix` is nothing or a version as interpreters carry it: `3`, `3.12`, `3.13t`.
fn is_version_suffix(suffix: &str) -> bool {
    let digits = suffix.strip_suffix('t').unwrap_or(suffix);
    (suffix.is_empty() || digits.starts_with(|first: char| first.is_ascii_digit()))
        && digits.split('.').all(|part| part.chars().all(|character| character.is_ascii_digit()))
        && !digits.ends_with('.')
}

/// What a command line means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// It installs nothing: the real program takes over at once.
    Passthrough,
    /// It can install or build packages.
    Install(Box<Install>),
}

/// An invocation that can install or build packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// Which manager will run.
    pub manager: Manager,
    /// What the command line already names.
    pub screen: Screen,
    /// Where pip is run as a module by an interpreter that was told to ignore its environment: how.
    pub module: Option<PythonModule>,
    /// Why the command line cannot be made safe, where it cannot.
    pub refusal: Option<Refusal>,
}

/// What the screen can read before anything is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Screen {
    /// Requirements of pip.
    Pip(PipRequest),
    /// Package specs, or the project, of npm.
    Npm(NpmRequest),
    /// Nothing is certain enough to be looked at beforehand.
    Nothing,
}

/// `python … -m pip` under an interpreter that reads neither `PYTHONPATH` nor site directories of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PythonModule {
    /// Index of the argument in which `-m` stands, alone or at the end of a cluster such as `-Im`.
    pub option: usize,
    /// Index of the first argument that belongs to pip.
    pub arguments: usize,
}

/// A way around the gate that nothing but a refusal closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// npm is told that it is no dry run, which counts where scfw was asked for one.
    NpmNoDryRun,
    /// npm is told of workspaces in a way that overrules the switch that keeps it harmless without its gate.
    NpmWorkspaces,
    /// An interpreter that ignores its environment runs pip's script, which leaves no place for the gate.
    IsolatedScript,
}

impl Refusal {
    /// What is wrong and how to go on, as a sentence without a full stop.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::NpmNoDryRun => "--no-dry-run would make an installation of this dry run; leave it out",
            Self::NpmWorkspaces => {
                "--workspaces together with --workspace, with --include-workspace-root or with what is to be fetched \
                 would switch off what keeps npm harmless without scfw's gate; name the workspaces one by one, each \
                 with --workspace"
            }
            Self::IsolatedScript => {
                "with -I, -E or -S this interpreter keeps scfw's gate out of pip's script; \
                 name pip by \"-m pip\" instead"
            }
        }
    }
}

/// What calling `program` with `arguments` (without `argv[0]`) means.
#[must_use]
pub fn classify(program: Program, arguments: &[Cow<'_, str>]) -> Invocation {
    match program {
        Program::Pip => pip::classify(arguments),
        Program::Python => python::classify(arguments),
        Program::Npm => npm::classify(arguments),
        Program::Npx => npm::classify_npx(arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_known_by_their_file_names() {
        for name in ["pip", "pip3", "pip3.11", "pip2.7", "pip.pyz", "pip-26.3.pyz", "pip3.pyz"] {
            assert_eq!(Program::from_name(name), Some(Program::Pip), "{name}");
        }
        for name in ["python", "python3", "python3.12", "python3.13t", "pypy3", "python2"] {
            assert_eq!(Program::from_name(name), Some(Program::Python), "{name}");
        }
        for name in [
            "pipx", "pip-compile", "pip3.", "pip.3", "pipt", "python-config", "python3-config", "npmx", "",
            "pypi", "pipx.pyz", "pip-26.3.py", "pip-26.3", "xpip.pyz", ".pyz",
        ] {
            assert_eq!(Program::from_name(name), None, "{name}");
        }
        for name in ["npx", "npx-cli", "npx-cli.js"] {
            assert_eq!(Program::from_name(name), Some(Program::Npx), "{name}");
        }
        for path in ["npm", "lib/npm/bin/npm-cli", "lib/npm/index.js", "npm/index", "lib/npm/"] {
            assert_eq!(Program::from_path(Path::new(path)), Some(Program::Npm), "{path}");
        }
        for path in ["index.js", "lib/index.js", "npm/lib/index.js", "npm/cli.js", "/", ""] {
            assert_eq!(Program::from_path(Path::new(path)), None, "{path}");
        }
    }
}
