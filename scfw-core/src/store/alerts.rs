//! Alerts: advisories that came after something they are about was installed here. They wait in the store until they
//! are recorded and the user is told of them, once each.

use std::collections::HashSet;

use rusqlite::{Connection, Params, Row, params};

use super::ledger::{TARGET, ecosystem, json, target_from};
use super::outbox::queue;
use super::{RunTarget, SinkKind, Store, StoreError, now};
use crate::package::Ecosystem;

/// A package that a run was allowed to install or build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The number of the run's target.
    pub target: i64,
    /// The ecosystem of the package.
    pub ecosystem: Ecosystem,
    /// Its normalised name.
    pub key: String,
    /// Its version.
    pub version: String,
}

/// An alert to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAlert {
    /// The number of the run's target.
    pub target: i64,
    /// The verifier that says so.
    pub verifier: &'static str,
    /// The id of the advisory, or the name of the feed if that gives none.
    pub advisory: String,
    /// Its summary.
    pub summary: String,
    /// The page with more about it.
    pub url: Option<String>,
}

/// An alert with the run that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// The package that was installed.
    pub target: RunTarget,
    /// The time of the install, in Unix seconds.
    pub time: i64,
    /// The directory of the install.
    pub directory: String,
    /// The manager that installed it.
    pub manager: String,
    /// The program, as the user called it.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The verifier that says so.
    pub verifier: String,
    /// The id of the advisory, or the name of the feed.
    pub advisory: String,
    /// Its summary.
    pub summary: String,
    /// The page with more about it.
    pub url: Option<String>,
    /// The time at which the user was told of it, in Unix seconds; none if that is still to be done.
    pub told: Option<i64>,
}

impl Alert {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            target: target_from(row)?,
            time: row.get(6)?,
            directory: row.get(7)?,
            manager: row.get(8)?,
            program: row.get(9)?,
            arguments: json(row, 10)?,
            advisory: row.get(11)?,
            summary: row.get(12)?,
            url: row.get(13)?,
            told: row.get(14)?,
            verifier: row.get(15)?,
        })
    }
}

impl Store {
    /// Every package that a run was allowed to install or build and did not only try. A package from a path is the
    /// user's own, and no data set knows one without a version.
    pub fn installed(&self) -> Result<Vec<Installed>, StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare(
                "SELECT run_targets.number, ecosystem, key, version FROM run_targets \
                 JOIN runs ON runs.number = run WHERE action = 'ALLOW' AND purpose <> 'dry-run' \
                 AND source <> 'path' AND version IS NOT NULL ORDER BY ecosystem, key, version",
            )?;
            let installed = |row: &Row<'_>| {
                Ok(Installed {
                    target: row.get(0)?,
                    ecosystem: ecosystem(row, 1)?,
                    key: row.get(2)?,
                    version: row.get(3)?,
                })
            };
            statement.query_map([], installed)?.collect()
        })
    }

    /// Makes `alerts` those that the user is to be told of, less those that were told already, in place of those that
    /// were waiting before. Gives how many are waiting then.
    pub fn put_alerts(&mut self, alerts: &[NewAlert]) -> Result<usize, StoreError> {
        if alerts.is_empty() && !self.has_untold_alerts()? {
            return Ok(0);
        }
        self.write(|transaction| {
            let mut statement =
                transaction.prepare("SELECT target, advisory FROM alerts WHERE told IS NULL")?;
            let mut gone = statement
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<HashSet<(i64, String)>>>()?;
            let mut insert = transaction.prepare(
                "INSERT INTO alerts (target, verifier, advisory, summary, url) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT DO UPDATE SET verifier = excluded.verifier, \
                 summary = excluded.summary, url = excluded.url",
            )?;
            for alert in alerts {
                gone.remove(&(alert.target, alert.advisory.clone()));
                insert.execute(params![
                    alert.target, alert.verifier, alert.advisory, alert.summary, alert.url
                ])?;
            }
            let mut delete = transaction.prepare("DELETE FROM alerts WHERE target = ?1 AND advisory = ?2")?;
            for (target, advisory) in gone {
                delete.execute(params![target, advisory])?;
            }
            let count = "SELECT count(*) FROM alerts WHERE told IS NULL";
            let waiting: i64 = transaction.query_row(count, [], |row| row.get(0))?;
            Ok(usize::try_from(waiting).unwrap_or_default())
        })
    }

    /// Whether there is anything that the user is to be told of.
    pub fn has_untold_alerts(&self) -> Result<bool, StoreError> {
        self.run(|connection| {
            connection
                .query_row("SELECT EXISTS (SELECT 1 FROM alerts WHERE told IS NULL)", [], |row| row.get(0))
        })
    }

    /// The alerts that the user is to be told of, the latest run first.
    pub fn untold_alerts(&self) -> Result<Vec<Alert>, StoreError> {
        self.run(|connection| select(connection, "alerts.told IS NULL", []))
    }

    /// The alerts that no record tells of yet, the latest run first.
    pub fn unrecorded_alerts(&self) -> Result<Vec<Alert>, StoreError> {
        self.run(|connection| select(connection, "alerts.recorded IS NULL", []))
    }

    /// Puts the records of `alerts`, in JSON, into the outbox of the sinks beside them. An alert that another process
    /// has recorded meanwhile gets none. Gives for each whether it was put.
    pub fn record_alerts(&mut self, alerts: &[(&Alert, &str, &[SinkKind])]) -> Result<Vec<bool>, StoreError> {
        self.write(|transaction| {
            let mut claim = transaction.prepare(
                "UPDATE alerts SET recorded = ?3 WHERE target = ?1 AND advisory = ?2 AND recorded IS NULL",
            )?;
            let mut record = |(alert, record, sinks): &(&Alert, &str, &[SinkKind])| {
                let is_ours = claim.execute(params![alert.target.number, alert.advisory, now()])? > 0;
                if is_ours {
                    queue(transaction, record, sinks)?;
                }
                Ok(is_ours)
            };
            alerts.iter().map(&mut record).collect()
        })
    }

    /// Takes the alerts that the user is to be told of. If several processes ask, each alert is given to one of them.
    pub fn take_alerts(&mut self) -> Result<Vec<Alert>, StoreError> {
        self.write(|transaction| {
            let alerts = select(transaction, "alerts.told IS NULL", [])?;
            transaction.execute("UPDATE alerts SET told = ?1 WHERE told IS NULL", [now()])?;
            Ok(alerts)
        })
    }

    /// Puts back the alerts that were taken and could not be told.
    pub fn put_back(&mut self, alerts: &[Alert]) -> Result<(), StoreError> {
        self.write(|transaction| {
            let mut statement =
                transaction.prepare("UPDATE alerts SET told = NULL WHERE target = ?1 AND advisory = ?2")?;
            for alert in alerts {
                statement.execute(params![alert.target.number, alert.advisory])?;
            }
            Ok(())
        })
    }

    /// The alerts about the run of that number.
    pub fn alerts_about(&self, run: i64) -> Result<Vec<Alert>, StoreError> {
        self.run(|connection| select(connection, "run_targets.run = ?1", [run]))
    }
}

fn select(connection: &Connection, condition: &str, parameters: impl Params) -> rusqlite::Result<Vec<Alert>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {TARGET}, runs.time, directory, manager, program, arguments, advisory, summary, alerts.url, told, \
         verifier FROM alerts JOIN run_targets ON run_targets.number = target JOIN runs ON runs.number = run \
         WHERE {condition} ORDER BY runs.number DESC, run_targets.number, advisory"
    ))?;
    statement.query_map(parameters, Alert::from_row)?.collect()
}
