//! When versions were published. That never changes, so it is kept for good.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError};
use crate::package::Ecosystem;

/// Rows that are written in one transaction.
const BATCH: usize = 2000;

/// A version with the time of its publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The normalised name of the package.
    pub key: String,
    /// The version as the registry writes it.
    pub version: String,
    /// When it was published, in Unix seconds.
    pub time: i64,
}

impl Store {
    /// When each of `versions` (normalised name, version) of `registry` was published, in Unix seconds, as far as that
    /// is known.
    pub fn publish_times<'k>(
        &self,
        ecosystem: Ecosystem,
        registry: &str,
        versions: impl IntoIterator<Item = (&'k str, &'k str)>,
    ) -> Result<Vec<Option<i64>>, StoreError> {
        self.run(|connection| {
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

    /// Keeps the times of `published`. A time that is known already stays.
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
                     VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
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
