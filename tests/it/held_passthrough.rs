//! What installs nothing looks the same with and without scfw: the output and the status of many commands.

use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, Wheel};
use serde_json::json;

use crate::support::Sandbox;

#[track_caller]
fn is_the_same(sandbox: &Sandbox, program: &str, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let bare = sandbox.bare(program, &words);
    let routed = sandbox.hook(&[&[program], &words[..]].concat());
    assert_eq!(routed.stdout, bare.stdout, "{program} {line}");
    assert_eq!(routed.status, bare.status, "{program} {line}: {routed:?}");
    assert_eq!(routed.stderr, bare.stderr, "{program} {line}");
}

#[test]
fn commands_of_pips_that_install_nothing_are_its_own() {
    let sandbox = Sandbox::new();
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    sandbox.world.malicious(Ecosystem::PyPi, "evil", None);
    sandbox.write("file", "text");
    for line in [
        "", "--version", "help", "help install", "install --help", "list", "list --format json", "freeze",
        "show pip", "show evil", "check", "config list", "config get global.no-such", "cache dir",
        "cache list", "hash file", "hash missing", "index versions good", "inspect --path missing",
        "completion --bash", "no-such-command", "--no-such-option", "uninstall --yes no-such-package",
    ] {
        is_the_same(&sandbox, "pip", line);
    }
}

#[test]
fn commands_of_npms_that_install_nothing_are_its_own() {
    let mut sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0").bin("good"));
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    // A name of the log of each run is in what npm prints when it fails.
    sandbox.set("npm_config_logs_max", "0");
    let root = json!({"name": "evil", "version": "1.2.3", "dependencies": {"good": "*"},
        "scripts": {"test": "exit 3", "start": "echo started", "other": "echo other"}});
    sandbox.write("package.json", root.to_string());
    sandbox.bare("npm", &["install"]).ended_with(0);
    for line in [
        "--version", "help", "install --help", "ls", "ls --all --json", "ls evil", "prefix", "root",
        "bin --global", "pkg get name", "config get registry", "explain good", "why good", "run",
        "run other", "test", "start", "run no-such", "outdated", "no-such-command", "completion",
        "query .prod",
    ] {
        is_the_same(&sandbox, "npm", line);
    }
    // The project's own program, and a project that goes by the name of malware.
    for line in ["good one two", "--no-install good", "--no good"] {
        is_the_same(&sandbox, "npx", line);
    }
    let installed = sandbox.hook(&["npm", "install"]).ended_with(0);
    installed.does_not_say("scfw");
}
