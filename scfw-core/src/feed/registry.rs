//! Publish times of packages, from the registries that managers install them from: PyPI's simple API (PEP 691, PEP
//! 700) and npm's packuments. Many packages share one multiplexed connection or a few that are kept open.

mod npm;
mod pypi;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::{Answer, Client, FeedError, host_of};
use crate::ecosystem::Version;
use crate::package::Ecosystem;

pub(crate) use pypi::version_of as version_of_file;

/// Requests under way at once over one connection (HTTP/2).
const AT_ONCE_MULTIPLEXED: usize = 100;
/// Requests under way at once where each takes a connection of its own.
const AT_ONCE: usize = 24;
/// Largest answer that is read while that many are under way, in bytes. Few real ones are larger.
const LARGEST: usize = 4 * 1024 * 1024;
/// Requests under way at once whose answers may be larger.
const LARGE_AT_ONCE: usize = 3;
/// Largest of those, in bytes. The largest known has about 100 MB.
const LARGEST_OF_ALL: usize = 192 * 1024 * 1024;

/// A package of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Project {
    /// The ecosystem that the registry speaks.
    pub ecosystem: Ecosystem,
    /// Its base, as [`registry_base`](crate::package::registry_base) makes it.
    pub registry: String,
    /// The normalised name.
    pub key: String,
    /// The address of its document.
    url: String,
}

/// A question about a package.
#[derive(Debug, Clone)]
pub struct Question {
    /// The project.
    pub project: Project,
    /// The artifacts that would be installed of it: versions for npm, names of files for PyPI.
    pub artifacts: Vec<String>,
    /// Artifacts that were published by then are old enough and need no closer answer.
    pub enough: Timestamp,
    /// The question is which files the registry lists, and not when they were published.
    pub is_for_files: bool,
}

impl Question {
    /// The artifacts whose files are wanted.
    fn files(&self) -> &[String] {
        if self.is_for_files { &self.artifacts } else { &[] }
    }
}

/// Something that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The version for npm, the name of the file for PyPI: files can be added to a version later.
    pub artifact: String,
    /// Its version, as the registry writes it.
    pub version: String,
    /// The time of publication, if the registry gives it.
    pub published: Option<Timestamp>,
    /// It was yanked (PEP 592) or deprecated, so nobody should be sent there.
    pub is_withdrawn: bool,
    /// Its file, if that was asked for.
    pub file: Option<ListedFile>,
}

/// A file that a registry lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListedFile {
    /// Its address.
    pub address: Option<String>,
    /// Its hashes, as [`Target::hashes`](crate::package::Target::hashes) has them.
    pub hashes: BTreeMap<String, String>,
}

/// A registry's word about a package.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// The latest time of publication of anything in it.
    pub modified: Option<Timestamp>,
    /// All that can be installed.
    pub releases: Vec<Release>,
}

impl History {
    /// The release that has `artifact`.
    #[must_use]
    pub fn release(&self, artifact: &str) -> Option<&Release> {
        self.releases.iter().find(|release| release.artifact == artifact)
    }

    /// The newest version that had been published by `then` with all its files, and was not withdrawn: a stable one if
    /// there is any.
    #[must_use]
    pub fn newest_by(&self, then: Timestamp, ecosystem: Ecosystem) -> Option<&str> {
        let mut versions: BTreeMap<Version, (&str, bool)> = BTreeMap::new();
        for release in self.releases.iter().filter(|release| !release.is_withdrawn) {
            // It ends up in a command to type, so nothing is in it that means something to a shell.
            let is_plain = |character: char| character.is_ascii_alphanumeric() || "+-._!".contains(character);
            if let Some(version) = Version::parse(ecosystem, &release.version)
                && release.version.chars().all(is_plain)
            {
                let is_old = release.published.is_some_and(|published| published <= then);
                versions.entry(version).or_insert((&release.version, true)).1 &= is_old;
            }
        }
        let old = versions.into_iter().filter(|(_, (_, is_old))| *is_old);
        let newest = old
            .max_by(|(one, _), (other, _)| (!one.is_prerelease(), one).cmp(&(!other.is_prerelease(), other)));
        newest.map(|(_, (version, _))| version)
    }

    /// Whether a longer answer could not change the answer to `question`.
    fn settles(&self, question: &Question) -> bool {
        if question.is_for_files {
            return true;
        }
        let is_old = self.modified.is_some_and(|modified| modified <= question.enough);
        let mut releases = question.artifacts.iter().map(|artifact| self.release(artifact));
        releases.all(|release| is_old || release.is_none_or(|release| release.published.is_some()))
    }
}

/// The kinds of documents that a registry is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The one that a manager reads: for npm without the times of single versions.
    Short,
    /// The one with everything.
    Full,
}

impl Project {
    /// The package `key` (a normalised name) of `registry` (a base as
    /// [`registry_base`](crate::package::registry_base) makes it); none if no package can have the name.
    #[must_use]
    pub fn new(ecosystem: Ecosystem, registry: &str, key: &str) -> Option<Self> {
        let path = match ecosystem {
            Ecosystem::PyPi => pypi::path(key)?,
            Ecosystem::Npm => npm::path(key)?,
        };
        let url = format!("{registry}{path}");
        Some(Self { ecosystem, registry: registry.to_owned(), key: key.to_owned(), url })
    }

    /// Asks for the document, which includes the files of the `wanted` artifacts.
    async fn fetch(
        &self,
        client: &Client,
        form: Form,
        largest: usize,
        wanted: &[String],
    ) -> Result<(History, bool), FeedError> {
        let host = || host_of(&self.registry);
        let accept = match (self.ecosystem, form) {
            (Ecosystem::PyPi, _) => pypi::ACCEPT,
            (Ecosystem::Npm, Form::Short) => npm::ACCEPT_SHORT,
            (Ecosystem::Npm, Form::Full) => npm::ACCEPT_FULL,
        };
        let ask = || async {
            let request = client.http()?.get(&self.url).header(reqwest::header::ACCEPT, accept);
            client.send(request, &self.url, largest).await
        };
        let answer = match ask().await {
            // Connections break; one that breaks twice is broken.
            Err(FeedError::Unreachable { .. }) => ask().await,
            // Not acceptable: this index has HTML pages only.
            Err(FeedError::Status { status: 406, .. }) => return Err(FeedError::Untimed { host: host() }),
            answered => answered,
        };
        let Answer { body, is_multiplexed, .. } = answer?;
        let body = body.unwrap_or_default();
        let history = match self.ecosystem {
            Ecosystem::PyPi => pypi::parse(&self.key, &self.url, &body, wanted),
            Ecosystem::Npm => npm::parse(&self.key, &body, wanted),
        };
        let is_page = body.trim_ascii_start().starts_with(b"<");
        let unreadable = || {
            if is_page { FeedError::Untimed { host: host() } } else { FeedError::Malformed { host: host() } }
        };
        Ok((history.ok_or_else(unreadable)?, is_multiplexed))
    }
}

/// The answer about each package.
pub type Histories = HashMap<Project, Result<History, FeedError>>;

/// Asks the registries of `questions`, all at the same time. Each question is asked once and gets an answer.
pub async fn histories(client: &Client, questions: Vec<Question>) -> Histories {
    let mut of_registry: BTreeMap<String, Vec<Question>> = BTreeMap::new();
    for question in questions {
        of_registry.entry(question.project.registry.clone()).or_default().push(question);
    }
    let mut running = JoinSet::new();
    for (_, questions) in of_registry {
        let client = client.clone();
        running.spawn(async move { ask_one(&client, questions).await });
    }
    let mut answers = Histories::new();
    while let Some(answered) = running.join_next().await {
        answers.extend(answered.unwrap_or_default());
    }
    answers
}

/// Asks one registry: everything by the short form, then the parts that were too large for so many at once, and then
/// by the full form the few questions that the short one does not settle.
async fn ask_one(client: &Client, questions: Vec<Question>) -> Histories {
    let mut answers = Histories::new();
    let Some((first, rest)) = questions.split_first() else { return answers };
    // The first shows how many can be under way, and whether anybody is there.
    let at_once = match first.project.fetch(client, Form::Short, LARGEST, first.files()).await {
        Ok((history, is_multiplexed)) => {
            answers.insert(first.project.clone(), Ok(history));
            if is_multiplexed { AT_ONCE_MULTIPLEXED } else { AT_ONCE }
        }
        Err(error @ (FeedError::Offline | FeedError::Unreachable { .. } | FeedError::TimedOut { .. })) => {
            let projects = questions.into_iter().map(|question| question.project);
            return projects.map(|project| (project, Err(error.clone()))).collect();
        }
        Err(error) => {
            answers.insert(first.project.clone(), Err(error));
            AT_ONCE
        }
    };
    answers.extend(ask_all(client, rest.iter(), Form::Short, LARGEST, at_once).await);
    let too_large = |question: &&Question| {
        matches!(answers.get(&question.project), Some(Err(FeedError::TooLarge { .. })))
    };
    let large: Vec<&Question> = questions.iter().filter(too_large).collect();
    let larger = ask_all(client, large.into_iter(), Form::Short, LARGEST_OF_ALL, LARGE_AT_ONCE).await;
    answers.extend(larger);
    let is_open = |question: &&Question| {
        question.project.ecosystem == Ecosystem::Npm
            && matches!(answers.get(&question.project), Some(Ok(history)) if !history.settles(question))
    };
    let open: Vec<&Question> = questions.iter().filter(is_open).collect();
    let full = ask_all(client, open.into_iter(), Form::Full, LARGEST_OF_ALL, LARGE_AT_ONCE).await;
    answers.extend(full);
    answers
}

/// Asks `questions` with `at_once` requests under way.
async fn ask_all(
    client: &Client,
    questions: impl Iterator<Item = &Question>,
    form: Form,
    largest: usize,
    at_once: usize,
) -> Histories {
    let mut answers = Histories::new();
    let mut waiting = questions.map(|question| (question.project.clone(), question.files().to_vec()));
    let mut running = JoinSet::new();
    loop {
        while running.len() < at_once
            && let Some((project, wanted)) = waiting.next()
        {
            let client = client.clone();
            running.spawn(async move {
                let answer = project.fetch(&client, form, largest, &wanted).await;
                (project, answer.map(|(history, _)| history))
            });
        }
        match running.join_next().await {
            None => return answers,
            Some(answered) => answers.extend(answered),
        }
    }
}
