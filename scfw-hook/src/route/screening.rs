//! The screen: what the command line, requirement files and lockfiles already name is looked up before anything
//! is started. It only ever blocks, and only on what is certain; everything else is left to the gate.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use scfw_core::config::Settings;
use scfw_core::exemption;
use scfw_core::finding::{FindingSeverity, Verification};
use scfw_core::manager::{Install, NodeRequest, Request};
use scfw_core::screen::{self, Screened};
use scfw_core::verify::{VerifierError, verifiers, verify};

use crate::process::Process;
use crate::process::locate::locate;

/// The screen waits no longer than this for disks and feeds; the gate will look at all of it.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the screen found.
#[derive(Debug)]
pub struct Outcome {
    /// The targets with critical findings, and those only. Nothing where there are none.
    pub blocked: Option<Verification>,
    /// What could not be read, as sentences.
    pub unread: Vec<String>,
}

/// Whether there is a command of that name in the global prefix that a variable gives npm.
fn is_in_prefix(process: &Process, command: &str) -> bool {
    process.variable("npm_config_prefix").is_some_and(|prefix| {
        !command.contains('/') && Path::new(&prefix).join("bin").join(command).symlink_metadata().is_ok()
    })
}

/// What is named, unless it takes too long to read. Then it is read on a thread that goes with this process: the manager
/// takes its place.
fn collect(process: &Process, request: &Request) -> Option<Screened> {
    let directory = process.directory().unwrap_or_default();
    let (sender, receiver) = channel();
    let started = {
        let (process, request, directory) = (process.clone(), request.clone(), directory.clone());
        // Where nobody waits any more, nobody wants it.
        thread::Builder::new().spawn(move || drop(sender.send(read(&process, &request, &directory))))
    };
    match started {
        Ok(_) => receiver.recv_timeout(PATIENCE).ok(),
        // No thread is to be had.
        Err(_) => Some(read(process, request, &directory)),
    }
}

fn read(process: &Process, request: &Request, directory: &Path) -> Screened {
    match request {
        Request::Python(request) => screen::python(request, directory, &|name| process.text(name)),
        // npx runs what is installed globally, which npm alone could say: a program of that name may be it.
        Request::Node(request) if request.executes => {
            let is_fetched =
                |spec: &&String| locate(process, OsStr::new(spec)).is_none() && !is_in_prefix(process, spec);
            let specs = request.specs.iter().filter(is_fetched).cloned().collect();
            screen::node(&NodeRequest { specs, ..request.clone() }, directory)
        }
        Request::Node(request) => screen::node(request, directory),
        Request::Unknown => Screened::default(),
    }
}

/// Looks up what `install` already names.
pub fn screen(process: &Process, install: &Install, settings: &Settings) -> Result<Outcome, VerifierError> {
    let start = Instant::now();
    let Some(Screened { targets, skipped: unread }) = collect(process, &install.request) else {
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
    // One whose verdict an exemption of a version may change is for the gate, which knows the version.
    verification.targets.retain(|(target, findings)| {
        !findings.is_empty() && !exemption::depends_on_version(&settings, &target.package)
    });
    // What could not be found out here is for the gate to find out.
    verification.general.clear();
    Ok(Outcome { blocked: (!verification.targets.is_empty()).then_some(verification), unread })
}
