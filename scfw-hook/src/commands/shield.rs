//! `scfw shield`: one command, and all that it starts, under the preload library.

use std::os::unix::process::CommandExt;
use std::process::Command;

use scfw_core::text::sanitise;

use super::{Shield as Options, fail};
use crate::shield::{PRELOAD, Shield};
use crate::{output, status};

pub(super) fn run(options: &Options) -> i32 {
    let shield = match Shield::installed() {
        Ok(shield) => shield,
        Err(error) => return fail(&*error, status::UNVERIFIED),
    };
    let Some((program, arguments)) = options.command.split_first() else { return status::USAGE };
    let present = std::env::var_os(PRELOAD);
    // This restores what Rust's runtime has changed about SIGPIPE.
    let error = Command::new(program).args(arguments).envs(shield.variables(present.as_deref())).exec();
    let name = sanitise(&program.to_string_lossy()).into_owned();
    if error.kind() == std::io::ErrorKind::NotFound {
        output::write(&format!("{name}: command not found\n"));
        return status::NOT_FOUND;
    }
    output::write(&format!("{name}: {error}\n"));
    status::NOT_EXECUTABLE
}
