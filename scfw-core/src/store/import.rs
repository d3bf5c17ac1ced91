//! Bringing a feed in. A whole feed is written under a new number, in transactions of a few milliseconds between
//! which others have their turn; then one tiny transaction makes it the feed's current content, and the content
//! before is deleted in small steps again. A few changes are one transaction.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rusqlite::{Transaction, params};

use super::{FeedName, Store, StoreError, now};
use crate::advisory::Advisory;
use crate::package::Ecosystem;

/// Rows that are written or deleted in one transaction.
const BATCH: usize = 400;
/// Longest and shortest pause between two transactions, for others to have their turn.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// A document of a feed, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAdvisory {
    id: String,
    modified: i64,
    document: Option<String>,
    packages: Vec<(Ecosystem, String)>,
}

impl NewAdvisory {
    /// The row for `advisory`, which was last modified at `modified` (Unix microseconds): nothing but that it exists,
    /// if it is withdrawn or about no package of an ecosystem that scfw knows.
    #[must_use]
    pub fn new(advisory: &Advisory, modified: i64) -> Self {
        let mut packages: Vec<_> =
            if advisory.withdrawn.is_some() { Vec::new() } else { advisory.package_keys().collect() };
        packages.sort_unstable();
        packages.dedup();
        let document = (!packages.is_empty()).then(|| advisory.compact());
        Self { id: advisory.id.clone(), modified, document, packages }
    }

    /// Whether it says anything about a package of `ecosystem`, or of any.
    #[must_use]
    pub fn is_about(&self, ecosystem: Option<Ecosystem>) -> bool {
        self.packages.iter().any(|(of, _)| ecosystem.is_none_or(|ecosystem| ecosystem == *of))
    }

    /// Bytes that it takes, about.
    #[must_use]
    pub fn size(&self) -> usize {
        self.id.len()
            + self.document.as_ref().map_or(0, String::len)
            + self.packages.iter().map(|(_, key)| key.len() + 32).sum::<usize>()
            + 96
    }
}

/// The origin of a feed, and how recent it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedState {
    /// The URL or directory.
    pub location: String,
    /// The server's name for this state of it.
    pub etag: Option<String>,
    /// The latest modification of any document, in Unix microseconds.
    pub newest: Option<i64>,
}

/// A change of one document of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is new or has changed.
    Put(NewAdvisory),
    /// The feed has it no more.
    Remove(String),
}

/// A feed on its way in. If it is dropped before [`finish`](Self::finish) it leaves rows that nobody reads, which the
/// next import removes. Only one process may import at a time; see [`crate::feed::bulk`].
#[derive(Debug)]
pub struct Import<'a> {
    store: &'a mut Store,
    feed: FeedName,
    number: i64,
}

impl Store {
    /// Begins to bring `feed` in anew.
    pub fn import(&mut self, feed: &FeedName) -> Result<Import<'_>, StoreError> {
        self.remove_leftovers()?;
        let number = self.write(|transaction| {
            transaction.execute("INSERT INTO imports (feed) VALUES (?1)", [feed])?;
            Ok(transaction.last_insert_rowid())
        })?;
        Ok(Import { store: self, feed: feed.clone(), number })
    }

    /// Applies `changes` to `feed`, which must be there, all at once; then it is as `state` says, and up to date.
    pub fn apply(
        &mut self,
        feed: &FeedName,
        changes: &[Change],
        state: &FeedState,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            let number: i64 =
                transaction
                    .query_row("SELECT import FROM feeds WHERE name = ?1", [feed], |row| row.get(0))?;
            for change in changes {
                match change {
                    Change::Put(advisory) => {
                        remove_advisory(transaction, number, &advisory.id)?;
                        insert(transaction, number, advisory)?;
                    }
                    Change::Remove(id) => drop(remove_advisory(transaction, number, id)?),
                }
            }
            make_current(transaction, feed, number, state)
        })
    }

    /// Notes that `feed` was found unchanged just now.
    pub fn confirm(&mut self, feed: &FeedName) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute("UPDATE feeds SET updated = ?2 WHERE name = ?1", params![feed, now()])
        })?;
        Ok(())
    }

    /// Forgets `feed` with all that it said.
    pub fn forget(&mut self, feed: &FeedName) -> Result<(), StoreError> {
        self.write(|transaction| transaction.execute("DELETE FROM feeds WHERE name = ?1", [feed]))?;
        self.remove_leftovers()
    }

    /// Deletes rows that belong to no feed: replaced imports, and those that were killed.
    fn remove_leftovers(&mut self) -> Result<(), StoreError> {
        let leftovers: Vec<i64> = self.run(|connection| {
            let mut statement = connection
                .prepare("SELECT number FROM imports WHERE number NOT IN (SELECT import FROM feeds)")?;
            statement.query_map([], |row| row.get(0))?.collect()
        })?;
        for number in leftovers {
            for statement in [
                "DELETE FROM affected WHERE (import, ecosystem, key, advisory) IN \
                 (SELECT import, ecosystem, key, advisory FROM affected WHERE import = ?1 LIMIT ?2)",
                "DELETE FROM advisories WHERE number IN \
                 (SELECT number FROM advisories WHERE import = ?1 LIMIT ?2)",
                "DELETE FROM malicious WHERE (import, ecosystem, key) IN \
                 (SELECT import, ecosystem, key FROM malicious WHERE import = ?1 LIMIT ?2)",
            ] {
                loop {
                    let deleted = self.write_politely(|transaction| {
                        transaction.prepare_cached(statement)?.execute(params![number, BATCH.cast_signed()])
                    })?;
                    if deleted < BATCH {
                        break;
                    }
                }
            }
            self.write(|transaction| transaction.execute("DELETE FROM imports WHERE number = ?1", [number]))?;
        }
        Ok(())
    }

    /// One of many transactions in a row: others get as much time as it took.
    fn write_politely<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let start = Instant::now();
        let result = self.write(work)?;
        std::thread::sleep(start.elapsed().clamp(PAUSES.0, PAUSES.1));
        Ok(result)
    }
}

impl Import<'_> {
    /// Adds advisories. If two have one id, the later one counts.
    pub fn add(&mut self, advisories: &[NewAdvisory]) -> Result<(), StoreError> {
        let number = self.number;
        let mut affected: Vec<(&(Ecosystem, String), i64)> = Vec::with_capacity(advisories.len());
        for batch in advisories.chunks(BATCH) {
            self.store.write_politely(|transaction| {
                for advisory in batch {
                    let (row, replaced) = insert_advisory(transaction, number, advisory)?;
                    if let Some(replaced) = replaced {
                        affected.retain(|(_, row)| *row != replaced);
                    }
                    affected.extend(advisory.packages.iter().map(|package| (package, row)));
                }
                Ok(())
            })?;
        }
        // The order of the table lets each of its pages be touched in few transactions.
        affected.sort_unstable();
        for batch in affected.chunks(BATCH) {
            self.store.write_politely(|transaction| {
                batch
                    .iter()
                    .try_for_each(|(package, row)| insert_affected(transaction, number, package, *row))
            })?;
        }
        Ok(())
    }

    /// Adds malicious packages by normalised name: versions, or nothing for every version.
    pub fn add_malicious(
        &mut self,
        ecosystem: Ecosystem,
        packages: &BTreeMap<String, Option<Vec<String>>>,
    ) -> Result<(), StoreError> {
        let number = self.number;
        let packages: Vec<_> = packages.iter().collect();
        for batch in packages.chunks(BATCH) {
            self.store.write_politely(|transaction| {
                let mut statement = transaction.prepare_cached(
                    "INSERT INTO malicious (import, ecosystem, key, versions) VALUES (?1, ?2, ?3, ?4)",
                )?;
                for (key, versions) in batch {
                    let versions = versions.as_ref().map(|versions| serde_json::json!(versions).to_string());
                    statement.execute(params![number, ecosystem.osv_name(), key, versions])?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Makes the added advisories the content of the feed, and deletes those of before.
    pub fn finish(self, state: &FeedState) -> Result<(), StoreError> {
        let Self { store, feed, number } = self;
        store.write(|transaction| make_current(transaction, &feed, number, state))?;
        store.remove_leftovers()
    }
}

fn make_current(
    transaction: &Transaction<'_>,
    feed: &FeedName,
    number: i64,
    state: &FeedState,
) -> rusqlite::Result<()> {
    transaction.execute(
        "INSERT INTO feeds (name, import, location, etag, updated, newest) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (name) DO UPDATE SET import = ?2, location = ?3, etag = ?4, updated = ?5, newest = ?6",
        params![feed, number, state.location, state.etag, now(), state.newest],
    )?;
    Ok(())
}

fn insert(transaction: &Transaction<'_>, number: i64, advisory: &NewAdvisory) -> rusqlite::Result<()> {
    let (row, _) = insert_advisory(transaction, number, advisory)?;
    advisory.packages.iter().try_for_each(|package| insert_affected(transaction, number, package, row))
}

/// Inserts an advisory without its packages. Gives its row, and the one that it has replaced.
fn insert_advisory(
    transaction: &Transaction<'_>,
    number: i64,
    advisory: &NewAdvisory,
) -> rusqlite::Result<(i64, Option<i64>)> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO advisories (import, id, modified, document) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    )?;
    let parameters = params![number, advisory.id, advisory.modified, advisory.document];
    let mut replaced = None;
    if statement.execute(parameters)? == 0 {
        replaced = remove_advisory(transaction, number, &advisory.id)?;
        statement.execute(parameters)?;
    }
    Ok((transaction.last_insert_rowid(), replaced))
}

fn insert_affected(
    transaction: &Transaction<'_>,
    number: i64,
    (ecosystem, key): &(Ecosystem, String),
    row: i64,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO affected (import, ecosystem, key, advisory) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![number, ecosystem.osv_name(), key, row])?;
    Ok(())
}

/// Removes one advisory, and gives the row that it was. The document says which packages it is about.
fn remove_advisory(transaction: &Transaction<'_>, number: i64, id: &str) -> rusqlite::Result<Option<i64>> {
    let mut statement = transaction
        .prepare_cached("SELECT number, document FROM advisories WHERE import = ?1 AND id = ?2")?;
    let mut rows = statement.query(params![number, id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let (advisory, document): (i64, Option<String>) = (row.get(0)?, row.get(1)?);
    drop(rows);
    let parsed = document.and_then(|document| Advisory::parse(document.as_bytes()).ok());
    let mut statement = transaction.prepare_cached(
        "DELETE FROM affected WHERE import = ?1 AND ecosystem = ?2 AND key = ?3 AND advisory = ?4",
    )?;
    for (ecosystem, key) in parsed.iter().flat_map(Advisory::package_keys) {
        statement.execute(params![number, ecosystem.osv_name(), key, advisory])?;
    }
    transaction.prepare_cached("DELETE FROM advisories WHERE number = ?1")?.execute([advisory])?;
    Ok(Some(advisory))
}
