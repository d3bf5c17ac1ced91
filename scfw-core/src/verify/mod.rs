//! Verifying targets: every verifier at the same time, under one deadline. A verifier is one file here and one
//! entry in [`verifiers`]. What a verifier could not find out is a finding of its own.

mod datadog;
mod external;
mod lists;
mod osv;

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use crate::advisory::{Rating, Severity};
use crate::config::Settings;
use crate::feed::Client;
use crate::package::{Source, Target};

pub use lists::ListError;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingSeverity {
    /// Asks.
    Warning,
    /// Blocks.
    Critical,
}

/// One thing that a verifier has to say about a target, or about all of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// How much it weighs.
    pub severity: FindingSeverity,
    /// Which verifier says so.
    pub verifier: Cow<'static, str>,
    /// A sentence without a full stop. It may carry text from outside and is sanitised before it is shown.
    pub message: String,
    /// The advisory's id, where there is one.
    pub advisory: Option<String>,
    /// Where to read more.
    pub url: Option<String>,
    /// What stands behind the link: severity, summary, first fixed version.
    #[serde(skip)]
    pub detail: Option<String>,
    /// What the advisory says, for reports that have fields for it.
    #[serde(skip)]
    pub disclosure: Option<Disclosure>,
    /// The finding says that something could not be found out.
    #[serde(skip)]
    pub is_unverified: bool,
    /// The user has accepted it earlier in this run; it is recorded, and not reported or asked about again.
    #[serde(skip)]
    pub is_accepted: bool,
}

/// What an advisory says about one package.
#[derive(Debug, Clone, PartialEq)]
pub struct Disclosure {
    /// How severe it is for the package, where that is known.
    pub severity: Option<Severity>,
    /// The ratings behind that.
    pub ratings: Vec<Rating>,
    /// One line on what it is about.
    pub summary: Option<String>,
    /// The lowest version above the package's that mends it.
    pub fixed: Option<String>,
}

impl Finding {
    /// A finding of its own for what `verifier` could not find out.
    #[must_use]
    pub fn unverified(verifier: impl Into<Cow<'static, str>>, reason: &str) -> Self {
        Self {
            severity: FindingSeverity::Warning,
            verifier: verifier.into(),
            message: format!("could not be verified: {reason}"),
            advisory: None,
            url: None,
            detail: None,
            disclosure: None,
            is_unverified: true,
            is_accepted: false,
        }
    }
}

/// What one verifier found.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Findings, each with the index of its target.
    pub findings: Vec<(usize, Finding)>,
    /// What it could not find out, about all targets at once.
    pub general: Vec<Finding>,
}

/// What [`Verifier::verify`] gives: findings, when they are there.
pub type Verifying<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// A source of findings.
pub trait Verifier {
    /// The name in findings and messages.
    fn name(&self) -> Cow<'static, str>;

    /// Looks `targets` up. Ends by the deadline of `client` and never fails: what goes wrong is in the outcome.
    fn verify<'a>(&'a self, targets: &'a [Target], client: &'a Client) -> Verifying<'a>;
}

/// Targets with all that was found about them.
#[derive(Debug, Clone, PartialEq)]
pub struct Verification {
    /// Each target with its findings, the critical ones first.
    pub targets: Vec<(Target, Vec<Finding>)>,
    /// Findings about all targets.
    pub general: Vec<Finding>,
}

impl Verification {
    /// All findings that the verdict depends on: those not accepted yet.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        let all = self.general.iter().chain(self.targets.iter().flat_map(|(_, findings)| findings));
        all.filter(|finding| !finding.is_accepted)
    }
}

/// Every verifier that the settings ask for.
pub fn verifiers(settings: &Settings) -> Result<Vec<Box<dyn Verifier>>, VerifierError> {
    let mut verifiers: Vec<Box<dyn Verifier>> = vec![
        Box::new(datadog::Datadog::new(settings)),
        Box::new(osv::Osv::new(settings)?),
        Box::new(lists::Lists::load(&settings.shared_directories("lists"))?),
    ];
    let present: Vec<_> = verifiers.iter().map(|verifier| verifier.name()).collect();
    for external in external::External::load(settings, &present)? {
        verifiers.push(Box::new(external));
    }
    Ok(verifiers)
}

/// Why a verifier could not be set up: the user's own files are not as they should be.
#[derive(Debug, thiserror::Error)]
pub enum VerifierError {
    /// A findings list.
    #[error(transparent)]
    List(#[from] ListError),
    /// The directory of external verifiers.
    #[error("external verifiers: {} could not be read", path.display())]
    ExternalUnreadable {
        /// The directory.
        path: std::path::PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The list of advisories to ignore.
    #[error("{path} could not be read")]
    IgnoreUnreadable {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line of it.
    #[error("{path}: {pattern:?} is neither an advisory id nor a regular expression")]
    IgnorePattern {
        /// The file.
        path: String,
        /// The line.
        pattern: String,
    },
}

/// Verifies `targets`, all verifiers at once. A target from the local file system is the user's own and is not
/// looked up. One from a repository or a bare URL is looked up by the name that it goes by, for known malware stays
/// malware wherever it lies; that its content cannot be verified is a finding all the same.
#[must_use]
pub fn verify(settings: &Settings, verifiers: &[Box<dyn Verifier>], targets: Vec<Target>) -> Verification {
    let (looked_up, rest): (Vec<_>, Vec<_>) = targets.into_iter().partition(is_known_by_name);
    let mut verification = Verification { targets: Vec::new(), general: Vec::new() };
    if !looked_up.is_empty() {
        verification = look_up(settings, verifiers, looked_up);
    }
    verification.targets.extend(rest.into_iter().map(|target| (target, Vec::new())));
    for (target, findings) in &mut verification.targets {
        findings.extend(from_nowhere_known(target));
        for finding in findings.iter_mut() {
            finding.is_accepted = target.accepted && finding.severity == FindingSeverity::Warning;
        }
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    }
    verification
}

/// Whether data sets can be asked about a target: not where its only name is its address, and not by name alone
/// where it does not come from a registry, for then every version would be meant.
fn is_known_by_name(target: &Target) -> bool {
    match target.source {
        Source::Registry => true,
        Source::Path => false,
        Source::Git | Source::Url => target.package.version.is_some(),
    }
}

/// The finding about a target whose source no data set covers.
fn from_nowhere_known(target: &Target) -> Option<Finding> {
    let place = match target.source {
        Source::Git => "a repository",
        Source::Url => "a bare URL",
        Source::Registry | Source::Path => return None,
    };
    let url = target.url.as_deref().filter(|url| *url != target.package.name);
    let at = url.map(|url| format!(" ({url})")).unwrap_or_default();
    Some(Finding::unverified("source", &format!("it comes from {place}{at}, not from a registry")))
}

fn look_up(settings: &Settings, verifiers: &[Box<dyn Verifier>], targets: Vec<Target>) -> Verification {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let general = vec![Finding::unverified("scfw", &format!("the network cannot be used ({error})"))];
            return Verification {
                targets: targets.into_iter().map(|target| (target, Vec::new())).collect(),
                general,
            };
        }
    };
    let outcomes = runtime.block_on(async {
        let base_urls = [settings.osv_api_url.as_str(), settings.datadog_dataset_url.as_str()];
        let client = Client::new(settings.offline, Instant::now() + settings.deadline, &base_urls);
        let mut running: Vec<(Cow<'static, str>, Verifying<'_>)> =
            verifiers.iter().map(|verifier| (verifier.name(), verifier.verify(&targets, &client))).collect();
        all(&mut running, client.deadline()).await
    });
    // A blocked name lookup of the system must not hold up the verdict.
    runtime.shutdown_background();
    let mut findings: Vec<Vec<Finding>> = vec![Vec::new(); targets.len()];
    let mut general = Vec::new();
    for outcome in outcomes {
        general.extend(outcome.general);
        for (index, finding) in outcome.findings {
            if let Some(findings) = findings.get_mut(index) {
                findings.push(finding);
            }
        }
    }
    Verification { targets: targets.into_iter().zip(findings).collect(), general }
}

/// Waits for all of `running`. Verifiers mind the deadline themselves and so keep what they have; one that does
/// not is cut off a moment later.
async fn all(running: &mut [(Cow<'static, str>, Verifying<'_>)], deadline: Instant) -> Vec<Outcome> {
    let cut_off = deadline + std::time::Duration::from_millis(250);
    let mut outcomes: Vec<Option<Outcome>> = running.iter().map(|_| None).collect();
    let waited = timeout_at(
        cut_off,
        std::future::poll_fn(|context| {
            let mut pending = false;
            for ((_, verifying), outcome) in running.iter_mut().zip(&mut outcomes) {
                if outcome.is_none() {
                    match verifying.as_mut().poll(context) {
                        std::task::Poll::Ready(ready) => *outcome = Some(ready),
                        std::task::Poll::Pending => pending = true,
                    }
                }
            }
            if pending { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
        }),
    )
    .await;
    let in_time = waited.is_ok();
    running
        .iter()
        .zip(outcomes)
        .map(|((name, _), outcome)| {
            outcome.unwrap_or_else(|| {
                debug_assert!(!in_time, "a verifier that is not done ran out of time");
                let general =
                    vec![Finding::unverified(name.clone(), &format!("{name} did not answer in time"))];
                Outcome { findings: Vec::new(), general }
            })
        })
        .collect()
}
