//! Command lines that are no text, or that hold what a terminal would act on.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use scfw_core::package::Ecosystem;

use crate::support::{Finished, Sandbox, binary};

fn hook(sandbox: &Sandbox, arguments: &[&[u8]]) -> Finished {
    let arguments: Vec<OsString> =
        arguments.iter().map(|bytes| OsStr::from_bytes(bytes).to_owned()).collect();
    sandbox.finish(sandbox.command(binary("scfw-hook"), &arguments)).does_not_say("panicked")
}

#[test]
fn arguments_that_are_no_text_reach_the_manager_as_they_are() {
    let sandbox = Sandbox::new();
    let script = "import os, sys; print(os.fsencode(sys.argv[1]).hex())";
    let finished = hook(&sandbox, &[b"python3", b"-c", script.as_bytes(), b"\xff\xfe-m pip"]);
    assert_eq!(finished.ended_with(0).stdout, "fffe2d6d20706970\n");
}

#[test]
fn a_package_name_that_is_no_text_installs_nothing() {
    let sandbox = Sandbox::new();
    for command in [
        &[&b"npm"[..], b"install", b"ev\xffil"][..],
        &[b"npm", b"\xff", b"install", b"x"],
        &[b"npx", b"-y", b"\xfe\xff"],
        &[b"pip", b"install", b"--target", b"out", b"ev\xffil==1.0"],
        &[b"pip", b"install", b"--target", b"out", b"-r", b"\xff.txt"],
        &[b"python3", b"-m", b"pip", b"install", b"\xff"],
    ] {
        let finished = hook(&sandbox, command);
        assert!((1..128).contains(&finished.status) && finished.status != 101, "{command:?}: {finished:?}");
        assert!(sandbox.list("node_modules").is_empty() && sandbox.list("out").is_empty(), "{command:?}");
    }
}

#[test]
fn a_package_that_is_malicious_is_blocked_beside_arguments_that_are_no_text() {
    let sandbox = Sandbox::new();
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    sandbox.world.malicious(Ecosystem::PyPi, "evil", None);
    hook(&sandbox, &[b"npm", b"install", b"\xff", b"evil"]).ended_with(77).says("target evil:");
    hook(&sandbox, &[b"pip", b"install", b"\xff", b"evil"]).ended_with(77).says("target evil:");
    assert!(!sandbox.was_asked_for("evil"));
}

#[test]
fn escapes_in_arguments_are_not_repeated_by_scfw() {
    let sandbox = Sandbox::new();
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    let hostile = "\u{1b}[2J\u{9b}31m\u{202e}";
    // Blocked by scfw, so that all of standard error is scfw's.
    for command in [
        &["npm", "install", "evil", hostile][..],
        &["npm", "install", "evil@\u{1b}[31m"],
        &["npm", "install", "evil", "--no-dry-run", hostile],
        &["scfw-test-\u{1b}[31m", "install"],
    ] {
        let finished = sandbox.hook(command);
        assert!([69, 77, 127].contains(&finished.status), "{finished:?}");
        let unsafe_characters = ['\u{1b}', '\u{9b}', '\u{202e}'];
        assert!(!finished.stderr.contains(unsafe_characters), "{command:?}: {:?}", finished.stderr);
    }
    let finished = sandbox.scfw(&["run", "\u{1b}[31mcargo", "install"]).ended_with(2);
    assert!(!finished.stderr.contains('\u{1b}'), "{:?}", finished.stderr);
}

#[test]
fn a_requirement_with_escapes_is_named_without_them() {
    let sandbox = Sandbox::new();
    let finished = sandbox.hook(&["pip", "install", "--target", "out", "\u{1b}[2Jevil"]);
    assert!((1..128).contains(&finished.status) && finished.status != 101, "{finished:?}");
    let ours = finished.stderr.lines().filter(|line| line.starts_with("scfw"));
    assert!(!ours.into_iter().any(|line| line.contains('\u{1b}')), "{:?}", finished.stderr);
    assert!(sandbox.list("out").is_empty());
}

#[test]
fn a_package_name_of_a_hundred_thousand_letters_is_named_in_short() {
    let sandbox = Sandbox::new();
    // The system takes no longer argument than 128 KiB.
    let name = "n".repeat(100_000);
    sandbox.world.malicious(Ecosystem::PyPi, &name, None);
    let finished = sandbox.hook(&["pip", "install", "--target", "out", &name]);
    assert!((1..128).contains(&finished.status) && finished.status != 101, "{finished:?}");
    let ours = finished.stderr.lines().filter(|line| line.starts_with("scfw")).map(str::len).sum::<usize>();
    assert!(ours < 2000, "{ours} bytes");
    assert!(sandbox.list("out").is_empty());
}
