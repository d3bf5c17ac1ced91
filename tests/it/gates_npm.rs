//! The gate in each generation of npm.

use std::fs;

use scfw_core::package::Ecosystem;
use scfw_world::NpmPackage;
use serde_json::json;

use crate::support::Sandbox;

for_each_npm! {
    a_clean_install_runs_once_and_says_nothing => clean;
    malware_deep_in_the_dependencies_is_stopped => deep;
    a_clean_install_leaves_node_modules_alone_when_blocked => clean_install;
    npx_is_gated_before_it_installs_and_before_it_runs_its_cache => npx;
    a_git_dependency_is_verified_before_it_is_cloned => git;
    shrinkwrapped_and_bundled_packages_are_verified => carried;
    rebuild_and_global_installs_are_gated => rebuild_and_global;
    what_this_platform_leaves_out_does_not_block => platform;
}

/// A project with a dependency that is installed already.
fn project(sandbox: &Sandbox) {
    sandbox.world.add_npm(NpmPackage::new("present", "1.0.0"));
    sandbox.write(
        "package.json",
        json!({"name": "project", "version": "1.0.0", "dependencies": {"present": "^1.0.0"}}).to_string(),
    );
    sandbox.bare("npm", &["install"]).ended_with(0);
}

/// The three things that a blocked install leaves as they were.
fn state(sandbox: &Sandbox) -> (Vec<String>, String, String) {
    let read = |name: &str| fs::read_to_string(sandbox.project(name)).unwrap_or_default();
    (sandbox.list("node_modules"), read("package.json"), read("package-lock.json"))
}

fn clean(version: &str) {
    let sandbox = Sandbox::with_npm(version);
    sandbox.world.add_npm(NpmPackage::new("top", "1.0.0").dependency("@scope/below", "^1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("@scope/below", "1.2.0").canary(sandbox.canary("postinstall")));
    let arguments = ["install", "top", "--no-audit", "--no-fund"];
    let bare = sandbox.bare("npm", &arguments).ended_with(0);
    let asked_bare = sandbox.world.requests().len();
    let installed = state(&sandbox);
    for left in ["node_modules", "../home/npm-cache"] {
        fs::remove_dir_all(sandbox.project(left)).unwrap();
    }
    fs::remove_file(sandbox.project("package.json")).unwrap();
    fs::remove_file(sandbox.project("package-lock.json")).unwrap();
    fs::remove_file(sandbox.canary("postinstall")).unwrap();
    sandbox.world.forget_requests();
    let gated = sandbox.hook(&["npm", "install", "top", "--no-audit", "--no-fund"]).ended_with(0);
    assert_eq!(state(&sandbox), installed);
    assert_eq!(gated.stderr, bare.stderr);
    assert_eq!(without_times(&gated.stdout), without_times(&bare.stdout));
    assert!(sandbox.canary("postinstall").exists(), "install scripts of clean packages run");
    let requests = sandbox.world.requests();
    let asked = requests.iter().filter(|request| request.service == scfw_world::Service::Registry).count();
    assert_eq!(asked, asked_bare, "the registry is asked no more than without scfw");
    let log = sandbox.log();
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!(log[0]["action"], "ALLOW");
    let targets = log[0]["install_targets"].as_array().unwrap();
    let below = targets.iter().find(|target| target["name"] == "@scope/below").unwrap();
    assert_eq!((&below["ecosystem"], &below["version"]), (&json!("npm"), &json!("1.2.0")));
    assert!(sandbox.list("../scfw/runs").is_empty(), "an attached gate takes its note away");
}

/// npm says how long it took.
fn without_times(text: &str) -> String {
    text.split_whitespace().filter(|word| !word.starts_with(|first: char| first.is_ascii_digit())).collect()
}

fn deep(version: &str) {
    let sandbox = Sandbox::with_npm(version);
    project(&sandbox);
    let before = state(&sandbox);
    sandbox.world.add_npm(NpmPackage::new("top", "1.0.0").dependency("middle", "*"));
    // Behind an alias: what is installed as `harmless` is another package.
    sandbox.world.add_npm(NpmPackage::new("middle", "1.0.0").dependency("harmless", "npm:evil@1"));
    sandbox.world.add_npm(NpmPackage::new("evil", "1.5.0").canary(sandbox.canary("postinstall")));
    let id = sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.5.0"));
    sandbox
        .hook(&["npm", "install", "top"])
        .ended_with(77)
        .says("Installation target evil@1.5.0 (required by top > middle):")
        .says("  - Datadog Security Research has determined that package evil@1.5.0 is malicious")
        .says(&format!("      * https://osv.dev/vulnerability/{id}"))
        .says("The installation request was blocked. No changes have been made.");
    assert_eq!(state(&sandbox), before);
    assert!(!sandbox.has_sung());
    assert_eq!(sandbox.log()[0]["action"], "BLOCK");
}

fn clean_install(version: &str) {
    let sandbox = Sandbox::with_npm(version);
    project(&sandbox);
    // A development dependency hangs on --omit, so the screen leaves it to the gate.
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").canary(sandbox.canary("postinstall")));
    sandbox.bare("npm", &["install", "--save-dev", "--ignore-scripts", "evil"]).ended_with(0);
    let before = state(&sandbox);
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    sandbox.hook(&["npm", "ci"]).ended_with(77).says("package evil is malicious");
    sandbox.hook(&["npm", "clean-install"]).ended_with(77);
    assert_eq!(state(&sandbox), before, "npm ci empties node_modules, but not before the verdict");
    assert!(!sandbox.has_sung());
    let omitted = sandbox.hook(&["npm", "ci", "--omit=dev", "--production"]).ended_with(0);
    assert!(!omitted.stderr.contains("evil"), "what is left out does not block: {}", omitted.stderr);
    assert_eq!(sandbox.list("node_modules").iter().filter(|name| *name == "present").count(), 1);
}

fn npx(version: &str) {
    let sandbox = Sandbox::with_npm(version);
    let tool = || NpmPackage::new("scfw-test-tool", "1.0.0").bin("scfw-test-tool").dependency("below", "*");
    sandbox.world.add_npm(tool().canary(sandbox.canary("tool")));
    sandbox.world.add_npm(NpmPackage::new("below", "1.0.0"));
    let clean = sandbox.hook(&["npx", "-y", "scfw-test-tool", "an argument"]).ended_with(0);
    assert!(clean.stdout.contains("scfw-test-tool 1.0.0 an argument"), "{}", clean.stdout);
    assert!(sandbox.canary("tool").exists());
    fs::remove_file(sandbox.canary("tool")).unwrap();
    // Known now, and in npx's cache since yesterday.
    sandbox.world.malicious(Ecosystem::Npm, "below", Some("1.0.0"));
    sandbox
        .hook(&["npx", "-y", "scfw-test-tool", "again"])
        .ended_with(77)
        .says("Installation target below@1.0.0 (required by scfw-test-tool):");
    fs::remove_dir_all(sandbox.path("home/npm-cache/_npx")).unwrap();
    sandbox.hook(&["npm", "exec", "--yes", "--", "scfw-test-tool"]).ended_with(77).says("target below@1.0.0");
    assert!(!sandbox.has_sung());
}

fn git(version: &str) {
    let mut sandbox = Sandbox::with_npm(version);
    let repository = sandbox.path("repository");
    fs::create_dir(&repository).unwrap();
    let canary = sandbox.canary("prepare").display().to_string();
    let script = format!("node -e \"require('fs').writeFileSync('{canary}', 'ran')\"");
    let manifest = json!({"name": "from-git", "version": "1.0.0", "scripts": {"prepare": script}});
    fs::write(repository.join("package.json"), manifest.to_string()).unwrap();
    let git = |arguments: &[&str]| {
        let mut all =
            vec!["-c", "user.name=t", "-c", "user.email=t@t.example", "-C", repository.to_str().unwrap()];
        all.extend(arguments);
        sandbox.bare("git", &all).ended_with(0);
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "one"]);
    let url = format!("git+file://{}", repository.display());
    sandbox
        .hook(&["npm", "install", &url])
        .ended_with(69)
        .says("could not be verified: it comes from a repository");
    assert!(!sandbox.has_sung() && sandbox.list("node_modules").is_empty());
    sandbox.set("SCFW_ON_WARNING", "ALLOW");
    let allowed = sandbox.hook(&["npm", "install", &url]).ended_with(0);
    assert_eq!(
        allowed.stderr.matches("it comes from a repository").count(),
        1,
        "asked once: {}",
        allowed.stderr
    );
    assert!(sandbox.canary("prepare").exists());
}

fn carried(version: &str) {
    let sandbox = Sandbox::with_npm(version);
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").canary(sandbox.canary("evil")));
    sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
    let evil = NpmPackage::new("evil", "1.0.0").canary(sandbox.canary("bundled"));
    sandbox.world.add_npm(NpmPackage::new("bundling", "1.0.0").dependency("evil", "1.0.0").bundled(evil));
    sandbox.hook(&["npm", "install", "bundling"]).ended_with(77).says("package evil@1.0.0");
    assert!(
        !sandbox.has_sung() && sandbox.list("node_modules").is_empty(),
        "{:?}",
        sandbox.list("node_modules")
    );
    let shrinkwrap = json!({
        "name": "wrapping", "version": "1.0.0", "lockfileVersion": 2, "requires": true,
        "packages": {
            "": {"name": "wrapping", "version": "1.0.0", "dependencies": {"evil": "*"}},
            "node_modules/evil": {"version": "1.0.0", "resolved": format!("{}evil/-/evil-1.0.0.tgz", sandbox.world.registry_url()), "hasInstallScript": true}
        },
        "dependencies": {"evil": {"version": "1.0.0", "resolved": format!("{}evil/-/evil-1.0.0.tgz", sandbox.world.registry_url())}}
    });
    sandbox
        .world
        .add_npm(NpmPackage::new("wrapping", "1.0.0").dependency("evil", "*").shrinkwrap(shrinkwrap));
    sandbox.hook(&["npm", "install", "wrapping"]).ended_with(77).says("package evil@1.0.0");
    assert!(!sandbox.has_sung() && sandbox.list("node_modules").is_empty());
}

fn rebuild_and_global(version: &str) {
    let sandbox = Sandbox::with_npm(version);
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").canary(sandbox.canary("evil")));
    sandbox.bare("npm", &["install", "--ignore-scripts", "evil"]).ended_with(0);
    sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
    sandbox.hook(&["npm", "rebuild"]).ended_with(77).says("package evil@1.0.0");
    sandbox.hook(&["npm", "install", "-g", "evil"]).ended_with(77).says("package evil@1.0.0");
    assert!(!sandbox.has_sung());
    assert!(!sandbox.path("home/npm-global/lib/node_modules/evil").exists());
}

fn platform(version: &str) {
    let sandbox = Sandbox::with_npm(version);
    sandbox.world.add_npm(NpmPackage::new("top", "1.0.0").optional_dependency("elsewhere", "1.0.0"));
    sandbox
        .world
        .add_npm(NpmPackage::new("elsewhere", "1.0.0").os("win32").canary(sandbox.canary("elsewhere")));
    sandbox.world.malicious(Ecosystem::Npm, "elsewhere", None);
    sandbox.hook(&["npm", "install", "top"]).ended_with(0);
    assert_eq!(
        sandbox.list("node_modules").iter().filter(|name| !name.starts_with('.')).collect::<Vec<_>>(),
        ["top"]
    );
    assert!(!sandbox.has_sung());
}
