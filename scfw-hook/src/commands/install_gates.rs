//! `scfw install-gates`: writes the gates into `lib/scfw/gates` beside the `bin/` of this program. The files come from the
//! program itself, so that they cannot differ from what it compares them with.

use anyhow::Context;

use super::exit::fail;
use crate::exit::Exit;
use crate::gate::files::Gates;
use crate::process::Process;
use crate::process::locate::own_program;

pub(super) fn run(process: &Process) -> Exit {
    let installed =
        own_program(process).context("scfw-hook is not beside scfw; install scfw again").and_then(|hook| {
            let directory = Gates::installed_directory(&hook);
            Gates::install(&hook).with_context(|| format!("{} could not be written", directory.display()))
        });
    match installed {
        Ok(()) => Exit::Success,
        Err(error) => fail(AsRef::<dyn std::error::Error>::as_ref(&error), Exit::Failed),
    }
}
