//! How a command ends: its report is written, or what is wrong is said.

use std::error::Error;
use std::io::{self, ErrorKind};

use scfw_core::config::ConfigError;
use scfw_core::policy::Verdict;

use crate::exit::Exit;
use crate::terminal::output::{self, describe};

/// The exit status of a command whose report is its answer. A report that could not be written must not pass for a
/// milder one; a reader that has seen enough and left is no failure.
pub(super) fn concluded(printed: io::Result<()>, verdict: Verdict) -> Exit {
    let exit = match verdict {
        Verdict::Allow => Exit::Success,
        Verdict::Block => Exit::Blocked,
        Verdict::Warn => Exit::Warnings,
    };
    match printed {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            output::say(&format!("the report could not be written ({error})"));
            if verdict == Verdict::Block { exit } else { Exit::Unverified }
        }
        _ => exit,
    }
}

/// Says what went wrong, with its causes, and returns `exit`.
pub(super) fn fail(error: &dyn Error, exit: Exit) -> Exit {
    output::say(&describe(error));
    exit
}

/// Says that there is no place for anything of scfw.
pub(super) fn no_home() -> Exit {
    fail(&ConfigError::NoHome, Exit::Configuration)
}

/// Says what is wrong with the command line.
pub(super) fn misuse(message: &str) -> Exit {
    output::say(message);
    Exit::Usage
}
