//! Notes about runs. Arming leaves one, an attached gate takes it away; one that stays tells of a gate that never
//! reported. A verdict that stopped an inner run is noted too, so that the outer one ends with its status. Only notes
//! below the user's data directory count: a variable can name any file.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::fcntl::OFlag;
use scfw_core::env;
use scfw_core::files::{Kept, create_private, read_kept};
use scfw_core::text::sanitise;

use crate::exit::Exit;
use crate::process::Process;

/// The age at which notes that nobody asked about are thrown away.
const FORGOTTEN: Duration = Duration::from_hours(24 * 30);
/// The most notes that are looked at in one go.
const MOST_NOTES: usize = 1000;
/// The longest note, in bytes: it holds a command line.
const LONGEST_NOTE: u64 = 4 * 1024 * 1024;
/// The notes of gates beside a run's own note: the verdict on an inner run, and the packages that were verified in
/// the run.
const BESIDE: [&str; 2] = [".verdict", ".accepted"];

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

/// Notes that this process is about to become the run `command`, which holds no secrets. Returns the note's path. If
/// a process is such a run already, because a version manager's shim came back to one of ours, it keeps its note. If
/// a run has started the process, as pip starts another for the requirements of a build, it belongs to that run, for
/// its verdict does too.
pub fn begin(process: &Process, data: &Path, command: &[String]) -> io::Result<PathBuf> {
    let directory = directory(data);
    if let Some(present) = present(process, &directory)
        && let Some(number) = process_of_run(&present)
        && (if number == std::process::id().cast_signed() { present.is_file() } else { is_alive(number) })
    {
        return Ok(present);
    }
    create_private(&directory)?;
    tidy(&directory);
    let moment = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let path = directory.join(format!("run-{}-{moment}", std::process::id()));
    let working_directory = process.directory().map(|path| path.display().to_string()).unwrap_or_default();
    let mut note = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    writeln!(note, "{} (in {working_directory})", command.join(" "))?;
    Ok(path)
}

/// The runs of `data` that have ended without a word from their gate.
#[must_use]
pub fn unreported(data: &Path) -> Vec<Unreported> {
    let directory = directory(data);
    tidy(&directory);
    let mut unreported = Vec::new();
    for (name, path) in notes(&directory) {
        if process_of(&name).is_none_or(is_alive) {
            continue;
        }
        // A file that is no note, or somebody else's, says nothing about a run.
        if let Ok(Some(note)) = read_kept(&path, Kept::Privately, LONGEST_NOTE) {
            let note = String::from_utf8_lossy(&note);
            unreported.push(Unreported { description: sanitise(note.trim_end()).into_owned(), path });
        }
    }
    unreported
}

/// The entries of the directory of notes: names and paths.
fn notes(directory: &Path) -> impl Iterator<Item = (String, PathBuf)> {
    let entries = fs::read_dir(directory).into_iter().flatten().take(MOST_NOTES).flatten();
    entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
}

/// Removes useless entries: notes that nobody asked about for long, and gates' notes beside the notes of runs that
/// have ended.
fn tidy(directory: &Path) {
    for (name, path) in notes(directory) {
        let beside = BESIDE.iter().find_map(|suffix| name.strip_suffix(suffix));
        let Some(process) = process_of(beside.unwrap_or(&name)) else { continue };
        let age = fs::symlink_metadata(&path).and_then(|metadata| metadata.modified());
        let age = age.ok().and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age > FORGOTTEN) || beside.is_some() && !is_alive(process) {
            // If an entry cannot be removed, the next run tries again.
            fs::remove_file(&path).ok();
        }
    }
}

/// Takes the note of this process away, for it did not become the run. The note of another stays.
pub fn abandon(run: &Path) -> io::Result<()> {
    if process_of_run(run) == Some(std::process::id().cast_signed()) { fs::remove_file(run) } else { Ok(()) }
}

/// Notes for the run to which the process `number` belongs that it was stopped by `exit`, if that stops a run and the
/// run is that of another process: it ends with the same status then.
pub fn note_stopped(process: &Process, exit: Exit, number: u32) -> io::Result<()> {
    let stops = [Exit::Blocked, Exit::Declined, Exit::Unverified, Exit::Configuration].contains(&exit);
    match present_of_user(process) {
        Some(run) if stops => note_inner_verdict(&run, exit.status(), number),
        _ => Ok(()),
    }
}

/// The message if that fails.
#[must_use]
pub fn unnoted(error: &io::Error) -> String {
    format!("the verdict could not be noted for the outer run ({error})")
}

fn note_inner_verdict(run: &Path, status: u8, process: u32) -> io::Result<()> {
    if process_of_run(run).is_none_or(|outer| outer == process.cast_signed()) {
        return Ok(());
    }
    let mut note = run.as_os_str().to_owned();
    note.push(BESIDE[0]);
    let mut note = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(note)?;
    write!(note, "{status}")
}

/// The run to which this process belongs, by its note in `directory`.
fn present(process: &Process, directory: &Path) -> Option<PathBuf> {
    let run = PathBuf::from(process.variable(env::SCFW_GATE_RUN)?);
    is_note(&run, directory).then_some(run)
}

/// The same for the user's own data directory.
fn present_of_user(process: &Process) -> Option<PathBuf> {
    let directories = process.directories()?;
    present(process, &directory(&directories.data))
}

/// Whether `run` is the path of a note in `directory`.
fn is_note(run: &Path, directory: &Path) -> bool {
    let Some(above) = run.parent().filter(|_| process_of_run(run).is_some()) else { return false };
    above == directory
        || matches!((above.canonicalize(), directory.canonicalize()), (Ok(above), Ok(directory)) if above == directory)
}

fn process_of_run(run: &Path) -> Option<i32> {
    process_of(run.file_name()?.to_str()?)
}

/// The process of the run to which this one belongs.
#[must_use]
pub fn process_of_present(process: &Process) -> Option<i32> {
    present_of_user(process).and_then(|run| process_of_run(&run))
}

/// Whether this process belongs to a child of a run: a pip that installs build requirements, a script of a package.
/// Their standard error may be shown to nobody.
#[must_use]
pub fn is_inner(process: &Process) -> bool {
    let own = i32::try_from(std::process::id()).ok();
    process_of_present(process)
        .is_some_and(|number| Some(number) != own && number != nix::unistd::getppid().as_raw())
}

fn directory(data: &Path) -> PathBuf {
    data.join("runs")
}

/// The process of a run's note, by its name; none for gates' notes beside it.
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
        let note = begin(
            &Process::System,
            data.path(),
            &["pip".to_owned(), "install".to_owned(), "x\u{1b}[2J".to_owned()],
        )
        .unwrap();
        assert!(unreported(data.path()).is_empty(), "this process is alive");
        // The highest number that there is belongs to no process.
        fs::rename(&note, note.with_file_name("run-2147483647-1")).unwrap();
        let found = unreported(data.path());
        assert_eq!(found.len(), 1);
        assert!(found[0].description.starts_with("pip install x[2J (in /"), "{}", found[0].description);
        found[0].forget().unwrap();
        assert!(unreported(data.path()).is_empty());
    }

    #[test]
    fn what_ended_runs_have_left_is_removed() {
        let data = tempfile::tempdir().unwrap();
        let directory = directory(data.path());
        create_private(&directory).unwrap();
        let own = std::process::id();
        let names = [
            "run-2147483647-1.accepted",
            "run-2147483647-1.verdict",
            "run-2147483647-1",
            "notes",
            &format!("run-{own}-1.accepted"),
        ];
        for name in names {
            fs::write(directory.join(name), "x").unwrap();
        }
        nix::unistd::mkfifo(&directory.join("run-2147483647-2"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let found = unreported(data.path());
        assert_eq!(found.len(), 1, "a pipe is no note: {found:?}");
        let left: Vec<bool> = names.iter().map(|name| directory.join(name).exists()).collect();
        assert_eq!(left, [false, false, true, true, true]);
    }

    #[test]
    fn only_notes_in_the_directory_of_notes_are_some() {
        let data = tempfile::tempdir().unwrap();
        let directory = directory(data.path());
        create_private(&directory).unwrap();
        assert!(is_note(&directory.join("run-1-1"), &directory));
        assert!(is_note(&data.path().join("runs/../runs/run-1-1"), &directory));
        for other in ["run-1-1", "runs/other", "runs/run-1-1.verdict", "runs/below/run-1-1"] {
            assert!(!is_note(&data.path().join(other), &directory), "{other}");
        }
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
