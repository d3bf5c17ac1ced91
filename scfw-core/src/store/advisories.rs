//! The store's knowledge of packages: advisories and manifests of malicious packages, by ecosystem and normalised
//! name.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{FeedName, Store, StoreError};
use crate::advisory::Advisory;
use crate::package::Ecosystem;

/// A feed as the store holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// Its name.
    pub name: FeedName,
    /// The number of the import that is its content.
    pub import: i64,
    /// The URL or directory that it came from.
    pub location: String,
    /// The server's name for this state of it (RFC 9110, `ETag`).
    pub etag: Option<String>,
    /// The time of the last update, in Unix seconds.
    pub updated: i64,
    /// The latest modification of any of its documents, in Unix microseconds.
    pub newest: Option<i64>,
}

impl Feed {
    /// The number of seconds since it was brought up to date. A time in the future says nothing, so that is the
    /// oldest there can be.
    #[must_use]
    pub fn age(&self, now: i64) -> u64 {
        u64::try_from(now.saturating_sub(self.updated)).unwrap_or(u64::MAX)
    }

    fn from_row(name: FeedName, row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            name,
            import: row.get(1)?,
            location: row.get(2)?,
            etag: row.get(3)?,
            updated: row.get(4)?,
            newest: row.get(5)?,
        })
    }
}

const FEED: &str = "SELECT name, import, location, etag, updated, newest FROM feeds";

/// One state of the store: everything that is read through it is of the same moment, even if an update goes on
/// meanwhile.
#[derive(Debug)]
pub struct Snapshot<'a> {
    transaction: Transaction<'a>,
    path: &'a std::path::Path,
}

impl Store {
    /// The present state, for reading related rows. Keep it short: the log cannot shrink while it lasts.
    pub fn snapshot(&self) -> Result<Snapshot<'_>, StoreError> {
        let transaction = self
            .connection
            .unchecked_transaction()
            .map_err(|source| StoreError::from_engine(&self.path, source))?;
        Ok(Snapshot { transaction, path: &self.path })
    }
}

impl Snapshot<'_> {
    /// All feeds that have been brought in, by name.
    pub fn feeds(&self) -> Result<Vec<Feed>, StoreError> {
        self.run(|transaction| {
            let mut statement = transaction.prepare_cached(&format!("{FEED} ORDER BY name"))?;
            let mut rows = statement.query([])?;
            let mut feeds = Vec::new();
            while let Some(row) = rows.next()? {
                if let Some(name) = FeedName::parse(&row.get::<_, String>(0)?) {
                    feeds.push(Feed::from_row(name, row)?);
                }
            }
            Ok(feeds)
        })
    }

    /// The feed of that name, if it has been brought in.
    pub fn feed(&self, name: &FeedName) -> Result<Option<Feed>, StoreError> {
        self.run(|transaction| {
            transaction
                .prepare_cached(&format!("{FEED} WHERE name = ?1"))?
                .query_row([name], |row| Feed::from_row(name.clone(), row))
                .optional()
        })
    }

    /// The advisories of `feed` about each package of `keys` (normalised names) that has any.
    pub fn advisories<'k>(
        &self,
        feed: &Feed,
        ecosystem: Ecosystem,
        keys: impl IntoIterator<Item = &'k str>,
    ) -> Result<HashMap<&'k str, Vec<Advisory>>, StoreError> {
        let damaged = || StoreError::Damaged { path: self.path.to_owned() };
        let documents = self.run(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT document FROM affected JOIN advisories ON number = advisory \
                 WHERE affected.import = ?1 AND ecosystem = ?2 AND key = ?3 AND document IS NOT NULL",
            )?;
            let mut found = Vec::new();
            for key in keys {
                let rows = statement.query_map(params![feed.import, ecosystem.osv_name(), key], |row| {
                    row.get::<_, String>(0)
                })?;
                let documents = rows.collect::<rusqlite::Result<Vec<_>>>()?;
                if !documents.is_empty() {
                    found.push((key, documents));
                }
            }
            Ok(found)
        })?;
        let mut advisories = HashMap::with_capacity(documents.len());
        for (key, documents) in documents {
            let parsed: Result<Vec<_>, _> =
                documents.iter().map(|document| Advisory::parse(document.as_bytes())).collect();
            advisories.insert(key, parsed.map_err(|_| damaged())?);
        }
        Ok(advisories)
    }

    /// The versions that the manifest `feed` lists of `keys` (normalised names); none if it means every version.
    pub fn malicious<'k>(
        &self,
        feed: &Feed,
        ecosystem: Ecosystem,
        keys: impl IntoIterator<Item = &'k str>,
    ) -> Result<HashMap<String, Option<Vec<String>>>, StoreError> {
        let listed = self.run(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT versions FROM malicious WHERE import = ?1 AND ecosystem = ?2 AND key = ?3",
            )?;
            let mut listed = Vec::new();
            for key in keys {
                let versions = statement
                    .query_row(params![feed.import, ecosystem.osv_name(), key], |row| {
                        row.get::<_, Option<String>>(0)
                    })
                    .optional()?;
                listed.extend(versions.map(|versions| (key, versions)));
            }
            Ok(listed)
        })?;
        let damaged = |_| StoreError::Damaged { path: self.path.to_owned() };
        let parse = |versions: Option<String>| {
            versions.map(|versions| serde_json::from_str(&versions)).transpose().map_err(damaged)
        };
        listed.into_iter().map(|(key, versions)| Ok((key.to_owned(), parse(versions)?))).collect()
    }

    /// The id and the modification time (Unix microseconds) of every document of `feed`, those included that say
    /// nothing about a package.
    pub fn modification_times(&self, feed: &Feed) -> Result<HashMap<String, i64>, StoreError> {
        self.run(|transaction| {
            let mut statement =
                transaction.prepare_cached("SELECT id, modified FROM advisories WHERE import = ?1")?;
            statement.query_map([feed.import], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
    }

    /// The number of advisories and malicious packages in `feed`.
    pub fn count(&self, feed: &Feed) -> Result<u64, StoreError> {
        let count: i64 = self.run(|transaction| {
            transaction.query_row(
                "SELECT (SELECT count(document) FROM advisories WHERE import = ?1) \
                 + (SELECT count(*) FROM malicious WHERE import = ?1)",
                [feed.import],
                |row| row.get(0),
            )
        })?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    fn run<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        work(&self.transaction).map_err(|source| StoreError::from_engine(self.path, source))
    }
}
