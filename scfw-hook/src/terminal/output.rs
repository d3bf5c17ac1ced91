//! The streams on which scfw speaks: standard error while a manager owns the other streams, standard output if a
//! command of its own has an answer.

use std::io::{self, IsTerminal, Write, stderr, stdout};

use scfw_core::config::Settings;
use scfw_core::finding::Verification;
use scfw_core::redact::Redactor;
use scfw_core::text::{escape_json, sanitise};
use serde::Serialize;

/// Writes `text` to standard error as it is. If that fails, nobody is left to be told, and the verdict does not
/// depend on it.
pub fn write(text: &str) {
    stderr().lock().write_all(text.as_bytes()).ok();
}

/// Has writing to a pipe that nobody reads fail, instead of ending this process.
pub fn ignore_broken_pipes() {
    #[expect(unsafe_code, reason = "ignoring a signal installs no handler that could misbehave")]
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
    }
}

/// Writes a line of ours: `scfw: …`.
pub fn say(message: &str) {
    write(&format!("scfw: {message}\n"));
}

/// Lists the user's flags, variables and settings that have no effect, and why: a policy has overruled them, or they
/// are wrong.
pub fn say_without_effect(settings: &Settings) {
    for sentence in settings.overruled.iter().chain(&settings.mistakes) {
        say(&sanitise(sentence));
    }
}

/// Reports the notices of the store, if there are any.
pub fn say_trouble(verification: &Verification) {
    if let Some(trouble) = &verification.local.trouble {
        say(&sanitise(trouble));
    }
}

/// An error with its causes, made safe for the terminal line by line.
#[must_use]
pub fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text.lines().map(|line| sanitise(line).into_owned()).collect::<Vec<_>>().join("\n")
}

/// Writes `text` to standard output, for the commands whose answer it is.
pub fn print(text: &str) {
    // A reader that has seen enough and left is no failure.
    stdout().lock().write_all(text.as_bytes()).ok();
}

/// Writes `text` to standard output, all of it, for commands whose exit status depends on it.
pub fn print_all(text: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Knows the facts about this user that a report must not tell.
#[must_use]
pub fn redactor() -> Redactor {
    Redactor::for_this_user(&|name| std::env::var_os(name))
}

/// A report as it is shown: people pass them on, so the user's home directory is `~` in it.
#[must_use]
pub fn redacted(report: &str) -> String {
    if report.is_empty() {
        return String::new();
    }
    redactor().without_home(report).into_owned()
}

/// Writes a report to standard output, all of it.
pub fn print_report(text: &str) -> io::Result<()> {
    print_all(&redacted(text))
}

/// The same for a document, for scripts. A terminal that it is shown on has nothing to act on.
pub fn print_json_report(document: &impl Serialize) -> io::Result<()> {
    let json = serde_json::to_string_pretty(document)?;
    print_report(&format!("{}\n", escape_json(&json)))
}

/// Whether standard error may carry colours: a terminal, and `NO_COLOR` unset or empty.
#[must_use]
pub fn has_colour() -> bool {
    has_colour_on(&stderr())
}

/// The same for any of the streams.
#[must_use]
pub fn has_colour_on(stream: &impl IsTerminal) -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        && stream.is_terminal()
}

/// If standard error is a terminal, a progress display of the manager may stand on the current line.
pub fn clear_line() {
    if stderr().is_terminal() {
        write("\r\u{1b}[K");
    }
}

/// Whether standard error is a terminal.
#[must_use]
pub fn is_terminal() -> bool {
    stderr().is_terminal()
}
