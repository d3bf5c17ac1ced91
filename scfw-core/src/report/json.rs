//! The JSON of `scfw check` and `scfw audit`: a list with one object per package.

use std::borrow::Cow;

use serde::Serialize;

use crate::finding::{Exempted, Finding, Verification};
use crate::inventory::Audit;
use crate::package::{Ecosystem, Package};
use crate::policy::Verdict;

/// The verifier of findings about files that could not be read.
const INVENTORY: &str = "inventory";

/// One package in the JSON of `scfw check` and `scfw audit`.
#[derive(Debug, Serialize)]
pub struct JsonPackage<'a> {
    query: Cow<'a, str>,
    ecosystem: &'static str,
    name: &'a str,
    version: Option<&'a str>,
    verdict: &'static str,
    findings: Vec<Cow<'a, Finding>>,
    /// The findings that the user has exempted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exempted: Vec<&'a Exempted>,
    #[serde(flatten)]
    installed: Option<JsonInstalled<'a>>,
}

/// A package that is installed, for the report.
#[derive(Debug, Serialize)]
struct JsonInstalled<'a> {
    required_by: &'a [String],
    locations: Vec<Cow<'a, str>>,
}

impl<'a> JsonPackage<'a> {
    fn new(
        query: Cow<'a, str>,
        package: &'a Package,
        findings: &'a [Finding],
        verification: &'a Verification,
    ) -> Self {
        // A finding about all packages is a finding of each.
        let findings: Vec<_> = findings.iter().chain(&verification.general).map(Cow::Borrowed).collect();
        let is_about = |exempted: &&Exempted| exempted.package == *package;
        let verdict = Verdict::of_severity(findings.iter().map(|finding| finding.severity).max());
        Self {
            query,
            ecosystem: package.ecosystem.osv_name(),
            name: &package.name,
            version: package.version.as_deref(),
            verdict: verdict.name(),
            findings,
            exempted: verification.exempted.iter().filter(is_about).collect(),
            installed: None,
        }
    }
}

/// The JSON of `scfw check`: one object per package, each with the query it answers. A general finding that something
/// could not be found out is a finding of each package.
#[must_use]
pub fn json<'a>(verification: &'a Verification, queries: &'a [String]) -> Vec<JsonPackage<'a>> {
    verification
        .targets
        .iter()
        .zip(queries)
        .map(|((target, findings), query)| {
            JsonPackage::new(query.into(), &target.package, findings, verification)
        })
        .collect()
}

/// The JSON of `scfw audit`: the same with `required_by` and `locations`, each query being one that `scfw check`
/// takes. Files that could not be read follow as objects of their own, with the place for a query and a name.
#[must_use]
pub fn audit_json<'a>(audit: &'a Audit<'_>) -> Vec<JsonPackage<'a>> {
    let verification = &audit.verification;
    let packages =
        verification.targets.iter().zip(&audit.inventory.packages).map(|((target, findings), installed)| {
            let required_by = target.required_by.as_slice();
            let locations = installed.folders().map(|folder| folder.to_string_lossy()).collect();
            JsonPackage {
                installed: Some(JsonInstalled { required_by, locations }),
                ..JsonPackage::new(query(&target.package).into(), &target.package, findings, verification)
            }
        });
    let skipped = audit.inventory.skipped.iter().map(|skipped| JsonPackage {
        query: skipped.what.as_str().into(),
        ecosystem: audit.inventory.ecosystem.osv_name(),
        name: &skipped.what,
        version: None,
        verdict: Verdict::Warn.name(),
        findings: vec![Cow::Owned(Finding::unverified(INVENTORY, &skipped.why))],
        exempted: Vec::new(),
        installed: Some(JsonInstalled { required_by: &[], locations: vec![skipped.what.as_str().into()] }),
    });
    packages.chain(skipped).collect()
}

/// `npm:name@version`, as `scfw check` reads it.
fn query(package: &Package) -> String {
    let Package { ecosystem, name, version } = package;
    match version {
        Some(version) => format!("{}:{name}@{version}", Ecosystem::purl_type(*ecosystem)),
        None => format!("{}:{name}", Ecosystem::purl_type(*ecosystem)),
    }
}
