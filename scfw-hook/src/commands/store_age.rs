//! How recent the store is, for `scfw status` and `scfw doctor`.

use std::time::Duration;

use scfw_core::config::Settings;
use scfw_core::feed::bulk::LastUpdate;
use scfw_core::store::{Store, StoreError, now};
use scfw_core::text::sanitise;
use serde::Serialize;

use crate::router::describe;

/// How recent the store is.
#[derive(Debug, Serialize)]
pub(super) struct StoreAge {
    /// When the feed that is longest out of date was brought up to date, in Unix seconds.
    pub(super) updated: Option<i64>,
    /// How many feeds there are.
    feeds: usize,
    /// Whether it is too old to be believed alone.
    pub(super) is_too_old: bool,
    /// Why it cannot be used.
    pub(super) error: Option<String>,
    /// What went wrong with the last update.
    last_update_error: Option<String>,
}

impl StoreAge {
    pub(super) fn of(settings: &Settings) -> Self {
        let mut age =
            Self { updated: None, feeds: 0, is_too_old: false, error: None, last_update_error: None };
        let read = || -> Result<_, StoreError> {
            let Some(store) = Store::open_existing(&Store::path_in(&settings.directories.data))? else {
                return Ok(Vec::new());
            };
            store.snapshot()?.feeds()
        };
        match read() {
            Ok(feeds) => {
                age.feeds = feeds.len();
                age.updated = feeds.iter().map(|feed| feed.updated).min();
                let oldest = feeds.iter().map(|feed| feed.age(now())).max().unwrap_or_default();
                age.is_too_old = Duration::from_secs(oldest) > settings.max_age;
            }
            Err(error) => age.error = Some(describe(&error)),
        }
        age.last_update_error = LastUpdate::read(&settings.directories.data).and_then(|last| last.error);
        age
    }

    /// The same in words.
    pub(super) fn sentence(&self) -> String {
        if let Some(error) = &self.error {
            return error.clone();
        }
        let Some(updated) = self.updated else {
            return "empty, so installs are verified online; \"scfw update\" brings all advisories to this machine"
                .to_owned();
        };
        let minutes = now().saturating_sub(updated) / 60;
        let age = match minutes {
            ..0 => "at a time that is still to come".to_owned(),
            0..120 => format!("{minutes} minutes ago"),
            120..4320 => format!("{} hours ago", minutes / 60),
            _ => format!("{} days ago", minutes / 1440),
        };
        let too_old = if self.is_too_old { ", which is too long: the network is asked as well" } else { "" };
        let error = self.last_update_error.as_deref().map(sanitise);
        let error = error.map(|error| format!("; the last update failed: {error}")).unwrap_or_default();
        format!("{} feeds, brought up to date {age}{too_old}{error}", self.feeds)
    }
}
