//! The outbox: records that wait for their sinks, in order. It is bounded, so that a sink that never answers costs no
//! more than that much disk; the oldest go first, and they are counted.

use rusqlite::{OptionalExtension, Transaction, params};

use super::{Store, StoreError, now};

/// The most records that wait for one sink.
pub const MOST_RECORDS: i64 = 10_000;
/// The most that they may have together, in bytes.
pub const MOST_BYTES: i64 = 32 * 1024 * 1024;
/// The longest that one waits, in seconds: 30 days.
pub const LONGEST_WAIT: i64 = 30 * 24 * 60 * 60;
/// The share of them that is kept if they have become too many, in percent: so many go at once that the next of a
/// long queue of installs need not make room again.
const KEPT: i64 = 95;
/// The longest that a sink is left alone, in seconds. A time beyond it was written by a clock that was wrong.
const LONGEST_PAUSE: i64 = 24 * 60 * 60;

/// A kind of sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SinkKind {
    /// The Datadog Agent on this machine.
    Agent,
    /// Datadog's API.
    Api,
    /// An OpenTelemetry Collector.
    Otlp,
}

impl SinkKind {
    /// Every kind there is.
    pub const ALL: [Self; 3] = [Self::Agent, Self::Api, Self::Otlp];

    /// The word in the store, in records and in JSON: `agent`, `api`, `otlp`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Api => "api",
            Self::Otlp => "otlp",
        }
    }

    /// The kind behind that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == word)
    }

    /// The sink's name for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Agent => "the Datadog Agent",
            Self::Api => "Datadog's API",
            Self::Otlp => "the OpenTelemetry Collector",
        }
    }
}

/// A record that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its place in the order.
    pub number: i64,
    /// The record in JSON.
    pub record: String,
}

/// The state of delivery to a sink.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinkState {
    /// Records that wait.
    pub waiting: i64,
    /// Attempts that failed since the last that did not.
    pub attempts: u32,
    /// No attempt until then, in Unix seconds.
    pub not_before: i64,
    /// The time at which it last took something, in Unix seconds.
    pub delivered: Option<i64>,
    /// The last error, and its time, in Unix seconds. It stays until the sink takes something.
    pub error: Option<(String, i64)>,
    /// Records that were given up, ever.
    pub dropped: i64,
    /// Those of them that no record has told of yet.
    pub untold: i64,
    /// The address and the key that the last failure was with, so that another is tried at once.
    pub place: Option<String>,
}

/// The part of a batch that a sink has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The last record that it has got.
    pub number: i64,
    /// Those of them that it did not keep.
    pub refused: usize,
    /// The sink's objection to some of them, or the reason why earlier ones were given up.
    pub remark: Option<String>,
}

impl Store {
    /// Puts a record, in JSON, into the outbox of each of `sinks`.
    pub fn queue(&mut self, record: &str, sinks: &[SinkKind]) -> Result<(), StoreError> {
        self.write(|transaction| queue(transaction, record, sinks))
    }

    /// The first records that wait for `sink`: no more than `most`, and no more than `most_bytes` together unless the
    /// first alone has more.
    pub fn waiting(
        &self,
        sink: SinkKind,
        most: usize,
        most_bytes: usize,
    ) -> Result<Vec<Waiting>, StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT number, record FROM outbox WHERE sink = ?1 ORDER BY number LIMIT ?2",
            )?;
            let limit = i64::try_from(most).unwrap_or(i64::MAX);
            let mut rows = statement.query(params![sink.name(), limit])?;
            let mut batch = Vec::new();
            let mut bytes = 0;
            while let Some(row) = rows.next()? {
                let waiting = Waiting { number: row.get(0)?, record: row.get(1)? };
                bytes += waiting.record.len();
                if bytes > most_bytes && !batch.is_empty() {
                    break;
                }
                batch.push(waiting);
            }
            Ok(batch)
        })
    }

    /// The state of delivery to `sink`.
    pub fn sink_state(&self, sink: SinkKind) -> Result<SinkState, StoreError> {
        self.run(|connection| {
            let state = connection
                .query_row(
                    "SELECT attempts, not_before, delivered, error, failed, dropped, told, waiting, place FROM sinks \
                     WHERE name = ?1",
                    [sink.name()],
                    |row| {
                        let error: Option<String> = row.get(3)?;
                        let failed: Option<i64> = row.get(4)?;
                        let dropped: i64 = row.get(5)?;
                        Ok(SinkState {
                            waiting: row.get(7)?,
                            attempts: row.get(0)?,
                            not_before: row.get(1)?,
                            delivered: row.get(2)?,
                            error: error.zip(failed),
                            dropped,
                            untold: dropped - row.get::<_, i64>(6)?,
                            place: row.get(8)?,
                        })
                    },
                )
                .optional()?;
            let mut state = state.unwrap_or_default();
            if state.not_before > now() + LONGEST_PAUSE {
                state.not_before = 0;
            }
            Ok(state)
        })
    }

    /// Notes the records that `sink` has taken.
    pub fn note_delivered(&mut self, sink: SinkKind, taken: &Taken) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction
                .prepare_cached("DELETE FROM outbox WHERE sink = ?1 AND number <= ?2")?
                .execute(params![sink.name(), taken.number])?;
            row_of(transaction, sink)?;
            count_dropped(transaction, sink, taken.refused)?;
            transaction
                .prepare_cached(
                    "UPDATE sinks SET attempts = 0, not_before = 0, delivered = ?2, error = ?3, \
                     failed = iif(?3 IS NULL, NULL, ?2) WHERE name = ?1",
                )?
                .execute(params![sink.name(), now(), taken.remark])
                .map(drop)
        })
    }

    /// Notes that `sink` took nothing at `place`, and that it is left alone there until `not_before` (Unix seconds).
    pub fn note_failure(
        &mut self,
        sink: SinkKind,
        place: &str,
        not_before: i64,
        reason: &str,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            row_of(transaction, sink)?;
            transaction
                .prepare_cached(
                    "UPDATE sinks SET attempts = iif(place IS ?5, attempts + 1, 1), not_before = ?2, error = ?3, \
                     failed = ?4, place = ?5 WHERE name = ?1",
                )?
                .execute(params![sink.name(), not_before, reason, now(), place])
                .map(drop)
        })
    }

    /// Gives the record `number` up, which `sink` will never take.
    pub fn give_up(&mut self, sink: SinkKind, number: i64, reason: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            let given_up = transaction
                .prepare_cached("DELETE FROM outbox WHERE sink = ?1 AND number = ?2")?
                .execute(params![sink.name(), number])?;
            count_dropped(transaction, sink, given_up)?;
            transaction
                .prepare_cached("UPDATE sinks SET error = ?2, failed = ?3 WHERE name = ?1")?
                .execute(params![sink.name(), reason, now()])
                .map(drop)
        })
    }

    /// Drops the records that have waited too long for `sink`.
    pub fn drop_expired(&mut self, sink: SinkKind) -> Result<(), StoreError> {
        let oldest: Option<i64> = self.run(|connection| {
            let oldest = "SELECT time FROM outbox WHERE sink = ?1 ORDER BY number LIMIT 1";
            connection.prepare_cached(oldest)?.query_row([sink.name()], |row| row.get(0)).optional()
        })?;
        if oldest.is_none_or(|oldest| oldest >= now() - LONGEST_WAIT) {
            return Ok(());
        }
        self.write(|transaction| {
            let expired = transaction
                .prepare_cached("DELETE FROM outbox WHERE sink = ?1 AND time < ?2")?
                .execute(params![sink.name(), now() - LONGEST_WAIT])?;
            count_dropped(transaction, sink, expired)
        })
    }

    /// Puts `record`, which tells of `count` dropped records, into the outbox of `sink`, so that it is told once.
    pub fn tell_of_dropped(&mut self, sink: SinkKind, count: i64, record: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction
                .prepare_cached("UPDATE sinks SET told = told + ?2 WHERE name = ?1")?
                .execute(params![sink.name(), count])?;
            queue(transaction, record, &[sink])
        })
    }
}

/// Puts a record into the outbox of each of `sinks`, and drops the oldest if that makes them too many.
pub(super) fn queue(transaction: &Transaction<'_>, record: &str, sinks: &[SinkKind]) -> rusqlite::Result<()> {
    let bytes = i64::try_from(record.len()).unwrap_or(i64::MAX);
    for sink in sinks {
        transaction
            .prepare_cached("INSERT INTO outbox (sink, time, bytes, record) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![sink.name(), now(), bytes, record])?;
        let (count, total): (i64, i64) = transaction
            .prepare_cached("SELECT waiting, bytes FROM sinks WHERE name = ?1")?
            .query_row([sink.name()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if count > MOST_RECORDS || total > MOST_BYTES {
            make_room(transaction, *sink, count, total)?;
        }
    }
    Ok(())
}

/// Drops the oldest of the `count` records that wait for `sink` with `total` bytes; the newest stays at any size.
fn make_room(
    transaction: &Transaction<'_>,
    sink: SinkKind,
    mut count: i64,
    mut total: i64,
) -> rusqlite::Result<()> {
    let mut select =
        transaction.prepare_cached("SELECT number, bytes FROM outbox WHERE sink = ?1 ORDER BY number")?;
    let mut rows = select.query([sink.name()])?;
    let mut last_dropped = 0;
    while count > 1 && (count > MOST_RECORDS * KEPT / 100 || total > MOST_BYTES * KEPT / 100) {
        let Some(row) = rows.next()? else { break };
        last_dropped = row.get(0)?;
        total -= row.get::<_, i64>(1)?;
        count -= 1;
    }
    let dropped = transaction
        .prepare_cached("DELETE FROM outbox WHERE sink = ?1 AND number <= ?2")?
        .execute(params![sink.name(), last_dropped])?;
    count_dropped(transaction, sink, dropped)
}

fn count_dropped(transaction: &Transaction<'_>, sink: SinkKind, dropped: usize) -> rusqlite::Result<()> {
    if dropped == 0 {
        return Ok(());
    }
    row_of(transaction, sink)?;
    transaction
        .prepare_cached("UPDATE sinks SET dropped = dropped + ?2 WHERE name = ?1")?
        .execute(params![sink.name(), i64::try_from(dropped).unwrap_or(i64::MAX)])
        .map(drop)
}

/// Makes the row of a sink if there is none.
fn row_of(transaction: &Transaction<'_>, sink: SinkKind) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT INTO sinks (name) VALUES (?1) ON CONFLICT DO NOTHING")?
        .execute([sink.name()])
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&Store::path_in(directory.path())).unwrap();
        (directory, store)
    }

    fn records(store: &Store, sink: SinkKind) -> Vec<String> {
        let waiting = store.waiting(sink, usize::MAX, usize::MAX).unwrap();
        waiting.into_iter().map(|waiting| waiting.record).collect()
    }

    #[test]
    fn each_sink_has_its_own_order_and_its_own_troubles() {
        let (_kept, mut store) = store();
        let (agent, api) = (SinkKind::Agent, SinkKind::Api);
        store.queue("1", &[agent, api]).unwrap();
        store.queue("2", &[api]).unwrap();
        store.queue("3", &[agent, api]).unwrap();
        assert_eq!(records(&store, agent), ["1", "3"]);
        assert_eq!(records(&store, api), ["1", "2", "3"]);
        assert_eq!(store.waiting(api, 2, usize::MAX).unwrap().len(), 2);
        assert_eq!(store.waiting(api, 9, 1).unwrap().len(), 1);
        let second = store.waiting(api, 2, usize::MAX).unwrap()[1].number;
        store.note_failure(api, "there", now() + 60, "it is down").unwrap();
        store.note_failure(api, "there", now() + 120, "it is down").unwrap();
        let state = store.sink_state(api).unwrap();
        assert_eq!((state.waiting, state.attempts, state.delivered), (3, 2, None));
        assert!(state.error.is_some_and(|(error, _)| error == "it is down"));
        assert_eq!(store.sink_state(agent).unwrap(), SinkState { waiting: 2, ..SinkState::default() });
        store.note_failure(api, "elsewhere", now() + 60, "it is down").unwrap();
        assert_eq!(store.sink_state(api).unwrap().attempts, 1, "the first there");
        store.note_delivered(api, &Taken { number: second, refused: 0, remark: None }).unwrap();
        let state = store.sink_state(api).unwrap();
        assert_eq!((state.waiting, state.attempts, state.not_before, state.error), (1, 0, 0, None));
        assert_eq!(records(&store, agent), ["1", "3"]);
        let third = store.waiting(api, 1, 1).unwrap()[0].number;
        let taken = Taken { number: third, refused: 1, remark: Some("one was too much".to_owned()) };
        store.note_delivered(api, &taken).unwrap();
        let state = store.sink_state(api).unwrap();
        assert_eq!((state.waiting, state.dropped, state.untold), (0, 1, 1));
        assert!(state.error.is_some_and(|(error, _)| error == "one was too much"));
    }

    #[test]
    fn what_is_too_much_too_large_or_too_old_goes_oldest_first_and_is_counted() {
        let (_kept, mut store) = store();
        let sink = SinkKind::Otlp;
        let large = "x".repeat(usize::try_from(MOST_BYTES / 4).unwrap());
        for _ in 0..6 {
            store.queue(&large, &[sink]).unwrap();
        }
        let state = store.sink_state(sink).unwrap();
        assert_eq!((state.waiting, state.dropped), (4, 2));
        let huge = "y".repeat(usize::try_from(MOST_BYTES + 1).unwrap());
        store.queue(&huge, &[sink]).unwrap();
        assert_eq!(records(&store, sink), [huge]);
        store.write(|transaction| transaction.execute("UPDATE outbox SET time = 1", [])).unwrap();
        store.queue("new", &[sink]).unwrap();
        store.drop_expired(sink).unwrap();
        assert_eq!(records(&store, sink), ["new"]);
        let state = store.sink_state(sink).unwrap();
        assert_eq!((state.dropped, state.untold), (7, 7));
        store.tell_of_dropped(sink, state.untold, "told").unwrap();
        assert_eq!(records(&store, sink), ["new", "told"]);
        store.give_up(sink, store.waiting(sink, 1, 1).unwrap()[0].number, "it is bad").unwrap();
        let state = store.sink_state(sink).unwrap();
        assert_eq!((state.dropped, state.untold), (8, 1));
        assert!(state.error.is_some_and(|(error, _)| error == "it is bad"));
    }

    #[test]
    fn the_oldest_of_very_many_goes() {
        let (_kept, mut store) = store();
        let sink = SinkKind::Agent;
        store
            .write(|transaction| {
                (0..MOST_RECORDS).try_for_each(|number| {
                    transaction
                        .prepare_cached(
                            "INSERT INTO outbox (sink, time, bytes, record) VALUES ('agent', ?1, 1, ?2)",
                        )?
                        .execute(params![now(), number.to_string()])
                        .map(drop)
                })
            })
            .unwrap();
        store.queue("last", &[sink]).unwrap();
        let kept = MOST_RECORDS * KEPT / 100;
        let state = store.sink_state(sink).unwrap();
        assert_eq!((state.waiting, state.dropped), (kept, MOST_RECORDS + 1 - kept));
        let records = records(&store, sink);
        assert_eq!(records.first().map(String::as_str), Some((state.dropped).to_string().as_str()));
        assert_eq!(records.last().map(String::as_str), Some("last"));
    }

    #[test]
    fn a_clock_that_was_wrong_keeps_nobody_waiting() {
        let (_kept, mut store) = store();
        store.note_failure(SinkKind::Api, "", now() + 10 * LONGEST_WAIT, "x").unwrap();
        assert_eq!(store.sink_state(SinkKind::Api).unwrap().not_before, 0);
    }
}
