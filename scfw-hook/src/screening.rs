//! The screen: what the command line, requirement files and lockfiles already name is looked up before anything
//! is started. It only ever blocks, and only on what is certain; everything else is left to the gate.

use std::time::Duration;

use scfw_core::config::Settings;
use scfw_core::exemption;
use scfw_core::invocation::{Install, Screen};
use scfw_core::screen::{self, Screened};
use scfw_core::verify::{FindingSeverity, Verification, VerifierError, verifiers, verify};

/// The screen waits no longer than this for a feed; the gate will ask again.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the screen found.
#[derive(Debug)]
pub struct Outcome {
    /// The targets with critical findings, and those only. Nothing where there are none.
    pub blocked: Option<Verification>,
    /// What could not be read, as sentences.
    pub unread: Vec<String>,
}

/// Looks up what `install` already names.
pub fn screen(install: &Install, settings: &Settings) -> Result<Outcome, VerifierError> {
    let directory = std::env::current_dir().unwrap_or_default();
    let Screened { targets, unread } = match &install.screen {
        Screen::Pip(request) => screen::pip(request, &directory, &|name| std::env::var(name).ok()),
        Screen::Npm(request) => screen::npm(request, &directory),
        Screen::Nothing => Screened::default(),
    };
    let unread = unread.into_iter().map(|unread| format!("{}: {}", unread.what, unread.why)).collect();
    if targets.is_empty() {
        return Ok(Outcome { blocked: None, unread });
    }
    let mut settings = settings.clone();
    settings.deadline = settings.deadline.min(PATIENCE);
    let mut verification = verify(&settings, &verifiers(&settings)?, targets);
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
