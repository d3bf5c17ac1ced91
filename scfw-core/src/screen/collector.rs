//! Gathers what a screen finds: each target once, and a bounded list of what could not be read.

use std::collections::HashSet;

use crate::package::{Package, Target};

use super::{Screened, Unread};

/// This many [`Unread`]s are listed; a hostile file could bring millions.
const UNREAD_LISTED: usize = 10;

/// Longer texts are shortened to this many characters before they are kept.
const TEXT_LENGTH: usize = 200;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Collector {
    targets: Vec<Target>,
    seen: HashSet<Package>,
    unread: Vec<Unread>,
    unlisted: usize,
}

impl Collector {
    /// Adds a package from a registry, unless it is there already under any spelling of its name.
    pub(super) fn target(&mut self, package: Package) {
        let key = Package { name: package.key(), ..package.clone() };
        if self.seen.insert(key) {
            self.targets.push(Target::registry(package));
        }
    }

    /// Notes that something could not be read.
    pub(super) fn unread(&mut self, what: &str, why: &str) {
        if self.unread.len() < UNREAD_LISTED {
            self.unread.push(Unread { what: shorten(what), why: shorten(why) });
        } else {
            self.unlisted += 1;
        }
    }

    /// Everything that was found.
    pub(super) fn finish(mut self) -> Screened {
        if self.unlisted > 0 {
            let why = format!("and {} more that could not be read", self.unlisted);
            self.unread.push(Unread { what: "…".to_owned(), why });
        }
        Screened { targets: self.targets, unread: self.unread }
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(TEXT_LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
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

    #[test]
    fn unread_texts_are_shortened_and_counted() {
        let mut collector = Collector::default();
        for _ in 0..25 {
            collector.unread(&"é".repeat(1_000_000), "because");
        }
        let unread = collector.finish().unread;
        assert_eq!(unread.len(), 11);
        assert_eq!(unread[0].what.chars().count(), 201);
        assert_eq!(unread[10].why, "and 15 more that could not be read");
    }
}
