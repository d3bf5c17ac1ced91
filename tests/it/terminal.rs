//! Questions on the terminal, and what is decided where there is none.

use scfw_world::{NpmPackage, Sdist, Wheel};
use serde_json::json;

use crate::support::Sandbox;

const QUESTION: &str = "Proceed with the installation anyway? [y/N] ";

/// A world in which `leaky` has a vulnerability, in npm and PyPI.
fn with_leaky() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("leaky", "1.0.0"));
    sandbox.world.add_wheel(Wheel::new("leaky", "1.0"));
    for ecosystem in ["npm", "PyPI"] {
        sandbox.world.add_advisory(json!({
            "id": format!("GHSA-{ecosystem}"), "summary": "It leaks",
            "affected": [{"package": {"ecosystem": ecosystem, "name": "leaky"}}]
        }));
    }
    sandbox
}

#[test]
fn a_yes_goes_on_and_anything_else_does_not() {
    for (answer, goes_on) in [("y\n", true), ("YES\n", true), ("n\n", false), ("\n", false), ("yo\n", false)]
    {
        let sandbox = with_leaky();
        let (status, shown) = sandbox.on_terminal(&["npm", "install", "leaky"], QUESTION, Some(answer));
        assert!(shown.contains("An OSV.dev disclosure exists for package leaky@1.0.0"), "{shown}");
        assert_eq!(status, if goes_on { 0 } else { 76 }, "{answer:?}: {shown}");
        assert_eq!(sandbox.list("node_modules").contains(&"leaky".to_owned()), goes_on);
        let action = if goes_on { "ALLOW" } else { "ABORT" };
        assert_eq!(sandbox.log()[0]["action"], action);
        assert_eq!(shown.contains("The installation request was declined."), !goes_on, "{shown}");
    }
}

#[test]
fn pip_asks_once_and_obeys() {
    let sandbox = with_leaky();
    let install = ["pip", "install", "--target", "out", "leaky"];
    let (status, shown) = sandbox.on_terminal(&install, QUESTION, Some("n\n"));
    assert_eq!(status, 76, "{shown}");
    assert!(sandbox.list("out").is_empty());
    let (status, shown) = sandbox.on_terminal(&install, QUESTION, Some("y\n"));
    assert_eq!(status, 0, "{shown}");
    assert_eq!(shown.matches(QUESTION).count(), 1, "{shown}");
    assert!(sandbox.list("out").contains(&"leaky.py".to_owned()));
}

#[test]
fn one_warning_of_three_builds_is_asked_about_once() {
    let sandbox = with_leaky();
    for name in ["a", "b", "c"] {
        sandbox.world.add_sdist(Sdist::new(name, "1.0").build_requires("leaky"));
    }
    let install = ["pip", "install", "--no-cache-dir", "--target", "out", "a", "b", "c"];
    let (status, shown) = sandbox.on_terminal(&install, QUESTION, Some("y\n"));
    assert_eq!(status, 0, "{shown}");
    // The inner pip's standard error is not shown, so the question brings its report along.
    assert_eq!(shown.matches("vulnerability/GHSA-PyPI").count(), 1, "{shown}");
    let accepted = sandbox.log().iter().filter(|record| record.to_string().contains("GHSA-PyPI")).count();
    assert_eq!(accepted, 3, "each install is recorded with what was accepted");
}

#[test]
fn what_was_typed_before_the_question_is_no_answer() {
    let sandbox = with_leaky();
    // Typed when pip begins to work, long before there is a question; the terminal then goes away.
    let install = ["pip", "install", "--target", "out", "leaky"];
    let (status, shown) = sandbox.on_terminal_then_gone(&install, "Looking in indexes", "y\n", QUESTION);
    assert_ne!(status, 0, "{shown}");
    assert!(sandbox.list("out").is_empty());
}

#[test]
fn a_terminal_that_goes_away_is_a_no() {
    let sandbox = with_leaky();
    let (status, _) = sandbox.on_terminal(&["npm", "install", "leaky"], QUESTION, None);
    assert_ne!(status, 0);
    assert!(sandbox.list("node_modules").is_empty());
}

#[test]
fn an_end_of_input_is_a_no() {
    let sandbox = with_leaky();
    // Control-D on an empty line.
    let (status, shown) = sandbox.on_terminal(&["npm", "install", "leaky"], QUESTION, Some("\u{4}"));
    assert_eq!(status, 76, "{shown}");
}

#[test]
fn an_interrupt_at_the_question_installs_nothing() {
    let sandbox = with_leaky();
    let (status, _) =
        sandbox.on_terminal(&["pip", "install", "--target", "out", "leaky"], QUESTION, Some("\u{3}"));
    assert_ne!(status, 0);
    assert!(sandbox.list("out").is_empty());
}

#[test]
fn malware_is_not_asked_about() {
    let sandbox = with_leaky();
    sandbox.world.malicious(scfw_core::package::Ecosystem::Npm, "leaky", Some("1.0.0"));
    let (status, shown) = sandbox.on_terminal(&["npm", "install", "leaky"], QUESTION, Some("y\n"));
    assert_eq!(status, 77);
    assert!(!shown.contains("[y/N]"), "{shown}");
    assert!(
        shown.contains("\u{1b}[1;31mInstallation target leaky@1.0.0:"),
        "colours on a terminal: {shown:?}"
    );
}

#[test]
fn the_command_line_and_the_environment_decide_without_asking() {
    let mut sandbox = with_leaky();
    sandbox.set("SCFW_ON_WARNING", "BLOCK");
    let (status, shown) = sandbox.on_terminal(&["npm", "install", "leaky"], QUESTION, Some("y\n"));
    assert_eq!(status, 77, "{shown}");
    assert!(!shown.contains("[y/N]"));
    // A flag goes before the environment.
    sandbox.scfw(&["run", "--allow-on-warning", "npm", "install", "leaky"]).ended_with(0).says("GHSA-npm");
    assert!(sandbox.list("node_modules").contains(&"leaky".to_owned()));
}

#[test]
fn the_configuration_decides_where_nobody_can_be_asked() {
    let sandbox = with_leaky();
    std::fs::write(sandbox.path("scfw/config.toml"), "on_warning = \"allow\"\n").unwrap();
    sandbox.hook(&["npm", "install", "leaky"]).ended_with(0).says("GHSA-npm");
    let (status, shown) = sandbox.on_terminal(&["npm", "install", "-g", "leaky"], QUESTION, Some("n\n"));
    assert_eq!(status, 76, "on a terminal it asks all the same: {shown}");
}

#[test]
fn a_dry_run_verifies_and_installs_nothing() {
    let sandbox = with_leaky();
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0").bin("good").canary(sandbox.canary("good")));
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    sandbox
        .scfw(&["run", "--dry-run", "npm", "install", "good"])
        .ended_with(0)
        .says("dry run: 1 package verified");
    sandbox
        .scfw(&["run", "--dry-run", "npx", "--yes", "good"])
        .ended_with(0)
        .says("dry run: 1 package verified");
    sandbox
        .scfw(&["run", "--dry-run", "pip", "install", "--target", "out", "good"])
        .ended_with(0)
        .says("dry run: 1 package");
    sandbox
        .scfw(&["run", "--dry-run", "pip", "download", "-d", "out", "good"])
        .ended_with(0)
        .does_not_say("ERROR");
    sandbox.scfw(&["run", "--dry-run", "npm", "install", "leaky"]).ended_with(77);
    assert!(sandbox.list("node_modules").is_empty() && sandbox.list("out").is_empty() && !sandbox.has_sung());
}

#[test]
fn another_executable_is_run_when_named() {
    let mut sandbox = with_leaky();
    let directory = std::env::split_paths(&sandbox.variable("PATH")).next().unwrap();
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    let python = directory.join("python3").display().to_string();
    sandbox.set("PATH", "/usr/bin:/bin");
    for executable in [&python, &directory.join("pip").display().to_string()] {
        let arguments = ["run", "--executable", executable, "pip", "install", "--target", "out", "good"];
        sandbox.scfw(&arguments).ended_with(0);
        assert!(sandbox.list("out").contains(&"good.py".to_owned()));
        std::fs::remove_dir_all(sandbox.project("out")).unwrap();
        let arguments = ["run", "--executable", executable, "pip", "install", "--target", "out", "leaky"];
        sandbox.scfw(&arguments).ended_with(77);
    }
    assert_eq!(sandbox.log()[0]["executable"], python);
}

#[test]
fn a_bypass_is_said_aloud_and_logged() {
    let mut sandbox = with_leaky();
    sandbox.world.malicious(scfw_core::package::Ecosystem::Npm, "leaky", None);
    sandbox.set("SCFW_BYPASS", "1");
    sandbox
        .hook(&["npm", "install", "leaky"])
        .ended_with(0)
        .says("SCFW_BYPASS is set: this installation is not verified");
    let log = sandbox.log();
    assert_eq!((&log[0]["action"], &log[0]["verified"]), (&json!("ALLOW"), &json!(false)));
}
