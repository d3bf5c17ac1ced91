//! The packages whose names stay on this machine.

use crate::package::{Package, Pattern};

/// The packages whose names leave this machine in no request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PrivatePackages {
    /// The user's patterns, or the administrator's if the user has none.
    pub patterns: Vec<Pattern>,
    /// The administrator's patterns.
    pub(super) administered: Vec<Pattern>,
}

impl PrivatePackages {
    /// Whether `package` is one of them.
    #[must_use]
    pub fn contains(&self, package: &Package) -> bool {
        matches(&self.patterns, package)
    }

    /// Whether only the user says so.
    #[must_use]
    pub fn contains_by_user(&self, package: &Package) -> bool {
        self.contains(package) && !matches(&self.administered, package)
    }
}

fn matches(patterns: &[Pattern], package: &Package) -> bool {
    patterns.iter().any(|pattern| pattern.matches(package))
}
