//! The commands for people, one file each.

mod allow;
mod audit;
mod check;
mod completions;
mod configure;
mod doctor;
mod exit;
mod flush;
mod history;
mod init;
mod install_gates;
mod run;
mod session;
mod shield;
mod status;
mod store_age;
pub(crate) mod update;

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;

use clap::{Parser, Subcommand, ValueEnum};

use crate::exit::Exit;
use crate::process::Process;
use crate::record::alerts;
use crate::record::run_notes;
use crate::shells::shell::Shell;
use crate::terminal::output::{self, ignore_broken_pipes};

/// Keeps malicious packages out of what package managers install
#[derive(Debug, Parser)]
#[command(name = "scfw", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one command of a package manager through the firewall
    #[command(after_help = run::examples())]
    Run(run::Options),
    /// Look packages up without installing anything
    #[command(after_help = "Examples:\n  scfw check npm:express pypi:requests@2.31.0\n  \
        scfw check --format json pkg:npm/%40scope/name@1.0.0\n  \
        sed 's/^/pypi:/' names.txt | scfw check --stdin\n\n\
        Exit status: 0 nothing found, 1 warnings only, 77 critical findings. What could not be verified is a warning.")]
    Check(check::Options),
    /// Verify everything that is installed
    #[command(after_help = audit::examples())]
    Audit(audit::Options),
    /// Exempt a package from findings for a while, with a reason
    #[command(after_help = allow::EXAMPLES)]
    Allow(allow::Options),
    /// Protect every new shell: asks what to set up, or takes it as options
    #[command(after_help = configure::EXAMPLES)]
    Configure(configure::Options),
    /// Run a command under the preload library: package managers go through the firewall whatever starts them
    #[command(
        after_help = "For make, tox, editors, agents and scripts that call a package manager by themselves, by an absolute \
        path too. What the command starts is under it as well.\n\n\
        Examples:\n  scfw shield make install\n  scfw shield tox\n  scfw shield code .\n\n\
        Exit status: the command's own, or 126 not executable, 127 not found, 69 the library is not installed."
    )]
    Shield(shield::Options),
    /// Test on this machine that malware is stopped, on every route that is set up
    #[command(
        after_help = "Each route installs a clean and a malicious package from a small index, registry and set of \
        feeds that scfw serves to itself on the loopback interface. Nothing is left behind.\n\n\
        Examples:\n  scfw doctor\n  scfw doctor --offline --json\n\n\
        Exit status: 0 if everything that is set up works, 1 otherwise."
    )]
    Doctor(doctor::Options),
    /// Show what was installed, blocked and declined, the latest first
    #[command(after_help = history::EXAMPLES)]
    History(history::Options),
    /// Deliver the records that wait for Datadog or OpenTelemetry now
    #[command(after_help = flush::EXAMPLES)]
    Flush(flush::Options),
    /// Print the shell integration, for the shell to evaluate when it starts
    #[command(after_help = "Add to ~/.bashrc:                 eval \"$(scfw init bash)\"\n\
        Add to ~/.zshrc:                  eval \"$(scfw init zsh)\"\n\
        Add to ~/.config/fish/config.fish: scfw init fish | source")]
    Init(init::Options),
    /// Bring all advisories to this machine, so that installs are verified without a network
    #[command(after_help = update::EXAMPLES)]
    Update(update::Options),
    /// Print what completes scfw's own command line
    #[command(after_help = "bash: add to ~/.bashrc                source <(scfw completions bash)\n\
        zsh:  into a folder of $fpath          scfw completions zsh > ~/.zfunc/_scfw\n\
        fish: scfw completions fish > ~/.config/fish/completions/scfw.fish")]
    Completions {
        /// The shell that is to complete it
        shell: Shell,
    },
    /// Install the gates beside this program, for `install.sh` and packages
    #[command(hide = true)]
    InstallGates,
    /// Tell which commands go through scfw in this shell, and why one does not
    #[command(
        after_help = "Exit status: 0 if every program on PATH that scfw covers goes through it, 1 otherwise."
    )]
    Status(status::Options),
    /// Route the package managers of this shell session through scfw again
    Enable(session::Options),
    /// Stop routing the package managers of this shell session through scfw
    Disable(session::Options),
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For scripts: a list of objects
    Json,
}

/// Reads the command line, runs the command and returns the exit status.
#[must_use]
pub fn main(words: &[&CStr]) -> Exit {
    let process = &Process::System;
    ignore_broken_pipes();
    let cli = Cli::parse_from(words.iter().map(|word| OsStr::from_bytes(word.to_bytes())));
    // The doctor has a place for them in its report, and what a shell evaluates when it starts is not to speak.
    let is_silent = matches!(&cli.command, Command::Update(options) if options.background);
    if !is_silent
        && !matches!(
            cli.command,
            Command::Doctor(_) | Command::Init(_) | Command::InstallGates | Command::Completions { .. }
        )
    {
        name_unreported_runs(process);
    }
    // An update looks for them first; what `run` and `shield` run may be no business of ours.
    let is_foreign = matches!(
        cli.command,
        Command::Run(_)
            | Command::Shield(_)
            | Command::Init(_)
            | Command::InstallGates
            | Command::Completions { .. }
    );
    if !is_foreign && !matches!(cli.command, Command::Update(_)) {
        tell_alerts(process);
    }
    match cli.command {
        Command::Run(options) => run::run(process, &options),
        Command::Allow(options) => allow::run(process, &options),
        Command::Check(options) => check::run(process, &options),
        Command::Shield(options) => shield::run(process, &options),
        Command::Audit(options) => audit::run(process, &options),
        Command::Completions { shell } => completions::run(shell),
        Command::Doctor(options) => doctor::run(process, &options),
        Command::Configure(options) => configure::run(process, options),
        Command::Flush(options) => flush::run(process, &options),
        Command::History(options) => history::run(process, &options),
        Command::Init(options) => init::run(process, &options),
        Command::InstallGates => install_gates::run(process),
        Command::Status(options) => status::run(process, &options),
        Command::Update(options) => update::run(process, &options),
        Command::Enable(options) => session::enable(process, &options),
        Command::Disable(options) => session::disable(process, &options),
    }
}

/// Tells what was installed before it was found to be malicious, once.
fn tell_alerts(process: &Process) {
    if let Some(directories) = process.directories() {
        alerts::tell_from(process, &directories.data);
    }
}

/// Tells of earlier runs whose gate never reported, once each.
fn name_unreported_runs(process: &Process) {
    let Some(directories) = process.directories() else { return };
    for run in run_notes::unreported(&directories.data) {
        output::say(&format!(
            "the gate of an earlier run never reported, so nothing is known of what that run did: {}; \"scfw audit\" \
             verifies what is installed",
            run.description
        ));
        if let Err(error) = run.forget() {
            output::say(&format!("the note about it could not be removed ({error})"));
        }
    }
}
