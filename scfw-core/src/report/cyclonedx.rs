//! An audit as a bill of materials with vulnerabilities, CycloneDX 1.6 (ECMA-424) in JSON. The same audit gives the
//! same bytes: there is no time stamp, and the serial number comes from the content.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{help, purl, rule};
use crate::advisory::{Rating, Severity};
use crate::finding::{Finding, FindingSeverity};
use crate::inventory::{Audit, Installed, Licence};
use crate::package::Target;
use crate::redact::Redactor;

/// Embedded malicious code, in the Common Weakness Enumeration.
const MALICIOUS_CODE: u32 = 506;

/// The reference of the components' parent.
const ROOT: &str = "root";

/// The audit as a CycloneDX document.
#[must_use]
pub fn cyclonedx(audit: &Audit<'_>, redactor: &Redactor) -> Value {
    let inventory = audit.inventory;
    let purls: Vec<Option<String>> =
        audit.verification.targets.iter().map(|(target, _)| purl(target, redactor)).collect();
    let references = references(audit, &purls);
    let components: Vec<Value> = audit
        .verification
        .targets
        .iter()
        .zip(&inventory.packages)
        .zip(references.iter().zip(&purls))
        .map(|(((target, findings), installed), names)| component(audit, target, findings, installed, names))
        .collect();
    let dependencies: Vec<Value> = inventory
        .requirements()
        .into_iter()
        .zip(&references)
        .map(|(required, reference)| {
            let required: Vec<&String> = required.into_iter().map(|index| &references[index]).collect();
            json!({"ref": reference, "dependsOn": required})
        })
        .collect();
    let general = audit.verification.general.iter().map(|finding| property("unverified", &finding.message));
    let skipped = inventory
        .skipped
        .iter()
        .map(|skipped| property("unread", &format!("{}: {}", skipped.what, skipped.why)));
    let root = match redactor.below_home(&inventory.root) {
        Some(home) if home.as_os_str().is_empty() => "~".into(),
        _ => inventory.root.file_name().unwrap_or(inventory.root.as_os_str()).to_string_lossy(),
    };
    let aggregate = if inventory.skipped.is_empty() { "complete" } else { "incomplete" };
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "tools": {"components": [
                {"type": "application", "name": "scfw", "version": env!("CARGO_PKG_VERSION")}]},
            "component": {"type": "application", "bom-ref": ROOT, "name": root},
            "properties": general.chain(skipped).collect::<Vec<_>>(),
        },
        "components": components,
        "dependencies": dependencies,
        "compositions": [{"aggregate": aggregate, "assemblies": [ROOT]}],
        "vulnerabilities": vulnerabilities(audit, &references),
    });
    document["serialNumber"] = serial_number(&document).into();
    document
}

/// One reference per package, told apart where several have the same purl.
fn references(audit: &Audit<'_>, purls: &[Option<String>]) -> Vec<String> {
    let mut seen = HashSet::from([ROOT.to_owned()]);
    let mut references = Vec::with_capacity(purls.len());
    for ((target, _), purl) in audit.verification.targets.iter().zip(purls) {
        let name = purl.clone().unwrap_or_else(|| target.package.to_string());
        let mut reference = name.clone();
        for number in 2.. {
            if seen.insert(reference.clone()) {
                break;
            }
            reference = format!("{name} ({number})");
        }
        references.push(reference);
    }
    references
}

fn component(
    audit: &Audit<'_>,
    target: &Target,
    findings: &[Finding],
    installed: &Installed,
    (reference, purl): (&String, &Option<String>),
) -> Value {
    let package = &target.package;
    let (group, name) = package.ecosystem.scope_and_name(&package.name);
    let places: Vec<Value> = installed
        .folders()
        .map(|folder| json!({"location": audit.inventory.relative(folder).to_string_lossy()}))
        .collect();
    let mut component = json!({
        "type": "library",
        "bom-ref": reference,
        "name": name,
        "evidence": {"occurrences": places},
    });
    let unverified: Vec<Value> = findings
        .iter()
        .filter(|finding| finding.is_unverified)
        .map(|finding| property("unverified", &finding.message))
        .collect();
    let licences = installed.licence.as_ref().map(|licence| match licence {
        Licence::Expression(expression) => json!([{"expression": expression}]),
        Licence::Name(name) => json!([{"license": {"name": name}}]),
    });
    let fields = [
        ("group", group.map(Value::from)),
        ("version", package.version.as_deref().map(Value::from)),
        ("purl", purl.as_deref().map(Value::from)),
        ("licenses", licences),
        ("properties", (!unverified.is_empty()).then_some(Value::from(unverified))),
    ];
    for (field, value) in fields {
        if let Some(value) = value {
            component[field] = value;
        }
    }
    component
}

/// Every advisory once, with all the packages that it affects here.
fn vulnerabilities(audit: &Audit<'_>, references: &[String]) -> Vec<Value> {
    let mut index_of: HashMap<(String, &str), usize> = HashMap::new();
    let mut found: Vec<(&Finding, Vec<usize>)> = Vec::new();
    for (package, (_, findings)) in audit.verification.targets.iter().enumerate() {
        for finding in findings.iter().filter(|finding| !finding.is_unverified) {
            // Findings without an advisory are told apart by their messages.
            let message = if finding.advisory.is_some() { "" } else { finding.message.as_str() };
            let index = *index_of.entry((rule(finding), message)).or_insert_with(|| {
                found.push((finding, Vec::new()));
                found.len() - 1
            });
            found[index].1.push(package);
        }
    }
    let describe = |(number, (finding, packages)): (usize, (&Finding, Vec<usize>))| {
        vulnerability(audit, references, number, finding, &packages)
    };
    found.into_iter().enumerate().map(describe).collect()
}

fn vulnerability(
    audit: &Audit<'_>,
    references: &[String],
    number: usize,
    finding: &Finding,
    packages: &[usize],
) -> Value {
    let disclosure = finding.disclosure.as_ref();
    let summary = disclosure.and_then(|disclosure| disclosure.summary.as_deref());
    let mut source = json!({"name": finding.verifier});
    if let Some(url) = help(finding) {
        source["url"] = url.into();
    }
    let mut recommendations: Vec<String> = Vec::new();
    for &package in packages {
        let (target, findings) = &audit.verification.targets[package];
        let same = findings.iter().find(|other| rule(other) == rule(finding));
        let recommendation = recommendation(target, same.unwrap_or(finding));
        if !recommendations.contains(&recommendation) {
            recommendations.push(recommendation);
        }
    }
    let affects: Vec<Value> = packages.iter().map(|&package| json!({"ref": references[package]})).collect();
    let mut vulnerability = json!({
        "bom-ref": format!("vulnerability-{}", number + 1),
        "id": rule(finding),
        "source": source,
        "ratings": ratings(finding),
        "description": summary.unwrap_or(&finding.message),
        "recommendation": recommendations.join(" "),
        "affects": affects,
    });
    if let Some(url) = &finding.url {
        vulnerability["advisories"] = json!([{"url": url}]);
    }
    if finding.severity == FindingSeverity::Critical && finding.verifier != "lists" {
        vulnerability["cwes"] = json!([MALICIOUS_CODE]);
    }
    vulnerability
}

fn recommendation(target: &Target, finding: &Finding) -> String {
    let name = &target.package.name;
    if finding.severity == FindingSeverity::Critical {
        return format!("Remove {name}, and treat what it could reach as compromised.");
    }
    match finding.disclosure.as_ref().and_then(|disclosure| disclosure.fixed.as_deref()) {
        Some(fixed) => format!("Upgrade {name} to {fixed} or later."),
        None => format!("No version of {name} is known that mends this; look for another package."),
    }
}

fn ratings(finding: &Finding) -> Vec<Value> {
    if finding.severity == FindingSeverity::Critical {
        return vec![json!({"severity": "critical", "method": "other"})];
    }
    let Some(disclosure) = &finding.disclosure else { return vec![json!({"severity": "unknown"})] };
    let rated: Vec<Value> = disclosure.ratings.iter().map(rating).collect();
    if !rated.is_empty() {
        return rated;
    }
    vec![json!({"severity": disclosure.severity.map_or("unknown", severity)})]
}

fn rating(rating: &Rating) -> Value {
    let method = match rating.system.as_str() {
        "CVSS_V2" => "CVSSv2",
        "CVSS_V3" if rating.vector.starts_with("CVSS:3.1") => "CVSSv31",
        "CVSS_V3" => "CVSSv3",
        "CVSS_V4" => "CVSSv4",
        _ => "other",
    };
    json!({
        "score": rating.score,
        "severity": severity(rating.severity),
        "method": method,
        "vector": rating.vector,
    })
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::None => "none",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

fn property(name: &str, value: &str) -> Value {
    json!({"name": format!("scfw:{name}"), "value": value})
}

/// A UUID of the document's content (RFC 9562, version 8).
fn serial_number(document: &Value) -> String {
    let digest = Sha256::digest(document.to_string());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().urn().to_string()
}
