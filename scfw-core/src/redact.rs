//! Redaction: takes out of every text of a record what must not leave this machine: credentials in URLs, secrets in a
//! command line, and the way to the user's home directory, which becomes `~`. Reports, which travel as well, have no
//! home directory in them either.

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User, getuid};
use percent_encoding::utf8_percent_encode;
use serde::Serialize;
use serde_json::Value;

use crate::env::Variables;
use crate::text::{PATH_IN_URI, arguments_without_credentials, without_credentials};

/// Longest text of a record, in bytes; a command line may have eight times as much.
const LONGEST: usize = 1024;
const LONGEST_COMMAND: usize = 8 * LONGEST;

/// A text without anything that a record must not carry. Only a [`Redactor`] makes one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Text(String);

impl Text {
    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A sentence of parts that are clean already.
    pub(crate) fn sentence(parts: &[&str]) -> Self {
        Self(parts.concat())
    }
}

/// Makes [`Text`]s, and knows the user's home directory.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    /// The names of the user's home directory, absolute and without a slash at the end.
    homes: Vec<String>,
    /// The spellings of texts: as they are, in JSON and in URIs.
    written: Vec<String>,
}

impl Redactor {
    /// A redactor for the user that this process runs as, and the one behind `sudo`: it knows the environment's home
    /// directory, that of the system's user database, and the resolved path of either.
    #[must_use]
    pub fn for_this_user(variable: Variables<'_>) -> Self {
        let number = |id: OsString| id.to_str()?.parse().ok().map(Uid::from_raw);
        let sudo = variable("SUDO_UID").and_then(number);
        let users = [Some(getuid()), sudo].into_iter().flatten();
        let homes = users.filter_map(|user| Some(User::from_uid(user).ok()??.dir));
        let named: Vec<PathBuf> = variable("HOME").map(PathBuf::from).into_iter().chain(homes).collect();
        let resolved: Vec<PathBuf> = named.iter().filter_map(|home| home.canonicalize().ok()).collect();
        Self::new(named.iter().chain(&resolved).filter_map(|home| home.to_str()))
    }

    /// A redactor for a user with these home directories.
    #[must_use]
    pub fn new<'a>(homes: impl IntoIterator<Item = &'a str>) -> Self {
        let homes = longest_first(
            homes
                .into_iter()
                .map(|home| home.trim_end_matches('/'))
                // If the root is the home, as in some containers, there is nobody's name to hide.
                .filter(|home| home.starts_with('/'))
                .map(str::to_owned),
        );
        let written = longest_first(homes.iter().flat_map(|home| {
            let quoted = serde_json::Value::from(home.as_str()).to_string();
            let in_json = quoted[1..quoted.len() - 1].to_owned();
            [home.clone(), in_json, utf8_percent_encode(home, PATH_IN_URI).to_string()]
        }));
        Self { homes, written }
    }

    /// `text`, which may be a whole report or JSON, with `~` for the user's home directory.
    #[must_use]
    pub fn without_home<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut clean = Cow::Borrowed(text);
        for home in &self.written {
            if clean.contains(home.as_str()) {
                clean = Cow::Owned(replace_home(&clean, home));
            }
        }
        clean
    }

    /// `path` as it is seen from the user's home directory; none if it does not lie there.
    #[must_use]
    pub fn below_home<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        self.homes.iter().find_map(|home| path.strip_prefix(home).ok())
    }

    /// `text` as a record may carry it; one of more than 1,024 bytes is cut.
    #[must_use]
    pub fn text(&self, text: &str) -> Text {
        Text(cut(self.clean(text), LONGEST))
    }

    /// The address of a package: without a query, in which signed URLs carry their secrets.
    #[must_use]
    pub fn address(&self, url: &str) -> Text {
        let end = if url.contains("://") { url.find('?').unwrap_or(url.len()) } else { url.len() };
        self.text(&url[..end])
    }

    /// A command line, in which the values of options for passwords and tokens are hidden as well. One of more than
    /// 8 KiB is cut.
    #[must_use]
    pub fn command(&self, name: &str, arguments: &[String]) -> Text {
        let mut line = self.clean(name);
        for argument in arguments_without_credentials(arguments) {
            line.push(' ');
            line.push_str(&self.clean(&argument));
        }
        Text(cut(line, LONGEST_COMMAND))
    }

    /// A value of the user's own, with everything that is text in it.
    #[must_use]
    pub fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text).0),
            Value::Array(values) => values.into_iter().map(|value| self.value(value)).collect(),
            Value::Object(values) => {
                values.into_iter().map(|(key, value)| (self.text(&key).0, self.value(value))).collect()
            }
            other => other,
        }
    }

    fn clean(&self, text: &str) -> String {
        self.without_home(&without_credentials(text)).into_owned()
    }
}

/// Each of `names` once, the longer ones first, because they may lie in the shorter.
fn longest_first(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort_by(|left, right| right.len().cmp(&left.len()).then_with(|| left.cmp(right)));
    names.dedup();
    names
}

/// `text` with `~` for every path `home` that is no part of a longer name.
fn replace_home(text: &str, home: &str) -> String {
    let is_in_name = |character: char| character.is_alphanumeric() || matches!(character, '.' | '_' | '-');
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(home) {
        let end = start + home.len();
        clean.push_str(&rest[..start]);
        let is_start = clean.ends_with("://")
            || clean.ends_with("://localhost")
            || ends_with_short_option(&clean)
            || !clean.ends_with(|character: char| is_in_name(character) || matches!(character, '/' | '~'));
        let is_end = !rest[end..].starts_with(is_in_name);
        clean.push_str(if is_start && is_end { "~" } else { home });
        rest = &rest[end..];
    }
    clean.push_str(rest);
    clean
}

/// Whether `text` ends with an option of one letter, to which its value can be attached: `-r`.
fn ends_with_short_option(text: &str) -> bool {
    let mut last = text.chars().rev();
    last.next().is_some_and(|letter| letter.is_ascii_alphabetic())
        && last.next() == Some('-')
        && last.next().is_none_or(|before| before.is_whitespace() || matches!(before, '\'' | '"' | '`'))
}

fn cut(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        text.truncate(text.floor_char_boundary(longest));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn redactor() -> Redactor {
        Redactor::new(["/home/ann/", "/data/home/ann", "/home/änn \"b\"", "/", ""])
    }

    fn command(arguments: &[&str]) -> String {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        redactor().command("npm", &arguments).0
    }

    #[test]
    fn home_directories_become_a_tilde() {
        for (text, clean) in [
            ("/home/ann", "~"),
            ("/home/ann/p/x", "~/p/x"),
            ("in '/home/ann/x' and /data/home/ann/y", "in '~/x' and ~/y"),
            ("file:///home/ann/x.whl", "file://~/x.whl"),
            ("--target=/home/ann/x:/home/ann", "--target=~/x:~"),
            ("file:///home/%C3%A4nn%20%22b%22/x.whl", "file://~/x.whl"),
            (r#"{"at": "/home/änn \"b\""}"#, r#"{"at": "~"}"#),
            ("-r/home/ann/r.txt", "-r~/r.txt"),
            ("'pip install -f/home/ann -e/home/anna'", "'pip install -f~ -e/home/anna'"),
            ("x-r/home/ann --r/home/ann", "x-r/home/ann --r/home/ann"),
            ("file://localhost/home/ann/x", "file://localhost~/x"),
            ("/home/anna/x /srv/home/ann /home/ann.old", "/home/anna/x /srv/home/ann /home/ann.old"),
        ] {
            assert_eq!(redactor().text(text).as_str(), clean);
        }
    }

    #[test]
    fn the_home_of_whoever_is_behind_sudo_is_known() {
        let (uid, home) = (1..100)
            .find_map(|uid| Some((uid, User::from_uid(Uid::from_raw(uid)).ok()??.dir)))
            .filter(|(_, home)| home.starts_with("/") && home != Path::new("/"))
            .unwrap();
        let redactor = Redactor::for_this_user(&|name| (name == "SUDO_UID").then(|| uid.to_string().into()));
        assert_eq!(redactor.text(&format!("{}/x", home.display())).as_str(), "~/x");
        for odd in ["", "x", "-1", "99999999999"] {
            drop(Redactor::for_this_user(&|name| (name == "SUDO_UID").then(|| odd.into())));
        }
    }

    #[test]
    fn what_lies_below_the_home_is_seen_from_there() {
        let below = |path: &'static str| redactor().below_home(Path::new(path)).map(Path::to_owned);
        assert_eq!(below("/data/home/ann/x/y"), Some(PathBuf::from("x/y")));
        assert_eq!(below("/home/ann"), Some(PathBuf::new()));
        assert_eq!(below("/home/anna/x"), None);
    }

    #[test]
    fn secrets_of_a_command_line_are_hidden() {
        for (arguments, clean) in [
            (&["install", "--//r.example/:_authToken=s3"][..], "npm install --//r.example/:_authToken=[…]"),
            (&["install", "--otp", "123456", "left-pad"], "npm install --otp […] left-pad"),
            (&["install", "--proxy", "u:s3@host:1"], "npm install --proxy […]"),
            (&["install", "--_auth", "--save-dev", "x"], "npm install --_auth --save-dev x"),
            (&["i", "--index-url=https://u:s3@host/simple"], "npm i --index-url=https://host/simple"),
            (&["i", "x @ git+https://s3@host/x"], "npm i x @ git+https://host/x"),
            (
                &["i", "--noproxy", "host", "--registry", "http://h"],
                "npm i --noproxy host --registry http://h",
            ),
        ] {
            assert_eq!(command(arguments), clean);
        }
    }

    #[test]
    fn an_address_has_no_query_and_a_value_is_cleaned_throughout() {
        assert_eq!(redactor().address("https://u:p@h/x.whl?sig=s3").as_str(), "https://h/x.whl");
        let value =
            serde_json::json!({"a": ["/home/ann/x", {"b": "https://u:p@h"}], "n": {"/home/ann/x": 1}});
        assert_eq!(
            redactor().value(value),
            serde_json::json!({"a": ["~/x", {"b": "https://h"}], "n": {"~/x": 1}})
        );
    }

    proptest! {
        #[test]
        fn no_credential_is_left_and_nothing_is_too_long(
            before in "[a-z=]{0,5}", user in "[a-z]{1,9}", secret in "[a-zA-Z0-9:@!$,;]{1,20}", after in ".{0,40}"
        ) {
            let secret = format!("S3CRET{secret}");
            let text = format!("{before}https://{user}:{secret}@host.example/x {after}");
            prop_assert!(!redactor().text(&text).as_str().contains("S3CRET"));
            let long = redactor().text(&after.repeat(100));
            prop_assert!(long.as_str().len() <= LONGEST + 3);
        }
    }
}
