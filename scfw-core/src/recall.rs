//! The recall of what is installed: advisories about malice that came after the install of their packages. They are
//! looked for whenever the store was brought up to date, and wait in it until the user is told.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use crate::config::Settings;
use crate::ecosystem::is_same_version;
use crate::exemption::permitted;
use crate::finding::{ADVISORY_URL, DATADOG, FEEDS, FindingSeverity, OSV, predecessor_name};
use crate::manager::{ManagerId, adviser};
use crate::package::{Ecosystem, Package};
use crate::store::{Alert, FeedName, Installed, NewAlert, Store, StoreError, now};
use crate::text::sanitise;
use crate::time::local;

/// Packages that are looked up at a time.
const BATCH: usize = 500;
/// Packages that are told of at a time, and runs of each; the rest are counted.
const SHOWN: usize = 10;

/// Looks for advisories about malice in what the ledger says was installed, and leaves them in `store` for the user
/// to be told of. Packages that are exempted now are left out, as are those that were known and exempted then. Gives
/// how many are waiting then.
pub fn look(store: &mut Store, settings: &Settings) -> Result<usize, StoreError> {
    let installed = store.installed()?;
    let exemptions: Vec<_> = store
        .exemptions()?
        .iter()
        .filter(|exemption| !exemption.terms.is_expired(now()))
        .filter_map(|exemption| permitted(&exemption.terms, &settings.policy, now()))
        .collect();
    let mut alerts = Vec::new();
    for batch in by_key(&installed).chunks(BATCH) {
        find(store, settings, batch, &mut |installed, alert| {
            let package = Package::new(installed.ecosystem, &*installed.key, Some(&installed.version));
            let is_exempted = exemptions
                .iter()
                .any(|terms| terms.covers(&package, Some(&alert.advisory), FindingSeverity::Critical));
            if !is_exempted {
                alerts.push((installed.clone(), alert));
            }
        })?;
    }
    let mut news = Vec::with_capacity(alerts.len());
    for (installed, alert) in alerts {
        let record = store.record_of(alert.target)?.unwrap_or_default();
        if !was_exempted(&serde_json::from_str(&record).unwrap_or_default(), &installed, &alert) {
            news.push(alert);
        }
    }
    let alerts = news;
    store.put_alerts(&alerts)
}

/// Whether the record of a run, in JSON, says that it let `installed` pass in spite of `alert`.
fn was_exempted(record: &Value, installed: &Installed, alert: &NewAlert) -> bool {
    let exempted = record["exempted_findings"].as_array();
    exempted.into_iter().flatten().any(|exempted| {
        let package = &exempted["package"];
        let is_same = |name: &str| installed.ecosystem.normalise(name) == installed.key;
        exempted["verifier"] == predecessor_name(alert.verifier)
            // The data set has no ids.
            && exempted["advisory"].as_str().is_none_or(|advisory| advisory == alert.advisory)
            && package["name"].as_str().is_some_and(is_same)
            && package["version"] == installed.version
    })
}

/// Everything that was installed under one name.
type Key<'a> = ((Ecosystem, &'a str), Vec<&'a Installed>);

fn by_key(installed: &[Installed]) -> Vec<Key<'_>> {
    let mut by_key: BTreeMap<_, Vec<&Installed>> = BTreeMap::new();
    for installed in installed {
        by_key.entry((installed.ecosystem, &*installed.key)).or_default().push(installed);
    }
    by_key.into_iter().collect()
}

fn find(
    store: &Store,
    settings: &Settings,
    batch: &[Key<'_>],
    put: &mut dyn FnMut(&Installed, NewAlert),
) -> Result<(), StoreError> {
    let snapshot = store.snapshot()?;
    for ecosystem in Ecosystem::ALL {
        let of_ecosystem: BTreeMap<&str, &Vec<&Installed>> = batch
            .iter()
            .filter(|((of, _), _)| *of == ecosystem)
            .map(|((_, key), installed)| (*key, installed))
            .collect();
        if of_ecosystem.is_empty() {
            continue;
        }
        let keys = || of_ecosystem.keys().copied();
        let osv = (FeedName::Osv(ecosystem), false, OSV);
        let extra = settings
            .feeds
            .extra
            .iter()
            .map(|feed| (FeedName::Extra(feed.name.clone()), feed.malicious, FEEDS));
        for (name, is_malicious, verifier) in std::iter::once(osv).chain(extra) {
            let Some(feed) = snapshot.feed(&name)? else { continue };
            for (key, advisories) in snapshot.advisories(&feed, ecosystem, keys())? {
                for advisory in advisories.iter().filter(|advisory| is_malicious || advisory.is_malicious()) {
                    for installed in of_ecosystem.get(key).copied().into_iter().flatten() {
                        let package = Package::new(ecosystem, key, Some(&installed.version));
                        if advisory.withdrawn.is_none() && advisory.affects(&package) {
                            let summary = advisory.summary.clone().or_else(|| advisory.details.clone());
                            let alert = NewAlert {
                                target: installed.target,
                                verifier,
                                advisory: advisory.id.clone(),
                                summary: summary.unwrap_or_else(|| "no summary".to_owned()),
                                url: (verifier == OSV).then(|| format!("{}{}", ADVISORY_URL, advisory.id)),
                            };
                            put(installed, alert);
                        }
                    }
                }
            }
        }
        let name = FeedName::Datadog(ecosystem);
        let Some(feed) = snapshot.feed(&name)? else { continue };
        for (key, versions) in snapshot.malicious(&feed, ecosystem, keys())? {
            for installed in of_ecosystem.get(&*key).copied().into_iter().flatten() {
                if is_listed(versions.as_deref(), installed) {
                    let alert = NewAlert {
                        target: installed.target,
                        verifier: DATADOG,
                        advisory: name.to_string(),
                        summary: "Datadog Security Research has determined that it is malicious".to_owned(),
                        url: None,
                    };
                    put(installed, alert);
                }
            }
        }
    }
    Ok(())
}

/// Whether a manifest with `versions` (none: with every one) lists it.
fn is_listed(versions: Option<&[String]>, installed: &Installed) -> bool {
    let is_same = |listed: &String| is_same_version(installed.ecosystem, listed, &installed.version);
    versions.is_none_or(|versions| versions.iter().any(is_same))
}

/// The text for the user about `alerts`. Empty if there are none.
#[must_use]
pub fn text(alerts: &[Alert]) -> String {
    let mut packages: Vec<(Package, Vec<&Alert>)> = Vec::new();
    for alert in alerts {
        let target = &alert.target;
        let package = Package::new(target.ecosystem, &*target.name, target.version.as_deref());
        match packages.iter_mut().find(|(known, _)| *known == package) {
            Some((_, about)) => about.push(alert),
            None => packages.push((package, vec![alert])),
        }
    }
    let mut text = String::new();
    if packages.is_empty() {
        return text;
    }
    let mut line = |what: String| {
        // Writing to a string does not fail.
        writeln!(text, "{what}").ok();
    };
    line("scfw: what was installed here has since been found to be malicious:".to_owned());
    for (package, about) in packages.iter().take(SHOWN) {
        line(format!("{}:", sanitise(&package.to_string())));
        let mut advisories: Vec<&Alert> = about.clone();
        advisories.sort_by(|left, right| left.advisory.cmp(&right.advisory));
        advisories.dedup_by(|left, right| left.advisory == right.advisory);
        for alert in advisories.iter().take(SHOWN) {
            line(format!("  - {}: {}", sanitise(&alert.advisory), sanitise(&alert.summary)));
            if let Some(url) = &alert.url {
                line(format!("      * {}", sanitise(url)));
            }
        }
        let mut runs: Vec<(String, &str)> = Vec::new();
        for alert in about {
            // The latest of equal ones; a build and the installation that it was for are one.
            let command = format!("{} {}", alert.program, alert.arguments.join(" "));
            if !runs.iter().any(|(known, directory)| *known == command && *directory == alert.directory) {
                runs.push((command.clone(), &alert.directory));
                if runs.len() <= SHOWN {
                    line(format!(
                        "  - it came on {} with \"{}\" in {}",
                        local(alert.time),
                        sanitise(command.trim_end()),
                        sanitise(&alert.directory)
                    ));
                }
            }
        }
        if runs.len() > SHOWN {
            line(format!("  - and with {} more commands", runs.len() - SHOWN));
        }
        let name = sanitise(&package.name);
        let installed_by = about.iter().find_map(|alert| ManagerId::from_name(&alert.manager));
        let show = adviser(installed_by, package.ecosystem).show_command(&name);
        line(format!("  - if it is still there (\"{show}\" there tells), remove it"));
    }
    if packages.len() > SHOWN {
        line(format!("and {} more packages (\"scfw history\" shows them)", packages.len() - SHOWN));
    }
    line(
        "Its code may have run. Renew, from another machine, every password, token and key that this account could \
         read, and look at what they were used for since then."
            .to_owned(),
    );
    text
}
