//! Bringing the store up to date, with the consequences of new advisories.

use std::time::Duration;

use crate::config::Settings;
use crate::feed::bulk::{self, Progress, Report, Request, UpdateError};
use crate::recall;
use crate::store::SinkKind;

/// Brings the store of `settings` up to date, and looks for installed packages that have turned out to be malicious.
/// The failure of one feed does not keep the others from coming.
pub fn update(
    settings: &Settings,
    request: &Request<'_>,
    progress: &dyn Progress,
) -> Result<Report, UpdateError> {
    bulk::update(&settings.feeds, request, progress, |store| {
        recall::look(store, settings)?;
        // Records for sinks that are no longer set up have no sender that would do it.
        for kind in SinkKind::ALL {
            store.drop_expired(kind)?;
        }
        // Installs may be waiting to write. While somebody reads, the log is left for another time.
        store.set_patience(Duration::ZERO)?;
        store.empty_log()
    })
}
