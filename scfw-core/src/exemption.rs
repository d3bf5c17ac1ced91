//! Exemptions at work: findings that the user has taken responsibility for leave the verdict and stay in the report
//! and the ledger. An exemption is of one package, optionally of one version and of one advisory, and it ends. The
//! user cannot have looked into something that could not be verified, unless the exemption names where it comes from.

use std::collections::BTreeSet;

use crate::config::{Exemptible, Policy, Settings};
use crate::ecosystem::is_same_version;
use crate::finding::{Exempted, Finding, FindingSeverity, SOURCE, Verification};
use crate::package::{Ecosystem, Package, Target};
use crate::store::{Exemption, NewExemption, Store, StoreError, now};
use crate::text::without_credentials;

impl NewExemption {
    /// Whether it has ended at `now` (Unix seconds).
    #[must_use]
    pub fn is_expired(&self, now: i64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Whether it covers what `advisory` says of `package`, critical or not. An exemption of a version does not cover
    /// a package whose version is not known.
    #[must_use]
    pub fn covers(&self, package: &Package, advisory: Option<&str>, severity: FindingSeverity) -> bool {
        let is_version = |of: &String| {
            package.version.as_ref().is_some_and(|version| is_same_version(self.ecosystem, of, version))
        };
        let is_advisory = |of: &String| advisory.is_some_and(|advisory| advisory.eq_ignore_ascii_case(of));
        self.ecosystem == package.ecosystem
            && self.ecosystem.normalise(&self.name) == package.key()
            && self.version.as_ref().is_none_or(is_version)
            && self.advisory.as_ref().is_none_or(is_advisory)
            && (self.malicious || severity < FindingSeverity::Critical)
    }

    /// Whether it covers `finding` of `target`. A user who has looked into a package has not looked into what another
    /// address gives under its name: a finding that something could not be verified is covered only if the target
    /// comes from the very address that the exemption names in place of an advisory. An address with a query cannot
    /// be named, because the query is not kept.
    fn covers_finding(&self, target: &Target, finding: &Finding) -> bool {
        let advisory = match (finding.is_unverified, finding.verifier == SOURCE) {
            (false, _) => finding.advisory.as_deref(),
            (true, true) => match (&self.advisory, target.url.as_deref().map(without_credentials)) {
                (Some(named), Some(url)) if without_credentials(named) == url && !url.contains("?[…]") => {
                    Some(named.as_str())
                }
                _ => return false,
            },
            (true, false) => return false,
        };
        self.covers(&target.package, advisory, finding.severity)
    }
}

/// Takes exempted findings out of `verification`. If the exemptions cannot be read there are none, and the reason is
/// noted.
pub(crate) fn apply(settings: &Settings, verification: &mut Verification) {
    let found = verification.targets.iter().filter(|(_, findings)| !findings.is_empty());
    let packages: Vec<Package> = found.map(|(target, _)| target.package.clone()).collect();
    if packages.is_empty() {
        return;
    }
    let exemptions = match current(settings, &packages) {
        Ok(exemptions) => exemptions,
        Err(error) => {
            let trouble = || format!("{error}; this verification does without it");
            verification.local.trouble.get_or_insert_with(trouble);
            return;
        }
    };
    if exemptions.is_empty() {
        return;
    }
    let policy = &settings.policy;
    let mut is_refused = false;
    for (target, findings) in &mut verification.targets {
        let package = &target.package;
        for mut finding in std::mem::take(findings) {
            let covers = |terms: &NewExemption| terms.covers_finding(target, &finding);
            // An answer that has to be there cannot be done without.
            let is_required = finding.is_unverified && policy.requires(&finding.verifier);
            let covering = exemptions.iter().filter(|exemption| covers(&exemption.terms));
            let permitted = covering.clone().find_map(|exemption| {
                let terms = permitted(&exemption.terms, policy, now()).filter(covers)?;
                Some(Exemption { number: exemption.number, terms })
            });
            if let Some(exemption) = permitted.filter(|_| !is_required) {
                finding.is_accepted = target.accepted;
                verification.exempted.push(Exempted { package: package.clone(), finding, exemption });
            } else {
                is_refused |= covering.count() > 0;
                findings.push(finding);
            }
        }
    }
    if is_refused {
        let sentence = || format!("policy: an exemption has no effect, or not any more ({})", policy.file());
        verification.local.trouble.get_or_insert_with(sentence);
    }
}

/// The part of `terms` that the administrator's `policy` permits: none, or terms that may be narrower and end
/// earlier.
#[must_use]
pub fn permitted(terms: &NewExemption, policy: &Policy, now: i64) -> Option<NewExemption> {
    let mut permitted = terms.clone();
    match policy.exemptible() {
        Exemptible::None => return None,
        Exemptible::NoMalicious => permitted.malicious = false,
        Exemptible::Any => {}
    }
    if let Some(longest) = policy.longest_exemption() {
        let longest = i64::try_from(longest.as_secs()).unwrap_or(i64::MAX);
        let end = terms.created.min(now).saturating_add(longest);
        permitted.expires = Some(terms.expires.map_or(end, |expires| expires.min(end)));
    }
    (!permitted.is_expired(now)).then_some(permitted)
}

/// Whether some version of `package`, which has none yet, is exempted from critical findings: then the version
/// decides. If the exemptions cannot be read there are none.
#[must_use]
pub fn depends_on_version(settings: &Settings, package: &Package) -> bool {
    package.version.is_none()
        && current(settings, std::slice::from_ref(package)).is_ok_and(|exemptions| {
            let permitted = |exemption: &Exemption| permitted(&exemption.terms, &settings.policy, now());
            exemptions.iter().filter_map(permitted).any(|terms| terms.malicious && terms.version.is_some())
        })
}

/// The exemptions of any of `packages` that have not ended.
fn current(settings: &Settings, packages: &[Package]) -> Result<Vec<Exemption>, StoreError> {
    let Some(store) = Store::open_existing(&Store::path_in(&settings.directories.data))? else {
        return Ok(Vec::new());
    };
    let mut exemptions = Vec::new();
    for ecosystem in Ecosystem::ALL {
        let keys: BTreeSet<String> =
            packages.iter().filter(|package| package.ecosystem == ecosystem).map(Package::key).collect();
        exemptions.extend(store.exemptions_for(ecosystem, keys.iter().map(String::as_str), now())?);
    }
    Ok(exemptions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exemption(version: Option<&str>, advisory: Option<&str>, malicious: bool) -> NewExemption {
        NewExemption {
            ecosystem: Ecosystem::PyPi,
            name: "Left_Pad".to_owned(),
            version: version.map(str::to_owned),
            advisory: advisory.map(str::to_owned),
            reason: "reviewed".to_owned(),
            malicious,
            created: 0,
            expires: Some(10),
            author: "someone".to_owned(),
        }
    }

    #[test]
    fn an_exemption_covers_what_it_says_and_nothing_else() {
        use FindingSeverity::{Critical, Warning};

        let package = |name, version| Package::new(Ecosystem::PyPi, name, version);
        let one = package("left.pad", Some("1.0.0"));
        let all = exemption(None, None, false);
        assert!(all.covers(&one, None, Warning) && all.covers(&one, Some("GHSA-1"), Warning));
        assert!(all.covers(&package("left-pad", None), None, Warning));
        assert!(!all.covers(&one, Some("MAL-1"), Critical), "malice has to be meant");
        assert!(exemption(None, None, true).covers(&one, Some("MAL-1"), Critical));
        assert!(!all.covers(&package("left-pads", Some("1.0.0")), None, Warning));
        assert!(!all.covers(&Package { ecosystem: Ecosystem::Npm, ..one.clone() }, None, Warning));
        let of_version = exemption(Some("1.0"), None, true);
        assert!(of_version.covers(&one, None, Critical));
        for other in [None, Some("1.0.1"), Some("1.0+local"), Some("1.0rc1"), Some("nonsense")] {
            assert!(!of_version.covers(&package("left-pad", other), None, Critical), "{other:?}");
        }
        let of_advisory = exemption(None, Some("GHSA-1"), true);
        assert!(of_advisory.covers(&one, Some("ghsa-1"), Warning));
        assert!(
            !of_advisory.covers(&one, Some("GHSA-2"), Warning) && !of_advisory.covers(&one, None, Critical)
        );
        assert!(!all.is_expired(9) && all.is_expired(10));
    }
}
