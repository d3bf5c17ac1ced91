//! The start of a program that goes on by itself: in a session of its own, without our standard streams, and as
//! nobody's child, so that this process, whatever it becomes, never hears of its end.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{ForkResult, fork, setsid};
use scfw_core::env;

use crate::process::Process;

/// Variables that name a file or directory: from another directory a relative one would mean another.
const PATHS: [&str; 8] = [
    env::SCFW_HOME,
    env::SCFW_LOG_FILE,
    env::SCFW_DD_LOG_ATTRIBUTES_FILE,
    env::SCFW_OSV_VERIFIER_IGNORE,
    env::OTEL_EXPORTER_OTLP_CERTIFICATE,
    env::OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE,
    // The verifiers of certificates read these.
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Starts `program` and waits only for its start.
pub fn start(process: &Process, program: &Path, arguments: &[&OsStr]) -> io::Result<()> {
    #[cfg(test)]
    if let Process::Made(made) = process {
        made.start(program);
        return Ok(());
    }
    let mut command = Command::new(program);
    command.args(arguments).current_dir("/");
    for name in PATHS {
        if let Some(path) = process.variable(name).filter(|path| !path.is_empty()) {
            command.env(name, std::path::absolute(path)?);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    #[expect(unsafe_code, reason = "setsid, fork, fcntl and _exit are async-signal-safe")]
    unsafe {
        command.pre_exec(detach);
    }
    match command.spawn()?.wait() {
        // If this process ignores the end of its children, the system has waited for it.
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(()),
        waited => waited.map(drop),
    }
}

/// In the child: a second fork, after which the first of the two ends.
fn detach() -> io::Result<()> {
    setsid()?;
    #[expect(
        unsafe_code,
        reason = "nothing but exec follows in the one, and nothing but the end in the other"
    )]
    unsafe {
        if let ForkResult::Parent { .. } = fork()? {
            libc::_exit(0);
        }
    }
    leave_inherited();
    Ok(())
}

/// Has the program start without the descriptors that were inherited beside the standard streams: a pipe that stays
/// open in it keeps its reader waiting.
fn leave_inherited() {
    /// A number above that of any inherited descriptor.
    const MOST: libc::rlim_t = 65_536;
    #[cfg(target_os = "linux")]
    {
        #[expect(unsafe_code, reason = "it marks descriptors and touches no memory")]
        // The system is called directly, because a C library may be older than the call.
        let marked =
            unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) == 0 };
        if marked {
            return;
        }
    }
    let mut limit = libc::rlimit { rlim_cur: MOST, rlim_max: MOST };
    #[expect(unsafe_code, reason = "it writes the structure that it is given, or fails")]
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
    }
    for descriptor in 3..i32::try_from(limit.rlim_cur.min(MOST)).unwrap_or_default() {
        #[expect(unsafe_code, reason = "it marks a descriptor, or fails where there is none")]
        unsafe {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}
