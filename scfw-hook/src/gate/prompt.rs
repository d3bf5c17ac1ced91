//! The question to the user, on the terminal and nowhere else: the standard streams are the manager's.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::sys::select::{FD_SETSIZE, FdSet, select};
use nix::sys::termios::{FlushArg, tcflush};
use nix::sys::time::{TimeVal, TimeValLike};
use scfw_core::config::is_true;
use scfw_core::env;

use crate::process::Process;

/// The time after which a question looks again whether somebody still waits for the answer, in milliseconds.
const OFTEN: i64 = 100;

/// The controlling terminal of this process.
#[derive(Debug)]
pub struct Terminal {
    file: File,
}

impl Terminal {
    /// The terminal, if there is one with somebody to ask: a build server may give its builds a terminal, and nobody
    /// sits there.
    #[must_use]
    pub fn open(process: &Process) -> Option<Self> {
        if is_build_server(process) {
            return None;
        }
        let file = OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
        file.is_terminal().then_some(Self { file })
    }

    /// Shows `report` and asks whether to go on. Everything but a yes is a no: another word, the end of input, a
    /// terminal that went away. Once `is_awaited` is no longer true, nobody waits for the answer, and typed words are
    /// for somebody else.
    #[must_use]
    pub fn confirm(&self, report: &str, is_awaited: impl Fn() -> bool) -> bool {
        // Words that were typed before the question are no answer to it.
        if tcflush(&self.file, FlushArg::TCIFLUSH).is_err() {
            return false;
        }
        let mut terminal = &self.file;
        let question = format!("{report}Proceed with the installation anyway? [y/N] ");
        if terminal.write_all(question.as_bytes()).is_err() || !self.has_answer(is_awaited) {
            return false;
        }
        let mut answer = String::new();
        // A line is enough; a terminal that sends without end is not waited for.
        let read = BufReader::new(terminal.take(4096)).read_line(&mut answer);
        read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
    }

    /// Waits until there is something to read, a whole line or an end. Nothing is read once nobody waits for it.
    fn has_answer(&self, is_awaited: impl Fn() -> bool) -> bool {
        if usize::try_from(self.file.as_raw_fd()).is_ok_and(|number| number >= FD_SETSIZE) {
            // The set below has no place for such a descriptor.
            return false;
        }
        loop {
            let mut readable = FdSet::new();
            readable.insert(self.file.as_fd());
            match select(None, &mut readable, None, None, &mut TimeVal::milliseconds(OFTEN)) {
                Ok(0) | Err(Errno::EINTR) if is_awaited() => {}
                Ok(1..) => return true,
                _ => return false,
            }
        }
    }
}

/// Whether a variable says that this runs on a build server.
fn is_build_server(process: &Process) -> bool {
    let is_set = |name: &&str| process.variable(name).is_some_and(|value| is_true(&value.to_string_lossy()));
    env::BUILD_SERVERS.iter().any(is_set)
}
