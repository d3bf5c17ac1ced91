//! How recent the store is, for `scfw status` and `scfw doctor`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use scfw_core::config::Settings;
use scfw_core::feed::bulk::{LastUpdate, Unreadable};
use scfw_core::store::{Feed, FeedName, Store, StoreError, now};
use scfw_core::text::sanitise;
use serde::Serialize;

use crate::terminal::output::describe;

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
    /// What the last update left out, by feed.
    unreadable: BTreeMap<String, Unreadable>,
    /// OSV's feeds whose latest change is so long ago that what they come from seems to stand still, with the day of it.
    standing_still: BTreeMap<String, String>,
}

/// How long nothing may have changed in what OSV exports, beyond the age that the settings let a store have. It changes
/// every hour.
const STANDSTILL: Duration = Duration::from_hours(7 * 24);

impl StoreAge {
    pub(super) fn of(settings: &Settings) -> Self {
        let mut age = Self {
            updated: None,
            feeds: 0,
            is_too_old: false,
            error: None,
            last_update_error: None,
            unreadable: BTreeMap::new(),
            standing_still: BTreeMap::new(),
        };
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
                age.is_too_old = Duration::from_secs(oldest) > settings.feeds.max_age;
                age.standing_still =
                    feeds.iter().filter_map(|feed| standing_still(feed, settings.feeds.max_age)).collect();
            }
            Err(error) => age.error = Some(describe(&error)),
        }
        if let Some(last) = LastUpdate::read(&settings.directories.data) {
            age.last_update_error = last.error;
            age.unreadable = last.unreadable;
        }
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
        let mut sentence = format!("{} feeds, brought up to date {age}{too_old}{error}", self.feeds);
        for (feed, Unreadable { count, named }) in &self.unreadable {
            let more = if *count > named.len() { ", …" } else { "" };
            let (feed, named) = (sanitise(feed), named.join(", "));
            let named = sanitise(&named);
            // Writing to a string does not fail.
            write!(sentence, "; {count} documents of {feed} could not be read: {named}{more}").ok();
        }
        for (feed, day) in &self.standing_still {
            // Writing to a string does not fail.
            write!(sentence, "; nothing in {feed} is later than {day}: is its source still kept up to date?")
                .ok();
        }
        sentence
    }
}

/// The name of a feed of OSV's in which nothing has changed for too long, and the day of the latest change.
fn standing_still(feed: &Feed, max_age: Duration) -> Option<(String, String)> {
    let newest = feed.newest.filter(|_| matches!(feed.name, FeedName::Osv(_)))?.div_euclid(1_000_000);
    let age = u64::try_from(now().saturating_sub(newest)).unwrap_or_default();
    let day = jiff::Timestamp::from_second(newest).ok()?.strftime("%Y-%m-%d").to_string();
    (Duration::from_secs(age) > max_age.saturating_add(STANDSTILL)).then(|| (feed.name.to_string(), day))
}
