//! pip's command line, as its option parser reads it: general options, a command that is never abbreviated,
//! then options and requirements in any order. Long options may be abbreviated, short ones clustered.

use std::borrow::Cow;

use scfw_programs::{ManagerId, PIP_INSTALLING};

use crate::manager::{Install, Invocation, PythonRequest, Request};

/// Long options that take a value, in any pip from 20.3 on, before or after the command.
const VALUED: &[&str] = &[
    "abi", "all-releases", "build", "build-constraint", "build-dir", "build-directory", "build-option",
    "cache-dir", "cert", "client-cert", "config-settings", "constraint", "default-timeout", "dest",
    "destination-dir", "destination-directory", "editable", "exists-action", "extra-index-url", "find-links",
    "global-option", "group", "implementation", "index-url", "install-option", "keyring-provider",
    "local-log", "log", "log-file", "no-binary", "only-binary", "only-final", "output", "platform", "prefix",
    "progress-bar", "proxy", "pypi-url", "python", "python-version", "refresh-package", "report",
    "requirement", "requirements-from-script", "resume-retries", "retries", "root", "root-user-action",
    "source", "source-dir", "source-directory", "src", "target", "timeout", "trusted-host",
    "upgrade-strategy", "uploaded-prior-to", "use-deprecated", "use-feature", "wheel-dir",
];

/// Long options that take none.
const FLAGS: &[&str] = &[
    "break-system-packages", "check-build-dependencies", "compile", "debug", "disable-pip-version-check",
    "dry-run", "force-reinstall", "help", "ignore-installed", "ignore-requires-python", "isolated",
    "no-build-isolation", "no-cache-dir", "no-clean", "no-color", "no-compile", "no-dependencies", "no-deps",
    "no-index", "no-input", "no-proxy-env", "no-python-version-warning", "no-require-hashes",
    "no-use-pep517", "no-user", "no-verify", "no-warn-conflicts", "no-warn-script-location",
    "only-dependencies", "only-deps", "pre", "prefer-binary", "quiet", "require-hashes", "require-venv",
    "require-virtualenv", "upgrade", "use-pep517", "user", "verbose", "version",
];

/// Short options that take a value: `-r file`, `-rfile`.
const SHORT_VALUED: &str = "bcdefiortwC";

/// Short options that take none.
const SHORT_FLAGS: &str = "hqvIUV";

/// One piece of the command line.
enum Piece<'a> {
    Option {
        name: &'a str,
        value: Option<&'a str>,
    },
    /// An option that no known pip has; whether the next argument is its value cannot be told.
    Unknown,
    Positional(&'a str),
}

pub(super) fn classify(arguments: &[Cow<'_, str>]) -> Invocation {
    let mut reader = Reader { arguments, index: 0, cluster: "", positional_only: false };
    let mut in_doubt = false;
    let command = loop {
        match reader.next() {
            None => return Invocation::Passthrough,
            Some(Piece::Positional(command)) => break command,
            Some(Piece::Option { name: "help" | "version", .. }) if !in_doubt => {
                return Invocation::Passthrough;
            }
            Some(Piece::Option { .. }) => {}
            Some(Piece::Unknown) => in_doubt = true,
        }
    };
    if in_doubt {
        let installs = arguments.iter().any(|argument| PIP_INSTALLING.contains(&argument.as_ref()));
        return if installs { install(Request::Unknown) } else { Invocation::Passthrough };
    }
    if !PIP_INSTALLING.contains(&command) {
        return Invocation::Passthrough;
    }
    let mut request = PythonRequest::default();
    let mut named = Vec::new();
    for piece in reader {
        match piece {
            Piece::Option { name: "help", .. } if !in_doubt => return Invocation::Passthrough,
            Piece::Option { name: "requirement", value: Some(file) } => {
                request.requirement_files.push(file.to_owned());
            }
            Piece::Option { name: "constraint", value: Some(file) } => {
                request.constraint_files.push(file.to_owned());
            }
            Piece::Option { .. } => {}
            Piece::Positional(requirement) => named.push(requirement.to_owned()),
            Piece::Unknown => in_doubt = true,
        }
    }
    // Once an option is unknown, the word behind it may be its value and not a requirement.
    if !in_doubt {
        request.requirements = named;
    }
    install(Request::Python(request))
}

fn install(request: Request) -> Invocation {
    Install::new(ManagerId::Pip, request).into()
}

/// Reads arguments as Python's `optparse` does.
struct Reader<'a> {
    arguments: &'a [Cow<'a, str>],
    index: usize,
    /// The rest of a cluster of short options.
    cluster: &'a str,
    positional_only: bool,
}

impl<'a> Reader<'a> {
    fn argument(&mut self) -> Option<&'a str> {
        let argument = self.arguments.get(self.index)?;
        self.index += 1;
        Some(argument)
    }

    fn long(&mut self, option: &'a str) -> Piece<'a> {
        let (written, attached) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        };
        let Some((name, takes_value)) = resolve_long(written) else { return Piece::Unknown };
        let value = if takes_value { attached.or_else(|| self.argument()) } else { None };
        Piece::Option { name, value }
    }

    fn short(&mut self) -> Piece<'a> {
        let mut characters = self.cluster.chars();
        let flag = characters.next().unwrap_or('-');
        let rest = characters.as_str();
        self.cluster = "";
        let name = match flag {
            'r' => "requirement",
            'c' => "constraint",
            'h' => "help",
            'V' => "version",
            _ => "",
        };
        if SHORT_VALUED.contains(flag) {
            let value = if rest.is_empty() { self.argument() } else { Some(rest) };
            Piece::Option { name, value }
        } else if SHORT_FLAGS.contains(flag) {
            self.cluster = rest;
            Piece::Option { name, value: None }
        } else {
            Piece::Unknown
        }
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if !self.cluster.is_empty() {
            return Some(self.short());
        }
        let argument = self.argument()?;
        if self.positional_only {
            return Some(Piece::Positional(argument));
        }
        if argument == "--" {
            self.positional_only = true;
            return self.next();
        }
        if let Some(option) = argument.strip_prefix("--") {
            return Some(self.long(option));
        }
        match argument.strip_prefix('-') {
            Some(cluster) if !cluster.is_empty() => {
                self.cluster = cluster;
                Some(self.short())
            }
            _ => Some(Piece::Positional(argument)),
        }
    }
}

/// The full name of a long option, written out or abbreviated, and whether it takes a value. An abbreviation that
/// could mean several is none if they disagree about the value.
fn resolve_long(written: &str) -> Option<(&'static str, bool)> {
    let exact = |names: &[&'static str]| names.iter().copied().find(|name| *name == written);
    if let Some(name) = exact(VALUED) {
        return Some((name, true));
    }
    if let Some(name) = exact(FLAGS) {
        return Some((name, false));
    }
    let mut candidates = VALUED
        .iter()
        .map(|name| (*name, true))
        .chain(FLAGS.iter().map(|name| (*name, false)))
        .filter(|(name, _)| name.starts_with(written));
    let first = candidates.next()?;
    candidates.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classified(line: &str) -> Invocation {
        let arguments: Vec<_> = line.split_whitespace().map(Cow::from).collect();
        classify(&arguments)
    }

    fn request(line: &str) -> PythonRequest {
        match classified(line) {
            Invocation::Install(install) => match install.request {
                Request::Python(request) => request,
                Request::Node(_) | Request::Unknown => PythonRequest::default(),
            },
            Invocation::Passthrough => panic!("{line} is an install"),
        }
    }

    #[test]
    fn installing_commands_are_installs_wherever_their_options_stand() {
        for line in [
            "install foo",
            "--quiet install foo",
            "--cache-dir /x install foo",
            "--cache-dir=/x -qq --log install install foo",
            "--isolated --proxy help install foo",
            "download foo",
            "wheel -w out foo",
            "lock -r x",
            "install --dry-run foo",
            "install --target -h foo",
            "install -t --help foo",
            "install -- --help",
            "--never-heard-of value install foo",
            "--never-heard-of --version install foo",
        ] {
            assert!(matches!(classified(line), Invocation::Install(_)), "{line}");
        }
    }

    #[test]
    fn everything_else_is_handed_over() {
        for line in [
            "", "--version", "-V", "list", "freeze", "uninstall foo", "show install", "help install",
            "--help", "install --help", "install foo -h", "--vers install foo", "config set install x",
            "instal foo",
        ] {
            assert_eq!(classified(line), Invocation::Passthrough, "{line}");
        }
    }

    #[test]
    fn requirements_and_files_are_told_from_options() {
        let request = request(
            "install -U foo==1 -r a.txt --requirement=b.txt -qrc.txt -c con.txt --constr con2.txt --target out \
             --index-url https://x/ -e . -- bar -baz",
        );
        assert_eq!(request.requirements, ["foo==1", "bar", "-baz"]);
        assert_eq!(request.requirement_files, ["a.txt", "b.txt", "c.txt"]);
        assert_eq!(request.constraint_files, ["con.txt", "con2.txt"]);
    }

    #[test]
    fn an_unknown_option_makes_names_uncertain_but_files_stay() {
        let request = request("install --brand-new foo -r a.txt");
        assert!(request.requirements.is_empty());
        assert_eq!(request.requirement_files, ["a.txt"]);
    }
}
