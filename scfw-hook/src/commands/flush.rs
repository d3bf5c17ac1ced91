//! `scfw flush`: the records that wait are delivered now, for a machine that is about to go away.

use std::time::Duration;

use clap::Args;
use scfw_core::text::sanitise;

use super::exit::fail;
use crate::exit::Exit;
use crate::process::Process;
use crate::record::sender;
use crate::record::sinks;
use crate::terminal::output;

pub(super) const EXAMPLES: &str = "Examples:\n  scfw flush\n  scfw flush --timeout 5\n\n\
    Records go to their sinks by themselves, also after this machine was restarted. Only one that is thrown away, such as \
    a container or the runner of a CI job, has to wait for that: as its last step.\n\n\
    Exit status: 0 if nothing waits any more, 1 if something does, 78 invalid configuration.";

/// Options of `scfw flush`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// How long to try at most, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(..=86_400))]
    timeout: u64,
}

pub(super) fn run(process: &Process, options: &Options) -> Exit {
    let settings = match process.settings() {
        Ok(settings) => settings,
        Err(error) => return fail(&error, Exit::Configuration),
    };
    output::say_without_effect(&settings);
    if let Err(error) = sender::flush(process, &settings, Duration::from_secs(options.timeout)) {
        return fail(error.as_ref(), Exit::Failed);
    }
    let deliveries = sinks::all(process);
    if deliveries.is_empty() {
        output::print("There is no sink to deliver to.\n");
    }
    for delivery in &deliveries {
        output::print(&format!("{}\n", sanitise(&delivery.to_string())));
    }
    if deliveries.iter().any(sinks::Delivery::is_waiting) { Exit::Failed } else { Exit::Success }
}
