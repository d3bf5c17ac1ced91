//! An audit in SARIF 2.1.0 (OASIS), which code scanning services read: one result per finding and package.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use percent_encoding::percent_encode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{help, purl, rule};
use crate::advisory::Severity;
use crate::finding::{Finding, FindingSeverity};
use crate::inventory::{Audit, Installed};
use crate::package::Target;
use crate::redact::Redactor;
use crate::text::PATH_IN_URI;

/// Locations given per result.
const MOST_LOCATIONS: usize = 100;

/// The name under which locations below the audited project or environment are relative to it.
const ROOT: &str = "ROOT";

/// The name of the user's home directory, which the log does not tell (SARIF 2.1.0, section 3.14.14).
const HOME: &str = "HOME";

/// The audit as a SARIF log. The same audit gives the same bytes.
#[must_use]
pub fn sarif(audit: &Audit<'_>, redactor: &Redactor) -> Value {
    let mut rules: Vec<Value> = Vec::new();
    let mut index_of: HashMap<String, usize> = HashMap::new();
    let mut results = Vec::new();
    for ((target, findings), installed) in audit.verification.targets.iter().zip(&audit.inventory.packages) {
        for finding in findings {
            let id = rule(finding);
            let index = *index_of.entry(id.clone()).or_insert_with(|| {
                rules.push(describe(&id, finding));
                rules.len() - 1
            });
            results.push(result(audit, redactor, (&id, index), target, installed, finding));
        }
    }
    let general = audit.verification.general.iter().map(|finding| finding.message.clone());
    let skipped = audit.inventory.skipped.iter().map(|skipped| format!("{}: {}", skipped.what, skipped.why));
    let notifications: Vec<Value> =
        general.chain(skipped).map(|text| json!({"level": "error", "message": {"text": text}})).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "scfw",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "invocations": [{
                "executionSuccessful": notifications.is_empty(),
                "toolExecutionNotifications": notifications,
            }],
            "originalUriBaseIds": {
                HOME: {"description": {"text": "The user's home directory."}},
                ROOT: place(redactor, &audit.inventory.root, "/"),
            },
            "results": results,
        }],
    })
}

fn level(finding: &Finding) -> &'static str {
    match finding.severity {
        FindingSeverity::Critical => "error",
        FindingSeverity::Warning => "warning",
    }
}

/// The rule that a kind of finding is.
fn describe(id: &str, finding: &Finding) -> Value {
    let is_vulnerability = finding.advisory.is_some() && finding.severity == FindingSeverity::Warning;
    let (what, tag) = match finding.severity {
        _ if finding.is_unverified => ("Something about a package could not be verified", "unverified"),
        FindingSeverity::Critical => ("A package is known to be malicious or is not wanted", "malware"),
        FindingSeverity::Warning if is_vulnerability => {
            ("A package has a known vulnerability", "vulnerability")
        }
        FindingSeverity::Warning => ("Something is known about a package", "supply-chain"),
    };
    let disclosure = finding.disclosure.as_ref();
    let summary = disclosure.and_then(|disclosure| disclosure.summary.as_deref()).unwrap_or(what);
    let mut properties = json!({"tags": ["security", tag]});
    if let Some(score) = score(finding) {
        properties["security-severity"] = format!("{score:.1}").into();
    }
    let mut rule = json!({
        "id": id,
        "shortDescription": {"text": summary},
        "help": {"text": format!("{what} ({}).", finding.verifier)},
        "defaultConfiguration": {"level": level(finding)},
        "properties": properties,
    });
    if let Some(url) = help(finding) {
        rule["helpUri"] = url.into();
    }
    rule
}

/// The severity, 0.0 to 10.0, as code scanning services sort: the highest score, or the middle of what a word stands
/// for (CVSS v4.0, section 6).
fn score(finding: &Finding) -> Option<f64> {
    if finding.severity == FindingSeverity::Critical {
        return Some(10.0);
    }
    let disclosure = finding.disclosure.as_ref()?;
    let rated = disclosure.ratings.iter().map(|rating| rating.score).max_by(f64::total_cmp);
    rated.or(match disclosure.severity? {
        Severity::None => None,
        Severity::Low => Some(2.0),
        Severity::Medium => Some(5.5),
        Severity::High => Some(8.0),
        Severity::Critical => Some(9.5),
    })
}

fn result(
    audit: &Audit<'_>,
    redactor: &Redactor,
    (rule, index): (&str, usize),
    target: &Target,
    installed: &Installed,
    finding: &Finding,
) -> Value {
    let name = purl(target, redactor).unwrap_or_else(|| target.package.to_string());
    let detail = finding.detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
    let required_by = if target.required_by.is_empty() {
        String::new()
    } else {
        format!(" (required by {})", target.required_by.join(" > "))
    };
    let logical = json!([{"name": target.package.name, "fullyQualifiedName": name, "kind": "package"}]);
    let locations: Vec<Value> = installed
        .locations
        .iter()
        .take(MOST_LOCATIONS)
        .map(|file| {
            let artifact = artifact(audit, redactor, file);
            json!({"physicalLocation": {"artifactLocation": artifact}, "logicalLocations": logical})
        })
        .collect();
    json!({
        "ruleId": rule,
        "ruleIndex": index,
        "level": level(finding),
        "message": {"text": format!("{}{detail}{required_by}", finding.message)},
        "locations": locations,
        "partialFingerprints": {"scfwFinding/v1": fingerprint(rule, &name)},
    })
}

/// The place of a file, relative to the root if it lies below.
fn artifact(audit: &Audit<'_>, redactor: &Redactor, file: &Path) -> Value {
    match file.strip_prefix(&audit.inventory.root) {
        Ok(relative) => json!({"uri": encode(relative), "uriBaseId": ROOT}),
        Err(_) => place(redactor, file, ""),
    }
}

/// The place of a file, or of a folder, whose URI ends with a slash; relative to the user's home directory if it lies
/// below.
fn place(redactor: &Redactor, path: &Path, end: &str) -> Value {
    match redactor.below_home(path) {
        Some(home) if home.as_os_str().is_empty() => json!({"uri": "./", "uriBaseId": HOME}),
        Some(relative) => json!({"uri": format!("{}{end}", encode(relative)), "uriBaseId": HOME}),
        None => json!({"uri": format!("file://{}{end}", encode(path))}),
    }
}

fn encode(path: &Path) -> String {
    percent_encode(path.as_os_str().as_bytes(), PATH_IN_URI).to_string()
}

/// The same for the same finding about the same package, wherever and whenever it is found.
fn fingerprint(rule: &str, name: &str) -> String {
    use std::fmt::Write;
    let mut digest = Sha256::new();
    digest.update(rule);
    digest.update([0]);
    digest.update(name);
    digest.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string does not fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}
