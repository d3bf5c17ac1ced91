//! npm's rules for names and versions, as its `validate-npm-package-name` and `semver` decide. Names have one rule,
//! which old packages follow too. Versions have three, each narrower than the one before: [`is_written_out`], for
//! queries of people, [`is_version`], for comparisons, and [`exact`], for installs.

use nodejs_semver::Version;

/// Longest name that npm lets a new package have, in bytes.
pub(crate) const LONGEST_NAME: usize = 214;

/// Longest name that is taken for one, in bytes: npm installs old packages whose names are longer than new ones may be.
const LONGEST_OLD_NAME: usize = 4 * LONGEST_NAME;

/// Whether a registry can hold a package of this name, by the rules for old packages too.
pub(crate) fn is_name(name: &str) -> bool {
    is_spelled_as_name(name)
        && !name.starts_with(['-', '_'])
        && name.len() <= LONGEST_OLD_NAME
        && !["node_modules", "favicon.ico"].iter().any(|reserved| name.eq_ignore_ascii_case(reserved))
}

/// Whether `name` has the form of a name, with a scope or without. Old names may have upper case and `!'()*~`.
pub(crate) fn is_spelled_as_name(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .chars()
                .all(|character| character.is_ascii_alphanumeric() || "-_.!~*'()".contains(character))
    };
    match name.strip_prefix('@') {
        Some(scoped) => scoped.split_once('/').is_some_and(|(scope, name)| part(scope) && part(name)),
        None => part(name),
    }
}

/// Whether `version` is written out and no range or tag: three numbers, and whatever follows. npm reads fewer numbers
/// as a range. A version that cannot be compared may still be listed somewhere as it is.
pub(crate) fn is_written_out(version: &str) -> bool {
    let numbers: Vec<&str> = version.strip_prefix('v').unwrap_or(version).splitn(3, '.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    numbers.len() == 3
        && numbers[..2].iter().all(is_number)
        && numbers[2].starts_with(|first: char| first.is_ascii_digit())
}

/// The version that `range` is, when it is a full one, without its prefix and build metadata: `=1.2.3` and `v1.2.3`
/// are 1.2.3, as in npm.
pub(crate) fn exact(range: &str) -> Option<&str> {
    let version = range.trim().trim_start_matches(['=', 'v', ' ']);
    // A loose version is spelled otherwise by the parser than it was written.
    let is_strict =
        is_version(version) && Version::parse(version).is_ok_and(|parsed| parsed.to_string() == version);
    is_strict.then(|| version.split('+').next().unwrap_or(version))
}

/// Whether npm accepts `version`: the parser accepts more, and orders that as it likes. As in npm, a hyphen may be
/// missing before the first letter of a pre-release.
pub(crate) fn is_version(version: &str) -> bool {
    /// JavaScript's largest whole number that it can tell from the next.
    const LARGEST: u64 = (1 << 53) - 1;

    let (version, build) =
        version.split_once('+').map_or((version, None), |(version, build)| (version, Some(build)));
    let is_identifier = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_number = |text: &str| text.parse().is_ok_and(|number: u64| number < LARGEST);
    let core_end = version.find(|character: char| !character.is_ascii_digit() && character != '.');
    let (core, rest) = version.split_at(core_end.unwrap_or(version.len()));
    let pre_release = rest.strip_prefix('-').unwrap_or(rest);
    build.is_none_or(|build| build.split('.').all(is_identifier))
        && core.split('.').count() == 3
        && core.split('.').all(is_number)
        && (rest.is_empty()
            || pre_release.split('.').all(|identifier| {
                let is_numeric = identifier.bytes().all(|byte| byte.is_ascii_digit());
                is_identifier(identifier) && (!is_numeric || is_number(identifier))
            }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_exact_version_is_written_as_semver_has_it() {
        for (text, version) in [
            ("1.2.3", "1.2.3"),
            (" =v1.2.3 ", "1.2.3"),
            ("1.2.3-rc.1+build", "1.2.3-rc.1"),
            ("v1.0.0--", "1.0.0--"),
        ] {
            assert_eq!(exact(text), Some(version), "{text}");
        }
        for text in [
            "", "1", "1.2", "1.2.x", "01.2.3", "1.2.3-01", "1.0.0beta", "1.2.3é", "1.2.3 || 2.0.0",
            "9007199254740992.0.0",
        ] {
            assert_eq!(exact(text), None, "{text}");
        }
        assert!(
            is_version("1.0.0beta") && is_version("1.2.3-01"),
            "npm reads these, and does not write them"
        );
    }

    proptest! {
        #[test]
        fn what_is_exact_can_be_compared(text in "[=v]?[0-9]{1,2}[.][0-9x]{1,2}[.][0-9]{1,2}[-+a-z0-9.]{0,8}") {
            if let Some(version) = exact(&text) {
                prop_assert!(is_written_out(version));
                prop_assert!(crate::ecosystem::Version::parse(crate::ecosystem::Ecosystem::Npm, version).is_some());
            }
        }
    }
}
