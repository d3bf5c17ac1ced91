//! The parts of `scfw configure` that reach beyond this user's files: whether an API key is good, and the
//! configuration of a Datadog Agent.

use anyhow::{Result, anyhow};
use scfw_core::config::Datadog;
use scfw_core::env;
use scfw_core::telemetry;

use super::FAILED;
use super::apply::say_of;
use crate::config_file::Setting;
use crate::{datadog_agent, output, status};

/// Tries the key that is about to be saved, if there is one, on the intake of the site that is about to be saved.
pub(super) fn check_key(known: &Datadog, wanted: &[Setting]) -> Result<()> {
    let mut datadog = known.clone();
    let text = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    datadog.intake_url = text(env::SCFW_DD_INTAKE_URL);
    datadog.site = text(env::DD_SITE).unwrap_or(datadog.site);
    let mut key = None;
    for setting in wanted {
        match setting {
            Setting::Site(site) => site.clone_into(&mut datadog.site),
            Setting::ApiKey(wanted) => key = Some(wanted),
            _ => {}
        }
    }
    let Some(key) = key else { return Ok(()) };
    telemetry::check_key(&datadog, key).map_err(|reason| {
        anyhow!("the API key {key} was not saved: {reason}; --offline saves it without trying it")
    })
}

/// Has the Agent take logs on the port that was just saved, or no longer. Returns the exit status: everything else is
/// done by then.
pub(super) fn tell_agent(saved: &[Setting]) -> i32 {
    let port = saved.iter().rev().find_map(|setting| match setting {
        Setting::AgentPort(port) => Some(*port),
        _ => None,
    });
    match port {
        None => status::OK,
        Some(None) => release_agent(),
        Some(Some(port)) => {
            let Some(path) = datadog_agent::config_file() else {
                output::say(&format!(
                    "no Datadog Agent is installed here; one that is to take logs on port {port} needs this in \
                     conf.d/scfw.d/conf.yaml:\n{}",
                    datadog_agent::content(port)
                ));
                return status::OK;
            };
            match datadog_agent::write(&path, port) {
                Ok(true) => say_of(&path, "written; restart the Datadog Agent"),
                Ok(false) => say_of(&path, "is as it should be"),
                Err(error) => {
                    output::say(&format!(
                        "{error:#}; everything else is done. As an administrator, put this into {} and restart \
                         the Datadog Agent:\n{}",
                        path.display(),
                        datadog_agent::content(port)
                    ));
                    return FAILED;
                }
            }
            status::OK
        }
    }
}

/// Takes the Agent's configuration away again. Returns the exit status.
pub(super) fn release_agent() -> i32 {
    let Some(path) = datadog_agent::config_file() else { return status::OK };
    match datadog_agent::remove(&path) {
        Ok(true) => say_of(&path, "removed; restart the Datadog Agent"),
        Ok(false) => {}
        Err(error) => {
            output::say(&format!("{error:#}; everything else is done"));
            return FAILED;
        }
    }
    status::OK
}
