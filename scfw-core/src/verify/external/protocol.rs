//! The question to an external verifier and its answer (protocol 1, docs/verifiers.md).

use serde::{Deserialize, Serialize};

use crate::finding::{Finding, FindingSeverity};
use crate::package::{Source, Target};

/// The protocol that this build speaks.
const PROTOCOL: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    protocol: u32,
    targets: Vec<AskedTarget<'a>>,
}

#[derive(Serialize)]
struct AskedTarget<'a> {
    ecosystem: &'static str,
    name: &'a str,
    version: Option<&'a str>,
    source: Source,
    url: Option<&'a str>,
    required_by: &'a [String],
    private: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    findings: Vec<Answered>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    /// The place of the target in the document, from 0.
    target: usize,
    severity: FindingSeverity,
    message: String,
    #[serde(default)]
    advisory: Option<String>,
    #[serde(default)]
    url: Option<String>,
}

/// The document about `targets`.
pub(super) fn document(targets: &[Target], is_private: impl Fn(&Target) -> bool) -> Vec<u8> {
    let targets = targets
        .iter()
        .map(|target| AskedTarget {
            ecosystem: target.package.ecosystem.osv_name(),
            name: &target.package.name,
            version: target.package.version.as_deref(),
            source: target.source,
            url: target.url.as_deref(),
            required_by: &target.required_by,
            private: is_private(target),
        })
        .collect();
    // No part of it can fail to be written; an empty document would be answered by nothing that counts.
    serde_json::to_vec(&Document { protocol: PROTOCOL, targets }).unwrap_or_default()
}

/// The findings in `output` about `targets` targets, or the mistake in it, as the end of a sentence.
pub(super) fn answer(verifier: &str, output: &[u8], targets: usize) -> Result<Vec<(usize, Finding)>, String> {
    let answer: Answer = serde_json::from_slice(output)
        .map_err(|error| format!("gave an answer that could not be read ({error})"))?;
    let findings = answer.findings.into_iter().map(|answered| {
        if answered.target >= targets {
            return Err(format!("answered about target {} of {targets}, counted from 0", answered.target));
        }
        if answered.message.trim().is_empty() {
            return Err("gave a finding without a message".to_owned());
        }
        let finding = Finding {
            severity: answered.severity,
            verifier: verifier.to_owned().into(),
            message: answered.message,
            advisory: answered.advisory,
            url: answered.url,
            detail: None,
            disclosure: None,
            is_unverified: false,
            is_accepted: false,
        };
        Ok((answered.target, finding))
    });
    findings.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{Ecosystem, Package};
    use proptest::prelude::*;

    #[test]
    fn the_document_is_as_documented() {
        let mut target = Target::registry(Package::new(Ecosystem::Npm, "@corp/a", Some("1.0.0")));
        target.required_by = vec!["b".to_owned()];
        let bare = Target::registry(Package::new(Ecosystem::PyPi, "c", None));
        let document = document(&[target, bare], |target| target.package.name == "@corp/a");
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&document).unwrap(),
            serde_json::json!({"protocol": 1, "targets": [
                {"ecosystem": "npm", "name": "@corp/a", "version": "1.0.0", "source": "registry", "url": null,
                 "required_by": ["b"], "private": true},
                {"ecosystem": "PyPI", "name": "c", "version": null, "source": "registry", "url": null,
                 "required_by": [], "private": false},
            ]})
        );
    }

    #[test]
    fn an_answer_is_taken_whole_or_not_at_all() {
        let good = r#"{"findings":[{"target":1,"severity":"critical","message":"No","advisory":"A-1"}]}"#;
        let findings = answer("mine", good.as_bytes(), 2).unwrap();
        assert_eq!((findings[0].0, findings[0].1.severity), (1, FindingSeverity::Critical));
        assert_eq!((&*findings[0].1.verifier, findings[0].1.advisory.as_deref()), ("mine", Some("A-1")));
        for (output, why) in [
            (good.replace(":1,", ":2,"), "target 2 of 2"),
            (good.replace(":1,", ":-1,"), "could not be read"),
            (good.replace("\"No\"", "\" \""), "without a message"),
            (good.replace("critical", "fatal"), "could not be read"),
            (good.replace("advisory", "advisroy"), "advisroy"),
            (format!("{good}{good}"), "could not be read"),
            (String::new(), "could not be read"),
            ("[]".to_owned(), "could not be read"),
        ] {
            let reason = answer("mine", output.as_bytes(), 2).unwrap_err();
            assert!(reason.contains(why), "{output}: {reason}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(answer("mine", &bytes, 1).is_err());
        }
    }
}
