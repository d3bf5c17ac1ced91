//! The ledger: each run, the packages that it would have installed, and the decision.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{SinkKind, Store, StoreError};
use crate::action::Action;
use crate::package::{Ecosystem, Source, Target};

/// The purpose of an allowed run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Its targets are installed.
    Install,
    /// Its targets are built, or fetched from a repository, to learn their metadata.
    Build,
    /// The run installs nothing.
    DryRun,
}

impl Purpose {
    /// The word in the ledger: `install`, `build`, `dry-run`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Build => "build",
            Self::DryRun => "dry-run",
        }
    }

    /// The purpose behind that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Install, Self::Build, Self::DryRun].into_iter().find(|purpose| purpose.name() == word)
    }
}

/// A run to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// A name for it that no other run has, see [`NewRun::new_id`].
    pub id: String,
    /// The time of the decision, in Unix seconds.
    pub time: i64,
    /// The action on it.
    pub action: Action,
    /// Its purpose.
    pub purpose: Purpose,
    /// `pip` or `npm`.
    pub manager: String,
    /// The program as the user called it.
    pub program: String,
    /// Its arguments, without credentials.
    pub arguments: Vec<String>,
    /// The working directory.
    pub directory: String,
    /// The manager's file, as far as it is known.
    pub executable: String,
    /// The record as it was logged, in JSON.
    pub record: String,
}

impl NewRun {
    /// A new id: a UUID of version 7 (RFC 9562), so that ids sort by time.
    #[must_use]
    pub fn new_id() -> String {
        uuid::Uuid::now_v7().to_string()
    }
}

/// A run as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its number within this store.
    pub number: i64,
    /// The run.
    pub run: NewRun,
    /// The packages that it would have installed or has installed.
    pub targets: Vec<RunTarget>,
}

/// A target of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunTarget {
    /// Its number within this store.
    pub number: i64,
    /// The ecosystem of the package.
    pub ecosystem: Ecosystem,
    /// Its name as it was written.
    pub name: String,
    /// Its version, if that was known.
    pub version: Option<String>,
    /// Its source.
    pub source: Source,
    /// The archive or repository, without credentials.
    pub url: Option<String>,
}

/// The runs that are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunQuery {
    /// Only runs with this package (its normalised name) among their targets.
    pub package: Option<(Ecosystem, String)>,
    /// Only runs with this version of it, as it was written.
    pub version: Option<String>,
    /// Only runs at or after this time, in Unix seconds.
    pub since: Option<i64>,
    /// The greatest number of them, the latest.
    pub limit: Option<u32>,
}

pub(super) const TARGET: &str = "run_targets.number, ecosystem, name, version, source, run_targets.url";

impl Store {
    /// Writes a run with its targets, and puts its record into the outbox of each of `sinks`; all of that or nothing.
    pub fn record(
        &mut self,
        run: &NewRun,
        targets: &[&Target],
        sinks: &[SinkKind],
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            let number = insert_run(transaction, run)?;
            let mut statement = transaction.prepare_cached(
                "INSERT INTO run_targets (run, ecosystem, name, key, version, source, url) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            for target in targets {
                let package = &target.package;
                statement.execute(params![
                    number,
                    package.ecosystem.osv_name(),
                    package.name,
                    package.key(),
                    package.version,
                    target.source.name(),
                    target.url
                ])?;
            }
            super::outbox::queue(transaction, &run.record, sinks)
        })
    }

    /// The record, in JSON, of the run that has the target of that number.
    pub fn record_of(&self, target: i64) -> Result<Option<String>, StoreError> {
        self.run(|connection| {
            let select =
                "SELECT record FROM runs JOIN run_targets ON run = runs.number WHERE run_targets.number = ?1";
            connection.prepare_cached(select)?.query_row([target], |row| row.get(0)).optional()
        })
    }

    /// The runs that `query` asks for, the latest first. A build is left out if the run that it was part of went on
    /// to install its result.
    pub fn runs(&self, query: &RunQuery) -> Result<Vec<Run>, StoreError> {
        let (ecosystem, key) = query.package.clone().unzip();
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT number, id, time, action, purpose, manager, program, arguments, directory, executable, record \
                 FROM runs WHERE (?1 IS NULL OR time >= ?1) \
                 AND (?2 IS NULL OR number IN (SELECT run FROM run_targets \
                 WHERE ecosystem = ?2 AND key = ?3 AND (?4 IS NULL OR version = ?4))) \
                 AND NOT (purpose = 'build' AND action = 'ALLOW' AND EXISTS (SELECT 1 FROM runs AS later \
                 WHERE later.time BETWEEN runs.time AND runs.time + 3600 AND +later.number > runs.number \
                 AND later.purpose <> 'build' AND later.manager = runs.manager \
                 AND later.arguments = runs.arguments AND later.directory = runs.directory \
                 AND NOT EXISTS (SELECT 1 FROM run_targets AS built WHERE built.run = runs.number \
                 AND NOT EXISTS (SELECT 1 FROM run_targets AS kept WHERE kept.run = later.number \
                 AND (kept.url = built.url OR kept.ecosystem = built.ecosystem AND kept.key = built.key \
                 AND (built.version IS NULL OR kept.version = built.version)))))) \
                 ORDER BY number DESC LIMIT ?5",
            )?;
            let limit = query.limit.map_or(-1, i64::from);
            let parameters =
                params![query.since, ecosystem.map(Ecosystem::osv_name), key, query.version, limit];
            let mut runs = statement
                .query_map(parameters, |row| {
                    Ok(Run { number: row.get(0)?, run: run_from(row)?, targets: Vec::new() })
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {TARGET} FROM run_targets WHERE run = ?1 ORDER BY run_targets.number"
            ))?;
            for run in &mut runs {
                run.targets =
                    statement.query_map([run.number], target_from)?.collect::<rusqlite::Result<_>>()?;
            }
            Ok(runs)
        })
    }
}

fn insert_run(transaction: &Transaction<'_>, run: &NewRun) -> rusqlite::Result<i64> {
    transaction
        .prepare_cached(
            "INSERT INTO runs \
             (id, time, action, purpose, manager, program, arguments, directory, executable, record) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            run.id,
            run.time,
            run.action.name(),
            run.purpose.name(),
            run.manager,
            run.program,
            serde_json::json!(run.arguments).to_string(),
            run.directory,
            run.executable,
            run.record
        ])?;
    Ok(transaction.last_insert_rowid())
}

fn run_from(row: &Row<'_>) -> rusqlite::Result<NewRun> {
    let (action, purpose): (String, String) = (row.get(3)?, row.get(4)?);
    Ok(NewRun {
        id: row.get(1)?,
        time: row.get(2)?,
        action: Action::parse(&action).ok_or_else(|| senseless(3))?,
        purpose: Purpose::parse(&purpose).ok_or_else(|| senseless(4))?,
        manager: row.get(5)?,
        program: row.get(6)?,
        arguments: json(row, 7)?,
        directory: row.get(8)?,
        executable: row.get(9)?,
        record: row.get(10)?,
    })
}

pub(super) fn target_from(row: &Row<'_>) -> rusqlite::Result<RunTarget> {
    let source: String = row.get(4)?;
    Ok(RunTarget {
        number: row.get(0)?,
        ecosystem: ecosystem(row, 1)?,
        name: row.get(2)?,
        version: row.get(3)?,
        source: Source::parse(&source).ok_or_else(|| senseless(4))?,
        url: row.get(5)?,
    })
}

/// The ecosystem in a column.
pub(super) fn ecosystem(row: &Row<'_>, column: usize) -> rusqlite::Result<Ecosystem> {
    let name: String = row.get(column)?;
    Ecosystem::parse(&name).ok_or_else(|| senseless(column))
}

pub(super) fn json(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<String>> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|_| senseless(column))
}

/// A value that no version of scfw has written there.
fn senseless(column: usize) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(column, String::new(), rusqlite::types::Type::Text)
}
