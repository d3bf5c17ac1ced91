//! What the system gives to this process, finding programs, starting them, and becoming one.

pub mod answer;
pub mod detached;
pub mod exec;
pub mod locate;

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::PathBuf;

use scfw_core::config::{ConfigError, Directories, Settings};

/// What the system gives to a process: arguments, environment, working directory, its own file and standard input. What is
/// decided on them takes them from here and not from the system, so that it can be tested on a process that a test has
/// made.
#[derive(Debug, Clone)]
pub enum Process {
    /// This process.
    System,
}

impl Process {
    /// The arguments, from the program's name on.
    #[must_use]
    pub fn arguments(&self) -> Vec<OsString> {
        match self {
            Self::System => std::env::args_os().collect(),
        }
    }

    /// The value of a variable.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<OsString> {
        match self {
            Self::System => std::env::var_os(name),
        }
    }

    /// The value of a variable that is in UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.variable(name).and_then(|value| value.into_string().ok())
    }

    /// All variables with their values.
    #[must_use]
    pub fn variables(&self) -> Vec<(OsString, OsString)> {
        match self {
            Self::System => std::env::vars_os().collect(),
        }
    }

    /// Sets a variable. Only what has started no thread yet may call this, for another could read the environment.
    pub(crate) fn set_variable(&self, name: &str, value: &OsStr) {
        match self {
            #[expect(unsafe_code, reason = "no other thread is running that could read the environment")]
            Self::System => unsafe { std::env::set_var(name, value) },
        }
    }

    /// Removes a variable. Only what has started no thread yet may call this, for another could read the environment.
    pub(crate) fn remove_variable(&self, name: &str) {
        match self {
            #[expect(unsafe_code, reason = "no other thread is running that could read the environment")]
            Self::System => unsafe { std::env::remove_var(name) },
        }
    }

    /// The working directory.
    pub fn directory(&self) -> io::Result<PathBuf> {
        match self {
            Self::System => std::env::current_dir(),
        }
    }

    /// The file of this program.
    pub fn own_file(&self) -> io::Result<PathBuf> {
        match self {
            Self::System => std::env::current_exe(),
        }
    }

    /// Standard input.
    #[must_use]
    pub fn input(&self) -> Box<dyn Read + '_> {
        match self {
            Self::System => Box::new(io::stdin().lock()),
        }
    }

    /// The settings in effect.
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        Settings::load(&|name| self.variable(name))
    }

    /// The directories of scfw; nothing where there is no place for any.
    #[must_use]
    pub fn directories(&self) -> Option<Directories> {
        Directories::resolve(&|name| self.variable(name))
    }
}
