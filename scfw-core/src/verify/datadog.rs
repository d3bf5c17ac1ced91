//! Datadog's malicious-packages data set.

use std::borrow::Cow;
use std::path::PathBuf;

use super::local::{Known, Local};
use super::{AtOnce, Outcome, Verifier, Verifying};
use crate::config::FeedSettings;
use crate::feed::Client;
use crate::feed::datadog::{Listed, Manifest, manifest};
use crate::finding::{DATADOG, Finding, FindingSeverity};
use crate::package::{Ecosystem, Target};
use crate::store::FeedName;

/// Says which targets stand in the data set's manifests.
pub(super) struct Datadog {
    base: String,
    directory: PathBuf,
}

impl Datadog {
    pub(super) fn new(settings: &FeedSettings) -> Self {
        Self { base: settings.datadog_dataset_url.clone(), directory: settings.directory.join("feeds") }
    }
}

impl Verifier for Datadog {
    fn name(&self) -> Cow<'static, str> {
        DATADOG.into()
    }

    fn verify_at_once(&self, targets: &[Target], local: &Local<'_>) -> AtOnce {
        let mut at_once = AtOnce::default();
        for ecosystem in Ecosystem::ALL {
            let concerned: Vec<(usize, &Target, String)> = targets
                .iter()
                .enumerate()
                .filter(|(_, target)| target.package.ecosystem == ecosystem)
                .map(|(index, target)| (index, target, target.package.key()))
                .collect();
            if concerned.is_empty() {
                continue;
            }
            let (known, listed) = local.consult(&FeedName::Datadog(ecosystem), |snapshot, feed| {
                snapshot.malicious(feed, ecosystem, concerned.iter().map(|(_, _, key)| key.as_str()))
            });
            if let Some(listed) = listed {
                let manifest = Manifest::new(listed);
                at_once.outcome.findings.extend(
                    concerned
                        .iter()
                        .filter_map(|(index, target, _)| Some((*index, finding(&manifest, target)?))),
                );
            }
            if !matches!(known, Known::Current) {
                at_once.remaining.extend(concerned.iter().map(|(index, ..)| *index));
                let why = local.explain(known, &format!("the Datadog manifest for {ecosystem}"));
                at_once.why = at_once.why.or(why);
            }
        }
        at_once
    }

    fn verify<'a>(&'a self, targets: &'a [Target], client: &'a Client) -> Verifying<'a> {
        Box::pin(async move {
            let mut outcome = Outcome::default();
            for ecosystem in Ecosystem::ALL {
                let mut concerned = targets
                    .iter()
                    .enumerate()
                    .filter(|(_, target)| target.package.ecosystem == ecosystem)
                    .peekable();
                if concerned.peek().is_none() {
                    continue;
                }
                match manifest(client, &self.base, &self.directory, ecosystem).await {
                    Ok(manifest) => outcome.findings.extend(
                        concerned.filter_map(|(index, target)| Some((index, finding(&manifest, target)?))),
                    ),
                    Err(error) => outcome.general.push(Finding::unverified(
                        DATADOG,
                        &format!("the Datadog malicious-packages data set for {ecosystem}: {error}"),
                    )),
                }
            }
            outcome
        })
    }
}

fn finding(manifest: &Manifest, target: &Target) -> Option<Finding> {
    let package = &target.package;
    let (severity, what) = match manifest.lookup(package)? {
        Listed::Every => (FindingSeverity::Critical, format!("package {}", package.name)),
        Listed::This => (FindingSeverity::Critical, format!("package {package}")),
        Listed::Some => (FindingSeverity::Warning, format!("some versions of package {}", package.name)),
    };
    let verb = if matches!(severity, FindingSeverity::Warning) { "are" } else { "is" };
    Some(Finding {
        severity,
        verifier: DATADOG.into(),
        message: format!("Datadog Security Research has determined that {what} {verb} malicious"),
        advisory: None,
        url: None,
        detail: None,
        disclosure: None,
        is_unverified: false,
        is_accepted: false,
    })
}
