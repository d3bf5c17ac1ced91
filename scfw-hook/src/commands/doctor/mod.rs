//! `scfw doctor`: what is configured on this machine, tested for real. Each route gets a clean and a malicious package
//! to install, from an index, a registry and feeds that this process serves on the loopback interface.

mod route;
mod world;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args;
use scfw_core::config::{POLICY_NAME, RequiredRoute, Settings};
use scfw_core::manager::{ALL, Manager};
use scfw_core::package::{Ecosystem, Package, Target};
use scfw_core::text::{escape_json, sanitise};
use scfw_core::verify::{verifiers, verify};
use scfw_programs::program;
use serde::Serialize;

use self::route::{Route, Tested};
use self::world::LittleWorld;
use super::exit::fail;
use super::store_age::StoreAge;
use crate::exit::Exit;
use crate::gate::files::{GATES_NAME, Gates};
use crate::process::Process;
use crate::process::locate::locate;
use crate::process::locate::own_program;
use crate::record::run_notes;
use crate::shells::coverage::uncovered;
use crate::shells::names;
use crate::shells::required_routes;
use crate::shells::shell::Shell;
use crate::shells::shield::Shield;
use crate::shells::shims;
use crate::terminal::output::{self, describe};

/// The number of programs of one manager that are tested; more would only take longer.
const MOST_PROGRAMS: usize = 8;

/// How one thing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    /// It works.
    Ok,
    /// It does not work.
    Failed,
    /// It is not set up, so nothing is expected of it.
    Absent,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are the keys of the JSON")]
struct Check {
    /// What kind: `gate`, `gates`, `shell`, `shims`, `preload`, `configuration`, `feeds`, `store`, `runs`, `policy`.
    check: &'static str,
    /// Which of the kind.
    subject: String,
    outcome: Outcome,
    /// What was found, or what to do about it.
    detail: String,
    /// What was seen on the way, for people.
    #[serde(skip)]
    transcript: Vec<String>,
}

impl Check {
    fn new(
        check: &'static str,
        subject: impl Into<String>,
        outcome: Outcome,
        detail: impl Into<String>,
    ) -> Self {
        Self { check, subject: subject.into(), outcome, detail: detail.into(), transcript: Vec::new() }
    }
}

/// Options of `scfw doctor`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Do not ask the feeds whether they answer
    #[arg(long)]
    offline: bool,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(process: &Process, options: &Options) -> Exit {
    if let Ok(shield) = Shield::installed(process)
        && let Err(error) = shield.leave(process)
    {
        return fail(&error, Exit::Failed);
    }
    let place = match tempfile::tempdir() {
        Ok(place) => place,
        Err(error) => return fail(&error, Exit::Failed),
    };
    let settings = process.settings();
    let world = match LittleWorld::start(place.path()) {
        Ok(world) => world,
        Err(error) => return fail(&error, Exit::Failed),
    };
    if settings.as_ref().is_ok_and(|settings| settings.policy.locks_feeds())
        && let Err(error) = world.list_malware()
    {
        return fail(&error, Exit::Failed);
    }
    let mut report = Report { checks: Vec::new(), json: options.json };
    report.add(configuration(&settings));
    if let Ok(settings) = &settings {
        report.add(feeds(settings, options.offline));
        report.add(store(settings));
        report.add(unreported_runs(settings));
        report.add(policy(process, settings));
        report.add(gate_files(process, &world, settings));
    }
    for (manager, program) in programs(process) {
        report.add(gate(process, &world, manager, program));
    }
    report.add(coverage(process, settings.as_ref().ok()));
    if let Ok(settings) = &settings {
        report.add(shim_route(process, &world, settings));
    }
    report.add(preload_route(process, &world));
    for shell in Shell::ALL {
        report.add(shell_route(process, &world, shell));
    }
    report.end()
}

/// Prints each check as soon as it is there, or all of them as JSON in the end.
struct Report {
    checks: Vec<Check>,
    json: bool,
}

impl Report {
    fn add(&mut self, check: Check) {
        if !self.json {
            let mark = match check.outcome {
                Outcome::Ok => "ok    ",
                Outcome::Failed => "FAILED",
                Outcome::Absent => "-     ",
            };
            let mut text = format!("{mark} {} {}: {}\n", check.check, check.subject, check.detail);
            for line in &check.transcript {
                text.extend(["         ", line, "\n"]);
            }
            output::print(&text);
        }
        self.checks.push(check);
    }

    fn end(self) -> Exit {
        let is_ok = self.checks.iter().all(|check| check.outcome != Outcome::Failed);
        let is_any_gated =
            self.checks.iter().any(|check| check.check == "gate" && check.outcome == Outcome::Ok);
        if self.json {
            let json = serde_json::json!({"ok": is_ok && is_any_gated, "checks": self.checks});
            output::print(&format!("{}\n", escape_json(&format!("{json:#}"))));
        } else if is_ok && !is_any_gated {
            output::print(&format!(
                "None of {} was found on PATH, so there is nothing to protect.\n",
                names::managers("and")
            ));
        }
        if is_ok && is_any_gated { Exit::Success } else { Exit::Failed }
    }
}

fn configuration(settings: &Result<Settings, scfw_core::config::ConfigError>) -> Check {
    let complaints = match settings {
        Ok(settings) => match verifiers(settings, None) {
            Ok(_) => settings.complaints().iter().map(|complaint| sanitise(complaint).into_owned()).collect(),
            Err(error) => vec![describe(&error)],
        },
        Err(error) => vec![describe(error)],
    };
    let (outcome, detail) = if complaints.is_empty() {
        (Outcome::Ok, "valid".to_owned())
    } else {
        (Outcome::Failed, complaints.join("; "))
    };
    Check::new("configuration", "config.toml, lists, osv-ignore.txt", outcome, detail)
}

fn feeds(settings: &Settings, offline: bool) -> Check {
    if offline || settings.feeds.offline {
        return Check::new("feeds", "OSV, Datadog", Outcome::Absent, "not asked: offline");
    }
    let Ok(verifiers) = verifiers(settings, None) else {
        return Check::new(
            "feeds",
            "OSV, Datadog",
            Outcome::Absent,
            "not asked: the configuration is not valid",
        );
    };
    // Any names do: whether the feeds answer is the question.
    let targets =
        Ecosystem::ALL.map(|ecosystem| Target::registry(Package::new(ecosystem, "scfw", Some("0.0.0"))));
    let verification = verify(settings, &verifiers, targets.into());
    let silent: Vec<String> =
        verification.general.iter().map(|finding| sanitise(&finding.message).into_owned()).collect();
    if silent.is_empty() {
        let is_stored = StoreAge::of(settings).updated.is_some();
        let detail = if is_stored { "each is in the store or answers" } else { "both answer" };
        Check::new("feeds", "OSV, Datadog", Outcome::Ok, detail)
    } else {
        Check::new("feeds", "OSV, Datadog", Outcome::Failed, silent.join("; "))
    }
}

/// The administrator's rules, and whether they are met.
fn policy(process: &Process, settings: &Settings) -> Check {
    let policy = &settings.policy;
    if policy.file().is_empty() {
        return Check::new("policy", POLICY_NAME, Outcome::Absent, "none");
    }
    let missing = required_routes::missing(process, policy, &settings.directories.data);
    let (outcome, detail) = if missing.is_empty() {
        (Outcome::Ok, "in force".to_owned())
    } else {
        let routes: Vec<&str> = missing.iter().copied().map(RequiredRoute::name).collect();
        let (routes, remedy) = (routes.join(", "), required_routes::remedy(process, &missing));
        (Outcome::Failed, format!("required and not set up: {routes}; run {remedy}"))
    };
    let overruled = settings.overruled.iter().map(|sentence| sanitise(sentence).into_owned());
    Check { transcript: overruled.collect(), ..Check::new("policy", policy.file(), outcome, detail) }
}

fn store(settings: &Settings) -> Check {
    let age = StoreAge::of(settings);
    let outcome = match (&age.error, age.updated) {
        (None, None) => Outcome::Absent,
        (None, Some(_)) if !age.is_too_old => Outcome::Ok,
        _ => Outcome::Failed,
    };
    Check::new("store", scfw_core::store::FILE_NAME, outcome, age.sentence())
}

/// The gates' files, installed or in the user's own data directory, from which all that is tested afterwards takes them.
fn gate_files(process: &Process, world: &LittleWorld, settings: &Settings) -> Check {
    let data = &settings.directories.data;
    let directory = data.join(GATES_NAME);
    let subject = sanitise(&directory.to_string_lossy()).into_owned();
    let Some(hook) = own_program(process) else {
        return Check::new(
            "gates",
            subject,
            Outcome::Failed,
            "scfw-hook is not beside scfw; install scfw again",
        );
    };
    let installed = Gates::installed_directory(&hook);
    let installed = sanitise(&installed.to_string_lossy()).into_owned();
    let Err(unused) = Gates::installed(&hook) else {
        return Check::new("gates", installed, Outcome::Ok, "as scfw has installed them; the tests use them");
    };
    let mut check = match Gates::provide(process, data, &hook)
        .and_then(|_written| world.use_gates(&directory))
    {
        Ok(()) => Check::new("gates", subject, Outcome::Ok, "as scfw has written them; the tests use them"),
        Err(error) => Check::new("gates", subject, Outcome::Failed, format!("cannot be written ({error})")),
    };
    if unused.kind() != std::io::ErrorKind::NotFound {
        check.transcript.push(format!("{installed} is not used: {}", sanitise(&unused.to_string())));
    }
    check
}

fn unreported_runs(settings: &Settings) -> Check {
    let unreported = run_notes::unreported(&settings.directories.data);
    if unreported.is_empty() {
        return Check::new("runs", "earlier installs", Outcome::Ok, "every gate has reported");
    }
    let mut check = Check::new(
        "runs",
        "earlier installs",
        Outcome::Failed,
        format!(
            "{} ended without a word from the gate, so nothing is known of what they did; \"scfw audit\" verifies what \
             is installed",
            unreported.len()
        ),
    );
    for run in unreported {
        check.transcript.push(run.description.clone());
        if let Err(error) = run.forget() {
            check.transcript.push(format!("(its note could not be removed: {error})"));
        }
    }
    check
}

/// The managers on `PATH` that no test below is about.
fn coverage(process: &Process, settings: Option<&Settings>) -> Check {
    let uncovered = uncovered(process, settings);
    let detail = match uncovered.len() {
        0 => "every manager on PATH is covered".to_owned(),
        count => format!("{count} on PATH are not covered"),
    };
    let outcome = if uncovered.is_empty() { Outcome::Ok } else { Outcome::Absent };
    let transcript = uncovered.iter().map(|manager| sanitise(&manager.to_string()).into_owned()).collect();
    Check { transcript, ..Check::new("coverage", "managers", outcome, detail) }
}

/// Whether a program of that file name is `manager` under its own name, with whatever version.
fn is_named(manager: &dyn Manager, name: &OsStr) -> bool {
    program(name.as_bytes()).is_some_and(|known| known.stem == manager.id().name())
}

/// Every manager on `PATH`, each file once, by the name under which it is found first.
fn programs(process: &Process) -> Vec<(&'static dyn Manager, PathBuf)> {
    let path = process.variable("PATH").unwrap_or_default();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for manager in ALL {
        let mut of_manager = Vec::new();
        for directory in std::env::split_paths(&path) {
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let is_first = is_named(manager, &name)
                    && locate(process, &name).is_some_and(|located| located.path == entry.path());
                if is_first && seen.insert(fs::canonicalize(entry.path()).unwrap_or(entry.path())) {
                    of_manager.push((manager, entry.path()));
                }
            }
        }
        // The plain name first: it is the one that is typed.
        of_manager.sort_by_key(|(_, path)| path.file_name().map(OsStr::len));
        of_manager.truncate(MOST_PROGRAMS);
        found.append(&mut of_manager);
    }
    found
}

fn gate(process: &Process, world: &LittleWorld, manager: &dyn Manager, program: PathBuf) -> Check {
    let subject = sanitise(&program.to_string_lossy()).into_owned();
    if !route::starts(process, world, &program) {
        // A version manager's shim for a version that is not in use, mostly.
        return Check::new("gate", subject, Outcome::Absent, "does not start by itself");
    }
    let test = Route::Hook(program).test(process, world, manager);
    match &test.refusal {
        Some(refusal) => Check::new("gate", subject, Outcome::Ok, format!("refused: {refusal}")),
        None => tested("gate", subject, &test),
    }
}

fn shim_route(process: &Process, world: &LittleWorld, settings: &Settings) -> Check {
    let directory = shims::directory(&settings.directories.data);
    let subject = sanitise(&directory.to_string_lossy()).into_owned();
    let managers: Vec<&dyn Manager> =
        ALL.into_iter().filter(|manager| directory.join(manager.id().name()).exists()).collect();
    if managers.is_empty() {
        return Check::new("shims", subject, Outcome::Absent, "not set up (scfw configure --shims)");
    }
    let path = process.variable("PATH").unwrap_or_default();
    if !std::env::split_paths(&path).any(|entry| entry == directory) {
        return Check::new(
            "shims",
            subject,
            Outcome::Failed,
            "not on PATH: open a new shell, or run scfw configure again",
        );
    }
    let of_session = shims::session_directory(&settings.directories.data);
    let behind = managers.iter().find_map(|manager| {
        let mut others = std::env::split_paths(&path).filter(|entry| *entry != of_session);
        let first = others.find(|entry| entry.join(manager.id().name()).is_file())?;
        (first != directory)
            .then(|| format!("{} comes first on PATH", first.join(manager.id().name()).display()))
    });
    if let Some(behind) = behind {
        return Check::new("shims", subject, Outcome::Failed, sanitise(&behind));
    }
    all_tested(
        "shims",
        subject,
        managers.into_iter().map(|manager| Route::Path.test(process, world, manager)),
    )
}

fn preload_route(process: &Process, world: &LittleWorld) -> Check {
    let is_exported = crate::shells::rc_files::exports_preload(process);
    let shield = match Shield::installed(process) {
        Ok(shield) => shield,
        Err(error) => {
            let outcome = if is_exported { Outcome::Failed } else { Outcome::Absent };
            return Check::new("preload", "LD_PRELOAD", outcome, sanitise(&error.to_string()));
        }
    };
    let subject = sanitise(&shield.library.to_string_lossy()).into_owned();
    let present =
        ALL.into_iter().filter(|manager| locate(process, OsStr::new(manager.id().name())).is_some());
    let tests = present.map(|manager| Route::Preload(shield.clone()).test(process, world, manager));
    let mut check = all_tested("preload", subject, tests);
    if !is_exported && check.outcome == Outcome::Ok {
        check.detail.push_str("; under \"scfw shield\" only (scfw configure --preload)");
    }
    check
}

fn shell_route(process: &Process, world: &LittleWorld, shell: Shell) -> Check {
    if locate(process, OsStr::new(shell.name())).is_none() {
        return Check::new("shell", shell.name(), Outcome::Absent, "not installed");
    }
    if !crate::shells::rc_files::is_configured(process, shell) {
        return Check::new("shell", shell.name(), Outcome::Absent, "not set up (scfw configure)");
    }
    let present =
        ALL.into_iter().filter(|manager| locate(process, OsStr::new(manager.id().name())).is_some());
    all_tested(
        "shell",
        shell.name().to_owned(),
        present.map(|manager| Route::Shell(shell).test(process, world, manager)),
    )
}

fn all_tested(check: &'static str, subject: String, tests: impl Iterator<Item = Tested>) -> Check {
    let mut all = Tested::default();
    for test in tests {
        all.failures.extend(test.failures);
        all.transcript.extend(test.transcript);
    }
    tested(check, subject, &all)
}

fn tested(check: &'static str, subject: String, test: &Tested) -> Check {
    let (outcome, detail) = if test.failures.is_empty() {
        (
            Outcome::Ok,
            "a clean package is installed, a malicious one stopped before anything of it runs".to_owned(),
        )
    } else {
        (Outcome::Failed, test.failures.join("; "))
    };
    Check { transcript: test.transcript.clone(), ..Check::new(check, subject, outcome, detail) }
}
