//! The commands for people, one file each.

mod allow;
mod audit;
mod check;
mod completions;
mod configure;
mod doctor;
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

use std::ffi::{CStr, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use scfw_core::config::{ConfigError, Directories};
use scfw_core::policy::Verdict;

use crate::exit::Exit;
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
    Run(Run),
    /// Look packages up without installing anything
    #[command(after_help = "Examples:\n  scfw check npm:express pypi:requests@2.31.0\n  \
        scfw check --format json pkg:npm/%40scope/name@1.0.0\n  \
        sed 's/^/pypi:/' names.txt | scfw check --stdin\n\n\
        Exit status: 0 nothing found, 1 warnings only, 77 critical findings. What could not be verified is a warning.")]
    Check(Check),
    /// Verify everything that is installed
    #[command(after_help = audit::examples())]
    Audit(audit::Options),
    /// Exempt a package from findings for a while, with a reason
    #[command(after_help = allow::EXAMPLES)]
    Allow(Allow),
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
    Shield(Shield),
    /// Test on this machine that malware is stopped, on every route that is set up
    #[command(
        after_help = "Each route installs a clean and a malicious package from a small index, registry and set of \
        feeds that scfw serves to itself on the loopback interface. Nothing is left behind.\n\n\
        Examples:\n  scfw doctor\n  scfw doctor --offline --json\n\n\
        Exit status: 0 if everything that is set up works, 1 otherwise."
    )]
    Doctor(Doctor),
    /// Show what was installed, blocked and declined, the latest first
    #[command(after_help = history::EXAMPLES)]
    History(History),
    /// Deliver the records that wait for Datadog or OpenTelemetry now
    #[command(after_help = flush::EXAMPLES)]
    Flush(Flush),
    /// Print the shell integration, for the shell to evaluate when it starts
    #[command(after_help = "Add to ~/.bashrc:                 eval \"$(scfw init bash)\"\n\
        Add to ~/.zshrc:                  eval \"$(scfw init zsh)\"\n\
        Add to ~/.config/fish/config.fish: scfw init fish | source")]
    Init(Init),
    /// Bring all advisories to this machine, so that installs are verified without a network
    #[command(after_help = update::EXAMPLES)]
    Update(Update),
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
    Status(Status),
    /// Route the package managers of this shell session through scfw again
    Enable(Session),
    /// Stop routing the package managers of this shell session through scfw
    Disable(Session),
}

/// Options of `scfw init`.
#[derive(Debug, Args)]
struct Init {
    /// The shell that is to evaluate it
    shell: Shell,
    /// Write it to this file as well, which is quicker to read; the block of `scfw configure` says so
    #[arg(long, value_name = "FILE", hide = true)]
    save: Option<PathBuf>,
    /// Make the session shims instead, and say nothing; the integration of fish does
    #[arg(long, hide = true)]
    shims: bool,
}

/// Options of `scfw allow`.
#[derive(Debug, Args)]
struct Allow {
    /// pypi:NAME[@VERSION], npm:NAME[@VERSION] or a purl
    #[arg(required_unless_present_any = ["list", "remove"], requires = "reason")]
    package: Option<String>,
    /// Why it may be installed all the same
    #[arg(long, value_name = "TEXT", requires = "package")]
    reason: Option<String>,
    /// When the exemption ends: a duration (12h, 7d, 4w) or a date (2026-01-31); after 30 days if nothing is said
    #[arg(long, value_name = "TIME", requires = "package")]
    expires: Option<String>,
    /// Only what this advisory says
    #[arg(long, value_name = "ID", requires = "package")]
    advisory: Option<String>,
    /// What is critical too: known malware, and what your lists and verifiers call so
    #[arg(long, requires = "package")]
    malicious: bool,
    /// Show all exemptions, the expired ones too
    #[arg(long, conflicts_with_all = ["package", "remove"])]
    list: bool,
    /// With --list: print a list of objects for scripts
    #[arg(long, requires = "list")]
    json: bool,
    /// Remove the exemption of that number, or all of that package
    #[arg(long, value_name = "NUMBER|PACKAGE", conflicts_with = "package")]
    remove: Option<String>,
}

/// Options of `scfw history`.
#[derive(Debug, Args)]
struct History {
    /// Only runs with this package: pypi:NAME[@VERSION], npm:NAME[@VERSION] or a purl
    #[arg(long)]
    package: Option<String>,
    /// Only runs since then: a duration (12h, 7d, 4w) or a date (2026-01-31)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// How to print them
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// No more runs than this
    #[arg(long, value_name = "NUMBER", default_value_t = history::SHOWN)]
    limit: u32,
}

/// Options of `scfw flush`.
#[derive(Debug, Args)]
struct Flush {
    /// How long to try at most, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(..=86_400))]
    timeout: u64,
}

/// Options of `scfw status`.
#[derive(Debug, Args)]
struct Status {
    /// Print an object for scripts
    #[arg(long)]
    json: bool,
    /// The shell that asks; its integration says so
    #[arg(long, hide = true)]
    shell: Option<Shell>,
    /// What that shell would run for a name: ours, alias:TEXT, function or none
    #[arg(long = "route", hide = true, value_name = "NAME=KIND", requires = "shell")]
    routes: Vec<OsString>,
}

/// Options of `scfw enable` and `scfw disable`.
#[derive(Debug, Args)]
struct Session {
    /// These shells for good, instead of this session
    #[arg(long, value_enum, value_delimiter = ',')]
    shell: Vec<Shell>,
    /// Tell whether the session of that shell, whose function asks, may be switched off
    #[arg(long, hide = true, conflicts_with = "shell")]
    session: Option<Shell>,
}

/// Options of `scfw doctor`.
#[derive(Debug, Args)]
struct Doctor {
    /// Do not ask the feeds whether they answer
    #[arg(long)]
    offline: bool,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

/// Options of `scfw update`.
#[derive(Debug, Args)]
struct Update {
    /// Take everything from a mirror: a directory, or a URL
    #[arg(long, value_name = "DIR-OR-URL")]
    from: Option<String>,
    /// Take a feed even if it has lost most of what it had
    #[arg(long)]
    force: bool,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
    /// Say nothing: an install has started this
    #[arg(long, hide = true)]
    background: bool,
}

/// Options of `scfw run`.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    clippy::struct_field_names,
    reason = "each is a switch of the command line, by its own name"
)]
struct Run {
    /// Verify what would be installed, and install nothing
    #[arg(long)]
    dry_run: bool,
    /// Go on where there are warnings but nothing critical, without asking
    #[arg(long, conflicts_with = "block_on_warning")]
    allow_on_warning: bool,
    /// Stop where there are warnings, without asking
    #[arg(long)]
    block_on_warning: bool,
    /// Let a manager run unverified that is too old for scfw's gate
    #[arg(long)]
    allow_unsupported: bool,
    /// Kept for scripts written for the predecessor; a blocked command is always an error
    #[arg(long, hide = true)]
    error_on_block: bool,
    /// The program to run, instead of the first on PATH
    #[arg(long, value_name = "PATH")]
    executable: Option<PathBuf>,
    /// The command with its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// Options of `scfw shield`.
#[derive(Debug, Args)]
struct Shield {
    /// The command with its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// Options of `scfw check`.
#[derive(Debug, Args)]
struct Check {
    /// Read further packages from standard input, one a line
    #[arg(long)]
    stdin: bool,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// pypi:NAME[@VERSION], npm:NAME[@VERSION] or a purl
    #[arg(value_name = "PACKAGE", required_unless_present = "stdin")]
    packages: Vec<String>,
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
        name_unreported_runs();
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
        tell_alerts();
    }
    match cli.command {
        Command::Run(options) => run::run(&options),
        Command::Allow(options) => allow::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Shield(options) => shield::run(&options),
        Command::Audit(options) => audit::run(&options),
        Command::Completions { shell } => completions::run(shell),
        Command::Doctor(options) => doctor::run(&options),
        Command::Configure(options) => configure::run(options),
        Command::Flush(options) => flush::run(&options),
        Command::History(options) => history::run(&options),
        Command::Init(options) => init::run(&options),
        Command::InstallGates => install_gates::run(),
        Command::Status(options) => status::run(&options),
        Command::Update(options) => update::run(&options),
        Command::Enable(options) => session::enable(&options),
        Command::Disable(options) => session::disable(&options),
    }
}

/// Tells what was installed before it was found to be malicious, once.
fn tell_alerts() {
    if let Some(directories) = Directories::resolve(&|name| std::env::var_os(name)) {
        alerts::tell_from(&directories.data);
    }
}

/// Tells of earlier runs whose gate never reported, once each.
fn name_unreported_runs() {
    let Some(directories) = Directories::resolve(&|name| std::env::var_os(name)) else { return };
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

/// The exit status of a command whose report is its answer. A report that could not be written must not pass for a
/// milder one; a reader that has seen enough and left is no failure.
fn concluded(printed: std::io::Result<()>, verdict: Verdict) -> Exit {
    let status = match verdict {
        Verdict::Allow => Exit::Success,
        Verdict::Block => Exit::Blocked,
        Verdict::Warn => Exit::Warnings,
    };
    match printed {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            output::say(&format!("the report could not be written ({error})"));
            if verdict == Verdict::Block { status } else { Exit::Unverified }
        }
        _ => status,
    }
}

/// Says what went wrong, with its causes, and returns `status`.
fn fail(error: &dyn std::error::Error, status: Exit) -> Exit {
    output::say(&crate::terminal::output::describe(error));
    status
}

/// Says that there is no place for anything of scfw.
fn no_home() -> Exit {
    fail(&ConfigError::NoHome, Exit::Configuration)
}

/// Says what is wrong with the command line.
fn misuse(message: &str) -> Exit {
    output::say(message);
    Exit::Usage
}
