//! The file that a call would run, and whether it would run: if not, libc is called as if we were not there, so that
//! the error is its own.

use core::ffi::CStr;

use crate::host::{self, PATH_MAX};
use crate::text::Text;

/// The kernel's view of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    /// A program, or a script whose interpreter is there.
    Runs,
    /// The file is neither: `execve` fails, and a search ends there, with the shell or with an error.
    Unknown,
    /// The file is not there, not for this process to run, or a script whose interpreter is not: a search goes on.
    Fails,
}

/// Whether the kernel would run `path`.
pub(crate) fn runs(path: &CStr) -> bool {
    format(path) == Format::Runs
}

fn format(path: &CStr) -> Format {
    // The kernel looks at this many bytes.
    let mut start = [0; 256];
    if !host::is_executable(path) {
        return if host::ENDS_NO_SEARCH.contains(&host::errno()) { Format::Fails } else { Format::Unknown };
    }
    let start = match host::read_start(path, &mut start) {
        Ok(length) => start.get(..length).unwrap_or_default(),
        Err(host::EISDIR) => return Format::Fails,
        // A file that may be run and not read, or no descriptor left to look: scfw-hook will see.
        Err(_) => return Format::Runs,
    };
    if start.starts_with(b"\x7fELF") {
        return Format::Runs;
    }
    let Some(line) = start.strip_prefix(b"#!") else { return Format::Unknown };
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let mut words = line.split(|byte| *byte == b'\n').next().unwrap_or_default().split(blank);
    let interpreter = words.find(|word| !word.is_empty()).unwrap_or_default();
    let mut room = [0; 257];
    let mut text = Text::new(&mut room);
    text.push(interpreter);
    match text.finish() {
        Some(interpreter) if host::is_executable(interpreter) => Format::Runs,
        _ => Format::Fails,
    }
}

/// The file that `execvp` would run for `name`, put together in `room`: the first on `path` that the kernel would
/// run. None if there is none, or if libc would give it to the shell.
pub(crate) fn search<'a>(name: &[u8], path: Option<&[u8]>, room: &'a mut [u8; PATH_MAX]) -> Option<&'a CStr> {
    let path = match path {
        Some(path) => path,
        None => default_path(),
    };
    for directory in path.split(|byte| *byte == b':') {
        match candidate(directory, name, room).map_or(Format::Fails, format) {
            Format::Runs => return candidate(directory, name, room),
            Format::Unknown => return None,
            Format::Fails => {}
        }
    }
    None
}

/// `directory/name`; an empty directory is the working directory.
fn candidate<'a>(directory: &[u8], name: &[u8], room: &'a mut [u8; PATH_MAX]) -> Option<&'a CStr> {
    let mut text = Text::new(room);
    if !directory.is_empty() {
        text.push(directory).push(b"/");
    }
    text.push(name);
    text.finish()
}

/// The directories that libc searches without a `PATH`.
fn default_path() -> &'static [u8] {
    if host::is_gnu() { b"/bin:/usr/bin" } else { b"/usr/local/bin:/bin:/usr/bin" }
}
