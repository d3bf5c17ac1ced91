//! The sender: a process of its own that delivers what waits in the outbox, while a command runs and for a short while
//! after it. It is started before the command, for from then on the key to Datadog's API is in no environment any more.
//! However many senders there are, one delivers at a time; what is left waits for the next command that installs.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use scfw_core::config::Settings;
use scfw_core::store::{Store, StoreError, now};
use scfw_core::telemetry::{Event, Outcome, Scene, Sink, file};
use scfw_core::text::sanitise;
use tokio::runtime::Runtime;

use crate::{detached, output, router, runs, status};

/// The word behind `scfw-hook` that makes a sender of it; the process that it accompanies follows.
pub const COMMAND: &str = "deliver-records";
/// The longest that a sender lives.
const LONGEST_LIFE: Duration = Duration::from_hours(1);
/// How soon a sink has to be due for a sender to wait for it, in seconds.
const LINGER: i64 = 60;
/// How often the outbox is looked at: at first, and in the end.
const OFTEN: Duration = Duration::from_millis(50);
const SELDOM: Duration = Duration::from_secs(2);
/// The most of one delivery: records, and bytes. Datadog's API takes 1,000 logs of 5 MB together.
const MOST_RECORDS: usize = 100;
const MOST_BYTES: usize = 2 * 1024 * 1024;
/// The longest that a sink is left alone after a failure unless it asks for more, in seconds.
const LONGEST_PAUSE: i64 = 60 * 60;

/// Starts a sender that accompanies this process, whatever it becomes; none where there is no sink.
pub fn start(settings: &Settings) {
    if Sink::all(settings).is_empty() {
        return;
    }
    let process = std::process::id().to_string();
    let started = router::own_program()
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        .and_then(|program| detached::start(&program, &[OsStr::new(COMMAND), OsStr::new(&process)]));
    if let Err(error) = started {
        output::say(&format!("the sender of records could not be started ({error}); they wait"));
    }
}

/// Starts a sender if none lives.
pub fn ensure(settings: &Settings) {
    let lock = open_lock(&settings.directories.data, "sender.lock");
    if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
        start(settings);
    }
}

/// Delivers what waits, whatever became of earlier attempts, and ends when nothing does or `patience` is over: a batch
/// that is on its way by then may take half a minute more.
pub fn flush(settings: &Settings, patience: Duration) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("the network cannot be used")?;
    let sender = Sender { settings, sinks: ready(settings), runtime };
    let end = Instant::now() + patience;
    while let Some(seconds) = sender.pass(true)? {
        let pause = Duration::from_secs(u64::try_from(seconds).unwrap_or_default()).max(OFTEN);
        if Instant::now() + pause > end {
            break;
        }
        sleep(pause);
    }
    Ok(())
}

/// Delivers until nothing waits and `process` has ended.
#[must_use]
pub fn run(process: i32) -> i32 {
    let Ok(settings) = Settings::load(&|name| std::env::var_os(name)) else { return status::CONFIGURATION };
    let data = &settings.directories.data;
    let Ok(life) = open_lock(data, "sender.lock") else { return status::UNVERIFIED };
    // Held as long as this process lives. Where it cannot be had, another sender may be started, and no more.
    let _alive = life.try_lock_shared();
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return status::UNVERIFIED;
    };
    let sender = Sender { settings: &settings, sinks: ready(&settings), runtime };
    let start = Instant::now();
    let mut pause = OFTEN;
    while start.elapsed() < LONGEST_LIFE {
        // Asked before the outbox is looked at, so that nothing is missed that it wrote at its end.
        let is_accompanied = runs::is_alive(process);
        let due = sender.pass(false);
        match due {
            _ if is_accompanied => {}
            Ok(Some(seconds)) if seconds <= LINGER => {}
            _ => break,
        }
        let due = due.ok().flatten().filter(|_| !is_accompanied);
        sleep(
            due.and_then(|seconds| u64::try_from(seconds).ok()).map_or(pause, Duration::from_secs).max(OFTEN),
        );
        pause = (pause * 3 / 2).min(SELDOM);
    }
    status::OK
}

/// The sinks that this process can deliver to: without the key, another will.
fn ready(settings: &Settings) -> Vec<Sink<'_>> {
    let is_ready = |sink: &Sink<'_>| !matches!(sink, Sink::Api(datadog) if datadog.api_key.is_none());
    Sink::all(settings).into_iter().filter(is_ready).collect()
}

struct Sender<'a> {
    settings: &'a Settings,
    sinks: Vec<Sink<'a>>,
    runtime: Runtime,
}

impl Sender<'_> {
    /// Delivers what is due, or everything. Gives in how many seconds there is something to do again; nothing where nothing waits.
    fn pass(&self, is_everything: bool) -> Result<Option<i64>, StoreError> {
        let data = &self.settings.directories.data;
        let Some(mut store) = Store::open_existing(&Store::path_in(data))? else { return Ok(None) };
        let Ok(lock) = open_lock(data, "outbox.lock") else { return Ok(None) };
        if lock.try_lock().is_err() {
            return Ok(Some(1));
        }
        let mut next = None;
        for sink in &self.sinks {
            if let Some(due) = self.deliver(&mut store, sink, is_everything)? {
                next = Some(next.map_or(due, |next: i64| next.min(due)));
            }
        }
        Ok(next)
    }

    /// The same for one sink.
    fn deliver(
        &self,
        store: &mut Store,
        sink: &Sink<'_>,
        is_everything: bool,
    ) -> Result<Option<i64>, StoreError> {
        let kind = sink.kind();
        if store.sink_state(kind)?.waiting == 0 {
            return Ok(None);
        }
        store.drop_expired(kind)?;
        let mut most = MOST_RECORDS;
        loop {
            let state = store.sink_state(kind)?;
            let due = state.not_before - now();
            if due > 0 && !is_everything {
                return Ok(Some(due));
            }
            let waiting = store.waiting(kind, most, MOST_BYTES)?;
            let Some(last) = waiting.last().map(|last| last.number) else { return Ok(None) };
            let records: Vec<String> = waiting.into_iter().map(|waiting| waiting.record).collect();
            match self.runtime.block_on(sink.deliver(&records)) {
                Outcome::Delivered { remark } => {
                    let remark = remark.map(|remark| sanitise(&remark).into_owned());
                    store.note_delivered(kind, last, remark.as_deref())?;
                    most = MOST_RECORDS;
                    if state.untold > 0 {
                        self.tell_of_dropped(store, sink, state.untold)?;
                    }
                }
                Outcome::Retry { after, reason } => {
                    let asked = after.map_or(0, |after| i64::try_from(after.as_secs()).unwrap_or(i64::MAX));
                    let pause = pause(state.attempts).max(asked);
                    store.note_failure(kind, now().saturating_add(pause), &sanitise(&reason))?;
                    return Ok(Some(pause));
                }
                // Which of them it is that the sink does not take, smaller batches show.
                Outcome::Rejected { .. } if records.len() > 1 => most = records.len() / 2,
                Outcome::Rejected { reason } => {
                    store.give_up(kind, last, &sanitise(&reason))?;
                    most = MOST_RECORDS;
                }
            }
        }
    }

    /// Once the sink takes records again, it is told how many it will never see.
    fn tell_of_dropped(&self, store: &mut Store, sink: &Sink<'_>, count: i64) -> Result<(), StoreError> {
        let event = Event::Loss { sink: sink.kind(), dropped: u64::try_from(count).unwrap_or_default() };
        let Ok(record) = serde_json::to_string(&Scene::here(self.settings).record(&event)) else {
            return Ok(());
        };
        store.tell_of_dropped(sink.kind(), count, &record)?;
        // The sink is told all the same, and so is scfw status.
        let _unwritable = file::append(&self.settings.log_file, &record);
        Ok(())
    }
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

    #[test]
    fn pauses_grow_to_an_hour() {
        assert_eq!(pause(0), 1);
        assert!((8..=10).contains(&pause(3)));
        for attempts in [12, 31, u32::MAX] {
            assert!((LONGEST_PAUSE..=LONGEST_PAUSE * 5 / 4).contains(&pause(attempts)), "{attempts}");
        }
    }
}
