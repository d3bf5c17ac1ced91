//! What an adversary tried and what held: options of pip and flags of lockfiles that might lead round a gate.

use std::fs;

use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, Sdist};
use serde_json::json;

use crate::support::Sandbox;

#[test]
fn no_option_of_pips_leads_round_the_gate() {
    let mut sandbox = Sandbox::new();
    sandbox.world.add_sdist(Sdist::new("evil", "1.0").canary(sandbox.canary("evil")));
    sandbox.world.malicious(Ecosystem::PyPi, "evil", Some("1.0"));
    sandbox.write("pyproject.toml", "[dependency-groups]\ndev = [\"evil\"]\n");
    sandbox.write("script.py", "# /// script\n# dependencies = [\"evil\"]\n# ///\n");
    sandbox.write("evil.txt", "evil\n");
    let python = std::env::split_paths(&sandbox.variable("PATH")).next().unwrap().join("python3");
    let python = python.to_str().unwrap();
    let lines: &[&[&str]] = &[
        &["install", "--prefix", "out", "evil"],
        &["install", "--root", "out", "evil"],
        &["install", "--dry-run", "--report", "-", "evil"],
        &["install", "--target", "out", "--group", "dev"],
        &["install", "--target", "out", "--requirements-from-script", "script.py"],
        &["--python", python, "install", "--target", "out", "evil"],
        &["lock", "evil"],
        &["wheel", "-w", "out", "-r", "evil.txt"],
        &["download", "--no-deps", "-d", "out", "evil"],
        &["install", "--ignore-installed", "--no-deps", "--target", "out", "evil"],
    ];
    for line in lines {
        let words: Vec<&str> = ["pip"].iter().chain(*line).copied().collect();
        sandbox.hook(&words).ended_with(77).says("evil-1.0 is malicious");
        assert!(!sandbox.has_sung() && sandbox.list("out").is_empty(), "{line:?}");
    }
    sandbox.set("PIP_PYTHON", python);
    sandbox.hook(&["pip", "install", "--target", "out", "evil"]).ended_with(77);
    assert!(!sandbox.has_sung() && sandbox.list("out").is_empty());
}

#[test]
fn no_flag_of_a_lockfile_leads_round_the_gate() {
    let sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").canary(sandbox.canary("evil")));
    sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
    let flags = [
        json!({}),
        json!({"dev": true}),
        json!({"optional": true}),
        json!({"devOptional": true}),
        json!({"peer": true}),
        json!({"extraneous": true}),
        json!({"inert": true}),
        json!({"ideallyInert": true}),
        json!({"inBundle": true}),
        json!({"bundled": true}),
        json!({"os": ["win32"]}),
        json!({"cpu": ["none"]}),
        json!({"libc": ["none"]}),
        json!({"hasShrinkwrap": true}),
        json!({"hasInstallScript": false}),
    ];
    for flag in flags {
        let root = json!({"name": "p", "version": "1.0.0", "dependencies": {"evil": "1.0.0"}});
        let mut entry = json!({"version": "1.0.0", "hasInstallScript": true,
            "resolved": format!("{}evil/-/evil-1.0.0.tgz", sandbox.world.registry_url())});
        entry.as_object_mut().unwrap().extend(flag.as_object().unwrap().clone());
        for arguments in
            [&["ci"][..], &["ci", "--force"], &["install"], &["install", "--force"], &["rebuild"]]
        {
            sandbox.write("package.json", root.to_string());
            let lock = json!({"name": "p", "version": "1.0.0", "lockfileVersion": 3, "requires": true,
                "packages": {"": root, "node_modules/evil": entry}});
            sandbox.write("package-lock.json", lock.to_string());
            let words: Vec<&str> = ["npm"].iter().chain(arguments).copied().collect();
            let finished = sandbox.hook(&words);
            assert!(!sandbox.has_sung(), "{flag} {arguments:?}: {finished:?}");
            // Where npm leaves it out there is nothing to be stopped.
            let is_there = sandbox.project("node_modules/evil/package.json").exists();
            assert!(!is_there, "{flag} {arguments:?}: {finished:?}");
            if flag == json!({}) && arguments != ["rebuild"] {
                assert_eq!(finished.status, 77, "{arguments:?}");
            }
            drop(fs::remove_dir_all(sandbox.project("node_modules")));
        }
    }
}
