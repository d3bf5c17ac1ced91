//! How old a version has to be.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::package::{Package, Pattern};

/// Hours that a version has to be old, unless something else is said.
pub(super) const MINIMUM_AGE: u32 = 24;
/// More than this, in hours, is a mistake and not a wish: ten years.
pub(super) const LONGEST_AGE: u32 = 10 * 365 * 24;

/// What follows where nobody knows when a version was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownAge {
    /// Nothing.
    Allow,
    /// A warning: not knowing is not allowing.
    #[default]
    Warn,
    /// It blocks.
    Block,
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
    /// How old `package` has to be. Of several exceptions the one counts that says most closely which packages are
    /// meant, of equal ones the longest.
    #[must_use]
    pub fn of(&self, package: &Package) -> Duration {
        let fitting = self.exceptions.iter().filter(|(pattern, _)| pattern.matches(package));
        let closest = fitting.max_by_key(|(pattern, hours)| (pattern.precision(), **hours));
        Duration::from_hours(u64::from(closest.map_or(self.hours, |(_, hours)| *hours)))
    }
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
