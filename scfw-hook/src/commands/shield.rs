//! `scfw shield`: one command, and all that it starts, under the preload library. This program starts itself under it
//! first, so that the command itself is seen as well.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use clap::Args;
use scfw_core::text::sanitise;

use super::exit::fail;
use crate::exit::Exit;
use crate::process::Process;
use crate::shells::shield::Shield;
use crate::terminal::output;

/// Options of `scfw shield`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The command with its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

pub(super) fn run(process: &Process, options: &Options) -> Exit {
    match Shield::installed(process).and_then(|shield| shield.enter(process)) {
        Ok(()) => {}
        Err(error) => return fail(&*error, Exit::Unverified),
    }
    let Some((program, arguments)) = options.command.split_first() else { return Exit::Usage };
    // This restores what Rust's runtime has changed about SIGPIPE.
    let error = Command::new(program).args(arguments).exec();
    let name = sanitise(&program.to_string_lossy()).into_owned();
    if error.kind() == std::io::ErrorKind::NotFound {
        output::write(&format!("{name}: command not found\n"));
        return Exit::NotFound;
    }
    output::write(&format!("{name}: {error}\n"));
    Exit::NotExecutable
}
