//! The record of one decision, field for field what the predecessor logged, and the sinks that take it.

pub mod file;

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::invocation::Manager;
use crate::text::arguments_without_credentials;
use crate::verify::{Finding, FindingSeverity, Verification};

/// The version of the record's fields.
const LOG_VERSION: u32 = 1;
/// Most findings in one record; the rest would only repeat that the package is bad.
const MOST_FINDINGS: usize = 200;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Action {
    /// The command went on.
    Allow,
    /// The command was stopped.
    Block,
    /// The user was asked and said no.
    Abort,
}

impl Action {
    /// The word in records: `ALLOW`, `BLOCK`, `ABORT`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "ALLOW",
            Self::Block => "BLOCK",
            Self::Abort => "ABORT",
        }
    }

    /// The action behind that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Allow, Self::Block, Self::Abort].into_iter().find(|action| action.name() == word)
    }

    const fn participle(self) -> &'static str {
        match self {
            Self::Allow => "allowed",
            Self::Block => "blocked",
            Self::Abort => "aborted",
        }
    }
}

/// One decision.
#[derive(Debug, Serialize)]
pub struct Record {
    source: &'static str,
    service: &'static str,
    version: &'static str,
    log_version: u32,
    env: String,
    hostname: String,
    username: String,
    cwd: String,
    /// Seconds since the epoch, with a fraction.
    created: f64,
    msg: String,
    action: Action,
    ecosystem: &'static str,
    package_manager: &'static str,
    executable: String,
    install_targets: Vec<String>,
    relevant_findings: Vec<RelevantFinding>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exempted_findings: Vec<ExemptedFinding>,
    verified: bool,
    warning: bool,
}

/// A finding as a record carries it.
#[derive(Debug, Serialize)]
struct RelevantFinding {
    package: Option<String>,
    severity: FindingSeverity,
    verifier: String,
    finding: String,
    advisory: Option<String>,
}

/// A finding that the user has exempted.
#[derive(Debug, Serialize)]
struct ExemptedFinding {
    #[serde(flatten)]
    finding: RelevantFinding,
    /// The exemption's number.
    exemption: i64,
    reason: String,
}

/// What a record is made from.
#[derive(Debug)]
pub struct Event<'a> {
    /// What was done.
    pub action: Action,
    /// The manager that ran or would have run.
    pub manager: Manager,
    /// Its file, as far as it is known.
    pub executable: &'a str,
    /// Its arguments.
    pub arguments: &'a [String],
    /// The label of the environment.
    pub environment: &'a str,
    /// What was verified; nothing for a run that was not.
    pub verification: Option<&'a Verification>,
    /// Why a policy did not let the command be run like this at all.
    pub refusal: Option<&'a str>,
}

impl Record {
    /// The directory that the command was run in.
    #[must_use]
    pub fn directory(&self) -> &str {
        &self.cwd
    }

    /// The record of `event`, here and now.
    #[must_use]
    pub fn new(event: &Event<'_>) -> Self {
        let mut findings: Vec<RelevantFinding> =
            event.verification.map(relevant_findings).unwrap_or_default();
        findings.extend(event.refusal.map(RelevantFinding::refusal));
        let mut command = vec![event.manager.name().to_owned()];
        command.extend(arguments_without_credentials(event.arguments));
        Self {
            source: "scfw",
            service: "scfw",
            version: env!("CARGO_PKG_VERSION"),
            log_version: LOG_VERSION,
            env: event.environment.to_owned(),
            hostname: hostname(),
            username: username(),
            cwd: std::env::current_dir().map(|path| path.display().to_string()).unwrap_or_default(),
            created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()),
            msg: format!("Command '{}' was {}", command.join(" "), event.action.participle()),
            action: event.action,
            ecosystem: event.manager.ecosystem().osv_name(),
            package_manager: event.manager.name(),
            executable: event.executable.to_owned(),
            install_targets: event
                .verification
                .map(|verification| {
                    verification.targets.iter().map(|(target, _)| target.package.to_string()).collect()
                })
                .unwrap_or_default(),
            warning: findings.iter().any(|finding| finding.severity == FindingSeverity::Warning),
            relevant_findings: findings,
            exempted_findings: event.verification.map(exempted_findings).unwrap_or_default(),
            verified: event.verification.is_some(),
        }
    }
}

impl RelevantFinding {
    fn refusal(reason: &str) -> Self {
        Self {
            package: None,
            severity: FindingSeverity::Critical,
            verifier: "policy".to_owned(),
            finding: reason.to_owned(),
            advisory: None,
        }
    }
}

fn relevant_findings(verification: &Verification) -> Vec<RelevantFinding> {
    let of_targets = verification.targets.iter().flat_map(|(target, findings)| {
        findings.iter().map(|finding| (Some(target.package.to_string()), finding))
    });
    of_targets
        .chain(verification.general.iter().map(|finding| (None, finding)))
        .take(MOST_FINDINGS)
        .map(|(package, finding)| RelevantFinding::new(package, finding))
        .collect()
}

fn exempted_findings(verification: &Verification) -> Vec<ExemptedFinding> {
    verification
        .exempted
        .iter()
        .take(MOST_FINDINGS)
        .map(|exempted| ExemptedFinding {
            finding: RelevantFinding::new(Some(exempted.package.to_string()), &exempted.finding),
            exemption: exempted.exemption.number,
            reason: exempted.exemption.terms.reason.clone(),
        })
        .collect()
}

impl RelevantFinding {
    fn new(package: Option<String>, finding: &Finding) -> Self {
        Self {
            package,
            severity: finding.severity,
            verifier: finding.verifier.to_string(),
            finding: finding.message.clone(),
            advisory: finding.advisory.clone(),
        }
    }
}

fn hostname() -> String {
    nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The name of the user who runs this.
#[must_use]
pub fn username() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid());
    user.ok().flatten().map(|user| user.name).unwrap_or_default()
}
