//! The start of an update that goes on by itself.

use std::ffi::OsStr;

use scfw_core::config::Settings;
use scfw_core::feed::bulk::{self, LastUpdate};
use scfw_core::store::now;

use crate::process::Process;
use crate::process::detached;
use crate::process::locate::scfw_program;

/// Starts an update that goes on by itself, unless one is running or one has failed a short while ago. Nothing waits
/// for it and nothing depends on it: the commands that use the store deal with an old one.
pub(crate) fn start_in_background(process: &Process, settings: &Settings) {
    /// Seconds after an update in which no other is started.
    const PAUSE: i64 = 15 * 60;

    let data = &settings.directories.data;
    let is_recent = LastUpdate::read(data).is_some_and(|last| (0..PAUSE).contains(&(now() - last.time)));
    if settings.feeds.offline || is_recent || bulk::is_running(data) {
        return;
    }
    let Some(program) = scfw_program(process) else { return };
    // An update that does not start leaves the store as old as it is, which status tells.
    detached::start(process, &program, &[OsStr::new("update"), OsStr::new("--background")]).ok();
}
