//! The gates that are installed with scfw: nothing has to be written to arm an install, and what was changed is not used.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, chown};
use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, Sdist, Wheel};

use crate::support::{Finished, Sandbox, binary};

/// Makes the user's directories read-only and goes on with the command that follows.
const READ_ONLY: &str = r#"for directory in "$HOME" "$SCFW_HOME"; do
  mount --bind "$directory" "$directory" && mount -o remount,bind,ro "$directory" || {
    echo "this test needs root or user namespaces, to make a home read-only" >&2
    exit 125
  }
done
exec "$@""#;

const PIP: [&str; 5] = ["pip", "install", "--no-cache-dir", "--target", "out"];

/// A sandbox with packages, and an installation of scfw in the prefix `name`.
fn installation(name: &str) -> (Sandbox, PathBuf) {
    let mut sandbox = Sandbox::new();
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    sandbox.world.add_wheel(Wheel::new("tool", "1.0"));
    sandbox.world.add_sdist(Sdist::new("top", "1.0").build_requires("tool"));
    sandbox.world.add_sdist(Sdist::new("evil", "1.0").canary(sandbox.canary("evil")));
    sandbox.world.add_sdist(Sdist::new("bad-top", "1.0").build_requires("evil"));
    sandbox.world.add_wheel(Wheel::new("bad-wheel", "1.0").requires("evil"));
    sandbox.world.malicious(Ecosystem::PyPi, "evil", None);
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").canary(sandbox.canary("npm")));
    sandbox.world.add_npm(NpmPackage::new("bad-top", "1.0.0").dependency("evil", "*"));
    let nested = "NODE_OPTIONS= npm install --prefix nested bad-top || echo $? > stopped";
    sandbox.world.add_npm(NpmPackage::new("outer", "1.0.0").script("postinstall", nested));
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    sandbox.set("npm_config_cache", sandbox.path("temporary/npm-cache"));
    let prefix = sandbox.path(name);
    fs::create_dir_all(prefix.join("bin")).unwrap();
    for program in ["scfw", "scfw-hook"] {
        let (from, to) = (binary(program), prefix.join("bin").join(program));
        fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop)).unwrap();
    }
    let install = sandbox.command(prefix.join("bin/scfw"), &["install-gates"]);
    let installed = sandbox.finish(install).ended_with(0);
    assert_eq!((installed.stdout.as_str(), installed.stderr.as_str()), ("", ""));
    (sandbox, prefix)
}

fn hook(sandbox: &Sandbox, prefix: &Path, arguments: &[&str]) -> Finished {
    sandbox.finish(sandbox.command(prefix.join("bin/scfw-hook"), arguments))
}

fn pip(sandbox: &Sandbox, prefix: &Path, package: &str) -> Finished {
    hook(sandbox, prefix, &[&PIP[..], &["--upgrade", package]].concat())
}

/// Installs of both managers work, beneath others too.
#[track_caller]
fn works(sandbox: &Sandbox, prefix: &Path) {
    pip(sandbox, prefix, "top").ended_with(0).does_not_say("scfw");
    pip(sandbox, prefix, "bad-top").ended_with(77);
    hook(sandbox, prefix, &["npm", "install", "good"]).ended_with(0).does_not_say("scfw");
    hook(sandbox, prefix, &["npm", "install", "bad-top"]).ended_with(77).says("malicious");
    assert!(!sandbox.has_sung());
}

/// The directories of gates below the data directory.
fn written(sandbox: &Sandbox) -> Vec<PathBuf> {
    let entries = fs::read_dir(sandbox.path("scfw/gates")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[test]
fn nothing_is_written_to_arm_an_install() {
    for name in ["prefix", "a prefix"] {
        let (sandbox, prefix) = installation(name);
        works(&sandbox, &prefix);
        // An npm that a script calls without the gate comes back by the installed commands.
        hook(&sandbox, &prefix, &["npm", "install", "outer"]).ended_with(0);
        let stopped = sandbox.project("node_modules/outer/stopped");
        assert_eq!(fs::read_to_string(stopped).unwrap().trim(), "77");
        assert!(!sandbox.has_sung());
        assert_eq!(written(&sandbox), Vec::<PathBuf>::new());
    }
}

#[test]
fn a_home_that_cannot_be_written_is_no_reason_to_refuse() {
    let (sandbox, prefix) = installation("prefix");
    let read_only = |arguments: &[&str]| {
        let program = prefix.join("bin/scfw-hook");
        let namespace: &[&str] =
            if Uid::effective().is_root() { &["--mount"] } else { &["--map-root-user", "--mount"] };
        let shell = ["/bin/sh", "-c", READ_ONLY, "sh", program.to_str().unwrap()];
        sandbox.finish(sandbox.command("/usr/bin/unshare", &[namespace, &shell, arguments].concat()))
    };
    for package in ["good", "top"] {
        read_only(&[&PIP[..], &["--upgrade", package]].concat()).ended_with(0);
        assert!(sandbox.list("out").contains(&format!("{package}.py")), "{:?}", sandbox.list("out"));
    }
    read_only(&[&PIP[..], &["bad-wheel"]].concat()).ended_with(77).says("package evil is malicious");
    // What was stopped in an inner pip is stopped; without a note the outer one ends with a status of its own.
    let inner = read_only(&[&PIP[..], &["bad-top"]].concat()).says("evil-1.0");
    assert_ne!(inner.status, 0);
    read_only(&["npm", "install", "good"]).ended_with(0).says("this run could not be noted");
    assert!(!sandbox.list("node_modules/good").is_empty());
    read_only(&["npm", "install", "bad-top"]).ended_with(77).says("malicious");
    assert!(!sandbox.has_sung() && !sandbox.path("scfw/gates").exists());
    // Without them nothing can be armed there.
    fs::remove_dir_all(prefix.join("lib/scfw/gates")).unwrap();
    read_only(&["npm", "install", "good"]).ended_with(69).says("the gates could not be written");
}

#[test]
fn a_gate_that_was_changed_or_is_missing_is_not_used() {
    let (sandbox, prefix) = installation("prefix");
    let gates = prefix.join("lib/scfw/gates");
    let ran = format!("require('fs').writeFileSync({:?}, '')", sandbox.canary("changed").to_str().unwrap());
    for (file, content) in
        [("node/npm.cjs", Some(ran.as_str())), ("python/gate.zip", Some("PK")), ("node/gate.cjs", None)]
    {
        let path = gates.join(file);
        let before = fs::read(&path).unwrap();
        match content {
            Some(content) => fs::write(&path, content).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        works(&sandbox, &prefix);
        assert_eq!(written(&sandbox).len(), 3, "{file}: {:?}", written(&sandbox));
        assert_ne!(fs::read(&path).unwrap_or_default(), before, "an installed file stays as it is");
        fs::write(&path, before).unwrap();
        fs::remove_dir_all(sandbox.path("scfw/gates")).unwrap();
    }
    works(&sandbox, &prefix);
    assert_eq!(written(&sandbox), Vec::<PathBuf>::new());
}

#[test]
fn gates_that_others_can_change_are_not_used() {
    let (sandbox, prefix) = installation("prefix");
    let gates = prefix.join("lib/scfw/gates");
    let install = || hook(&sandbox, &prefix, &["npm", "install", "good"]).ended_with(0);
    for file in ["", "node", "node/gate.cjs", "commands"] {
        let path = gates.join(file);
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        install();
        assert_eq!(written(&sandbox).len(), 3, "{file}");
        fs::set_permissions(&path, before).unwrap();
        fs::remove_dir_all(sandbox.path("scfw/gates")).unwrap();
        if Uid::effective().is_root() {
            chown(&path, Some(Uid::from_raw(54321)), None).unwrap();
            install();
            assert_eq!(written(&sandbox).len(), 3, "{file}");
            chown(&path, Some(Uid::from_raw(0)), None).unwrap();
            fs::remove_dir_all(sandbox.path("scfw/gates")).unwrap();
        }
    }
    install();
    assert_eq!(written(&sandbox), Vec::<PathBuf>::new());
}

#[test]
fn a_prefix_with_a_colon_takes_the_gates_of_the_data_directory() {
    let (sandbox, prefix) = installation("with:colon");
    works(&sandbox, &prefix);
    assert_eq!(written(&sandbox).len(), 3);
}

#[test]
fn the_doctor_says_which_gates_are_used() {
    let (sandbox, prefix) = installation("prefix");
    let doctor = || sandbox.finish(sandbox.command(prefix.join("bin/scfw"), &["doctor", "--offline"]));
    let installed = prefix.join("lib/scfw/gates");
    let finished = doctor().ended_with(0);
    let line = format!("gates {}: as scfw has installed them", installed.display());
    assert!(finished.stdout.contains(&line), "{}", finished.stdout);
    fs::write(installed.join("node/gate.cjs"), "").unwrap();
    let finished = doctor().ended_with(0);
    for line in ["as scfw has written them", "is not used: has another gate.cjs than this scfw"] {
        assert!(finished.stdout.contains(line), "{}", finished.stdout);
    }
}
