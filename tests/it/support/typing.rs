//! A person at a terminal: types, and reads what is shown.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};

use super::pseudo_terminal;

/// A program on a terminal of its own.
pub(crate) struct Typing {
    child: Child,
    terminal: File,
    shown: Vec<u8>,
    /// How much of it has been read.
    read: usize,
}

impl Typing {
    pub(super) fn start(command: Command) -> Self {
        let (child, terminal) = pseudo_terminal::start(command);
        Self { child, terminal, shown: Vec::new(), read: 0 }
    }

    /// Types `text` as it is.
    pub(crate) fn types(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until `text` is shown, and gives what was shown before it since the last time.
    #[track_caller]
    pub(crate) fn sees(&mut self, text: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            let new = &self.shown[self.read..];
            if let Some(position) = new.windows(text.len()).position(|window| window == text.as_bytes()) {
                let before = String::from_utf8_lossy(&new[..position]).into_owned();
                self.read += position + text.len();
                return before;
            }
            // Reading fails once nothing holds the other side any more.
            match self.terminal.read(&mut buffer) {
                Ok(length @ 1..) => self.shown.extend_from_slice(&buffer[..length]),
                _ => panic!("{text:?} was never shown in\n{}", String::from_utf8_lossy(&self.shown)),
            }
        }
    }

    /// Changes the size of the terminal.
    pub(crate) fn resizes(&self, rows: u16, columns: u16) {
        pseudo_terminal::resize(&self.terminal, rows, columns);
    }

    /// Reads to the end, and gives the exit status and everything that was shown.
    pub(crate) fn ends(mut self) -> (i32, String) {
        let mut rest = Vec::new();
        // Reading fails once nothing holds the other side any more.
        self.terminal.read_to_end(&mut rest).ok();
        self.shown.extend(rest);
        let status = self.child.wait().unwrap();
        let status = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        (status, String::from_utf8_lossy(&self.shown).into_owned())
    }
}
