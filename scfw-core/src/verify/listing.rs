//! Whether the registry in use offers the file whose address a lockfile or a page gives. An address is a claim: until
//! the registry lists it, or the same bytes, it is a bare URL.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use reqwest::Url;

use super::{AtOnce, Local, Outcome, Verifier, Verifying, artifact_of};
use crate::config::PrivatePackages;
use crate::feed::Client;
use crate::feed::registry::{Histories, ListedFile, Project, Question, histories};
use crate::finding::{Finding, SOURCE};
use crate::net::host_of;
use crate::package::Target;

/// Algorithms under which two files with one digest are one file.
const STRONG: [&str; 3] = ["sha256", "sha384", "sha512"];

/// Says which claimed targets no registry in use lists.
pub(super) struct Listing {
    private: PrivatePackages,
}

impl Listing {
    pub(super) fn new(private: &PrivatePackages) -> Self {
        Self { private: private.clone() }
    }
}

impl Verifier for Listing {
    fn name(&self) -> Cow<'static, str> {
        SOURCE.into()
    }

    fn verify_at_once(&self, targets: &[Target], _local: &Local<'_>) -> AtOnce {
        let mut at_once = AtOnce::default();
        for (index, target) in targets.iter().enumerate().filter(|(_, target)| target.is_claimed()) {
            if self.private.contains(&target.package) {
                let finding =
                    elsewhere(target, "it is private, so no registry was asked whether it lists it");
                at_once.outcome.findings.push((index, finding));
            } else {
                at_once.remaining.push(index);
            }
        }
        at_once
    }

    fn verify<'a>(&'a self, targets: &'a [Target], client: &'a Client) -> Verifying<'a> {
        Box::pin(look_up(targets, client))
    }
}

async fn look_up(targets: &[Target], client: &Client) -> Outcome {
    let answers = histories(client, questions(targets)).await;
    let judge = |(index, target)| Some((index, judge(target, &answers)?));
    Outcome { findings: targets.iter().enumerate().filter_map(judge).collect(), ..Outcome::default() }
}

/// The target's package in each registry that may list it.
fn projects(target: &Target) -> Vec<Project> {
    let package = &target.package;
    let registries = target.publication.registries().into_iter();
    registries.filter_map(|registry| Project::new(package.ecosystem, registry, &package.key())).collect()
}

fn questions(targets: &[Target]) -> Vec<Question> {
    let mut questions: HashMap<Project, Question> = HashMap::new();
    for target in targets {
        for project in projects(target) {
            let question = questions.entry(project.clone()).or_insert_with(|| Question {
                project,
                artifacts: Vec::new(),
                enough: Timestamp::MAX,
                is_for_files: true,
            });
            question.artifacts.push(artifact_of(target));
        }
    }
    questions.into_values().collect()
}

/// The finding about a target that none of its registries lists, or that one of them was not heard about.
fn judge(target: &Target, answers: &Histories) -> Option<Finding> {
    let mut why = "no registry can have that name".to_owned();
    for project in projects(target) {
        let host = host_of(&project.registry);
        match answers.get(&project) {
            Some(Ok(history)) => {
                let file = history.release(&artifact_of(target)).and_then(|release| release.file.as_ref());
                if file.is_some_and(|file| is_offered(target, file)) {
                    return None;
                }
                why = format!("{host} does not list it");
            }
            Some(Err(error)) => why = format!("whether {host} lists it is not known ({error})"),
            None => {}
        }
    }
    Some(elsewhere(target, &why))
}

fn elsewhere(target: &Target, why: &str) -> Finding {
    let url = target.url.as_deref().unwrap_or_default();
    Finding::unverified(SOURCE, &format!("it comes from a bare URL ({url}): {why}"))
}

/// Whether `file` is what `target` would be: the same bytes, or the same address if no digest says otherwise.
fn is_offered(target: &Target, file: &ListedFile) -> bool {
    if let Some((algorithm, digest)) = only_strong(&target.hashes)
        && let Some(listed) = strong(&file.hashes).find(|(listed, _)| *listed == algorithm)
    {
        return listed.1 == digest;
    }
    let address = |url: Option<&str>| {
        let mut url = Url::parse(url?).ok()?;
        url.set_fragment(None);
        Some(url)
    };
    let ours = address(target.url.as_deref());
    ours.is_some() && ours == address(file.address.as_deref())
}

/// The digest that a file has to have. If there are several, a manager takes a file that has any of them.
fn only_strong(hashes: &BTreeMap<String, String>) -> Option<(&str, Cow<'_, str>)> {
    let mut all = strong(hashes);
    all.next().filter(|_| all.next().is_none())
}

/// The digests among `hashes` by algorithms that tell one file from all others. One text of Subresource Integrity holds
/// several, each with its own.
fn strong(hashes: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    let plain = hashes.iter().filter(|(name, _)| *name != "integrity");
    let plain = plain.map(|(name, digest)| (name.as_str(), Cow::Owned(digest.to_ascii_lowercase())));
    let integrity = hashes.get("integrity").into_iter().flat_map(|integrity| integrity.split_whitespace());
    let integrity = integrity.filter_map(|one| one.split_once('-'));
    let integrity = integrity.map(|(name, digest)| (name, Cow::Borrowed(digest)));
    plain.chain(integrity).filter(|(name, _)| STRONG.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{Ecosystem, Package};

    fn target(url: &str, hashes: &[(&str, &str)]) -> Target {
        let package = Package::new(Ecosystem::Npm, "a", Some("1.0.0"));
        let hashes = hashes.iter().map(|(name, digest)| ((*name).to_owned(), (*digest).to_owned())).collect();
        Target { url: Some(url.to_owned()), hashes, ..Target::registry(package) }
    }

    fn file(url: &str, hashes: &[(&str, &str)]) -> ListedFile {
        let Target { url, hashes, .. } = target(url, hashes);
        ListedFile { address: url, hashes }
    }

    #[test]
    fn the_same_bytes_are_the_same_file_wherever_they_lie() {
        let (here, there) = ("https://a.example/a-1.0.0.tgz", "https://b.example/a-1.0.0.tgz");
        for (target, file, is_same) in [
            (target(here, &[]), file(here, &[]), true),
            (target(here, &[]), file(there, &[]), false),
            (target(here, &[("sha256", "aa")]), file(there, &[("sha256", "AA"), ("md5", "bb")]), true),
            (target(here, &[("sha256", "aa")]), file(here, &[("sha256", "ab")]), false),
            (target(here, &[("md5", "aa")]), file(there, &[("md5", "aa")]), false),
            // A file with either digest would be taken.
            (target(there, &[("sha256", "aa"), ("sha512", "b")]), file(here, &[("sha256", "aa")]), false),
            (
                target(there, &[("integrity", "sha512-x sha512-Ab")]),
                file(here, &[("integrity", "sha512-Ab")]),
                false,
            ),
            (
                target(here, &[("integrity", "sha1-x sha512-Ab")]),
                file(there, &[("integrity", "sha512-Ab")]),
                true,
            ),
            (target(here, &[("integrity", "sha512-Ab")]), file(here, &[("integrity", "sha512-aB")]), false),
            (target(here, &[("integrity", "sha1-x")]), file(here, &[("integrity", "sha512-Ab")]), true),
        ] {
            assert_eq!(is_offered(&target, &file), is_same, "{target:?} {file:?}");
        }
        assert!(!is_offered(&target("no address", &[]), &file("no address", &[])));
    }
}
