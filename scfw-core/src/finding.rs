//! The words of verifiers: findings, and all of them together with those that do not count. The verifiers are in
//! [`crate::verify`], and the consequences in [`crate::policy`].

use std::borrow::Cow;

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use crate::advisory::{Rating, Severity};
use crate::package::{Package, Target};
use crate::store::Exemption;
use crate::time::rfc3339;

/// The verifier of how old a version is.
pub(crate) const AGE: &str = "age";
/// The verifier of Datadog's data set.
pub(crate) const DATADOG: &str = "Datadog";
/// The verifier of the user's own feeds.
pub(crate) const FEEDS: &str = "feeds";
/// The verifier of findings lists.
pub(crate) const LISTS: &str = "lists";
/// The verifier of OSV's advisories.
pub(crate) const OSV: &str = "OSV";
/// The verifier in findings about where a target comes from.
pub(crate) const SOURCE: &str = "source";
/// The page of OSV's where a person reads an advisory.
pub(crate) const ADVISORY_URL: &str = "https://osv.dev/vulnerability/";

/// The predecessor's name of a verifier that it has as well; dashboards ask for it by that name.
pub(crate) fn predecessor_name(name: &str) -> &str {
    match name {
        OSV => "OsvVerifier",
        DATADOG => "DatadogMaliciousPackagesVerifier",
        AGE => "PackageAgeVerifier",
        LISTS => "FindingsListVerifier",
        other => other,
    }
}

/// The weight of a finding.
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
    /// Its weight.
    pub severity: FindingSeverity,
    /// The verifier that says so.
    pub verifier: Cow<'static, str>,
    /// A sentence without a full stop. It may carry text from outside and is sanitised before it is shown.
    pub message: String,
    /// The advisory's id, if there is one.
    pub advisory: Option<String>,
    /// The page with more about it.
    pub url: Option<String>,
    /// The text behind the link: severity, summary, first fixed version.
    #[serde(skip)]
    pub detail: Option<String>,
    /// The advisory's content, for reports that have fields for it.
    #[serde(skip)]
    pub disclosure: Option<Disclosure>,
    /// The finding says that something could not be found out.
    #[serde(skip)]
    pub is_unverified: bool,
    /// The user has accepted it earlier in this run; it is recorded, and not reported or asked about again.
    #[serde(skip)]
    pub is_accepted: bool,
}

/// An advisory's word about one package.
#[derive(Debug, Clone, PartialEq)]
pub struct Disclosure {
    /// The severity for the package, if it is known.
    pub severity: Option<Severity>,
    /// The ratings behind that.
    pub ratings: Vec<Rating>,
    /// One line on its subject.
    pub summary: Option<String>,
    /// The lowest version above the package's that fixes it.
    pub fixed: Option<String>,
}

impl Finding {
    /// A finding of its own about something that `verifier` could not find out.
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

/// A finding that no longer counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Exempted {
    /// The package that it is about.
    pub package: Package,
    /// The finding. It is accepted if an earlier report of this run has shown it.
    pub finding: Finding,
    /// Why it does not count.
    pub exemption: Exemption,
}

/// The finding's own fields, and `exemption`, `reason` and `expires`.
impl Serialize for Exempted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let terms = &self.exemption.terms;
        let mut object = serializer.serialize_struct("Exempted", 8)?;
        object.serialize_field("severity", &self.finding.severity)?;
        object.serialize_field("verifier", &self.finding.verifier)?;
        object.serialize_field("message", &self.finding.message)?;
        object.serialize_field("advisory", &self.finding.advisory)?;
        object.serialize_field("url", &self.finding.url)?;
        object.serialize_field("exemption", &self.exemption.number)?;
        object.serialize_field("reason", &terms.reason)?;
        object.serialize_field("expires", &terms.expires.and_then(rfc3339))?;
        object.end()
    }
}

/// Observations about the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalNotes {
    /// Why it could not be used, as a sentence.
    pub trouble: Option<String>,
    /// Something that was looked up in it is older than the settings want it to become.
    pub is_refresh_due: bool,
}

/// Targets with all that was found about them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verification {
    /// Each target with its findings, the critical ones first.
    pub targets: Vec<(Target, Vec<Finding>)>,
    /// Findings about all targets.
    pub general: Vec<Finding>,
    /// The findings that the user has exempted.
    pub exempted: Vec<Exempted>,
    /// Observations about the store.
    pub local: LocalNotes,
}

impl Verification {
    /// All findings that the verdict depends on: those not accepted yet.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        let all = self.general.iter().chain(self.targets.iter().flat_map(|(_, findings)| findings));
        all.filter(|finding| !finding.is_accepted)
    }
}
