//! `scfw shield`: one command, and all that it starts, under the preload library. This program starts itself under it
//! first, so that the command itself is seen as well.

use std::os::unix::process::CommandExt;
use std::process::Command;

use scfw_core::text::sanitise;

use super::{Shield as Options, fail};
use crate::shells::shield::Shield;
use crate::status;
use crate::terminal::output;

pub(super) fn run(options: &Options) -> i32 {
    match Shield::installed().and_then(|shield| shield.enter()) {
        Ok(()) => {}
        Err(error) => return fail(&*error, status::UNVERIFIED),
    }
    let Some((program, arguments)) = options.command.split_first() else { return status::USAGE };
    // This restores what Rust's runtime has changed about SIGPIPE.
    let error = Command::new(program).args(arguments).exec();
    let name = sanitise(&program.to_string_lossy()).into_owned();
    if error.kind() == std::io::ErrorKind::NotFound {
        output::write(&format!("{name}: command not found\n"));
        return status::NOT_FOUND;
    }
    output::write(&format!("{name}: {error}\n"));
    status::NOT_EXECUTABLE
}
