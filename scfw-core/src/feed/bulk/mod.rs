//! Bringing whole feeds into the store: OSV's bulk export, the Datadog manifests, and feeds of the user's own. Each feed
//! is either brought in whole or stays as it was; killed at any moment, the store is as before and the next update
//! goes on where this one was with its downloads.

mod archive;
mod extra;
mod index;
mod osv;
mod place;
mod reader;
mod state;

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{FeedError, datadog};
use crate::config::FeedSettings;
use crate::files::create_private;
use crate::package::Ecosystem;
use crate::store::{self, Feed, FeedName, FeedState, Rebuilt, Store, StoreError};
use crate::text::without_credentials;
use reader::{Content, Reader};

pub use place::Place;
pub use state::{LastUpdate, Unreadable};

/// A feed that had at least this many entries and comes with less than half of them is refused.
const TOO_MANY_TO_LOSE: u64 = 1000;

/// Why a feed could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// Only one update runs at a time.
    #[error("another update is running")]
    Running,
    /// The administrator decides where feeds come from.
    #[error("policy: where feeds come from is locked, so nothing is brought in from {location} ({file})")]
    Locked {
        /// The directory or URL.
        location: String,
        /// The file that says so.
        file: String,
    },
    /// The place given has nothing that could be brought in.
    #[error("{location} has neither osv/<ecosystem>/all.zip nor datadog/samples/<ecosystem>/manifest.json")]
    Nothing {
        /// The directory or URL.
        location: String,
    },
    /// A feed that is configured is not where it should be.
    #[error("{location} does not exist")]
    Absent {
        /// The directory, file or URL.
        location: String,
    },
    /// The feed does not answer.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The store cannot take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file could not be read or written.
    #[error("{} could not be {action}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// `read`, `written`, `made`.
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The content is not as it should be.
    #[error("{location} {reason}")]
    Unusable {
        /// The file or URL.
        location: String,
        /// The mistake.
        reason: String,
    },
    /// It is empty.
    #[error("{location} is empty; if that is right, \"scfw update --force\" takes it")]
    Empty {
        /// The directory or URL.
        location: String,
    },
    /// The store has later changes.
    #[error(
        "{location} is of {found} and older than what the store has, which is of {known}; if that is right, \"scfw update \
        --force\" takes it"
    )]
    Older {
        /// The directory or URL.
        location: String,
        /// The time of the last change in it.
        found: jiff::Timestamp,
        /// The time of the last change in the store.
        known: jiff::Timestamp,
    },
    /// Most of the feed's former content is gone.
    #[error(
        "{location} has {found} entries where the store holds {known}; if that is right, \"scfw update --force\" \
        takes it"
    )]
    Shrunk {
        /// The directory or URL.
        location: String,
        /// The number of its entries now.
        found: u64,
        /// The number of its entries before.
        known: u64,
    },
}

/// The request for an update.
#[derive(Debug, Clone, Default)]
pub struct Request<'a> {
    /// A directory or URL to bring OSV and Datadog from, instead of the configured ones.
    pub from: Option<&'a str>,
    /// Take a feed even where most of it is gone.
    pub force: bool,
}

/// A listener to the progress of an update.
pub trait Progress {
    /// A step begins: `what` is a few words, `total` the number of things (or bytes) to come, if that is known.
    fn begin(&self, what: &str, total: Option<u64>, is_bytes: bool);
    /// That many things (or bytes) are done.
    fn advance(&self, count: u64);
    /// The step is over.
    fn end(&self);
}

/// Nobody.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _what: &str, _total: Option<u64>, _is_bytes: bool) {}
    fn advance(&self, _count: u64) {}
    fn end(&self) {}
}

/// The way in which a feed was brought up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// There was nothing new.
    Unchanged,
    /// The numbers of entries that were new or had changed, and of those that were gone.
    Changed(u64, u64),
    /// It was brought in as a whole.
    Whole,
    /// The place that was given does not have it, so it stayed as it was.
    Skipped,
}

/// One feed after an update.
#[derive(Debug)]
pub struct Updated {
    /// The way in which it was brought up to date.
    pub how: How,
    /// The number of its advisories or malicious packages.
    pub count: u64,
    /// The time of the last change to any of them, in Unix seconds.
    pub newest: Option<i64>,
    /// Documents that could not be read and are left out.
    pub unreadable: Vec<String>,
}

/// The result of an update.
#[derive(Debug, Default)]
pub struct Report {
    /// The store was damaged and was built anew.
    pub rebuilt: Option<Rebuilt>,
    /// Each feed by name, with its result.
    pub feeds: Vec<(FeedName, Result<Updated, UpdateError>)>,
}

impl Report {
    /// Whether every feed is up to date and was read to the last document.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.feeds
            .iter()
            .all(|(_, outcome)| outcome.as_ref().is_ok_and(|updated| updated.unreadable.is_empty()))
    }
}

/// Brings the feeds of `settings` into the store. The failure of one feed does not keep the others from coming. No
/// other update begins before `afterwards` is done with the store.
pub(crate) fn update(
    settings: &FeedSettings,
    request: &Request<'_>,
    progress: &dyn Progress,
    afterwards: impl FnOnce(&mut Store) -> Result<(), StoreError>,
) -> Result<Report, UpdateError> {
    if let Some(from) = request.from
        && settings.locks.any()
    {
        let location = Place::parse(from).to_string();
        return Err(UpdateError::Locked { location, file: settings.locks.file.clone() });
    }
    let data = &settings.directory;
    let _held_until_the_end = lock(data)?;
    let outcome = update_locked(settings, request, progress, afterwards);
    state::LastUpdate::of(&outcome).write(data);
    outcome
}

/// Whether `feed` of the store counts: if the policy locks its place, only content from there does. An earlier update
/// may have taken it from elsewhere.
pub(crate) fn counts(settings: &FeedSettings, feed: &Feed) -> bool {
    let is_below = |is_locked: bool, base: &str| {
        let base = Place::parse(base).to_string();
        let below = feed.location.strip_prefix(base.trim_end_matches('/'));
        !is_locked || below.is_some_and(|rest| rest.starts_with('/'))
    };
    match &feed.name {
        FeedName::Osv(_) => is_below(settings.locks.osv, &settings.osv_bulk_url),
        FeedName::Datadog(_) => is_below(settings.locks.datadog, &settings.datadog_dataset_url),
        FeedName::Extra(name) if settings.locks.extra => {
            let configured = settings.extra.iter().find(|feed| feed.name == *name);
            configured.is_some_and(|configured| Place::from(&configured.place).to_string() == feed.location)
        }
        FeedName::Extra(_) => true,
    }
}

/// Whether an update is running.
#[must_use]
pub fn is_running(data: &Path) -> bool {
    matches!(lock(data), Err(UpdateError::Running))
}

/// The lock of updates; the system gives it back however this process ends.
fn lock(data: &Path) -> Result<File, UpdateError> {
    let path = data.join("update.lock");
    let disk = |source| UpdateError::Disk { path: path.clone(), action: "made", source };
    create_private(data).map_err(disk)?;
    let file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(disk)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(UpdateError::Running),
        Err(TryLockError::Error(source)) => Err(disk(source)),
    }
}

fn update_locked(
    settings: &FeedSettings,
    request: &Request<'_>,
    progress: &dyn Progress,
    afterwards: impl FnOnce(&mut Store) -> Result<(), StoreError>,
) -> Result<Report, UpdateError> {
    let mut report = Report::default();
    let mut store = open(settings, &mut report)?;
    let bases = match request.from {
        Some(from) => [place::below(from, "osv"), place::below(from, "datadog")],
        None => [Place::parse(&settings.osv_bulk_url), Place::parse(&settings.datadog_dataset_url)]
            .map(|base| vec![base]),
    };
    let reader = Reader::new(settings, &bases, progress)?;
    let mut updater = Updater { settings, store: &mut store, reader: &reader, force: request.force };
    for ecosystem in Ecosystem::ALL {
        let name = FeedName::Osv(ecosystem);
        let outcome = updater.osv(&name, ecosystem, &bases[0]);
        report.feeds.push((name, outcome));
        let name = FeedName::Datadog(ecosystem);
        let outcome = updater.datadog(&name, ecosystem, &bases[1]);
        report.feeds.push((name, outcome));
    }
    let is_skipped = |(_, outcome): &(FeedName, Result<Updated, _>)| {
        matches!(outcome, Ok(Updated { how: How::Skipped, .. }))
    };
    if let Some(from) = request.from
        && report.feeds.iter().all(is_skipped)
    {
        return Err(UpdateError::Nothing { location: without_credentials(from).into_owned() });
    }
    for feed in &settings.extra {
        let name = FeedName::Extra(feed.name.clone());
        let outcome = updater.extra(&name, feed, request.from);
        report.feeds.push((name, outcome));
    }
    updater.forget_what_is_not_configured(settings)?;
    afterwards(&mut store)?;
    Ok(report)
}

/// Opens the store, or builds it anew if it is damaged.
fn open(settings: &FeedSettings, report: &mut Report) -> Result<Store, UpdateError> {
    let path = Store::path_in(&settings.directory);
    let opened = Store::open(&path).and_then(|store| store.check().map(|()| store));
    match opened {
        Err(error) if error.is_damage() => {
            report.rebuilt = Some(store::rebuild(&path)?);
            Ok(Store::open(&path)?)
        }
        opened => Ok(opened?),
    }
}

/// An update under way.
struct Updater<'a> {
    settings: &'a FeedSettings,
    store: &'a mut Store,
    reader: &'a Reader<'a>,
    force: bool,
}

impl Updater<'_> {
    fn datadog(
        &mut self,
        name: &FeedName,
        ecosystem: Ecosystem,
        bases: &[Place],
    ) -> Result<Updated, UpdateError> {
        let feed = self.store.snapshot()?.feed(name)?;
        for base in bases {
            let place = base.join(&datadog::path(ecosystem));
            let location = place.to_string();
            let etag =
                feed.as_ref().filter(|feed| feed.location == location).and_then(|feed| feed.etag.as_deref());
            let (bytes, etag) = match self.reader.read(&place, etag, datadog::LARGEST)? {
                Content::Absent => continue,
                Content::Unchanged => {
                    self.store.confirm(name)?;
                    return self.updated(name, How::Unchanged, Vec::new());
                }
                Content::Bytes(bytes, etag) => (bytes, etag),
            };
            let unusable = || UpdateError::Unusable {
                location: location.clone(),
                reason: "is no manifest of malicious packages".to_owned(),
            };
            let manifest = datadog::Manifest::parse(&bytes, ecosystem).ok_or_else(unusable)?;
            refuse_emptiness(self.force, &location, manifest.count() as u64)?;
            let packages = manifest.into_packages();
            refuse_loss(self.force, &location, self.count(name)?, packages.len() as u64)?;
            let mut import = self.store.import(name)?;
            import.add_malicious(ecosystem, &packages)?;
            import.finish(&FeedState { location, etag, newest: None })?;
            return self.updated(name, How::Whole, Vec::new());
        }
        self.skipped(name, bases)
    }

    /// A feed that the place that was given does not have. The configured one has to have it.
    fn skipped(&self, name: &FeedName, bases: &[Place]) -> Result<Updated, UpdateError> {
        match bases {
            [only] => Err(UpdateError::Absent { location: only.to_string() }),
            _ => self.updated(name, How::Skipped, Vec::new()),
        }
    }

    fn updated(&self, name: &FeedName, how: How, unreadable: Vec<String>) -> Result<Updated, UpdateError> {
        let snapshot = self.store.snapshot()?;
        let Some(feed) = snapshot.feed(name)? else {
            return Ok(Updated { how, count: 0, newest: None, unreadable });
        };
        let newest = feed.newest.map(|newest| newest.div_euclid(1_000_000));
        Ok(Updated { how, count: snapshot.count(&feed)?, newest, unreadable })
    }

    fn count(&self, name: &FeedName) -> Result<u64, UpdateError> {
        let snapshot = self.store.snapshot()?;
        let Some(feed) = snapshot.feed(name)? else { return Ok(0) };
        Ok(snapshot.count(&feed)?)
    }

    fn forget_what_is_not_configured(&mut self, settings: &FeedSettings) -> Result<(), UpdateError> {
        let feeds = self.store.snapshot()?.feeds()?;
        for feed in feeds {
            let is_configured = |name: &str| settings.extra.iter().any(|feed| feed.name == name);
            if matches!(&feed.name, FeedName::Extra(name) if !is_configured(name)) {
                self.store.forget(&feed.name)?;
            }
        }
        Ok(())
    }
}

/// Refuses a feed of nothing: everything would be known to be harmless.
fn refuse_emptiness(force: bool, location: &str, found: u64) -> Result<(), UpdateError> {
    if !force && found == 0 {
        return Err(UpdateError::Empty { location: location.to_owned() });
    }
    Ok(())
}

/// Refuses a state that is older than the store's (times of the latest change, Unix microseconds): its server could
/// hide everything that has come since then. A day is allowed, because the latest document of all may have gone.
fn refuse_older(
    force: bool,
    location: &str,
    known: Option<i64>,
    found: Option<i64>,
) -> Result<(), UpdateError> {
    const SLACK: i64 = 24 * 3600 * 1_000_000;
    let (Some(known), false) = (known, force) else { return Ok(()) };
    let found = found.unwrap_or_default();
    if found >= known.saturating_sub(SLACK) {
        return Ok(());
    }
    let [found, known] =
        [found, known].map(|time| jiff::Timestamp::from_microsecond(time).unwrap_or_default());
    Err(UpdateError::Older { location: location.to_owned(), found, known })
}

/// Refuses a feed that has lost most of its `known` entries: it is more likely that something is wrong with it.
fn refuse_loss(force: bool, location: &str, known: u64, found: u64) -> Result<(), UpdateError> {
    if !force && known >= TOO_MANY_TO_LOSE && found < known / 2 {
        return Err(UpdateError::Shrunk { location: location.to_owned(), found, known });
    }
    Ok(())
}
