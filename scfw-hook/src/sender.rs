//! The sender: a process of its own that delivers what waits in the outbox, while a command runs and for a short while
//! after it. It is started before the command, for from then on the key to Datadog's API is in no environment any more.
//! However many senders there are, one at a time delivers to a sink; what is left waits for the next command that installs.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle, sleep};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use scfw_core::config::Settings;
use scfw_core::env;
use scfw_core::store::{SinkState, Store, StoreError, Taken, Waiting, now};
use scfw_core::telemetry::{Event, Outcome, Scene, Sink, SinkKind, file};
use scfw_core::text::sanitise;
use tokio::runtime::Runtime;

use crate::arm::create_private;
use crate::{detached, output, router, runs, status};

/// The word behind `scfw-hook` that makes a sender of it; the process that it accompanies follows, and the data directory
/// whose outbox it is for, by which people and tests tell senders apart: nobody but root can look into their environment.
pub const COMMAND: &str = "deliver-records";
/// The lock of those that live.
const LIFE: &str = "sender.lock";
/// The longest that a sender lives.
const LONGEST_LIFE: Duration = Duration::from_hours(1);
/// What an attempt has at least, however little time is left.
const SHORTEST_ATTEMPT: Duration = Duration::from_secs(1);
/// How soon a sink has to be due for a sender to wait for it, in seconds.
const LINGER: i64 = 60;
/// How often the outbox is looked at: at first, and in the end.
const OFTEN: Duration = Duration::from_millis(50);
const SELDOM: Duration = Duration::from_secs(2);
/// The most of one delivery: records, and bytes. Datadog's API takes 1,000 logs of 5 MB together.
const MOST_RECORDS: usize = 100;
const MOST_BYTES: usize = 2 * 1024 * 1024;
/// How many records behind one that a sink refuses tell whether it is the record's fault.
const PROBES: usize = 10;
/// The longest that a sink is left alone after a failure unless it asks for more, in seconds.
const LONGEST_PAUSE: i64 = 60 * 60;

/// Starts a sender that accompanies this process, whatever it becomes; none where there is no sink.
pub fn start(settings: &Settings) {
    if Sink::all(settings).is_empty() {
        return;
    }
    let process = std::process::id().to_string();
    let data = &settings.directories.data;
    let arguments = [OsStr::new(COMMAND), OsStr::new(&process), data.as_os_str()];
    // On a new machine the directory is not there yet, and the sender would find no place for its locks.
    let started = create_private(data)
        .and_then(|()| router::own_program().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound)))
        .and_then(|program| detached::start(&program, &arguments));
    if let Err(error) = started {
        output::say(&format!("the sender of records could not be started ({error}); they wait"));
    }
}

/// Sees to it that no sender ever delivers anything from the data directory `data`, also once this process is gone:
/// where a directory stands, no lock can be had.
pub fn keep_from_delivering(data: &Path) -> io::Result<()> {
    let outboxes = SinkKind::ALL.into_iter().map(outbox_lock);
    outboxes.chain([LIFE.to_owned()]).try_for_each(|lock| std::fs::create_dir(data.join(lock)))
}

/// Starts a sender if none lives.
pub fn ensure(settings: &Settings) {
    let lock = open_lock(&settings.directories.data, LIFE);
    if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
        start(settings);
    }
}

/// Delivers what waits, whatever became of earlier attempts, and ends when nothing does or `patience` is over.
pub fn flush(settings: &Settings, patience: Duration) -> anyhow::Result<()> {
    let mut deliveries = Delivery::all(settings).context("the network cannot be used")?;
    let end = Instant::now() + patience;
    let ended: Vec<_> = thread::scope(|scope| {
        let start = |delivery| scope.spawn(move || Delivery::flush(delivery, end));
        let threads: Vec<_> = deliveries.iter_mut().map(start).collect();
        threads.into_iter().map(ScopedJoinHandle::join).collect()
    });
    for ended in ended {
        ended.unwrap_or_else(|panic| resume_unwind(panic))?;
    }
    Ok(())
}

/// Delivers until nothing waits and `process` has ended.
#[must_use]
pub fn run(process: i32) -> i32 {
    hide_memory();
    let Ok(settings) = Settings::load(&|name| std::env::var_os(name)) else { return status::CONFIGURATION };
    let data = &settings.directories.data;
    if let Ok(Some(mut store)) = Store::open_existing(&Store::path_in(data)) {
        // Also for sinks that nobody delivers to any more. Where it fails, the next sender does it.
        let _next_time = SinkKind::ALL.into_iter().try_for_each(|kind| store.drop_expired(kind));
    }
    let Ok(mut deliveries) = Delivery::all(&settings) else { return status::UNVERIFIED };
    let end = Instant::now() + LONGEST_LIFE;
    let mut pause = OFTEN;
    loop {
        for delivery in &mut deliveries {
            delivery.has_delivered = false;
        }
        let Ok(life) = open_lock(data, LIFE) else { return status::UNVERIFIED };
        // Held as long as somebody looks after the outbox. Where it cannot be had, another sender may be started, and no
        // more.
        let _alive = life.try_lock_shared();
        let company = Company::new(process, end, deliveries.len());
        thread::scope(|scope| {
            for (place, delivery) in deliveries.iter_mut().enumerate() {
                let company = &company;
                scope.spawn(move || delivery.accompany(company, place));
            }
        });
        drop(life);
        // Whoever has put a record there since may have seen that a sender was alive, and started none.
        if Instant::now() >= end || !deliveries.iter().any(Delivery::is_due) {
            return status::OK;
        }
        let is_of_use = deliveries.iter().any(|delivery| delivery.has_delivered);
        pause = if is_of_use { OFTEN } else { (pause * 3 / 2).min(SELDOM) };
        sleep(pause);
    }
}

/// Those who deliver beside one another. They end together: as long as one has something to do, all look after the outbox,
/// for until then no other sender is started.
struct Company {
    /// The process that they accompany.
    process: i32,
    end: Instant,
    /// Who has nothing to do.
    idle: Vec<AtomicBool>,
    is_over: AtomicBool,
}

impl Company {
    fn new(process: i32, end: Instant, size: usize) -> Self {
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

/// Keeps the secrets in the memory and the environment of this process from others of the same user, and out of core
/// dumps: the scripts of packages run beside it.
fn hide_memory() {
    // Elsewhere, and where it fails, it is a process like any other.
    #[cfg(target_os = "linux")]
    let _as_before = nix::sys::prctl::set_dumpable(false);
}

/// The sinks that this process can deliver to: without the key or the headers, another will.
fn ready(settings: &Settings) -> Vec<Sink<'_>> {
    let withheld = std::env::var(env::SCFW_WITHHELD).unwrap_or_default();
    let is_missing =
        |name: &str| withheld.split(',').any(|gone| gone == name) && std::env::var_os(name).is_none();
    let is_ready = |sink: &Sink<'_>| match sink {
        Sink::Agent(_) => true,
        // Without the variable that goes before it, the key of the file would be another.
        Sink::Api(datadog) => datadog.api_key.is_some() && !is_missing(env::DD_API_KEY),
        Sink::Otlp(_) => {
            !is_missing(env::OTEL_EXPORTER_OTLP_HEADERS) && !is_missing(env::OTEL_EXPORTER_OTLP_LOGS_HEADERS)
        }
    };
    Sink::all(settings).into_iter().filter(is_ready).collect()
}

/// Delivering to one sink.
struct Delivery<'a> {
    sink: Sink<'a>,
    settings: &'a Settings,
    /// The sink's address and key, so to speak.
    place: String,
    runtime: Runtime,
    /// What the sink has taken and the store could not be told of: it is not to get that twice.
    unnoted: Option<Taken>,
    /// Whether the sink has taken anything of late.
    has_delivered: bool,
}

/// What has become of an attempt.
enum Attempt {
    /// The sink has taken something.
    Taken,
    /// It is left alone for so many seconds.
    Left(i64),
    /// It would not have so many records at once: more than one.
    TooMany(usize),
}

impl<'a> Delivery<'a> {
    /// One for each sink; none of them waits for another.
    fn all(settings: &'a Settings) -> io::Result<Vec<Self>> {
        ready(settings).into_iter().map(|sink| Self::new(sink, settings)).collect()
    }

    fn new(sink: Sink<'a>, settings: &'a Settings) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { place: sink.place(), sink, settings, runtime, unnoted: None, has_delivered: false })
    }

    /// Delivers what is due until all of `company`, in which this has the place `place`, have nothing more to do.
    fn accompany(&mut self, company: &Company, place: usize) {
        let mut pause = OFTEN;
        loop {
            // Asked before the outbox is looked at, so that nothing is missed that it wrote at its end.
            let is_accompanied = runs::is_alive(company.process);
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
    fn is_due(&self) -> bool {
        let store = Store::open_existing(&Store::path_in(&self.settings.directories.data));
        let state = store.ok().flatten().and_then(|store| self.state(&store).ok());
        state.is_some_and(|state| state.waiting > 0 && state.not_before <= now())
    }

    /// Delivers until nothing waits, or until `end`.
    fn flush(&mut self, end: Instant) -> Result<(), StoreError> {
        while let Some(seconds) = self.pass(end, true)? {
            let pause = duration(seconds).max(OFTEN);
            if Instant::now() + pause > end {
                break;
            }
            sleep(pause);
        }
        Ok(())
    }

    /// Delivers what is due, or everything, but begins nothing after `end`. Gives in how many seconds there is something
    /// to do again; nothing where nothing waits.
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
                // Which of them it is that the sink does not take, smaller batches show.
                Attempt::TooMany(count) => most = count / 2,
            }
            if Instant::now() >= end {
                return Ok(Some(0));
            }
        }
    }

    /// How delivering goes. What failed at another address or with another key says nothing about this one.
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
                // How many it says they are is up to the other side.
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

    /// Looks whether a sink that has refused a record takes one of those behind it. If so, it is the record that it does
    /// not take, and that is given up; if it takes none, it is the sink, or somebody else at its address.
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

    /// Notes what was taken; where that fails, it is for the next pass to do before anything else.
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

    /// Once the sink takes `records`, it is told how many it will never see; but of the loss of a record that tells of
    /// one it is not, or a sink that keeps none would be told for ever.
    fn tell_of_dropped(&self, store: &mut Store, records: &[String]) -> Result<(), StoreError> {
        let kind = self.sink.kind();
        let count = store.sink_state(kind)?.untold;
        if count == 0 || records.iter().all(|record| is_loss(record)) {
            return Ok(());
        }
        let event = Event::Loss { sink: kind, dropped: u64::try_from(count).unwrap_or_default() };
        let Ok(record) = serde_json::to_string(&Scene::here(self.settings).record(&event)) else {
            return Ok(());
        };
        store.tell_of_dropped(kind, count, &record)?;
        // The sink is told all the same, and so is scfw status.
        let _unwritable = file::append(&self.settings.log_file, &record);
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

/// The lock of the one that delivers to a sink.
fn outbox_lock(kind: SinkKind) -> String {
    format!("outbox-{}.lock", kind.name())
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

fn open_lock(data: &Path, name: &str) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(data.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn others_cannot_look_into_a_sender() {
        hide_memory();
        assert_eq!(nix::sys::prctl::get_dumpable(), Ok(false));
    }

    #[test]
    fn pauses_grow_to_an_hour() {
        assert_eq!(pause(0), 1);
        assert!((8..=10).contains(&pause(3)));
        for attempts in [12, 31, u32::MAX] {
            assert!((LONGEST_PAUSE..=LONGEST_PAUSE * 5 / 4).contains(&pause(attempts)), "{attempts}");
        }
    }
}
