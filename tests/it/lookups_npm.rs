//! Looking something up, and trying something out, fetches and prepares no repository that nobody has accepted.

use std::fs;

use scfw_world::NpmPackage;
use serde_json::json;

use crate::support::Sandbox;

for_each_npm! {
    looking_a_repository_up_is_verified_first => look_up;
    a_dry_run_prepares_no_repository => dry_run;
}

/// A repository whose preparation shows that it has run. Gives its address.
fn repository(sandbox: &Sandbox) -> String {
    let repository = sandbox.path("repository");
    fs::create_dir(&repository).unwrap();
    let script =
        format!("node -e \"require('fs').writeFileSync('{}', 'ran')\"", sandbox.canary("prepare").display());
    let manifest = json!({"name": "from-git", "version": "1.0.0", "scripts": {"prepare": script}});
    fs::write(repository.join("package.json"), manifest.to_string()).unwrap();
    for arguments in [&["init", "--quiet"][..], &["add", "."], &["commit", "--quiet", "-m", "one"]] {
        let folder = repository.to_str().unwrap();
        let all = [&["-c", "user.name=t", "-c", "user.email=t@t.example", "-C", folder], arguments].concat();
        sandbox.bare("git", &all).ended_with(0);
    }
    format!("git+file://{}", repository.display())
}

/// Runs `line` and fails the test unless it was stopped before anything was cloned.
#[track_caller]
fn is_stopped(sandbox: &Sandbox, line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let finished = sandbox.hook(&words);
    assert!(finished.stderr.contains("it comes from a repository"), "{line}: {finished:?}");
    assert_eq!(finished.status, 69, "{line}: {finished:?}");
    assert!(!sandbox.has_sung(), "{line}");
}

fn look_up(version: &str) {
    let sandbox = Sandbox::with_npm(version);
    let url = repository(&sandbox);
    sandbox.write("package.json", json!({"name": "p", "version": "1.0.0"}).to_string());
    for command in ["view", "info", "show", "docs", "repo", "bugs", "issues", "owner ls", "fund"] {
        is_stopped(&sandbox, &format!("npm {command} {url}"));
    }
    is_stopped(&sandbox, &format!("npm diff --diff {url} --diff {url}"));
    // A registry's packages are looked up as they are without scfw.
    let records = sandbox.log().len();
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    let bare = sandbox.bare("npm", &["view", "good", "version"]).ended_with(0);
    let gated = sandbox.hook(&["npm", "view", "good", "version"]).ended_with(0);
    assert_eq!((&gated.stdout, &gated.stderr), (&bare.stdout, &bare.stderr));
    assert_eq!(sandbox.log().len(), records);
}

fn dry_run(version: &str) {
    let mut sandbox = Sandbox::with_npm(version);
    let url = repository(&sandbox);
    // Two levels down, in a clean package of the registry.
    sandbox.world.add_npm(NpmPackage::new("top", "1.0.0").dependency("middle", "*"));
    sandbox.world.add_npm(NpmPackage::new("middle", "1.0.0").dependency("from-git", &url));
    let declare = |name: &str, range: &str| {
        let manifest = json!({"name": "p", "version": "1.0.0", "dependencies": {name: range}});
        sandbox.write("package.json", manifest.to_string());
    };
    declare("top", "*");
    for command in ["install", "install top", "update", "dedupe", "find-dupes", "prune"] {
        is_stopped(&sandbox, &format!("npm {command} --dry-run"));
        is_stopped(&sandbox, &format!("npm --dry-run {command}"));
        assert!(sandbox.list("node_modules").is_empty());
    }
    is_stopped(&sandbox, &format!("npm exec --yes --dry-run {url}"));
    // A dry run of what is clean, or known to be malicious, shows what npm shows: nothing would be installed.
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").canary(sandbox.canary("evil")));
    sandbox.world.malicious(scfw_core::package::Ecosystem::Npm, "evil", Some("1.0.0"));
    declare("evil", "*");
    sandbox.set("SCFW_PACKAGE_MINIMUM_AGE", "0");
    for command in ["install", "update", "audit", "find-dupes"] {
        let arguments = [command, "--dry-run"];
        let bare = sandbox.bare("npm", &arguments);
        let gated = sandbox.hook(&["npm", command, "--dry-run"]).does_not_say("scfw");
        assert_eq!(gated.status, bare.status, "{command}: {gated:?}");
        assert!(sandbox.list("node_modules").is_empty() && !sandbox.has_sung(), "{command}");
    }
}
