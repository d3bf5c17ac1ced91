//! Reports: findings as text for people, as JSON for scripts, and in the formats of other tools.

mod cyclonedx;
mod json;
mod sarif;
#[cfg(test)]
mod tests;
mod text;

use packageurl::PackageUrl;

use crate::finding::{Finding, FindingSeverity};
use crate::package::{Source, Target};
use crate::redact::Redactor;

pub use cyclonedx::cyclonedx;
pub use json::{JsonPackage, audit_json, json};
pub use sarif::sarif;
pub use text::{audit_text, packages_text, text};

/// The lines that end a report.
pub const BLOCKED: &str = "The installation request was blocked. No changes have been made.";

/// The page that describes the Datadog data set, for reports that link each kind of finding.
const DATADOG_HELP: &str = "https://github.com/DataDog/malicious-software-packages-dataset";

/// The purl of a target, with the repository or address that it came from. None for a name that no purl can have.
fn purl(target: &Target, redactor: &Redactor) -> Option<String> {
    let package = &target.package;
    let name = package.key();
    let (scope, name) = match name.split_once('/') {
        Some((scope, name)) => (Some(scope), name),
        None => (None, name.as_str()),
    };
    let mut purl = PackageUrl::new(package.ecosystem.purl_type().to_owned(), name.to_owned()).ok()?;
    if let Some(scope) = scope {
        purl.with_namespace(scope.to_owned()).ok()?;
    }
    if let Some(version) = &package.version {
        purl.with_version(version.clone()).ok()?;
    }
    let qualifier = match target.source {
        Source::Git => Some("vcs_url"),
        Source::Url => Some("download_url"),
        Source::Registry | Source::Path => None,
    };
    if let (Some(qualifier), Some(url)) = (qualifier, &target.url) {
        purl.add_qualifier(qualifier, redactor.without_home(url).into_owned()).ok()?;
    }
    Some(purl.to_string())
}

/// The kind of a finding, as an identifier that stays the same from run to run: the advisory's, or one of ours.
fn rule(finding: &Finding) -> String {
    let kind = match finding.severity {
        _ if finding.is_unverified => "unverified",
        FindingSeverity::Critical => "critical",
        FindingSeverity::Warning => "warning",
    };
    finding.advisory.clone().unwrap_or_else(|| format!("scfw/{}/{kind}", finding.verifier.to_lowercase()))
}

/// The page with more about that kind of finding.
fn help(finding: &Finding) -> Option<&str> {
    finding.url.as_deref().or((finding.verifier == "Datadog").then_some(DATADOG_HELP))
}
