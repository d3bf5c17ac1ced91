//! OSV's bulk export: one zip per ecosystem, and an index of what has changed.

use std::collections::HashMap;
use std::fs::File;

use super::index::{Difference, Index, microseconds};
use super::place::Place;
use super::reader::{Archive, Content};
use super::{
    How, UpdateError, Updated, Updater, archive, counts, refuse_emptiness, refuse_loss, refuse_older,
};
use crate::advisory::Advisory;
use crate::feed::osv::is_sensible_id;
use crate::package::Ecosystem;
use crate::store::{Change, FeedName, FeedState, Import, NewAdvisory, now};

/// Largest index, in bytes: about 40 for each document.
const LARGEST_INDEX: usize = 256 * 1024 * 1024;
/// Up to this many changed documents are always fetched one by one.
const FEW: usize = 32;
/// No more than this many are, because they become one transaction.
const MANY: usize = 2000;
/// The zip may lack at most this many documents of the index, because the two are not made at one moment.
const MOST_MISSING: usize = 500;
/// Most bytes of changed documents together, because they are held in memory. The zip is read one by one.
const MOST_CHANGED: usize = 64 * 1024 * 1024;
/// The cost of fetching one document, in bytes of a download that would take as long.
const COST_OF_ONE: u64 = 32 * 1024;
/// Documents that are gathered before they are written in the order of the store, in bytes and in number.
const GATHERED: (usize, usize) = (24 * 1024 * 1024, 25_000);

impl Updater<'_> {
    pub(super) fn osv(
        &mut self,
        name: &FeedName,
        ecosystem: Ecosystem,
        bases: &[Place],
    ) -> Result<Updated, UpdateError> {
        // A feed that does not count leaves nothing behind.
        let feed = self.store.snapshot()?.feed(name)?.filter(|feed| counts(self.settings, feed));
        for base in bases {
            let base = base.join(ecosystem.osv_name());
            let location = base.to_string();
            let etag =
                feed.as_ref().filter(|feed| feed.location == location).and_then(|feed| feed.etag.as_deref());
            let (index, etag) = match self.reader.read(&base.join("modified_id.csv"), etag, LARGEST_INDEX)? {
                Content::Unchanged => {
                    self.store.confirm(name)?;
                    return self.updated(name, How::Unchanged, Vec::new());
                }
                // An index of no use is as good as none: there is the zip.
                Content::Bytes(bytes, etag) => (Index::parse(&bytes), etag),
                Content::Absent => (None, None),
            };
            let newest = index.as_ref().and_then(Index::newest);
            let state = FeedState { location, etag, newest: newest.map(not_to_come) };
            let before = feed.as_ref().and_then(|feed| feed.newest);
            // The changes that this place lists cannot be applied to another place's documents, which may be others.
            let same = feed.as_ref().filter(|feed| feed.location == state.location);
            if let (Some(index), Some(feed)) = (&index, same) {
                let known = self.store.snapshot()?.modification_times(feed)?;
                let difference = index.difference(&known);
                refuse_older(self.force, &state.location, before, state.newest)?;
                if let Some(updated) = self.changes(name, &base, index, &difference, &state)? {
                    return Ok(updated);
                }
            }
            match self.reader.open(&base.join("all.zip"), None)? {
                Archive::File(zip, _) => {
                    let updated = self.whole(name, ecosystem, zip, index.as_ref(), state, before);
                    self.reader.discard(&base.join("all.zip"), updated.as_ref().map(drop));
                    return updated;
                }
                Archive::Absent | Archive::Unchanged if index.is_none() => {}
                Archive::Absent | Archive::Unchanged => {
                    return Err(UpdateError::Absent { location: base.join("all.zip").to_string() });
                }
            }
        }
        self.skipped(name, bases)
    }

    /// Brings in the changes alone; none if the zip is cheaper, or cannot be done without.
    fn changes(
        &mut self,
        name: &FeedName,
        base: &Place,
        index: &Index,
        difference: &Difference,
        state: &FeedState,
    ) -> Result<Option<Updated>, UpdateError> {
        if difference.len() > MANY || !difference.changed.iter().all(|id| is_sensible_id(id)) {
            return Ok(None);
        }
        if difference.changed.len() > FEW {
            let size = self.reader.size(&base.join("all.zip"))?;
            if size.is_some_and(|size| size < difference.changed.len() as u64 * COST_OF_ONE) {
                return Ok(None);
            }
        }
        refuse_emptiness(self.force, &state.location, index.0.len() as u64)?;
        refuse_loss(self.force, &state.location, self.count(name)?, index.0.len() as u64)?;
        let places = difference.changed.iter().map(|id| base.join(&format!("{id}.json"))).collect();
        let limit = usize::try_from(archive::LARGEST_DOCUMENT).unwrap_or(usize::MAX);
        let Some(documents) = self.reader.read_all(places, limit, MOST_CHANGED)? else { return Ok(None) };
        let mut unreadable = Vec::new();
        let mut changes: Vec<Change> = difference.gone.iter().cloned().map(Change::Remove).collect();
        for (id, document) in difference.changed.iter().zip(documents) {
            // Mirrors may have the zip alone, and an advisory may go while this goes on.
            let Some(document) = document else { return Ok(None) };
            match Advisory::parse_leniently(&document) {
                Ok(advisory) if advisory.id == *id => {
                    let modified = index.0.get(id).copied().unwrap_or_default();
                    changes.push(Change::Put(NewAdvisory::new(&advisory, modified)));
                }
                _ => unreadable.push(id.clone()),
            }
        }
        // A document that could not be read is asked for again next time.
        let etag = state.etag.clone().filter(|_| unreadable.is_empty());
        self.store.apply(name, &changes, &FeedState { etag, ..state.clone() })?;
        let how = match (difference.changed.len(), difference.gone.len()) {
            (0, 0) => How::Unchanged,
            (new, gone) => How::Changed(new as u64, gone as u64),
        };
        self.updated(name, how, unreadable).map(Some)
    }

    /// Brings all documents of `zip` in. `before` is the time of the latest change that the store knows.
    fn whole(
        &mut self,
        name: &FeedName,
        ecosystem: Ecosystem,
        zip: File,
        index: Option<&Index>,
        mut state: FeedState,
        before: Option<i64>,
    ) -> Result<Updated, UpdateError> {
        let known = self.count(name)?;
        let mut gathering = Gathering::new(self.store.import(name)?, Some(ecosystem));
        let location = format!("{}/all.zip", state.location);
        archive::documents(zip, &location, self.reader.progress, &mut |file, bytes| {
            gathering.take(file, bytes)
        })?;
        let (import, gathered) = gathering.end()?;
        refuse_emptiness(self.force, &location, gathered.count)?;
        refuse_loss(self.force, &location, known, gathered.count)?;
        let newest = gathered.times.values().copied().max().map(not_to_come);
        refuse_older(self.force, &location, before, newest)?;
        if let Some(index) = index {
            refuse_gaps(self.force, &location, index, &gathered)?;
        }
        // An index and a zip that are of different moments: the rest comes with the next update.
        if index.is_none_or(|index| index.difference(&gathered.times).len() > 0) {
            state.etag = None;
        }
        state.newest = state.newest.max(newest);
        import.finish(&state)?;
        self.updated(name, How::Whole, gathered.unreadable)
    }
}

/// Refuses a zip that lacks many documents of its index: it is cut, or older.
fn refuse_gaps(force: bool, location: &str, index: &Index, gathered: &Gathered) -> Result<(), UpdateError> {
    let missing = index.0.keys().filter(|id| !gathered.times.contains_key(*id)).count();
    // An unreadable document is there, and named.
    let missing = missing.saturating_sub(gathered.unreadable.len());
    if !force && missing > (index.0.len() / 100).clamp(FEW, MOST_MISSING) {
        let reason = format!(
            "lacks {missing} of the {} documents that modified_id.csv lists: it is cut, or older than that; if that is \
             right, \"scfw update --force\" takes it",
            index.0.len()
        );
        return Err(UpdateError::Unusable { location: location.to_owned(), reason });
    }
    Ok(())
}

/// `time` (Unix microseconds), or now if that is still to come: a mistake would make everything that follows look
/// old.
pub(super) fn not_to_come(time: i64) -> i64 {
    time.min(now().saturating_mul(1_000_000))
}

/// The time of the last change that `advisory` gives, in Unix microseconds.
fn modified(advisory: &Advisory) -> Option<i64> {
    advisory.modified.as_deref().and_then(microseconds)
}

/// Documents on their way into an import: gathered in memory, within bounds, and written in the order of the index.
pub(super) struct Gathering<'a> {
    import: Import<'a>,
    ecosystem: Option<Ecosystem>,
    waiting: Vec<NewAdvisory>,
    size: usize,
    gathered: Gathered,
}

/// The documents that have been brought in.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Each document by id, with the time of its last change in Unix microseconds.
    pub(super) times: HashMap<String, i64>,
    /// The number of advisories about a package of the ecosystem in question.
    pub(super) count: u64,
    /// The files that could not be read.
    pub(super) unreadable: Vec<String>,
}

impl<'a> Gathering<'a> {
    /// An advisory counts if it is about a package of `ecosystem`, or of any.
    pub(super) fn new(import: Import<'a>, ecosystem: Option<Ecosystem>) -> Self {
        Self { import, ecosystem, waiting: Vec::new(), size: 0, gathered: Gathered::default() }
    }

    pub(super) fn take(&mut self, file: &str, document: &[u8]) -> Result<(), UpdateError> {
        let Ok(advisory) = Advisory::parse_leniently(document) else {
            self.gathered.unreadable.push(file.to_owned());
            return Ok(());
        };
        let modified = modified(&advisory).unwrap_or_default();
        let new = NewAdvisory::new(&advisory, modified);
        self.gathered.count += u64::from(new.is_about(self.ecosystem));
        self.gathered.times.insert(advisory.id, modified);
        self.size += new.size();
        self.waiting.push(new);
        if self.size > GATHERED.0 || self.waiting.len() > GATHERED.1 { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), UpdateError> {
        self.import.add(&self.waiting)?;
        self.waiting.clear();
        self.size = 0;
        Ok(())
    }

    pub(super) fn end(mut self) -> Result<(Import<'a>, Gathered), UpdateError> {
        self.write()?;
        Ok((self.import, self.gathered))
    }
}
