//! docs/telemetry.md: each field with its type and an example, from the record type and from records made with it.

use std::fmt::Write;

use serde_json::Value;

use super::fields::{
    ErrorMessage, ExemptedEntry, ExemptionEntry, Field, FindingEntry, PackageEntry, Record, Since,
    UnverifiableEntry,
};

/// The text before the generated tables.
const INTRODUCTION: &str = include_str!("reference.md");

/// The predecessor's fields that are not ours by the same name, and their successors.
const RENAMED: [(&str, &str); 4] = [
    ("`installed_packages` (before 3.1)", "`install_targets` where `action` is `ALLOW`"),
    ("`reports` of an audit (before 3)", "`findings`, `unverifiable`"),
    ("`targets` (before 3)", "`install_targets`, `name` and `version` of each apart"),
    ("`warned` (before 3.1)", "`warning`"),
];

/// The reference page, in Markdown. The examples are taken from `records`, the first that has a field.
#[must_use]
pub fn reference(records: &[Value]) -> String {
    let mut page = String::from(INTRODUCTION);
    let tables: [(&str, &str, &[Field]); 7] = [
        ("Fields of a record", "", Record::FIELDS),
        ("Fields of a package", "/install_targets/0", PackageEntry::FIELDS),
        ("Fields of a finding", "/relevant_findings/0", FindingEntry::FIELDS),
        ("Fields of an entry of `unverifiable`", "/unverifiable/0", UnverifiableEntry::FIELDS),
        ("Fields of an entry of `error_messages`", "/unverifiable/0/error_messages/0", ErrorMessage::FIELDS),
        ("Fields of an entry of `exempted_findings`", "/exempted_findings/0", ExemptedEntry::FIELDS),
        ("Fields of an exemption", "/exemptions/0", ExemptionEntry::FIELDS),
    ];
    for (title, place, fields) in tables {
        line(
            &mut page,
            &format!("\n### {title}\n\n| field | type | meaning | example |\n| --- | --- | --- | --- |"),
        );
        for field in fields {
            let example = example(records, place, field.name);
            let meaning = field.description.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
            let json = example.map(Value::to_string).unwrap_or_default();
            let shown = if json.len() > 60 { "below".to_owned() } else { format!("`{json}`") };
            let kind = example.map_or("", kind);
            line(&mut page, &format!("| `{}` | {kind} | {meaning} | {shown} |", field.name));
        }
    }
    if let Some(json) = records.first().and_then(|record| serde_json::to_string_pretty(record).ok()) {
        line(&mut page, &format!("\n## A whole record\n\n```json\n{json}\n```"));
    }
    page.push_str(
        "\n## From the predecessor\n\n| field of the predecessor | field of scfw |\n| --- | --- |\n",
    );
    for field in Record::FIELDS.iter().filter(|field| field.since == Since::Predecessor) {
        line(&mut page, &format!("| `{0}` | `{0}` |", field.name));
    }
    for (theirs, ours) in RENAMED {
        line(&mut page, &format!("| {theirs} | {ours} |"));
    }
    let new = |fields: &[Field]| {
        let new = fields.iter().filter(|field| field.since == Since::Scfw);
        new.map(|field| format!("`{}`", field.name)).collect::<Vec<_>>().join(", ")
    };
    line(
        &mut page,
        &format!("\nNew in records: {}; in findings: {}.", new(Record::FIELDS), new(FindingEntry::FIELDS)),
    );
    page
}

fn line(page: &mut String, text: &str) {
    // Writing to a string does not fail.
    writeln!(page, "{text}").ok();
}

/// The value of a field in the first record that has one there.
fn example<'a>(records: &'a [Value], place: &str, field: &str) -> Option<&'a Value> {
    let values = || records.iter().filter_map(|record| record.pointer(place)?.get(field));
    values().find(|value| !value.is_null()).or_else(|| values().next())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}
