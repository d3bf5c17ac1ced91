//! A question to a program that answers on standard output: a bounded answer, within a time, without a terminal to
//! read from. The program is the user's own, and may be broken.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use scfw_core::child::{end_group, wait_until};
use scfw_core::env;

/// The time after which a program is not going to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest answer, in bytes.
const LONGEST_ANSWER: u64 = 1 << 20;

/// The reason why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It could not be started.
    #[error("it could not be run")]
    Start(#[from] io::Error),
    /// It took too long.
    #[error("it did not answer within {} seconds", PATIENCE.as_secs())]
    Late,
    /// It said more than any answer has.
    #[error("its answer is longer than {} MiB", LONGEST_ANSWER >> 20)]
    TooLong,
    /// It ended with an error.
    #[error("it failed: {0}")]
    Failed(String),
}

/// Runs `command` and returns what it writes to standard output.
pub fn ask(mut command: Command) -> Result<Vec<u8>, AskError> {
    let deadline = Instant::now() + PATIENCE;
    // The command gets a group of its own, so that its children can be ended with it.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    env::keep_secrets_from(&mut command);
    let mut child = command.spawn()?;
    let answer = child.stdout.take().map(collect);
    let errors = child.stderr.take().map(collect);
    let ended = wait(&mut child, answer.as_ref(), errors.as_ref(), deadline);
    if ended.is_err() {
        end_group(&mut child);
    }
    ended
}

type Output = io::Result<Vec<u8>>;

/// Reads a stream to its end, or to a byte more than an answer may have.
fn collect(stream: impl Read + Send + 'static) -> Receiver<Output> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stream.take(LONGEST_ANSWER + 1).read_to_end(&mut bytes).map(|_| bytes);
        // If the time is over, nobody waits any more.
        sender.send(read).ok();
    });
    receiver
}

fn wait(
    child: &mut Child,
    answer: Option<&Receiver<Output>>,
    errors: Option<&Receiver<Output>>,
    deadline: Instant,
) -> Result<Vec<u8>, AskError> {
    let receive = |stream: Option<&Receiver<Output>>| -> Result<Vec<u8>, AskError> {
        let Some(stream) = stream else { return Ok(Vec::new()) };
        let left = deadline.saturating_duration_since(Instant::now());
        let bytes = stream.recv_timeout(left).map_err(|_| AskError::Late)??;
        if bytes.len() as u64 > LONGEST_ANSWER { Err(AskError::TooLong) } else { Ok(bytes) }
    };
    let answer = receive(answer)?;
    let errors = receive(errors)?;
    let status = wait_until(child, deadline)?.ok_or(AskError::Late)?;
    if status.success() {
        return Ok(answer);
    }
    let errors = String::from_utf8_lossy(&errors);
    let last = errors.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned);
    Err(AskError::Failed(last.unwrap_or_else(|| status.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<Vec<u8>, AskError> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        ask(command)
    }

    #[test]
    fn an_answer_an_error_and_too_much() {
        assert_eq!(shell("echo noise >&2; printf answer").unwrap(), b"answer");
        assert!(matches!(shell("echo why >&2; exit 3"), Err(AskError::Failed(why)) if why == "why"));
        assert!(matches!(shell("exit 3"), Err(AskError::Failed(why)) if why.contains('3')));
        assert!(matches!(shell("yes"), Err(AskError::TooLong)));
        assert!(matches!(shell("cat; cat >&2"), Ok(answer) if answer.is_empty()));
        assert!(matches!(ask(Command::new("/nowhere/at/all")), Err(AskError::Start(_))));
    }
}
