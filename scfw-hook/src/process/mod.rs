//! The values that the system gives to this process, and programs: how they are found, started and become this
//! process.
//! process.

pub mod answer;
pub mod detached;
pub mod exec;
pub mod locate;
#[cfg(test)]
pub mod made;

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::PathBuf;
#[cfg(test)]
use std::sync::Arc;

use scfw_core::config::{ConfigError, Directories, Settings};

/// The values that the system gives to a process: arguments, environment, working directory, its own file and
/// standard input. Decisions take them from here and not from the system, so that they can be tested on a process
/// that a test has made.
#[derive(Debug, Clone)]
pub enum Process {
    /// This process.
    System,
    /// A process that a test has made.
    #[cfg(test)]
    Made(Arc<made::Made>),
}

impl Process {
    /// The arguments, from the program's name on.
    #[must_use]
    pub fn arguments(&self) -> Vec<OsString> {
        match self {
            Self::System => std::env::args_os().collect(),
            #[cfg(test)]
            Self::Made(made) => made.arguments.clone(),
        }
    }

    /// The value of a variable.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<OsString> {
        match self {
            Self::System => std::env::var_os(name),
            #[cfg(test)]
            Self::Made(made) => made.variables().get(OsStr::new(name)).cloned(),
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
            #[cfg(test)]
            Self::Made(made) => made.variables().clone().into_iter().collect(),
        }
    }

    /// Sets a variable. Only a process that has started no thread yet may call this, because another thread could
    /// read the environment.
    pub(crate) fn set_variable(&self, name: &str, value: &OsStr) {
        match self {
            #[expect(unsafe_code, reason = "no other thread is running that could read the environment")]
            Self::System => unsafe { std::env::set_var(name, value) },
            #[cfg(test)]
            Self::Made(made) => drop(made.variables().insert(name.into(), value.to_owned())),
        }
    }

    /// Removes a variable. Only a process that has started no thread yet may call this, because another thread could
    /// read the environment.
    pub(crate) fn remove_variable(&self, name: &str) {
        match self {
            #[expect(unsafe_code, reason = "no other thread is running that could read the environment")]
            Self::System => unsafe { std::env::remove_var(name) },
            #[cfg(test)]
            Self::Made(made) => drop(made.variables().remove(OsStr::new(name))),
        }
    }

    /// The working directory.
    pub fn directory(&self) -> io::Result<PathBuf> {
        match self {
            Self::System => std::env::current_dir(),
            #[cfg(test)]
            Self::Made(made) => Ok(made.directory.clone()),
        }
    }

    /// The file of this program.
    pub fn own_file(&self) -> io::Result<PathBuf> {
        match self {
            Self::System => std::env::current_exe(),
            #[cfg(test)]
            Self::Made(made) => Ok(made.own_file.clone()),
        }
    }

    /// Standard input.
    #[must_use]
    pub fn input(&self) -> Box<dyn Read + '_> {
        match self {
            Self::System => Box::new(io::stdin().lock()),
            #[cfg(test)]
            Self::Made(made) => Box::new(&made.input[..]),
        }
    }

    /// The settings in effect.
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        Settings::load(&|name| self.variable(name))
    }

    /// The directories of scfw; none if there is no place for any.
    #[must_use]
    pub fn directories(&self) -> Option<Directories> {
        Directories::resolve(&|name| self.variable(name))
    }
}
