//! What a lockfile, a shrinkwrap or a cache says of a package is a claim: what npm fetches and unpacks is the fact.

use std::fs;

use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, World};
use serde_json::{Value, json};

use crate::support::Sandbox;

for_each_npm! {
    a_locked_version_that_is_a_spec_is_refused => spec_as_version;
    a_published_shrinkwrap_is_believed_no_more_than_a_lockfile => shrinkwrap;
    integrity_cannot_take_another_package_out_of_the_cache => cache;
    a_digest_takes_nothing_out_of_the_cache_that_the_registry_does_not_list => liar;
    a_path_that_is_not_there_is_no_file_of_the_users => path;
    a_hidden_lockfile_is_no_fact => hidden_lockfile;
}

/// A registry with `good-leaf` and, malicious in version 1.0.0, `evil-script`.
fn world(version: &str) -> Sandbox {
    let sandbox = Sandbox::with_npm(version);
    sandbox.world.add_npm(NpmPackage::new("good-leaf", "1.0.0"));
    sandbox.world.add_npm(
        NpmPackage::new("evil-script", "1.0.0").dist_tag("created").canary(sandbox.canary("evil-script")),
    );
    sandbox.world.malicious(Ecosystem::Npm, "evil-script", Some("1.0.0"));
    sandbox
}

/// Writes a project that depends on `good-leaf` and locks it with `entry`.
fn lock(sandbox: &Sandbox, entry: &Value) {
    let root = json!({"name": "p", "version": "1.0.0", "dependencies": {"good-leaf": "*"}});
    sandbox.write("package.json", root.to_string());
    let lock = json!({"name": "p", "version": "1.0.0", "lockfileVersion": 3, "requires": true,
        "packages": {"": root, "node_modules/good-leaf": entry}});
    sandbox.write("package-lock.json", lock.to_string());
}

/// Versions and names that npm takes for something else than one version of one package.
fn claims(sandbox: &Sandbox) -> Vec<Value> {
    let tarball = format!("{}evil-script/-/evil-script-1.0.0.tgz", sandbox.world.registry_url());
    vec![
        json!({"version": "npm:evil-script@1.0.0", "hasInstallScript": true}),
        json!({"version": "npm:evil-script@created", "hasInstallScript": true}),
        json!({"version": tarball, "hasInstallScript": true}),
        json!({"version": "1.x", "name": "evil-script", "hasInstallScript": true}),
        json!({"version": "latest", "name": "evil-script", "hasInstallScript": true}),
        json!({"version": "created", "name": "evil-script", "hasInstallScript": true}),
        json!({"version": "1.0.0", "name": "good-leaf@npm:evil-script", "hasInstallScript": true}),
        json!({"version": "1.0.0 || 1.0.0", "name": "evil-script", "hasInstallScript": true}),
    ]
}

fn spec_as_version(version: &str) {
    let mut sandbox = world(version);
    // Neither an age that is not asked for nor an answer given beforehand lets it pass.
    sandbox.set("SCFW_PACKAGE_MINIMUM_AGE", "0");
    sandbox.set("SCFW_ON_WARNING", "ALLOW");
    sandbox.write(".npmrc", "before=2100-01-01\n");
    for claim in claims(&sandbox) {
        lock(&sandbox, &claim);
        for arguments in [&["npm", "ci"][..], &["npm", "install"]] {
            let finished = sandbox.hook(arguments);
            assert!([69, 77].contains(&finished.status), "{claim} {arguments:?}: {finished:?}");
            assert!(!sandbox.has_sung(), "{claim} {arguments:?}");
            assert!(sandbox.list("node_modules/good-leaf").is_empty(), "{claim} {arguments:?}");
        }
    }
    // What npm takes literally is an exact version, however it is written.
    for exact in ["1.0.0", "v1.0.0", "=1.0.0"] {
        lock(&sandbox, &json!({"version": exact}));
        sandbox.hook(&["npm", "ci"]).ended_with(0).does_not_say("scfw");
    }
}

fn shrinkwrap(version: &str) {
    let mut sandbox = world(version);
    sandbox.set("SCFW_PACKAGE_MINIMUM_AGE", "0");
    let shrinkwrap = json!({"name": "wrapping", "version": "1.0.0", "lockfileVersion": 2, "requires": true,
        "packages": {
            "": {"name": "wrapping", "version": "1.0.0", "dependencies": {"good-leaf": "*"}},
            "node_modules/good-leaf": {"version": "npm:evil-script@1.0.0", "hasInstallScript": true}},
        "dependencies": {"good-leaf": {"version": "npm:evil-script@1.0.0"}}});
    sandbox
        .world
        .add_npm(NpmPackage::new("wrapping", "1.0.0").dependency("good-leaf", "*").shrinkwrap(shrinkwrap));
    let finished = sandbox.hook(&["npm", "install", "wrapping"]);
    assert!(!sandbox.has_sung(), "{finished:?}");
    if version == "12.2.2" {
        // It reads no published shrinkwrap any more.
        assert_eq!(finished.status, 0, "{finished:?}");
        return;
    }
    assert!([69, 77].contains(&finished.status), "{finished:?}");
    assert!(sandbox.list("node_modules").is_empty(), "{finished:?}");
}

fn cache(version: &str) {
    let mut sandbox = world(version);
    // In npm's cache since before it was reported.
    sandbox.bare("npm", &["pack", "evil-script"]).ended_with(0);
    lock(&sandbox, &json!({}));
    fs::remove_file(sandbox.project("package.json")).unwrap();
    fs::remove_file(sandbox.project("package-lock.json")).unwrap();
    sandbox.bare("npm", &["install", "--package-lock-only", "evil-script"]).ended_with(0);
    let text = fs::read_to_string(sandbox.project("package-lock.json")).unwrap();
    let written: Value = serde_json::from_str(&text).unwrap();
    let integrity = &written["packages"]["node_modules/evil-script"]["integrity"];
    assert!(integrity.is_string(), "{written}");
    let resolved = format!("{}good-leaf/-/good-leaf-1.0.0.tgz", sandbox.world.registry_url());
    let swapped = json!({"version": "1.0.0", "resolved": resolved, "integrity": integrity,
        "hasInstallScript": true});
    lock(&sandbox, &swapped);
    for arguments in
        [&["npm", "ci"][..], &["npm", "install", "--prefer-offline"], &["npm", "ci", "--offline"]]
    {
        // The registry lists other bytes; whoever goes on all the same is told what they are.
        sandbox.unset("SCFW_ON_WARNING");
        sandbox.hook(arguments).ended_with(69).says("127.0.0.1 does not list it");
        sandbox.set("SCFW_ON_WARNING", "ALLOW");
        sandbox.hook(arguments).ended_with(77).says("evil-script@1.0.0 is malicious");
        assert!(!sandbox.has_sung(), "{arguments:?}");
        assert!(sandbox.list("node_modules/good-leaf").is_empty(), "npm takes it away again: {arguments:?}");
    }
}

/// The integrity of what is at `spec`, which is in npm's cache from then on.
fn cached(sandbox: &Sandbox, spec: &str) -> Value {
    let packed = sandbox.bare("npm", &["pack", "--json", spec]).ended_with(0).stdout;
    let packed: Value = serde_json::from_str(&packed).unwrap();
    // npm 12 gives an object by names.
    let entry = packed.get(0).or_else(|| packed.as_object()?.values().next()).unwrap();
    assert!(entry["integrity"].is_string(), "{packed}");
    entry["integrity"].clone()
}

fn liar(version: &str) {
    let sandbox = world(version);
    // Another registry's package of the same name and version, which says nothing else of itself.
    let other = World::start().unwrap();
    other.add_npm(NpmPackage::new("good-leaf", "1.0.0").canary(sandbox.canary("liar")));
    let integrity = cached(&sandbox, &format!("{}good-leaf/-/good-leaf-1.0.0.tgz", other.registry_url()));
    let resolved = format!("{}good-leaf/-/good-leaf-1.0.0.tgz", sandbox.world.registry_url());
    lock(
        &sandbox,
        &json!({"version": "1.0.0", "resolved": resolved, "integrity": integrity, "hasInstallScript": true}),
    );
    for arguments in [&["npm", "ci"][..], &["npm", "install"], &["npm", "ci", "--prefer-offline"]] {
        sandbox.hook(arguments).ended_with(69).says("127.0.0.1 does not list it");
        assert!(!sandbox.has_sung() && sandbox.list("node_modules/good-leaf").is_empty(), "{arguments:?}");
    }
    // What npm itself has fetched from the registry is taken out of the cache as ever.
    lock(&sandbox, &json!({"version": "1.0.0"}));
    sandbox.bare("npm", &["install"]).ended_with(0);
    fs::remove_dir_all(sandbox.project("node_modules")).unwrap();
    sandbox.world.forget_requests();
    sandbox.hook(&["npm", "ci", "--offline"]).ended_with(0).does_not_say("scfw");
}

fn path(version: &str) {
    let mut sandbox = world(version);
    let integrity = cached(&sandbox, "evil-script");
    let claim = |name: &str| {
        lock(
            &sandbox,
            &json!({"name": name, "version": "1.0.0", "resolved": "file:own.tgz", "integrity": integrity,
                "hasInstallScript": true}),
        );
    };
    for name in ["good-leaf", "evil-script"] {
        claim(name);
        let finished = sandbox.hook(&["npm", "ci"]);
        assert!([69, 77].contains(&finished.status), "{finished:?}");
        assert!(!sandbox.has_sung(), "{name}");
    }
    // One that is there, and that nothing of the user's asks for.
    sandbox.bare("npm", &["pack", "evil-script"]).ended_with(0);
    fs::rename(sandbox.project("evil-script-1.0.0.tgz"), sandbox.project("own.tgz")).unwrap();
    for name in ["good-leaf", "evil-script"] {
        claim(name);
        let finished = sandbox.hook(&["npm", "ci"]);
        assert!([69, 77].contains(&finished.status), "{finished:?}");
        assert!(!sandbox.has_sung(), "{name}");
    }
    fs::remove_file(sandbox.project("own.tgz")).unwrap();
    claim("good-leaf");
    sandbox.set("SCFW_ON_WARNING", "ALLOW");
    sandbox.hook(&["npm", "ci"]).ended_with(77).says("evil-script@1.0.0 is malicious");
    assert!(!sandbox.has_sung());
    // A file that is there is the user's own, whatever it is called, and named to nobody.
    sandbox.unset("SCFW_ON_WARNING");
    for left in ["package.json", "package-lock.json"] {
        fs::remove_file(sandbox.project(left)).unwrap();
    }
    sandbox.write("own/package.json", json!({"name": "our-own", "version": "1.0.0"}).to_string());
    sandbox.bare("npm", &["pack", "./own"]).ended_with(0);
    for arguments in [&["npm", "install", "./our-own-1.0.0.tgz"][..], &["npm", "ci"], &["npm", "install"]] {
        sandbox.hook(arguments).ended_with(0).does_not_say("scfw");
        assert!(sandbox.project("node_modules/our-own").exists(), "{arguments:?}");
    }
}

fn hidden_lockfile(version: &str) {
    let sandbox = world(version);
    sandbox.bare("npm", &["install", "--ignore-scripts", "evil-script"]).ended_with(0);
    // What somebody else has committed together with his node_modules.
    let hidden = sandbox.project("node_modules/.package-lock.json");
    let text = fs::read_to_string(&hidden).unwrap();
    let mut lock: Value = serde_json::from_str(&text).unwrap();
    let resolved = format!("{}good-leaf/-/good-leaf-1.0.0.tgz", sandbox.world.registry_url());
    lock["packages"]["node_modules/evil-script"] =
        json!({"name": "good-leaf", "version": "1.0.0", "resolved": resolved, "hasInstallScript": true});
    fs::write(&hidden, lock.to_string()).unwrap();
    sandbox.hook(&["npm", "rebuild"]).ended_with(77).says("evil-script@1.0.0 is malicious");
    assert!(!sandbox.has_sung());
}
