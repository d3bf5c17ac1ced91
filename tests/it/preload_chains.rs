//! Programs between the caller and the manager, and managers that start managers: however many times the preload
//! library sees a call, the manager runs once, and one verdict counts.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, Sdist, Wheel};

use crate::shims::{put_first, pyenv, with_shims};
use crate::support::{Finished, Sandbox, binary};

fn stocked() -> Sandbox {
    let sandbox = Sandbox::preloaded();
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").canary(sandbox.canary("npm")));
    sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    sandbox.world.add_sdist(Sdist::new("evil", "1.0").canary(sandbox.canary("pip")));
    sandbox.world.malicious(Ecosystem::PyPi, "evil", Some("1.0"));
    sandbox
}

/// Runs a command in a shell, which has the library.
fn shell(sandbox: &Sandbox, line: &str) -> Finished {
    // The shell must not become the command.
    sandbox.bare("sh", &["-c", &format!("{line}; exit $?")])
}

/// What was installed was verified once, and every gate has reported.
#[track_caller]
fn was_gated_once(sandbox: &Sandbox) {
    let log = sandbox.log();
    assert_eq!(log.len(), 1, "{log:?}");
    sandbox.scfw(&["check", "npm:good"]).does_not_say("never reported");
    fs::remove_file(sandbox.path("scfw/scfw.log")).unwrap();
}

#[track_caller]
fn is_protected_once(sandbox: &Sandbox) {
    for line in ["pip install --target out", "python3 -m pip install --target out", "npm install"] {
        shell(sandbox, &format!("{line} good")).ended_with(0).does_not_say("scfw");
        was_gated_once(sandbox);
        let finished = shell(sandbox, &format!("{line} evil")).ended_with(77);
        assert_eq!(finished.stderr.matches("was blocked").count(), 1, "{}", finished.stderr);
        was_gated_once(sandbox);
    }
    assert!(!sandbox.has_sung());
}

#[test]
fn the_managers_themselves() {
    is_protected_once(&stocked());
}

#[test]
fn a_pyenv_shim_ends_at_the_real_program() {
    let mut sandbox = stocked();
    let shims = pyenv(&sandbox);
    put_first(&mut sandbox, &shims);
    is_protected_once(&sandbox);
}

#[test]
fn a_version_manager_that_waits_for_the_program_is_as_good() {
    let mut sandbox = stocked();
    for name in ["pip", "python3", "npm"] {
        let real = std::env::split_paths(&sandbox.variable("PATH"))
            .map(|directory| directory.join(name))
            .find(|path| path.is_file())
            .unwrap();
        let wrapper = sandbox
            .write(format!("wrappers/{name}"), format!("#!/bin/sh\n'{}' \"$@\"\nexit $?\n", real.display()));
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    }
    sandbox.search_first("wrappers");
    is_protected_once(&sandbox);
}

#[test]
fn path_shims_and_the_library_together_gate_once() {
    let mut sandbox = stocked();
    with_shims(&mut sandbox);
    is_protected_once(&sandbox);
}

#[test]
fn scfw_hook_and_scfw_run_pass_under_the_library() {
    let sandbox = stocked();
    sandbox.hook(&["npm", "install", "good"]).ended_with(0).does_not_say("scfw");
    was_gated_once(&sandbox);
    sandbox.scfw(&["run", "pip", "install", "--target", "out", "good"]).ended_with(0);
    was_gated_once(&sandbox);
    sandbox.scfw(&["run", "pip", "install", "--target", "out", "evil"]).ended_with(77);
    was_gated_once(&sandbox);
}

#[test]
fn a_pip_that_pip_starts_belongs_to_its_run() {
    let sandbox = stocked();
    sandbox.world.add_sdist(Sdist::new("top", "1.0").build_requires("evil"));
    shell(&sandbox, "pip install --no-cache-dir --target out top").ended_with(77);
    assert!(!sandbox.has_sung() && sandbox.list("out").is_empty());
    // Known in every version: the inner call is refused before any pip of it starts.
    sandbox.world.malicious(Ecosystem::PyPi, "worse", None);
    sandbox.world.add_sdist(Sdist::new("over", "1.0").build_requires("worse"));
    shell(&sandbox, "pip install --no-cache-dir --target out over").ended_with(77).says("worse");
    assert!(sandbox.list("out").is_empty());
    sandbox.scfw(&["check", "npm:good"]).does_not_say("never reported");
}

#[test]
fn the_hooks_pass_is_for_its_own_process_alone() {
    let sandbox = stocked();
    // npm passes, and what it starts does not: not by its children, nor by posix_spawn from the same process.
    sandbox.write(
        "package.json",
        r#"{"name": "p", "version": "1.0.0", "scripts": {"x": "pip install --target out evil"}}"#,
    );
    shell(&sandbox, "npm run --silent x").ended_with(77).says("evil-1.0");
    // Straight to an interpreter: behind a script, its own call would be seen again.
    let pip = "import os, subprocess, sys; os.environ['SCFW_SHIM_PASS'] = str(os.getpid());\
        pip = [sys.executable, '-m', 'pip', 'install', '--no-cache-dir', '--target', 'out', 'evil'];";
    let spawned = "child = os.posix_spawn(pip[0], pip, os.environ);\
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))";
    sandbox.bare("python3", &["-c", &format!("{pip}{spawned}")]).ended_with(77);
    sandbox.bare("python3", &["-c", &format!("{pip}sys.exit(subprocess.call(pip))")]).ended_with(77);
    assert!(!sandbox.has_sung());
}

#[test]
fn a_python_that_was_typed_is_watched_until_it_is_pip_itself() {
    let mut sandbox = stocked();
    let script = "import os, sys; os.execv(sys.executable, [sys.executable, '-m', 'pip'] + sys.argv[1:])\n";
    let script = sandbox.write("becomes.py", script).display().to_string();
    let chains = |sandbox: &Sandbox| {
        let install = ["install", "--no-cache-dir", "--target", "out"];
        let becomes = ["python3", &script];
        for (package, status) in [("evil", 77), ("good", 0)] {
            sandbox.hook(&[&becomes[..], &install, &[package]].concat()).ended_with(status);
            sandbox.hook(&[&["python3", "-m", "pip"], &install[..], &[package]].concat()).ended_with(status);
        }
        // As a process that scfw-hook has let pass before, under a number that came back.
        let line =
            format!("export SCFW_SHIM_PASS=$$; exec '{}' python3 \"$@\"", binary("scfw-hook").display());
        let passed = [&["-c", &line, "sh", &script], &install[..], &["evil"]].concat();
        sandbox.bare("sh", &passed).ended_with(77);
        assert!(!sandbox.has_sung());
        // What only asks pip something comes to an end.
        sandbox.hook(&["python3", "-m", "pip", "list"]).ended_with(0);
        sandbox.hook(&["pip", "list"]).ended_with(0);
        sandbox.hook(&["npm", "config", "get", "registry"]).ended_with(0);
        sandbox.hook(&["python3", &script, "list"]).ended_with(0);
    };
    chains(&sandbox);
    let shims = pyenv(&sandbox);
    put_first(&mut sandbox, &shims);
    chains(&sandbox);
}

#[test]
fn an_isolated_interpreter_and_a_loader_are_gated() {
    let sandbox = stocked();
    let pip = "-m pip install --no-cache-dir --target out";
    shell(&sandbox, &format!("python3 -I {pip} evil")).ended_with(77).says("evil-1.0");
    shell(&sandbox, &format!("python3 -I {pip} good")).ended_with(0);
    let loader = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
    let Some(loader) = loader.iter().find(|path| fs::exists(path).unwrap()) else { return };
    let python =
        fs::canonicalize(std::env::split_paths(&sandbox.variable("PATH")).next().unwrap().join("python3"));
    let python = python.unwrap().display().to_string();
    shell(&sandbox, &format!("{loader} {python} -m pip --version")).ended_with(0);
    shell(&sandbox, &format!("{loader} {python} {pip} evil")).ended_with(77).says("evil-1.0");
    shell(&sandbox, &format!("{loader} --argv0 x {python} -Im pip install --target out evil")).ended_with(77);
    assert!(!sandbox.has_sung());
}

#[test]
fn standard_streams_and_status_of_what_installs_nothing_are_its_own() {
    let sandbox = stocked();
    for line in [
        "pip --version", "pip list", "npm --version", "npm config get registry", "npm run no-such-script",
        "python3 -m pip freeze",
    ] {
        let mut bare = sandbox.command("sh", &["-c", &format!("{line}; exit $?")]);
        bare.env_remove("LD_PRELOAD").env_remove("SCFW_SHIM_HOOK");
        let (bare, with) = (sandbox.finish(bare), shell(&sandbox, line));
        assert_eq!((with.status, with.stdout), (bare.status, bare.stdout), "{line}: {}", with.stderr);
    }
}
