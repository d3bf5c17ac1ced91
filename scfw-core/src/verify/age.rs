//! The age of versions. A version that was published only just is a warning: malice is mostly found within hours.
//!
//! The time comes from the gate, from the store, or from the registry that the manager takes the version from; no
//! other is asked. Times never change, so each one that was learned is stored for good.

mod memory;
mod wording;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use self::memory::Memory;
use self::wording::{Instead, Young, young};
use super::{AtOnce, Local, Outcome, Verifier, Verifying, artifact_of};
use crate::config::{AgeSettings, PrivatePackages, Settings, UnknownAge};
use crate::feed::Client;
use crate::feed::registry::{Histories, History, Project, Question, histories, version_of_file};
use crate::finding::{AGE, Finding, FindingSeverity};
use crate::manager::{ManagerId, adviser};
use crate::package::{Ecosystem, Publication, Source, Target, Told};

/// Unknown ages that are said one by one; more of one kind are said in one sentence.
const SAID_SINGLY: usize = 5;

/// Says which targets are too young.
pub(super) struct Age {
    settings: AgeSettings,
    private: PrivatePackages,
    /// The data directory, where the store is.
    data: PathBuf,
    /// Whether the policy takes the question of age out of the user's hands.
    is_administered: bool,
    /// The manager that runs, if one does.
    manager: Option<ManagerId>,
}

impl Age {
    pub(super) fn new(settings: &Settings, manager: Option<ManagerId>) -> Self {
        Self {
            settings: settings.age.clone(),
            private: settings.private.clone(),
            data: settings.directories.data.clone(),
            is_administered: settings.policy.asks_for_ages(),
            manager,
        }
    }
}

/// A target whose age is in question.
struct Case<'a> {
    index: usize,
    target: &'a Target,
    told: &'a Told,
    key: String,
    /// The artifact that would be installed: for npm the version, for PyPI the file; empty if that is not known.
    artifact: String,
    /// The minimum age.
    minimum: SignedDuration,
    /// The time by which an artifact must have been published to be old enough.
    cutoff: Timestamp,
    /// The earliest time by which it is known to have been published.
    known: Option<Timestamp>,
    /// The store's knowledge of that.
    stored: Option<Timestamp>,
}

/// The answer to a case.
enum Answer<'a> {
    /// There is nothing to say.
    Fine,
    Young(Timestamp, Option<&'a History>),
    Unknown(String),
}

impl Verifier for Age {
    fn name(&self) -> Cow<'static, str> {
        AGE.into()
    }

    fn verify_at_once(&self, targets: &[Target], _local: &Local<'_>) -> AtOnce {
        let (outcome, remaining) = self.settle(targets, Timestamp::now());
        AtOnce { outcome, remaining, why: None }
    }

    fn verify<'a>(&'a self, targets: &'a [Target], client: &'a Client) -> Verifying<'a> {
        Box::pin(self.look_up(targets, client, Timestamp::now()))
    }
}

impl Age {
    /// The findings that need no question to anybody, and the indices of the targets that need one.
    fn settle(&self, targets: &[Target], now: Timestamp) -> (Outcome, Vec<usize>) {
        let mut outcome = Outcome::default();
        let memory = Memory::new(&self.data);
        self.remember(targets, &memory, now, &mut outcome);
        let mut cases = self.cases(targets, now);
        if cases.is_empty() {
            return (outcome, Vec::new());
        }
        memory.recall(&mut cases);
        let (settled, remaining): (Vec<_>, Vec<_>) = cases.into_iter().partition(Case::is_settled);
        memory.learn(settled.iter().filter_map(|case| Some((case, case.known?))), now);
        (outcome, remaining.into_iter().map(|case| case.index).collect())
    }

    /// Asks the registries about `targets`, which are those that cannot be settled otherwise.
    async fn look_up(&self, targets: &[Target], client: &Client, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let memory = Memory::new(&self.data);
        let mut cases = self.cases(targets, now);
        memory.recall(&mut cases);
        let answers = histories(client, self.questions(&cases)).await;
        let mut learned = Vec::new();
        let mut unknown: BTreeMap<String, Vec<&Case<'_>>> = BTreeMap::new();
        for case in &cases {
            let (answer, time) = self.answer(case, &answers);
            learned.extend(time.map(|time| (case, time)));
            match answer {
                Answer::Fine => {}
                Answer::Young(published, history) => {
                    let package = &case.target.package;
                    let instead = history.map_or(Instead::Unknown, |history| {
                        let newest = history.newest_by(case.cutoff, package.ecosystem);
                        newest.map_or(Instead::Nothing, Instead::Version)
                    });
                    let manager = adviser(self.manager, package.ecosystem);
                    let message =
                        young(&Young { package, published, minimum: case.minimum, now, instead, manager });
                    outcome.findings.push((case.index, finding(message)));
                }
                Answer::Unknown(reason) => unknown.entry(reason).or_default().push(case),
            }
        }
        memory.learn(learned.into_iter(), now);
        for (reason, cases) in unknown {
            self.say_unknown(&reason, &cases, &mut outcome);
        }
        outcome
    }

    /// The store's findings about targets whose registry nobody has named. Its silence is no finding.
    fn remember(&self, targets: &[Target], memory: &Memory, now: Timestamp, outcome: &mut Outcome) {
        for (index, target) in targets.iter().enumerate() {
            let package = &target.package;
            let (Publication::Remembered, Some(version)) = (&target.publication, &package.version) else {
                continue;
            };
            let Some((minimum, cutoff)) = self.minimum(target, now) else { continue };
            let key = package.key();
            let is_this = |artifact: &str| match package.ecosystem {
                Ecosystem::Npm => artifact == version,
                Ecosystem::PyPi => version_of_file(&key, artifact).is_some_and(|found| found == version),
            };
            let times = memory.anywhere(package.ecosystem, &key).into_iter();
            let latest = times.filter(|(artifact, _)| is_this(artifact)).map(|(_, time)| time).max();
            if let Some(published) = latest.filter(|published| *published > cutoff) {
                let manager = adviser(self.manager, package.ecosystem);
                let instead = Instead::Unknown;
                let message = young(&Young { package, published, minimum, now, instead, manager });
                outcome.findings.push((index, finding(message)));
            }
        }
    }

    fn cases<'a>(&self, targets: &'a [Target], now: Timestamp) -> Vec<Case<'a>> {
        let case = |(index, target): (usize, &'a Target)| {
            let Publication::Told(told) = &target.publication else { return None };
            target.package.version.as_ref()?;
            let is_published = target.source == Source::Registry || target.is_claimed();
            if !is_published || is_at_hand(target, told) {
                return None;
            }
            let (minimum, cutoff) = self.minimum(target, now)?;
            let artifact = artifact_of(target);
            let known = told.published.or(told.modified);
            let key = target.package.key();
            Some(Case { index, target, told, key, artifact, minimum, cutoff, known, stored: None })
        };
        targets.iter().enumerate().filter_map(case).collect()
    }

    /// The minimum age of `target`, and the time by which it had to be published for that; none if it has no minimum.
    fn minimum(&self, target: &Target, now: Timestamp) -> Option<(SignedDuration, Timestamp)> {
        let minimum = SignedDuration::try_from(self.settings.minimum_of(&target.package)).ok()?;
        (!minimum.is_zero()).then(|| (minimum, now.checked_sub(minimum).unwrap_or(Timestamp::MIN)))
    }

    /// The questions to the registries: every package with a target that is not known to be old enough.
    fn questions(&self, cases: &[Case<'_>]) -> Vec<Question> {
        let mut questions: HashMap<Project, Question> = HashMap::new();
        for case in cases.iter().filter(|case| !case.is_settled()) {
            let Some(project) = case.project().filter(|_| !self.private.contains(&case.target.package))
            else {
                continue;
            };
            let question = questions.entry(project.clone()).or_insert_with(|| Question {
                project,
                artifacts: Vec::new(),
                enough: case.cutoff,
                is_for_files: false,
            });
            question.artifacts.push(case.artifact.clone());
            question.enough = question.enough.min(case.cutoff);
        }
        questions.into_values().collect()
    }

    /// The answer to `case`, and the time of publication, as far as that is worth remembering.
    fn answer<'a>(&self, case: &Case<'_>, answers: &'a Histories) -> (Answer<'a>, Option<Timestamp>) {
        if case.is_settled() {
            return (Answer::Fine, case.known);
        }
        let history = match case.project().and_then(|project| answers.get(&project)) {
            Some(Ok(history)) => history,
            Some(Err(error)) => return case.unanswered(&error.to_string()),
            None if self.private.contains(&case.target.package) => {
                // A user who calls a package private answers for it, unless nothing of unknown age is to be installed
                // or the age is the administrator's business.
                let package = &case.target.package;
                let by_user = self.private.contains_by_user(package) && self.is_administered;
                let unanswered = case.unanswered(if by_user {
                    "it is private by your configuration, so nobody was asked"
                } else {
                    "it is private, so nobody was asked"
                });
                let is_strict = by_user || self.settings.unknown == UnknownAge::Block;
                return match unanswered {
                    (Answer::Unknown(_), _) if !is_strict => (Answer::Fine, None),
                    unanswered => unanswered,
                };
            }
            None if case.artifact.is_empty() => {
                return case.unanswered("it is not known which file it was built from");
            }
            None if case.told.registry.is_some() => return case.unanswered("no registry can have that name"),
            None => return case.unanswered("it is not known which registry it comes from"),
        };
        let Some(release) = history.release(&case.artifact) else {
            return match case.told.published {
                Some(published) => (Answer::Young(published, Some(history)), Some(published)),
                // That is said of its address.
                None if case.target.is_claimed() => (Answer::Fine, None),
                None => (Answer::Unknown(format!("{} does not list it", case.host())), None),
            };
        };
        match (case.told.published.or(release.published), history.modified) {
            (Some(published), _) if published > case.cutoff => {
                (Answer::Young(published, Some(history)), Some(published))
            }
            (Some(published), _) => (Answer::Fine, Some(published)),
            (None, Some(modified)) if modified <= case.cutoff => (Answer::Fine, Some(modified)),
            (None, _) => {
                (Answer::Unknown(format!("{} does not say when packages were published", case.host())), None)
            }
        }
    }

    fn say_unknown(&self, reason: &str, cases: &[&Case<'_>], outcome: &mut Outcome) {
        let severity = match self.settings.unknown {
            UnknownAge::Allow => return,
            UnknownAge::Warn => FindingSeverity::Warning,
            UnknownAge::Block => FindingSeverity::Critical,
        };
        let finding = |message: &str| Finding { severity, ..Finding::unverified(AGE, message) };
        if cases.len() <= SAID_SINGLY {
            let findings =
                cases.iter().map(|case| (case.index, finding(&format!("its age is not known: {reason}"))));
            return outcome.findings.extend(findings);
        }
        // A finding that the user has accepted in this run is not said again, unless it is critical.
        let fresh: Vec<_> = cases
            .iter()
            .filter(|case| !case.target.accepted || severity == FindingSeverity::Critical)
            .map(|case| case.target.package.to_string())
            .collect();
        if let [first, second, rest @ ..] = fresh.as_slice() {
            let message =
                format!("the age of {first}, {second} and {} more is not known: {reason}", rest.len());
            outcome.general.push(finding(&message));
        }
    }
}

impl Case<'_> {
    /// Whether it is known to be old enough.
    fn is_settled(&self) -> bool {
        self.known.is_some_and(|known| known <= self.cutoff)
    }

    /// The project that the registry can be asked about.
    fn project(&self) -> Option<Project> {
        if self.artifact.is_empty() {
            return None;
        }
        Project::new(self.target.package.ecosystem, self.told.registry.as_ref()?, &self.key)
    }

    fn host(&self) -> String {
        crate::net::host_of(self.told.registry.as_deref().unwrap_or_default())
    }

    /// Without an answer of the registry, the manager's word and the memory count.
    fn unanswered<'a>(&self, reason: &str) -> (Answer<'a>, Option<Timestamp>) {
        match self.told.published.or(self.stored) {
            Some(published) => (Answer::Young(published, None), self.told.published),
            None => (Answer::Unknown(reason.to_owned()), None),
        }
    }
}

/// Whether it is a file on this machine that nobody has said was published.
fn is_at_hand(target: &Target, told: &Told) -> bool {
    told.registry.is_none()
        && told.published.is_none()
        && target.url.as_deref().is_some_and(|url| url.starts_with("file:"))
}

fn finding(message: String) -> Finding {
    Finding { message, is_unverified: false, ..Finding::unverified(AGE, "") }
}
