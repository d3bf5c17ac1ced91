//! `scfw update`: brings the store up to date.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use scfw_core::config::Settings;
use scfw_core::feed::bulk::{How, Progress, Report, Request, Silent, UpdateError, Updated};
use scfw_core::store::{FeedName, Store, StoreError};
use scfw_core::telemetry::Event;
use scfw_core::text::{escape_json, sanitise};
use scfw_core::update::update;
use serde_json::json;

use super::exit::fail;
use super::tell_alerts;
use crate::exit::Exit;
use crate::process::Process;
use crate::record::{record, record_alerts};
use crate::terminal::output::{self, describe};

/// Documents that could not be read and are named.
const MOST_NAMED: usize = 5;

pub(super) const EXAMPLES: &str = "Examples:\n  scfw update\n  scfw update --from /mnt/mirror\n  \
    scfw update --from https://mirror.example/scfw --json\n\n\
    A mirror has osv/<ecosystem>/all.zip, osv/<ecosystem>/modified_id.csv and datadog/samples/<ecosystem>/manifest.json, \
    as OSV and Datadog publish them. Killed at any moment, an update leaves the store as it was.\n\n\
    Exit status: 0 if everything is up to date, 1 if something is not, 77 if the policy refuses \
    --from, 78 invalid configuration.";

/// Options of `scfw update`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Take everything from a mirror: a directory, or a URL
    #[arg(long, value_name = "DIR-OR-URL")]
    from: Option<String>,
    /// Take a feed even if it has lost most of what it had
    #[arg(long)]
    force: bool,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
    /// Say nothing: an install has started this
    #[arg(long, hide = true)]
    pub(super) background: bool,
}

pub(super) fn run(process: &Process, options: &Options) -> Exit {
    let settings = match process.settings() {
        Ok(settings) => settings,
        Err(error) => return fail(&error, Exit::Configuration),
    };
    let request = Request { from: options.from.as_deref(), force: options.force };
    if options.background {
        // What comes of it is noted in the data directory; nobody is there to read more.
        let outcome = update(&settings, &request, &Silent);
        let is_recorded = record_found(process, &settings).is_ok();
        return match outcome {
            Ok(report) if report.is_complete() && is_recorded => Exit::Success,
            _ => Exit::Failed,
        };
    }
    let interrupted = ctrlc::set_handler(|| {
        output::clear_line();
        output::say("interrupted; the store is as it was, and the next update goes on from here");
        Exit::Interrupted.now();
    });
    if let Err(error) = interrupted {
        return fail(&error, Exit::Failed);
    }
    let bar = Bar::default();
    let progress: &dyn Progress = if output::is_terminal() { &bar } else { &Silent };
    let outcome = update(&settings, &request, progress);
    bar.end();
    let report = match outcome {
        Ok(report) => report,
        Err(error) => {
            if options.json {
                let json = json!({"ok": false, "error": describe(&error), "feeds": []});
                output::print(&format!("{}\n", escape_json(&format!("{json:#}"))));
            }
            if !matches!(error, UpdateError::Locked { .. }) {
                return fail(&error, Exit::Failed);
            }
            record(process, &Event::Policy { rule: &error.to_string(), command: None }, &settings);
            return fail(&error, Exit::Blocked);
        }
    };
    let text = if options.json { as_json(&report) } else { as_text(&report) };
    output::print(&text);
    complain(&report);
    if let Err(error) = record_found(process, &settings) {
        output::say(&format!("{}; what was found is recorded by the next update", describe(&error)));
    }
    tell_alerts(process);
    if report.is_complete() { Exit::Success } else { Exit::Failed }
}

/// Records what was found about what is installed: whoever administers this machine is told at once, the user when
/// there is one.
fn record_found(process: &Process, settings: &Settings) -> Result<(), StoreError> {
    match Store::open_existing(&Store::path_in(&settings.directories.data))? {
        Some(mut store) => record_alerts(process, &mut store, settings),
        None => Ok(()),
    }
}

fn as_text(report: &Report) -> String {
    let mut text = String::new();
    for (name, outcome) in &report.feeds {
        let Ok(updated) = outcome else { continue };
        let what = match name {
            FeedName::Datadog(_) => "malicious packages",
            FeedName::Osv(_) | FeedName::Extra(_) => "advisories",
        };
        let newest =
            updated.newest.and_then(date).map(|date| format!(", the latest of {date}")).unwrap_or_default();
        let how = match updated.how {
            How::Unchanged => "nothing new".to_owned(),
            How::Changed(new, 0) => format!("{new} new or changed"),
            How::Changed(new, gone) => format!("{new} new or changed, {gone} gone"),
            How::Whole => "brought in whole".to_owned(),
            How::Skipped => "not there, left as it was".to_owned(),
        };
        let name = name.to_string();
        let name = sanitise(&name);
        // Writing to a string does not fail.
        writeln!(text, "{name}: {} {what}{newest} ({how})", updated.count).ok();
    }
    text
}

/// Says on standard error what is not as it should be.
fn complain(report: &Report) {
    if let Some(rebuilt) = &report.rebuilt {
        let loss = if rebuilt.is_incomplete { "; some could not be read" } else { "" };
        output::say(&format!(
            "the store was damaged and was built anew with {} exemptions and {} runs of the ledger{loss}; the damaged \
             one is {}",
            rebuilt.exemptions,
            rebuilt.runs,
            sanitise(&rebuilt.aside.to_string_lossy())
        ));
    }
    for (name, outcome) in &report.feeds {
        let name = name.to_string();
        match outcome {
            Err(error) => output::say(&format!(
                "{} could not be brought up to date and stays as it was: {}",
                sanitise(&name),
                describe(error)
            )),
            Ok(Updated { unreadable, .. }) if !unreadable.is_empty() => {
                let named: Vec<_> = unreadable.iter().take(MOST_NAMED).map(|name| sanitise(name)).collect();
                let more = if unreadable.len() > MOST_NAMED { ", …" } else { "" };
                output::say(&format!(
                    "{}: {} documents could not be read and are left out: {}{more}",
                    sanitise(&name),
                    unreadable.len(),
                    named.join(", ")
                ));
            }
            Ok(_) => {}
        }
    }
}

fn as_json(report: &Report) -> String {
    let feeds: Vec<_> = report.feeds.iter().map(|(name, outcome)| feed_json(name, outcome)).collect();
    let rebuilt = report.rebuilt.as_ref().map(|rebuilt| {
        json!({"exemptions": rebuilt.exemptions, "runs": rebuilt.runs, "incomplete": rebuilt.is_incomplete,
            "aside": rebuilt.aside.to_string_lossy()})
    });
    let json = json!({"ok": report.is_complete(), "rebuilt": rebuilt, "feeds": feeds});
    format!("{}\n", escape_json(&format!("{json:#}")))
}

fn feed_json(name: &FeedName, outcome: &Result<Updated, UpdateError>) -> serde_json::Value {
    match outcome {
        Ok(updated) => {
            let (how, new, gone) = match updated.how {
                How::Unchanged => ("unchanged", 0, 0),
                How::Changed(new, gone) => ("changed", new, gone),
                How::Whole => ("whole", updated.count, 0),
                How::Skipped => ("skipped", 0, 0),
            };
            json!({"feed": name.to_string(), "how": how, "changed": new, "gone": gone, "count": updated.count,
                "newest": updated.newest.and_then(date), "unreadable": updated.unreadable, "error": null})
        }
        Err(error) => json!({"feed": name.to_string(), "error": describe(error)}),
    }
}

/// The day of a time in Unix seconds, in UTC.
fn date(time: i64) -> Option<String> {
    Some(jiff::Timestamp::from_second(time).ok()?.strftime("%Y-%m-%d").to_string())
}

/// A progress bar on standard error.
#[derive(Default)]
struct Bar(RefCell<Option<ProgressBar>>);

impl Progress for Bar {
    fn begin(&self, what: &str, total: Option<u64>, is_bytes: bool) {
        let (template, unknown) = if is_bytes {
            ("{msg:.40} {wide_bar} {bytes}/{total_bytes} {eta}", "{msg:.40} {spinner} {bytes}")
        } else {
            ("{msg:.40} {wide_bar} {pos}/{len}", "{msg:.40} {spinner}")
        };
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::new_spinner(),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr());
        // Both templates are constant; were one wrong, the default would be shown.
        if let Ok(style) = ProgressStyle::with_template(if total.is_some() { template } else { unknown }) {
            bar.set_style(style);
        }
        bar.set_message(sanitise(what).into_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        if let Some(before) = self.0.replace(Some(bar)) {
            before.finish_and_clear();
        }
    }

    fn advance(&self, count: u64) {
        if let Some(bar) = &*self.0.borrow() {
            bar.inc(count);
        }
    }

    fn end(&self) {
        if let Some(bar) = self.0.take() {
            bar.finish_and_clear();
        }
    }
}
