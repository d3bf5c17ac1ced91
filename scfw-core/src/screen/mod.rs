//! The screen: the packages that a command is certain to install, collected before pip or npm is started, so that
//! one that is known to be malicious is blocked without its registry ever hearing of the request.
//!
//! The screen names only what is certain. A package that hangs on a marker, a platform, an omitted group or on the
//! resolution of a range is left out, because the gate inside the running manager sees the exact resolved set. A name
//! whose version is not known yet is a target without one. A file that could not be read comes back as a [`Skipped`],
//! never as a panic or as output: every file here may have been written by somebody hostile.

mod collector;
mod project;
mod requirements;

#[cfg(test)]
mod npm_tests;
#[cfg(test)]
mod pip_tests;
#[cfg(test)]
mod property_tests;

use std::path::{Path, PathBuf};

use crate::lockfile::Format;
use crate::manager::{NodeRequest, PythonRequest};
use crate::package::Target;
use crate::skipped::Skipped;
use collector::Collector;
use requirements::{Reader, Role};

/// The packages that a command was found to install.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Screened {
    /// The packages that are certain to be installed, each once, in the order in which they were named.
    pub targets: Vec<Target>,
    /// The files that could not be read; after ten of them, one that says how many more there are.
    pub skipped: Vec<Skipped>,
}

/// The packages that a pip command is certain to install: its positional requirements and those of its requirements
/// files, in pip's documented format. Relative files are taken from `directory`; `environment` looks up the `${NAME}`
/// references that requirements files may hold.
#[must_use]
pub fn python(
    request: &PythonRequest,
    directory: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Screened {
    let mut reader = Reader::new(environment);
    for requirement in &request.requirements {
        reader.argument(requirement);
    }
    // A lock file of PEP 751 is no list of requirements; pip tells it by its name.
    let is_lock = |file: &&String| {
        let path = Path::new(file.as_str());
        let is_named =
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("pylock."));
        is_named && path.extension().is_some_and(|extension| extension == "toml")
    };
    for file in request.requirement_files.iter().filter(|file| !is_lock(file)) {
        reader.file(directory, file, Role::Requirements);
    }
    for file in &request.constraint_files {
        reader.file(directory, file, Role::Constraints);
    }
    reader.finish()
}

/// The packages that an npm command run in `directory` is certain to install: its specs, or else the lockfile if it
/// is in step with package.json, or else the project's own production dependencies. `formats` are those of the manager's
/// lockfiles.
#[must_use]
pub fn node(request: &NodeRequest, formats: &[&Format], directory: &Path) -> Screened {
    let mut collector = Collector::default();
    project::screen(request, formats, directory, &mut collector);
    collector.finish()
}

/// [`node`] with the lockfiles of npm.
#[cfg(test)]
fn node_with_npms(request: &NodeRequest, directory: &Path) -> Screened {
    node(request, crate::manager::manager(crate::manager::ManagerId::Npm).lockfiles(), directory)
}

/// The project that npm works on in `directory`: the folder that holds its `node_modules`.
#[must_use]
pub fn node_root(directory: &Path) -> PathBuf {
    project::root(directory)
}
