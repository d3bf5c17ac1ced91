//! Text from outside, made safe for a terminal, and without the secrets that addresses and command lines have in them.

mod credentials;

use std::borrow::Cow;
use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

pub use credentials::{arguments_without_credentials, without_credentials, without_user_information};

/// Longest text from outside that is shown, in characters.
const LONGEST: usize = 500;

/// The characters that need no escape in a path of a URI (RFC 3986): unreserved ones and the slash.
pub(crate) const PATH_IN_URI: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// `text` on one line without anything that a terminal would act on: control characters, escape sequences and the
/// characters that change the direction of writing. A text of more than 500 characters is cut.
#[must_use]
pub fn sanitise(text: &str) -> Cow<'_, str> {
    let is_long = text.len() > LONGEST && text.char_indices().nth(LONGEST).is_some();
    if !is_long && !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut clean: String = text
        .chars()
        .take(LONGEST)
        .map(|character| if matches!(character, '\n' | '\t' | '\r') { ' ' } else { character })
        .filter(|character| !is_unsafe(*character))
        .collect();
    if is_long {
        clean.push('…');
    }
    Cow::Owned(clean)
}

/// JSON text with every character escaped that a terminal would act on. Line ends and indentation stay.
#[must_use]
pub fn escape_json(json: &str) -> Cow<'_, str> {
    let is_structure = |character: char| matches!(character, '\n' | ' ');
    if !json.contains(|character| is_unsafe(character) && !is_structure(character)) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if is_unsafe(character) && !is_structure(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                write!(escaped, "\\u{unit:04x}").ok();
            }
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Control characters of both sets, and the invisible ones that reorder, join or hide text.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_do_not_reach_the_terminal() {
        assert_eq!(sanitise("a\u{1b}[31mb\u{7}\nc\u{9b}d\u{202e}e"), "a[31mb cde");
        assert!(matches!(sanitise("plain — ünïcode"), Cow::Borrowed(_)));
        assert_eq!(sanitise(&"x".repeat(1_000_000)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn json_stays_the_same_value_without_what_a_terminal_acts_on() {
        let value = serde_json::json!({"name": "a\u{9b}31m\u{202e}b\u{7f}"});
        let json = serde_json::to_string_pretty(&value).unwrap();
        let escaped = escape_json(&json);
        assert!(!escaped.contains(|character| is_unsafe(character) && character != '\n'), "{escaped}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
    }

    proptest! {
        #[test]
        fn nothing_unsafe_is_left(text in ".*") {
            prop_assert!(!sanitise(&text).contains(is_unsafe));
        }
    }
}
