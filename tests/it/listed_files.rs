//! A file is a registry's if the registry offers it: an address that only a lockfile or a page gives is a bare URL until
//! the registry lists it, on whatever host.

use std::fs;

use scfw_world::{NpmPackage, Sdist, Wheel, World};
use serde_json::{Value, json};

use crate::support::{PIP_VERSIONS, Sandbox};

for_each_npm! {
    what_the_registry_offers_elsewhere_is_its_own => mirror;
    what_only_a_lockfile_offers_is_a_bare_url => unlisted;
}

/// The lockfile of the project.
fn lockfile(sandbox: &Sandbox) -> Value {
    serde_json::from_str(&fs::read_to_string(sandbox.project("package-lock.json")).unwrap()).unwrap()
}

fn mirror(version: &str) {
    let sandbox = Sandbox::with_npm(version);
    let storage = World::start().unwrap();
    sandbox.world.tarballs_are_at(&storage.registry_url());
    for world in [&sandbox.world, &storage] {
        world.add_npm(NpmPackage::new("top", "1.0.0").dependency("@scope/below", "*"));
        world.add_npm(NpmPackage::new("@scope/below", "1.0.0"));
    }
    sandbox.hook(&["npm", "install", "top"]).ended_with(0).does_not_say("scfw");
    let resolved = lockfile(&sandbox)["packages"]["node_modules/top"]["resolved"].clone();
    assert!(resolved.as_str().unwrap().starts_with(&storage.registry_url()), "{resolved}");
    // From the lockfile alone, with an empty cache: nothing but the address is known.
    for arguments in [&["npm", "ci"][..], &["npm", "install"]] {
        fs::remove_dir_all(sandbox.project("node_modules")).unwrap();
        fs::remove_dir_all(sandbox.path("home/npm-cache")).unwrap();
        sandbox.hook(arguments).ended_with(0).does_not_say("scfw");
        assert_eq!(sandbox.log().last().unwrap()["action"], "ALLOW");
    }
    // The bytes that the registry offers are the same wherever they lie.
    let elsewhere = World::start().unwrap();
    elsewhere.add_npm(NpmPackage::new("top", "1.0.0").dependency("@scope/below", "*"));
    let mut lock = lockfile(&sandbox);
    lock["packages"]["node_modules/top"]["resolved"] =
        json!(format!("{}top/-/top-1.0.0.tgz", elsewhere.registry_url()));
    sandbox.write("package-lock.json", lock.to_string());
    fs::remove_dir_all(sandbox.project("node_modules")).unwrap();
    sandbox.hook(&["npm", "ci"]).ended_with(0).does_not_say("scfw");
}

fn unlisted(version: &str) {
    let mut sandbox = Sandbox::with_npm(version);
    let other = World::start().unwrap();
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    other.add_npm(NpmPackage::new("good", "1.0.0").canary(sandbox.canary("other")));
    sandbox.bare("npm", &["install", "good"]).ended_with(0);
    fs::remove_dir_all(sandbox.project("node_modules")).unwrap();
    // No setting of ages decides about addresses.
    sandbox.set("SCFW_PACKAGE_MINIMUM_AGE", "0");
    let registry = sandbox.world.registry_url();
    for address in [
        format!("{}good/-/good-1.0.0.tgz", other.registry_url()),
        // The host is the registry's, and the place is not.
        registry.replace("/npm/", "/elsewhere/good/-/good-1.0.0.tgz"),
        format!("{registry}uploads/good/1.0.0/good.tgz"),
        format!("{registry}uploads/good/-/good-1.0.0.tgz"),
        // What is fetched has no dots.
        format!("{registry}../elsewhere/good/-/good-1.0.0.tgz"),
        format!("{registry}%2e%2e/elsewhere/good/-/good-1.0.0.tgz"),
        format!("{registry}good/-/..%2f..%2felsewhere/good-1.0.0.tgz"),
    ] {
        let mut lock = lockfile(&sandbox);
        let entry = lock["packages"]["node_modules/good"].as_object_mut().unwrap();
        entry.insert("resolved".to_owned(), json!(address));
        entry.remove("integrity");
        sandbox.write("package-lock.json", lock.to_string());
        for arguments in [&["npm", "ci"][..], &["npm", "install"]] {
            sandbox
                .hook(arguments)
                .ended_with(69)
                .says(&format!("it comes from a bare URL ({address}): 127.0.0.1 does not list it"));
            assert!(!sandbox.has_sung() && sandbox.list("node_modules/good").is_empty(), "{address}");
        }
    }
    // A registry that does not answer has confirmed nothing.
    sandbox.world.fail(scfw_world::Service::Registry, Some(scfw_world::Failure::Status(503)));
    sandbox.hook(&["npm", "ci"]).ended_with(69).says("whether 127.0.0.1 lists it is not known");
}

#[test]
fn an_index_offers_its_files_on_whatever_host() {
    for pip in PIP_VERSIONS {
        let sandbox = Sandbox::with_pip(pip);
        let storage = World::start().unwrap();
        sandbox.world.files_are_in(&storage);
        for world in [&sandbox.world, &storage] {
            world.add_wheel(Wheel::new("top", "1.0"));
        }
        let download = |folder: &str| {
            sandbox.hook(&["pip", "download", "--no-cache-dir", "--no-deps", "-d", folder, "top"])
        };
        download("json").ended_with(0).does_not_say("scfw");
        // Pages in HTML tell no times, and are pages all the same.
        sandbox.world.index_is_html_only(true);
        let html = download("html");
        assert!(!html.stderr.contains("bare URL"), "{pip}: {html:?}");
    }
}

/// A lock file of PEP 751 for one source distribution.
fn pylock(url: &str, sha256: &str) -> String {
    format!(
        "lock-version = \"1.0\"\ncreated-by = \"test\"\n[[packages]]\nname = \"good\"\nversion = \"1.0\"\n\
         [packages.sdist]\nname = \"good-1.0.tar.gz\"\nurl = \"{url}\"\nhashes = {{sha256 = \"{sha256}\"}}\n"
    )
}

#[test]
fn a_lock_file_of_pips_gives_a_bare_url_unless_the_index_lists_it() {
    let mut sandbox = Sandbox::new();
    let (other, mirror) = (World::start().unwrap(), World::start().unwrap());
    for world in [&sandbox.world, &mirror] {
        world.add_sdist(Sdist::new("good", "1.0"));
    }
    // The same name and version, and other bytes.
    other.add_sdist(Sdist::new("good", "1.0").canary(sandbox.canary("other")));
    let address = |world: &World| world.index_url().replace("simple/", "files/good-1.0.tar.gz");
    let sha256 = |sandbox: &Sandbox, world: &World| {
        let index = world.index_url();
        let page = sandbox.bare("python3", &["-c",
            "import json,sys,urllib.request as u\nr=u.Request(sys.argv[1]+'good/',headers={'Accept':'application/vnd.pypi.simple.v1+json'})\nprint(json.load(u.urlopen(r))['files'][0]['hashes']['sha256'])",
            &index]);
        page.ended_with(0).stdout.trim().to_owned()
    };
    let listed = sha256(&sandbox, &sandbox.world);
    let theirs = sha256(&sandbox, &other);
    assert_ne!(listed, theirs);
    // pip takes a file that has any of several digests.
    let both = format!("{theirs}\", sha512 = \"{}", "0".repeat(128));
    let swapped = format!("{listed}\", sha512 = \"{}", "0".repeat(128));
    // No setting of ages decides about addresses.
    sandbox.set("SCFW_PACKAGE_MINIMUM_AGE", "0");
    let install = ["pip", "install", "--no-cache-dir", "--target", "out", "-r", "pylock.toml"];
    for arguments in [
        &install[..],
        &["pip", "install", "--dry-run", "-r", "pylock.toml"],
        &["pip", "download", "-d", "out", "-r", "pylock.toml"],
    ] {
        for hash in [&theirs, &both, &swapped] {
            sandbox.write("pylock.toml", pylock(&address(&other), hash));
            sandbox
                .hook(arguments)
                .ended_with(69)
                .says("it comes from a bare URL")
                .says("127.0.0.1 does not list it");
            assert!(!sandbox.has_sung() && sandbox.list("out").is_empty(), "{arguments:?} {hash}");
        }
    }
    sandbox.set("SCFW_PACKAGE_MINIMUM_AGE", "24");
    for world in [&sandbox.world, &mirror] {
        sandbox.write("pylock.toml", pylock(&address(world), &listed));
        sandbox.hook(&install).ended_with(0).does_not_say("scfw");
        fs::remove_dir_all(sandbox.project("out")).unwrap();
    }
}

#[test]
fn a_page_that_is_no_index_gives_bare_urls() {
    let sandbox = Sandbox::new();
    let other = World::start().unwrap();
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    other.add_wheel(Wheel::new("good", "2.0"));
    let page = format!("{}good/", other.index_url());
    sandbox
        .hook(&["pip", "install", "--target", "out", "--find-links", &page, "good"])
        .ended_with(69)
        .says("it comes from a bare URL")
        .says("does not list it");
    assert!(sandbox.list("out").is_empty());
}

#[test]
fn a_lock_file_of_pips_may_lead_to_any_index_in_use() {
    let mut sandbox = Sandbox::new();
    let extra = World::start().unwrap();
    extra.add_sdist(Sdist::new("good", "1.0"));
    sandbox.world.add_wheel(Wheel::new("other", "1.0"));
    sandbox.set("PIP_EXTRA_INDEX_URL", extra.index_url());
    let address = extra.index_url().replace("simple/", "files/good-1.0.tar.gz");
    let script = "import hashlib,sys,urllib.request as u\nprint(hashlib.sha256(u.urlopen(sys.argv[1]).read()).hexdigest())";
    let sha256 = sandbox.bare("python3", &["-c", script, &address]).ended_with(0).stdout;
    sandbox.write("pylock.toml", pylock(&address, sha256.trim()));
    sandbox.set("SCFW_PACKAGE_MINIMUM_AGE", "0");
    sandbox
        .hook(&["pip", "install", "--no-cache-dir", "--target", "out", "-r", "pylock.toml"])
        .ended_with(0)
        .does_not_say("scfw");
}
