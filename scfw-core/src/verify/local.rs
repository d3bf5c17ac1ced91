//! The knowledge of this machine: the store, opened for one verification. If it cannot be used, verifying goes on
//! without it, and the reason is said.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

use crate::config::FeedSettings;
use crate::feed::bulk::counts;
use crate::finding::LocalNotes;
use crate::store::{Feed, FeedName, Snapshot, Store, StoreError, now};

/// One state of the store, with how old its feeds may be.
#[derive(Debug)]
pub struct Local<'a> {
    snapshot: Option<Snapshot<'a>>,
    feeds: HashMap<FeedName, Feed>,
    now: i64,
    refresh_after: Duration,
    max_age: Duration,
    is_offline: bool,
    is_refresh_due: Cell<bool>,
    trouble: RefCell<Option<StoreError>>,
}

/// The store's state of a feed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Known {
    /// The store has nothing that counts: the feed was never brought in from where it has to come from, or the store
    /// cannot be used.
    Absent,
    /// Something that is too old to be believed alone; how old.
    Old(Duration),
    /// The store has a current state.
    Current,
}

impl<'a> Local<'a> {
    /// The present state of `store`, which was opened for this.
    pub(super) fn new(settings: &FeedSettings, store: &'a Result<Option<Store>, StoreError>) -> Self {
        let mut local = Self {
            snapshot: None,
            feeds: HashMap::new(),
            now: now(),
            refresh_after: settings.refresh_after,
            max_age: settings.max_age,
            is_offline: settings.offline,
            is_refresh_due: Cell::new(false),
            trouble: RefCell::new(None),
        };
        if let Ok(Some(store)) = store {
            let read = store.snapshot().and_then(|snapshot| Ok((snapshot.feeds()?, snapshot)));
            match read {
                Ok((feeds, snapshot)) => {
                    let feeds = feeds.into_iter().filter(|feed| counts(settings, feed));
                    local.feeds = feeds.map(|feed| (feed.name.clone(), feed)).collect();
                    local.snapshot = Some(snapshot);
                }
                Err(error) => local.trouble = RefCell::new(Some(error)),
            }
        }
        local
    }

    /// Looks something up in the feed called `name`. `look_up` is not called if there is no such feed; if it fails,
    /// the feed counts as absent.
    pub(super) fn consult<T>(
        &self,
        name: &FeedName,
        look_up: impl FnOnce(&Snapshot<'_>, &Feed) -> Result<T, StoreError>,
    ) -> (Known, Option<T>) {
        let (Some(snapshot), Some(feed)) = (&self.snapshot, self.feeds.get(name)) else {
            return (Known::Absent, None);
        };
        match look_up(snapshot, feed) {
            Ok(found) => (self.standing(feed), Some(found)),
            Err(error) => {
                self.trouble.borrow_mut().get_or_insert(error);
                (Known::Absent, None)
            }
        }
    }

    fn standing(&self, feed: &Feed) -> Known {
        let age = Duration::from_secs(feed.age(self.now));
        if age > self.refresh_after {
            self.is_refresh_due.set(true);
        }
        if age > self.max_age { Known::Old(age) } else { Known::Current }
    }

    /// The words to add if the network could not tell either, about a feed of `what`.
    pub(super) fn explain(&self, known: Known, what: &str) -> Option<String> {
        match known {
            Known::Old(age) => Some(format!("what the store has of {what} is {}", old(age))),
            Known::Absent if self.is_offline => {
                Some(format!("the store has nothing of {what} (\"scfw update --from DIR\" brings it in)"))
            }
            Known::Absent | Known::Current => None,
        }
    }

    /// The observations on the way.
    pub(super) fn into_notes(self, opened: &Result<Option<Store>, StoreError>) -> LocalNotes {
        let trouble = self.trouble.into_inner();
        let trouble = opened.as_ref().err().or(trouble.as_ref());
        LocalNotes { trouble: trouble.map(describe), is_refresh_due: self.is_refresh_due.get() }
    }
}

fn describe(error: &StoreError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(" ({cause})")).unwrap_or_default();
    format!("{error}{cause}; this verification does without it")
}

/// `age` in hours, or in days from three days on, for what comes after `is`. If the clock was set back, it is none.
pub(super) fn old(age: Duration) -> String {
    let hours = age.as_secs() / 3600;
    match hours {
        _ if age.as_secs() == u64::MAX => "from a time still to come".to_owned(),
        ..72 => format!("{hours} hours old"),
        72.. => format!("{} days old", hours / 24),
    }
}
