//! Commands with a terminal of their own, and commands with none.
#![expect(unsafe_code, reason = "what runs between fork and exec is unsafe to choose")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command};

nix::ioctl_write_int_bad!(take_terminal, nix::libc::TIOCSCTTY);
nix::ioctl_write_ptr_bad!(set_size, nix::libc::TIOCSWINSZ, nix::pty::Winsize);

/// Starts `command` in a session without a terminal, whatever the tests themselves run on.
pub(super) fn without_terminal(command: &mut Command) {
    // SAFETY: `setsid` is async-signal-safe.
    unsafe {
        command.pre_exec(|| nix::unistd::setsid().map(drop).map_err(Into::into));
    }
}

/// What happens on the terminal once a text has been shown there.
pub(super) enum Step<'a> {
    /// This is typed.
    Type(&'a str),
    /// This is typed once the program reads without echo: what comes earlier, a password prompt throws away.
    TypeUnechoed(&'a str),
    /// The terminal goes away.
    Leave,
}

/// Starts `command` on a new terminal, of which it gets one side; the other is ours.
pub(super) fn start(mut command: Command) -> (Child, File) {
    let terminal = nix::pty::openpty(None, None).unwrap();
    // Held by the child as well, the terminal could never go away.
    let inherit_not = nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC);
    nix::fcntl::fcntl(&terminal.master, inherit_not).unwrap();
    let own = File::from(terminal.slave);
    command.stdin(own.try_clone().unwrap()).stdout(own.try_clone().unwrap()).stderr(own);
    // SAFETY: `setsid` and `ioctl` are async-signal-safe; standard input is the terminal by then.
    unsafe {
        command.pre_exec(|| {
            nix::unistd::setsid()?;
            take_terminal(0, 0)?;
            Ok(())
        });
    }
    // With `command` go the parent's copies, which would keep the terminal from ever ending.
    (command.spawn().unwrap(), File::from(terminal.master))
}

/// Changes the size of the terminal that `terminal` is our side of, in characters.
pub(super) fn resize(terminal: &File, rows: u16, columns: u16) {
    let size = nix::pty::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: `size` is what the call reads.
    unsafe { set_size(terminal.as_raw_fd(), &raw const size) }.unwrap();
}

/// Runs `command` on a new terminal and takes the steps in turn, each once its text has been shown. Gives the exit
/// status and what was shown.
pub(super) fn run(command: Command, steps: &[(&str, Step<'_>)]) -> (i32, String) {
    let (mut child, terminal) = start(command);
    let mut controller = Some(terminal);
    let mut steps = steps.iter();
    let mut next = steps.next();
    let mut shown = Vec::new();
    let mut buffer = [0; 4096];
    while let Some(terminal) = controller.as_mut() {
        // Reading fails once nothing holds the other side any more.
        let Ok(length @ 1..) = terminal.read(&mut buffer) else { break };
        shown.extend_from_slice(&buffer[..length]);
        while let Some((text, step)) = next
            && String::from_utf8_lossy(&shown).contains(text)
        {
            match (step, controller.as_mut()) {
                (Step::Type(answer), Some(terminal)) => terminal.write_all(answer.as_bytes()).unwrap(),
                (Step::TypeUnechoed(answer), Some(terminal)) => {
                    while echoes(terminal) && child.try_wait().unwrap().is_none() {
                        std::thread::yield_now();
                    }
                    terminal.write_all(answer.as_bytes()).unwrap();
                }
                _ => controller = None,
            }
            next = steps.next();
        }
    }
    let status = child.wait().unwrap();
    let status = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    (status, String::from_utf8_lossy(&shown).into_owned())
}

fn echoes(terminal: &File) -> bool {
    use nix::sys::termios::{LocalFlags, tcgetattr};
    tcgetattr(terminal).unwrap().local_flags.contains(LocalFlags::ECHO)
}
