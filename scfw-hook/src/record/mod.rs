//! The record of events: the line in the file log, and in one transaction the run in the ledger and the rows in the
//! outbox of every sink. Every decision goes through [`record`] once it is made: a failure here does not change it,
//! and each failure is reported in a sentence.

pub mod alerts;
pub mod refresh;
pub mod run_notes;
pub mod sender;
pub mod sinks;

use std::time::Duration;

use scfw_core::action::Action;
use scfw_core::config::Settings;
use scfw_core::finding::Verification;
use scfw_core::package::Target;
use scfw_core::store::{Alert, NewRun, Purpose, SinkKind, Store, StoreError, now};
use scfw_core::telemetry::{Command, Event, RecordContext, file, wanted_by};
use scfw_core::text::{arguments_without_credentials, sanitise};

use crate::process::Process;
use crate::terminal::output::{self, describe};

/// The time that an installation waits for others that write the ledger. A write takes a millisecond, so that is
/// many.
const PATIENCE: Duration = Duration::from_secs(2);

/// A record as it is written.
struct Written {
    id: String,
    /// In JSON.
    text: String,
    /// Whether it is for the ledger alone.
    is_private: bool,
    /// The sinks that are to get it.
    sinks: Vec<SinkKind>,
}

impl Written {
    fn append_to_log(&self, settings: &Settings) {
        if self.is_private {
            return;
        }
        if let Err(error) = file::append(&settings.telemetry.log_file, &self.text) {
            let path = settings.telemetry.log_file.to_string_lossy();
            output::say(&format!("{} could not be written ({error})", sanitise(&path)));
        }
    }
}

/// A decision about a command, for the ledger.
struct Decision<'a> {
    action: Action,
    purpose: Purpose,
    command: Command<'a>,
    verification: Option<&'a Verification>,
}

/// Records `event`, sees to it that somebody delivers the record, and tells the alerts that wait in the store.
pub fn record(process: &Process, event: &Event<'_>, settings: &Settings) {
    let Some(written) = make(&context(settings), event, settings) else { return };
    written.append_to_log(settings);
    let decision = Decision::of(event);
    if decision.is_none() && written.sinks.is_empty() {
        return;
    }
    match store(process, decision.as_ref(), &written, settings) {
        Ok(()) if written.sinks.is_empty() => {}
        Ok(()) => sender::ensure(process, settings),
        Err(error) => say_missing(&error, decision.as_ref(), &written.sinks),
    }
}

/// Records the alerts that are in no record yet. Whether the user is told of them, and when, is another matter.
pub fn record_alerts(process: &Process, store: &mut Store, settings: &Settings) -> Result<(), StoreError> {
    let alerts = store.unrecorded_alerts()?;
    if alerts.is_empty() {
        return Ok(());
    }
    let context = context(settings);
    let written: Vec<(&Alert, Written)> = alerts
        .iter()
        .filter_map(|alert| Some((alert, make(&context, &Event::Alert { alert }, settings)?)))
        .collect();
    let queued: Vec<_> = written
        .iter()
        .map(|(alert, record)| (*alert, record.text.as_str(), record.sinks.as_slice()))
        .collect();
    // If several processes try, one records each.
    let are_ours = store.record_alerts(&queued)?;
    let ours = written.iter().zip(are_ours).filter(|(_, is_ours)| *is_ours);
    let mut has_sinks = false;
    for ((_, record), _) in ours {
        record.append_to_log(settings);
        has_sinks |= !record.sinks.is_empty();
    }
    if has_sinks {
        sender::ensure(process, settings);
    }
    Ok(())
}

/// The context of this moment, with a report of faults in the user's attributes.
fn context(settings: &Settings) -> RecordContext {
    let context = RecordContext::here(settings);
    for error in &context.errors {
        output::say(&sanitise(&error.to_string()));
    }
    context
}

/// Makes the record of `event`. A failure is reported.
fn make(context: &RecordContext, event: &Event<'_>, settings: &Settings) -> Option<Written> {
    let record = context.record(event);
    let text = match serde_json::to_string(&record) {
        Ok(text) => text,
        Err(error) => {
            output::say(&format!("the record of this could not be made ({error})"));
            return None;
        }
    };
    // A dry run has no consequences. A build that may go on is part of an installation whose record comes with the
    // whole set, if it comes: the build may fail once its code has run, so the findings in spite of which that ran
    // are told at once.
    let is_private = match event {
        Event::Run { purpose: Purpose::DryRun, .. } | Event::Unverified { purpose: Purpose::DryRun, .. } => {
            true
        }
        Event::Run { action: Action::Allow, purpose: Purpose::Build, .. } => {
            record.warning == Some(false) && record.exemptions.is_none()
        }
        _ => false,
    };
    let sinks = if is_private { Vec::new() } else { wanted_by(&record, &settings.telemetry) };
    Some(Written { id: record.id, text, is_private, sinks })
}

fn store(
    process: &Process,
    decision: Option<&Decision<'_>>,
    written: &Written,
    settings: &Settings,
) -> Result<(), StoreError> {
    let mut store = Store::open(&Store::path_in(&settings.directories.data))?;
    store.set_patience(PATIENCE)?;
    let Some(decision) = decision else { return store.queue(&written.text, &written.sinks) };
    store.record(&decision.run(process, written), &decision.targets(), &written.sinks)?;
    if !run_notes::is_inner(process) {
        alerts::tell(process, &mut store, settings);
    }
    // The record stays; the next run trims again.
    store.trim_log().ok();
    Ok(())
}

/// Says that the store does not have a record, and the consequence.
fn say_missing(error: &StoreError, decision: Option<&Decision<'_>>, sinks: &[SinkKind]) {
    let titles: Vec<&str> = sinks.iter().map(|sink| sink.title()).collect();
    let lost = match (decision, titles.join(", ")) {
        (Some(_), titles) if titles.is_empty() => "this run is missing in \"scfw history\"".to_owned(),
        (Some(_), titles) => format!("this run is missing in \"scfw history\" and does not reach {titles}"),
        (None, titles) => format!("the record of this does not reach {titles}"),
    };
    // The verification may have said the same already.
    let verification = decision.and_then(|decision| decision.verification);
    let trouble = verification.and_then(|verification| verification.local.trouble.as_deref());
    if trouble.is_some_and(|trouble| trouble.starts_with(&error.to_string())) {
        output::say(&format!("for the same reason, {lost}"));
    } else {
        output::say(&format!("{}; {lost}", describe(error)));
    }
}

impl<'a> Decision<'a> {
    /// The row of `event` in the ledger; none if it is not about a command.
    fn of(event: &Event<'a>) -> Option<Self> {
        let (action, purpose, command, verification) = match *event {
            Event::Run { action, purpose, command, verification, .. } => {
                (action, purpose, command, Some(verification))
            }
            Event::Unverified { action, purpose, command, .. } => (action, purpose, command, None),
            Event::Bypass { command } => (Action::Allow, Purpose::Install, command, None),
            Event::Policy { command: Some(command), .. } => (Action::Block, Purpose::Install, command, None),
            _ => return None,
        };
        Some(Self { action, purpose, command, verification })
    }

    fn targets(&self) -> Vec<&Target> {
        let targets = self.verification.iter().flat_map(|verification| &verification.targets);
        targets.map(|(target, _)| target).collect()
    }

    /// The ledger does not leave this machine, so directories are kept as they are.
    fn run(&self, process: &Process, written: &Written) -> NewRun {
        NewRun {
            id: written.id.clone(),
            time: now(),
            action: self.action,
            purpose: self.purpose,
            manager: self.command.manager.name().to_owned(),
            program: self.command.program.to_owned(),
            arguments: arguments_without_credentials(self.command.arguments),
            directory: process.directory().map(|path| path.display().to_string()).unwrap_or_default(),
            executable: self.command.executable.to_owned(),
            record: written.text.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
