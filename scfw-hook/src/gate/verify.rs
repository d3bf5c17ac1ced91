//! `scfw-hook verify`: the gate's other end. Reads one document on standard input; the exit status is the verdict.

use std::io::Read;

use scfw_core::action::Action;
use scfw_core::config::{Settings, is_true};
use scfw_core::env;
use scfw_core::finding::Verification;
use scfw_core::gate::{Document, LARGEST_DOCUMENT, Phase};
use scfw_core::policy::{Decision, decide, refusal};
use scfw_core::report::{self, BLOCKED};
use scfw_core::store::{Purpose, Store};
use scfw_core::telemetry::{Command, Event};
use scfw_core::text::sanitise;
use scfw_core::verify::{verifiers, verify};

use crate::exit::Exit;
use crate::gate::prompt::Terminal;
use crate::process::Process;
use crate::record::record;
use crate::record::refresh::start_in_background;
use crate::record::run_notes;
use crate::terminal::output::{self, describe};

/// Verifies a gate's document and returns the exit status.
#[must_use]
pub fn run(process: &Process) -> Exit {
    let exit = answer(process, &Manager::starting_this(process));
    if let Err(error) = run_notes::note_stopped(process, exit, std::os::unix::process::parent_id()) {
        output::say(&run_notes::unnoted(&error));
    }
    exit
}

/// The manager that waits for the answer.
struct Manager {
    /// The process that has started this one.
    parent: u32,
    /// The process of the run to which the manager belongs.
    run: Option<i32>,
}

impl Manager {
    fn starting_this(process: &Process) -> Self {
        let run = run_notes::process_of_present(process).filter(|run| run_notes::is_alive(*run));
        Self { parent: std::os::unix::process::parent_id(), run }
    }

    fn is_waiting(&self) -> bool {
        std::os::unix::process::parent_id() == self.parent && self.run.is_none_or(run_notes::is_alive)
    }
}

fn answer(process: &Process, manager: &Manager) -> Exit {
    let mut bytes = Vec::new();
    if let Err(error) = process.input().take(LARGEST_DOCUMENT + 1).read_to_end(&mut bytes) {
        output::say(&format!("the gate's document could not be read ({error})"));
        return Exit::Unverified;
    }
    if bytes.len() as u64 > LARGEST_DOCUMENT {
        output::say("the gate's document is larger than any installation's");
        return Exit::Unverified;
    }
    let document = match Document::parse(&bytes) {
        Ok(document) => document,
        Err(error) => {
            output::say(&describe(&error));
            return Exit::Unverified;
        }
    };
    let settings = match process.settings() {
        Ok(settings) => settings,
        Err(error) => {
            output::say(&describe(&error));
            return Exit::Configuration;
        }
    };
    if document.phase == Phase::Unsupported {
        return answer_unsupported(process, &document, &settings);
    }
    let mut targets = match &document.targets {
        Ok(targets) => targets.clone(),
        Err(error) => return refuse(process, &document, &settings, &describe(error)),
    };
    let verifiers = match verifiers(&settings, Some(document.manager)) {
        Ok(verifiers) => verifiers,
        Err(error) => {
            output::say(&describe(&error));
            return Exit::Configuration;
        }
    };
    // The first that opens the store reads its log, and as long as it stays open nobody has to again. If it cannot be
    // opened, its users say why.
    let _open_until_the_end = Store::open_existing(&Store::path_in(&settings.directories.data));
    let terminal = Terminal::open(process);
    if !settings.keeps_accepted() {
        for target in &mut targets {
            target.accepted = false;
        }
    }
    let verification = verify(&settings, &verifiers, targets);
    output::say_trouble(&verification);
    let decision = decide(&verification, &settings, terminal.is_some());
    let confirm = |report: &str| {
        terminal.as_ref().is_some_and(|terminal| terminal.confirm(report, || manager.is_waiting()))
    };
    let Conclusion { action, exit, refusal } =
        conclude(process, &verification, &settings, (document.phase, decision), confirm);
    let purpose = match document.phase {
        // A dry run builds packages that have to be built, too.
        Phase::Build if action == Action::Allow || !is_dry_run(process) => Purpose::Build,
        _ => purpose_of_install(process),
    };
    let executable = executable(process);
    let command = command(&document, &executable);
    let refusal = refusal.as_deref();
    record(
        process,
        &Event::Run { action, purpose, command, verification: &verification, refusal },
        &settings,
    );
    if verification.local.is_refresh_due {
        start_in_background(process, &settings);
    }
    exit
}

/// Decides about a manager that its gate cannot hold, and records that.
fn answer_unsupported(process: &Process, document: &Document, settings: &Settings) -> Exit {
    let reason = sanitise(&document.reason).into_owned();
    let (action, exit, sentence) = match (settings.run.allow_unsupported, is_dry_run(process)) {
        (true, false) => (Action::Allow, Exit::Success, format!("{reason}; going on unverified, as asked")),
        (true, true) => {
            let sentence = format!("{reason}; nothing is verified without a gate, so there is no dry run");
            (Action::Block, Exit::Unverified, sentence)
        }
        (false, _) => (Action::Block, Exit::Unverified, reason),
    };
    output::say(&sentence);
    record_unverified(process, document, settings, action, &sentence);
    exit
}

/// Blocks a command that cannot be verified at all, and records that.
fn refuse(process: &Process, document: &Document, settings: &Settings, reason: &str) -> Exit {
    output::say(reason);
    output::write(&format!("{BLOCKED}\n"));
    record_unverified(process, document, settings, Action::Block, reason);
    Exit::Unverified
}

fn record_unverified(
    process: &Process,
    document: &Document,
    settings: &Settings,
    action: Action,
    reason: &str,
) {
    let executable = executable(process);
    let command = command(document, &executable);
    record(
        process,
        &Event::Unverified { action, purpose: purpose_of_install(process), command, reason },
        settings,
    );
}

/// The command that the gate has sent `document` about.
fn command<'a>(document: &'a Document, executable: &'a str) -> Command<'a> {
    Command {
        manager: document.manager,
        program: &document.program,
        executable,
        arguments: &document.arguments,
    }
}

/// The manager's own file, as the router has passed it on.
fn executable(process: &Process) -> String {
    process.text(env::SCFW_GATE_EXECUTABLE).unwrap_or_default()
}

/// Whether the gate is to stop once everything is verified.
pub(crate) fn is_dry_run(process: &Process) -> bool {
    process.text(env::SCFW_DRY_RUN).is_some_and(|value| is_true(&value))
}

/// The purpose for which a whole set of packages is verified.
pub(crate) fn purpose_of_install(process: &Process) -> Purpose {
    if is_dry_run(process) { Purpose::DryRun } else { Purpose::Install }
}

/// The consequence of a verification.
struct Conclusion {
    action: Action,
    exit: Exit,
    /// The rule of the policy that decided, if it was one.
    refusal: Option<String>,
}

impl Conclusion {
    const fn new(action: Action, exit: Exit) -> Self {
        Self { action, exit, refusal: None }
    }
}

/// Reports, asks if that is needed, and gives the consequence.
fn conclude(
    process: &Process,
    verification: &Verification,
    settings: &Settings,
    (phase, decision): (Phase, Decision),
    confirm: impl FnOnce(&str) -> bool,
) -> Conclusion {
    let text = output::redacted(&report::text(verification, output::has_colour()));
    if !text.is_empty() {
        output::clear_line();
        output::write(&text);
    }
    match decision {
        Decision::Allow => {
            if is_dry_run(process) && phase == Phase::Install {
                let count = verification.targets.len();
                let plural = if count == 1 { "" } else { "s" };
                output::say(&format!("dry run: {count} package{plural} verified, nothing is installed"));
            }
            Conclusion::new(Action::Allow, Exit::Success)
        }
        Decision::Block => {
            output::write(&format!("{BLOCKED}\n"));
            Conclusion::new(Action::Block, Exit::Blocked)
        }
        Decision::BlockUnverified => {
            let refusal = refusal(verification, settings);
            if let Some(refusal) = &refusal {
                output::say(&sanitise(refusal));
            }
            output::write(&format!("{BLOCKED}\n"));
            Conclusion { refusal, ..Conclusion::new(Action::Block, Exit::Unverified) }
        }
        Decision::Ask => {
            // If standard error goes elsewhere, the terminal has not shown the findings that the question is about.
            let unseen = if output::is_terminal() {
                String::new()
            } else {
                output::redacted(&report::text(verification, false))
            };
            if confirm(&unseen) {
                Conclusion::new(Action::Allow, Exit::Success)
            } else {
                output::write("The installation request was declined. No changes have been made.\n");
                Conclusion::new(Action::Abort, Exit::Declined)
            }
        }
    }
}

#[cfg(test)]
mod tests;
