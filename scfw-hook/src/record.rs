//! The record of a decision: the line in the file log and the run in the ledger. Everything that was decided about an
//! installation goes through [`record`], after the decision: nothing that fails here changes it, and each failure is
//! said in a sentence.

use std::path::Path;
use std::time::Duration;

use scfw_core::config::Settings;
use scfw_core::package::Target;
use scfw_core::store::{NewRun, Purpose, Store, StoreError, now};
use scfw_core::telemetry::{Action, Event, Record, file};
use scfw_core::text::arguments_without_credentials;

use crate::router::describe;
use crate::{alerts, output, runs};

/// How long an installation waits for others that write the ledger. A write takes a millisecond, so that is many.
const PATIENCE: Duration = Duration::from_secs(2);

/// Records `event`, which was decided about a run with that purpose, and tells what is waiting in the store.
pub fn record(event: &Event<'_>, purpose: Purpose, settings: &Settings) {
    let record = Record::new(event);
    // A build that may go on is part of an installation whose line comes with the whole set.
    if (purpose != Purpose::Build || event.action != Action::Allow)
        && let Err(error) = file::append(&settings.log_file, &record)
    {
        output::say(&format!("{} could not be written ({error})", settings.log_file.display()));
    }
    if let Err(error) = write(event, &record, purpose, &settings.directories.data) {
        // The verification may have said the same already.
        let trouble = event.verification.and_then(|verification| verification.local.trouble.as_deref());
        if trouble.is_some_and(|trouble| trouble.starts_with(&error.to_string())) {
            output::say("for the same reason, this run is missing in \"scfw history\"");
        } else {
            output::say(&format!("{}; this run is missing in \"scfw history\"", describe(&error)));
        }
    }
}

fn write(event: &Event<'_>, record: &Record, purpose: Purpose, data: &Path) -> Result<(), StoreError> {
    let mut store = Store::open(&Store::path_in(data))?;
    store.set_patience(PATIENCE)?;
    let run = NewRun {
        id: NewRun::new_id(),
        time: now(),
        action: event.action,
        purpose,
        manager: event.manager.name().to_owned(),
        arguments: arguments_without_credentials(event.arguments),
        directory: record.directory().to_owned(),
        executable: event.executable.to_owned(),
        record: serde_json::to_string(record).unwrap_or_default(),
    };
    let targets: Vec<&Target> = event
        .verification
        .iter()
        .flat_map(|verification| &verification.targets)
        .map(|(target, _)| target)
        .collect();
    store.record(&run, &targets)?;
    if !runs::is_inner() {
        alerts::tell(&mut store);
    }
    // What is recorded stays recorded; the next run trims again.
    let _next_time = store.trim_log();
    Ok(())
}
