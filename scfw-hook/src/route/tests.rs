//! The outcomes of calls, without running their programs.

use std::ffi::CStr;

use scfw_core::action::Action;

use super::route;
use crate::exit::Exit;
use crate::process::made::Machine;
use crate::route::call::Call;

const INSTALL: [&CStr; 2] = [c"install", c"six"];

#[test]
fn what_installs_nothing_becomes_the_real_program_as_it_is() {
    let machine = Machine::new();
    let pip = machine.program("bin/pip");
    let (process, made) = machine.process(&[], "");
    assert_eq!(route(&process, &Call::typed(c"pip", &[c"--version"])), Exit::NotExecutable);
    let became = made.became().unwrap();
    assert_eq!((became.path, became.environment), (pip, None));
    assert_eq!(became.arguments, ["pip", "--version"]);
    assert!(machine.runs().is_empty());
}

#[test]
fn a_program_that_is_not_there_is_not_found() {
    let machine = Machine::new();
    let (process, made) = machine.process(&[], "");
    for arguments in [&[c"--version"][..], &INSTALL] {
        assert_eq!(route(&process, &Call::typed(c"pip", arguments)), Exit::NotFound);
    }
    assert_eq!(made.became(), None);
}

#[test]
fn an_install_becomes_the_real_program_with_its_gate() {
    let machine = Machine::new();
    let pip = machine.program("bin/pip");
    let (process, made) = machine.process(&[("PYTHONPATH", "/own")], "");
    assert_eq!(route(&process, &Call::typed(c"pip", &INSTALL)), Exit::NotExecutable);
    let became = made.became().unwrap();
    assert_eq!((&became.path, became.arguments), (&pip, vec!["pip".into(), "install".into(), "six".into()]));
    let environment = became.environment.unwrap();
    assert!(environment["SCFW_GATE_VERIFIER"].ends_with("own/bin/scfw-hook"));
    assert_eq!(environment["SCFW_GATE_EXECUTABLE"], pip.to_str().unwrap());
    assert!(environment["PYTHONPATH"].ends_with(":/own"));
    assert!(made.started().is_empty(), "there is no sink to deliver to");
}

#[test]
fn malware_that_is_named_is_blocked_before_anything_runs() {
    let machine = Machine::new();
    machine.program("bin/npm");
    machine.malware("evil");
    let (process, made) = machine.process(&[], "");
    assert_eq!(route(&process, &Call::typed(c"npm", &[c"install", c"evil"])), Exit::Blocked);
    assert_eq!(made.became(), None);
    assert_eq!(machine.runs()[0].run.action, Action::Block);
}

#[test]
fn a_bypass_is_recorded_and_arms_nothing() {
    let machine = Machine::new();
    machine.program("bin/pip");
    let (process, made) = machine.process(&[("SCFW_BYPASS", "1")], "");
    assert_eq!(route(&process, &Call::typed(c"pip", &INSTALL)), Exit::NotExecutable);
    assert!(!made.became().unwrap().environment.unwrap().contains_key("SCFW_GATE_VERIFIER"));
    assert_eq!(machine.runs()[0].run.action, Action::Allow);
    let (process, _) = machine.process(&[("SCFW_BYPASS", "1"), ("SCFW_DRY_RUN", "1")], "");
    assert_eq!(route(&process, &Call::typed(c"pip", &INSTALL)), Exit::Unverified);
}

#[test]
fn what_cannot_be_decided_does_not_run() {
    let machine = Machine::new();
    machine.program("bin/pip");
    for (variable, exit) in [
        (("SCFW_EXTERNAL_VERIFIER", "mine"), Exit::Unverified),
        (("SCFW_DEADLINE", "soon"), Exit::Configuration),
    ] {
        let (process, made) = machine.process(&[variable], "");
        assert_eq!(route(&process, &Call::typed(c"pip", &INSTALL)), exit, "{variable:?}");
        assert_eq!(made.became(), None);
    }
}

#[test]
fn a_manager_that_is_not_chosen_is_let_be_unless_scfw_is_asked_for() {
    let machine = Machine::new();
    machine.program("bin/pip");
    machine.write("scfw/config.toml", "managers = [\"npm\"]\n");
    for is_explicit in [false, true] {
        let (process, made) = machine.process(&[], "");
        let call = Call { is_explicit, ..Call::typed(c"pip", &INSTALL) };
        assert_eq!(route(&process, &call), Exit::NotExecutable);
        assert_eq!(made.became().unwrap().environment.is_some(), is_explicit);
    }
}
