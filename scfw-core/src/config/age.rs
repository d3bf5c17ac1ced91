//! The minimum age of versions.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::{ConfigError, File, text};
use crate::env::{self, Variables};
use crate::package::{Package, Pattern};

/// Hours that a version has to be old, unless something else is said.
const MINIMUM_AGE: u32 = 24;
/// More than this, in hours, is a mistake and not a wish: ten years.
pub(super) const LONGEST_AGE: u32 = 10 * 365 * 24;

/// The consequence if nobody knows when a version was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownAge {
    /// No finding.
    Allow,
    /// A warning: not knowing is not allowing.
    #[default]
    Warn,
    /// It blocks.
    Block,
}

/// The minimum age of versions, and the consequence if an age is not known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AgeSettings {
    /// The user's minimum; [`minimum_of`](Self::minimum_of) knows the policy too.
    pub minimum: MinimumAge,
    /// The policy's minimum.
    pub(super) least: MinimumAge,
    /// The consequence if nobody knows the age.
    pub unknown: UnknownAge,
}

impl AgeSettings {
    pub(super) fn resolve(file: &mut File, variable: Variables<'_>) -> Result<Self, ConfigError> {
        let hours = match text(variable, env::SCFW_PACKAGE_MINIMUM_AGE)? {
            Some(value) => Some(parse_minimum_age(value)?),
            None => file.minimum_age,
        };
        Ok(Self {
            minimum: MinimumAge {
                hours: hours.unwrap_or(MINIMUM_AGE),
                is_chosen: hours.is_some(),
                exceptions: file.minimum_age_exceptions.take().unwrap_or_default(),
            },
            least: MinimumAge::default(),
            unknown: file.unknown_age.unwrap_or_default(),
        })
    }

    /// The minimum age of a version of `package`: the user's, or the policy's if that is longer.
    #[must_use]
    pub fn minimum_of(&self, package: &Package) -> Duration {
        self.minimum.of(package).max(self.least.of(package))
    }
}

/// A minimum age with its exceptions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MinimumAge {
    /// Hours.
    pub hours: u32,
    /// Whether somebody has named the hours.
    pub(super) is_chosen: bool,
    /// Other hours for the packages that a pattern means.
    pub exceptions: BTreeMap<Pattern, u32>,
}

impl MinimumAge {
    /// The minimum age of `package`. If several exceptions match, the one with the closest pattern counts, and among
    /// equally close ones the longest.
    #[must_use]
    pub fn of(&self, package: &Package) -> Duration {
        let fitting = self.exceptions.iter().filter(|(pattern, _)| pattern.matches(package));
        let closest = fitting.max_by_key(|(pattern, hours)| (pattern.precision(), **hours));
        Duration::from_hours(u64::from(closest.map_or(self.hours, |(_, hours)| *hours)))
    }
}

fn parse_minimum_age(value: String) -> Result<u32, ConfigError> {
    value.trim().parse().ok().filter(|hours| *hours <= LONGEST_AGE).ok_or(ConfigError::Variable {
        variable: env::SCFW_PACKAGE_MINIMUM_AGE,
        value,
        expected: "a whole number of hours, of ten years at most",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::Ecosystem;

    #[test]
    fn the_closest_exception_counts() {
        let exceptions = [("npm:*", 48), ("npm:@corp/*", 0), ("@corp/risky", 72), ("npm:@corp/*y", 5)];
        let age = MinimumAge {
            hours: 24,
            is_chosen: false,
            exceptions: exceptions.map(|(pattern, hours)| (pattern.parse().unwrap(), hours)).into(),
        };
        let hours = |ecosystem, name: &str| age.of(&Package::new(ecosystem, name, None)).as_secs() / 3600;
        assert_eq!(hours(Ecosystem::PyPi, "requests"), 24);
        assert_eq!(hours(Ecosystem::Npm, "left-pad"), 48);
        assert_eq!(hours(Ecosystem::Npm, "@corp/a"), 0);
        assert_eq!(hours(Ecosystem::Npm, "@corp/any"), 5);
        assert_eq!(hours(Ecosystem::Npm, "@corp/risky"), 72);
    }
}
