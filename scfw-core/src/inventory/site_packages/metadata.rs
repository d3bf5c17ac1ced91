//! Core metadata (PEP 314 to PEP 639): the headers of `METADATA` and `PKG-INFO`, as far as an inventory needs them.

use crate::ecosystem::pypi::split_name;
use crate::inventory::Licence;

/// Longest licence that is taken for a name and not for a text, in bytes.
const LONGEST_LICENCE: usize = 100;
/// Requirements kept of one package.
const MOST_REQUIRED: usize = 10_000;

/// The content of the headers. If a header stands there several times the first counts, as it does for pip.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) licence: Option<Licence>,
    /// The names of its requirements without an extra.
    pub(super) requires: Vec<String>,
}

impl Metadata {
    /// Reads headers; the text behind the first empty line is none of them.
    pub(super) fn parse(text: &str) -> Self {
        let mut metadata = Self::default();
        for line in text.lines().take_while(|line| !line.is_empty()) {
            // A line that begins with white space goes on with the header before, and no header here needs that.
            let Some((header, value)) = line.split_once(':').filter(|_| !line.starts_with([' ', '\t']))
            else {
                continue;
            };
            let value = value.trim();
            let is = |name: &str| header.eq_ignore_ascii_case(name);
            if is("Name") {
                metadata.name.get_or_insert_with(|| value.to_owned());
            } else if is("Version") {
                metadata.version.get_or_insert_with(|| value.to_owned());
            } else if is("License-Expression") && is_licence(value) {
                metadata.licence = Some(Licence::Expression(value.to_owned()));
            } else if is("License") && is_licence(value) {
                metadata.licence.get_or_insert_with(|| Licence::Name(value.to_owned()));
            } else if is("Requires-Dist") && metadata.requires.len() < MOST_REQUIRED {
                metadata.requires.extend(required(value));
            }
        }
        metadata
    }
}

fn is_licence(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_LICENCE && !text.eq_ignore_ascii_case("unknown")
}

/// The name that a requirement begins with, unless it counts for an extra only.
fn required(requirement: &str) -> Option<String> {
    let (requirement, marker) = requirement.split_once(';').unwrap_or((requirement, ""));
    let is_extra = marker
        .split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .any(|word| word == "extra");
    split_name(requirement.trim()).filter(|_| !is_extra).map(|(name, _)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers_end_at_the_first_empty_line() {
        let metadata = Metadata::parse(
            "Metadata-Version: 2.4\r\nname: Foo\r\nVersion: 1.0\r\nName: Other\nSummary: x\n Version: 9\n\
             License: MIT\nLicense-Expression: MIT OR Apache-2.0\nRequires-Dist: bar>=1; python_version > '3'\n\
             Requires-Dist: baz[x] (>=1)\nRequires-Dist: quux; extra == 'x'\nRequires-Dist: @\n\nName: Body\n",
        );
        assert_eq!((metadata.name.as_deref(), metadata.version.as_deref()), (Some("Foo"), Some("1.0")));
        assert_eq!(metadata.requires, ["bar", "baz"]);
        assert_eq!(metadata.licence, Some(Licence::Expression("MIT OR Apache-2.0".to_owned())));
        assert_eq!(Metadata::parse("\nName: x"), Metadata::default());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(Name|Version|Requires-Dist|License|x)?:?.{0,40}\n?.{0,40}") {
            drop(Metadata::parse(&text));
        }
    }
}
