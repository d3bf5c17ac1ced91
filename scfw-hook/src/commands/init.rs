//! `scfw init`: the shell integration on standard output, and saved for the shells that start later. The integration
//! of fish asks for its session shims with `scfw init fish --shims`.

use std::io::{self, ErrorKind, Write, stdout};
use std::path::{Path, PathBuf};

use clap::Args;
use scfw_core::files::{create_private, write_beside};

use super::exit::fail;
use crate::exit::Exit;
use crate::process::Process;
use crate::process::locate::own_program;
use crate::process::locate::scfw_program;
use crate::shells::shell::{Shell, session_shims};
use crate::shells::shims;
use crate::terminal::output;

/// Options of `scfw init`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The shell that is to evaluate it
    shell: Shell,
    /// Write it to this file as well, which is quicker to read; the block of `scfw configure` says so
    #[arg(long, value_name = "FILE", hide = true)]
    save: Option<PathBuf>,
    /// Make the session shims instead, and say nothing; the integration of fish does
    #[arg(long, hide = true)]
    shims: bool,
}

pub(super) fn run(process: &Process, options: &Options) -> Exit {
    let directories = process.directories();
    let data = directories.as_ref().map(|directories| directories.data.as_path());
    if options.shims {
        // The shell looks for the links itself, and defines a function for each that is missing.
        return match data.map(|data| shims::install_for_session(process, data)) {
            Some(Ok(())) => Exit::Success,
            _ => Exit::Failed,
        };
    }
    let (Some(hook), Some(scfw)) = (own_program(process), scfw_program(process)) else {
        output::say("scfw-hook is not beside scfw; install scfw again");
        return Exit::Failed;
    };
    let script = options.shell.init_script(&hook, &scfw, &session_shims(data));
    if let Some(path) = &options.save {
        // Without it the next shell asks here again; a shell's start is no place to complain of that.
        save(path, &script).ok();
    }
    match stdout().lock().write_all(script.as_bytes()) {
        Ok(()) => Exit::Success,
        Err(error) => fail(&error, Exit::Failed),
    }
}

/// Writes `script` in one step. It is on the disk before it has its name: half a script would be half a protection.
fn save(path: &Path, script: &str) -> io::Result<()> {
    create_private(path.parent().ok_or(ErrorKind::InvalidInput)?)?;
    let file = write_beside(path, script.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
