//! Running one external verifier: a session of its own, without a terminal, without anything of the gates' and
//! without the secrets of sinks, for no longer than the deadline and with no more output than is reasonable.

use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use nix::sys::signal::{SigSet, Signal};

use crate::child::{end_group, wait_until};
use crate::disarm::disarmed;
use crate::env;
use crate::text::sanitise;

/// The number of bytes of output that is too many.
const TOO_MUCH: u64 = 1024 * 1024;

/// The environment of an administrator's verifier, without anything of a user's making: a variable such as
/// `PYTHONPATH`, or another interpreter first on `PATH`, would answer in its place.
const ADMINISTRATORS: [(&str, &str); 3] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    // Interpreters load files that they find below the user's home.
    ("HOME", "/"),
    ("LANG", "C.UTF-8"),
];

/// The user who has put a verifier there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Administrator,
    User,
}

/// A stream that has ended, or has given as much as is read of it.
enum Ended {
    Output(io::Result<Vec<u8>>),
    Errors(io::Result<Vec<u8>>),
}

/// Runs `program` with `document` on its standard input. Gives its standard output, or the error, as the end of a
/// sentence.
pub(super) fn run(
    name: &str,
    program: &Path,
    owner: Owner,
    document: Vec<u8>,
    deadline: Instant,
) -> Result<Vec<u8>, String> {
    let mut child = start(name, program, owner).map_err(|error| format!("could not be started ({error})"))?;
    let result = converse(&mut child, document, deadline);
    // Its children go with it, also if all went well.
    end_group(&mut child);
    result
}

fn start(name: &str, program: &Path, owner: Owner) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.env_clear();
    match owner {
        Owner::Administrator => command.envs(ADMINISTRATORS),
        Owner::User => command.envs(disarmed(std::env::vars_os())),
    };
    env::keep_secrets_from(&mut command);
    command
        .env(env::SCFW_EXTERNAL_VERIFIER, name)
        .current_dir(program.parent().unwrap_or(Path::new("/")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    #[expect(unsafe_code, reason = "what is called between fork and exec is async-signal-safe")]
    // SAFETY: `setsid` and `prctl` are system calls and nothing else happens there.
    unsafe {
        command.pre_exec(|| {
            // Away from the terminal, and in a process group that can be ended as a whole.
            nix::unistd::setsid()?;
            // If this process is interrupted, nobody else minds the deadline.
            #[cfg(target_os = "linux")]
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
            Ok(())
        });
    }
    command.spawn()
}

fn converse(child: &mut Child, document: Vec<u8>, deadline: Instant) -> Result<Vec<u8>, String> {
    let (sender, ended) = channel();
    if let Some(mut input) = child.stdin.take() {
        beside(move || {
            // One that does not want to know everything may have an answer all the same, and its closed pipe must
            // not end this program. Nobody else of this process is to notice, so the signal is held back here alone.
            let mut pipe = SigSet::empty();
            pipe.add(Signal::SIGPIPE);
            if pipe.thread_block().is_err() {
                return;
            }
            // The pipe may break, see above.
            input.write_all(&document).ok();
        })?;
    }
    if let Some(output) = child.stdout.take() {
        let sender = sender.clone();
        beside(move || {
            // Nobody waits any more once the deadline has passed.
            drop(sender.send(Ended::Output(read(output))));
        })?;
    }
    if let Some(errors) = child.stderr.take() {
        beside(move || {
            // Nobody waits any more once the deadline has passed.
            drop(sender.send(Ended::Errors(read(errors))));
        })?;
    }
    let (output, errors) = streams(&ended, deadline)?;
    // It may go on after its streams have ended.
    let status = wait_until(child, deadline)
        .map_err(|error| format!("could not be waited for ({error})"))?
        .ok_or_else(too_late)?;
    let said = last_line(&errors);
    match (status.success(), said.is_empty()) {
        (true, true) => Ok(output),
        (true, false) => Err(format!("complained: {said}")),
        (false, true) => Err(how(status)),
        (false, false) => Err(format!("{}: {said}", how(status))),
    }
}

fn beside(work: impl FnOnce() + Send + 'static) -> Result<(), String> {
    thread::Builder::new().spawn(work).map(drop).map_err(|error| format!("could not be talked to ({error})"))
}

fn read(stream: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(TOO_MUCH).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The output on both streams, once they have ended.
fn streams(ended: &Receiver<Ended>, deadline: Instant) -> Result<(Vec<u8>, Vec<u8>), String> {
    let (mut output, mut errors) = (None, None);
    loop {
        if let (Some(output), Some(errors)) = (&mut output, &mut errors) {
            return Ok((std::mem::take(output), std::mem::take(errors)));
        }
        let (place, bytes) = match ended.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Ended::Output(bytes)) => (&mut output, bytes),
            Ok(Ended::Errors(bytes)) => (&mut errors, bytes),
            Err(RecvTimeoutError::Timeout) => return Err(too_late()),
            Err(RecvTimeoutError::Disconnected) => return Err("could not be heard".to_owned()),
        };
        let bytes = bytes.map_err(|error| format!("could not be heard ({error})"))?;
        if bytes.len() as u64 >= TOO_MUCH {
            return Err("wrote a megabyte or more".to_owned());
        }
        *place = Some(bytes);
    }
}

fn too_late() -> String {
    "did not answer in time".to_owned()
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended without a status".to_owned(),
    }
}

/// The last line that says something: of a traceback, the one with the error.
fn last_line(errors: &[u8]) -> String {
    let text = String::from_utf8_lossy(errors);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    sanitise(line.unwrap_or_default()).into_owned()
}
