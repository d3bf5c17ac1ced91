//! Feeds of the user's own. They are only ever read from the store.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use super::local::{Known, Local, old};
use super::osv::{describe, disclosure, incomparable};
use super::{AtOnce, Verifier};
use crate::advisory::Advisory;
use crate::config::{ExtraFeed, FeedSettings};
use crate::finding::{FEEDS, Finding, FindingSeverity};
use crate::package::{Ecosystem, Package, Target};
use crate::store::FeedName;

/// The verifier of the configured feeds.
pub(super) struct Feeds {
    feeds: Vec<ExtraFeed>,
}

impl Feeds {
    pub(super) fn new(settings: &FeedSettings) -> Self {
        Self { feeds: settings.extra.clone() }
    }
}

impl Verifier for Feeds {
    fn name(&self) -> Cow<'static, str> {
        FEEDS.into()
    }

    fn verify_at_once(&self, targets: &[Target], local: &Local<'_>) -> AtOnce {
        let mut at_once = AtOnce::default();
        for feed in &self.feeds {
            let (known, advisories) =
                local.consult(&FeedName::Extra(feed.name.clone()), |snapshot, stored| {
                    let mut found = HashMap::new();
                    for ecosystem in Ecosystem::ALL {
                        let keys: BTreeSet<String> = targets
                            .iter()
                            .filter(|target| target.package.ecosystem == ecosystem)
                            .map(|target| target.package.key())
                            .collect();
                        let about =
                            snapshot.advisories(stored, ecosystem, keys.iter().map(String::as_str))?;
                        found.extend(
                            about.into_iter().map(|(key, found)| ((ecosystem, key.to_owned()), found)),
                        );
                    }
                    Ok(found)
                });
            for (index, target) in targets.iter().enumerate() {
                let key = (target.package.ecosystem, target.package.key());
                let about = advisories.as_ref().and_then(|advisories| advisories.get(&key));
                let (affecting, others): (Vec<_>, Vec<_>) =
                    about.into_iter().flatten().partition(|advisory| advisory.affects(&target.package));
                let source = format!("the feed {}", feed.name);
                let found = affecting
                    .into_iter()
                    .map(|advisory| finding(feed, &target.package, advisory))
                    .chain(incomparable(FEEDS, &source, &target.package, others.len()));
                at_once.outcome.findings.extend(found.map(|finding| (index, finding)));
            }
            let missing = match known {
                Known::Absent => "is not in the store; \"scfw update\" brings it in".to_owned(),
                Known::Old(age) => format!("is {}; \"scfw update\" brings it up to date", old(age)),
                Known::Current => continue,
            };
            at_once
                .outcome
                .general
                .push(Finding::unverified(FEEDS, &format!("the feed {} {missing}", feed.name)));
        }
        at_once
    }
}

fn finding(feed: &ExtraFeed, package: &Package, advisory: &Advisory) -> Finding {
    let is_malicious = feed.malicious || advisory.is_malicious();
    // Without a version in question, malice is certain only if every version is malicious.
    let is_certain = package.version.is_some() || advisory.affects_every_version(package);
    let which = if is_certain { "" } else { "some versions of " };
    let (severity, message) = if is_malicious {
        let weight = if is_certain { FindingSeverity::Critical } else { FindingSeverity::Warning };
        (weight, format!("The feed {} reports that {which}package {package} is malicious", feed.name))
    } else {
        (
            FindingSeverity::Warning,
            format!("The feed {} has an advisory about {which}package {package}", feed.name),
        )
    };
    Finding {
        severity,
        verifier: FEEDS.into(),
        message: format!("{message}: {}", advisory.id),
        advisory: Some(advisory.id.clone()),
        url: None,
        detail: (!is_malicious).then(|| describe(package, advisory.severity_for(package), Some(advisory))),
        disclosure: Some(disclosure(package, advisory.severity_for(package), advisory)),
        is_unverified: false,
        is_accepted: false,
    }
}
