//! Programs that go by the name of pip or npm and are something else: refused where that is certain, and never said to
//! have been stopped where nothing is known.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use scfw_world::{NpmPackage, Wheel};

use crate::support::Sandbox;

fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox.search_first("bin");
    sandbox
}

/// A program in the first folder on `PATH`.
fn program(sandbox: &Sandbox, name: &str, content: &str) {
    let path = sandbox.write(format!("bin/{name}"), content);
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// Stands for another manager: whatever it is called with, it installs.
fn installs(sandbox: &Sandbox, name: &str) -> String {
    format!("#!/bin/sh\necho ran > '{}'\n", sandbox.canary(name).display())
}

#[test]
fn a_link_to_another_manager_is_refused_and_named() {
    for (name, file, other) in [
        ("pip", "uv", "uv"),
        ("pip3", "uv", "uv"),
        ("npm", "pnpm.cjs", "pnpm"),
        ("npm", "bun", "bun"),
        ("npx", "pnpx", "pnpx"),
    ] {
        let sandbox = sandbox();
        program(&sandbox, file, &installs(&sandbox, other));
        symlink(file, sandbox.project("bin").join(name)).unwrap();
        let refused = sandbox.hook(&[name, "install", "good"]).ended_with(69);
        refused
            .says(&format!("{name} is {other}, which scfw does not verify"))
            .says("scfw run --executable PATH");
        assert!(!sandbox.has_sung());
        assert_eq!(sandbox.log()[0]["action"], "BLOCK");
        sandbox.scfw(&["check", "npm:good"]).does_not_say("never reported");
        // What installs nothing is its own affair.
        sandbox.hook(&[name, "--version"]).ended_with(0);
        assert!(sandbox.has_sung());
    }
}

#[test]
fn a_script_that_comes_to_another_manager_is_refused() {
    let sandbox = sandbox();
    for (name, script, other) in [
        ("pip", "#!/bin/sh\nexec uv pip \"$@\"\n", "uv"),
        ("npm", "#!/usr/bin/env bash\n# We use pnpm here.\nset -e\nexec /opt/pnpm \"$@\"\n", "pnpm"),
    ] {
        for manager in ["uv", "pnpm"] {
            program(&sandbox, manager, &installs(&sandbox, manager));
        }
        program(&sandbox, name, script);
        sandbox.hook(&[name, "install", "good"]).ended_with(69).says(&format!("{name} is {other}"));
        sandbox.scfw(&["run", name, "install", "good"]).ended_with(69);
        assert!(!sandbox.has_sung());
    }
}

#[test]
fn wrappers_of_the_manager_itself_go_on() {
    let sandbox = sandbox();
    let real = |name: &str| {
        let path = std::env::split_paths(&sandbox.variable("PATH")).skip(1).collect::<Vec<_>>();
        path.iter().map(|folder| folder.join(name)).find(|file| file.is_file()).unwrap().display().to_string()
    };
    let (pip, npm) = (real("pip"), real("npm"));
    for wrapper in [
        // As pyenv, nix and people write them.
        "#!/usr/bin/env bash\nset -e\n[ -n \"$X\" ] && set -x\nprogram=\"${0##*/}\"\nexec \"REAL\" \"$@\"\n",
        "#! /bin/bash -e\nexport PIP_X='uv'\nexec \"REAL\"  \"$@\" \n",
        "#!/bin/sh\nif [ \"$1\" = uv ]; then\n  exec uv pip \"$@\"\nfi\n# not uv\nexec REAL \"$@\"\n",
    ] {
        program(&sandbox, "pip", &wrapper.replace("REAL", &pip));
        sandbox.hook(&["pip", "install", "--upgrade", "--target", "out", "good"]).ended_with(0);
        program(&sandbox, "npm", &wrapper.replace("REAL", &npm));
        sandbox.hook(&["npm", "install", "good"]).ended_with(0);
        assert_eq!(sandbox.scfw(&["check", "npm:good"]).ended_with(0).stderr, "");
    }
}

#[test]
fn of_what_is_not_told_only_what_is_known_is_said() {
    let sandbox = sandbox();
    let install = installs(&sandbox, "other");
    program(&sandbox, "pip", &install);
    sandbox.hook(&["pip", "install", "good"]).ended_with(0);
    assert!(sandbox.has_sung(), "the program is not one that scfw knows");
    sandbox
        .scfw(&["check", "npm:good"])
        .says("the gate of an earlier run never reported, so nothing is known of what that run did: pip install good")
        .says("\"scfw audit\" verifies what is installed")
        .does_not_say("kept from");
}
