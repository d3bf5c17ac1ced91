//! Questions that nobody answers any more, or that nobody can: the one who waits is gone, or a build server.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use scfw_world::{NpmPackage, Sdist, Wheel};
use serde_json::json;

use crate::support::{Sandbox, binary};

const QUESTION: &str = "Proceed with the installation anyway? [y/N] ";
/// Long enough for any machine, and short against for ever.
const SOON: Duration = Duration::from_secs(20);

/// A world in which `leaky` has a vulnerability, in npm and PyPI, and the build of `top` requires it.
fn with_leaky() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("leaky", "1.0.0"));
    sandbox.world.add_wheel(Wheel::new("leaky", "1.0"));
    sandbox.world.add_sdist(Sdist::new("top", "1.0").build_requires("leaky"));
    for ecosystem in ["npm", "PyPI"] {
        sandbox.world.add_advisory(json!({
            "id": format!("GHSA-{ecosystem}"), "affected": [{"package": {"ecosystem": ecosystem, "name": "leaky"}}]
        }));
    }
    sandbox
}

/// The verifiers that run in this sandbox.
fn verifiers(sandbox: &Sandbox) -> Vec<i32> {
    let home = format!("SCFW_HOME={}", sandbox.path("scfw").display());
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let process: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        // One that has ended has neither.
        let read = |name: &str| {
            fs::read(format!("/proc/{process}/{name}"))
                .map(|text| String::from_utf8_lossy(&text).into_owned())
        };
        let (words, environment) = (read("cmdline").ok()?, read("environ").ok()?);
        (words.ends_with("\0verify\0") && environment.split('\0').any(|variable| variable == home))
            .then_some(process)
    });
    processes.collect()
}

/// Ends the manager with `signal` while its question waits; nothing may stay behind that reads the terminal.
#[track_caller]
fn nothing_stays_behind(command: &str, signal: Signal) {
    let sandbox = with_leaky();
    // The shell leads the session, so that the terminal stays when the manager goes.
    let script = format!(
        "\"$0\" {command} & echo \"number $!.\"; wait $!; echo over; read line; echo \"read $line.\""
    );
    let hook = binary("scfw-hook").display().to_string();
    let mut typing = sandbox.typing("/bin/sh", &["-c", &script, &hook]);
    typing.sees("number ");
    let manager: i32 = typing.sees(".").parse().unwrap();
    typing.sees(QUESTION);
    assert_eq!(verifiers(&sandbox).len(), 1, "{command}");
    kill(Pid::from_raw(manager), signal).unwrap();
    typing.sees("over");
    let start = Instant::now();
    while !verifiers(&sandbox).is_empty() {
        assert!(start.elapsed() < SOON, "{command}: the verifier waits for an answer still");
        std::thread::yield_now();
    }
    typing.types("mine\n");
    typing.sees("read mine.");
    typing.ends();
    assert!(sandbox.list("out").is_empty() && sandbox.list("node_modules").is_empty());
}

#[test]
fn a_pip_that_is_ended_at_the_question_leaves_no_reader() {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        nothing_stays_behind("pip install --target out leaky", signal);
    }
}

#[test]
fn a_pip_whose_build_asks_leaves_no_reader() {
    nothing_stays_behind("pip install --target out top", Signal::SIGKILL);
}

#[test]
fn an_npm_that_is_ended_at_the_question_leaves_no_reader() {
    nothing_stays_behind("npm install leaky", Signal::SIGKILL);
}

#[test]
fn on_a_build_server_nobody_is_asked() {
    for (variable, value) in
        [("CI", "true"), ("CI", "1"), ("TF_BUILD", "True"), ("JENKINS_URL", "http://host/")]
    {
        let mut sandbox = with_leaky();
        sandbox.set(variable, value);
        let install = ["npm", "install", "leaky"];
        let (status, shown) = sandbox.on_terminal(&install, QUESTION, Some("y\n"));
        assert_eq!(status, 77, "{variable}={value}: {shown}");
        assert!(shown.contains("GHSA-npm") && !shown.contains("[y/N]"), "{shown}");
        fs::write(sandbox.path("scfw/config.toml"), "on_warning = \"allow\"\n").unwrap();
        let (status, shown) = sandbox.on_terminal(&install, QUESTION, Some("n\n"));
        assert_eq!(status, 0, "{shown}");
    }
    let mut sandbox = with_leaky();
    sandbox.set("CI", "false");
    let (status, shown) = sandbox.on_terminal(&["npm", "install", "leaky"], QUESTION, Some("y\n"));
    assert_eq!(status, 0, "{shown}");
}
