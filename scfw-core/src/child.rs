//! Waiting for a child process no longer than until a deadline.

use std::io;
use std::process::{Child, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// The shortest and the longest pause between two looks at whether a child has ended.
const SHORTEST_PAUSE: Duration = Duration::from_micros(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Waits until `child` has ended; nothing where it has not by `deadline`.
pub fn wait_until(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    let mut pause = SHORTEST_PAUSE;
    loop {
        match child.try_wait() {
            Ok(None) if Instant::now() >= deadline => return Ok(None),
            Ok(None) => sleep(pause),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            ended => return ended,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Ends `child` at once, with every process in the group that it leads, and waits for it.
pub fn end_group(child: &mut Child) {
    if let Ok(group) = i32::try_from(child.id()) {
        // The whole group may have ended by itself.
        killpg(Pid::from_raw(group), Signal::SIGKILL).ok();
    }
    // Somebody may have waited for it.
    child.wait().ok();
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    fn shell(script: &str) -> Child {
        Command::new("/bin/sh").args(["-c", script]).process_group(0).spawn().unwrap()
    }

    #[test]
    fn a_child_is_waited_for_until_the_deadline() {
        let soon = Instant::now() + Duration::from_secs(20);
        let ended = wait_until(&mut shell("exit 3"), soon).unwrap();
        assert_eq!(ended.and_then(|status| status.code()), Some(3));
        let mut late = shell("sleep 100 & wait");
        assert_eq!(wait_until(&mut late, Instant::now()).unwrap(), None);
        end_group(&mut late);
        assert!(late.try_wait().unwrap().is_some());
    }
}
