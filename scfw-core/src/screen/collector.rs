//! Gathers the findings of a screen: each target once, and a bounded list of files that could not be read.

use std::collections::HashSet;

use crate::package::{Package, Target};
use crate::skipped::SkippedList;

use super::Screened;

/// This many things that could not be read are listed.
const SKIPPED_LISTED: usize = 10;
/// No more targets are gathered: the largest projects have a tenth of it, and the gate verifies them all.
const MOST_TARGETS: usize = 50_000;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Collector {
    targets: Vec<Target>,
    seen: HashSet<Package>,
    skipped: SkippedList,
    has_more: bool,
}

impl Default for Collector {
    fn default() -> Self {
        let skipped = SkippedList::new(SKIPPED_LISTED);
        Self { targets: Vec::new(), seen: HashSet::new(), skipped, has_more: false }
    }
}

impl Collector {
    /// Adds a package from a registry, unless it is there already under any spelling of its name.
    pub(super) fn target(&mut self, package: Package) {
        if self.targets.len() == MOST_TARGETS {
            self.has_more = true;
            return;
        }
        let key = Package { name: package.key(), ..package.clone() };
        if self.seen.insert(key) {
            self.targets.push(Target::registry(package));
        }
    }

    /// Notes that something could not be read.
    pub(super) fn skip(&mut self, what: &str, why: &str) {
        self.skipped.add(what, why);
    }

    /// Everything that was found.
    pub(super) fn finish(mut self) -> Screened {
        if self.has_more {
            self.skip("the command", &format!("names more than {MOST_TARGETS} packages"));
        }
        Screened { targets: self.targets, skipped: self.skipped.finish() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::Ecosystem;

    #[test]
    fn a_target_is_kept_once_in_the_spelling_that_came_first() {
        let mut collector = Collector::default();
        for (name, version) in
            [("B", None), ("a_b", Some("1")), ("A-B", Some("1")), ("a-b", None), ("b", None)]
        {
            collector.target(Package::new(Ecosystem::PyPi, name, version));
        }
        let names: Vec<_> =
            collector.finish().targets.into_iter().map(|target| target.package.to_string()).collect();
        assert_eq!(names, ["B", "a_b-1", "a-b"]);
    }
}
