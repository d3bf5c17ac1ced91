//! Packages as people and scripts write them: `pypi:name@version`, `npm:@scope/name`, and purls.

use std::str::FromStr;

use packageurl::PackageUrl;
use percent_encoding::percent_decode_str;

use super::{Ecosystem, Package};
use crate::ecosystem::npm;
use crate::text::without_credentials;

/// Longest version that is taken for one, in bytes.
const LONGEST_VERSION: usize = 214;

/// Why a query names no package.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum QueryError {
    /// The text has neither form.
    #[error("{0:?} is no package: write pypi:NAME[@VERSION], npm:NAME[@VERSION] or a purl")]
    Form(String),
    /// An ecosystem that is not covered.
    #[error("{0:?} is of an ecosystem that scfw does not cover: it knows pypi and npm")]
    Ecosystem(String),
    /// A purl that its specification does not allow.
    #[error("{0:?} is not a valid purl")]
    Purl(String),
    /// A name that its ecosystem does not allow.
    #[error(
        "{0:?} names no package, for none of its ecosystem can be called so; write pypi:NAME[@VERSION], \
         npm:NAME[@VERSION] or a purl, with the whole name"
    )]
    Name(String),
    /// A range or a tag where the version stands.
    #[error(
        "{0:?} names no single version: write it out, such as 1.2.3, and not as a range or a tag, or leave it out"
    )]
    Version(String),
}

/// `query` as it may be shown and kept: without the credentials of an address in it, which a purl holds percent-encoded.
#[must_use]
pub fn shown_query(query: &str) -> String {
    let decoded = percent_decode_str(query).decode_utf8_lossy();
    match without_credentials(&decoded) {
        clean if clean == decoded => query.to_owned(),
        clean => clean.into_owned(),
    }
}

impl Package {
    /// Reads `pypi:name@version`, `pypi:name==version`, `npm:@scope/name@version` or a purl, each with or without a
    /// version. Extras of a Python package are passed over, because they do not change which package it is. A name
    /// that no package can have, and a range or a tag in the place of a version, are errors: no data set knows
    /// anything about those, and that would read like nothing being wrong.
    pub fn from_query(query: &str) -> Result<Self, QueryError> {
        let query = query.trim();
        if query.starts_with("pkg:") {
            return sound(from_purl(query)?, query);
        }
        let (ecosystem, rest) = query.split_once(':').ok_or_else(|| QueryError::Form(shown_query(query)))?;
        let ecosystem =
            Ecosystem::parse(ecosystem).ok_or_else(|| QueryError::Ecosystem(shown_query(query)))?;
        let (name, version) = match ecosystem {
            Ecosystem::PyPi => split_requirement(rest),
            // The first `@` of a scope is no separator.
            Ecosystem::Npm => match rest.char_indices().skip(1).find(|(_, character)| *character == '@') {
                Some((at, _)) => (&rest[..at], Some(&rest[at + 1..])),
                None => (rest, None),
            },
        };
        sound(Self::new(ecosystem, name, version), query)
    }
}

/// Name and version in `name[extras]@version` and `name[extras]==version`.
fn split_requirement(text: &str) -> (&str, Option<&str>) {
    let (name, version) = match text.find(['@', '=']) {
        Some(at) => {
            let (name, rest) = text.split_at(at);
            match rest.strip_prefix("==").or_else(|| rest.strip_prefix('@')) {
                Some(version) => (name, Some(version)),
                None => (text, None),
            }
        }
        None => (text, None),
    };
    let extras = name.split_once('[').filter(|(_, extras)| {
        let in_extras = |character: char| {
            character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | ',' | ' ')
        };
        extras.strip_suffix(']').is_some_and(|extras| extras.chars().all(in_extras))
    });
    (extras.map_or(name, |(name, _)| name), version)
}

/// `package`, if there can be such a one.
fn sound(package: Package, query: &str) -> Result<Package, QueryError> {
    let is_name = match package.ecosystem {
        Ecosystem::PyPi => package.ecosystem.is_name(&package.name),
        // A `*` is taken for a pattern, though old packages may have it.
        Ecosystem::Npm => {
            npm::is_spelled_as_name(&package.name)
                && !package.name.contains('*')
                && package.name.trim_start_matches('@').split('/').all(|part| part.len() <= npm::LONGEST_NAME)
        }
    };
    if package.name.is_empty() || package.version.as_deref() == Some("") {
        return Err(QueryError::Form(shown_query(query)));
    }
    if !is_name {
        return Err(QueryError::Name(shown_query(query)));
    }
    match &package.version {
        Some(version) if !is_one_version(package.ecosystem, version) => {
            Err(QueryError::Version(shown_query(query)))
        }
        _ => Ok(package),
    }
}

/// Whether `version` names one version and not a range or a tag. npm's have three numbers, because npm reads fewer as
/// a range; old ones of `PyPI` can be any word, but a word without a digit is rather a tag.
fn is_one_version(ecosystem: Ecosystem, version: &str) -> bool {
    let in_version = |character: char| {
        character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_' | '+' | '!')
    };
    let is_word = !version.is_empty() && version.len() <= LONGEST_VERSION && version.chars().all(in_version);
    is_word
        && match ecosystem {
            Ecosystem::PyPi => version.contains(|character: char| character.is_ascii_digit()),
            Ecosystem::Npm => npm::is_written_out(version),
        }
}

fn from_purl(query: &str) -> Result<Package, QueryError> {
    let purl = PackageUrl::from_str(query).map_err(|_| QueryError::Purl(shown_query(query)))?;
    let ecosystem = Ecosystem::parse(purl.ty()).ok_or_else(|| QueryError::Ecosystem(shown_query(query)))?;
    let name = ecosystem
        .name_of_purl(purl.namespace(), purl.name())
        .ok_or_else(|| QueryError::Purl(shown_query(query)))?;
    Ok(Package::new(ecosystem, name, purl.version()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_forms_are_read() {
        let npm = |name, version| Ok(Package::new(Ecosystem::Npm, name, version));
        let pypi = |name, version| Ok(Package::new(Ecosystem::PyPi, name, version));
        assert_eq!(Package::from_query("pypi:requests"), pypi("requests", None));
        assert_eq!(Package::from_query(" PyPI:requests@2.0 "), pypi("requests", Some("2.0")));
        assert_eq!(Package::from_query("npm:@scope/name@1.0.0"), npm("@scope/name", Some("1.0.0")));
        assert_eq!(Package::from_query("npm:@scope/name"), npm("@scope/name", None));
        assert_eq!(Package::from_query("pkg:npm/%40scope/name@1.0.0"), npm("@scope/name", Some("1.0.0")));
        assert_eq!(Package::from_query("pkg:npm/left-pad"), npm("left-pad", None));
        assert_eq!(Package::from_query("pkg:pypi/django@1.11.1"), pypi("django", Some("1.11.1")));
    }

    #[test]
    fn anything_else_is_an_error_that_shows_the_forms() {
        for query in
            ["requests", "npm:", "npm:@", "npm:a@", "npm:a b", "cargo:serde", "pkg:", "pkg:cargo/serde", ""]
        {
            assert!(Package::from_query(query).is_err(), "{query}");
        }
    }

    #[test]
    fn python_requirements_with_one_version_are_read() {
        let flask = |version| Ok(Package::new(Ecosystem::PyPi, "flask", version));
        for query in ["pypi:flask==1.0", "pypi:flask@1.0", "pypi:flask[async]==1.0", "pypi:flask[a, b]@1.0"] {
            assert_eq!(Package::from_query(query), flask(Some("1.0")), "{query}");
        }
        assert_eq!(Package::from_query("pypi:flask[async]"), flask(None));
        for version in ["1!2.0", "1.0.post1", "2004d", "r1234", "0.1-alpha_2", "1.0+local.1", "v1"] {
            assert_eq!(Package::from_query(&format!("pypi:flask=={version}")), flask(Some(version)));
        }
    }

    #[test]
    fn what_no_package_is_called_is_an_error() {
        for query in [
            "pypi:adcontrol>", "pypi:flask>=1", "pypi:flask=1", "pypi:flask;x", "pypi:-flask", "pypi:flask-",
            "pypi:flask[x", "pypi:flask[x]y", "pypi:internal-*", "npm:@corp/*", "npm:@corp", "npm:@corp/",
            "npm:@/a", "npm:@a/b/c", "npm:a/b", "npm:.hidden", "npm:a:b", "npm:a#b", "npm:é",
            "pkg:npm/a%2Fb", "pkg:npm/%40corp/%2A",
        ] {
            assert!(matches!(Package::from_query(query), Err(QueryError::Name(_))), "{query}");
        }
        for name in ["JSONStream", "a.b_c-d", "@Scope/x.y", "1", "_old", "crazy!(name)~'"] {
            let package = Package::new(Ecosystem::Npm, name, Some("1.0.0"));
            assert_eq!(Package::from_query(&format!("npm:{name}@1.0.0")), Ok(package));
        }
    }

    #[test]
    fn ranges_and_tags_are_no_versions() {
        for version in [
            ">=0", "==0.12.2", "=1.0.0", "^1.0.0", "~1.0.0", "1.0.0 || 2.0.0", "1.0.0 - 2.0.0", "*", "1.0.*",
            "latest", "1.0.0,<2", "https://a/b.tgz", "file:a", "npm:b@1.0.0",
        ] {
            for ecosystem in ["npm", "pypi"] {
                let read = Package::from_query(&format!("{ecosystem}:flask@{version}"));
                assert!(matches!(read, Err(QueryError::Version(_))), "{ecosystem} {version:?}: {read:?}");
            }
        }
        for version in ["1", "1.0", "1.x", "1.0.x", "x", "next-13", "v2"] {
            let read = Package::from_query(&format!("npm:a@{version}"));
            assert!(matches!(read, Err(QueryError::Version(_))), "{version:?}");
        }
        for version in ["1.0.0", "1.0.0-rc.1+build", "1.0.0beta", "v1.0.0"] {
            assert!(Package::from_query(&format!("npm:a@{version}")).is_ok(), "{version}");
        }
        assert!(matches!(Package::from_query("pkg:pypi/a@%3E%3D1"), Err(QueryError::Version(_))));
    }

    #[test]
    fn no_error_shows_credentials_and_other_queries_are_shown_as_they_are() {
        for query in [
            "npm:https://u:S3CRET@h/x.tgz",
            "https://u:S3CRET@h/x.tgz",
            "npm:x@https://u:S3CRET@h/x.tgz",
            "cargo:x@u:S3CRET@h:r",
            "pkg:cargo/x?repository_url=https://u:S3CRET@h/",
            "pkg:?repository_url=https%3A%2F%2Fu%3AS3CRET%40h%2F",
        ] {
            let message = Package::from_query(query).unwrap_err().to_string();
            assert!(
                !message.contains("S3CRET") && message.contains("@h") | message.contains("//h"),
                "{message}"
            );
        }
        assert_eq!(
            shown_query("pkg:npm/x?repository_url=https:%2F%2Fu:S3CRET@h%2Fy"),
            "pkg:npm/x?repository_url=https://h/y"
        );
        for query in ["pkg:npm/%40scope/x@1.0.0?arch=x", "npm:@scope/x@1.0.0", "pypi:a[b]==1", "x%zz%ff"] {
            assert_eq!(shown_query(query), query);
        }
    }

    proptest! {
        #[test]
        fn no_query_panics(query in "(pkg:|npm:|pypi:)?.{0,40}") {
            drop(Package::from_query(&query));
        }
    }
}
