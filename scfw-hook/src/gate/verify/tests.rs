//! The verdicts on gates' documents, without a gate and without a process.

use scfw_core::action::Action;
use scfw_core::store::Purpose;

use super::run;
use crate::exit::Exit;
use crate::process::made::Machine;

/// A document about the package `name`, in `phase`.
fn document(phase: &str, name: &str) -> String {
    format!(
        r#"{{"protocol": 1, "manager": "pip", "phase": "{phase}", "program": "pip", "argv": ["install", "{name}"],
        "targets": [{{"name": "{name}", "version": "1.0", "source": "registry"}}], "reason": "pip is too old"}}"#
    )
}

#[test]
fn what_is_no_document_is_not_verified_and_not_recorded() {
    for input in ["", "{", r#"{"protocol": 2}"#, r#"{"protocol": 1, "manager": "cargo"}"#] {
        let machine = Machine::new();
        let (process, _) = machine.process(&[], input);
        assert_eq!(run(&process), Exit::Unverified, "{input}");
        assert!(machine.runs().is_empty());
    }
}

#[test]
fn a_configuration_that_is_not_valid_stops() {
    let machine = Machine::new();
    machine.write("scfw/config.toml", "deadline = \"soon\"\n");
    let (process, _) = machine.process(&[], &document("install", "good"));
    assert_eq!(run(&process), Exit::Configuration);
}

#[test]
fn malware_is_blocked_whatever_the_user_allows_and_recorded() {
    let machine = Machine::new();
    machine.malware("evil");
    for variables in [&[][..], &[("SCFW_ON_WARNING", "ALLOW")]] {
        let (process, _) = machine.process(variables, &document("install", "evil"));
        assert_eq!(run(&process), Exit::Blocked);
    }
    let runs = machine.runs();
    assert_eq!(runs.len(), 2);
    assert_eq!((runs[0].run.action, runs[0].run.purpose), (Action::Block, Purpose::Install));
    assert_eq!((runs[0].run.arguments.join(" "), &*runs[0].targets[0].name), ("install evil".into(), "evil"));
}

#[test]
fn what_no_feed_was_asked_about_is_unverified_unless_warnings_are_allowed() {
    let machine = Machine::new();
    for (value, exit) in [("BLOCK", Exit::Unverified), ("ALLOW", Exit::Success)] {
        let (process, _) = machine.process(&[("SCFW_ON_WARNING", value)], &document("install", "good"));
        assert_eq!(run(&process), exit, "{value}");
    }
    let actions: Vec<Action> = machine.runs().iter().map(|run| run.run.action).collect();
    assert_eq!(actions, [Action::Allow, Action::Block]);
}

#[test]
fn a_manager_that_no_gate_holds_runs_only_if_it_may_and_for_real() {
    for (variables, exit) in [
        (&[][..], Exit::Unverified),
        (&[("SCFW_ALLOW_UNSUPPORTED", "1")], Exit::Success),
        (&[("SCFW_ALLOW_UNSUPPORTED", "1"), ("SCFW_DRY_RUN", "1")], Exit::Unverified),
    ] {
        let machine = Machine::new();
        let (process, _) = machine.process(variables, &document("unsupported", "good"));
        assert_eq!(run(&process), exit, "{variables:?}");
        let is_allowed = machine.runs()[0].run.action == Action::Allow;
        assert_eq!(is_allowed, exit == Exit::Success);
    }
}

#[test]
fn a_dry_run_is_recorded_as_one() {
    let machine = Machine::new();
    machine.malware("evil");
    let (process, _) = machine.process(&[("SCFW_DRY_RUN", "true")], &document("install", "evil"));
    assert_eq!(run(&process), Exit::Blocked);
    assert_eq!(machine.runs()[0].run.purpose, Purpose::DryRun);
}
