//! What an adversary tried on npm and what held: layouts, places, overrides, packages of npx, and what one package
//! brings for another.

use std::fs;

use scfw_core::package::Ecosystem;
use scfw_world::NpmPackage;
use serde_json::json;

use crate::support::{Finished, Sandbox};

for_each_npm! {
    no_option_of_npms_leads_round_the_gate => options;
    no_way_for_npx_to_name_a_package_leads_round_the_gate => npx;
    no_kind_of_dependency_leads_round_the_gate => kinds;
    a_locked_version_is_malware_however_it_is_written => spellings;
    a_repository_that_is_accepted_brings_no_malware => repository;
}

/// A registry with `good`, with `evil`, which is malicious in its one version, and with `top`, which needs both.
fn world(version: &str) -> Sandbox {
    let sandbox = Sandbox::with_npm(version);
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0").bin("good"));
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").bin("evil").canary(sandbox.canary("evil")));
    sandbox.world.add_npm(NpmPackage::new("top", "1.0.0").dependency("good", "*").dependency("evil", "*"));
    sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
    sandbox
}

/// Fails the test unless malware was stopped, and nothing of it has run or stays anywhere that npm installs to.
#[track_caller]
fn is_stopped(sandbox: &Sandbox, finished: &Finished, what: &str) {
    assert_eq!(finished.status, 77, "{what}: {finished:?}");
    assert!(!sandbox.has_sung(), "{what}: {finished:?}");
    for folder in [
        "node_modules/evil",
        "sub/node_modules/evil",
        "w/node_modules/evil",
        "../home/npm-global/lib/node_modules/evil",
        "../home/npm-global/lib/node_modules/top",
    ] {
        assert!(sandbox.list(folder).is_empty(), "{what}: {folder}");
    }
}

fn options(version: &str) {
    let sandbox = world(version);
    let root = json!({"name": "p", "version": "1.0.0", "workspaces": ["w"]});
    sandbox.write("package.json", root.to_string());
    sandbox.write("w/package.json", json!({"name": "w", "version": "1.0.0"}).to_string());
    fs::create_dir(sandbox.project("sub")).unwrap();
    for line in [
        "install --prefix sub top",
        "install --global top",
        "install --legacy-bundling top",
        "install --global-style top",
        "install --install-strategy=linked top",
        "install --install-strategy=nested top",
        "install --legacy-peer-deps --force top",
        "install --before=2100-01-01 top",
        "install --prefer-dedupe --no-save top",
        "install -w w top",
        "install --workspaces top",
        "install --no-package-lock --omit=dev top",
        "install-test top",
    ] {
        let words: Vec<&str> = ["npm"].into_iter().chain(line.split(' ')).collect();
        let finished = sandbox.hook(&words);
        is_stopped(&sandbox, &finished, line);
    }
    // What the project itself puts in the place of a clean dependency.
    let root = json!({"name": "p", "version": "1.0.0", "dependencies": {"top": "1.0.0"},
        "overrides": {"good": "npm:evil@1.0.0", "evil": "npm:good@1.0.0"}});
    sandbox.write("package.json", root.to_string());
    for line in ["install", "update", "dedupe", "install-test"] {
        let finished = sandbox.hook(&["npm", line]);
        assert!(!sandbox.has_sung() && sandbox.list("node_modules").is_empty(), "{line}: {finished:?}");
        assert_ne!(finished.status, 0, "{line}: {finished:?}");
    }
}

fn npx(version: &str) {
    let sandbox = world(version);
    sandbox.write("package.json", json!({"name": "p", "version": "1.0.0"}).to_string());
    for line in [
        &["npx", "--yes", "evil@1.0.0"][..],
        &["npx", "--yes", "evil@1"],
        &["npx", "--yes", "good@npm:evil@1.0.0"],
        &["npx", "--yes", "-p", "good", "-p", "evil", "-c", "good"],
        &["npx", "--yes", "-p", "good", "-p", "top", "good"],
        &["npx", "--yes", "--package=evil", "--", "good"],
        &["npm", "exec", "--yes", "--package=good", "--package=evil", "-c", "good"],
        &["npm", "exec", "--yes", "-c", "npm install evil"],
    ] {
        let finished = sandbox.hook(line);
        is_stopped(&sandbox, &finished, &line.join(" "));
    }
}

fn kinds(version: &str) {
    let mut sandbox = world(version);
    let tarball = format!("{}evil/-/evil-1.0.0.tgz", sandbox.world.registry_url());
    let evil = NpmPackage::new("evil", "1.0.0").canary(sandbox.canary("bundled"));
    sandbox.world.add_npm(NpmPackage::new("optional", "1.0.0").optional_dependency("evil", "*"));
    sandbox.world.add_npm(NpmPackage::new("peer", "1.0.0").peer_dependency("evil", "*"));
    sandbox.world.add_npm(NpmPackage::new("alias", "1.0.0").dependency("harmless", "npm:evil@1.0.0"));
    // A package that is carried is not in the registry's list of what the carrier needs.
    sandbox.world.add_npm(NpmPackage::new("silent", "1.0.0").bundled(evil));
    sandbox.world.add_npm(NpmPackage::new("deep", "1.0.0").dependency("tarball", "*"));
    sandbox.world.add_npm(NpmPackage::new("tarball", "1.0.0").dependency("evil", &tarball));
    for name in ["optional", "peer", "alias"] {
        let finished = sandbox.hook(&["npm", "install", name]);
        is_stopped(&sandbox, &finished, name);
    }
    sandbox.hook(&["npm", "install", "silent"]);
    let rebuilt = sandbox.hook(&["npm", "rebuild"]);
    assert!(!sandbox.has_sung(), "{rebuilt:?}");
    // An address that is accepted is not what stands behind it.
    sandbox.set("SCFW_ON_WARNING", "ALLOW");
    for name in ["deep", &tarball] {
        let finished = sandbox.hook(&["npm", "install", name]);
        assert!(!sandbox.has_sung(), "{name}: {finished:?}");
        assert_eq!(finished.status, 77, "{name}: {finished:?}");
    }
}

fn spellings(version: &str) {
    let mut sandbox = world(version);
    let tarball = format!("{}evil/-/evil-1.0.0.tgz", sandbox.world.registry_url());
    let root = json!({"name": "p", "version": "1.0.0", "dependencies": {"evil": "*"}});
    sandbox.write("package.json", root.to_string());
    for allowed in ["BLOCK", "ALLOW"] {
        sandbox.set("SCFW_ON_WARNING", allowed);
        for entry in [
            json!({"version": "v1.0.0", "hasInstallScript": true}),
            json!({"version": "=1.0.0", "hasInstallScript": true}),
            json!({"version": "1.0.0+x", "hasInstallScript": true}),
            json!({"version": " 1.0.0 ", "hasInstallScript": true}),
            json!({"version": "v1.0.0", "resolved": tarball, "hasInstallScript": true}),
            json!({"version": "1.0.0+x", "resolved": tarball, "hasInstallScript": true}),
            json!({"version": "2.0.0", "resolved": tarball, "hasInstallScript": true}),
        ] {
            let lock = json!({"name": "p", "version": "1.0.0", "lockfileVersion": 3, "requires": true,
                "packages": {"": root, "node_modules/evil": entry}});
            sandbox.write("package-lock.json", lock.to_string());
            for command in ["ci", "install"] {
                let finished = sandbox.hook(&["npm", command]);
                assert_ne!(finished.status, 0, "{allowed} {entry} {command}: {finished:?}");
                assert!(!sandbox.has_sung(), "{allowed} {entry} {command}: {finished:?}");
                assert!(sandbox.list("node_modules/evil").is_empty(), "{allowed} {entry} {command}");
            }
        }
    }
}

fn repository(version: &str) {
    let mut sandbox = world(version);
    let folder = sandbox.path("repository");
    fs::create_dir(&folder).unwrap();
    let path = folder.to_str().unwrap().to_owned();
    let git = |arguments: &[&str]| {
        let all =
            [&["-c", "user.name=t", "-c", "user.email=t@t.example", "-C", path.as_str()], arguments].concat();
        sandbox.bare("git", &all).ended_with(0);
    };
    git(&["init", "--quiet"]);
    for (tag, manifest) in [
        ("needs", json!({"name": "ours", "version": "1.0.0", "dependencies": {"evil": "*"}})),
        (
            "prepares",
            json!({"name": "ours", "version": "1.0.0", "devDependencies": {"evil": "*"},
            "scripts": {"prepare": "node -e 0"}}),
        ),
        (
            "is",
            json!({"name": "evil", "version": "1.0.0",
            "scripts": {"install": format!("touch {}", sandbox.canary("repository").display())}}),
        ),
    ] {
        fs::write(folder.join("package.json"), manifest.to_string()).unwrap();
        git(&["add", "."]);
        git(&["commit", "--quiet", "-m", tag]);
        git(&["tag", tag]);
    }
    sandbox.set("SCFW_ON_WARNING", "ALLOW");
    for tag in ["needs", "prepares", "is"] {
        let finished = sandbox.hook(&["npm", "install", &format!("git+file://{path}#{tag}")]);
        assert!(!sandbox.has_sung(), "{tag}: {finished:?}");
        assert_ne!(finished.status, 0, "{tag}: {finished:?}");
        assert!(sandbox.list("node_modules/evil").is_empty(), "{tag}");
    }
}
