//! Text from outside, made safe for a terminal.

use std::borrow::Cow;
use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// Longest text from outside that is shown, in characters.
const LONGEST: usize = 500;

/// What need not be escaped in a path of a URI (RFC 3986): unreserved characters and the slash.
pub(crate) const PATH_IN_URI: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// `text` on one line without anything that a terminal would act on: control characters, escape sequences and
/// the characters that change the direction of writing. What is longer than 500 characters is cut.
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
                let _infallible = write!(escaped, "\\u{unit:04x}");
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

/// `text` without what URLs in it must not show: user names and passwords (RFC 3986, section 3.2.1), and queries, which
/// may hold a token or a signature and read `[…]`.
#[must_use]
pub fn without_credentials(text: &str) -> Cow<'_, str> {
    match without_user_information(text) {
        Cow::Borrowed(text) => without_queries(text),
        Cow::Owned(text) => Cow::Owned(without_queries(&text).into_owned()),
    }
}

fn without_queries(text: &str) -> Cow<'_, str> {
    let mut clean = String::new();
    let mut rest = text;
    while let Some(scheme_end) = rest.find("://") {
        let url_end = rest[scheme_end..].find(char::is_whitespace).map_or(rest.len(), |end| scheme_end + end);
        let fragment = rest[scheme_end..url_end].find('#').map_or(url_end, |at| scheme_end + at);
        let query = rest[scheme_end..fragment].find('?').map(|at| scheme_end + at + 1);
        if let Some(query) = query.filter(|query| *query < fragment) {
            clean.extend([&rest[..query], "[…]", &rest[fragment..url_end]]);
        } else {
            clean.push_str(&rest[..url_end]);
        }
        rest = &rest[url_end..];
    }
    clean.push_str(rest);
    if clean == text { Cow::Borrowed(text) } else { Cow::Owned(clean) }
}

fn without_user_information(text: &str) -> Cow<'_, str> {
    let mut clean = String::new();
    let mut rest = text;
    while let Some(scheme_end) = rest.find("://") {
        let (scheme, behind) = rest.split_at(scheme_end + 3);
        let ends = |character: char| matches!(character, '/' | '?' | '#') || character.is_whitespace();
        let authority_end = behind.find(ends).unwrap_or(behind.len());
        let host = behind[..authority_end].rfind('@').map_or(0, |at| at + 1);
        clean.push_str(scheme);
        clean.push_str(&behind[host..authority_end]);
        rest = &behind[authority_end..];
    }
    if clean.len() + rest.len() == text.len() {
        return Cow::Borrowed(text);
    }
    clean.push_str(rest);
    Cow::Owned(clean)
}

/// How options of pip and npm end whose value is a secret, or can hold one in another form than a URL: npm's
/// `_authToken` and `otp`, pip's `proxy`, whose value has a password without any scheme before it.
const SECRET_OPTIONS: [&str; 9] =
    ["auth", "token", "password", "passwd", "secret", "otp", "proxy", "key", "cert"];

/// Whether the value of an option, which is without its dashes, is a secret.
fn is_for_secrets(option: &str) -> bool {
    let name = option.to_ascii_lowercase().replace(['-', '_'], "");
    SECRET_OPTIONS.iter().any(|word| name.ends_with(word)) && name != "noproxy"
}

/// `arguments` of a manager without what must not be kept: user names, passwords and queries of URLs, and the
/// values of options that hold secrets, which read `[…]`.
#[must_use]
pub fn arguments_without_credentials(arguments: &[String]) -> Vec<String> {
    let mut kept = Vec::with_capacity(arguments.len());
    let mut is_secret = false;
    for argument in arguments {
        let name = argument.split('=').next().unwrap_or_default();
        // npm's are per registry too: --//registry.example/:_authToken=…
        let option = name.strip_prefix("--").map(|name| name.rsplit(':').next().unwrap_or_default());
        let names_secret = option.is_some_and(is_for_secrets);
        kept.push(match (names_secret, is_secret && !argument.starts_with('-')) {
            (true, _) if name.len() < argument.len() => format!("{name}=[…]"),
            (false, true) => "[…]".to_owned(),
            _ => without_credentials(argument).into_owned(),
        });
        is_secret = names_secret && name.len() == argument.len();
    }
    kept
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
    fn credentials_are_taken_out_of_urls() {
        assert_eq!(without_credentials("https://user:t0ken@host/simple/?a=b@c"), "https://host/simple/?[…]");
        assert_eq!(without_credentials("https://host/@scope/pkg"), "https://host/@scope/pkg");
        assert_eq!(without_credentials("git+ssh://git@host/a.git#x@y"), "git+ssh://host/a.git#x@y");
        assert_eq!(without_credentials("not a url"), "not a url");
        assert_eq!(without_credentials("https://host/a?token=t0ken#egg=a"), "https://host/a?[…]#egg=a");
        assert_eq!(without_credentials("https://u:p@host?token=t0ken"), "https://host?[…]");
        assert_eq!(without_credentials("https://host/a?#b?c"), "https://host/a?#b?c");
        assert_eq!(
            without_credentials("-i=https://a:b@one/x https://c@two\thttps://three:4"),
            "-i=https://one/x https://two\thttps://three:4"
        );
    }

    #[test]
    fn credentials_are_taken_out_of_arguments() {
        let stripped = |line: &str| {
            let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            arguments_without_credentials(&words).join(" ")
        };
        for (line, kept) in [
            ("install --index-url=https://u:p@host/simple a", "install --index-url=https://host/simple a"),
            ("install --//host/:_authToken=secret a", "install --//host/:_authToken=[…] a"),
            ("install --_authToken secret a", "install --_authToken […] a"),
            ("install --otp=123456 --proxy u:p@host:80 a", "install --otp=[…] --proxy […] a"),
            ("install a@https://host/a.tgz?token=secret", "install a@https://host/a.tgz?[…]"),
            ("install --otp --save a@1.0.0", "install --otp --save a@1.0.0"),
            ("install a==1 --no-proxy -r x", "install a==1 --no-proxy -r x"),
        ] {
            assert_eq!(stripped(line), kept);
        }
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
