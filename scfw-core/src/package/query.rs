//! Packages as people and scripts write them: `pypi:name@version`, `npm:@scope/name`, and purls.

use std::str::FromStr;

use packageurl::PackageUrl;

use super::{Ecosystem, Package};

/// Why a query names no package.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum QueryError {
    /// Neither form.
    #[error("{0:?} is no package: write pypi:NAME[@VERSION], npm:NAME[@VERSION] or a purl")]
    Form(String),
    /// An ecosystem that is not covered.
    #[error("{0:?} is of an ecosystem that scfw does not cover: it knows pypi and npm")]
    Ecosystem(String),
    /// A purl that its specification does not allow.
    #[error("{0:?} is not a valid purl")]
    Purl(String),
}

impl Package {
    /// Reads `pypi:name@version`, `npm:@scope/name@version` or a purl, each with or without a version.
    pub fn from_query(query: &str) -> Result<Self, QueryError> {
        let query = query.trim();
        if query.starts_with("pkg:") {
            return from_purl(query);
        }
        let (ecosystem, rest) = query.split_once(':').ok_or_else(|| QueryError::Form(query.to_owned()))?;
        let ecosystem = Ecosystem::parse(ecosystem).ok_or_else(|| QueryError::Ecosystem(query.to_owned()))?;
        // The first `@` of a scope is no separator.
        let separator =
            rest.char_indices().skip(1).find(|(_, character)| *character == '@').map(|(at, _)| at);
        let (name, version) = match separator {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        let is_sensible = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
        if !is_sensible(name) || version.is_some_and(|version| !is_sensible(version)) {
            return Err(QueryError::Form(query.to_owned()));
        }
        Ok(Self::new(ecosystem, name, version))
    }
}

fn from_purl(query: &str) -> Result<Package, QueryError> {
    let purl = PackageUrl::from_str(query).map_err(|_| QueryError::Purl(query.to_owned()))?;
    let ecosystem = Ecosystem::parse(purl.ty()).ok_or_else(|| QueryError::Ecosystem(query.to_owned()))?;
    let name = match (ecosystem, purl.namespace()) {
        (_, None) => purl.name().to_owned(),
        (Ecosystem::Npm, Some(scope)) => format!("{scope}/{}", purl.name()),
        (Ecosystem::PyPi, Some(_)) => return Err(QueryError::Purl(query.to_owned())),
    };
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
            assert!(query == "npm:@" || Package::from_query(query).is_err(), "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_query_panics(query in "(pkg:|npm:|pypi:)?.{0,40}") {
            let _read = Package::from_query(&query);
        }
    }
}
