//! Notes of runs: only those in the data directory count, they loosen no policy, and none are left.

use std::fs;
use std::os::unix::fs::symlink;

use scfw_world::{NpmPackage, Sdist, Wheel};
use serde_json::{Value, json};

use crate::support::Sandbox;

const INSTALL: [&str; 5] = ["pip", "install", "--target", "out", "leaky"];

/// A world in which `leaky` has a vulnerability.
fn with_leaky() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.world.add_wheel(Wheel::new("leaky", "1.0"));
    sandbox.world.add_advisory(json!({
        "id": "GHSA-leak", "affected": [{"package": {"ecosystem": "PyPI", "name": "leaky"}}]
    }));
    sandbox
}

/// What a gate would note once `leaky` was accepted, in a file beside the note of a run whose process lives.
fn accepted(sandbox: &Sandbox) -> String {
    let document = sandbox.path("document");
    let path = document.display().to_string();
    // The address is the gate's to say, so it is taken from a document of it.
    let verifier = sandbox.write("verifier", format!("#!/bin/sh\ncat > '{path}'\nexit 69\n"));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&verifier, mode).unwrap();
    let gate = fs::read_dir(sandbox.path("scfw/gates")).unwrap().map(|entry| entry.unwrap().path());
    let gate = gate.map(|directory| directory.join("gate.zip")).find(|gate| gate.is_file()).unwrap();
    let mut command = sandbox.command("pip", &INSTALL[1..]);
    command.env("SCFW_GATE_VERIFIER", &verifier).env("SCFW_GATE_PYTHON", gate.join("sitecustomize.py"));
    command.env("PYTHONPATH", &gate);
    sandbox.finish(command);
    let document: Value = serde_json::from_slice(&fs::read(document).unwrap()).unwrap();
    let url = document["targets"][0]["url"].as_str().unwrap();
    format!("{}\n", json!(format!("leaky 1.0 {url}")))
}

#[test]
fn a_note_anywhere_else_loosens_nothing() {
    let mut sandbox = with_leaky();
    sandbox.hook(&INSTALL).ended_with(77);
    let accepted = accepted(&sandbox);
    let elsewhere = sandbox.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("run-1-1.accepted"), accepted).unwrap();
    symlink(&elsewhere, sandbox.path("scfw/runs/below")).unwrap();
    for run in [elsewhere.join("run-1-1"), sandbox.path("scfw/runs/below/run-1-1")] {
        sandbox.set("SCFW_GATE_RUN", &run);
        sandbox.hook(&INSTALL).ended_with(77).says("GHSA-leak");
        assert!(sandbox.list("out").is_empty());
    }
    assert_eq!(fs::read_dir(elsewhere).unwrap().count(), 1, "no verdict is noted there");
}

#[test]
fn a_note_does_not_loosen_a_policy() {
    for policy in ["on_warning = \"block\"\n", "on_warning = \"ask\"\n", "locked = [\"on_warning\"]\n"] {
        let mut sandbox = with_leaky();
        sandbox.hook(&INSTALL).ended_with(77);
        let accepted = accepted(&sandbox);
        sandbox.administer("policy.toml", policy);
        let run = sandbox.path("scfw/runs/run-1-1");
        fs::write(run.with_extension("accepted"), &accepted).unwrap();
        sandbox.set("SCFW_GATE_RUN", &run);
        sandbox.hook(&INSTALL).ended_with(77).says("GHSA-leak");
        assert!(sandbox.list("out").is_empty(), "{policy}");
    }
}

#[test]
fn a_policy_that_blocks_asks_nobody_who_has_accepted() {
    let mut sandbox = with_leaky();
    sandbox.hook(&INSTALL).ended_with(77);
    let accepted = accepted(&sandbox);
    sandbox.administer("policy.toml", "on_warning = \"block\"\n");
    let run = sandbox.path("scfw/runs/run-1-1");
    fs::write(run.with_extension("accepted"), &accepted).unwrap();
    sandbox.set("SCFW_GATE_RUN", &run);
    let (status, shown) = sandbox.on_terminal(&INSTALL, "No changes have been made", Some("y\n"));
    assert_eq!(status, 77, "{shown}");
    assert!(shown.contains("GHSA-leak") && !shown.contains("[y/N]"), "{shown}");
}

#[test]
fn a_policy_that_asks_asks_again_whatever_a_note_says() {
    let mut sandbox = with_leaky();
    sandbox.hook(&INSTALL).ended_with(77);
    let accepted = accepted(&sandbox);
    sandbox.administer("policy.toml", "on_warning = \"ask\"\n");
    let run = sandbox.path("scfw/runs/run-1-1");
    fs::write(run.with_extension("accepted"), &accepted).unwrap();
    sandbox.set("SCFW_GATE_RUN", &run);
    let (status, shown) = sandbox.on_terminal(&INSTALL, "[y/N] ", Some("n\n"));
    assert_eq!(status, 76, "{shown}");
    assert!(shown.contains("GHSA-leak") && sandbox.list("out").is_empty(), "{shown}");
}

#[test]
fn what_pips_beneath_npm_have_noted_is_removed() {
    let sandbox = with_leaky();
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    let install = "pip install --target out good";
    sandbox.world.add_npm(NpmPackage::new("top", "1.0.0").script("postinstall", install));
    sandbox.hook(&["npm", "install", "top"]).ended_with(0);
    // The next command, or the next run, finds that the run has ended.
    for command in [&["check", "pypi:good"][..], &["run", "npm", "install", "top"]] {
        for name in ["run-2147483647-1.accepted", "run-2147483647-1.verdict"] {
            fs::write(sandbox.path("scfw/runs").join(name), "0").unwrap();
        }
        sandbox.scfw(command).ended_with(0);
        let left: Vec<_> = fs::read_dir(sandbox.path("scfw/runs"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        let is_old = |name: &&std::ffi::OsString| name.to_string_lossy().contains("2147483647");
        assert_eq!(left.iter().filter(is_old).count(), 0, "{left:?}");
        let is_beside = |name: &&std::ffi::OsString| name.to_string_lossy().contains('.');
        assert!(left.iter().filter(is_beside).count() <= 1, "at most the last run's: {left:?}");
    }
}

#[test]
fn a_warning_is_still_asked_about_once_in_a_run() {
    let sandbox = with_leaky();
    for name in ["a", "b"] {
        sandbox.world.add_sdist(Sdist::new(name, "1.0").build_requires("leaky"));
    }
    let install = ["pip", "install", "--no-cache-dir", "--target", "out", "a", "b"];
    let (status, shown) = sandbox.on_terminal(&install, "[y/N] ", Some("y\n"));
    assert_eq!(status, 0, "{shown}");
    assert_eq!(shown.matches("[y/N]").count(), 1, "{shown}");
}
