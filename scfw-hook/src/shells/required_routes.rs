//! The routes that an administrator requires: those that are not set up, and those that must not be taken down.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Result, bail};
use scfw_core::config::{Policy, RequiredRoute};
use scfw_core::telemetry::Event;

use crate::process::Process;
use crate::process::locate::locate;
use crate::record::record;
use crate::shells::rc_files::{exports_preload, is_configured, puts_on_path};
use crate::shells::shell::Shell;
use crate::shells::shims;

/// The routes that are about to be taken down.
#[derive(Debug, Clone, Copy, Default)]
pub struct Removal<'a> {
    /// The shells that lose their block.
    pub shells: &'a [Shell],
    /// The PATH shims go.
    pub shims: bool,
    /// The preload library is no longer loaded.
    pub preload: bool,
}

/// The shell of a route; none for those that are of no one shell.
const fn shell(route: RequiredRoute) -> Option<Shell> {
    match route {
        RequiredRoute::Bash => Some(Shell::Bash),
        RequiredRoute::Zsh => Some(Shell::Zsh),
        RequiredRoute::Fish => Some(Shell::Fish),
        RequiredRoute::Shims | RequiredRoute::Preload => None,
    }
}

/// The required routes that are not set up. A shell that is not installed needs nothing.
#[must_use]
pub fn missing(process: &Process, policy: &Policy, data: &Path) -> Vec<RequiredRoute> {
    let is_missing = |route: &RequiredRoute| match (route, shell(*route)) {
        (_, Some(shell)) => {
            locate(process, OsStr::new(shell.name())).is_some() && !is_configured(process, shell)
        }
        (RequiredRoute::Preload, None) => !exports_preload(process),
        (_, None) => !shims::are_there(data) || !puts_on_path(process, &shims::directory(data)),
    };
    policy.required_routes.iter().copied().filter(is_missing).collect()
}

/// The command that sets `missing` up, and nothing else.
#[must_use]
pub fn remedy(process: &Process, missing: &[RequiredRoute]) -> String {
    let is_beside = missing.iter().any(|route| shell(*route).is_none());
    // The shims and the library belong into the blocks that are there, too.
    let shells: Vec<&str> = Shell::ALL
        .into_iter()
        .filter(|own| {
            missing.iter().any(|route| shell(*route) == Some(*own))
                || (is_beside && is_configured(process, *own))
        })
        .map(Shell::name)
        .collect();
    let mut command = "scfw configure".to_owned();
    if !shells.is_empty() {
        command.push_str(" --shell ");
        command.push_str(&shells.join(","));
    }
    for route in missing.iter().filter(|route| shell(**route).is_none()) {
        command.push_str(" --");
        command.push_str(route.name());
    }
    command
}

/// Fails if anything of `removal` is required, and records that it was tried.
pub fn refuse_removal(process: &Process, policy: &Policy, removal: Removal<'_>) -> Result<()> {
    let is_kept = |route: &&RequiredRoute| match (route, shell(**route)) {
        (_, Some(shell)) => removal.shells.contains(&shell),
        (RequiredRoute::Preload, None) => removal.preload,
        (_, None) => removal.shims,
    };
    if let Some(kept) = policy.required_routes.iter().find(is_kept) {
        let refusal = format!("policy: {} is required on this machine ({})", kept.name(), policy.file());
        // If there are no settings, nobody is known who would be told of it. It is refused all the same.
        if let Ok(settings) = process.settings() {
            record(process, &Event::Policy { rule: &refusal, command: None }, &settings);
        }
        bail!(refusal);
    }
    Ok(())
}
