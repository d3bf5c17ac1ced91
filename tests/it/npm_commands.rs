//! npm's command line as scfw reads it, against each npm's own command table and option parser.

use std::borrow::Cow;

use scfw_core::manager::{Invocation, classify};
use scfw_programs::named;
use serde_json::Value;

use crate::support::Sandbox;

/// What asks an npm; see there.
const QUESTIONS: &str = include_str!("npm_commands.cjs");

/// So many command lines are tried on each npm.
const LINES: u32 = 4_000;

/// Commands that install, or prepare a repository, each with arguments that make it do so.
const INSTALLING: [(&str, &[&str]); 23] = [
    ("audit", &[]),
    ("bugs", &["github:a/b"]),
    ("cache", &["add", "foo"]),
    ("ci", &[]),
    ("dedupe", &[]),
    ("docs", &["github:a/b"]),
    ("exec", &["foo"]),
    ("find-dupes", &[]),
    ("fund", &["github:a/b"]),
    ("init", &["foo"]),
    ("install", &[]),
    ("install-ci-test", &[]),
    ("install-test", &[]),
    ("link", &[]),
    ("outdated", &[]),
    ("owner", &["ls", "github:a/b"]),
    ("prune", &[]),
    ("query", &["*"]),
    ("rebuild", &[]),
    ("repo", &["github:a/b"]),
    ("uninstall", &[]),
    ("update", &[]),
    ("view", &["github:a/b"]),
];

/// Commands that fetch or build under some circumstances: scfw may take them either way.
const EITHER: [&str; 10] = [
    "approve-scripts", "birthday", "diff", "edit", "install-scripts", "pack", "patch", "publish", "stage",
    "version",
];

/// Commands that fetch a manifest, and never of what a project or a lockfile names: `doctor` asks for npm's own,
/// `unpublish` for a name in a registry.
const REGISTRY_ONLY: [&str; 2] = ["doctor", "unpublish"];

for_each_npm! {
    every_spelling_of_an_installing_command_is_an_install => spellings;
    no_word_of_a_command_that_installs_nothing_is_an_install => harmless;
    no_command_that_is_handed_over_fetches_a_repository => reach;
    no_options_hide_an_installing_command => options;
}

/// What that npm says of all words, and of so many command lines.
fn ask(version: &str, lines: u32) -> Value {
    let sandbox = Sandbox::with_npm(version);
    let script = sandbox.write("questions.cjs", QUESTIONS);
    let path = sandbox.variable("PATH");
    let folder = std::env::split_paths(&path).nth(1).unwrap().join("../npm");
    let answer = sandbox
        .bare("node", &[script.to_str().unwrap(), folder.to_str().unwrap(), &lines.to_string()])
        .ended_with(0)
        .stdout;
    serde_json::from_str(&answer).unwrap()
}

fn is_install<'a>(words: impl IntoIterator<Item = &'a str>) -> bool {
    let words: Vec<Cow<'_, str>> = words.into_iter().map(Cow::from).collect();
    matches!(classify(named(b"npm").unwrap(), &words), Invocation::Install(_))
}

/// The arguments that make `command` install, if any do.
fn arguments(command: &str) -> Option<&'static [&'static str]> {
    INSTALLING.iter().find(|(name, _)| *name == command).map(|(_, arguments)| *arguments)
}

/// Every word that npm knows and what it takes it for.
fn words(answer: &Value) -> impl Iterator<Item = (&str, &str, bool)> {
    answer["words"].as_array().unwrap().iter().filter_map(|word| {
        Some((word["typed"].as_str()?, word["command"].as_str()?, word["full"].as_bool()?))
    })
}

fn spellings(version: &str) {
    let answer = ask(version, 0);
    let installing: Vec<(&str, &[&str])> =
        words(&answer).filter_map(|(typed, command, _)| Some((typed, arguments(command)?))).collect();
    assert!(installing.len() > 80, "npm names many installing words: {}", installing.len());
    let missed: Vec<_> = installing
        .into_iter()
        .filter(|(typed, arguments)| !is_install([*typed].into_iter().chain(arguments.iter().copied())))
        .collect();
    assert!(missed.is_empty(), "npm {version} installs, and scfw looks away: {missed:?}");
}

fn harmless(version: &str) {
    let answer = ask(version, 0);
    let harmless: Vec<(&str, &str)> = words(&answer)
        .filter(|(_, command, full)| *full && arguments(command).is_none() && !EITHER.contains(command))
        .map(|(typed, command, _)| (typed, command))
        .collect();
    assert!(harmless.len() > 50, "npm names many words that install nothing: {}", harmless.len());
    let disturbed: Vec<_> = harmless
        .into_iter()
        .filter(|(typed, _)| is_install([*typed]) || is_install([*typed, "install", "fix", "add"]))
        .collect();
    assert!(disturbed.is_empty(), "npm {version} installs nothing, and scfw steps in: {disturbed:?}");
}

/// What is handed over reaches nothing in npm's own code that fetches or prepares a repository.
fn reach(version: &str) {
    let answer = ask(version, 0);
    let commands = answer["reach"].as_array().unwrap();
    assert!(commands.len() > 50, "npm has many commands: {}", commands.len());
    let fetches = |command: &&Value| !command["fetches"].as_array().unwrap().is_empty();
    let is_handed_over = |command: &&Value| {
        let name = command["command"].as_str().unwrap();
        arguments(name).is_none() && !EITHER.contains(&name) && !REGISTRY_ONLY.contains(&name)
    };
    let missed: Vec<_> = commands.iter().filter(fetches).filter(is_handed_over).collect();
    assert!(missed.is_empty(), "npm {version} may fetch with what is handed over: {missed:?}");
    assert!(commands.iter().filter(fetches).count() > 12, "the fetching ones are seen: {commands:?}");
}

fn options(version: &str) {
    let answer = ask(version, LINES);
    let lines = answer["lines"].as_array().unwrap();
    assert!(lines.len() > 500, "enough lines install: {}", lines.len());
    let missed: Vec<String> = lines
        .iter()
        .filter(|line| {
            !is_install(line["line"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()))
        })
        .map(Value::to_string)
        .collect();
    assert!(
        missed.is_empty(),
        "npm {version} installs with {} of {} lines, and scfw looks away:\n{}",
        missed.len(),
        lines.len(),
        missed.iter().take(20).map(String::as_str).collect::<Vec<_>>().join("\n")
    );
}
