//! `scfw audit npm`: what the real npms install, read and verified.

use std::fs;

use scfw_core::package::Ecosystem;
use scfw_world::NpmPackage;
use serde_json::{Value, json};

use crate::support::formats::{is_cyclonedx, is_sarif};
use crate::support::{NPM_VERSIONS, Sandbox};

fn world(sandbox: &Sandbox) {
    sandbox
        .world
        .add_npm(NpmPackage::new("app", "1.0.0").dependency("@scope/middle", "^1").dependency("twice", "1"));
    sandbox
        .world
        .add_npm(NpmPackage::new("@scope/middle", "1.0.0").dependency("evil", "1").dependency("twice", "2"));
    sandbox.world.add_npm(NpmPackage::new("other", "1.0.0").dependency("twice", "2"));
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("twice", "1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("twice", "2.0.0"));
}

fn document(sandbox: &Sandbox, arguments: &[&str], format: &str, status: i32) -> Value {
    let arguments = [&["audit", "npm", "--format", format], arguments].concat();
    let finished = sandbox.scfw(&arguments).ended_with(status);
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {}", finished.stdout))
}

/// Each package with its folders.
fn places(sandbox: &Sandbox, list: &Value) -> Vec<String> {
    let root = format!("{}/", sandbox.path("").canonicalize().unwrap().display());
    let place = |package: &Value| {
        let folders = package["locations"].as_array().unwrap().iter();
        let folders: Vec<String> =
            folders.map(|folder| folder.as_str().unwrap().replace(&root, "")).collect();
        format!("{} {}", package["query"].as_str().unwrap(), folders.join(" "))
    };
    list.as_array().unwrap().iter().map(place).collect()
}

#[test]
fn what_any_npm_installed_is_audited_with_and_without_its_lockfile() {
    for version in NPM_VERSIONS {
        let sandbox = Sandbox::with_npm(version);
        world(&sandbox);
        sandbox.write("package.json", r#"{"name": "p", "version": "1.0.0"}"#);
        sandbox.bare("npm", &["install", "app", "other"]).ended_with(0);
        let modules = "project/node_modules";
        let expected = [
            format!("npm:@scope/middle@1.0.0 {modules}/@scope/middle"),
            format!("npm:app@1.0.0 {modules}/app"),
            format!("npm:evil@1.0.0 {modules}/evil"),
            format!("npm:other@1.0.0 {modules}/other"),
            format!("npm:twice@1.0.0 {modules}/twice"),
            format!(
                "npm:twice@2.0.0 {modules}/@scope/middle/node_modules/twice {modules}/other/node_modules/twice"
            ),
        ];
        let id = sandbox.world.malicious(Ecosystem::Npm, "evil", None);
        assert_eq!(places(&sandbox, &document(&sandbox, &[], "json", 77)), expected, "npm {version}");
        let finished = sandbox.scfw(&["audit", "npm"]).ended_with(77);
        assert_eq!(
            finished.stdout,
            format!(
                "Package evil@1.0.0 (required by app > @scope/middle) in node_modules/evil:\n  \
                 - Datadog Security Research has determined that package evil is malicious\n  \
                 - An OSV.dev malicious package disclosure exists for package evil@1.0.0:\n      \
                 * https://osv.dev/vulnerability/{id}\n6 packages audited, 1 with findings.\n"
            ),
            "npm {version}"
        );
        assert_eq!(finished.stderr, "");
        let with_lockfile = document(&sandbox, &[], "json", 77);
        fs::remove_file(sandbox.project("node_modules/.package-lock.json")).unwrap();
        assert_eq!(document(&sandbox, &[], "json", 77), with_lockfile, "npm {version}");
        fs::create_dir(sandbox.project("node_modules/app/lib")).unwrap();
        let mut below =
            sandbox.command(crate::support::binary("scfw"), &["audit", "npm", "--format", "json"]);
        below.current_dir(sandbox.project("node_modules/app/lib"));
        assert_ne!(sandbox.finish(below).stdout, "", "from anywhere in it");
    }
}

#[test]
fn what_is_installed_globally_is_audited_on_demand() {
    for version in NPM_VERSIONS {
        let sandbox = Sandbox::with_npm(version);
        world(&sandbox);
        sandbox.bare("npm", &["install", "-g", "app"]).ended_with(0);
        let finished = sandbox.scfw(&["audit", "npm"]).ended_with(0).says("nothing is installed");
        assert_eq!(finished.stdout, "0 packages audited, 0 with findings.\n");
        let list = document(&sandbox, &["--global"], "json", 0);
        let modules = "~/npm-global/lib/node_modules/app";
        let places = places(&sandbox, &list);
        assert_eq!(places.len(), 5, "npm {version}: {places:?}");
        assert_eq!(places[1], format!("npm:app@1.0.0 {modules}"));
        assert_eq!(places[2], format!("npm:evil@1.0.0 {modules}/node_modules/evil"));
        sandbox.world.malicious(Ecosystem::Npm, "evil", None);
        let finished = sandbox.scfw(&["audit", "npm", "-g"]).ended_with(77);
        let heading = "(required by app > @scope/middle) in node_modules/app/node_modules/evil";
        assert!(finished.stdout.contains(heading), "{}", finished.stdout);
    }
}

#[test]
fn workspaces_links_archives_and_repositories() {
    let sandbox = Sandbox::new();
    world(&sandbox);
    sandbox.write("package.json", r#"{"name": "p", "version": "1.0.0", "workspaces": ["packages/*"]}"#);
    sandbox.write(
        "packages/own/package.json",
        r#"{"name": "own", "version": "1.0.0", "dependencies": {"twice": "2"}}"#,
    );
    sandbox.write("repository/package.json", r#"{"name": "cloned", "version": "1.0.0"}"#);
    let git = |arguments: &[&str]| {
        let all = [&["-c", "user.name=a", "-c", "user.email=a@host.example", "-C", "repository"], arguments]
            .concat();
        sandbox.bare("git", &all).ended_with(0)
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "first"]);
    let repository = format!("git+file://{}", sandbox.project("repository").display());
    let url = format!("{}other/-/other-1.0.0.tgz", sandbox.world.registry_url());
    sandbox.bare("npm", &["install", "twice@1", &repository, &url]).ended_with(0);
    for name in ["own", "cloned"] {
        sandbox.world.malicious(Ecosystem::Npm, name, None);
    }
    let list = document(&sandbox, &[], "json", 77);
    let verdicts: Vec<String> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            format!("{} {}", package["query"].as_str().unwrap(), package["verdict"].as_str().unwrap())
        })
        .collect();
    let expected = [
        "npm:cloned@1.0.0 block", "npm:other@1.0.0 warn", "npm:own@1.0.0 allow", "npm:twice@1.0.0 allow",
        "npm:twice@2.0.0 allow",
    ];
    assert_eq!(verdicts, expected);
    assert!(list[0]["findings"].to_string().contains("it comes from a repository"), "{list}");
    assert!(list[1]["findings"].to_string().contains("it comes from a bare URL"), "{list}");
    assert_eq!(list[4]["locations"].as_array().unwrap().len(), 2);
    is_sarif(&document(&sandbox, &[], "sarif", 77));
    is_cyclonedx(&document(&sandbox, &[], "cyclonedx", 77));
}

#[test]
fn a_package_that_names_itself_otherwise_is_known_by_what_npm_installed() {
    let sandbox = Sandbox::new();
    world(&sandbox);
    sandbox.write("package.json", r#"{"name": "p", "version": "1.0.0"}"#);
    sandbox.bare("npm", &["install", "evil"]).ended_with(0);
    let manifest = sandbox.project("node_modules/evil/package.json");
    let time = fs::metadata(&manifest).unwrap().modified().unwrap();
    fs::write(&manifest, r#"{"name": "twice", "version": "1.0.0"}"#).unwrap();
    fs::File::options().write(true).open(&manifest).unwrap().set_modified(time).unwrap();
    sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
    let list = document(&sandbox, &[], "json", 77);
    let modules = "project/node_modules/evil";
    assert_eq!(
        places(&sandbox, &list),
        [format!("npm:evil@1.0.0 {modules}"), format!("npm:twice@1.0.0 {modules}")]
    );
}

#[test]
fn hostile_trees_are_said_and_end_with_1() {
    let sandbox = Sandbox::new();
    let name = "evil\u{1b}[2J\u{202e}";
    sandbox.write("node_modules/escape/package.json", json!({"name": name, "version": "1.0.0"}).to_string());
    sandbox.write("node_modules/good/package.json", r#"{"name": "good", "version": "1.0.0"}"#);
    let huge = sandbox.write("node_modules/huge/package.json", "");
    fs::File::create(huge).unwrap().set_len(1 << 30).unwrap();
    std::os::unix::fs::symlink("loop", sandbox.project("node_modules/loop")).unwrap();
    std::os::unix::fs::symlink("..", sandbox.project("node_modules/good/node_modules")).unwrap();
    for format in ["text", "json", "sarif", "cyclonedx"] {
        let finished = sandbox.scfw(&["audit", "npm", "--format", format]).ended_with(1);
        let finished = finished.says("huge/package.json could not be verified: it is longer than 4 MiB");
        let finished = finished.says("loop could not be verified: it is a link that leads nowhere");
        let finished = finished.says("escape/package.json could not be verified").does_not_say("panicked");
        assert!(!finished.stderr.contains('\u{1b}') && !finished.stdout.contains('\u{1b}'), "{finished:?}");
        match format {
            "text" => assert!(finished.stdout.starts_with("1 package audited"), "{}", finished.stdout),
            "sarif" => is_sarif(&serde_json::from_str(&finished.stdout).unwrap()),
            "cyclonedx" => is_cyclonedx(&serde_json::from_str(&finished.stdout).unwrap()),
            _ => {}
        }
    }
    assert!(sandbox.world.requests().iter().all(|request| !request.mentions("evil")));
}

#[test]
fn an_npm_that_does_not_answer_is_no_answer() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::new();
    for (script, said) in [
        ("echo broken >&2; exit 3", "broken"),
        ("echo relative/node_modules", "did not say"),
        ("yes", "longer"),
    ] {
        let npm = sandbox.write("npm", format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(&npm, fs::Permissions::from_mode(0o755)).unwrap();
        let arguments = ["audit", "npm", "-g", "--executable", npm.to_str().unwrap()];
        sandbox.scfw(&arguments).ended_with(69).says(said);
    }
}
