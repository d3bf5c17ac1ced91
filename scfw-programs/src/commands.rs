//! The words by which a command line is told to install nothing, at once and for certain: what stands first.

use crate::Words;
use crate::names::{Name, Runs};
use crate::path::named;
use crate::python::{self, Start};

/// Which commands of a manager install nothing, by the word that stands first. A manager takes it for its command, whatever
/// stands behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harmless {
    /// All but these.
    AllBut(&'static [&'static str]),
    /// These and no others.
    Only(&'static [&'static str]),
}

/// Commands of pip's that install packages or build them to learn what they need.
pub const PIP_INSTALLING: &[&str] = &["install", "download", "wheel", "lock"];

/// Commands and aliases of npm 7 to 12 that can neither install nor fetch and prepare a repository.
pub const NPM_HARMLESS: &[&str] = &[
    "access", "add-user", "adduser", "bin", "c", "completion", "config", "deny-scripts", "deprecate",
    "dist-tag", "dist-tags", "doctor", "explain", "explore", "find", "get", "help", "help-search", "hlep",
    "hook", "la", "list", "ll", "login", "logout", "ls", "ogr", "org", "ping", "pkg", "prefix", "profile",
    "restart", "root", "rum", "run", "run-script", "s", "sbom", "se", "search", "set", "set-script",
    "shrinkwrap", "star", "stars", "start", "stop", "t", "team", "test", "token", "trust", "tst",
    "undeprecate", "unpublish", "unstar", "urn", "whoami", "why",
];

/// Whether the program of `name`, whose own words begin at `start`, certainly installs nothing. Where that takes more than
/// a look at the first word, the answer is no.
#[must_use]
pub fn certainly_installs_nothing<W: Words>(name: &Name, words: &W, start: usize) -> bool {
    match name.runs {
        Runs::Manager(_) => asks_only(name, words, start),
        Runs::Python => match python::call(words, start) {
            None => true,
            Some(call) if call.start == Start::Runner => false,
            Some(call) => named(call.manager.name().as_bytes())
                .is_some_and(|name| asks_only(name, words, call.arguments)),
        },
        Runs::Node => false,
    }
}

fn asks_only<W: Words>(name: &Name, words: &W, start: usize) -> bool {
    if prints_only(name.acts_alone, words, start) {
        return true;
    }
    let Some(first) = words.get(start) else { return false };
    let is_in = |commands: &[&str]| commands.iter().any(|command| command.as_bytes() == first);
    // What begins like an option may take the next word with it, and an empty word is no command.
    !matches!(first, [] | [b'-', ..])
        && match name.harmless {
            Harmless::AllBut(commands) => !is_in(commands),
            Harmless::Only(commands) => is_in(commands),
        }
}

/// Whether the words from `index` on ask for nothing but a version or help. A program that acts without a word does so
/// too with `-V`, which it may not know.
pub(crate) fn prints_only<W: Words>(acts_alone: bool, words: &W, index: usize) -> bool {
    match words.get(index) {
        None => !acts_alone,
        Some(b"-V") if acts_alone => false,
        Some(b"--version" | b"-V" | b"--help" | b"-h") => words.get(index + 1).is_none(),
        Some(_) => false,
    }
}
