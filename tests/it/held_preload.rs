//! What an adversary tried under the preload library and what held: programs that start another one in a way of
//! their own.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::preload_callers::{is_protected, is_stopped, stocked};

#[test]
fn programs_that_change_how_another_runs() {
    let sandbox = stocked();
    for words in [
        &["setsid", "--wait", "npm", "install", "@"][..],
        &["nohup", "npm", "install", "@"],
        &["stdbuf", "-o0", "npm", "install", "@"],
        &["timeout", "60", "npm", "install", "@"],
        &["nice", "-n", "1", "npm", "install", "@"],
        &["setsid", "--wait", "nohup", "nice", "npm", "install", "@"],
    ] {
        is_protected(&sandbox, words[0], &words[1..], 77);
    }
}

#[test]
fn the_first_process_of_a_namespace() {
    let sandbox = stocked();
    let words = ["--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "npm", "install", "@"];
    is_protected(&sandbox, "unshare", &words, 77);
}

#[test]
fn an_interpreter_that_names_itself() {
    let sandbox = stocked();
    let script = "import subprocess, sys\n\
        sys.exit(subprocess.call([sys.executable, '-m', 'pip', 'install', '--target', 'out', sys.argv[1]]))";
    let finished = sandbox.bare("python3", &["-c", script, "evil"]).ended_with(77);
    is_stopped(&sandbox, &finished, 1);
    sandbox.bare("python3", &["-c", script, "good"]).ended_with(0).does_not_say("scfw");
    assert!(sandbox.list("out").contains(&"good.py".to_owned()));
}

#[test]
fn an_environment_that_is_made_with_the_newest_pip() {
    let sandbox = stocked();
    // It asks the index for a newer pip, which this one does not have.
    let finished = sandbox.bare("python3", &["-m", "venv", "--upgrade-deps", "own"]);
    assert!(!finished.stderr.contains("panicked") && !sandbox.has_sung(), "{finished:?}");
    assert!(sandbox.was_asked_for("pip"), "{finished:?}");
    // A shell starts it, for what starts under the library is seen and the library's first program is not.
    let finished = sandbox.bare("sh", &["-c", "own/bin/pip install evil; exit $?"]).ended_with(77);
    is_stopped(&sandbox, &finished, 1);
}

#[test]
fn a_hook_that_is_deleted_under_a_running_shell() {
    let mut sandbox = stocked();
    let copy = sandbox.path("scfw-hook");
    fs::copy(crate::support::binary("scfw-hook"), &copy).unwrap();
    sandbox.set("SCFW_SHIM_HOOK", &copy);
    let script =
        "npm install good && rm \"$SCFW_SHIM_HOOK\" && rm -r node_modules; npm install evil; echo $?";
    let finished = sandbox.bare("bash", &["-c", script]);
    assert!(!sandbox.has_sung() && sandbox.list("node_modules").is_empty(), "{finished:?}");
    assert_ne!(finished.stdout.lines().last(), Some("0"), "{finished:?}");
}

#[test]
fn no_words_at_all() {
    let sandbox = stocked();
    let npm = sandbox.write("bin/npm", "#!/bin/sh\necho ran with $#\n");
    fs::set_permissions(&npm, fs::Permissions::from_mode(0o755)).unwrap();
    // Linux takes no list for an empty one, of words and of variables.
    let script = "import ctypes, sys\n\
        ctypes.CDLL(None).execve(sys.argv[1].encode(), None, None)\n\
        sys.exit(3)";
    let finished = sandbox.bare("python3", &["-c", script, npm.to_str().unwrap()]).ended_with(0);
    assert_eq!(finished.stdout, "ran with 0\n");
}
