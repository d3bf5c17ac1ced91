//! The tables. A new manager is a variant of [`ManagerId`], its names in [`NAMES`], and a line in the table of modules
//! or scripts by which its interpreter finds it.

use crate::commands::{Harmless, NPM_HARMLESS, PIP_INSTALLING};

/// A manager that scfw holds. Its name stands in `config.toml`, records, the ledger and the gates' documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ManagerId {
    /// pip, by whichever name or interpreter it is called.
    Pip,
    /// npm and npx.
    Npm,
}

impl ManagerId {
    /// Every manager there is.
    pub const ALL: [Self; 2] = [Self::Pip, Self::Npm];

    /// The name that settings, records and messages use: `pip`, `npm`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pip => "pip",
            Self::Npm => "npm",
        }
    }

    /// The manager of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|manager| manager.name() == name)
    }
}

/// A name under which a program is called.
#[derive(Debug, PartialEq, Eq)]
pub struct Name {
    /// The name without a version.
    pub stem: &'static str,
    /// What may follow it.
    pub suffix: Suffix,
    /// What the program is.
    pub runs: Runs,
    /// Where people and scripts may type it.
    pub presence: Presence,
    /// Whether the program does its work when it is called without a word, and so also with an option that it does not
    /// know.
    pub acts_alone: bool,
    /// Which of its commands install nothing; what an interpreter runs is told otherwise.
    pub harmless: Harmless,
}

/// What may follow the stem of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suffix {
    /// Nothing.
    None,
    /// Nothing, or a version as interpreters carry it: `3`, `3.12`, `3.13t`.
    Version,
}

/// What a program is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// A manager.
    Manager(ManagerId),
    /// A Python, which may run a manager as a module or a script.
    Python,
    /// A Node, which may run a manager as a script.
    Node,
}

/// Which shells know a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Every shell has a function for it, and for it with a `3` where it may carry a version, whether or not the program
    /// is there: it may come onto `PATH` later.
    Always,
    /// It gets a function where the program is on `PATH`.
    WhereFound,
    /// Only the preload library follows it.
    Untyped,
}

/// Every name that is looked at.
pub const NAMES: &[Name] = &[
    Name {
        stem: "pip",
        suffix: Suffix::Version,
        runs: Runs::Manager(ManagerId::Pip),
        presence: Presence::Always,
        acts_alone: false,
        harmless: Harmless::AllBut(PIP_INSTALLING),
    },
    Name {
        stem: "python",
        suffix: Suffix::Version,
        runs: Runs::Python,
        presence: Presence::Always,
        acts_alone: false,
        harmless: Harmless::Only(&[]),
    },
    Name {
        stem: "pypy",
        suffix: Suffix::Version,
        runs: Runs::Python,
        presence: Presence::WhereFound,
        acts_alone: false,
        harmless: Harmless::Only(&[]),
    },
    Name {
        stem: "npm",
        suffix: Suffix::None,
        runs: Runs::Manager(ManagerId::Npm),
        presence: Presence::Always,
        acts_alone: false,
        harmless: Harmless::Only(NPM_HARMLESS),
    },
    // It starts a shell, with the packages that its configuration names.
    Name {
        stem: "npx",
        suffix: Suffix::None,
        runs: Runs::Manager(ManagerId::Npm),
        presence: Presence::Always,
        acts_alone: true,
        harmless: Harmless::Only(&[]),
    },
    Name {
        stem: "node",
        suffix: Suffix::None,
        runs: Runs::Node,
        presence: Presence::Untyped,
        acts_alone: false,
        harmless: Harmless::Only(&[]),
    },
    Name {
        stem: "nodejs",
        suffix: Suffix::None,
        runs: Runs::Node,
        presence: Presence::Untyped,
        acts_alone: false,
        harmless: Harmless::Only(&[]),
    },
];

/// Python modules that are managers, for `python -m MODULE`. A submodule counts as its package, and so does a folder or
/// an archive of that name.
pub const PYTHON_MODULES: &[(&str, ManagerId)] = &[("pip", ManagerId::Pip)];

/// Scripts by which Python runs a manager and that are called otherwise.
pub const PYTHON_SCRIPTS: &[(&str, ManagerId)] = &[("__pip-runner__.py", ManagerId::Pip)];

/// Scripts by which Node runs a program of [`NAMES`], without their suffix, and the program's name.
pub const NODE_SCRIPTS: &[(&str, &str)] = &[("npm-cli", "npm"), ("npx-cli", "npx")];

/// Folders whose `index.js` is a program of [`NAMES`]. Node runs it when it is given the folder.
pub const NODE_FOLDERS: &[&str] = &["npm"];

/// Programs that install packages of PyPI or npm and that scfw does not hold.
pub const UNCOVERED: &[&str] = &[
    "bun", "bunx", "cnpm", "conda", "deno", "mamba", "micromamba", "pdm", "pipenv", "pipx", "pixi", "pnpm",
    "pnpx", "poetry", "uv", "uvx", "vlt", "yarn", "yarnpkg",
];

/// The program of [`UNCOVERED`] that `name` is.
#[must_use]
pub fn uncovered(name: &str) -> Option<&'static str> {
    UNCOVERED.iter().find(|known| **known == name).copied()
}
