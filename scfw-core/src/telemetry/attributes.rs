//! The user's own attributes, which every record carries beside its fields: a JSON object in a variable, another in a
//! file. The variable goes before the file, and neither goes before a field.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::fields::Record;
use crate::config::AttributeSources;
use crate::env;
use crate::files::{FileError, Kept, read_kept};
use crate::redact::Redactor;

/// Largest object, in bytes: it is in every record, and sinks take records of up to a million.
const LARGEST: u64 = 64 * 1024;

/// Why attributes are left out of records.
#[derive(Debug, thiserror::Error)]
pub enum AttributeError {
    /// The file cannot be read.
    #[error("{} could not be read ({source}); records go without its attributes", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Too large, or not one JSON object.
    #[error("{place} is not one JSON object of at most 64 KiB; records go without its attributes")]
    NoObject {
        /// The variable or the file.
        place: String,
    },
}

/// The attributes, and the mistakes in them.
pub(super) fn read(
    sources: &AttributeSources,
    redactor: &Redactor,
) -> (Map<String, Value>, Vec<AttributeError>) {
    let mut attributes = Map::new();
    let mut errors = Vec::new();
    let inline = sources.inline.as_deref().map(|text| parse(text.as_bytes(), env::SCFW_DD_LOG_ATTRIBUTES));
    for source in [read_file(sources).transpose(), inline].into_iter().flatten() {
        match source {
            Ok(object) => attributes.extend(object),
            Err(error) => errors.push(error),
        }
    }
    attributes.retain(|name, _| Record::FIELDS.iter().all(|field| field.name != name));
    let clean =
        |(name, value): (String, _)| (redactor.text(&name).as_str().to_owned(), redactor.value(value));
    let attributes = attributes.into_iter().map(clean).collect();
    (attributes, errors)
}

fn read_file(sources: &AttributeSources) -> Result<Option<Map<String, Value>>, AttributeError> {
    let unreadable = |source| AttributeError::Unreadable { path: sources.file.clone(), source };
    match read_kept(&sources.file, Kept::Anyhow, LARGEST) {
        Ok(Some(bytes)) => parse(&bytes, &shown(&sources.file)).map(Some),
        Ok(None) if !sources.is_file_named => Ok(None),
        Ok(None) => Err(unreadable(ErrorKind::NotFound.into())),
        Err(FileError::Unreadable(source)) => Err(unreadable(source)),
        Err(_) => Err(AttributeError::NoObject { place: shown(&sources.file) }),
    }
}

fn parse(bytes: &[u8], place: &str) -> Result<Map<String, Value>, AttributeError> {
    if bytes.len() as u64 <= LARGEST
        && let Ok(Value::Object(object)) = serde_json::from_slice(bytes)
    {
        return Ok(object);
    }
    Err(AttributeError::NoObject { place: place.to_owned() })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(inline: Option<&str>, file: Option<&str>) -> (tempfile::TempDir, AttributeSources) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("attributes.json");
        if let Some(file) = file {
            std::fs::write(&path, file).unwrap();
        }
        (directory, AttributeSources { inline: inline.map(str::to_owned), file: path, is_file_named: false })
    }

    #[test]
    fn the_variable_goes_before_the_file_and_a_field_before_both() {
        let (_kept, sources) = sources(
            Some(r#"{"team": "a", "action": "ALLOW", "unverifiable": 1}"#),
            Some(r#"{"team": "b", "place": {"city": "https://u:p@h"}, "msg": "x"}"#),
        );
        let (attributes, errors) = read(&sources, &Redactor::default());
        assert!(errors.is_empty());
        let expected = serde_json::json!({"team": "a", "place": {"city": "https://h"}});
        assert_eq!(Value::Object(attributes), expected);
    }

    #[test]
    fn what_is_wrong_is_left_out_and_told() {
        for wrong in ["[1]", "\"x\"", "{", "", &format!("{{\"x\": \"{}\"}}", "y".repeat(65536))] {
            let (_kept, mut both) = sources(Some(r#"{"team": "a"}"#), Some(wrong));
            let (attributes, errors) = read(&both, &Redactor::default());
            assert_eq!(attributes["team"], "a");
            assert!(matches!(errors[..], [AttributeError::NoObject { .. }]), "{wrong:.20}");
            both.inline = Some(wrong.to_owned());
            assert_eq!(read(&both, &Redactor::default()).1.len(), 2);
        }
    }

    #[test]
    fn only_a_file_that_was_named_has_to_be_there() {
        let (_kept, mut sources) = sources(None, None);
        assert!(read(&sources, &Redactor::default()).1.is_empty());
        sources.is_file_named = true;
        assert!(matches!(read(&sources, &Redactor::default()).1[..], [AttributeError::Unreadable { .. }]));
    }
}
