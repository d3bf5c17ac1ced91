//! Which program a file is, by its name.

use crate::names::{NAMES, NODE_FOLDERS, NODE_SCRIPTS, Name, PYTHON_MODULES, Runs, Suffix};

/// Suffixes of the scripts that Node runs. It finds them without their suffix too.
const NODE_SUFFIXES: [&str; 3] = [".js", ".cjs", ".mjs"];

/// The program behind the path of a file: by its own name, as a script of Node's, or as an archive of Python's.
#[must_use]
pub fn program(path: &[u8]) -> Option<&'static Name> {
    let name = base_name(path);
    named(name).or_else(|| script(path, name)).or_else(|| archive(name))
}

/// The program that is called by that file name.
#[must_use]
pub fn named(name: &[u8]) -> Option<&'static Name> {
    NAMES.iter().find(|known| {
        name.strip_prefix(known.stem.as_bytes()).is_some_and(|rest| match known.suffix {
            Suffix::None => rest.is_empty(),
            Suffix::Version => rest.is_empty() || is_version(rest),
        })
    })
}

/// Whether `suffix` is a version as interpreters carry it: `3`, `3.12`, `3.13t`.
fn is_version(suffix: &[u8]) -> bool {
    let digits = suffix.strip_suffix(b"t").unwrap_or(suffix);
    digits.first().is_some_and(u8::is_ascii_digit)
        && digits.last().is_some_and(u8::is_ascii_digit)
        && digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// The program that Node runs by the script at `path`, whose file name is `name`.
fn script(path: &[u8], name: &[u8]) -> Option<&'static Name> {
    let stem = NODE_SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix.as_bytes())).unwrap_or(name);
    let called = if stem == b"index" {
        let folder = base_name(path.get(..path.len().saturating_sub(name.len()))?);
        NODE_FOLDERS.iter().find(|known| known.as_bytes() == folder).copied()
    } else {
        NODE_SCRIPTS.iter().find(|(script, _)| script.as_bytes() == stem).map(|(_, called)| *called)
    }?;
    named(called.as_bytes())
}

/// The manager that is one archive for Python: `pip.pyz`, `pip-26.3.pyz`. `pipx.pyz` is another program than pip.
fn archive(name: &[u8]) -> Option<&'static Name> {
    let stem = name.strip_suffix(b".pyz")?;
    let is_of = |known: &&Name| {
        let rest = stem.strip_prefix(known.stem.as_bytes());
        rest.is_some_and(|rest| !rest.first().is_some_and(u8::is_ascii_alphabetic))
            && matches!(known.runs, Runs::Manager(manager) if PYTHON_MODULES.iter().any(|(_, runs)| *runs == manager))
    };
    NAMES.iter().find(is_of)
}

/// The last component of a path, without slashes at its end.
#[must_use]
pub fn base_name(path: &[u8]) -> &[u8] {
    let mut path = path;
    loop {
        path = match path {
            [rest @ .., b'/'] | [rest @ .., b'/', b'.'] => rest,
            _ => break,
        };
    }
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => path.get(slash + 1..).unwrap_or_default(),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stem(path: &str) -> Option<&'static str> {
        program(path.as_bytes()).map(|name| name.stem)
    }

    #[test]
    fn programs_are_known_by_their_file_names() {
        for (names, expected) in [
            (
                &[
                    "pip", "pip3", "pip3.11", "pip2.7", "pip3.13t", "pip.pyz", "pip-26.3.pyz", "pip3.pyz",
                    "pip_26.pyz",
                ][..],
                Some("pip"),
            ),
            (
                &["python", "python2", "python3", "python3.12", "python3.13t", "/usr/bin/python3"],
                Some("python"),
            ),
            (&["pypy", "pypy3", "pypy3.10"], Some("pypy")),
            (&["npx", "npx-cli", "npx-cli.js"], Some("npx")),
            (
                &["npm", "lib/npm/bin/npm-cli", "lib/npm/index.js", "npm/index", "lib/npm/", "npm/."],
                Some("npm"),
            ),
            (&["node", "nodejs"], Some("node")),
            (
                &[
                    "pipx", "pip-compile", "pip3.", "pip.3", "pipt", "pip3.1.", "pip3tt", "python-config",
                    "python3-config", "npmx", "", "pypi", "pipx.pyz", "pip-26.3.py", "pip-26.3", "xpip.pyz",
                    ".pyz", "index.js", "lib/index.js", "npm/lib/index.js", "npm/cli.js", "/", "node18",
                    "npm3", "npm-cli.", "python.pyz",
                ],
                None,
            ),
        ] {
            for name in names {
                let found = stem(name).map(|stem| if stem == "nodejs" { "node" } else { stem });
                assert_eq!(found, expected, "{name}");
            }
        }
    }
}
