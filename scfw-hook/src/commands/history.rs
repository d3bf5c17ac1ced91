//! `scfw history`: the content of the ledger.

use std::fmt::Write;
use std::io::ErrorKind;

use clap::Args;
use scfw_core::action::Action;
use scfw_core::package::Package;
use scfw_core::store::{Alert, Purpose, Run, RunQuery, RunTarget, Store, StoreError, now};
use scfw_core::text::sanitise;
use scfw_core::time::{self, local, rfc3339};
use serde::Serialize;
use serde_json::Value;

use super::Format;
use super::exit::{fail, no_home};
use crate::exit::Exit;
use crate::process::Process;
use crate::terminal::output;

/// The number of runs that are shown if nothing else is asked for.
pub(super) const SHOWN: u32 = 50;

pub(super) const EXAMPLES: &str = "Examples:\n  scfw history --since 7d\n  \
    scfw history --package npm:left-pad --limit 5\n  \
    scfw history --package pypi:requests@2.31.0 --since 2026-01-31 --format json\n\n\
    A date begins at midnight. JSON is a list with one object per run.\n\n\
    Exit status: 0, or 1 if the ledger cannot be read.";

/// A run with what was told about it since.
struct Entry {
    run: Run,
    record: Value,
    alerts: Vec<Alert>,
}

/// Options of `scfw history`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Only runs with this package: pypi:NAME[@VERSION], npm:NAME[@VERSION] or a purl
    #[arg(long)]
    package: Option<String>,
    /// Only runs since then: a duration (12h, 7d, 4w) or a date (2026-01-31)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// How to print them
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// No more runs than this
    #[arg(long, value_name = "NUMBER", default_value_t = SHOWN)]
    limit: u32,
}

pub(super) fn run(process: &Process, options: &Options) -> Exit {
    let package = match options.package.as_deref().map(Package::from_query).transpose() {
        Ok(package) => package,
        Err(error) => return fail(&error, Exit::Usage),
    };
    let since = match options.since.as_deref().map(|text| time::since(text, now())).transpose() {
        Ok(since) => since,
        Err(error) => return fail(&error, Exit::Usage),
    };
    let Some(directories) = process.directories() else { return no_home() };
    let query = RunQuery {
        package: package.as_ref().map(|package| (package.ecosystem, package.key())),
        version: package.as_ref().and_then(|package| package.version.clone()),
        since,
        // One more tells whether there are more.
        limit: Some(options.limit.saturating_add(1)),
    };
    let mut entries = match read(&Store::path_in(&directories.data), &query) {
        Ok(entries) => entries,
        Err(error) => return fail(&error, Exit::Failed),
    };
    let is_cut = entries.len() > options.limit as usize;
    entries.truncate(options.limit as usize);
    let printed = match options.format {
        Format::Text if entries.is_empty() => output::print_report("No such run is recorded.\n"),
        Format::Text => {
            let text: String = entries.iter().map(|entry| describe(entry, &query)).collect();
            output::print_report(&text)
        }
        Format::Json => output::print_json_report(&entries.iter().map(JsonRun::new).collect::<Vec<_>>()),
    };
    if is_cut && options.format == Format::Text {
        output::say(&format!("these are the latest {}; --limit and --since choose others", options.limit));
    }
    match printed {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => fail(&error, Exit::Failed),
        _ => Exit::Success,
    }
}

fn read(path: &std::path::Path, query: &RunQuery) -> Result<Vec<Entry>, StoreError> {
    let Some(store) = Store::open_existing(path)? else { return Ok(Vec::new()) };
    let mut entries = Vec::new();
    for run in store.runs(query)? {
        let alerts = store.alerts_about(run.number)?;
        let record = serde_json::from_str(&run.run.record).unwrap_or_default();
        entries.push(Entry { run, record, alerts });
    }
    Ok(entries)
}

impl Entry {
    fn is_verified(&self) -> bool {
        self.record["verified"].as_bool().unwrap_or(true)
    }

    /// The decision, in words.
    fn decision(&self) -> &'static str {
        match (self.run.run.action, self.run.run.purpose) {
            (Action::Allow, _) if !self.is_verified() => "allowed unverified",
            (Action::Allow, Purpose::Install) => "allowed",
            (Action::Allow, Purpose::Build) => "allowed to build",
            (Action::Allow, Purpose::DryRun) => "allowed (dry run)",
            (Action::Block, _) => "blocked",
            (Action::Abort, _) => "declined",
        }
    }
}

/// The lines about one run.
fn describe(entry: &Entry, query: &RunQuery) -> String {
    let Entry { run, alerts, .. } = entry;
    let command = command(&run.run.program, &run.run.arguments);
    let mut text = format!("{}  {}: {command}\n", local(run.run.time), entry.decision());
    let mut line = |what: String| {
        // Writing to a string does not fail.
        writeln!(text, "    {what}").ok();
    };
    line(format!("in {}", sanitise(&run.run.directory)));
    match run.targets.as_slice() {
        [] => {}
        [only] if query.package.is_none() => line(sanitise(&package(only).to_string()).into_owned()),
        several => {
            line(format!("{} package{}", several.len(), if several.len() == 1 { "" } else { "s" }));
        }
    }
    if let Some((ecosystem, key)) = &query.package {
        for target in &run.targets {
            if target.ecosystem == *ecosystem && ecosystem.normalise(&target.name) == *key {
                line(sanitise(&package(target).to_string()).into_owned());
            }
        }
    }
    for exempted in entry.record["exempted_findings"].as_array().into_iter().flatten() {
        let text = |field: &str| exempted[field].as_str().unwrap_or_default().to_owned();
        line(sanitise(&format!("exempted: {} ({})", text("finding"), text("reason"))).into_owned());
    }
    for alert in alerts {
        let name = package(&alert.target);
        line(sanitise(&format!("since then: {name}: {}: {}", alert.advisory, alert.summary)).into_owned());
    }
    text
}

/// A command line as it is shown.
pub(crate) fn command(program: &str, arguments: &[String]) -> String {
    let mut command = program.to_owned();
    for argument in arguments {
        command.push(' ');
        command.push_str(argument);
    }
    sanitise(&command).into_owned()
}

/// The package of a target.
pub(crate) fn package(target: &RunTarget) -> Package {
    Package { ecosystem: target.ecosystem, name: target.name.clone(), version: target.version.clone() }
}

/// A run in JSON.
#[derive(Serialize)]
struct JsonRun<'a> {
    id: &'a str,
    time: Option<String>,
    action: Action,
    purpose: &'static str,
    verified: bool,
    manager: &'a str,
    program: &'a str,
    arguments: &'a [String],
    directory: &'a str,
    executable: &'a str,
    targets: Vec<JsonTarget<'a>>,
    findings: &'a Value,
    exempted: &'a Value,
    /// The rule of the policy that refused the command.
    policy: Option<&'a str>,
    alerts: Vec<JsonAlert<'a>>,
}

#[derive(Serialize)]
struct JsonTarget<'a> {
    ecosystem: &'static str,
    name: &'a str,
    version: Option<&'a str>,
    source: &'static str,
    url: Option<&'a str>,
}

#[derive(Serialize)]
struct JsonAlert<'a> {
    name: &'a str,
    version: Option<&'a str>,
    advisory: &'a str,
    summary: &'a str,
    url: Option<&'a str>,
    told: Option<String>,
}

impl<'a> JsonRun<'a> {
    fn new(entry: &'a Entry) -> Self {
        static NONE: Value = Value::Array(Vec::new());
        let list = |field: &str| entry.record.get(field).filter(|list| list.is_array()).unwrap_or(&NONE);
        let run = &entry.run.run;
        let targets = entry.run.targets.iter().map(|target| JsonTarget {
            ecosystem: target.ecosystem.osv_name(),
            name: &target.name,
            version: target.version.as_deref(),
            source: target.source.name(),
            url: target.url.as_deref(),
        });
        let alerts = entry.alerts.iter().map(|alert| JsonAlert {
            name: &alert.target.name,
            version: alert.target.version.as_deref(),
            advisory: &alert.advisory,
            summary: &alert.summary,
            url: alert.url.as_deref(),
            told: alert.told.and_then(rfc3339),
        });
        Self {
            id: &run.id,
            time: rfc3339(run.time),
            action: run.action,
            purpose: run.purpose.name(),
            verified: entry.is_verified(),
            manager: &run.manager,
            program: &run.program,
            arguments: &run.arguments,
            directory: &run.directory,
            executable: &run.executable,
            targets: targets.collect(),
            findings: list("relevant_findings"),
            exempted: list("exempted_findings"),
            policy: entry.record["policy"].as_str(),
            alerts: alerts.collect(),
        }
    }
}
