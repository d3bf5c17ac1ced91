//! Processes that tests make.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsString};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use scfw_core::store::{Run, RunQuery, Store};
use tempfile::TempDir;

use crate::process::Process;

/// The input of a process from a test, and its result.
#[derive(Debug, Default)]
pub struct Made {
    /// The arguments, from the program's name on.
    pub arguments: Vec<OsString>,
    variables: Mutex<BTreeMap<OsString, OsString>>,
    /// The working directory.
    pub directory: PathBuf,
    /// The file of the program.
    pub own_file: PathBuf,
    /// The standard input.
    pub input: Vec<u8>,
    became: Mutex<Option<Became>>,
    started: Mutex<Vec<PathBuf>>,
}

/// The program that has taken the place of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Became {
    /// Its file.
    pub path: PathBuf,
    /// Its arguments, from its name on.
    pub arguments: Vec<String>,
    /// The environment; none if it is that of the process.
    pub environment: Option<BTreeMap<String, String>>,
}

impl Made {
    /// The environment.
    pub(crate) fn variables(&self) -> MutexGuard<'_, BTreeMap<OsString, OsString>> {
        self.variables.lock().unwrap()
    }

    /// The program that has taken the place of this process.
    pub(crate) fn became(&self) -> Option<Became> {
        self.became.lock().unwrap().clone()
    }

    /// The programs that were started beside it.
    pub(crate) fn started(&self) -> Vec<PathBuf> {
        self.started.lock().unwrap().clone()
    }

    /// Notes that a program takes the place of this process.
    pub(crate) fn become_program(&self, path: &Path, arguments: &[&CStr], environment: Option<&[CString]>) {
        let text = |words: &CStr| words.to_str().unwrap().to_owned();
        let variable = |variable: &CString| {
            let variable = text(variable);
            let (name, value) = variable.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        };
        *self.became.lock().unwrap() = Some(Became {
            path: path.to_owned(),
            arguments: arguments.iter().map(|argument| text(argument)).collect(),
            environment: environment.map(|variables| variables.iter().map(variable).collect()),
        });
    }

    /// Notes that a program is started beside it.
    pub(crate) fn start(&self, program: &Path) {
        self.started.lock().unwrap().push(program.to_owned());
    }
}

/// A machine for made processes: programs, a home of scfw and a project, in a folder that goes with it.
#[derive(Debug)]
pub(crate) struct Machine {
    root: TempDir,
}

impl Machine {
    /// A machine on which scfw is installed, and nothing else.
    pub(crate) fn new() -> Self {
        let machine = Self { root: tempfile::tempdir().unwrap() };
        for directory in ["bin", "own/bin", "project", "scfw/lists"] {
            scfw_core::files::create_private(&machine.root.path().join(directory)).unwrap();
        }
        machine.program("own/bin/scfw-hook");
        machine
    }

    /// Makes the program `path`, and gives its file.
    pub(crate) fn program(&self, path: &str) -> PathBuf {
        let path = self.write(path, "#!/bin/sh\n");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Writes the file `path`.
    pub(crate) fn write(&self, path: &str, content: &str) -> PathBuf {
        let path = self.root.path().join(path);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// Makes `name` known as malware in every ecosystem.
    pub(crate) fn malware(&self, name: &str) {
        let packages = ["PyPI", "npm"].map(|ecosystem| format!("{{ecosystem: {ecosystem}, name: {name}}}"));
        let list = format!(
            "findings:\n  - severity: CRITICAL\n    finding: malware\n    packages: [{}]\n",
            packages.join(", ")
        );
        self.write("scfw/lists/malware.yaml", &list);
    }

    /// The home of scfw.
    pub(crate) fn home(&self) -> PathBuf {
        self.root.path().join("scfw")
    }

    /// The runs in the ledger, the latest first.
    pub(crate) fn runs(&self) -> Vec<Run> {
        let store = Store::open_existing(&Store::path_in(&self.home())).unwrap();
        store.map_or(Vec::new(), |store| store.runs(&RunQuery::default()).unwrap())
    }

    /// A process of scfw-hook with `variables` and `input`, and its traces to look at afterwards. There is no
    /// network, and a build server has nobody to ask: no test asks on the terminal of its user.
    pub(crate) fn process(&self, variables: &[(&str, &str)], input: &str) -> (Process, Arc<Made>) {
        let path = |below: &str| self.root.path().join(below).into_os_string();
        let own = [
            ("CI", "true".into()),
            ("HOME", path("")),
            ("PATH", path("bin")),
            ("SCFW_HOME", path("scfw")),
            ("SCFW_OFFLINE", "true".into()),
        ];
        let given = variables.iter().map(|(name, value)| (*name, OsString::from(value)));
        let all = own.into_iter().chain(given).map(|(name, value)| (OsString::from(name), value));
        let made = Arc::new(Made {
            arguments: vec!["scfw-hook".into()],
            variables: Mutex::new(all.collect()),
            directory: self.root.path().join("project"),
            own_file: self.root.path().join("own/bin/scfw-hook"),
            input: input.into(),
            ..Made::default()
        });
        (Process::Made(Arc::clone(&made)), made)
    }
}
