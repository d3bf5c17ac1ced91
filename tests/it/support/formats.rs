//! What the published schemas of report formats require, as far as our documents go.

use serde_json::Value;

/// Fails the test unless `log` has the structure that SARIF 2.1.0 requires (OASIS, sections 3.13 to 3.58).
#[track_caller]
pub(crate) fn is_sarif(log: &Value) {
    assert_eq!(log["version"], "2.1.0");
    has_only(log, &["$schema", "version", "runs"]);
    for run in list(&log["runs"]) {
        has_only(run, &["tool", "invocations", "originalUriBaseIds", "results"]);
        let driver = &run["tool"]["driver"];
        text(&driver["name"]);
        let rules = list(&driver["rules"]);
        let mut ids = Vec::new();
        for rule in rules {
            has_only(
                rule,
                &["id", "shortDescription", "help", "helpUri", "defaultConfiguration", "properties"],
            );
            ids.push(text(&rule["id"]));
            text(&rule["shortDescription"]["text"]);
            text(&rule["help"]["text"]);
            level(&rule["defaultConfiguration"]["level"]);
            if let Some(url) = rule.get("helpUri") {
                assert!(text(url).starts_with("https://"), "{url}");
            }
            for tag in list(&rule["properties"]["tags"]) {
                text(tag);
            }
        }
        are_different(&ids);
        for invocation in list(&run["invocations"]) {
            assert!(invocation["executionSuccessful"].is_boolean(), "{invocation}");
            for notification in list(&invocation["toolExecutionNotifications"]) {
                text(&notification["message"]["text"]);
                level(&notification["level"]);
            }
        }
        let bases = &run["originalUriBaseIds"];
        has_only(bases, &["HOME", "ROOT"]);
        let root = text(&bases["ROOT"]["uri"]);
        let is_relative = bases["ROOT"]["uriBaseId"] == "HOME" && bases["HOME"].get("uri").is_none();
        assert_eq!(root.starts_with("file:///"), !is_relative, "{bases}");
        assert!(root.ends_with('/'), "{root}");
        for result in list(&run["results"]) {
            is_result(result, &ids);
        }
    }
}

fn is_result(result: &Value, rules: &[&str]) {
    has_only(result, &["ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"]);
    let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(text(&result["ruleId"]), rules[index]);
    level(&result["level"]);
    text(&result["message"]["text"]);
    assert!(!list(&result["locations"]).is_empty(), "{result}");
    for location in list(&result["locations"]) {
        has_only(location, &["physicalLocation", "logicalLocations"]);
        let artifact = &location["physicalLocation"]["artifactLocation"];
        let uri = text(&artifact["uri"]);
        assert!(uri.is_ascii() && !uri.contains([' ', '"', '\\']), "{uri}");
        match artifact.get("uriBaseId") {
            Some(base) => {
                assert!((base == "ROOT" || base == "HOME") && !uri.starts_with('/'), "{artifact}");
            }
            None => assert!(uri.starts_with("file:///"), "{artifact}"),
        }
        for logical in list(&location["logicalLocations"]) {
            text(&logical["fullyQualifiedName"]);
        }
    }
    let fingerprints = result["partialFingerprints"].as_object().unwrap();
    assert!(!fingerprints.is_empty() && fingerprints.values().all(Value::is_string), "{result}");
}

fn level(value: &Value) {
    assert!(["none", "note", "warning", "error"].contains(&text(value)), "{value}");
}

/// Fails the test unless `document` has the structure that `CycloneDX` 1.6 requires (ECMA-424).
#[track_caller]
pub(crate) fn is_cyclonedx(document: &Value) {
    let fields = [
        "$schema", "bomFormat", "specVersion", "serialNumber", "version", "metadata", "components",
        "dependencies", "compositions", "vulnerabilities",
    ];
    has_only(document, &fields);
    assert_eq!((&document["bomFormat"], &document["specVersion"]), (&"CycloneDX".into(), &"1.6".into()));
    let number = text(&document["serialNumber"]).strip_prefix("urn:uuid:").unwrap();
    let groups: Vec<usize> = number.split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12], "{number}");
    assert!(number.chars().all(|digit| matches!(digit, '-' | '0'..='9' | 'a'..='f')), "{number}");
    let root = text(&document["metadata"]["component"]["bom-ref"]);
    let mut references = vec![root];
    for component in list(&document["components"]) {
        let fields =
            ["type", "bom-ref", "group", "name", "version", "purl", "licenses", "evidence", "properties"];
        has_only(component, &fields);
        assert_eq!(component["type"], "library");
        text(&component["name"]);
        references.push(text(&component["bom-ref"]));
        assert!(text(&component["purl"]).starts_with("pkg:"), "{component}");
        for place in list(&component["evidence"]["occurrences"]) {
            text(&place["location"]);
        }
        for licence in component.get("licenses").map(list).unwrap_or_default() {
            text(licence.get("expression").unwrap_or(&licence["license"]["name"]));
        }
    }
    are_different(&references);
    let is_known = |reference: &Value| assert!(references.contains(&text(reference)), "{reference}");
    for dependency in list(&document["dependencies"]) {
        is_known(&dependency["ref"]);
        list(&dependency["dependsOn"]).iter().for_each(is_known);
    }
    for composition in list(&document["compositions"]) {
        assert!(["complete", "incomplete"].contains(&text(&composition["aggregate"])), "{composition}");
        list(&composition["assemblies"]).iter().for_each(is_known);
    }
    let mut vulnerabilities = Vec::new();
    for vulnerability in list(&document["vulnerabilities"]) {
        let fields = [
            "bom-ref", "id", "source", "ratings", "cwes", "description", "recommendation", "advisories",
            "affects",
        ];
        has_only(vulnerability, &fields);
        vulnerabilities.push(text(&vulnerability["bom-ref"]));
        for field in
            [&vulnerability["id"], &vulnerability["source"]["name"], &vulnerability["recommendation"]]
        {
            text(field);
        }
        for rating in list(&vulnerability["ratings"]) {
            let words = ["critical", "high", "medium", "low", "info", "none", "unknown"];
            assert!(words.contains(&text(&rating["severity"])), "{rating}");
            if let Some(method) = rating.get("method") {
                assert!(
                    ["CVSSv2", "CVSSv3", "CVSSv31", "CVSSv4", "other"].contains(&text(method)),
                    "{rating}"
                );
            }
        }
        assert!(!list(&vulnerability["affects"]).is_empty(), "{vulnerability}");
        for affected in list(&vulnerability["affects"]) {
            is_known(&affected["ref"]);
        }
    }
    are_different(&vulnerabilities);
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

fn text(value: &Value) -> &str {
    value.as_str().filter(|text| !text.is_empty()).unwrap_or_else(|| panic!("no text: {value}"))
}

fn has_only(value: &Value, fields: &[&str]) {
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    let other: Vec<&String> = object.keys().filter(|field| !fields.contains(&field.as_str())).collect();
    assert!(other.is_empty(), "{other:?} in {value}");
}

fn are_different(ids: &[&str]) {
    let set: std::collections::HashSet<&&str> = ids.iter().collect();
    assert_eq!(set.len(), ids.len(), "{ids:?}");
}
