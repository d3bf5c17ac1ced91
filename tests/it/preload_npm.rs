//! npm under the preload library, where scfw sees every npm that npm itself starts.

use std::fs;

use scfw_core::package::Ecosystem;
use scfw_world::NpmPackage;
use serde_json::json;

use crate::support::Sandbox;

for_each_npm! {
    an_accepted_repository_is_prepared_as_it_is_without_scfw => prepare;
    npm_is_gated_by_whatever_script_starts_it => other_scripts;
}

fn prepare(version: &str) {
    let mut sandbox = Sandbox::with_npm(version);
    sandbox.world.add_npm(NpmPackage::new("tool", "1.0.0").bin("tool").canary(sandbox.path("tool-ran")));
    let folder = sandbox.path("repository");
    fs::create_dir(&folder).unwrap();
    let manifest = json!({"name": "from-git", "version": "1.0.0", "devDependencies": {"tool": "*"},
        "scripts": {"prepare": "tool > built"}});
    fs::write(folder.join("package.json"), manifest.to_string()).unwrap();
    let folder = folder.to_str().unwrap();
    for arguments in [&["init", "--quiet"][..], &["add", "."], &["commit", "--quiet", "-m", "one"]] {
        let all = [&["-c", "user.name=t", "-c", "user.email=t@t.example", "-C", folder], arguments].concat();
        sandbox.bare("git", &all).ended_with(0);
    }
    let url = format!("git+file://{folder}");
    sandbox.set("SCFW_ON_WARNING", "ALLOW");
    for route in [&["shield", "npm"][..], &["run", "npm"]] {
        sandbox.scfw(&[route, &["install", &url]].concat()).ended_with(0);
        assert!(sandbox.project("node_modules/from-git/built").exists() && sandbox.path("tool-ran").exists());
        fs::remove_dir_all(sandbox.project("node_modules")).unwrap();
        fs::remove_dir_all(sandbox.path("home/npm-cache")).unwrap();
    }
    // What the preparation needs is verified, too.
    sandbox.world.malicious(Ecosystem::Npm, "tool", None);
    fs::remove_file(sandbox.path("tool-ran")).unwrap();
    for route in [&["shield", "npm"][..], &["run", "npm"]] {
        sandbox
            .scfw(&[route, &["install", &url]].concat())
            .ended_with(77)
            .says("disclosure exists for package tool@1.0.0");
        assert!(!sandbox.path("tool-ran").exists());
    }
}

fn other_scripts(version: &str) {
    let sandbox = Sandbox::with_npm(version);
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").canary(sandbox.canary("evil")));
    sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
    let path = sandbox.variable("PATH");
    let npm = std::env::split_paths(&path).nth(1).unwrap().join("../npm").canonicalize().unwrap();
    let is_there = |script: &&str| npm.join("index.js").is_file() || script.starts_with("bin");
    for script in ["index.js", "bin/npm-cli.js", "bin/npm-cli", ""].into_iter().filter(is_there) {
        let npm = npm.join(script).display().to_string();
        sandbox.scfw(&["shield", "node", &npm, "install", "good"]).ended_with(0).does_not_say("scfw");
        assert!(sandbox.project("node_modules/good").exists(), "{script}");
        sandbox.scfw(&["shield", "node", &npm, "install", "evil"]).ended_with(77);
        sandbox.scfw(&["shield", "node", &npm, "ci"]).ended_with(0);
        assert!(sandbox.project("node_modules/good").exists() && !sandbox.has_sung(), "{script}");
        fs::remove_dir_all(sandbox.project("node_modules")).unwrap();
    }
}
