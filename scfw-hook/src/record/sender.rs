//! The sender: a process of its own that delivers the records in the outbox, while a command runs and for a short
//! while after it. It is started before the command, because from then on the key to Datadog's API is in no
//! environment any more. However many senders there are, one at a time delivers to a sink; the rest waits for the
//! next command that installs.

mod delivery;

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread::{self, ScopedJoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::Context;
use scfw_core::config::Settings;
use scfw_core::env;
use scfw_core::files::create_private;
use scfw_core::store::{SinkKind, Store};
use scfw_core::telemetry::Sink;

use crate::exit::Exit;
use crate::process::Process;
use crate::process::detached;
use crate::process::locate::own_program;
use crate::terminal::output;
use delivery::{Company, Delivery};

/// The word behind `scfw-hook` that makes a sender of it; the process that it accompanies follows, and the data directory
/// whose outbox it is for, by which people and tests tell senders apart: nobody but root can look into their environment.
pub const COMMAND: &str = "deliver-records";
/// The lock of the living senders.
const LIFE: &str = "sender.lock";
/// The longest that a sender lives.
const LONGEST_LIFE: Duration = Duration::from_hours(1);
/// The time between two looks at the outbox: at first, and in the end.
const OFTEN: Duration = Duration::from_millis(50);
const SELDOM: Duration = Duration::from_secs(2);

/// Starts a sender that accompanies this process, whatever it becomes; none if there is no sink.
pub fn start(process: &Process, settings: &Settings) {
    if Sink::all(&settings.telemetry).is_empty() {
        return;
    }
    let number = std::process::id().to_string();
    let data = &settings.directories.data;
    let arguments = [OsStr::new(COMMAND), OsStr::new(&number), data.as_os_str()];
    // The directory does not exist yet on a new machine, and the sender would find no place for its locks.
    let started = create_private(data)
        .and_then(|()| own_program(process).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound)))
        .and_then(|program| detached::start(process, &program, &arguments));
    if let Err(error) = started {
        output::say(&format!("the sender of records could not be started ({error}); they wait"));
    }
}

/// Sees to it that no sender ever delivers anything from the data directory `data`, also once this process is gone:
/// if a directory has the place of a lock, the lock cannot be had.
pub fn keep_from_delivering(data: &Path) -> io::Result<()> {
    let outboxes = SinkKind::ALL.into_iter().map(outbox_lock);
    outboxes.chain([LIFE.to_owned()]).try_for_each(|lock| std::fs::create_dir(data.join(lock)))
}

/// Starts a sender if none lives.
pub fn ensure(process: &Process, settings: &Settings) {
    let lock = open_lock(&settings.directories.data, LIFE);
    if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
        start(process, settings);
    }
}

/// Delivers the waiting records, whatever the result of earlier attempts, and ends when none waits or `patience` is
/// over.
pub fn flush(process: &Process, settings: &Settings, patience: Duration) -> anyhow::Result<()> {
    let mut deliveries = Delivery::all(process, settings).context("the network cannot be used")?;
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

/// Delivers until nothing waits and the process `accompanied` has ended.
#[must_use]
pub fn run(process: &Process, accompanied: i32) -> Exit {
    hide_memory();
    let Ok(settings) = process.settings() else { return Exit::Configuration };
    let data = &settings.directories.data;
    if let Ok(Some(mut store)) = Store::open_existing(&Store::path_in(data)) {
        // Expired records are dropped also for sinks that nobody delivers to any more. If that fails, the next sender
        // does it.
        SinkKind::ALL.into_iter().try_for_each(|kind| store.drop_expired(kind)).ok();
    }
    let Ok(mut deliveries) = Delivery::all(process, &settings) else { return Exit::Unverified };
    let end = Instant::now() + LONGEST_LIFE;
    let mut pause = OFTEN;
    loop {
        for delivery in &mut deliveries {
            delivery.has_delivered = false;
        }
        let Ok(life) = open_lock(data, LIFE) else { return Exit::Unverified };
        // The lock is held as long as somebody looks after the outbox. If it cannot be had, another sender may be
        // started, and no more.
        life.try_lock_shared().ok();
        let company = Company::new(accompanied, end, deliveries.len());
        thread::scope(|scope| {
            for (place, delivery) in deliveries.iter_mut().enumerate() {
                let company = &company;
                scope.spawn(move || delivery.accompany(company, place));
            }
        });
        drop(life);
        // A process that has put a record there since may have seen that a sender was alive, and started none.
        if Instant::now() >= end || !deliveries.iter().any(Delivery::is_due) {
            return Exit::Success;
        }
        let is_of_use = deliveries.iter().any(|delivery| delivery.has_delivered);
        pause = if is_of_use { OFTEN } else { (pause * 3 / 2).min(SELDOM) };
        sleep(pause);
    }
}

/// Keeps the secrets in the memory and the environment of this process from others of the same user, and out of core
/// dumps: the scripts of packages run beside it.
fn hide_memory() {
    // If that is impossible or fails, it is a process like any other.
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_dumpable(false).ok();
}

/// The sinks that this process can deliver to: without the key or the headers, another will.
fn ready<'a>(process: &Process, settings: &'a Settings) -> Vec<Sink<'a>> {
    let withheld = process.text(env::SCFW_WITHHELD).unwrap_or_default();
    let is_missing =
        |name: &str| withheld.split(',').any(|gone| gone == name) && process.variable(name).is_none();
    let is_ready = |sink: &Sink<'_>| match sink {
        Sink::Agent(_) => true,
        // If the variable that goes before it is missing, the key of the file would be another.
        Sink::Api(datadog) => datadog.api_key.is_some() && !is_missing(env::DD_API_KEY),
        Sink::Otlp(_) => {
            !is_missing(env::OTEL_EXPORTER_OTLP_HEADERS) && !is_missing(env::OTEL_EXPORTER_OTLP_LOGS_HEADERS)
        }
    };
    Sink::all(&settings.telemetry).into_iter().filter(is_ready).collect()
}

/// The lock of the sender that delivers to a sink.
fn outbox_lock(kind: SinkKind) -> String {
    format!("outbox-{}.lock", kind.name())
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
}
