//! The notice to the user, given once, of packages that were installed before they were found to be malicious.

use std::io::{Write, stderr};
use std::path::Path;

use scfw_core::config::Settings;
use scfw_core::recall::text;
use scfw_core::store::{Alert, Store, StoreError};

use crate::process::Process;
use crate::record::record_alerts;
use crate::terminal::output::{self, describe};

/// Tells the alerts that wait in the store of the data directory `data`. Faults of the store or the settings are
/// reported by the commands that need them, and not here.
pub fn tell_from(process: &Process, data: &Path) {
    if let Ok(Some(mut store)) = Store::open_existing(&Store::path_in(data))
        && store.has_untold_alerts().is_ok_and(|has| has)
        // If there are no settings, nobody else could be told; the next command will tell.
        && let Ok(settings) = process.settings()
    {
        tell(process, &mut store, &settings);
    }
}

/// Tells the alerts that wait in `store`, and records them if that has not been done.
pub fn tell(process: &Process, store: &mut Store, settings: &Settings) {
    if !store.has_untold_alerts().is_ok_and(|has| has) {
        return;
    }
    if let Err(error) = record_alerts(process, store, settings) {
        output::say(&format!("{}; the record of what follows has to wait", describe(&error)));
    }
    // A store that cannot be written does not remember that this was told; better twice than never.
    let taken = store.take_alerts();
    let Ok(alerts) = taken.or_else(|_: StoreError| store.untold_alerts()) else { return };
    if show(&alerts).is_err() {
        // Nobody has read the alert, so it stays to be told.
        store.put_back(&alerts).ok();
    }
}

fn show(alerts: &[Alert]) -> std::io::Result<()> {
    output::clear_line();
    stderr().lock().write_all(output::redacted(&text(alerts)).as_bytes())
}
