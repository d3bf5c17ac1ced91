//! `scfw init`: the shell integration on standard output.

use std::io::{Write, stdout};

use super::fail;
use crate::output;
use crate::router::own_program;
use crate::shell::{Shell, scfw_program};

/// Exit status where there is nothing to print.
const FAILED: i32 = 1;

pub(super) fn run(shell: Shell) -> i32 {
    let (Some(hook), Some(scfw)) = (own_program(), scfw_program()) else {
        output::say("scfw-hook is not beside scfw; install scfw again");
        return FAILED;
    };
    match stdout().lock().write_all(shell.init_script(&hook, &scfw).as_bytes()) {
        Ok(()) => crate::status::OK,
        Err(error) => fail(&error, FAILED),
    }
}
