//! Projects whose own files try to get a package past the gate: lockfiles that lie, settings that disarm.

use std::fs;

use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, Sdist};
use serde_json::{Value, json};

use crate::support::{Finished, NPM_VERSIONS, Sandbox};

/// A project that locks `good` as a development dependency, which the screen leaves to the gate; `evil` is another
/// package, of which one version is malicious.
fn locked(version: &str) -> (Sandbox, Value) {
    let sandbox = Sandbox::with_npm(version);
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").canary(sandbox.canary("evil")));
    sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
    let manifest = json!({"name": "p", "version": "1.0.0", "devDependencies": {"good": "1.0.0"}});
    sandbox.write("package.json", manifest.to_string());
    sandbox.bare("npm", &["install", "--package-lock-only"]).ended_with(0);
    let lock = fs::read_to_string(sandbox.project("package-lock.json")).unwrap();
    (sandbox, serde_json::from_str(&lock).unwrap())
}

fn tarball(sandbox: &Sandbox, path: &str) -> Value {
    json!(format!("{}{path}", sandbox.world.registry_url()))
}

/// Runs `npm ci` and `npm install` on the lockfile; neither may run or leave anything of `evil`.
#[track_caller]
fn nothing_of_it_runs(sandbox: &Sandbox, lock: &Value) -> Vec<Finished> {
    ["ci", "install"]
        .map(|command| {
            sandbox.write("package-lock.json", lock.to_string());
            let finished = sandbox.hook(&["npm", command]);
            assert!(!sandbox.has_sung(), "npm {command} ran it: {}", finished.stderr);
            // Where nothing was installed, there is none.
            fs::remove_dir_all(sandbox.project("node_modules")).ok();
            finished
        })
        .into()
}

#[test]
fn an_entry_without_a_version_is_verified_by_its_address() {
    for version in NPM_VERSIONS {
        let (sandbox, mut lock) = locked(version);
        let entry = json!({"dev": true, "resolved": tarball(&sandbox, "evil/-/evil-1.0.0.tgz"), "hasInstallScript": true});
        lock["packages"]["node_modules/good"] = entry;
        nothing_of_it_runs(&sandbox, &lock);
    }
}

#[test]
fn an_entry_that_calls_itself_extraneous_is_verified() {
    for version in NPM_VERSIONS {
        let (sandbox, mut lock) = locked(version);
        lock["packages"]["node_modules/evil"] = json!({
            "version": "1.0.0", "extraneous": true, "hasInstallScript": true,
            "resolved": tarball(&sandbox, "evil/-/evil-1.0.0.tgz"),
        });
        nothing_of_it_runs(&sandbox, &lock);
    }
}

#[test]
fn an_entry_that_lies_about_its_version_is_verified_by_both() {
    for version in NPM_VERSIONS {
        let (sandbox, mut lock) = locked(version);
        sandbox.world.add_npm(NpmPackage::new("good", "1.0.1").canary(sandbox.canary("good")));
        sandbox.world.malicious(Ecosystem::Npm, "good", Some("1.0.1"));
        let entry = &mut lock["packages"]["node_modules/good"];
        entry["resolved"] = tarball(&sandbox, "good/-/good-1.0.1.tgz");
        entry.as_object_mut().unwrap().remove("integrity");
        let finished = nothing_of_it_runs(&sandbox, &lock);
        assert_eq!(finished[0].status, 77, "{}", finished[0].stderr);
    }
}

#[test]
fn an_address_that_is_no_registrys_is_a_bare_url() {
    for version in NPM_VERSIONS {
        let (sandbox, lock) = locked(version);
        let elsewhere = "http://127.0.0.2:9/good/-/good-1.0.0.tgz";
        for resolved in [
            tarball(&sandbox, "%65vil/-/evil-1.0.0.tgz"),
            tarball(&sandbox, "anything/x.tgz"),
            json!(elsewhere),
        ] {
            let mut lock = lock.clone();
            let entry = &mut lock["packages"]["node_modules/good"];
            entry["resolved"] = resolved.clone();
            entry.as_object_mut().unwrap().remove("integrity");
            let finished = nothing_of_it_runs(&sandbox, &lock);
            assert!(matches!(finished[0].status, 69 | 77), "{resolved}: {}", finished[0].stderr);
        }
    }
}

#[test]
fn a_platform_that_a_project_claims_is_the_one_that_counts() {
    for version in NPM_VERSIONS {
        let sandbox = Sandbox::with_npm(version);
        sandbox.world.add_npm(NpmPackage::new("top", "1.0.0").optional_dependency("evil", "1.0.0"));
        sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").os("win32").canary(sandbox.canary("evil")));
        sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
        sandbox.write(".npmrc", "os=win32\n");
        sandbox.hook(&["npm", "install", "top"]);
        sandbox.hook(&["npm", "install", "--os=win32", "--cpu=x64", "top"]);
        assert!(!sandbox.has_sung() && sandbox.list("node_modules/evil").is_empty(), "npm {version}");
    }
}

#[test]
fn a_projects_node_options_do_not_take_the_gate_from_what_npm_starts() {
    for version in NPM_VERSIONS {
        let sandbox = Sandbox::with_npm(version);
        sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").canary(sandbox.canary("evil")));
        sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
        sandbox
            .world
            .add_npm(NpmPackage::new("helper", "1.0.0").script("postinstall", "npm install --prefix . evil"));
        sandbox.write(".npmrc", "node-options=--max-old-space-size=512\n");
        let finished = sandbox.hook(&["npm", "install", "helper"]);
        assert!(!sandbox.has_sung(), "npm {version}: {}", finished.stderr);
        assert_ne!(finished.status, 0);
    }
}

#[test]
fn npm_ci_keeps_node_modules_wherever_npm_is_installed() {
    for version in NPM_VERSIONS {
        let (mut sandbox, lock) = locked(version);
        // A version manager's folder is not called `npm`.
        let real = std::env::split_paths(&sandbox.variable("PATH")).nth(1).unwrap().join("../npm");
        let copy = sandbox.path("npm-elsewhere");
        sandbox.bare("cp", &["-R", real.to_str().unwrap(), copy.to_str().unwrap()]).ended_with(0);
        fs::create_dir(sandbox.path("bin")).unwrap();
        std::os::unix::fs::symlink(copy.join("bin/npm-cli.js"), sandbox.path("bin/npm")).unwrap();
        let mut path = sandbox.path("bin").into_os_string();
        path.push(":");
        path.push(sandbox.variable("PATH"));
        sandbox.set("PATH", path);
        sandbox.write("package-lock.json", lock.to_string());
        sandbox.bare("npm", &["ci"]).ended_with(0);
        sandbox.world.malicious(Ecosystem::Npm, "good", None);
        sandbox.hook(&["npm", "ci"]).ended_with(77);
        assert!(sandbox.list("node_modules").contains(&"good".to_owned()), "npm {version}");
    }
}

#[test]
fn known_malware_stays_malware_at_a_bare_url() {
    let sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").canary(sandbox.canary("npm")));
    sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
    let url = format!("{}evil/-/evil-1.0.0.tgz", sandbox.world.registry_url());
    sandbox
        .scfw(&["run", "--allow-on-warning", "npm", "install", &url])
        .ended_with(77)
        .says("evil@1.0.0 is malicious");
    sandbox.world.add_sdist(Sdist::new("evil", "1.0").canary(sandbox.canary("pip")));
    sandbox.world.malicious(Ecosystem::PyPi, "evil", Some("1.0"));
    let url = sandbox.world.index_url().replace("simple/", "files/evil-1.0.tar.gz");
    let install = ["run", "--allow-on-warning", "pip", "install", "--target", "out", &url];
    sandbox.scfw(&install).ended_with(77).says("evil-1.0 is malicious");
    assert!(!sandbox.has_sung());
}

#[test]
fn a_dry_run_that_npm_does_not_honour_is_gated() {
    let sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").canary(sandbox.canary("evil")));
    sandbox.bare("npm", &["install", "--ignore-scripts", "--no-save", "evil"]).ended_with(0);
    sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
    sandbox.hook(&["npm", "rebuild", "--dry-run"]).ended_with(77);
    assert!(!sandbox.has_sung());
}

#[test]
fn a_lock_file_of_pip_is_not_read_as_requirements() {
    let sandbox = Sandbox::new();
    sandbox.world.add_wheel(scfw_world::Wheel::new("good", "1.0"));
    sandbox.bare("pip", &["lock", "-o", "pylock.toml", "good"]).ended_with(0);
    let finished = sandbox.hook(&["pip", "install", "--target", "out", "-r", "pylock.toml"]).ended_with(0);
    assert!(!finished.stderr.contains("scfw:"), "{}", finished.stderr);
}
