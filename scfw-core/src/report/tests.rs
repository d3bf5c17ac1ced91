//! Audits as documents for other tools. That real documents are valid is tested end to end.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::finding::{Disclosure, Verification};
use crate::inventory::{Audit, Inventory, node_modules, site_packages};
use crate::package::{Ecosystem, Package};

/// A project with a vulnerable package in two places, a malicious one that it requires and a good one.
fn inventory() -> (tempfile::TempDir, Inventory) {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, content: Value| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content.to_string()).unwrap();
    };
    write("package.json", json!({"dependencies": {"@s/leaky": "1", "good": "1"}}));
    let leaky =
        json!({"name": "@s/leaky", "version": "1.0.0", "license": "MIT", "dependencies": {"evil": "1"}});
    write("node_modules/@s/leaky/package.json", leaky.clone());
    write("node_modules/evil/package.json", json!({"name": "evil", "version": "1.0.0"}));
    write("node_modules/good/package.json", json!({"name": "good", "version": "1.0.0", "license": "my own"}));
    write("node_modules/good/node_modules/@s/leaky/package.json", leaky);
    let inventory = node_modules::read(&node_modules::Place::Project(root.path().to_owned()));
    assert_eq!(inventory.skipped, []);
    (root, inventory)
}

/// A redactor for somebody without a home.
fn nobody() -> Redactor {
    Redactor::default()
}

fn audit(inventory: &Inventory) -> Audit<'_> {
    let critical = Finding {
        severity: FindingSeverity::Critical,
        verifier: "OSV".into(),
        message: "it is malicious".to_owned(),
        advisory: Some("MAL-1".to_owned()),
        url: Some("https://advisories.example/MAL-1".to_owned()),
        detail: None,
        disclosure: None,
        is_unverified: false,
        is_accepted: false,
    };
    let rating = crate::advisory::Rating {
        system: "CVSS_V3".to_owned(),
        vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H".to_owned(),
        score: 7.5,
        severity: crate::advisory::Severity::High,
    };
    let disclosure = Disclosure {
        severity: Some(rating.severity),
        ratings: vec![rating],
        summary: Some("It leaks".to_owned()),
        fixed: Some("1.2.0".to_owned()),
    };
    let warning = Finding {
        severity: FindingSeverity::Warning,
        message: "it was disclosed".to_owned(),
        advisory: Some("GHSA-1".to_owned()),
        url: None,
        disclosure: Some(disclosure),
        ..critical.clone()
    };
    let found = |target: &Target| match target.package.name.as_str() {
        "evil" => vec![critical.clone()],
        "@s/leaky" => vec![warning.clone(), Finding::unverified("test", "no answer")],
        _ => Vec::new(),
    };
    // Verifying may give the targets back in another order.
    let targets =
        inventory.targets().into_iter().rev().map(|target| (target.clone(), found(&target))).collect();
    inventory.audit(Verification { targets, ..Verification::default() })
}

#[test]
fn text_tells_where_a_package_lies_and_counts() {
    let (_root, inventory) = inventory();
    assert_eq!(
        audit_text(&audit(&inventory), false),
        "Package evil@1.0.0 (required by @s/leaky) in node_modules/evil:\n  - it is malicious:\n      \
         * https://advisories.example/MAL-1\n\
         Package @s/leaky@1.0.0 in node_modules/@s/leaky and another place:\n  - it was disclosed\n  \
         - could not be verified: no answer\n\
         3 packages audited, 2 with findings; not everything could be verified.\n"
    );
}

#[test]
fn sarif_has_a_rule_a_result_and_a_stable_fingerprint_for_each_finding() {
    let (_root, inventory) = inventory();
    let log = sarif(&audit(&inventory), &nobody());
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let ids: Vec<&Value> = rules.iter().map(|rule| &rule["id"]).collect();
    assert_eq!(ids, ["GHSA-1", "scfw/test/unverified", "MAL-1"]);
    assert_eq!(rules[0]["properties"]["security-severity"], "7.5");
    assert_eq!(rules[2]["helpUri"], "https://advisories.example/MAL-1");
    let evil = &run["results"][2];
    assert_eq!((&evil["level"], &evil["ruleIndex"]), (&json!("error"), &json!(2)));
    assert_eq!(evil["message"]["text"], "it is malicious (required by @s/leaky)");
    let location = &evil["locations"][0];
    let file = json!({"uri": "node_modules/evil/package.json", "uriBaseId": "ROOT"});
    assert_eq!(location["physicalLocation"]["artifactLocation"], file);
    assert_eq!(location["logicalLocations"][0]["fullyQualifiedName"], "pkg:npm/evil@1.0.0");
    let leaky = &run["results"][0]["locations"];
    assert_eq!(leaky.as_array().unwrap().len(), 2);
    assert_eq!(leaky[0]["logicalLocations"][0]["fullyQualifiedName"], "pkg:npm/%40s/leaky@1.0.0");
    // The same finding about the same package in another checkout.
    let (_other_root, other) = self::inventory();
    assert_eq!(
        sarif(&audit(&other), &nobody())["runs"][0]["results"][2]["partialFingerprints"],
        evil["partialFingerprints"]
    );
}

#[test]
fn a_project_below_the_home_is_named_from_there() {
    let (root, inventory) = inventory();
    let audit = audit(&inventory);
    let bases = |home: &Path| {
        let log = sarif(&audit, &Redactor::new(home.to_str()));
        log["runs"][0]["originalUriBaseIds"]["ROOT"].clone()
    };
    let name = root.path().file_name().unwrap().to_str().unwrap();
    let below = json!({"uri": format!("{name}/"), "uriBaseId": "HOME"});
    assert_eq!(bases(root.path().parent().unwrap()), below);
    assert_eq!(bases(root.path()), json!({"uri": "./", "uriBaseId": "HOME"}));
    assert_eq!(bases(Path::new("/home/ann")), json!({"uri": format!("file://{}/", root.path().display())}));
    let component = |home: &Path| {
        let document = cyclonedx(&audit, &Redactor::new(home.to_str()));
        document["metadata"]["component"]["name"].clone()
    };
    assert_eq!((component(root.path()), component(Path::new("/home/ann"))), (json!("~"), json!(name)));
}

#[test]
fn cyclonedx_has_components_dependencies_and_vulnerabilities() {
    let (_root, inventory) = inventory();
    let document = cyclonedx(&audit(&inventory), &nobody());
    let components = document["components"].as_array().unwrap();
    let references: Vec<&Value> = components.iter().map(|component| &component["bom-ref"]).collect();
    assert_eq!(references, ["pkg:npm/%40s/leaky@1.0.0", "pkg:npm/evil@1.0.0", "pkg:npm/good@1.0.0"]);
    assert_eq!((&components[0]["group"], &components[0]["name"]), (&json!("@s"), &json!("leaky")));
    assert_eq!(components[0]["licenses"], json!([{"expression": "MIT"}]));
    assert_eq!(components[2]["licenses"], json!([{"license": {"name": "my own"}}]));
    assert_eq!(components[0]["evidence"]["occurrences"].as_array().unwrap().len(), 2);
    assert_eq!(components[0]["properties"][0]["name"], "scfw:unverified");
    assert_eq!(document["dependencies"][0]["dependsOn"], json!(["pkg:npm/evil@1.0.0"]));
    let vulnerabilities = document["vulnerabilities"].as_array().unwrap();
    assert_eq!(vulnerabilities.len(), 2);
    assert_eq!(
        vulnerabilities[0]["ratings"],
        json!([{"score": 7.5, "severity": "high", "method": "CVSSv31",
            "vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}])
    );
    assert_eq!(vulnerabilities[0]["recommendation"], "Upgrade @s/leaky to 1.2.0 or later.");
    assert_eq!(vulnerabilities[1]["affects"], json!([{"ref": "pkg:npm/evil@1.0.0"}]));
    assert_eq!(vulnerabilities[1]["cwes"], json!([506]));
}

#[test]
fn the_same_audit_gives_the_same_bytes_and_another_one_another_number() {
    let (_root, inventory) = inventory();
    let both =
        |audit: &Audit<'_>| (sarif(audit, &nobody()).to_string(), cyclonedx(audit, &nobody()).to_string());
    assert_eq!(both(&audit(&inventory)), both(&audit(&inventory)));
    let clean = inventory.audit(Verification::default());
    let number = |audit: &Audit<'_>| cyclonedx(audit, &nobody())["serialNumber"].as_str().unwrap().to_owned();
    assert_ne!(number(&clean), number(&audit(&inventory)));
}

#[test]
fn purls_name_sources_and_stay_apart() {
    let target = |source, url: Option<&str>| Target {
        source,
        url: url.map(str::to_owned),
        ..Target::registry(Package::new(Ecosystem::PyPi, "Foo.Bar", Some("1.0")))
    };
    let purl = |source, url| purl(&target(source, url), &Redactor::new(["/home/ann"])).unwrap();
    assert_eq!(purl(Source::Registry, None), "pkg:pypi/foo-bar@1.0");
    let git = purl(Source::Git, Some("git+https://host.example/r@0abc"));
    assert!(git.starts_with("pkg:pypi/foo-bar@1.0?vcs_url=git%2Bhttps"), "{git}");
    assert_eq!(purl(Source::Path, None), "pkg:pypi/foo-bar@1.0");
    let archive = purl(Source::Url, Some("file:///home/ann/foo-bar.zip"));
    assert!(archive.contains('~') && !archive.contains("ann"), "{archive}");
}

#[test]
fn what_could_not_be_read_is_in_every_document() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("site/broken-1.0.dist-info")).unwrap();
    let inventory = site_packages::read(&site_packages::Environment {
        prefix: root.path().to_owned(),
        site_directories: vec![root.path().join("site")],
        other_directories: Vec::new(),
    });
    let audit = inventory.audit(Verification::default());
    assert!(
        audit_text(&audit, false)
            .ends_with("1 package audited, 0 with findings; not everything could be verified.\n")
    );
    assert_eq!(audit.verdict(), crate::policy::Verdict::Warn);
    let list = serde_json::to_value(audit_json(&audit)).unwrap();
    assert_eq!((&list[1]["verdict"], &list[1]["version"]), (&json!("warn"), &Value::Null));
    assert_eq!(list[1]["findings"][0]["message"], "could not be verified: is missing");
    let invocation = &sarif(&audit, &nobody())["runs"][0]["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    assert_eq!(invocation["toolExecutionNotifications"].as_array().unwrap().len(), 1);
    let document = cyclonedx(&audit, &nobody());
    assert_eq!(document["compositions"][0]["aggregate"], "incomplete");
    assert_eq!(document["metadata"]["properties"][0]["name"], "scfw:unread");
}
