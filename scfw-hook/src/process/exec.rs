//! Replacing this process. Nothing returns from here but a failure.

use std::convert::Infallible;
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;

use crate::exit::Exit;
use crate::process::Process;
use crate::process::locate::{is_same_file, own_program};

/// The shell that runs a script without a `#!` line, as `execvp` does.
const SHELL: &CStr = c"/bin/sh";

/// Replaces this process by `path` with `arguments` (the first is `argv[0]`). Without an `environment` the
/// present one is kept, untouched. Returns the error and the exit status that a shell would give it.
#[must_use]
pub fn exec(
    process: &Process,
    path: &Path,
    arguments: &[&CStr],
    environment: Option<&[CString]>,
) -> (Errno, Exit) {
    match process {
        Process::System => {}
        #[cfg(test)]
        Process::Made(made) => {
            made.become_program(path, arguments, environment);
            return (Errno::EACCES, Exit::NotExecutable);
        }
    }
    let Ok(file) = CString::new(path.as_os_str().as_bytes()) else {
        return (Errno::ENOENT, Exit::NotFound);
    };
    let mut errno = run(&file, arguments, environment);
    if errno == Errno::ENOEXEC {
        let mut shell_arguments = vec![SHELL, &file];
        shell_arguments.extend(arguments.get(1..).unwrap_or_default());
        errno = run(SHELL, &shell_arguments, environment);
    }
    let exit = if errno == Errno::ENOENT { Exit::NotFound } else { Exit::NotExecutable };
    (errno, exit)
}

fn run(file: &CStr, arguments: &[&CStr], environment: Option<&[CString]>) -> Errno {
    let result: nix::Result<Infallible> = match environment {
        Some(environment) => nix::unistd::execve(file, arguments, environment),
        None => nix::unistd::execv(file, arguments),
    };
    match result {
        Err(errno) => errno,
    }
}

/// Sets the variable `_` to `path` if a shell has set it to the file of this process, or of scfw-hook, which may have handed
/// over: bash and zsh tell a program its own file there, and `path` is the program that takes over.
pub fn pass_on_own_path(process: &Process, path: &Path) {
    let Some(told) = process.variable("_") else { return };
    let is_own = own_file().is_some_and(|own| own.to_bytes() == told.as_bytes());
    if is_own || own_program(process).is_some_and(|hook| is_same_file(&hook, Path::new(&told))) {
        process.set_variable("_", path.as_os_str());
    }
}

/// The file of this process as it was given to execve, which the kernel leaves in every process.
#[cfg(target_os = "linux")]
fn own_file() -> Option<&'static CStr> {
    #[expect(
        unsafe_code,
        reason = "the kernel's string lies above the stack for as long as the process lives"
    )]
    unsafe {
        let file = libc::getauxval(libc::AT_EXECFN) as *const libc::c_char;
        (!file.is_null()).then(|| CStr::from_ptr(file))
    }
}

#[cfg(not(target_os = "linux"))]
fn own_file() -> Option<&'static CStr> {
    None
}

/// The `text` for C. A text of the system's has no NUL inside, and a text of ours has none either.
#[must_use]
pub fn c_string(text: &OsStr) -> CString {
    let end = text.as_bytes().iter().position(|byte| *byte == 0).unwrap_or(text.len());
    CString::new(text.as_bytes().get(..end).unwrap_or_default()).unwrap_or_default()
}
