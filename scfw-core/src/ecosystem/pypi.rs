//! `PyPI`'s rules for names and versions: PEP 503, PEP 508 and, for older ones, the characters alone.

/// No name on an index comes near this many bytes.
const LONGEST_NAME: usize = 856;

/// PEP 503: lower case, and every run of `-`, `_` and `.` is one `-`.
pub(super) fn normalise(name: &str) -> String {
    let mut normalised = String::with_capacity(name.len());
    let mut in_run = false;
    for character in name.chars() {
        if matches!(character, '-' | '_' | '.') {
            if !in_run {
                normalised.push('-');
            }
            in_run = true;
        } else {
            normalised.extend(character.to_lowercase());
            in_run = false;
        }
    }
    normalised
}

/// The name at the front of `text` (PEP 508), and the rest.
pub(crate) fn split_name(text: &str) -> Option<(&str, &str)> {
    let in_name = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    let (name, rest) = text.split_at(text.find(|character| !in_name(character)).unwrap_or(text.len()));
    let sound = name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.ends_with(|last: char| last.is_ascii_alphanumeric())
        && name.len() <= LONGEST_NAME;
    sound.then_some((name, rest))
}

/// Whether an index can hold a project of this name (PEP 508).
pub(crate) fn is_name(name: &str) -> bool {
    split_name(name).is_some_and(|(_, rest)| rest.is_empty())
}

/// Whether `version` has only characters that versions have. Old ones can be any word, and pips before 24.1 take them.
/// None of them is a specifier or an address.
pub(crate) fn is_version(version: &str) -> bool {
    !version.is_empty()
        && version.chars().all(|character| character.is_ascii_alphanumeric() || "-_.+!".contains(character))
}
