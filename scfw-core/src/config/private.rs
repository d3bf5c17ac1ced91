//! The packages whose names stay on this machine.

use crate::package::{Package, Pattern};

/// The packages whose names leave this machine in no request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PrivatePackages {
    /// As the user or, where the user says nothing, the administrator has it.
    pub patterns: Vec<Pattern>,
    /// As the administrator has it.
    pub(super) administered: Vec<Pattern>,
}

impl PrivatePackages {
    /// Whether `package` is one of them.
    #[must_use]
    pub fn contains(&self, package: &Package) -> bool {
        matches(&self.patterns, package)
    }

    /// Whether it is that by the user's word alone.
    #[must_use]
    pub fn contains_by_user(&self, package: &Package) -> bool {
        self.contains(package) && !matches(&self.administered, package)
    }
}

fn matches(patterns: &[Pattern], package: &Package) -> bool {
    patterns.iter().any(|pattern| pattern.matches(package))
}
