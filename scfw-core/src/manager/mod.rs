//! The managers: one folder each, and the table of all. The manager says from the arguments alone what a command line
//! means, and the question is always the same: can this install or build packages? If the answer is in doubt, it can.
//!
//! A new manager is a folder here with a line in [`ALL`], its names in `scfw-programs`, a reader in `lockfile/` if it
//! has a lockfile, and its points in `scfw-hook/gates/`.

mod npm;
mod pip;
mod python;
mod request;
mod switch;

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::Path;

pub use scfw_programs::{ManagerId, Name, Runs};
use scfw_programs::{Words, certainly_installs_nothing, node_script, program};
use serde::de::{Deserialize, Deserializer, Error};

use crate::lockfile::Format;
use crate::package::{Ecosystem, Package};
pub use request::{NodeRequest, PythonRequest};
pub use switch::{Switch, switches};

/// A program that installs packages.
pub trait Manager: Sync {
    /// Its identity.
    fn id(&self) -> ManagerId;

    /// The ecosystem that it installs from.
    fn ecosystem(&self) -> Ecosystem;

    /// The meaning of calling it by `name`, a stem of the table of names, with `arguments` (without `argv[0]`).
    fn classify(&self, name: &str, arguments: &[Cow<'_, str>]) -> Invocation;

    /// The way in which it is kept between "resolved" and "installed".
    fn hold(&self) -> Hold;

    /// The formats of its lockfiles.
    fn lockfiles(&self) -> &'static [&'static Format] {
        &[]
    }

    /// A typical install with it, for help texts.
    fn example(&self) -> &'static str;

    /// The command that installs that version of `package`, as its user types it.
    fn install_command(&self, package: &Package, version: &str) -> String;

    /// The command that shows whether the package of that name is installed, as its user types it.
    fn show_command(&self, name: &str) -> String;

    /// The way to read what it has installed; none if there is none.
    fn audit(&self) -> Option<Audit>;

    /// The way in which the self-test installs with it.
    fn self_test(&self) -> SelfTest;
}

/// Every manager.
pub static ALL: [&dyn Manager; ManagerId::ALL.len()] = [&pip::Pip, &npm::Npm];

/// The manager of that identity.
#[must_use]
pub fn manager(id: ManagerId) -> &'static dyn Manager {
    // A test sees that the table is in the order of the identities.
    ALL[id as usize]
}

/// The manager whose commands are named to people about a package of `ecosystem`: the one that runs, or if none does
/// that installs from there, the first of the table that does.
#[must_use]
pub fn adviser(running: Option<ManagerId>, ecosystem: Ecosystem) -> &'static dyn Manager {
    let mut candidates = running.map(manager).into_iter().chain(ALL);
    candidates.find(|manager| manager.ecosystem() == ecosystem).unwrap_or(ALL[0])
}

/// The hold on a manager: a script in its own language, loaded through the environment.
#[derive(Debug, Clone, Copy)]
pub struct Hold {
    /// The runtime of the manager.
    pub runtime: Runtime,
    /// The switches that make it refuse to work if its gate does not attach.
    pub switches: &'static [Switch],
}

/// The language that a manager runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// Python, which can also run it as the module of its name.
    Python,
    /// Node.
    Node,
}

/// The way to read what is installed.
#[derive(Debug, Clone, Copy)]
pub struct Audit {
    /// The programs whose packages are meant, the first that is there.
    pub programs: &'static [&'static str],
    /// The layout of the packages.
    pub layout: Layout,
    /// The words with which the program tells the place of global packages; none if there is no such place apart.
    pub global: Option<&'static [&'static str]>,
    /// The subject of the audit, for the help.
    pub about: &'static str,
}

/// The layout of installed packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Packages lie in the site directories of an interpreter.
    SitePackages,
    /// Packages lie in the `node_modules` of a project.
    NodeModules,
}

/// The way in which the self-test installs a package, whose name it appends.
#[derive(Debug, Clone, Copy)]
pub struct SelfTest {
    /// The words before the package's name.
    pub install: &'static [&'static str],
    /// The file that shows that the clean package was installed, below the folder of the test.
    pub installed: &'static str,
    /// The beginnings, in lower case, of the names of variables by which its user sets it up.
    pub variables: &'static [&'static str],
    /// The variables that have it install from the test's servers, and from nothing of the user's.
    pub settings: fn(&Servers<'_>) -> Vec<(&'static str, OsString)>,
}

/// The servers of the self-test's packages.
#[derive(Debug, Clone, Copy)]
pub struct Servers<'a> {
    /// The address of an index of PyPI's kind (PEP 503, 691).
    pub index: &'a str,
    /// The address of a registry of npm's kind.
    pub registry: &'a str,
    /// A folder for the manager's own files.
    pub place: &'a Path,
}

/// The meaning of a command line.
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
    /// The manager that will run.
    pub manager: ManagerId,
    /// The packages that the command line already names.
    pub request: Request,
    /// The way in which the program is to be started.
    pub launch: Launch,
    /// The reason why the command line cannot be made safe, if it cannot.
    pub refusal: Option<Refusal>,
    /// The reason why it would be no dry run, if scfw is asked for one.
    pub dry_run_refusal: Option<Refusal>,
}

impl Install {
    /// An install by `manager` of `request`, with nothing in its way.
    #[must_use]
    pub const fn new(manager: ManagerId, request: Request) -> Self {
        Self { manager, request, launch: Launch::AsTyped, refusal: None, dry_run_refusal: None }
    }
}

impl From<Install> for Invocation {
    fn from(install: Install) -> Self {
        Self::Install(Box::new(install))
    }
}

/// The packages that the screen can read before anything is started, by the language of the packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Python requirements.
    Python(PythonRequest),
    /// Package specs of npm's kind, or the project.
    Node(NodeRequest),
    /// No package is certain enough to be looked at beforehand.
    Unknown,
}

/// The way in which the program of an install is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launch {
    /// The words are those that were typed.
    AsTyped,
    /// `python … -m MODULE`, under an interpreter that reads neither `PYTHONPATH` nor site directories of ours: the gate
    /// is loaded by hand, in place of `-m MODULE`.
    Bootstrapped {
        /// Index of the word in which `-m` stands, alone or at the end of a cluster such as `-Im`.
        option: usize,
        /// Index of the first word that belongs to the manager.
        arguments: usize,
    },
}

/// A way around the gate that nothing but a refusal closes: the problem and the way to go on, as a sentence without a
/// full stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal(pub &'static str);

/// The meaning of calling the program of `name` with `arguments` (without `argv[0]`).
#[must_use]
pub fn classify(name: &Name, arguments: &[Cow<'_, str>]) -> Invocation {
    if certainly_installs_nothing(name, &Arguments(arguments), 0) {
        return Invocation::Passthrough;
    }
    match name.runs {
        Runs::Manager(id) => manager(id).classify(name.stem, arguments),
        Runs::Python => python::classify(arguments),
        Runs::Node => {
            let script = node_script(&Arguments(arguments), 0);
            let called = script.and_then(|index| Some((index, program(arguments.get(index)?.as_bytes())?)));
            match called {
                Some((index, name)) => classify(name, arguments.get(index + 1..).unwrap_or_default()),
                None => Invocation::Passthrough,
            }
        }
    }
}

/// Arguments as the words of a command line.
struct Arguments<'a>(&'a [Cow<'a, str>]);

impl Words for Arguments<'_> {
    fn get(&self, index: usize) -> Option<&[u8]> {
        self.0.get(index).map(|argument| argument.as_bytes())
    }
}

/// The names of all managers.
const NAMES: [&str; ManagerId::ALL.len()] = {
    let mut names = [""; ManagerId::ALL.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = ManagerId::ALL[index].name();
        index += 1;
    }
    names
};

/// Reads a list of managers' names, for `#[serde(deserialize_with)]`.
pub fn deserialize_names<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<ManagerId>>, D::Error> {
    let Some(names) = Option::<Vec<String>>::deserialize(deserializer)? else { return Ok(None) };
    let id_of =
        |name: String| ManagerId::from_name(&name).ok_or_else(|| Error::unknown_variant(&name, &NAMES));
    names.into_iter().map(id_of).collect::<Result<_, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_identities() {
        for id in ManagerId::ALL {
            assert_eq!(manager(id).id(), id);
        }
        for ecosystem in Ecosystem::ALL {
            for running in ManagerId::ALL.into_iter().map(Some).chain([None]) {
                let adviser = adviser(running, ecosystem);
                assert_eq!(adviser.ecosystem(), ecosystem);
                let is_running_one = running.is_some_and(|id| manager(id).ecosystem() == ecosystem);
                assert_eq!(is_running_one, is_running_one && Some(adviser.id()) == running);
            }
        }
    }

    #[test]
    fn what_node_runs_is_known_by_its_script() {
        let name = scfw_programs::named(b"node").unwrap();
        let classified = |line: &str| {
            let words: Vec<_> = line.split_whitespace().map(Cow::from).collect();
            classify(name, &words)
        };
        for line in ["npm/bin/npm-cli.js install x", "--title t /usr/bin/npx x", "npm/. ci"] {
            assert!(matches!(classified(line), Invocation::Install(_)), "{line}");
        }
        for line in ["", "server.js npm install x", "npm-cli.js list", "--version"] {
            assert_eq!(classified(line), Invocation::Passthrough, "{line}");
        }
    }
}
