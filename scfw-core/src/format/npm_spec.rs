//! Package specs as npm writes them on a command line, in package.json and in old lockfiles (npm-package-arg's
//! grammar): which package of a registry one stands for, if any.

use crate::ecosystem::npm::{exact, is_name};

/// A package of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spec<'a> {
    /// Its real name, not the one under which an alias installs it.
    pub(crate) name: &'a str,
    /// The version, if the spec is one and not a range or a tag.
    pub(crate) version: Option<&'a str>,
}

/// Reads a spec as it stands on a command line: `name`, `name@range`, `alias@npm:name@range`, `npm:name@range`. None
/// for a spec that is not of a registry, or that is none at all.
pub(crate) fn argument(text: &str) -> Option<Spec<'_>> {
    if let Some(target) = alias_target(text) {
        return plain(target);
    }
    match split(text) {
        (name, Some(range)) => named(name, range),
        (name, None) => named(name, "*"),
    }
}

/// Reads a dependency: the name and the range that stand in a package.json.
pub(crate) fn named<'a>(name: &'a str, range: &'a str) -> Option<Spec<'a>> {
    if !is_name(name) || is_archive(name) {
        return None;
    }
    match alias_target(range) {
        Some(target) => plain(target),
        None if is_elsewhere(range) => None,
        None => Some(Spec { name, version: exact(range) }),
    }
}

/// A spec of name and range, in a place that allows neither another alias nor another source.
fn plain(text: &str) -> Option<Spec<'_>> {
    let (name, range) = split(text);
    let range = range.unwrap_or("*");
    if alias_target(range).is_some() { None } else { named(name, range) }
}

/// Splits at the `@` that is not a scope's.
fn split(text: &str) -> (&str, Option<&str>) {
    let start = text.chars().next().map_or(0, char::len_utf8);
    match text[start..].split_once('@') {
        Some((name, range)) => (&text[..start + name.len()], Some(range)),
        None => (text, None),
    }
}

/// The text behind `npm:`.
fn alias_target(text: &str) -> Option<&str> {
    let (scheme, target) = text.split_once(':')?;
    scheme.eq_ignore_ascii_case("npm").then_some(target)
}

/// Whether a range is a path, an archive, a URL or a repository. No range or tag of a registry has a slash or a colon.
fn is_elsewhere(range: &str) -> bool {
    range.starts_with('.') || range.contains(['/', ':']) || is_archive(range)
}

fn is_archive(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    [".tgz", ".tar.gz", ".tar"].iter().any(|ending| lower.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_specs() {
        for (text, name, version) in [
            ("foo", "foo", None),
            ("foo@", "foo", None),
            ("foo@1.2.3", "foo", Some("1.2.3")),
            ("foo@=1.2.3", "foo", Some("1.2.3")),
            ("foo@v1.2.3", "foo", Some("1.2.3")),
            ("foo@=v1.2.3-rc.1+build.5", "foo", Some("1.2.3-rc.1")),
            ("foo@^1", "foo", None),
            ("foo@1.2", "foo", None),
            ("foo@1.2.x", "foo", None),
            ("foo@>=1.2.3 <2", "foo", None),
            ("foo@1.2.3 || 2.0.0", "foo", None),
            ("foo@01.2.3", "foo", None),
            ("foo@1.2.3é", "foo", None),
            ("foo@latest", "foo", None),
            ("@s/foo", "@s/foo", None),
            ("@s/foo@1", "@s/foo", None),
            ("@s/foo@1.0.0", "@s/foo", Some("1.0.0")),
            ("alias@npm:real@1.0.0", "real", Some("1.0.0")),
            ("alias@npm:@s/real", "@s/real", None),
            ("@s/alias@NPM:real@^1", "real", None),
            ("npm:real@1.0.0", "real", Some("1.0.0")),
            ("npm:@s/real@1", "@s/real", None),
            ("JSONStream", "JSONStream", None),
        ] {
            assert_eq!(argument(text), Some(Spec { name, version }), "{text}");
        }
    }

    #[test]
    fn other_specs() {
        let long = "a".repeat(1_000_000);
        for text in [
            "", "@", "@s", "@s/", "@/foo", "@latest", ".", "..", "./x", "../x", "/x", "~/x", "x.tgz",
            "x.tar.gz", "x.TAR", "x.tgz@1.0.0", "foo@x.tgz", "foo@./x", "foo@../x", "foo@~/x", "foo@file:x",
            "file:x", "link:x", "workspace:*", "foo@workspace:*", "u/r", "u/r#x", "foo@u/r", "github:u/r",
            "foo@gist:0", "git@host.example:u/r.git", "git+ssh://git@host.example/u/r",
            "git://host.example/u/r", "https://host.example/x.tgz", "foo@https://host.example/x",
            "foo@npm:bar@npm:baz", "npm:npm:foo", "npm:", "npm:./x", "foo@npm:bar@u/r", "-g", "_foo",
            "foo bar", "foo\u{1b}[0m", "f\u{f6}o", "node_modules", &long,
        ] {
            assert_eq!(argument(text), None, "{}", &text[..text.len().min(40)]);
        }
    }
}
