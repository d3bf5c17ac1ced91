//! `scfw completions`: what completes scfw's own command line in a shell, generated from the command line itself.

use std::io::{Write, stdout};

use clap::CommandFactory;
use clap_complete::generate;

use super::Cli;
use super::exit::fail;
use crate::exit::Exit;
use crate::shells::shell::Shell;

pub(super) fn run(shell: Shell) -> Exit {
    let generator = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    generate(generator, &mut Cli::command(), "scfw", &mut script);
    match stdout().lock().write_all(&script) {
        Ok(()) => Exit::Success,
        Err(error) => fail(&error, Exit::Failed),
    }
}
