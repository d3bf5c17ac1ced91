//! One requirement of a pip command, as a dependency specifier (PEP 508): which package it is certain to bring in.

use std::str::FromStr;

use pep440_rs::{Operator, VersionSpecifier};

use crate::ecosystem::pypi::split_name;

/// File name endings under which pip takes an argument for an archive instead of a name.
const ARCHIVE_ENDINGS: [&str; 13] = [
    ".zip", ".whl", ".tar.bz2", ".tbz", ".tar.gz", ".tgz", ".tar", ".tar.xz", ".txz", ".tlz", ".tar.lz",
    ".tar.lzma", ".tar.zst",
];

/// The content of a requirement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// This package from an index, in the version that the requirement pins, if it pins one.
    Package { name: &'a str, version: Option<String> },
    /// Something that is not from an index, or that is not certain to be installed.
    LeftOut,
    /// No requirement at all, and why not.
    Invalid(String),
}

/// Reads one requirement, without the options that may follow it on a line of a file.
pub(crate) fn parse(text: &str) -> Parsed<'_> {
    let (text, marker) = text.split_once(';').unwrap_or((text, ""));
    let text = text.trim();
    if text.is_empty() || !marker.trim().is_empty() || has_location(text) {
        return Parsed::LeftOut;
    }
    let Some((name, rest)) = split_name(text) else {
        return Parsed::Invalid("does not begin with a package name".to_owned());
    };
    let Some(specifiers) = skip_extras(rest) else {
        return Parsed::Invalid("has extras that cannot be read".to_owned());
    };
    if let Some(version) = arbitrary_version(specifiers) {
        return Parsed::Package { name, version: Some(version.to_owned()) };
    }
    match version_specifiers(specifiers) {
        Ok(specifiers) => Parsed::Package { name, version: pinned(&specifiers) },
        Err(why) => Parsed::Invalid(why),
    }
}

/// The version specifiers behind the name and the extras, with or without parentheses around all of them.
fn version_specifiers(text: &str) -> Result<Vec<VersionSpecifier>, String> {
    let text = text.trim();
    let text = match text.strip_prefix('(') {
        None => text,
        Some(text) => text
            .strip_suffix(')')
            .ok_or_else(|| "has a parenthesis that does not close at its end".to_owned())?
            .trim(),
    };
    if text.is_empty() {
        return Ok(Vec::new());
    }
    // pip lets a comma stand at the end.
    let text = text.strip_suffix(',').unwrap_or(text);
    text.split(',').map(|one| VersionSpecifier::from_str(one).map_err(|error| error.to_string())).collect()
}

/// Whether pip would take the text for a URL, a named URL or a path. No name, extra or specifier of an index package
/// holds one of these characters.
fn has_location(text: &str) -> bool {
    if text.starts_with('.') || text.contains(['/', '\\', ':', '@']) {
        return true;
    }
    let without_extras = match text.rfind('[') {
        Some(start) if text.ends_with(']') => &text[..start],
        _ => text,
    };
    let lower = without_extras.to_ascii_lowercase();
    ARCHIVE_ENDINGS.iter().any(|ending| lower.ends_with(ending))
}

/// The text behind `[extra,…]`. Extras do not change which package it is.
fn skip_extras(rest: &str) -> Option<&str> {
    let rest = rest.trim_start();
    let Some(extras) = rest.strip_prefix('[') else {
        return Some(rest);
    };
    let (extras, rest) = extras.split_once(']')?;
    let in_extras = |character: char| {
        character.is_ascii_alphanumeric()
            || matches!(character, '-' | '_' | '.' | ',')
            || character.is_whitespace()
    };
    extras.chars().all(in_extras).then_some(rest)
}

/// The text of a single `===`, which need not be a version (PEP 440, arbitrary equality).
fn arbitrary_version(specifiers: &str) -> Option<&str> {
    let version = specifiers.trim().strip_prefix("===")?.trim();
    let is_one = |character: char| !character.is_whitespace() && !matches!(character, ',' | '(' | ')');
    (!version.is_empty() && version.chars().all(is_one)).then_some(version)
}

/// The version of a single `==` without a wildcard or `===`.
fn pinned(specifiers: &[VersionSpecifier]) -> Option<String> {
    match specifiers {
        [specifier] if matches!(specifier.operator(), Operator::Equal | Operator::ExactEqual) => {
            Some(specifier.version().to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package<'a>(name: &'a str, version: Option<&str>) -> Parsed<'a> {
        Parsed::Package { name, version: version.map(str::to_owned) }
    }

    #[test]
    fn names_and_pins() {
        for (text, name, version) in [
            ("requests", "requests", None),
            ("  Zope.Interface  ", "Zope.Interface", None),
            ("a", "a", None),
            ("requests==2.31.0", "requests", Some("2.31.0")),
            ("requests == 2.31.0", "requests", Some("2.31.0")),
            ("requests (==2.31.0)", "requests", Some("2.31.0")),
            ("requests( == 2.31.0 , )", "requests", Some("2.31.0")),
            ("requests (>=2, <3)", "requests", None),
            ("requests ()", "requests", None),
            ("requests===2.31.0", "requests", Some("2.31.0")),
            ("requests===foobar", "requests", Some("foobar")),
            ("requests===2.0-RC1", "requests", Some("2.0-RC1")),
            ("requests==2.31,", "requests", Some("2.31")),
            ("requests==2.31 ; ", "requests", Some("2.31")),
            ("requests[socks, security] ==2.31.0", "requests", Some("2.31.0")),
            ("requests[]", "requests", None),
            ("requests==1.0+local.1", "requests", Some("1.0+local.1")),
            ("requests==2!1.0rc1", "requests", Some("2!1.0rc1")),
            ("requests==2.*", "requests", None),
            ("requests>=2,<3", "requests", None),
            ("requests>=2,==2.1", "requests", None),
            ("requests~=2.1", "requests", None),
            ("requests!=2.1", "requests", None),
        ] {
            assert_eq!(parse(text), package(name, version), "{text}");
        }
    }

    #[test]
    fn what_is_not_from_an_index_or_not_certain_is_left_out() {
        for text in [
            "", "requests; python_version < '3'", "requests==1;;", "name @ https://host.example/x.zip",
            "name@file:///x", "https://host.example/x.tar.gz", "git+https://host.example/x",
            "git+ssh://git@host.example/x#egg=y", "file:x", ".", "..", "./x", "x/y", "/x", r"C:\x", "x.whl",
            "x-1.0.tar.gz", "X.ZIP", "x.whl[extra]", "requests==1.0.zip",
        ] {
            assert_eq!(parse(text), Parsed::LeftOut, "{text}");
        }
    }

    #[test]
    fn what_is_no_requirement_says_so() {
        let long = "a".repeat(1_000_000);
        for text in [
            "-", "name-==1", "name[extra", "name[(]", "name=1", "name==", "name==1 2", "==1", "é", "a b",
            "a===1 2", "a==1,,", "a==1,,2", "a (==1", "a (==1) b", "a ==1)", "a ((==1))", "a ,", "a==é",
            "a==99999999999999999999", &long,
        ] {
            assert!(matches!(parse(text), Parsed::Invalid(_)), "{}", &text[..text.len().min(20)]);
        }
        // Extras are not looked into.
        assert_eq!(parse("name[extra-]"), package("name", None));
    }
}
