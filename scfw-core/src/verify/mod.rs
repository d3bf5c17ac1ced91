//! Verifying targets: every verifier at the same time, under one deadline. A verifier is one file here and one entry
//! in [`verifiers`]. If a verifier could not find something out, that is a finding of its own.

mod age;
mod datadog;
mod external;
mod feeds;
mod listing;
mod lists;
mod local;
mod osv;

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use percent_encoding::percent_decode_str;
use tokio::time::{Instant, timeout_at};

use crate::config::Settings;
use crate::exemption;
use crate::feed::Client;
use crate::files::FileError;
use crate::finding::{Finding, FindingSeverity, SOURCE, Verification};
use crate::manager::ManagerId;
use crate::package::{Ecosystem, Source, Target};
use crate::store::Store;

pub use lists::ListError;
pub use local::Local;

/// The findings of one verifier.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Findings, each with the index of its target.
    pub findings: Vec<(usize, Finding)>,
    /// The reasons why something could not be found out, about all targets at once.
    pub general: Vec<Finding>,
}

/// The findings of a verifier that wait for nothing.
#[derive(Debug, Default)]
pub struct AtOnce {
    /// The findings.
    pub outcome: Outcome,
    /// The indices of the targets that [`Verifier::verify`] has to look up all the same.
    pub remaining: Vec<usize>,
    /// The words to add to the reason if that finds nothing out: why it was asked at all.
    pub why: Option<String>,
}

impl AtOnce {
    /// No finding about these many targets, all of which remain.
    #[must_use]
    pub fn nothing(targets: usize) -> Self {
        Self { remaining: (0..targets).collect(), ..Self::default() }
    }
}

/// The result of [`Verifier::verify`]: findings, when they are there.
pub type Verifying<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// A source of findings.
pub trait Verifier {
    /// The name in findings and messages.
    fn name(&self) -> Cow<'static, str>;

    /// Looks `targets` up in what is on this machine. If no verifier leaves any over, no network and no runtime is
    /// needed.
    fn verify_at_once(&self, targets: &[Target], _local: &Local<'_>) -> AtOnce {
        AtOnce::nothing(targets.len())
    }

    /// Looks `targets` up, which [`verify_at_once`](Self::verify_at_once) has left over. Ends by the deadline of
    /// `client` and never fails: errors are in the outcome.
    fn verify<'a>(&'a self, _targets: &'a [Target], _client: &'a Client) -> Verifying<'a> {
        Box::pin(std::future::ready(Outcome::default()))
    }
}

/// Every verifier that the settings ask for. `manager` is the one that runs, if one does: advice to its user is said
/// in its words.
pub fn verifiers(
    settings: &Settings,
    manager: Option<ManagerId>,
) -> Result<Vec<Box<dyn Verifier>>, VerifierError> {
    let mut verifiers: Vec<Box<dyn Verifier>> = vec![
        Box::new(datadog::Datadog::new(&settings.feeds)),
        Box::new(osv::Osv::new(settings)?),
        Box::new(feeds::Feeds::new(&settings.feeds)),
        Box::new(age::Age::new(settings, manager)),
        Box::new(listing::Listing::new(&settings.private)),
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
        /// The system's error.
        source: std::io::Error,
    },
    /// The list of advisories to ignore.
    #[error("{path} {problem}")]
    IgnoreFile {
        /// The file.
        path: String,
        /// Why it is not read.
        problem: FileError,
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

/// Verifies `targets`, all verifiers at once. A target from the local file system is the user's own and is not looked
/// up. One from a repository or a bare URL is looked up by the name that it goes by, because known malware stays
/// malware wherever it lies; that its content cannot be verified is a finding all the same. A finding that the user
/// has exempted counts no more, here and everywhere.
#[must_use]
pub fn verify(settings: &Settings, verifiers: &[Box<dyn Verifier>], targets: Vec<Target>) -> Verification {
    let (looked_up, rest): (Vec<_>, Vec<_>) = targets.into_iter().partition(is_known_by_name);
    let mut verification = Verification::default();
    if !looked_up.is_empty() {
        verification = look_up(settings, verifiers, looked_up);
    }
    verification.targets.extend(rest.into_iter().map(|target| (target, Vec::new())));
    for (target, findings) in &mut verification.targets {
        findings.extend(from_nowhere_known(target));
        if target.is_claimed() && !findings.iter().any(|finding| finding.verifier == SOURCE) {
            target.source = Source::Registry;
        }
        for finding in findings.iter_mut() {
            finding.is_accepted = target.accepted && finding.severity == FindingSeverity::Warning;
        }
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    }
    exemption::apply(settings, &mut verification);
    verification
}

/// Whether data sets can be asked about a target: not if its only name is its address, and not by name alone if it
/// does not come from a registry, because then every version would be meant.
fn is_known_by_name(target: &Target) -> bool {
    match target.source {
        Source::Registry => true,
        Source::Path => false,
        Source::Git | Source::Url => target.package.version.is_some(),
    }
}

/// A registry's name of a target: for npm the version, for PyPI the name of the file. Empty if that is not known.
fn artifact_of(target: &Target) -> String {
    match target.package.ecosystem {
        Ecosystem::Npm => target.package.version.clone().unwrap_or_default(),
        Ecosystem::PyPi => target.url.as_deref().map(file_name).unwrap_or_default(),
    }
}

/// The name of the file that `url` leads to.
fn file_name(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    percent_decode_str(name).decode_utf8_lossy().into_owned()
}

/// The finding about a target whose source no data set covers.
fn from_nowhere_known(target: &Target) -> Option<Finding> {
    let place = match target.source {
        // The registry was asked.
        Source::Url if target.is_claimed() => return None,
        Source::Git => "a repository",
        Source::Url => "a bare URL",
        Source::Registry | Source::Path => return None,
    };
    let url = target.url.as_deref().filter(|url| *url != target.package.name);
    let at = url.map(|url| format!(" ({url})")).unwrap_or_default();
    Some(Finding::unverified(SOURCE, &format!("it comes from {place}{at}, not from a registry")))
}

/// A verifier and the targets that it has left over, with their indices.
struct Remaining<'a> {
    verifier: &'a dyn Verifier,
    indices: Vec<usize>,
    targets: Vec<Target>,
    why: Option<String>,
}

fn look_up(settings: &Settings, verifiers: &[Box<dyn Verifier>], targets: Vec<Target>) -> Verification {
    let mut outcomes = Vec::with_capacity(verifiers.len());
    let mut remaining = Vec::new();
    let notes = {
        let store = Store::open_existing(&Store::path_in(&settings.directories.data));
        let local = Local::new(&settings.feeds, &store);
        for (number, verifier) in verifiers.iter().enumerate() {
            let AtOnce { outcome, remaining: indices, why } = verifier.verify_at_once(&targets, &local);
            outcomes.push(outcome);
            if !indices.is_empty() {
                let targets = indices.iter().filter_map(|index| targets.get(*index).cloned()).collect();
                remaining.push((number, Remaining { verifier: verifier.as_ref(), indices, targets, why }));
            }
        }
        local.into_notes(&store)
    };
    if !remaining.is_empty() {
        let (numbers, remaining): (Vec<usize>, Vec<_>) = remaining.into_iter().unzip();
        for (number, outcome) in numbers.into_iter().zip(look_up_online(settings, &remaining)) {
            outcomes[number].findings.extend(outcome.findings);
            outcomes[number].general.extend(outcome.general);
        }
    }
    let mut findings: Vec<Vec<Finding>> = vec![Vec::new(); targets.len()];
    let mut general = Vec::new();
    for outcome in outcomes {
        general.extend(outcome.general);
        for (index, finding) in outcome.findings {
            // The store and the network may both know it.
            if let Some(findings) = findings.get_mut(index)
                && !findings.iter().any(|known| is_same(known, &finding))
            {
                findings.push(finding);
            }
        }
    }
    Verification {
        targets: targets.into_iter().zip(findings).collect(),
        general,
        local: notes,
        ..Verification::default()
    }
}

fn is_same(left: &Finding, right: &Finding) -> bool {
    (&left.verifier, &left.advisory, &left.message) == (&right.verifier, &right.advisory, &right.message)
}

/// Asks the network, all verifiers at once. An outcome for each, with the indices that their targets have among all.
fn look_up_online(settings: &Settings, remaining: &[Remaining<'_>]) -> Vec<Outcome> {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let general = vec![Finding::unverified("scfw", &format!("the network cannot be used ({error})"))];
            return vec![Outcome { findings: Vec::new(), general }];
        }
    };
    let mut outcomes = runtime.block_on(async {
        let feeds = [settings.feeds.osv_api_url.as_str(), settings.feeds.datadog_dataset_url.as_str()];
        let targets = remaining.iter().flat_map(|remaining| &remaining.targets);
        let registries = targets.flat_map(|target| target.publication.registries());
        let base_urls: Vec<&str> = feeds.into_iter().chain(registries).collect();
        let client = Client::new(settings.feeds.offline, Instant::now() + settings.run.deadline, &base_urls);
        let mut running: Vec<(Cow<'static, str>, Verifying<'_>)> = remaining
            .iter()
            .map(|remaining| {
                (remaining.verifier.name(), remaining.verifier.verify(&remaining.targets, &client))
            })
            .collect();
        all(&mut running, client.deadline()).await
    });
    // A blocked name lookup of the system must not hold up the verdict.
    runtime.shutdown_background();
    for (outcome, remaining) in outcomes.iter_mut().zip(remaining) {
        for (index, _) in &mut outcome.findings {
            *index = remaining.indices.get(*index).copied().unwrap_or(usize::MAX);
        }
        if let Some(why) = &remaining.why {
            for finding in outcome.general.iter_mut().filter(|finding| finding.is_unverified) {
                finding.message.extend(["; ", why]);
            }
        }
    }
    outcomes
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
