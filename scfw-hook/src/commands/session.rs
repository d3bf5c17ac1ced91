//! `scfw enable` and `scfw disable`. On the session itself only the shell's own `scfw` function can act; what
//! arrives here without `--shell` comes from a shell that has none.

use std::path::Path;

use clap::Args;
use scfw_core::config::Policy;
use scfw_core::text::sanitise;

use super::configure;
use crate::exit::Exit;
use crate::process::Process;
use crate::process::locate::scfw_program;
use crate::shells::required_routes::{Removal, refuse_removal};
use crate::shells::shell::Shell;
use crate::terminal::output::{self, describe};

/// Options of `scfw enable` and `scfw disable`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// These shells for good, instead of this session
    #[arg(long, value_enum, value_delimiter = ',')]
    shell: Vec<Shell>,
    /// Tell whether the session of that shell, whose function asks, may be switched off
    #[arg(long, hide = true, conflicts_with = "shell")]
    session: Option<Shell>,
}

pub(super) fn enable(process: &Process, options: &Options) -> Exit {
    if options.shell.is_empty() {
        return not_loaded(process, "enable");
    }
    configure::enable(process, &options.shell)
}

pub(super) fn disable(process: &Process, options: &Options) -> Exit {
    if let Some(shell) = options.session {
        return may_disable(process, shell);
    }
    if options.shell.is_empty() {
        return not_loaded(process, "disable");
    }
    configure::disable(process, &options.shell)
}

/// Whether a session of `shell` may be switched off; its own function asks.
fn may_disable(process: &Process, shell: Shell) -> Exit {
    let refused = match Policy::installed() {
        Ok(policy) => refuse_removal(process, &policy, Removal { shells: &[shell], ..Removal::default() })
            .map_err(|error| error.to_string()),
        Err(error) => Err(describe(&error)),
    };
    match refused {
        Ok(()) => Exit::Success,
        Err(reason) => {
            output::say(&sanitise(&reason));
            Exit::Blocked
        }
    }
}

fn not_loaded(process: &Process, command: &str) -> Exit {
    let shell = user_shell(process);
    output::say(&format!(
        "this shell has not loaded scfw's integration, so there is nothing to {command} in it; load it with\n  {}\n\
         or use \"scfw {command} --shell {}\" to change what new shells do",
        loading(process, shell),
        shell.name()
    ));
    Exit::Failed
}

/// The line that loads the integration into `shell`.
pub(super) fn loading(process: &Process, shell: Shell) -> String {
    shell.init_line(scfw_program(process).as_deref().unwrap_or(Path::new("scfw")))
}

/// The user's login shell, for advice; bash if that is none of ours.
pub(super) fn user_shell(process: &Process) -> Shell {
    let login = process.variable("SHELL").unwrap_or_default();
    let name = Path::new(&login).file_name().unwrap_or_default();
    Shell::ALL.into_iter().find(|shell| name == shell.name()).unwrap_or(Shell::Bash)
}
