//! The delivery to one sink: batches in their order, with pauses after failures. Records that a sink never takes are
//! given up.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use scfw_core::config::Settings;
use scfw_core::store::{SinkState, Store, StoreError, Taken, Waiting, now};
use scfw_core::telemetry::{Event, Outcome, RecordContext, Sink, file};
use scfw_core::text::sanitise;
use tokio::runtime::Runtime;

use super::{OFTEN, SELDOM, open_lock, outbox_lock, ready};
use crate::process::Process;
use crate::record::run_notes;

/// The least time for an attempt, however little time is left.
const SHORTEST_ATTEMPT: Duration = Duration::from_secs(1);
/// The time within which a sink has to be due for a sender to wait for it, in seconds.
const LINGER: i64 = 60;
/// The limits of one delivery: records, and bytes. Datadog's API takes 1,000 logs of 5 MB together.
const MOST_RECORDS: usize = 100;
const MOST_BYTES: usize = 2 * 1024 * 1024;
/// The number of records behind a refused one that tell whether the refusal is the record's fault.
const PROBES: usize = 10;
/// The longest that a sink is left alone after a failure unless it asks for more, in seconds.
const LONGEST_PAUSE: i64 = 60 * 60;

/// The deliveries that run beside one another. They end together: as long as one has something to do, all look after
/// the outbox, because until then no other sender is started.
pub(super) struct Company {
    /// The process that they accompany.
    process: i32,
    end: Instant,
    /// The deliveries that have nothing to do.
    idle: Vec<AtomicBool>,
    is_over: AtomicBool,
}

impl Company {
    pub(super) fn new(process: i32, end: Instant, size: usize) -> Self {
        let idle = (0..size).map(|_| AtomicBool::new(false)).collect();
        Self { process, end, idle, is_over: AtomicBool::new(false) }
    }

    /// Notes whether the one at `place` has something to do, and tells whether all are to end.
    fn is_over(&self, place: usize, is_busy: bool) -> bool {
        self.idle[place].store(!is_busy, Ordering::SeqCst);
        if Instant::now() >= self.end || self.idle.iter().all(|idle| idle.load(Ordering::SeqCst)) {
            self.is_over.store(true, Ordering::SeqCst);
        }
        self.is_over.load(Ordering::SeqCst)
    }
}

/// The delivery to one sink.
pub(super) struct Delivery<'a> {
    sink: Sink<'a>,
    settings: &'a Settings,
    /// The fingerprint of the sink's address and key.
    place: String,
    runtime: Runtime,
    /// The records that the sink has taken and the store could not be told of: the sink must not get them twice.
    unnoted: Option<Taken>,
    /// Whether the sink has taken anything of late.
    pub(super) has_delivered: bool,
}

/// The result of an attempt.
enum Attempt {
    /// The sink has taken something.
    Taken,
    /// The sink is left alone for so many seconds.
    Left(i64),
    /// The sink refused so many records at once: more than one.
    TooMany(usize),
}

impl<'a> Delivery<'a> {
    /// One for each sink; none of them waits for another.
    pub(super) fn all(process: &Process, settings: &'a Settings) -> io::Result<Vec<Self>> {
        ready(process, settings).into_iter().map(|sink| Self::new(sink, settings)).collect()
    }

    fn new(sink: Sink<'a>, settings: &'a Settings) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { place: sink.place(), sink, settings, runtime, unnoted: None, has_delivered: false })
    }

    /// Delivers the due records until all of `company`, in which this has the place `place`, have nothing more to do.
    pub(super) fn accompany(&mut self, company: &Company, place: usize) {
        let mut pause = OFTEN;
        loop {
            // The process is asked about before the outbox is looked at, so that the last records are not missed.
            let is_accompanied = run_notes::is_alive(company.process);
            let due = self.pass(company.end, false).ok().flatten().filter(|seconds| *seconds <= LINGER);
            if company.is_over(place, is_accompanied || due.is_some()) {
                return;
            }
            let due = due.filter(|_| !is_accompanied);
            sleep(due.map_or(pause, duration).max(OFTEN));
            pause = (pause * 3 / 2).min(SELDOM);
        }
    }

    /// Whether there is something to deliver at once.
    pub(super) fn is_due(&self) -> bool {
        let store = Store::open_existing(&Store::path_in(&self.settings.directories.data));
        let state = store.ok().flatten().and_then(|store| self.state(&store).ok());
        state.is_some_and(|state| state.waiting > 0 && state.not_before <= now())
    }

    /// Delivers until nothing waits, or until `end`.
    pub(super) fn flush(&mut self, end: Instant) -> Result<(), StoreError> {
        while let Some(seconds) = self.pass(end, true)? {
            let pause = duration(seconds).max(OFTEN);
            if Instant::now() + pause > end {
                break;
            }
            sleep(pause);
        }
        Ok(())
    }

    /// Delivers the due records, or all of them, but begins nothing after `end`. Gives the seconds until there is
    /// something to do again; none if nothing waits.
    fn pass(&mut self, end: Instant, is_everything: bool) -> Result<Option<i64>, StoreError> {
        let data = &self.settings.directories.data;
        let kind = self.sink.kind();
        let Some(mut store) = Store::open_existing(&Store::path_in(data))? else { return Ok(None) };
        let Ok(lock) = open_lock(data, &outbox_lock(kind)) else { return Ok(None) };
        if lock.try_lock().is_err() {
            return Ok(Some(i64::from(!is_everything)));
        }
        self.note(&mut store)?;
        let mut most = MOST_RECORDS;
        loop {
            let state = self.state(&store)?;
            let due = state.not_before - now();
            if due > 0 && !is_everything {
                return Ok(Some(due));
            }
            let waiting = store.waiting(kind, most, MOST_BYTES)?;
            if waiting.is_empty() {
                return Ok(None);
            }
            match self.attempt(&mut store, &state, waiting, end)? {
                Attempt::Taken => most = (most * 2).min(MOST_RECORDS),
                Attempt::Left(seconds) => return Ok(Some(seconds)),
                // Smaller batches show which of the records the sink does not take.
                Attempt::TooMany(count) => most = count / 2,
            }
            if Instant::now() >= end {
                return Ok(Some(0));
            }
        }
    }

    /// The state of the delivery. Failures at another address or with another key say nothing about this one.
    fn state(&self, store: &Store) -> Result<SinkState, StoreError> {
        let state = store.sink_state(self.sink.kind())?;
        if state.place.as_ref().is_none_or(|place| *place == self.place) {
            return Ok(state);
        }
        Ok(SinkState { attempts: 0, not_before: 0, ..state })
    }

    fn attempt(
        &mut self,
        store: &mut Store,
        state: &SinkState,
        waiting: Vec<Waiting>,
        end: Instant,
    ) -> Result<Attempt, StoreError> {
        let Some(last) = waiting.last().map(|last| last.number) else { return Ok(Attempt::Taken) };
        let records: Vec<String> = waiting.into_iter().map(|waiting| waiting.record).collect();
        match self.deliver(&records, end) {
            Outcome::Delivered { refused, remark } => {
                // The other side decides how many it says they are.
                self.take(store, last, refused.min(records.len()), remark)?;
                self.tell_of_dropped(store, &records)?;
                Ok(Attempt::Taken)
            }
            Outcome::Retry { after, reason } => self.leave(store, state, after, &reason),
            Outcome::Rejected { .. } if records.len() > 1 => Ok(Attempt::TooMany(records.len())),
            Outcome::Rejected { reason } => self.get_past(store, state, &reason, end),
        }
    }

    /// An attempt to deliver, which does not last much longer than until `end`.
    fn deliver(&self, records: &[String], end: Instant) -> Outcome {
        let end = end.max(Instant::now() + SHORTEST_ATTEMPT);
        let attempt = async { tokio::time::timeout_at(end.into(), self.sink.deliver(records)).await };
        self.runtime.block_on(attempt).unwrap_or_else(|_elapsed| Outcome::Retry {
            after: None,
            reason: format!("{} did not answer in time", self.sink.kind().title()),
        })
    }

    /// Looks whether a sink that has refused a record takes one of those behind it. If so, the fault is the record's,
    /// and that is given up; if it takes none, the fault is the sink's, or somebody else is at its address.
    fn get_past(
        &mut self,
        store: &mut Store,
        state: &SinkState,
        reason: &str,
        end: Instant,
    ) -> Result<Attempt, StoreError> {
        let kind = self.sink.kind();
        let waiting = store.waiting(kind, 1 + PROBES, MOST_BYTES)?;
        for (index, probe) in waiting.iter().enumerate().skip(1) {
            let record = std::slice::from_ref(&probe.record);
            match self.deliver(record, end) {
                Outcome::Delivered { refused, remark } => {
                    let given_up = format!("{index} given up: {reason}");
                    let remark =
                        remark.map_or_else(|| given_up.clone(), |remark| format!("{given_up}; {remark}"));
                    self.take(store, probe.number, index + refused.min(1), Some(remark))?;
                    self.tell_of_dropped(store, record)?;
                    return Ok(Attempt::Taken);
                }
                Outcome::Retry { after, reason } => return self.leave(store, state, after, &reason),
                Outcome::Rejected { .. } => {}
            }
        }
        self.leave(store, state, None, reason)
    }

    fn take(
        &mut self,
        store: &mut Store,
        number: i64,
        refused: usize,
        remark: Option<String>,
    ) -> Result<(), StoreError> {
        let remark = remark.map(|remark| sanitise(&remark).into_owned());
        self.unnoted = Some(Taken { number, refused, remark });
        self.has_delivered = true;
        self.note(store)
    }

    /// Notes the records that were taken; if that fails, the next pass does it before anything else.
    fn note(&mut self, store: &mut Store) -> Result<(), StoreError> {
        if let Some(taken) = &self.unnoted {
            store.note_delivered(self.sink.kind(), taken)?;
            self.unnoted = None;
        }
        Ok(())
    }

    fn leave(
        &self,
        store: &mut Store,
        state: &SinkState,
        after: Option<Duration>,
        reason: &str,
    ) -> Result<Attempt, StoreError> {
        let asked = after.map_or(0, |after| i64::try_from(after.as_secs()).unwrap_or(i64::MAX));
        let pause = pause(state.attempts).max(asked);
        let not_before = now().saturating_add(pause);
        store.note_failure(self.sink.kind(), &self.place, not_before, &sanitise(reason))?;
        Ok(Attempt::Left(pause))
    }

    /// Once the sink takes `records`, it is told how many it will never see. The loss of a record that itself tells
    /// of a loss is not told, or a sink that keeps none would be told for ever.
    fn tell_of_dropped(&self, store: &mut Store, records: &[String]) -> Result<(), StoreError> {
        let kind = self.sink.kind();
        let count = store.sink_state(kind)?.untold;
        if count == 0 || records.iter().all(|record| is_loss(record)) {
            return Ok(());
        }
        let event = Event::Loss { sink: kind, dropped: u64::try_from(count).unwrap_or_default() };
        let Ok(record) = serde_json::to_string(&RecordContext::here(self.settings).record(&event)) else {
            return Ok(());
        };
        store.tell_of_dropped(kind, count, &record)?;
        // The sink is told all the same, and so is scfw status.
        file::append(&self.settings.telemetry.log_file, &record).ok();
        Ok(())
    }
}

/// Whether a record, in JSON, tells of dropped ones.
fn is_loss(record: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Kind {
        event: String,
    }
    serde_json::from_str::<Kind>(record).is_ok_and(|kind| kind.event == "loss")
}

fn duration(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

/// Seconds until the next attempt after so many failed ones and one more: twice as long each time, and a little more
/// by chance, so that a fleet does not come back all at once.
fn pause(attempts: u32) -> i64 {
    let pause = 1_i64.checked_shl(attempts.min(16)).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE);
    let moment = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    pause + i64::from(moment) % (pause / 4 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour() {
        assert_eq!(pause(0), 1);
        assert!((8..=10).contains(&pause(3)));
        for attempts in [12, 31, u32::MAX] {
            assert!((LONGEST_PAUSE..=LONGEST_PAUSE * 5 / 4).contains(&pause(attempts)), "{attempts}");
        }
    }
}
