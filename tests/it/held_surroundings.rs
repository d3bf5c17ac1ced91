//! What an adversary tried on the surroundings of a command and what held: streams, limits, modes and directories.
//! Malware never runs, whatever is missing; what is odd and enough does not get in the way.

use std::fs;

use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, Sdist, Wheel};

use crate::support::{Finished, Sandbox, binary};

/// A world with `good` and with `evil`, which is malicious in its one version, of both kinds.
fn stocked() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox.world.add_sdist(Sdist::new("evil", "1.0").canary(sandbox.canary("pip")));
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").canary(sandbox.canary("npm")));
    sandbox.world.malicious(Ecosystem::PyPi, "evil", Some("1.0"));
    sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
    sandbox
}

const PIP: &str = "pip install --no-cache-dir --target out";
const NPM: &str = "npm install";

/// Runs a line of bash in which `$hook` is scfw-hook.
fn bash(sandbox: &Sandbox, line: &str) -> Finished {
    let script = format!("hook='{}'; {line}", binary("scfw-hook").display());
    sandbox.bare("bash", &["-c", &script])
}

#[track_caller]
fn nothing_has_happened(sandbox: &Sandbox, finished: &Finished, what: &str) {
    assert_ne!(finished.status, 0, "{what}: {finished:?}");
    assert!(!sandbox.has_sung(), "{what}: {finished:?}");
    assert!(sandbox.list("out/evil").is_empty() && sandbox.list("node_modules/evil").is_empty(), "{what}");
}

#[test]
fn closed_and_full_streams_change_no_verdict_about_npm() {
    let sandbox = stocked();
    for streams in
        [">&-", "2>&-", ">&- 2>&-", ">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full", "<&- >&- 2>&-"]
    {
        let finished = bash(&sandbox, &format!("\"$hook\" {NPM} evil {streams}"));
        nothing_has_happened(&sandbox, &finished, streams);
        assert_eq!(finished.status, 77, "{streams}: {finished:?}");
    }
}

#[test]
fn no_limit_lets_malware_through() {
    let sandbox = stocked();
    for limit in [
        "ulimit -n 10", "ulimit -n 16", "ulimit -n 32", "ulimit -v 60000", "ulimit -v 300000", "ulimit -f 0",
        "ulimit -s 64", "umask 777", "umask 000", "ulimit -c 0; ulimit -l 0; ulimit -q 0",
    ] {
        for command in [PIP, NPM] {
            let finished = bash(&sandbox, &format!("{limit}; \"$hook\" {command} evil"));
            nothing_has_happened(&sandbox, &finished, limit);
        }
    }
    // Enough is enough.
    bash(&sandbox, &format!("ulimit -n 256; ulimit -c 0; \"$hook\" {PIP} good")).ended_with(0);
    bash(&sandbox, &format!("ulimit -n 256; ulimit -c 0; \"$hook\" {NPM} good")).ended_with(0);
}

#[test]
fn a_home_that_is_odd_or_missing_lets_no_malware_through() {
    for (what, home, scfw_home, may_install) in [
        ("no home of the user's", None, Some("scfw"), true),
        ("no home at all", None, None, false),
        ("a home that is not there", Some("/no/such/home"), None, false),
        ("an empty home", Some(""), None, false),
        ("a home in a process", Some("/proc/self"), Some("/proc/self/scfw"), false),
        ("quotes", None, Some("it's \"so\" `id` $(id)"), true),
        ("a line end", None, Some("one\ntwo"), true),
        ("a tab and blanks", None, Some("one\t two "), true),
        ("a backslash and a percent", None, Some("one\\two%s"), true),
    ] {
        let mut sandbox = stocked();
        match home {
            Some(home) => sandbox.set("HOME", home),
            None => sandbox.unset("HOME"),
        }
        match scfw_home {
            Some(path) => sandbox.set("SCFW_HOME", sandbox.path(path)),
            None => sandbox.unset("SCFW_HOME"),
        }
        for command in [PIP, NPM] {
            let finished = bash(&sandbox, &format!("\"$hook\" {command} evil"));
            nothing_has_happened(&sandbox, &finished, what);
            let finished = bash(&sandbox, &format!("\"$hook\" {command} good"));
            assert!(finished.status == 0 || !may_install, "{what}: {finished:?}");
            assert!(!finished.stderr.contains("panicked"), "{what}: {finished:?}");
        }
    }
}

#[test]
fn a_working_directory_that_is_gone_lets_no_malware_through() {
    let sandbox = stocked();
    for command in [PIP, NPM, "npm ci", "pip install evil -r r.txt", "npx --yes"] {
        let line = format!("mkdir gone; cd gone; rmdir ../gone; \"$hook\" {command} evil");
        let finished = bash(&sandbox, &line);
        nothing_has_happened(&sandbox, &finished, command);
        assert!(!finished.stderr.contains("panicked"), "{command}: {finished:?}");
    }
}

#[test]
fn an_answer_through_a_pipe_is_no_answer() {
    let sandbox = stocked();
    sandbox.world.add_advisory(serde_json::json!({"id": "GHSA-1", "affected": [
        {"package": {"ecosystem": "npm", "name": "good"}},
        {"package": {"ecosystem": "PyPI", "name": "good"}}]}));
    for command in [PIP, NPM] {
        let finished = bash(&sandbox, &format!("yes | \"$hook\" {command} good; exit ${{PIPESTATUS[1]}}"));
        assert_eq!(finished.status, 77, "{finished:?}");
        assert!(sandbox.list("out").is_empty() && sandbox.list("node_modules").is_empty());
    }
}

#[test]
fn what_is_malicious_can_be_taken_away_again() {
    let sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox.bare("npm", &["install", "evil", "good"]).ended_with(0);
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    sandbox.hook(&["npm", "uninstall", "evil"]).ended_with(0);
    assert!(sandbox.list("node_modules/evil").is_empty());
    assert!(fs::exists(sandbox.project("node_modules/good")).unwrap());
}
