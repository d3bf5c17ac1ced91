//! PATH shims: links with the managers' names, alone and together with what version managers put on `PATH`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, Wheel};

use crate::support::{Sandbox, binary};

/// A folder of shims, put first on `PATH`.
pub(crate) fn with_shims(sandbox: &mut Sandbox) -> PathBuf {
    let shims = sandbox.path("shims");
    fs::create_dir(&shims).unwrap();
    for name in ["pip", "pip3", "python", "python3", "npm", "npx"] {
        symlink(binary("scfw-hook"), shims.join(name)).unwrap();
    }
    put_first(sandbox, &shims);
    shims
}

pub(crate) fn put_first(sandbox: &mut Sandbox, directory: &Path) {
    let mut path = directory.as_os_str().to_owned();
    path.push(":");
    path.push(sandbox.variable("PATH"));
    sandbox.set("PATH", path);
}

fn script(sandbox: &Sandbox, relative: &str, content: &str) -> PathBuf {
    let path = sandbox.path(relative);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// What pyenv puts on `PATH`: a bash script for every name, which hands the name to `pyenv exec`, which puts the
/// version's own folder first on `PATH` and runs the program from there.
pub(crate) fn pyenv(sandbox: &Sandbox) -> PathBuf {
    let real = std::env::split_paths(&sandbox.variable("PATH")).next().unwrap();
    let pyenv = format!(
        "#!/usr/bin/env bash\nset -e\n[ \"$1\" = exec ]; shift\nname=$1; shift\n\
         export PATH=\"{0}:$PATH\"\nexec -a \"{0}/$name\" \"{0}/$name\" \"$@\"\n",
        real.display()
    );
    let pyenv = script(sandbox, "pyenv/bin/pyenv", &pyenv);
    for name in ["pip", "pip3", "python", "python3"] {
        let shim = format!(
            "#!/usr/bin/env bash\nset -e\nprogram=\"${{0##*/}}\"\nexport PYENV_ROOT=/nowhere\nexec \"{}\" exec \"$program\" \"$@\"\n",
            pyenv.display()
        );
        script(sandbox, &format!("pyenv/shims/{name}"), &shim);
    }
    sandbox.path("pyenv/shims")
}

/// Packages of which one of each kind is malicious in one version.
fn stock(sandbox: &Sandbox) {
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").canary(sandbox.canary("npm")));
    sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    sandbox.world.add_wheel(Wheel::new("evil", "1.0"));
    sandbox.world.malicious(Ecosystem::PyPi, "evil", Some("1.0"));
}

/// Clean packages are installed and malicious ones stopped, each by the name alone.
#[track_caller]
fn is_protected(sandbox: &Sandbox) {
    sandbox.bare("npm", &["install", "good"]).ended_with(0).does_not_say("scfw");
    sandbox.bare("npm", &["install", "evil"]).ended_with(77).says("evil@1.0.0");
    sandbox.bare("pip", &["install", "--target", "out", "good"]).ended_with(0).does_not_say("scfw");
    sandbox.bare("pip", &["install", "--target", "out", "evil"]).ended_with(77).says("evil-1.0");
    sandbox
        .bare("python3", &["-m", "pip", "install", "--target", "out", "evil"])
        .ended_with(77)
        .says("evil-1.0");
    assert!(!sandbox.has_sung());
    sandbox.scfw(&["check", "npm:good"]).does_not_say("never reported");
}

#[test]
fn scripts_that_know_no_shell_function_are_protected() {
    let mut sandbox = Sandbox::new();
    with_shims(&mut sandbox);
    stock(&sandbox);
    is_protected(&sandbox);
    sandbox.write("Makefile", "all:\n\tnpm install evil\n");
    let make = sandbox.bare("sh", &["-c", "npm install evil"]).ended_with(77);
    assert!(make.stderr.contains("blocked"));
    sandbox.bare("env", &["npm", "install", "evil"]).ended_with(77);
    let called = "import subprocess, sys; sys.exit(subprocess.call(['npm', 'install', 'evil']))";
    sandbox.bare("python3", &["-c", called]).ended_with(77);
}

#[test]
fn python_behind_a_shim_is_the_python_that_it_was() {
    let mut sandbox = Sandbox::new();
    let show = ["-c", "import sys; print(sys.prefix, sys.executable)"];
    let bare = sandbox.bare("python3", &show).ended_with(0);
    with_shims(&mut sandbox);
    assert_eq!(sandbox.bare("python3", &show).ended_with(0).stdout, bare.stdout);
    // So are the virtual environments that it makes.
    sandbox.bare("python3", &["-m", "venv", "--without-pip", "environment"]).ended_with(0);
    let python = fs::canonicalize(sandbox.project("environment/bin/python3")).unwrap();
    assert_ne!(python, fs::canonicalize(binary("scfw-hook")).unwrap());
    let shown =
        sandbox.bare(sandbox.project("environment/bin/python3").to_str().unwrap(), &show).ended_with(0);
    assert!(shown.stdout.starts_with(sandbox.project("environment").to_str().unwrap()), "{shown:?}");
}

#[test]
fn scfw_run_passes_over_the_shims() {
    let mut sandbox = Sandbox::new();
    with_shims(&mut sandbox);
    stock(&sandbox);
    sandbox.scfw(&["run", "npm", "install", "good"]).ended_with(0);
    sandbox.scfw(&["run", "npm", "install", "evil"]).ended_with(77);
    sandbox.scfw(&["check", "npm:good"]).does_not_say("never reported");
}

#[test]
fn two_installations_do_not_send_a_call_back_and_forth() {
    let mut sandbox = Sandbox::new();
    stock(&sandbox);
    // Another installation has a file of its own, so neither knows the other by its inode.
    let other = sandbox.path("other/bin");
    fs::create_dir_all(sandbox.path("other/shims")).unwrap();
    fs::create_dir(&other).unwrap();
    fs::copy(binary("scfw-hook"), other.join("scfw-hook")).unwrap();
    symlink(binary("scfw"), other.join("scfw")).unwrap();
    for name in ["pip", "npm", "python3"] {
        symlink(other.join("scfw-hook"), sandbox.path("other/shims").join(name)).unwrap();
    }
    let others = sandbox.path("other/shims");
    put_first(&mut sandbox, &others);
    with_shims(&mut sandbox);
    put_first(&mut sandbox, &others);
    is_protected(&sandbox);
}

#[test]
fn a_pyenv_shim_ends_at_the_real_program() {
    let mut sandbox = Sandbox::new();
    stock(&sandbox);
    let shims = pyenv(&sandbox);
    put_first(&mut sandbox, &shims);
    with_shims(&mut sandbox);
    is_protected(&sandbox);
    // The version manager first: it hands over to the real program, and scfw says in `status` why.
    put_first(&mut sandbox, &shims);
    sandbox.bare("npm", &["install", "evil"]).ended_with(77);
}

#[test]
fn shims_of_volta_mise_and_asdf_end_at_the_real_program() {
    for how in [
        // volta: one binary behind all names, which takes its own folder out of PATH.
        "#!/bin/sh\nname=${0##*/}\nPATH=$(printf %s \"$PATH\" | sed \"s#@SHIMS@:##g\")\nexport PATH\nexec \"$name\" \"$@\"\n",
        // mise: puts the tool's folder first and runs the name again.
        "#!/bin/sh\nname=${0##*/}\nPATH=\"@REAL@:$PATH\"\nexport PATH\nexec \"$name\" \"$@\"\n",
        // asdf: runs the file of the version that it has chosen.
        "#!/usr/bin/env bash\nexec \"@REAL@/${0##*/}\" \"$@\"\n",
    ] {
        let mut sandbox = Sandbox::new();
        stock(&sandbox);
        let directories: Vec<PathBuf> = std::env::split_paths(&sandbox.variable("PATH")).collect();
        let shims = sandbox.path("manager/shims");
        for (name, real) in [
            ("npm", &directories[1]),
            ("npx", &directories[1]),
            ("pip", &directories[0]),
            ("python3", &directories[0]),
        ] {
            let content = how
                .replace("@SHIMS@", &shims.display().to_string())
                .replace("@REAL@", &real.display().to_string());
            script(&sandbox, &format!("manager/shims/{name}"), &content);
        }
        put_first(&mut sandbox, &shims);
        with_shims(&mut sandbox);
        is_protected(&sandbox);
    }
}

#[test]
fn a_real_pyenv_ends_at_the_real_program() {
    let Some(root) = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path)
            .find(|directory| directory.ends_with("shims") && directory.join("../bin/pyenv").is_file())
    }) else {
        // Debian packages no pyenv; the stand-in above does what its shims do.
        return;
    };
    let mut sandbox = Sandbox::new();
    stock(&sandbox);
    sandbox.set("PYENV_ROOT", root.parent().unwrap());
    put_first(&mut sandbox, &root);
    with_shims(&mut sandbox);
    sandbox.bare("pip", &["install", "--target", "out", "good"]).ended_with(0).does_not_say("scfw");
    sandbox.bare("pip", &["install", "--target", "out", "evil"]).ended_with(77).says("evil-1.0");
    sandbox.bare("python3", &["-m", "pip", "install", "--target", "out", "evil"]).ended_with(77);
}
