//! npm's command line, as its option parser (nopt) and its command table read it. npm resolves abbreviations,
//! camel case and aliases itself, and its tables differ between versions: the union of those of npm 7 to 12
//! stands here, and a word that any of them could take for an installing command is one.

use std::borrow::Cow;

use super::tables::{FLAGS, INSTALLING, SHORTHANDS, VALUED};

use crate::format::npm_spec;
use crate::manager::{Install, Invocation, NodeRequest, Refusal, Request};
use scfw_programs::{ManagerId, NPM_HARMLESS};

/// npm is told that it is no dry run.
const NO_DRY_RUN: Refusal = Refusal("--no-dry-run would make an installation of this dry run; leave it out");
/// npm is told of workspaces in a way that overrules the switch that keeps it harmless without its gate.
const WORKSPACES: Refusal = Refusal(
    "--workspaces together with --workspace, with --include-workspace-root or with what is to be fetched would switch off \
     what keeps npm harmless without scfw's gate; name the workspaces one by one, each with --workspace",
);

/// The effect that a command can have on `node_modules`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    /// `install`, `install-test`.
    Install,
    /// `ci`, `install-ci-test`.
    CleanInstall,
    /// `exec`, which runs the packages that it installs.
    Execute,
    /// Changes the installed packages, and honours `--dry-run`.
    Change,
    /// Builds, links or fetches, and does not honour `--dry-run`.
    Build,
    /// Fetches, and prepares a git dependency, when something is named: `pack`, `publish`, `edit`, `init`.
    FetchIfNamed,
    /// Changes the project when something is named: `version`.
    ChangeIfNamed,
    /// `cache add`, unlike `cache ls`.
    Subcommand(&'static str),
    /// Looks up the named packages, and fetches and prepares a repository among them: `view`, `docs`, `owner`.
    LookUp,
    /// Looks up the packages that lockfiles name, which can be a repository under any name: `audit`, `outdated`,
    /// `query`, `find-dupes`.
    Inspect,
    /// Installs nothing.
    Harmless,
}

/// The command line as nopt reads it.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of npm's, independent of the others")]
struct Parsed<'a> {
    positional: Vec<&'a str>,
    packages: Vec<String>,
    calls: bool,
    usage: bool,
    version: bool,
    versions: bool,
    global: bool,
    /// Whether workspaces are selected or left out.
    workspaces: bool,
    /// `--workspace`: one is named.
    names_workspace: bool,
    /// `--workspaces`: all of them.
    all_workspaces: bool,
    /// `--include-workspace-root`.
    include_root: bool,
    lock_ignored: bool,
    /// `--no`: npx fetches nothing, and so runs a program that is there or none.
    never_fetches: bool,
    dry_run: Option<bool>,
    prefix: Option<String>,
    /// Whether some npm may part options and words otherwise than here: an option that none of the table knows, or a
    /// value in a place where nopt's reading depends on the option's exact type.
    in_doubt: bool,
}

pub(super) fn classify(arguments: &[Cow<'_, str>]) -> Invocation {
    let parsed = Parsed::from_arguments(arguments);
    if parsed.in_doubt {
        // The text behind a `=` can turn out to be a word of its own.
        let words = arguments
            .iter()
            .flat_map(|word| [Some(word.as_ref()), word.split_once('=').map(|(_, value)| value)]);
        let installs = words.flatten().any(|word| !matches!(resolve(word), Command::Harmless));
        return if installs { parsed.install(Request::Unknown) } else { Invocation::Passthrough };
    }
    if parsed.version || parsed.usage || parsed.versions {
        return Invocation::Passthrough;
    }
    let Some((typed, rest)) = parsed.positional.split_first() else { return Invocation::Passthrough };
    parsed.classify_command(resolve(typed), rest)
}

/// npx exists to run packages that it fetches, so it installs unless it is asked for nothing, or at once for help.
pub(super) fn classify_npx(arguments: &[Cow<'_, str>]) -> Invocation {
    match arguments.first().map(AsRef::as_ref) {
        None | Some("-v" | "--version" | "-h" | "--help" | "-?") => Invocation::Passthrough,
        Some(_) => match classify(&exec_words(arguments)) {
            Invocation::Passthrough => Parsed::default().install(Request::Unknown),
            install @ Invocation::Install(_) => install,
        },
    }
}

/// The command line that npx makes of its own: `exec`, its options, `--`, and everything from the first positional
/// argument on as it is. Among its options `-p` names a package.
fn exec_words<'a>(arguments: &'a [Cow<'a, str>]) -> Vec<Cow<'a, str>> {
    let mut words: Vec<Cow<'a, str>> = vec!["exec".into()];
    let mut index = 0;
    while let Some(argument) =
        arguments.get(index).filter(|argument| argument.starts_with('-') && *argument != "--")
    {
        let option = argument.trim_start_matches('-');
        let (name, value) =
            option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
        words.push(match (name, value) {
            ("p", Some(value)) => format!("--package={value}").into(),
            ("p", None) => "--package".into(),
            ("no-install", _) => "--yes=false".into(),
            _ => Cow::Borrowed(argument),
        });
        index += 1;
        let takes_next = value.is_none()
            && match option_of(name) {
                Some(option) => option.valued || name == "p",
                None => arguments.get(index).is_some_and(|next| !next.starts_with('-')),
            };
        if takes_next {
            words.extend(arguments.get(index).map(|value| Cow::Borrowed(value.as_ref())));
            index += 1;
        }
    }
    let rest = arguments.get(index..).unwrap_or_default();
    words.push("--".into());
    words.extend(rest.iter().skip_while(|word| *word == "--").map(|word| Cow::Borrowed(word.as_ref())));
    words
}

impl<'a> Parsed<'a> {
    /// Reads the command line as nopt does: `--no-` negates, `true` and `false` may follow a flag, a value may be
    /// attached with `=`, options may be abbreviated, and the last one given wins.
    fn from_arguments(arguments: &'a [Cow<'a, str>]) -> Self {
        let mut parsed = Self::default();
        let mut words = arguments.iter().map(AsRef::as_ref).peekable();
        while let Some(word) = words.next() {
            if word.len() >= 2 && word.chars().all(|character| character == '-') {
                parsed.positional.extend(words);
                break;
            }
            let Some(written) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
                parsed.positional.push(word);
                continue;
            };
            let (name, attached) =
                written.split_once('=').map_or((written, None), |(name, value)| (name, Some(value)));
            let name = name.trim_start_matches('-');
            let next = words.peek().copied();
            if let Some(cluster) = short_cluster(name) {
                // A letter with a value takes the next word, and an option that begins like this may come first.
                parsed.in_doubt |= cluster.iter().any(|option| option.valued)
                    || option_of(name).is_some()
                    || attached.is_some()
                    || next.is_some_and(may_belong_to_a_flag);
                for option in cluster {
                    parsed.set(option, Some(true), None);
                }
                continue;
            }
            let Some(option) = option_of(name) else {
                parsed.in_doubt = true;
                continue;
            };
            if option.valued {
                // An option of several types may take another option for its value; one of a single type does not.
                parsed.in_doubt |= attached.or(next).is_some_and(|value| value.starts_with('-'));
                let value = attached.or_else(|| words.next_if(|next| !looks_like_option(next)));
                parsed.set(option, None, value);
                continue;
            }
            let literal = |value: &str| match value {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            };
            // A word that is no truth value may be left over as a word, or be taken by an option of several types.
            parsed.in_doubt |= attached.is_some_and(|value| literal(value).is_none())
                || next.is_some_and(|next| matches!(next, "null" | "always"))
                || (matches!(option.name, "browser" | "ci") || VALUED.contains(&option.name)) && next.is_some()
                // `-s` and its like stand for an option with its value: nothing behind them is theirs.
                || option.name == "timing" && (attached.is_some() || next.is_some_and(may_belong_to_a_flag));
            let stated = match attached {
                Some(value) => literal(value).unwrap_or(true),
                None => words.next_if(|next| literal(next).is_some()).and_then(literal).unwrap_or(true),
            };
            parsed.set(option, Some(stated), None);
        }
        parsed
    }

    fn set(&mut self, option: NpmOption, stated: Option<bool>, value: Option<&str>) {
        let on = stated.map(|stated| stated != option.negated);
        match (option.name, on) {
            ("usage", Some(on)) => self.usage = on,
            ("version", Some(on)) => self.version = on,
            ("versions", Some(on)) => self.versions = on,
            ("global", Some(on)) => self.global = on,
            ("package-lock" | "shrinkwrap", Some(on)) => self.lock_ignored = !on,
            ("yes", Some(on)) => self.never_fetches = !on,
            ("dry-run", Some(on)) => self.dry_run = Some(on),
            ("workspace", _) => {
                self.workspaces = true;
                self.names_workspace = true;
            }
            ("workspaces", on) => {
                self.workspaces = true;
                self.all_workspaces = on == Some(true);
            }
            ("include-workspace-root", Some(on)) => self.include_root = on,
            ("location", _) => self.global = value == Some("global"),
            ("prefix", _) => self.prefix = value.map(str::to_owned),
            ("call", _) => self.calls = true,
            ("package", _) => self.packages.extend(value.map(str::to_owned)),
            _ => {}
        }
    }

    fn classify_command(&self, command: Command, rest: &[&str]) -> Invocation {
        let installs = match command {
            Command::Install
            | Command::CleanInstall
            | Command::Change
            | Command::Build
            | Command::Inspect => true,
            // A package of a registry is only read about.
            Command::LookUp => rest.iter().any(|spec| npm_spec::argument(spec).is_none()),
            Command::Execute => !rest.is_empty() || !self.packages.is_empty() || self.calls,
            Command::ChangeIfNamed | Command::FetchIfNamed => !rest.is_empty() || self.workspaces,
            Command::Subcommand(word) => rest.contains(&word),
            Command::Harmless => false,
        };
        if !installs {
            return Invocation::Passthrough;
        }
        let owned = |specs: &[&str]| specs.iter().map(|spec| (*spec).to_owned()).collect::<Vec<_>>();
        let base = NodeRequest {
            global: self.global,
            prefix: self.prefix.clone(),
            partial: self.workspaces,
            lock_ignored: self.lock_ignored,
            ..NodeRequest::default()
        };
        let request = match command {
            // No package is certain to be installed, and a repository is prepared all the same.
            _ if self.dry_run == Some(true) => Request::Unknown,
            Command::Install => Request::Node(NodeRequest { specs: owned(rest), ..base }),
            Command::CleanInstall => Request::Node(NodeRequest { clean: true, ..base }),
            Command::Execute => {
                let named = if self.packages.is_empty() && !self.calls {
                    owned(rest.get(..1).unwrap_or_default())
                } else {
                    self.packages.clone()
                };
                // A workspace may bring the command itself.
                if named.is_empty() || self.never_fetches || self.workspaces {
                    Request::Unknown
                } else {
                    Request::Node(NodeRequest { specs: named, executes: true, ..base })
                }
            }
            _ => Request::Unknown,
        };
        // npm then takes back that workspaces are not wanted, which is one half of the switch.
        let overrules = self.names_workspace
            || command == Command::Execute && self.include_root
            || matches!(command, Command::FetchIfNamed | Command::LookUp) && !rest.is_empty();
        let overrules = self.all_workspaces && overrules;
        Install { refusal: overrules.then_some(WORKSPACES), ..self.install_of(request) }.into()
    }

    fn install(&self, request: Request) -> Invocation {
        self.install_of(request).into()
    }

    fn install_of(&self, request: Request) -> Install {
        let dry_run_refusal = (self.dry_run == Some(false)).then_some(NO_DRY_RUN);
        Install { dry_run_refusal, ..Install::new(ManagerId::Npm, request) }
    }
}

/// An option as it was written, resolved.
#[derive(Debug, Clone, Copy)]
struct NpmOption {
    name: &'static str,
    valued: bool,
    negated: bool,
}

/// The option of that spelling, without its dashes: a shorthand, a full name, an abbreviation, each possibly
/// behind one or more `no-`.
fn option_of(written: &str) -> Option<NpmOption> {
    if let Some((_, long)) = SHORTHANDS.iter().find(|(short, _)| *short == written) {
        return long_option(long);
    }
    long_option(written).or_else(|| {
        let mut candidates =
            SHORTHANDS.iter().filter(|(short, _)| short.len() > 1 && short.starts_with(written));
        candidates.next().and_then(|(_, long)| long_option(long))
    })
}

fn long_option(written: &str) -> Option<NpmOption> {
    let mut bare = written;
    let mut negated = false;
    while let Some(rest) =
        bare.get(..3).filter(|prefix| prefix.eq_ignore_ascii_case("no-")).and(bare.get(3..))
    {
        bare = rest;
        negated = !negated;
    }
    let all = || {
        let flags = FLAGS.iter().map(|name| (*name, false));
        flags.chain(VALUED.iter().map(|name| (*name, true)))
    };
    let resolved = all().find(|(name, _)| *name == bare).or_else(|| {
        let mut candidates = all().filter(|(name, _)| !bare.is_empty() && name.starts_with(bare));
        let first = candidates.next()?;
        candidates.next().is_none().then_some(first)
    });
    // nopt takes anything behind `no-` for a flag.
    let behind_no = bare.len() != written.len();
    resolved.map(|(name, valued)| NpmOption { name, valued: valued && !behind_no, negated })
}

/// Single-letter shorthands glommed together: `-gD`.
fn short_cluster(name: &str) -> Option<Vec<NpmOption>> {
    let is_exact =
        SHORTHANDS.iter().any(|(short, _)| *short == name) || FLAGS.contains(&name) || VALUED.contains(&name);
    if name.chars().count() < 2 || is_exact {
        return None;
    }
    name.chars()
        .map(|letter| {
            let (_, long) = SHORTHANDS.iter().find(|(short, _)| short.chars().eq([letter]))?;
            long_option(long)
        })
        .collect()
}

/// Whether nopt may take `word` for the value of a flag before it.
fn may_belong_to_a_flag(word: &str) -> bool {
    matches!(word, "true" | "false" | "null" | "always")
}

fn looks_like_option(word: &str) -> bool {
    word.len() > 1 && word.starts_with('-')
}

/// The command that npm takes `typed` for. A word that it knows is that command; any other could be an
/// abbreviation, and is an installing command as soon as one begins like it.
fn resolve(typed: &str) -> Command {
    let mut word = String::with_capacity(typed.len() + 4);
    for character in typed.chars() {
        if character.is_ascii_uppercase() {
            word.push('-');
        }
        word.push(character.to_ascii_lowercase());
    }
    if word.is_empty() || NPM_HARMLESS.contains(&word.as_str()) {
        return Command::Harmless;
    }
    if let Some((_, command)) = INSTALLING.iter().find(|(name, _)| *name == word) {
        return *command;
    }
    let mut candidates =
        INSTALLING.iter().filter(|(name, _)| name.starts_with(&word)).map(|(_, command)| *command);
    let Some(first) = candidates.next() else { return Command::Harmless };
    // The meaning of an ambiguous word differs between versions, but all of its meanings install.
    if candidates.all(|command| command == first) { first } else { Command::Change }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
