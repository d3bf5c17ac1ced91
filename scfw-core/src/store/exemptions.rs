//! Exemptions: findings that the user has taken responsibility for. The policy says what one covers.

use rusqlite::{Row, params};

use super::{Store, StoreError};
use crate::package::Ecosystem;

/// An exemption to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewExemption {
    /// The ecosystem of the package.
    pub ecosystem: Ecosystem,
    /// Its name as the user wrote it.
    pub name: String,
    /// The one version that is exempted; nothing for every version.
    pub version: Option<String>,
    /// The one advisory; nothing for every finding.
    pub advisory: Option<String>,
    /// Why.
    pub reason: String,
    /// Whether critical findings are exempted too.
    pub malicious: bool,
    /// The time at which it was given, in Unix seconds.
    pub created: i64,
    /// The time at which it ends, in Unix seconds; none for never.
    pub expires: Option<i64>,
    /// The user who gave it.
    pub author: String,
}

/// An exemption as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exemption {
    /// Its number, by which it is removed.
    pub number: i64,
    /// Its terms.
    pub terms: NewExemption,
}

impl Exemption {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get(0)?,
            terms: NewExemption {
                ecosystem: super::ledger::ecosystem(row, 1)?,
                name: row.get(2)?,
                version: row.get(3)?,
                advisory: row.get(4)?,
                reason: row.get(5)?,
                malicious: row.get(6)?,
                created: row.get(7)?,
                expires: row.get(8)?,
                author: row.get(9)?,
            },
        })
    }
}

const COLUMNS: &str =
    "number, ecosystem, name, version, advisory, reason, malicious, created, expires, author";

impl Store {
    /// Adds an exemption and gives its number. Another with the same package, version and advisory is replaced.
    pub fn add_exemption(&mut self, exemption: &NewExemption) -> Result<i64, StoreError> {
        let key = exemption.ecosystem.normalise(&exemption.name);
        let ecosystem = exemption.ecosystem.osv_name();
        self.write(|transaction| {
            transaction.execute(
                "DELETE FROM exemptions WHERE ecosystem = ?1 AND key = ?2 AND version IS ?3 AND advisory IS ?4",
                params![ecosystem, key, exemption.version, exemption.advisory],
            )?;
            transaction.execute(
                "INSERT INTO exemptions (ecosystem, name, key, version, advisory, reason, malicious, created, \
                 expires, author) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                params![
                    ecosystem,
                    exemption.name,
                    key,
                    exemption.version,
                    exemption.advisory,
                    exemption.reason,
                    exemption.malicious,
                    exemption.created,
                    exemption.expires,
                    exemption.author
                ],
            )?;
            Ok(transaction.last_insert_rowid())
        })
    }

    /// All exemptions, the ones that have ended included, the oldest first.
    pub fn exemptions(&self) -> Result<Vec<Exemption>, StoreError> {
        self.run(|connection| {
            let mut statement =
                connection.prepare(&format!("SELECT {COLUMNS} FROM exemptions ORDER BY number"))?;
            statement.query_map([], Exemption::from_row)?.collect()
        })
    }

    /// The exemptions for any of `keys` (normalised names) that have not ended at `now` (Unix seconds).
    pub fn exemptions_for<'k>(
        &self,
        ecosystem: Ecosystem,
        keys: impl IntoIterator<Item = &'k str>,
        now: i64,
    ) -> Result<Vec<Exemption>, StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM exemptions WHERE ecosystem = ?1 AND key = ?2 \
                 AND (expires IS NULL OR expires > ?3)"
            ))?;
            let mut found = Vec::new();
            for key in keys {
                let rows =
                    statement.query_map(params![ecosystem.osv_name(), key, now], Exemption::from_row)?;
                for row in rows {
                    found.push(row?);
                }
            }
            Ok(found)
        })
    }

    /// Removes the exemption of that number; whether there was one.
    pub fn remove_exemption(&mut self, number: i64) -> Result<bool, StoreError> {
        self.write(|transaction| {
            Ok(transaction.execute("DELETE FROM exemptions WHERE number = ?1", [number])? > 0)
        })
    }
}
