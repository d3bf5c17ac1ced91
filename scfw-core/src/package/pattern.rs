//! Names with wildcards, as the configuration has them: `npm:@corp/*`, `pypi:internal-*`, `my-company-*`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};

use super::{Ecosystem, Package};

/// The packages whose name fits. `*` stands for any characters, none and `/` included; everything else for itself, as
/// the ecosystem compares names. Without an ecosystem in front it is about all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    ecosystem: Option<Ecosystem>,
    /// The part behind the ecosystem, as npm compares it.
    npm: String,
    /// The same as PyPI does.
    pypi: String,
}

/// Why a text is no pattern.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PatternError {
    /// An ecosystem that is not covered.
    #[error("{0:?} is of an ecosystem that scfw does not cover: it knows pypi and npm")]
    Ecosystem(String),
    /// The text could be no name.
    #[error(
        "{0:?} is no pattern for names: write NAME, npm:NAME or pypi:NAME, where * stands for any characters"
    )]
    Form(String),
    /// A version behind the name.
    #[error("{0:?} names a version, and patterns are about names alone")]
    Version(String),
}

impl Pattern {
    /// Whether the pattern means `package`, in any version.
    #[must_use]
    pub fn matches(&self, package: &Package) -> bool {
        if self.ecosystem.is_some_and(|ecosystem| ecosystem != package.ecosystem) {
            return false;
        }
        let pattern = match package.ecosystem {
            Ecosystem::Npm => &self.npm,
            Ecosystem::PyPi => &self.pypi,
        };
        matches(pattern, &package.key())
    }

    /// The closeness of the pattern: the number of its characters that stand for themselves.
    #[must_use]
    pub fn precision(&self) -> usize {
        self.npm.chars().filter(|character| *character != '*').count()
    }
}

/// The time grows with the length of both: each piece between wildcards is looked for once, from the end of the one
/// before it.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in middle.split('*') {
        let Some(at) = name.find(piece) else { return false };
        name = &name[at + piece.len()..];
    }
    name.ends_with(last)
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (ecosystem, name) = match text.split_once(':') {
            None => (None, text),
            Some((ecosystem, name)) => {
                let known =
                    Ecosystem::parse(ecosystem).ok_or_else(|| PatternError::Ecosystem(text.to_owned()))?;
                (Some(known), name)
            }
        };
        let is_part = |character: char| {
            character.is_alphanumeric() || matches!(character, '*' | '@' | '/' | '-' | '_' | '.' | '~')
        };
        if name.is_empty() || !name.chars().all(is_part) {
            return Err(PatternError::Form(text.to_owned()));
        }
        if name.chars().skip(1).any(|character| character == '@') {
            return Err(PatternError::Version(text.to_owned()));
        }
        let normalise = |ecosystem: Ecosystem| ecosystem.normalise(name);
        Ok(Self {
            text: text.to_owned(),
            ecosystem,
            npm: normalise(Ecosystem::Npm),
            pypi: normalise(Ecosystem::PyPi),
        })
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pattern {
    /// Compares by the text.
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fits(pattern: &str, ecosystem: Ecosystem, name: &str) -> bool {
        pattern.parse::<Pattern>().unwrap().matches(&Package::new(ecosystem, name, Some("1.0")))
    }

    #[test]
    fn names_are_compared_as_their_ecosystem_does() {
        use Ecosystem::{Npm, PyPi};
        for (pattern, ecosystem, name, is_meant) in [
            ("npm:@corp/*", Npm, "@corp/a", true),
            ("npm:@corp/*", Npm, "@corporation/a", false),
            ("npm:@corp/*", Npm, "@CORP/a", false),
            ("npm:@corp/*", PyPi, "@corp/a", false),
            ("pypi:Internal_*", PyPi, "internal.tool", true),
            ("PyPI:internal-*", PyPi, "Internal__Tool", true),
            ("pypi:internal-*", PyPi, "internal", false),
            ("my-company-*", Npm, "my-company-x", true),
            ("my-company-*", PyPi, "my_company_x", true),
            ("my-company-*", Npm, "my_company_x", false),
            ("*-internal", Npm, "@corp/a-internal", true),
            ("a*b*c", Npm, "abc", true),
            ("a*b*c", Npm, "axbxbxc", true),
            ("a*b*c", Npm, "ac", false),
            ("aa*aa", Npm, "aaa", false),
            ("npm:*", Npm, "@any/thing", true),
            ("exact", Npm, "exact", true),
            ("exact", Npm, "exactly", false),
            ("npm:a.b", Npm, "axb", false),
        ] {
            assert_eq!(fits(pattern, ecosystem, name), is_meant, "{pattern} and {name}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in
            ["", "npm:", "cargo:x", "a b", "npm:a\n", "npm:x@1.0.0", "[ab]", "a?", "{a,b}", "npm:pypi:x"]
        {
            assert!(text.parse::<Pattern>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn it_means_what_the_same_regular_expression_does(
            pattern in "[ab*]{1,8}", name in "[ab]{0,10}"
        ) {
            let expression = regex::Regex::new(&format!("^{}$", pattern.replace('*', ".*"))).unwrap();
            prop_assert_eq!(fits(&format!("npm:{pattern}"), Ecosystem::Npm, &name), expression.is_match(&name));
        }

        #[test]
        fn no_name_panics(pattern in "[a-z*@/._-]{1,30}", name in ".{0,60}") {
            if let Ok(pattern) = pattern.parse::<Pattern>() {
                let _ = pattern.matches(&Package::new(Ecosystem::PyPi, name.as_str(), None));
                let _ = pattern.matches(&Package::new(Ecosystem::Npm, name, None));
            }
        }
    }

    #[test]
    fn a_hostile_name_takes_no_longer_than_another() {
        let name = "a".repeat(1_000_000);
        assert!(!fits(&format!("npm:{}b", "a*".repeat(1000)), Ecosystem::Npm, &name));
    }
}
