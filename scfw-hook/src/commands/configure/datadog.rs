//! The parts of `scfw configure` that reach beyond this user's files: whether an API key is good, and the
//! configuration of a Datadog Agent.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use scfw_core::config::Datadog;
use scfw_core::env;
use scfw_core::telemetry;
use scfw_core::text::sanitise;

use super::apply::say_of;
use crate::exit::Exit;
use crate::files::config_file::Setting;
use crate::files::datadog_agent;
use crate::files::datadog_agent::Present;
use crate::process::Process;
use crate::terminal::output;

/// Tries the key that is about to be saved, if there is one, on the intake of the site that is about to be saved. Of
/// several settings the last counts; those of the predecessor's, `inherited`, come first.
pub(super) fn check_key(
    process: &Process,
    known: &Datadog,
    inherited: &[Setting],
    wanted: &[Setting],
) -> Result<()> {
    let mut datadog = known.clone();
    let text = |name| process.text(name).filter(|value| !value.is_empty());
    datadog.intake_url = text(env::SCFW_DD_INTAKE_URL);
    datadog.site = text(env::DD_SITE).unwrap_or(datadog.site);
    let mut key = None;
    for (setting, is_inherited) in
        inherited.iter().map(|setting| (setting, true)).chain(wanted.iter().map(|setting| (setting, false)))
    {
        match setting {
            Setting::Site(site) => site.clone_into(&mut datadog.site),
            Setting::ApiKey(wanted) => key = Some((wanted, is_inherited)),
            _ => {}
        }
    }
    let Some((key, is_inherited)) = key else { return Ok(()) };
    telemetry::check_key(&datadog, key).map_err(|reason| {
        if is_inherited {
            anyhow!(
                "the API key of the block that is to be replaced was not saved: {reason}; \"scfw configure --offline\" \
                 saves it without trying it, or take {} out of the block",
                env::DD_API_KEY
            )
        } else {
            anyhow!("the API key was not saved: {reason}; --offline saves it without trying it")
        }
    })
}

/// What `settings` say about the Agent in the end.
fn about_agent(settings: &[Setting]) -> Option<&Setting> {
    settings.iter().rev().find(|setting| matches!(setting, Setting::AgentPort(_)))
}

/// Where the Agent is to be told of the port among `settings`. Fails where it does not say.
pub(super) fn agent_file(process: &Process, settings: &[Setting]) -> Result<Option<PathBuf>> {
    match about_agent(settings) {
        Some(Setting::AgentPort(Some(_))) => datadog_agent::config_file(process),
        _ => Ok(None),
    }
}

/// Has the Agent take logs on the port that was just saved, in `file`, or no longer. Returns the exit status:
/// everything else is done by then.
pub(super) fn tell_agent(process: &Process, saved: &[Setting], file: Option<&Path>) -> Exit {
    match about_agent(saved) {
        Some(Setting::AgentPort(None)) => release_agent(process),
        Some(Setting::AgentPort(Some(port))) => {
            let port = *port;
            let Some(path) = file else {
                output::say(&format!(
                    "no Datadog Agent is installed here; one that is to take logs on port {port} needs this in \
                     conf.d/scfw.d/conf.yaml:\n{}",
                    datadog_agent::content(port)
                ));
                return Exit::Success;
            };
            match datadog_agent::write(path, port) {
                Ok(true) => say_of(path, "written; restart the Datadog Agent"),
                Ok(false) => say_of(path, "is as it should be"),
                Err(error) => {
                    output::say(&format!(
                        "{}; everything else is done. As an administrator, put this into {} and restart \
                         the Datadog Agent:\n{}",
                        sanitise(&format!("{error:#}")),
                        sanitise(&path.to_string_lossy()),
                        datadog_agent::content(port)
                    ));
                    return Exit::Failed;
                }
            }
            Exit::Success
        }
        _ => Exit::Success,
    }
}

/// Takes the Agent's configuration away again. Returns the exit status.
pub(super) fn release_agent(process: &Process) -> Exit {
    let path = match datadog_agent::config_file(process) {
        Ok(Some(path)) => path,
        Ok(None) => return Exit::Success,
        Err(error) => {
            output::say(&format!("{}; what it was told by scfw stays", sanitise(&format!("{error:#}"))));
            return Exit::Success;
        }
    };
    match datadog_agent::remove(&path) {
        Ok(Present::Ours(_)) => say_of(&path, "removed; restart the Datadog Agent"),
        Ok(Present::Others) => output::say(&sanitise(&datadog_agent::not_ours(&path).to_string())),
        Ok(Present::Nothing) => {}
        Err(error) => {
            output::say(&format!("{}; everything else is done", sanitise(&format!("{error:#}"))));
            return Exit::Failed;
        }
    }
    Exit::Success
}
