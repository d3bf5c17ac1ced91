//! The questions of `scfw configure`, the predecessor's, on the terminal.

use std::io::{self, stdin};
use std::num::NonZeroU16;
use std::sync::{Mutex, Once};

use anyhow::{Context, Result};
use dialoguer::console::Term;
use dialoguer::{Confirm, Input, MultiSelect, Password, Select};
use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};
use scfw_core::action::Action;
use scfw_core::manager::ManagerId;

use super::apply::{Setup, installed_shells};
use super::{Wishes, parse_key, parse_site};
use crate::exit::Exit;
use crate::files::config_file::Setting;
use crate::process::Process;
use crate::shells::shell::Shell;
use crate::shells::shield::Shield;
use crate::terminal::output;

/// The port that the predecessor proposes for the Agent.
const AGENT_PORT: NonZeroU16 = NonZeroU16::new(10365).expect("it is not zero");
/// The meaning of each log level, in the order of the question.
const LOG_LEVELS: [(&str, &str); 3] = [
    ("ALLOW", "everything: allowed, blocked and declined commands"),
    ("ABORT", "blocked and declined commands"),
    ("BLOCK", "blocked commands only"),
];

/// Asks everything; settings that exist are proposed.
pub(super) fn ask(process: &Process, setup: &Setup) -> Result<Wishes> {
    mend_terminal_when_interrupted()?;
    let settings = setup.settings(process, None)?;
    let managers = choose(
        "Which package managers should scfw watch?",
        &ManagerId::ALL.map(|manager| (manager, manager.name(), settings.managers.contains(&manager))),
    )?;
    let configured = setup.home.configured();
    let proposed = if configured.is_empty() { installed_shells(process) } else { configured.clone() };
    let shells = choose(
        "Which shells should be protected?",
        &Shell::ALL.map(|shell| (shell, shell.name(), proposed.contains(&shell))),
    )?;
    let shims = Confirm::new()
        .with_prompt("Put shims on PATH as well, for scripts, editors and agents?")
        .default(setup.has_shims || crate::shells::shims::are_there(&settings.directories.data))
        .interact()
        .map_err(io::Error::from)?;
    let preload = ask_about_preload(process, setup)?;
    let mut wishes = Wishes {
        dropped: configured.into_iter().filter(|shell| !shells.contains(shell)).collect(),
        shells,
        shims: Some(shims),
        preload,
        settings: vec![Setting::Managers(managers)],
        scfw_home: None,
        offline: false,
    };
    wishes.settings.extend(ask_about_datadog(&settings.telemetry.datadog)?);
    Ok(wishes)
}

/// Not asked where there is no library that could be loaded.
fn ask_about_preload(process: &Process, setup: &Setup) -> Result<Option<bool>> {
    if Shield::installed(process).is_err() {
        return Ok(None);
    }
    let preload = Confirm::new()
        .with_prompt("Load the preload library too, for programs that call a manager by its absolute path?")
        .default(setup.has_preload)
        .interact()
        .map_err(io::Error::from)?;
    Ok(Some(preload))
}

fn ask_about_datadog(datadog: &scfw_core::config::Datadog) -> Result<Vec<Setting>> {
    let is_set = [datadog.agent_port.is_some(), datadog.api_logger];
    let way = Select::new()
        .with_prompt("Send decisions to Datadog?")
        .items(["no", "through the Datadog Agent on this machine", "through Datadog's API"])
        .default(is_set.iter().position(|is_set| *is_set).map_or(0, |index| index + 1))
        .interact()
        .map_err(io::Error::from)?;
    let mut settings = Vec::new();
    match way {
        0 => return Ok(vec![Setting::AgentPort(None), Setting::ApiLogger(false)]),
        1 => {
            let port = Input::new()
                .with_prompt("The port on which the Agent takes logs")
                .default(datadog.agent_port.unwrap_or(AGENT_PORT))
                .interact_text()
                .map_err(io::Error::from)?;
            settings.extend([Setting::AgentPort(Some(port)), Setting::ApiLogger(false)]);
        }
        _ => {
            settings.extend([Setting::AgentPort(None), Setting::ApiLogger(true)]);
            let known = datadog.api_key.as_ref();
            let prompt = match known {
                Some(key) => format!("Datadog API key (nothing to keep {key})"),
                None => "Datadog API key (not shown; nothing if DD_API_KEY is set elsewhere)".to_owned(),
            };
            let key = Password::new().with_prompt(prompt).allow_empty_password(true).interact();
            settings.extend(parse_key(&key.map_err(io::Error::from)?).ok().map(Setting::ApiKey));
            let site: String = Input::new()
                .with_prompt("Datadog site")
                .default(datadog.site.clone())
                .validate_with(|site: &String| parse_site(site).map(drop))
                .interact_text()
                .map_err(io::Error::from)?;
            if site.trim() != datadog.site {
                settings.push(Setting::Site(site.trim().to_owned()));
            }
        }
    }
    let current = datadog.log_level.unwrap_or(Action::Block);
    let current = LOG_LEVELS.iter().position(|(name, _)| *name == current.name());
    let level = Select::new()
        .with_prompt("What should be sent?")
        .items(LOG_LEVELS.map(|(_, meaning)| meaning))
        .default(current.unwrap_or(0))
        .interact()
        .map_err(io::Error::from)?;
    settings.push(Setting::LogLevel(LOG_LEVELS[level].0.to_owned()));
    Ok(settings)
}

/// A list from which several can be taken.
fn choose<T: Copy>(question: &str, items: &[(T, &str, bool)]) -> Result<Vec<T>> {
    let chosen = MultiSelect::new()
        .with_prompt(format!("{question} (space changes, enter goes on)"))
        .items_checked(items.iter().map(|(_, name, is_proposed)| (*name, *is_proposed)))
        .interact()
        .map_err(io::Error::from)?;
    Ok(chosen.into_iter().map(|index| items[index].0).collect())
}

/// Ctrl-C ends this at any question, also where the program waits for a line.
fn mend_terminal_when_interrupted() -> Result<()> {
    let modes = Mutex::new(tcgetattr(stdin()).context("the terminal could not be read")?);
    ctrlc::set_handler(move || {
        if let Ok(modes) = modes.lock() {
            // Nothing more can be done for the terminal.
            tcsetattr(stdin(), SetArg::TCSANOW, &modes).ok();
        }
        leave();
        Exit::Interrupted.now();
    })
    .context("Ctrl-C could not be prepared for")
}

/// The last words after Ctrl-C, and the cursor shown again, once: the question and the signal both end here.
pub(super) fn leave() {
    static LEFT: Once = Once::new();
    LEFT.call_once(|| {
        // Nothing more can be done for the terminal.
        Term::stderr().show_cursor().ok();
        output::write("\nscfw: nothing was changed\n");
    });
}
