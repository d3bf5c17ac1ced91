//! Lenient reading of a document that differs from the schema. Dropping a part makes the advisory apply to more
//! versions, never to fewer.

use serde_json::{Map, Value};

use super::{Advisory, Affected, AffectedPackage, Range, severity::Score};

/// The advisory in `document`, without its malformed parts; none if it does not tell what it is about.
pub(super) fn advisory(document: Value) -> Option<Advisory> {
    let Value::Object(mut document) = document else { return None };
    for field in ["withdrawn", "summary", "details", "modified"] {
        keep_if(&mut document, field, Value::is_string);
    }
    keep_if(&mut document, "database_specific", Value::is_object);
    keep_scores(&mut document);
    for affected in document.get_mut("affected")?.as_array_mut()? {
        read_affected(affected)?;
    }
    serde_json::from_value(Value::Object(document)).ok()
}

fn read_affected(affected: &mut Value) -> Option<()> {
    let fields = affected.as_object_mut()?;
    // One that names no package, such as a repository's commits, is about none, and takes nothing from the others.
    fields.get("package").is_none_or(is_a::<Option<AffectedPackage>>).then_some(())?;
    for field in ["database_specific", "ecosystem_specific"] {
        keep_if(fields, field, Value::is_object);
    }
    keep_scores(fields);
    let is_whole = fields.get("ranges").is_none_or(is_a::<Vec<Range>>)
        && fields.get("versions").is_none_or(is_a::<Vec<String>>);
    if !is_whole {
        // A half of the advisory's word about versions might say that one is safe.
        fields.remove("ranges");
        fields.remove("versions");
    }
    is_a::<Affected>(affected).then_some(())
}

fn keep_scores(fields: &mut Map<String, Value>) {
    keep_if(fields, "severity", Value::is_array);
    if let Some(scores) = fields.get_mut("severity").and_then(Value::as_array_mut) {
        scores.retain(is_a::<Score>);
    }
}

fn keep_if(fields: &mut Map<String, Value>, field: &str, is_kept: impl Fn(&Value) -> bool) {
    if fields.get(field).is_some_and(|value| !is_kept(value)) {
        fields.remove(field);
    }
}

fn is_a<T: serde::de::DeserializeOwned>(value: &Value) -> bool {
    T::deserialize(value).is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::advisory::{Advisory, Severity};
    use crate::package::{Ecosystem, Package};

    fn read(document: &serde_json::Value) -> Option<Advisory> {
        Advisory::parse_leniently(document.to_string().as_bytes()).ok()
    }

    #[test]
    fn what_is_malformed_makes_an_advisory_apply_to_more() {
        let document = json!({
            "id": "MAL-1", "summary": ["no text"], "withdrawn": {"perhaps": true}, "database_specific": 7,
            "severity": [7, {"type": "words", "score": "HIGH"}],
            "affected": [
                {"package": {"ecosystem": "npm", "name": "left"}, "versions": ["1.0.0", 7]},
                {"package": {"ecosystem": "npm", "name": "right"}, "ranges": [
                    {"type": "SEMVER", "events": [{"introduced": "1.0.0"}, {"fixed": "2.0.0"}]}]}]
        });
        let advisory = read(&document).unwrap();
        let affects = |name, version| advisory.affects(&Package::new(Ecosystem::Npm, name, Some(version)));
        assert!(advisory.withdrawn.is_none() && affects("left", "9.9.9"));
        assert!(affects("right", "1.5.0") && !affects("right", "2.0.0"), "the other entry is whole");
        let left = Package::new(Ecosystem::Npm, "left", None);
        assert_eq!(advisory.severity_for(&left), Some(Severity::High));
    }

    #[test]
    fn an_entry_without_a_package_takes_nothing_from_the_others() {
        for package in [json!({"ranges": []}), json!({"package": null, "versions": 7})] {
            let document = json!({"id": "MAL-1", "summary": 7,
                "affected": [package, {"package": {"ecosystem": "npm", "name": "left"}}]});
            let left = Package::new(Ecosystem::Npm, "left", Some("1.0.0"));
            assert!(read(&document).unwrap().affects(&left), "{document}");
        }
    }

    #[test]
    fn what_does_not_say_what_it_is_about_is_no_advisory() {
        for document in [
            json!(7),
            json!({"affected": []}),
            json!({"id": "MAL-1", "summary": 7}),
            json!({"id": "MAL-1", "affected": [7]}),
            json!({"id": "MAL-1", "affected": [{"package": {"ecosystem": "npm", "name": 7}}]}),
        ] {
            assert!(read(&document).is_none(), "{document}");
        }
    }
}
