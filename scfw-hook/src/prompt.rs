//! Asking the user, on the terminal and nowhere else: the standard streams are the manager's.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};

use nix::sys::termios::{FlushArg, tcflush};

/// The controlling terminal of this process.
#[derive(Debug)]
pub struct Terminal {
    file: File,
}

impl Terminal {
    /// The terminal, where there is one.
    #[must_use]
    pub fn open() -> Option<Self> {
        let file = OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
        file.is_terminal().then_some(Self { file })
    }

    /// Shows `report` and asks whether to go on. Everything but a yes is a no: another word, the end of input,
    /// a terminal that went away.
    #[must_use]
    pub fn confirm(&self, report: &str) -> bool {
        // What was typed before the question is no answer to it.
        if tcflush(&self.file, FlushArg::TCIFLUSH).is_err() {
            return false;
        }
        let mut terminal = &self.file;
        let question = format!("{report}Proceed with the installation anyway? [y/N] ");
        if terminal.write_all(question.as_bytes()).is_err() {
            return false;
        }
        let mut answer = String::new();
        // A line is enough; a terminal that sends without end is not waited for.
        let read = BufReader::new(terminal.take(4096)).read_line(&mut answer);
        read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
    }
}
