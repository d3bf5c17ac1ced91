//! The managers on `PATH` that scfw leaves alone, whatever the shell does: it does not hold them, or the user has chosen
//! others.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use scfw_core::config::Settings;
use scfw_core::manager::{ManagerId, Runs};
use scfw_programs::{NAMES, Presence, UNCOVERED};
use serde::Serialize;

use crate::process::Process;
use crate::process::locate::locate;

/// A manager on `PATH` that scfw leaves alone.
#[derive(Debug, Serialize)]
pub struct Uncovered {
    name: &'static str,
    executable: PathBuf,
    /// Why.
    reason: Reason,
}

/// Why a manager is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Reason {
    /// scfw does not hold it.
    NotCovered,
    /// `managers` in the configuration does not name it.
    NotChosen,
}

impl fmt::Display for Uncovered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.reason {
            Reason::NotCovered => "scfw does not cover it yet, so what it installs is not verified",
            Reason::NotChosen => {
                "left out by \"managers\" in the configuration, so what it installs is not verified"
            }
        };
        write!(formatter, "{}: {reason} ({})", self.name, self.executable.display())
    }
}

/// The managers on `PATH` that are left alone under `settings`; if those are not valid, the ones that scfw does not
/// hold.
#[must_use]
pub fn uncovered(process: &Process, settings: Option<&Settings>) -> Vec<Uncovered> {
    let is_chosen = |id: &ManagerId| settings.is_none_or(|settings| settings.managers.contains(id));
    let left_out = NAMES.iter().filter(|name| {
        name.presence != Presence::Untyped && matches!(&name.runs, Runs::Manager(id) if !is_chosen(id))
    });
    let left_out = left_out.map(|name| (name.stem, Reason::NotChosen));
    let not_held = UNCOVERED.iter().map(|name| (*name, Reason::NotCovered));
    left_out
        .chain(not_held)
        .filter_map(|(name, reason)| {
            Some(Uncovered { name, executable: locate(process, OsStr::new(name))?.path, reason })
        })
        .collect()
}
