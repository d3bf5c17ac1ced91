//! One route with one manager: both installs, and whether they ended as they should.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use scfw_core::child::wait_until;
use scfw_core::env;
use scfw_core::files::{Kept, read_kept};
use scfw_core::manager::Manager;
use scfw_core::report::BLOCKED;
use scfw_core::text::sanitise;

use super::world::{CARRIER, CLEAN, LittleWorld, MALWARE};
use crate::exit::Exit;
use crate::process::Process;
use crate::process::locate::locate;
use crate::process::locate::own_program;
use crate::shells::shell::Shell;
use crate::shells::shield::{PRELOAD, Shield};

/// The longest time of one install; if it takes longer, something waits for somebody.
const PATIENCE: Duration = Duration::from_secs(90);
/// The most that is read of a command's output, in bytes.
const MOST_SHOWN: u64 = 64 * 1024 * 1024;

/// The way on which a call reaches scfw.
#[derive(Debug)]
pub(super) enum Route {
    /// scfw-hook itself, with that program.
    Hook(PathBuf),
    /// The name alone, found on `PATH`.
    Path,
    /// An interactive shell with the user's own start-up files.
    Shell(Shell),
    /// A program that knows the manager by its absolute path, under the preload library.
    Preload(Shield),
}

/// The result of the two installs.
#[derive(Debug, Default)]
pub(super) struct Tested {
    /// What is wrong; nothing where all is well.
    pub(super) failures: Vec<String>,
    /// What was run and what scfw said.
    pub(super) transcript: Vec<String>,
    /// Why the manager is not let run at all, where it is one that no gate can hold.
    pub(super) refusal: Option<String>,
}

/// The end of a command.
struct Ended {
    status: Option<i32>,
    shown: String,
    errors: String,
}

impl Route {
    /// Installs a clean and a malicious package on this route.
    pub(super) fn test(&self, process: &Process, world: &LittleWorld, manager: &dyn Manager) -> Tested {
        let mut tested = Tested::default();
        for package in [CLEAN, CARRIER] {
            tested.transcript.push(format!("$ {} install {package}", manager.id().name()));
            let outcome = world.folder().and_then(|folder| {
                let ended = self.install(process, world, manager, package, &folder)?;
                Ok((folder, ended))
            });
            match outcome {
                Ok((folder, ended)) => tested.judge(world, manager, package, &folder, &ended),
                Err(error) => {
                    tested.failures.push(format!("{} could not be run ({error})", manager.id().name()));
                }
            }
        }
        tested
    }

    fn install(
        &self,
        process: &Process,
        world: &LittleWorld,
        manager: &dyn Manager,
        package: &str,
        folder: &Path,
    ) -> io::Result<Ended> {
        let mut command = match self {
            Self::Hook(program) => {
                let hook =
                    own_program(process).ok_or_else(|| io::Error::other("scfw-hook is not beside scfw"))?;
                let mut command = Command::new(hook);
                command.arg(program).args(manager.self_test().install).arg(package);
                command
            }
            Self::Path => {
                let mut command = Command::new(manager.id().name());
                command.args(manager.self_test().install).arg(package);
                command
            }
            Self::Shell(shell) => {
                let mut command = Command::new(shell.name());
                // The user's start-up files may name a home for scfw, and a log. All other words are ours and need no
                // quoting in any shell.
                let (home, log) = (env::SCFW_HOME, env::SCFW_LOG_FILE);
                let home = if *shell == Shell::Fish {
                    format!("set -gx {home} $argv[1]; set -gx {log} $argv[2]")
                } else {
                    format!("export {home}=\"$1\" {log}=\"$2\"")
                };
                command.args(["-i", "-c"]).arg(format!(
                    "{home}; {} {} {package}",
                    manager.id().name(),
                    manager.self_test().install.join(" ")
                ));
                if *shell != Shell::Fish {
                    // What the others take for their own name.
                    command.arg(shell.name());
                }
                command.arg(world.home()).arg(world.log());
                command
            }
            Self::Preload(_) => {
                let program = locate(process, OsStr::new(manager.id().name()))
                    .ok_or_else(|| io::Error::other(format!("{} is not on PATH", manager.id().name())))?;
                let mut command = Command::new("/bin/sh");
                command.args(["-c", "\"$@\"", "sh"]).arg(program.path);
                command.args(manager.self_test().install).arg(package);
                command
            }
        };
        world.surround(process, &mut command, folder);
        if let Self::Preload(shield) = self {
            command.envs(shield.variables(process.variable(PRELOAD).as_deref()));
        }
        run(command, folder)
    }
}

impl Tested {
    fn judge(
        &mut self,
        world: &LittleWorld,
        manager: &dyn Manager,
        package: &str,
        folder: &Path,
        ended: &Ended,
    ) {
        let refusal = ended.errors.lines().find_map(|line| line.strip_prefix("scfw: "));
        if package == CLEAN
            && ended.status == Some(Exit::Unverified.status().into())
            && let Some(refusal) = refusal
        {
            self.refusal = Some(sanitise(refusal).into_owned());
            return;
        }
        let malware_has_run = world.malware_has_run();
        let is_good = if package == CLEAN {
            ended.status == Some(0) && folder.join(manager.self_test().installed).is_file()
        } else {
            // Only our own word counts, not that the command failed somehow.
            ended.status == Some(Exit::Blocked.status().into())
                && ended.errors.contains(BLOCKED)
                && ended.errors.contains(&format!("Installation target {MALWARE}"))
                && !malware_has_run
        };
        if is_good {
            let report = ended.errors.lines().skip_while(|line| !line.contains("Installation target"));
            let until_verdict = report.scan(false, |is_over, line| {
                let was_over = *is_over;
                *is_over = line == BLOCKED;
                (!was_over).then_some(line)
            });
            self.transcript.extend(until_verdict.map(|line| sanitise(line).into_owned()));
            return;
        }
        let shown = ended.shown.lines().chain(ended.errors.lines());
        self.transcript.extend(shown.map(|line| sanitise(line).into_owned()));
        self.failures.push(match (package == CLEAN, ended.status) {
            (_, None) => format!("{} install {package} did not end in time", manager.id().name()),
            (true, Some(status)) => {
                format!("a clean package was not installed by {} (status {status})", manager.id().name())
            }
            (false, _) if malware_has_run => format!("malware RAN in {} install", manager.id().name()),
            (false, Some(status)) => {
                format!("scfw did not stop malware in {} install (status {status})", manager.id().name())
            }
        });
    }
}

/// Whether a program does anything when asked for its version.
pub(super) fn starts(process: &Process, world: &LittleWorld, program: &Path) -> bool {
    let started = world.folder().and_then(|folder| {
        let mut command = Command::new(program);
        command.arg("--version");
        world.surround(process, &mut command, &folder);
        run(command, &folder)
    });
    started.is_ok_and(|ended| ended.status == Some(0))
}

/// Runs `command` without a terminal, which an interactive shell would otherwise take over, and without waiting for
/// ever.
fn run(mut command: Command, folder: &Path) -> io::Result<Ended> {
    let (shown, errors) = (folder.join(".stdout"), folder.join(".stderr"));
    command.stdin(Stdio::null()).stdout(File::create(&shown)?).stderr(File::create(&errors)?);
    #[expect(unsafe_code, reason = "setsid is async-signal-safe, so it may be called between fork and exec")]
    // SAFETY: nothing but that call happens there.
    unsafe {
        command.pre_exec(|| nix::unistd::setsid().map(drop).map_err(io::Error::from));
    }
    let mut child = command.spawn()?;
    let ended = wait_until(&mut child, Instant::now() + PATIENCE)?;
    if ended.is_none() {
        child.kill()?;
        child.wait()?;
    }
    let status = ended.map(|status| status.code().unwrap_or(-1));
    let read = |path: &Path| {
        let bytes = read_kept(path, Kept::Anyhow, MOST_SHOWN)?.unwrap_or_default();
        Ok::<_, io::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    Ok(Ended { status, shown: read(&shown)?, errors: read(&errors)? })
}
