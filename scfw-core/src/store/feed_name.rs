//! The names of the store's feeds.

use std::fmt;

use rusqlite::ToSql;
use rusqlite::types::ToSqlOutput;

use crate::package::Ecosystem;

/// The name of a feed: `osv/npm`, `datadog/pypi`, `extra/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FeedName {
    /// OSV's advisories for an ecosystem.
    Osv(Ecosystem),
    /// Datadog's manifest for an ecosystem.
    Datadog(Ecosystem),
    /// The feed that the configuration calls so.
    Extra(String),
}

impl FeedName {
    /// The feed of that name; none if no feed can have it.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (kind, rest) = name.split_once('/')?;
        let ecosystem = |word: fn(Ecosystem) -> &'static str| {
            Ecosystem::ALL.into_iter().find(|ecosystem| word(*ecosystem) == rest)
        };
        match kind {
            "osv" => ecosystem(Ecosystem::osv_name).map(Self::Osv),
            "datadog" => ecosystem(Ecosystem::purl_type).map(Self::Datadog),
            "extra" => Some(Self::Extra(rest.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for FeedName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Osv(ecosystem) => write!(formatter, "osv/{}", ecosystem.osv_name()),
            Self::Datadog(ecosystem) => write!(formatter, "datadog/{}", ecosystem.purl_type()),
            Self::Extra(name) => write!(formatter, "extra/{name}"),
        }
    }
}

impl ToSql for FeedName {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        let osv = Ecosystem::ALL.map(FeedName::Osv);
        let datadog = Ecosystem::ALL.map(FeedName::Datadog);
        for name in osv.into_iter().chain(datadog).chain([FeedName::Extra("ours/x".to_owned())]) {
            assert_eq!(FeedName::parse(&name.to_string()), Some(name));
        }
        for other in ["", "osv", "osv/pypi", "datadog/PyPI", "other/npm"] {
            assert_eq!(FeedName::parse(other), None, "{other}");
        }
    }
}
