//! The screen: packages that the command line, requirement files and lockfiles already name are looked up before
//! anything is started. It only ever blocks, and only if it is certain; everything else is left to the gate.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use scfw_core::config::Settings;
use scfw_core::exemption;
use scfw_core::finding::{FindingSeverity, Verification};
use scfw_core::manager::{Install, NodeRequest, Request, manager};
use scfw_core::screen::{self, Screened};
use scfw_core::verify::{VerifierError, verifiers, verify};

use crate::process::Process;
use crate::process::locate::locate;

/// The longest that the screen waits for disks and feeds; the gate will look at all of it.
const PATIENCE: Duration = Duration::from_secs(3);

/// The findings of the screen.
#[derive(Debug)]
pub struct Outcome {
    /// The targets with critical findings, and those only. Empty if there are none.
    pub blocked: Option<Verification>,
    /// The sources that could not be read, as sentences.
    pub unread: Vec<String>,
}

/// Whether there is a command of that name in the global prefix that a variable gives npm.
fn is_in_prefix(process: &Process, command: &str) -> bool {
    process.variable("npm_config_prefix").is_some_and(|prefix| {
        !command.contains('/') && Path::new(&prefix).join("bin").join(command).symlink_metadata().is_ok()
    })
}

/// The named packages, unless they take too long to read. They are then read on a thread that ends with this process:
/// the manager takes its place.
fn collect(process: &Process, install: &Install) -> Option<Screened> {
    let directory = process.directory().unwrap_or_default();
    let (sender, receiver) = channel();
    let started = {
        let (process, install, directory) = (process.clone(), install.clone(), directory.clone());
        // If nobody waits any more, the result is not needed.
        thread::Builder::new().spawn(move || drop(sender.send(read(&process, &install, &directory))))
    };
    match started {
        Ok(_) => receiver.recv_timeout(PATIENCE).ok(),
        // The system gives no thread.
        Err(_) => Some(read(process, install, &directory)),
    }
}

fn read(process: &Process, install: &Install, directory: &Path) -> Screened {
    let formats = manager(install.manager).lockfiles();
    match &install.request {
        Request::Python(request) => screen::python(request, directory, &|name| process.text(name)),
        // The program npx runs globally installed commands, which npm alone could tell: a program of that name may be
        // one.
        Request::Node(request) if request.executes => {
            let is_fetched =
                |spec: &&String| locate(process, OsStr::new(spec)).is_none() && !is_in_prefix(process, spec);
            let specs = request.specs.iter().filter(is_fetched).cloned().collect();
            screen::node(&NodeRequest { specs, ..request.clone() }, formats, directory)
        }
        Request::Node(request) => screen::node(request, formats, directory),
        Request::Unknown => Screened::default(),
    }
}

/// Looks up the packages that `install` already names.
pub fn screen(process: &Process, install: &Install, settings: &Settings) -> Result<Outcome, VerifierError> {
    let start = Instant::now();
    let Some(Screened { targets, skipped: unread }) = collect(process, install) else {
        let unread = format!("what is named was not read within {} seconds", PATIENCE.as_secs());
        return Ok(Outcome { blocked: None, unread: vec![unread] });
    };
    let unread = unread.into_iter().map(|unread| format!("{}: {}", unread.what, unread.why)).collect();
    if targets.is_empty() {
        return Ok(Outcome { blocked: None, unread });
    }
    let mut settings = settings.clone();
    settings.run.deadline = settings.run.deadline.min(PATIENCE.saturating_sub(start.elapsed()));
    let mut verification = verify(&settings, &verifiers(&settings, Some(install.manager))?, targets);
    for (_, findings) in &mut verification.targets {
        findings.retain(|finding| finding.severity == FindingSeverity::Critical);
    }
    // If an exemption names a version, only the gate can decide, because it knows the version.
    verification.targets.retain(|(target, findings)| {
        !findings.is_empty() && !exemption::depends_on_version(&settings, &target.package)
    });
    // If something could not be found out here, the gate has to find it out.
    verification.general.clear();
    Ok(Outcome { blocked: (!verification.targets.is_empty()).then_some(verification), unread })
}
