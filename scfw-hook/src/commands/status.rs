//! `scfw status`: which names go through scfw in the shell that asks, and why one does not. Only that shell knows
//! its functions and aliases; its `scfw` function hands them over as `--route NAME=KIND`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::Args;
use scfw_core::config::{RequiredRoute, Settings};
use scfw_core::manager::ManagerId;
use scfw_core::text::{escape_json, sanitise};
use scfw_programs::{PYTHON_MODULES, Runs, program};
use serde::Serialize;

use super::exit::fail;
use super::session::{loading, user_shell};
use super::store_age::StoreAge;
use crate::exit::Exit;
use crate::process::Process;
use crate::process::locate::own_program;
use crate::process::locate::scfw_program;
use crate::process::locate::{Located, locate};
use crate::record::sinks;
use crate::shells::coverage::{Uncovered, uncovered};
use crate::shells::names;
use crate::shells::rc_files;
use crate::shells::required_routes;
use crate::shells::shell::{Shell, stale_scripts};
use crate::shells::shield::{PRELOAD, Shield};
use crate::shells::shims;
use crate::terminal::output;

/// How many aliases may lead to each other.
const LONGEST_CHAIN: usize = 8;

/// What a shell would run for a name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// A function of scfw's.
    Ours,
    /// A session shim of scfw's, first on `PATH`.
    Shim,
    /// An alias, with its text.
    Alias(String),
    /// A function of somebody else's.
    Function,
    /// Whatever is first on `PATH`.
    Nothing,
}

impl Kind {
    /// Whether it is scfw's.
    fn is_ours(&self) -> bool {
        matches!(self, Self::Ours | Self::Shim)
    }

    fn parse(text: &str) -> Self {
        match text {
            "ours" => Self::Ours,
            "shim" => Self::Shim,
            "function" => Self::Function,
            "alias" => Self::Alias(String::new()),
            _ => text.strip_prefix("alias:").map_or(Self::Nothing, |text| Self::Alias(text.to_owned())),
        }
    }
}

/// The answer.
#[derive(Debug, Serialize)]
struct Report {
    shell: Option<&'static str>,
    /// Whether the shell that asks has loaded the integration.
    loaded: bool,
    /// Whether every manager that is there goes through scfw.
    routed: bool,
    hook: Program,
    shims: Shims,
    preload: Preload,
    /// Start-up files whose block is of another installation, and saved scripts that are of another scfw.
    stale_blocks: Vec<PathBuf>,
    /// The routes that the policy requires and that are not set up.
    missing_routes: Vec<&'static str>,
    /// The command that sets them up.
    #[serde(skip)]
    remedy: String,
    /// What is wrong with the configuration and stops no install.
    configuration: Vec<String>,
    /// How recent the advisories on this machine are; nothing where the configuration is not valid.
    store: Option<StoreAge>,
    /// The sinks that are set up, or for which records wait.
    sinks: Vec<sinks::Delivery>,
    routes: Vec<Route>,
    /// The managers on `PATH` that scfw leaves alone.
    uncovered: Vec<Uncovered>,
}

#[derive(Debug, Serialize)]
struct Program {
    path: PathBuf,
    exists: bool,
}

/// The directory of links for what does not go through a shell.
#[derive(Debug, Serialize)]
struct Shims {
    directory: Option<PathBuf>,
    exists: bool,
    on_path: bool,
    /// The first directory of `PATH` that has a manager and stands before the shims.
    behind: Option<PathBuf>,
}

/// The library for programs that call a manager by its path.
#[derive(Debug, Serialize)]
struct Preload {
    library: Option<PathBuf>,
    /// Whether what this shell starts loads it.
    loaded: bool,
}

/// One name.
#[derive(Debug, Serialize)]
struct Route {
    name: String,
    routed: bool,
    /// How: `function`, `alias` (which leads to a function), `shim`.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'static str>,
    /// Why not, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The real program.
    executable: Option<PathBuf>,
}

/// Options of `scfw status`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Print an object for scripts
    #[arg(long)]
    json: bool,
    /// The shell that asks; its integration says so
    #[arg(long, hide = true)]
    shell: Option<Shell>,
    /// What that shell would run for a name: ours, alias:TEXT, function or none
    #[arg(long = "route", hide = true, value_name = "NAME=KIND", requires = "shell")]
    routes: Vec<OsString>,
}

pub(super) fn run(process: &Process, options: &Options) -> Exit {
    let report = report(process, options);
    if options.json {
        match serde_json::to_string_pretty(&report) {
            Ok(json) => output::print(&format!("{}\n", escape_json(&json))),
            Err(error) => return fail(&error, Exit::Failed),
        }
    } else {
        output::print(&text(process, &report));
    }
    if report.routed && report.missing_routes.is_empty() { Exit::Success } else { Exit::Failed }
}

fn report(process: &Process, options: &Options) -> Report {
    let kinds = kinds(options);
    let hook = own_program(process)
        .or_else(|| Some(process.own_file().ok()?.with_file_name("scfw-hook")))
        .unwrap_or_default();
    let hook = Program { exists: hook.is_file(), path: hook };
    let mut names = names::always();
    let others: Vec<String> = kinds.keys().filter(|name| !names.contains(name)).cloned().collect();
    names.extend(others);
    // What the configuration leaves alone is not expected to be routed.
    let settings = process.settings().ok();
    let store = settings.as_ref().map(StoreAge::of);
    let configuration = settings.as_ref().map(Settings::complaints).unwrap_or_default();
    let chosen = settings.as_ref().map_or(ManagerId::ALL.to_vec(), |settings| settings.managers.clone());
    let uncovered = uncovered(process, settings.as_ref());
    let missing = settings.map_or(Vec::new(), |settings| {
        required_routes::missing(process, &settings.policy, &settings.directories.data)
    });
    names.retain(|name| {
        program(name.as_bytes()).is_none_or(|program| match program.runs {
            Runs::Manager(id) => chosen.contains(&id),
            Runs::Python => PYTHON_MODULES.iter().any(|(_, id)| chosen.contains(id)),
            Runs::Node => true,
        })
    });
    let routes: Vec<Route> =
        names.iter().map(|name| route(process, name, &kinds, options.shell, hook.exists)).collect();
    let shims = shims(process);
    let shield = Shield::installed(process).ok();
    let list = process.variable(PRELOAD);
    let preload = Preload {
        loaded: shield.as_ref().is_some_and(|shield| shield.is_in(list.as_deref())),
        library: shield.map(|shield| shield.library),
    };
    let stale_blocks =
        scfw_program(process).map(|scfw| stale_blocks(process, &scfw, &hook.path)).unwrap_or_default();
    Report {
        shell: options.shell.map(Shell::name),
        loaded: options.shell.is_some(),
        routed: routes.iter().all(|route| route.routed || route.executable.is_none()),
        hook,
        shims,
        preload,
        stale_blocks,
        remedy: required_routes::remedy(process, &missing),
        missing_routes: missing.into_iter().map(RequiredRoute::name).collect(),
        configuration,
        store,
        sinks: sinks::all(process),
        routes,
        uncovered,
    }
}

/// What shells read when they start and `scfw`, whose hook is `hook`, would write differently.
fn stale_blocks(process: &Process, scfw: &Path, hook: &Path) -> Vec<PathBuf> {
    let mut stale = rc_files::stale(process, scfw);
    if let Some(directories) = process.directories() {
        stale.extend(stale_scripts(&directories.data, hook, scfw));
    }
    stale
}

fn kinds(options: &Options) -> BTreeMap<String, Kind> {
    let routes = options.routes.iter().map(|route| route.to_string_lossy());
    routes
        .filter_map(|route| route.split_once('=').map(|(name, kind)| (name.to_owned(), Kind::parse(kind))))
        .collect()
}

fn route(
    process: &Process,
    name: &str,
    kinds: &BTreeMap<String, Kind>,
    shell: Option<Shell>,
    has_hook: bool,
) -> Route {
    let located = locate(process, OsStr::new(name));
    let is_shimmed = located.as_ref().is_some_and(|located| located.behind_ours);
    let kind = kinds.get(name).unwrap_or(&Kind::Nothing);
    let by = match kind {
        _ if !has_hook => None,
        Kind::Ours => Some("function"),
        Kind::Shim => Some("shim"),
        Kind::Alias(_) => leads_to_ours(name, kinds).then_some("alias"),
        Kind::Function => None,
        Kind::Nothing => is_shimmed.then_some("shim"),
    };
    let executable = located.map(|Located { path, .. }| path);
    let reason = match (by, executable.is_some(), kind) {
        (Some(_), ..) | (None, false, _) => None,
        _ if !has_hook => {
            Some("scfw-hook is gone, and nothing can be checked; install scfw again".to_owned())
        }
        (_, _, Kind::Alias(text)) => Some(format!(
            "an alias stands in front ({}); take it back with \"unalias {name}\" or \"scfw enable\"",
            sanitise(text)
        )),
        (_, _, Kind::Function) => Some(format!(
            "another function of that name was defined after scfw's; \"scfw enable\" puts scfw's in its place, and \
             scfw's line belongs behind whatever defines {name} when the shell starts"
        )),
        (_, _, Kind::Nothing | Kind::Ours | Kind::Shim) => Some(match shell {
            Some(_) if kinds.values().any(Kind::is_ours) => {
                "it came onto PATH after this shell started; \"scfw enable\" routes it too".to_owned()
            }
            Some(_) => "switched off in this session; \"scfw enable\" switches it on".to_owned(),
            None => format!(
                "the integration is not loaded; load it with: {}",
                loading(process, user_shell(process))
            ),
        }),
    };
    Route { name: name.to_owned(), routed: by.is_some(), by, reason, executable }
}

/// Whether the alias `name` ends, alias by alias, at a function of ours.
fn leads_to_ours(name: &str, kinds: &BTreeMap<String, Kind>) -> bool {
    let mut name = name;
    for _ in 0..LONGEST_CHAIN {
        let Some(Kind::Alias(text)) = kinds.get(name) else {
            return kinds.get(name).is_some_and(Kind::is_ours);
        };
        // fish says `alias one=other` where the others say `other`.
        let text = text
            .strip_prefix(&format!("alias {name}"))
            .map_or(text.as_str(), |text| text.trim_start_matches(['=', ' ']).trim_matches(['\'', '"']));
        name = text.split_whitespace().next().unwrap_or_default().trim_start_matches('\\');
    }
    false
}

fn shims(process: &Process) -> Shims {
    let data = process.directories().map(|directories| directories.data);
    let directory = data.as_deref().map(shims::directory);
    let of_session = data.as_deref().map(shims::session_directory);
    let path = process.variable("PATH").unwrap_or_default();
    let names = names::always();
    let mut behind = None;
    let mut on_path = false;
    for entry in std::env::split_paths(&path) {
        if Some(&entry) == directory.as_ref() {
            on_path = true;
            break;
        }
        if behind.is_none()
            && Some(&entry) != of_session.as_ref()
            && names.iter().any(|name| entry.join(name).is_file())
        {
            behind = Some(entry);
        }
    }
    Shims {
        exists: directory.as_deref().is_some_and(Path::is_dir),
        behind: behind.filter(|_| on_path),
        directory,
        on_path,
    }
}

fn text(process: &Process, report: &Report) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        text.push_str(&sanitise(&line));
        text.push('\n');
    };
    match report.shell {
        Some(shell) => line(format!("shell: {shell}, integration loaded")),
        None => line("shell: integration not loaded".to_owned()),
    }
    for route in &report.routes {
        let executable = route.executable.as_deref().map(|path| path.display().to_string());
        line(match (&route.reason, executable) {
            (Some(reason), executable) => {
                format!("  {}: NOT routed: {reason} ({})", route.name, executable.unwrap_or_default())
            }
            (None, None) => format!("  {}: not installed", route.name),
            (None, Some(executable)) => {
                format!("  {}: routed ({}), then {executable}", route.name, route.by.unwrap_or_default())
            }
        });
    }
    for manager in &report.uncovered {
        line(format!("  {manager}"));
    }
    let hook = report.hook.path.display();
    line(if report.hook.exists {
        format!("hook: {hook}")
    } else {
        format!("hook: {hook} is MISSING; install scfw again")
    });
    let shims = &report.shims;
    let directory = shims.directory.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
    line(match (&shims.behind, shims.exists, shims.on_path) {
        (_, false, _) => "shims: none; scripts and editors are not covered".to_owned(),
        (_, true, false) => format!("shims: {directory} is not on PATH; scripts and editors are not covered"),
        (Some(behind), ..) => format!(
            "shims: {directory} stands behind {} ({}) on PATH, which scripts and editors reach first",
            behind.display(),
            provenance(process, behind)
        ),
        (None, ..) => format!("shims: {directory} stands before every manager on PATH"),
    });
    line(match &report.preload {
        Preload { library: None, .. } => "preload: the library is not installed".to_owned(),
        Preload { library: Some(_), loaded: false } => {
            "preload: not loaded; programs that call a manager by its absolute path are not covered"
                .to_owned()
        }
        Preload { library: Some(library), loaded: true } => {
            format!("preload: {} is loaded into what this shell starts", library.display())
        }
    });
    if !report.missing_routes.is_empty() {
        let routes = report.missing_routes.join(", ");
        line(format!("policy: required and NOT set up: {routes}; run {}", report.remedy));
    }
    for complaint in &report.configuration {
        line(format!("configuration: {complaint}"));
    }
    if let Some(store) = &report.store {
        line(format!("store: {}", store.sentence()));
    }
    for file in &report.stale_blocks {
        line(format!("block: what {} holds is of another scfw; run scfw configure again", file.display()));
    }
    for sink in &report.sinks {
        line(sink.to_string());
    }
    text
}

/// Whose directory that is.
fn provenance(process: &Process, directory: &Path) -> &'static str {
    for (variable, name) in [("VIRTUAL_ENV", "the virtual environment"), ("CONDA_PREFIX", "conda")] {
        if process.variable(variable).is_some_and(|root| !root.is_empty() && directory.starts_with(root)) {
            return name;
        }
    }
    let path = directory.to_string_lossy();
    let managers = ["pyenv", "nvm", "volta", "mise", "asdf", "fnm"];
    managers.into_iter().find(|manager| path.contains(manager)).unwrap_or("a directory with managers")
}

#[cfg(test)]
mod tests;
