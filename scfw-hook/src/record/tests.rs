//! The destinations of a decision's record.

use std::fs;

use scfw_core::action::Action;
use scfw_core::manager::ManagerId;
use scfw_core::store::Purpose;
use scfw_core::telemetry::{Command, Event};

use super::record;
use crate::process::Process;
use crate::process::made::Machine;
use crate::record::run_notes;

/// Records that an install was blocked.
fn record_block(process: &Process, purpose: Purpose) {
    let arguments = ["install".to_owned(), "--proxy=http://me:secret@host/".to_owned()];
    let command = Command {
        manager: ManagerId::Pip,
        program: "pip",
        executable: "/usr/bin/pip",
        arguments: &arguments,
    };
    let event = Event::Unverified { action: Action::Block, purpose, command, reason: "no reason" };
    record(process, &event, &process.settings().unwrap());
}

#[test]
fn a_decision_is_in_the_ledger_and_the_log_without_secrets() {
    let machine = Machine::new();
    let (process, made) = machine.process(&[], "");
    record_block(&process, Purpose::Install);
    let runs = machine.runs();
    assert_eq!((runs.len(), runs[0].run.action), (1, Action::Block));
    assert_eq!(runs[0].run.directory, made.directory.to_str().unwrap());
    let log = fs::read_to_string(process.settings().unwrap().telemetry.log_file).unwrap();
    assert_eq!(log.lines().count(), 1);
    assert!(!log.contains("secret") && !runs[0].run.arguments.concat().contains("secret"), "{log}");
    assert!(made.started().is_empty(), "there is no sink to deliver to");
}

#[test]
fn a_dry_run_is_for_the_ledger_alone() {
    let machine = Machine::new();
    let (process, _) = machine.process(&[], "");
    record_block(&process, Purpose::DryRun);
    assert_eq!(machine.runs().len(), 1);
    assert!(!process.settings().unwrap().telemetry.log_file.exists());
}

#[test]
fn a_sender_is_started_where_there_is_a_sink() {
    let machine = Machine::new();
    let (process, made) = machine.process(&[("SCFW_DD_AGENT_LOG_PORT", "10365")], "");
    record_block(&process, Purpose::Install);
    assert_eq!(made.started(), [made.own_file.as_path()]);
}

#[test]
fn a_process_belongs_to_the_run_whose_note_is_in_its_own_data() {
    let machine = Machine::new();
    for (note, run) in [("scfw/runs/run-77-1", Some(77)), ("elsewhere/run-77-1", None), ("scfw/runs/x", None)]
    {
        let note = machine.home().with_file_name(note);
        let (process, _) = machine.process(&[("SCFW_GATE_RUN", note.to_str().unwrap())], "");
        assert_eq!(run_notes::process_of_present(&process), run, "{}", note.display());
        assert_eq!(run_notes::is_inner(&process), run.is_some());
    }
}
