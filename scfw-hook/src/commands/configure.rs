//! `scfw configure`: protection in every new shell, and its removal. `scfw enable|disable --shell` do the same for
//! some shells.

mod apply;
mod datadog;
mod inheritance;
mod questions;

use std::io::{ErrorKind, IsTerminal, stderr, stdin};
use std::num::NonZeroU16;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use scfw_core::config::{ApiKey, ConfigError, is_site};
use scfw_core::manager::ManagerId;

use self::apply::{Setup, remove};
use super::exit::{fail, misuse};
use crate::exit::Exit;
use crate::files::config_file::Setting;
use crate::process::Process;
use crate::shells::shell::Shell;
use crate::terminal::output;

/// What is shown below the options.
pub(super) const EXAMPLES: &str = "Examples:\n  scfw configure\n  scfw configure --yes\n  \
    scfw configure --shell bash,zsh --shims --dd-agent-port 10365\n  scfw configure --remove\n\n\
    Without options it asks, which takes a terminal. Settings go to config.toml; the start-up files of the shells get \
    one block, which --remove takes out again. Where a Datadog Agent is installed, --dd-agent-port has it take logs on that \
    port. A new API key is tried on Datadog before anything is saved.";

/// Options of `scfw configure`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct Options {
    /// Ask nothing: every shell that is installed, and the default for whatever no option names
    #[arg(long)]
    yes: bool,
    /// The shells to protect
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SHELL")]
    shell: Vec<Shell>,
    /// Put the PATH shims first on PATH, for scripts, editors and agents
    #[arg(long, conflicts_with = "no_shims")]
    shims: bool,
    /// Take the PATH shims away
    #[arg(long)]
    no_shims: bool,
    /// Load the preload library into what the shells start, for programs that call a manager by its absolute path
    #[arg(long, conflicts_with = "no_preload")]
    preload: bool,
    /// No longer load the preload library
    #[arg(long)]
    no_preload: bool,
    /// Undo everything but the settings in config.toml and the data
    #[arg(long, exclusive = true)]
    remove: bool,
    /// The package managers to watch, and no others; all unless this was said
    #[arg(long, value_delimiter = ',', value_name = "MANAGER", value_parser = manager_parser())]
    managers: Vec<ManagerId>,
    // The predecessor's options.
    #[arg(long, hide = true)]
    alias_pip: bool,
    #[arg(long, hide = true)]
    alias_npm: bool,
    /// Log to the Datadog Agent that takes logs on this local port
    #[arg(long, value_name = "PORT")]
    dd_agent_port: Option<NonZeroU16>,
    /// Log to Datadog's API
    #[arg(long)]
    dd_api_logger: bool,
    /// The key for Datadog's API; other users may see a command line, so the question is the safer way
    #[arg(long, value_name = "KEY", value_parser = parse_key)]
    dd_api_key: Option<ApiKey>,
    /// The least that is sent to Datadog
    #[arg(long, value_name = "LEVEL", value_parser = ["ALLOW", "BLOCK", "ABORT"], ignore_case = true)]
    dd_log_level: Option<String>,
    /// The Datadog site, if not datadoghq.com
    #[arg(long, value_name = "SITE", value_parser = parse_site)]
    dd_site: Option<String>,
    /// The directory for everything of scfw
    #[arg(long, value_name = "DIR")]
    scfw_home: Option<PathBuf>,
    /// Save the API key without asking Datadog whether it is good
    #[arg(long)]
    offline: bool,
}

fn manager_parser() -> impl TypedValueParser<Value = ManagerId> {
    PossibleValuesParser::new(ManagerId::ALL.map(ManagerId::name))
        .try_map(|name| ManagerId::from_name(&name).ok_or("there is no such manager"))
}

/// The message must not show the value, so clap, which would, sees no error but for the empty one.
fn parse_key(key: &str) -> Result<ApiKey, &'static str> {
    match key.trim() {
        "" => Err("the key is empty"),
        key => Ok(ApiKey::from(key.to_owned())),
    }
}

fn parse_site(site: &str) -> Result<String, &'static str> {
    let site = site.trim();
    is_site(site).then(|| site.to_owned()).ok_or("a site is the name of a host, such as datadoghq.eu")
}

impl Options {
    /// Whether any option says what to do, so that nothing is asked.
    fn is_any_given(&self) -> bool {
        self.yes
            || !self.shell.is_empty()
            || self.shims
            || self.no_shims
            || self.preload
            || self.no_preload
            || self.scfw_home.is_some()
            || !self.settings().is_empty()
    }

    /// The managers that are to be watched, in the order of the table; none: as it is.
    fn chosen(&self) -> Option<Vec<ManagerId>> {
        let aliased = |id| id == ManagerId::Pip && self.alias_pip || id == ManagerId::Npm && self.alias_npm;
        let is_chosen = |id: &ManagerId| self.managers.contains(id) || aliased(*id);
        let chosen: Vec<ManagerId> = ManagerId::ALL.into_iter().filter(is_chosen).collect();
        (!chosen.is_empty()).then_some(chosen)
    }

    /// The settings for config.toml.
    fn settings(&self) -> Vec<Setting> {
        let settings = [
            self.chosen().map(Setting::Managers),
            self.dd_agent_port.map(|port| Setting::AgentPort(Some(port))),
            self.dd_api_logger.then_some(Setting::ApiLogger(true)),
            self.dd_api_key.clone().map(Setting::ApiKey),
            self.dd_site.clone().map(Setting::Site),
            self.dd_log_level.as_ref().map(|level| Setting::LogLevel(level.to_ascii_uppercase())),
        ];
        settings.into_iter().flatten().collect()
    }

    fn into_wishes(self, process: &Process, setup: &Setup) -> Wishes {
        let settings = self.settings();
        let mut shells = self.shell;
        if shells.is_empty() && !self.yes {
            // Someone who only changes a setting keeps what is protected.
            shells = setup.home.configured();
        }
        if shells.is_empty() {
            shells = apply::installed_shells(process);
        }
        let shims = if self.shims { Some(true) } else { self.no_shims.then_some(false) };
        let preload = if self.preload { Some(true) } else { self.no_preload.then_some(false) };
        let offline = self.offline;
        Wishes { shells, dropped: Vec::new(), shims, preload, settings, scfw_home: self.scfw_home, offline }
    }
}

/// The setup that was chosen, by answers or options.
#[derive(Debug, Default)]
struct Wishes {
    /// The shells that get the block.
    shells: Vec<Shell>,
    /// The shells that lose it.
    dropped: Vec<Shell>,
    /// The PATH shims; none: as it is.
    shims: Option<bool>,
    /// The preload library; none: as it is.
    preload: Option<bool>,
    /// What config.toml gets; what is not named stays.
    settings: Vec<Setting>,
    /// The directory for everything; none: as it is.
    scfw_home: Option<PathBuf>,
    /// An API key is saved as it is.
    offline: bool,
}

pub(super) fn run(process: &Process, options: Options) -> Exit {
    let configure = || -> Result<Exit> {
        let setup = Setup::from_environment(process)?;
        if options.remove {
            return remove(process, &setup);
        }
        let wishes = if options.is_any_given() {
            options.into_wishes(process, &setup)
        } else if stdin().is_terminal() && stderr().is_terminal() {
            Wishes { offline: options.offline, ..questions::ask(process, &setup)? }
        } else {
            return Ok(misuse(
                "there is no terminal to ask on; say what to set up: --yes for the defaults, or --shell, --shims, --preload, \
                 --managers, --dd-agent-port, --dd-api-logger, --dd-api-key, --dd-site, \
                 --dd-log-level, --scfw-home (scfw configure --help)",
            ));
        };
        apply::apply(process, &setup, wishes)
    };
    finish(configure())
}

/// `scfw enable --shell`: these shells are protected from now on.
pub(super) fn enable(process: &Process, shells: &[Shell]) -> Exit {
    let wishes = Wishes { shells: shells.to_vec(), ..Wishes::default() };
    finish(Setup::from_environment(process).and_then(|setup| apply::apply(process, &setup, wishes)))
}

/// `scfw disable --shell`: these shells are no longer.
pub(super) fn disable(process: &Process, shells: &[Shell]) -> Exit {
    let wishes = Wishes { dropped: shells.to_vec(), ..Wishes::default() };
    finish(Setup::from_environment(process).and_then(|setup| apply::apply(process, &setup, wishes)))
}

/// The exit status, after what went wrong has been said.
fn finish(result: Result<Exit>) -> Exit {
    let error = match result {
        Ok(exit) => return exit,
        Err(error) => error,
    };
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    if causes.any(|cause| cause.kind() == ErrorKind::Interrupted) {
        questions::leave();
        return Exit::Interrupted;
    }
    let is_invalid =
        matches!(error.downcast_ref(), Some(ConfigError::Invalid { .. } | ConfigError::Untrusted { .. }));
    let exit = fail(&*error, if is_invalid { Exit::Configuration } else { Exit::Failed });
    output::say("nothing was changed");
    exit
}
