//! The targets that [`super::npm`] finds in specs, lockfiles and package.json.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::{NodeRequest, Screened, node_with_npms};

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn packages(screened: &Screened) -> Vec<String> {
    screened.targets.iter().map(|target| target.package.to_string()).collect()
}

/// The packages that `npm install` in the folder brings, without complaint.
fn install(folder: &Path) -> Vec<String> {
    let screened = node_with_npms(&NodeRequest::default(), folder);
    assert_eq!(screened.skipped, []);
    packages(&screened)
}

fn clean(folder: &Path) -> Vec<String> {
    packages(&node_with_npms(&NodeRequest { clean: true, ..NodeRequest::default() }, folder))
}

fn specs(specs: &[&str]) -> NodeRequest {
    NodeRequest { specs: specs.iter().map(|&spec| spec.to_owned()).collect(), ..NodeRequest::default() }
}

const MANIFEST: &str =
    r#"{"dependencies": {"a": "^1.0.0", "b": "2.0.0"}, "devDependencies": {"d": "^1.0.0"}}"#;

const LOCK: &str = r#"{"lockfileVersion": 3, "packages": {
    "": {"name": "x", "dependencies": {"a": "^1.0.0", "b": "2.0.0"}, "devDependencies": {"d": "^1.0.0"}},
    "node_modules/a": {"version": "1.2.0", "resolved": "https://host.example/a/-/a-1.2.0.tgz"},
    "node_modules/a/node_modules/c": {"version": "3.0.0"},
    "node_modules/b": {"version": "2.0.0"},
    "node_modules/d": {"version": "1.0.0", "dev": true}}}"#;

#[test]
fn specs_are_screened_and_the_project_is_not() {
    let project =
        folder(&[("package.json", MANIFEST), ("package-lock.json", LOCK), ("foo/package.json", "{}")]);
    let request = specs(&["foo", "foo@1.0.0", "x@npm:real@1.0.0", "u/r", "./foo", "foo"]);
    for request in [NodeRequest { global: true, ..request.clone() }, request] {
        assert_eq!(packages(&node_with_npms(&request, project.path())), ["foo", "foo@1.0.0", "real@1.0.0"]);
    }
    assert_eq!(
        node_with_npms(&NodeRequest { global: true, ..NodeRequest::default() }, project.path()),
        Screened::default()
    );
    assert_eq!(packages(&node_with_npms(&specs(&["."]), project.path())).len(), 3);
    assert_eq!(
        packages(&node_with_npms(&NodeRequest { clean: true, ..specs(&["foo"]) }, project.path())).len(),
        3
    );
}

#[test]
fn a_lockfile_in_step_is_screened() {
    let project = folder(&[("package.json", MANIFEST), ("package-lock.json", LOCK), ("deep/er/x", "")]);
    let expected = ["a@1.2.0", "c@3.0.0", "b@2.0.0"];
    assert_eq!(install(project.path()), expected);
    assert_eq!(install(&project.path().join("deep/er")), expected);
    assert_eq!(clean(project.path()), expected);
    let prefix = NodeRequest { prefix: Some("..".to_owned()), ..NodeRequest::default() };
    assert_eq!(packages(&node_with_npms(&prefix, &project.path().join("deep"))), expected);
    let ignored = NodeRequest { lock_ignored: true, ..NodeRequest::default() };
    assert_eq!(packages(&node_with_npms(&ignored, project.path())), ["a", "b@2.0.0"]);
    assert_eq!(packages(&node_with_npms(&NodeRequest { clean: true, ..ignored }, project.path())), expected);
    let partial = NodeRequest { partial: true, ..NodeRequest::default() };
    assert_eq!(node_with_npms(&partial, project.path()), Screened::default());
}

#[test]
fn a_lockfile_out_of_step_is_not() {
    for manifest in [
        MANIFEST.replace("^1.0.0\", \"b", "^2.0.0\", \"b"),
        MANIFEST.replace("\"d\"", "\"other\""),
        MANIFEST.replace("\"devDependencies\"", "\"overrides\": {\"c\": \"1\"}, \"devDependencies\""),
    ] {
        let project = folder(&[("package.json", &manifest), ("package-lock.json", LOCK)]);
        assert_eq!(install(project.path()), ["a", "b@2.0.0"], "{manifest}");
        assert_eq!(clean(project.path()), ["a@1.2.0", "c@3.0.0", "b@2.0.0"]);
    }
    let project = folder(&[("package-lock.json", LOCK)]);
    assert_eq!(install(project.path()), Vec::<String>::new());
}

#[test]
fn the_shrinkwrap_wins_unless_it_is_empty() {
    let shrinkwrap = LOCK.replace("3.0.0", "3.0.1");
    let files =
        [("package.json", MANIFEST), ("package-lock.json", LOCK), ("npm-shrinkwrap.json", &shrinkwrap)];
    let project = folder(&files);
    assert_eq!(install(project.path()), ["a@1.2.0", "c@3.0.1", "b@2.0.0"]);
    fs::write(project.path().join("npm-shrinkwrap.json"), "").unwrap();
    assert_eq!(install(project.path()), ["a@1.2.0", "c@3.0.0", "b@2.0.0"]);
}

#[test]
fn version_1_is_screened_when_it_fits() {
    let lock = r#"{"lockfileVersion": 1, "requires": true, "dependencies": {
        "a": {"version": "1.2.0", "requires": {"c": "3"}, "dependencies": {"c": {"version": "3.0.0"}}},
        "b": {"version": "2.0.0"}, "d": {"version": "1.0.0", "dev": true}}}"#;
    let project = folder(&[("package.json", MANIFEST), ("package-lock.json", lock)]);
    assert_eq!(install(project.path()), ["c@3.0.0", "a@1.2.0", "b@2.0.0"]);
    let gone = lock.replace("\"b\":", "\"gone\":");
    fs::write(project.path().join("package-lock.json"), gone).unwrap();
    assert_eq!(install(project.path()), ["a", "b@2.0.0"]);
    assert_eq!(clean(project.path()), ["c@3.0.0", "a@1.2.0", "gone@2.0.0"]);
}

#[test]
fn workspaces() {
    let root =
        r#"{"workspaces": {"packages": ["packages/*", "!packages/no"]}, "dependencies": {"r": "1.0.0"}}"#;
    let one = r#"{"name": "one", "dependencies": {"two": "1.0.0", "x": "1.0.0"}}"#;
    let lock = r#"{"lockfileVersion": 3, "packages": {"": {"dependencies": {"r": "1.0.0"}},
        "node_modules/r": {"version": "1.0.0"}, "node_modules/one": {"resolved": "packages/one", "link": true},
        "node_modules/x": {"version": "1.0.0"}, "node_modules/deep": {"version": "1.0.0"},
        "packages/one": {"dependencies": {"two": "1.0.0", "x": "1.0.0"}}, "packages/two": {}}}"#;
    let project = folder(&[
        ("package.json", root),
        ("packages/one/package.json", one),
        ("packages/two/package.json", r#"{"name": "two"}"#),
        ("packages/no/package.json", r#"{"dependencies": {"n": "1.0.0"}}"#),
        ("packages/none", ""),
    ]);
    let at = |path: &str| project.path().join(path);
    assert_eq!(install(project.path()), ["r@1.0.0", "x@1.0.0"]);
    assert_eq!(install(&at("packages/one")), ["x@1.0.0"]);
    assert_eq!(install(&at("packages/no")), ["n@1.0.0"]);
    fs::write(at("package-lock.json"), lock).unwrap();
    assert_eq!(install(project.path()), ["r@1.0.0", "x@1.0.0", "deep@1.0.0"]);
    assert_eq!(install(&at("packages/one")), ["x@1.0.0"]);
    fs::write(at("package.json"), root.replace("packages/*", "packages/two")).unwrap();
    assert_eq!(install(project.path()), ["r@1.0.0"]);
    fs::write(at("package.json"), root).unwrap();
    fs::write(at("packages/two/package.json"), r#"{"name": "two", "dependencies": {"new": "1"}}"#).unwrap();
    assert_eq!(install(project.path()), ["r@1.0.0", "x@1.0.0", "new"]);
    fs::write(
        at("package.json"),
        root.replace("\"dependencies\"", "\"overrides\": {\"x\": \"2\"}, \"dependencies\""),
    )
    .unwrap();
    assert_eq!(install(project.path()), ["r@1.0.0"]);
}

#[test]
fn npx_fetches_what_is_not_at_hand() {
    let project = folder(&[
        ("package.json", r#"{"bin": {"mine": "x.js"}, "dependencies": {"a": "1.0.0"}}"#),
        ("node_modules/.bin/tool", ""),
        ("sub/x", ""),
    ]);
    let request =
        NodeRequest { executes: true, ..specs(&["tool", "tool@1.0.0", "mine", "other", "@s/x", "./y"]) };
    for path in [project.path(), &project.path().join("sub")] {
        assert_eq!(packages(&node_with_npms(&request, path)), ["tool@1.0.0", "other", "@s/x"]);
    }
    assert_eq!(
        node_with_npms(&NodeRequest { executes: true, ..specs(&[]) }, project.path()),
        Screened::default()
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    let project = folder(&[("package.json", MANIFEST), ("package-lock.json", "{")]);
    let screened = node_with_npms(&NodeRequest::default(), project.path());
    assert_eq!(packages(&screened), ["a", "b@2.0.0"]);
    assert!(screened.skipped[0].what.ends_with("package-lock.json"));
    fs::write(project.path().join("package.json"), "{").unwrap();
    assert_eq!(node_with_npms(&NodeRequest::default(), project.path()).skipped.len(), 2);
    fs::remove_file(project.path().join("package-lock.json")).unwrap();
    let pipe = project.path().join("package-lock.json");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let screened = node_with_npms(&NodeRequest { clean: true, ..NodeRequest::default() }, project.path());
    assert_eq!(screened.targets, []);
    assert_eq!(screened.skipped.len(), 2);
}

#[test]
fn names_that_cannot_be_packages_are_counted() {
    let mut entries = format!(r#""node_modules/{}": {{"version": "1.0.0"}}"#, "a".repeat(1 << 20));
    for index in 0..20 {
        write!(entries, r#", "node_modules/x\u001b{index}": {{"version": "1.0.0"}}"#).unwrap();
    }
    let lock = format!(r#"{{"packages": {{{entries}, "node_modules/ok": {{"version": "1.0.0"}}}}}}"#);
    let project = folder(&[("package-lock.json", &lock)]);
    let screened = node_with_npms(&NodeRequest { clean: true, ..NodeRequest::default() }, project.path());
    assert_eq!(packages(&screened), ["ok@1.0.0"]);
    assert_eq!(screened.skipped.len(), 11);
    assert_eq!(screened.skipped[10].why, "and 11 more that could not be read");
}

#[test]
fn a_lockfile_of_twenty_thousand_entries() {
    let lock = super::property_tests::large_lockfile(20_000);
    let project = folder(&[("package.json", "{}"), ("package-lock.json", &lock)]);
    assert_eq!(clean(project.path()).len(), 20_000);
}
