//! Publish times of versions: each was published at that time at the latest. That never changes, so it is kept for
//! good.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError};
use crate::package::Ecosystem;

/// Rows that are written in one transaction.
const BATCH: usize = 2000;

/// A version with a time at which it was published, or had been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The normalised name of the package.
    pub key: String,
    /// The artifact: for npm the version as the registry writes it, for PyPI the name of the file, because files can
    /// be added to a version later.
    pub version: String,
    /// The time by which it was published, in Unix seconds: a registry may tell no more than that.
    pub time: i64,
}

impl Store {
    /// The times by which `versions` (normalised name, version) of `registry` were published, in Unix seconds, as far
    /// as they are known.
    pub fn publish_times<'k>(
        &self,
        ecosystem: Ecosystem,
        registry: &str,
        versions: impl IntoIterator<Item = (&'k str, &'k str)>,
    ) -> Result<Vec<Option<i64>>, StoreError> {
        self.run(|connection| {
            // One transaction, so that the file is locked once and not for every row; one that is under way will do.
            let _transaction =
                connection.is_autocommit().then(|| connection.unchecked_transaction()).transpose()?;
            let mut statement = connection.prepare_cached(
                "SELECT published FROM publish_times \
                 WHERE ecosystem = ?1 AND key = ?2 AND version = ?3 AND registry = ?4",
            )?;
            let mut time = |(key, version)| {
                statement
                    .query_row(params![ecosystem.osv_name(), key, version, registry], |row| row.get(0))
                    .optional()
            };
            versions.into_iter().map(&mut time).collect()
        })
    }

    /// The artifacts of the package `key` (a normalised name), from any registry, and the times by which they were
    /// published, in Unix seconds.
    pub fn publish_times_anywhere(
        &self,
        ecosystem: Ecosystem,
        key: &str,
    ) -> Result<Vec<(String, i64)>, StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT version, published FROM publish_times WHERE ecosystem = ?1 AND key = ?2",
            )?;
            statement
                .query_map(params![ecosystem.osv_name(), key], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }

    /// Keeps the times of `published`. If one artifact has two times the earlier one stays: it says more.
    pub fn put_publish_times(
        &mut self,
        ecosystem: Ecosystem,
        registry: &str,
        published: &[Published],
    ) -> Result<(), StoreError> {
        for batch in published.chunks(BATCH) {
            self.write(|transaction| {
                let mut statement = transaction.prepare_cached(
                    "INSERT INTO publish_times (ecosystem, registry, key, version, published) \
                     VALUES (?1, ?2, ?3, ?4, ?5) \
                     ON CONFLICT DO UPDATE SET published = min(published, excluded.published)",
                )?;
                for Published { key, version, time } in batch {
                    statement.execute(params![ecosystem.osv_name(), registry, key, version, time])?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}
