//! Notes about runs. Arming leaves one, an attached gate takes it away; one that stays tells of a gate that never
//! reported. A verdict that stopped an inner run is noted too, so that the outer one ends with its status.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use scfw_core::env;
use scfw_core::text::sanitise;

use crate::status;

/// Notes that nobody asked about for so long are thrown away.
const FORGOTTEN: Duration = Duration::from_hours(24 * 30);

/// A run whose gate never reported.
#[derive(Debug)]
pub struct Unreported {
    /// The command line and the directory it was run in.
    pub description: String,
    path: PathBuf,
}

impl Unreported {
    /// Takes the note away, once the user was told.
    pub fn forget(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// Notes that this process is about to become the run `command`, which holds no secrets. Returns the note's path. A process that is such
/// a run already, because a version manager's shim came back to one of ours, keeps its note; one that was started by
/// a run, as pip starts another for what a build requires, belongs to that, for its verdict does too.
pub fn begin(data: &Path, command: &[String]) -> io::Result<PathBuf> {
    if let Some(present) = present()
        && let Some(process) = process_of_run(&present)
        && (if process == std::process::id().cast_signed() { present.is_file() } else { is_alive(process) })
    {
        return Ok(present);
    }
    let directory = directory(data);
    crate::arm::create_private(&directory)?;
    let moment = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let path = directory.join(format!("run-{}-{moment}", std::process::id()));
    let working_directory =
        std::env::current_dir().map(|path| path.display().to_string()).unwrap_or_default();
    let mut note = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    writeln!(note, "{} (in {working_directory})", command.join(" "))?;
    Ok(path)
}

/// The runs of `data` that have ended without a word from their gate.
#[must_use]
pub fn unreported(data: &Path) -> Vec<Unreported> {
    let Ok(entries) = fs::read_dir(directory(data)) else { return Vec::new() };
    let mut unreported = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(process) = name.to_str().and_then(process_of) else { continue };
        let age = entry
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age > FORGOTTEN) {
            let _read_again_next_time = fs::remove_file(entry.path());
            continue;
        }
        if is_alive(process) {
            continue;
        }
        if let Ok(note) = fs::read_to_string(entry.path()) {
            unreported
                .push(Unreported { description: sanitise(note.trim_end()).into_owned(), path: entry.path() });
        }
    }
    unreported
}

/// Takes the note of this process away, for it did not become the run. The note of another stays.
pub fn abandon(run: &Path) -> io::Result<()> {
    if process_of_run(run) == Some(std::process::id().cast_signed()) { fs::remove_file(run) } else { Ok(()) }
}

/// Notes for the run to which `process` belongs that it was stopped with `status`, if that is one of ours and the run
/// is that of another process: it ends with the same status then.
pub fn note_stopped(status: i32, process: u32) -> io::Result<()> {
    let is_ours =
        [status::BLOCKED, status::DECLINED, status::UNVERIFIED, status::CONFIGURATION].contains(&status);
    match present() {
        Some(run) if is_ours => note_inner_verdict(&run, status, process),
        _ => Ok(()),
    }
}

/// What to say where that fails.
#[must_use]
pub fn unnoted(error: &io::Error) -> String {
    format!("the verdict could not be noted for the outer run ({error})")
}

fn note_inner_verdict(run: &Path, status: i32, process: u32) -> io::Result<()> {
    if process_of_run(run).is_none_or(|outer| outer == process.cast_signed()) {
        return Ok(());
    }
    let mut note = run.as_os_str().to_owned();
    note.push(".verdict");
    fs::write(note, status.to_string())
}

/// The run to which this process belongs.
fn present() -> Option<PathBuf> {
    std::env::var_os(env::SCFW_GATE_RUN).map(PathBuf::from)
}

fn process_of_run(run: &Path) -> Option<i32> {
    process_of(run.file_name()?.to_str()?)
}

/// Whether this process belongs to something that a run has started: a pip that installs build requirements, a script of
/// a package. What those say on standard error may be shown to nobody.
#[must_use]
pub fn is_inner() -> bool {
    let own = i32::try_from(std::process::id()).ok();
    present()
        .and_then(|run| process_of_run(&run))
        .is_some_and(|process| Some(process) != own && process != nix::unistd::getppid().as_raw())
}

fn directory(data: &Path) -> PathBuf {
    data.join("runs")
}

/// The process of a note, by its name; none for a verdict's.
fn process_of(name: &str) -> Option<i32> {
    let (process, moment) = name.strip_prefix("run-")?.split_once('-')?;
    moment.parse::<u128>().ok()?;
    process.parse().ok()
}

/// Whether a process of that number is there.
#[must_use]
pub fn is_alive(process: i32) -> bool {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(process), None) != Err(nix::errno::Errno::ESRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_that_stays_is_reported_once_its_process_is_gone() {
        let data = tempfile::tempdir().unwrap();
        let note =
            begin(data.path(), &["pip".to_owned(), "install".to_owned(), "x\u{1b}[2J".to_owned()]).unwrap();
        assert!(unreported(data.path()).is_empty(), "this process is alive");
        // No process has the highest number there is.
        fs::rename(&note, note.with_file_name("run-2147483647-1")).unwrap();
        let found = unreported(data.path());
        assert_eq!(found.len(), 1);
        assert!(found[0].description.starts_with("pip install x[2J (in /"), "{}", found[0].description);
        found[0].forget().unwrap();
        assert!(unreported(data.path()).is_empty());
    }

    #[test]
    fn only_an_inner_run_leaves_its_verdict() {
        let data = tempfile::tempdir().unwrap();
        note_inner_verdict(&data.path().join("run-1234-1"), 77, 1234).unwrap();
        assert!(!data.path().join("run-1234-1.verdict").exists());
        note_inner_verdict(&data.path().join("run-2147483647-1"), 77, 1234).unwrap();
        assert_eq!(fs::read_to_string(data.path().join("run-2147483647-1.verdict")).unwrap(), "77");
    }
}
