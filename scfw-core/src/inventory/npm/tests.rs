//! Trees as npm, pnpm and somebody hostile leave them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::verify::{Finding, Verification};

struct Project {
    root: tempfile::TempDir,
}

impl Project {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(relative)
    }

    fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn package(&self, folder: &str, name: &str, version: &str, dependencies: &Value) {
        let manifest = json!({"name": name, "version": version, "dependencies": dependencies});
        self.write(&format!("{folder}/package.json"), manifest.to_string());
    }

    /// Writes the hidden lockfile, a minute from now or ago.
    fn lock(&self, packages: &Value, is_newer: bool) {
        let path = self.write("node_modules/.package-lock.json", json!({"packages": packages}).to_string());
        let minute = Duration::from_mins(1);
        let time = if is_newer { SystemTime::now() + minute } else { SystemTime::now() - minute };
        fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    fn link(&self, target: &str, link: &str) {
        let path = self.path(link);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    fn read(&self) -> Inventory {
        read(&Place::Project(self.path("")))
    }

    fn packages(&self) -> Vec<String> {
        let inventory = self.read();
        assert_eq!(inventory.unread, []);
        lines(&inventory)
    }
}

fn lines(inventory: &Inventory) -> Vec<String> {
    let line = |installed: &crate::inventory::Installed| {
        let Target { package, source, url, .. } = &installed.target;
        let folders: Vec<String> =
            installed.folders().map(|folder| inventory.relative(folder).display().to_string()).collect();
        let url = url.as_deref().map(|url| format!(" {url}")).unwrap_or_default();
        format!("{package} {source:?}{url} {}", folders.join(" "))
    };
    inventory.packages.iter().map(line).collect()
}

#[test]
fn scopes_nesting_and_copies() {
    let project = Project::new();
    project.package("node_modules/a", "a", "1.0.0", &json!({}));
    project.package("node_modules/@s/b", "@s/b", "1.0.0", &json!({}));
    project.package("node_modules/@s/b/node_modules/a", "a", "2.0.0", &json!({}));
    project.package("node_modules/c/node_modules/a", "a", "2.0.0", &json!({}));
    project.package("node_modules/alias", "real", "3.0.0", &json!({}));
    project.write("node_modules/.bin/a", "");
    project.write("node_modules/file.js", "");
    fs::create_dir(project.path("node_modules/empty")).unwrap();
    let expected = [
        "@s/b@1.0.0 Registry node_modules/@s/b",
        "a@1.0.0 Registry node_modules/a",
        "a@2.0.0 Registry node_modules/@s/b/node_modules/a node_modules/c/node_modules/a",
        "real@3.0.0 Registry node_modules/alias",
    ];
    assert_eq!(project.packages(), expected);
}

#[test]
fn a_lockfile_in_step_adds_what_the_folders_do_not_say() {
    let project = Project::new();
    for name in ["git", "url", "plain", "asked", "renamed", "liar"] {
        project.package(&format!("node_modules/{name}"), name, "1.0.0", &json!({}));
    }
    project.write("package.json", r#"{"dependencies": {"asked": "https://host.example/asked/1.0.0"}}"#);
    let lock = json!({
        "": {"name": "p"},
        "node_modules/git": {"version": "1.0.0", "resolved": "git+ssh://git@host.example/u/r.git#0abc"},
        "node_modules/url": {"version": "1.0.0", "resolved": "https://me:secret@host.example/whatever.tgz"},
        "node_modules/plain": {"version": "1.0.0", "resolved": "https://host.example/plain/-/plain-1.0.0.tgz"},
        "node_modules/asked": {"version": "1.0.0", "resolved": "https://host.example/asked/1.0.0"},
        "node_modules/renamed": {"version": "1.0.0", "resolved": "https://host.example/other/-/other-2.0.0.tgz"},
        "node_modules/liar": {"name": "evil", "version": "6.6.6"},
        "node_modules/gone": {"version": "1.0.0"},
    });
    project.lock(&lock, true);
    let packages = project.packages();
    let expected = [
        "asked@1.0.0 Url https://host.example/asked/1.0.0 node_modules/asked",
        "evil@6.6.6 Registry node_modules/liar",
        "git@1.0.0 Git git+ssh://host.example/u/r.git#0abc node_modules/git",
        "liar@1.0.0 Registry node_modules/liar",
        "other@2.0.0 Registry node_modules/renamed",
        "plain@1.0.0 Registry node_modules/plain",
        "renamed@1.0.0 Registry node_modules/renamed",
        "url@1.0.0 Url https://host.example/whatever.tgz node_modules/url",
    ];
    assert_eq!(packages, expected);
}

#[test]
fn a_lockfile_that_is_older_than_a_folder_does_not_count_for_it() {
    let project = Project::new();
    project.package("node_modules/a", "a", "2.0.0", &json!({}));
    project.lock(&json!({"node_modules/a": {"version": "1.0.0"}}), false);
    assert_eq!(project.packages(), ["a@2.0.0 Registry node_modules/a"]);
}

#[test]
fn without_a_lockfile_dependents_tell_where_a_package_comes_from() {
    let project = Project::new();
    for name in ["git", "url", "plain"] {
        project.package(&format!("node_modules/{name}"), name, "1.0.0", &json!({}));
    }
    let dependencies = json!({"git": "u/r#main", "url": "https://host.example/u.tgz", "plain": "^1"});
    project.write("package.json", json!({"dependencies": dependencies}).to_string());
    let expected = [
        "git@1.0.0 Git u/r#main node_modules/git",
        "plain@1.0.0 Registry node_modules/plain",
        "url@1.0.0 Url https://host.example/u.tgz node_modules/url",
    ];
    assert_eq!(project.packages(), expected);
}

#[test]
fn links_to_own_folders_are_the_users_and_their_packages_are_not() {
    let project = Project::new();
    project.package("packages/mine", "mine", "0.0.0", &json!({"b": "1"}));
    project.package("packages/mine/node_modules/b", "b", "1.0.0", &json!({}));
    project.link("../packages/mine", "node_modules/mine");
    project.link("../../packages/mine", "node_modules/@s/mine");
    project.link("..", "node_modules/self");
    let expected =
        ["b@1.0.0 Registry packages/mine/node_modules/b", "mine@0.0.0 Path packages/mine", "self Path "];
    assert_eq!(project.packages(), expected);
}

#[test]
fn the_store_of_pnpm_is_walked_once() {
    let project = Project::new();
    project.package("node_modules/.pnpm/a@1.0.0/node_modules/a", "a", "1.0.0", &json!({"b": "1"}));
    project.package("node_modules/.pnpm/b@1.0.0/node_modules/b", "b", "1.0.0", &json!({}));
    project.link("../../b@1.0.0/node_modules/b", "node_modules/.pnpm/a@1.0.0/node_modules/b");
    project.link(".pnpm/a@1.0.0/node_modules/a", "node_modules/a");
    project.link("../b@1.0.0/node_modules/b", "node_modules/.pnpm/node_modules/b");
    project.write("package.json", r#"{"dependencies": {"a": "1"}}"#);
    let expected = [
        "a@1.0.0 Registry node_modules/.pnpm/a@1.0.0/node_modules/a",
        "b@1.0.0 Registry node_modules/.pnpm/b@1.0.0/node_modules/b",
    ];
    assert_eq!(project.packages(), expected);
    assert_eq!(chains(&project.read()), ["", "a"]);
}

/// For each package the chain that required it.
fn chains(inventory: &Inventory) -> Vec<String> {
    let finding = |target| (target, vec![Finding::unverified("test", "test")]);
    let targets = inventory.targets().into_iter().map(finding).collect();
    let audit = inventory.audit(Verification { targets, ..Verification::default() });
    audit.verification.targets.iter().map(|(target, _)| target.required_by.join(">")).collect()
}

#[test]
fn chains_follow_the_way_node_looks_for_packages() {
    let project = Project::new();
    project.write("package.json", r#"{"dependencies": {"a": "1"}, "devDependencies": {"d": "1"}}"#);
    project.package("node_modules/a", "a", "1.0.0", &json!({"b": "1", "c": "2"}));
    project.package("node_modules/b", "b", "1.0.0", &json!({"c": "1", "a": "1"}));
    project.package("node_modules/c", "c", "1.0.0", &json!({}));
    project.package("node_modules/a/node_modules/c", "c", "2.0.0", &json!({}));
    project.package("node_modules/d", "d", "1.0.0", &json!({}));
    assert_eq!(chains(&project.read()), ["", "a", "a>b", "a", ""]);
    let global = read(&Place::Global(project.path("node_modules")));
    assert_eq!(chains(&global), ["", "", "", "a", ""]);
}

#[test]
fn what_cannot_be_read_is_said() {
    let project = Project::new();
    project.write("node_modules/none/index.js", "");
    project.write("node_modules/torn/package.json", "{");
    project.write("node_modules/nameless/package.json", "{}");
    project.write("node_modules/escape/package.json", r#"{"name": "\u001b[2J", "version": "1"}"#);
    project.write("node_modules/bytes/package.json", b"{\"name\": \"\xff\", \"version\": \"1\"}");
    let huge = project.write("node_modules/huge/package.json", "");
    fs::File::create(huge).unwrap().set_len(1 << 30).unwrap();
    project.link("loop", "node_modules/loop");
    project.link("/not/there", "node_modules/dangling");
    project.link("package.json", "node_modules/ring/package.json");
    project.write("node_modules/.package-lock.json", "[]");
    let deep = format!("{{\"a\": {}}}", "[".repeat(100_000));
    project.write("node_modules/deep/package.json", deep);
    let inventory = project.read();
    assert_eq!(lines(&inventory), [""; 0]);
    let mut names: Vec<&str> = inventory
        .unread
        .iter()
        .map(|unread| unread.what.rsplit("node_modules/").next().unwrap_or_default())
        .collect();
    names.sort_unstable();
    let expected = [
        ".package-lock.json", "bytes/package.json", "dangling", "deep/package.json", "escape/package.json",
        "huge/package.json", "loop", "nameless/package.json", "none", "ring/package.json",
        "torn/package.json",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_lockfile_names_what_its_folder_does_not() {
    let project = Project::new();
    project.write("node_modules/evil/index.js", "");
    project.lock(&json!({"node_modules/evil": {"version": "1.0.0"}}), true);
    let inventory = project.read();
    assert_eq!(lines(&inventory), ["evil@1.0.0 Registry node_modules/evil"]);
    assert_eq!(inventory.unread.len(), 1, "{:?}", inventory.unread);
}

#[test]
fn links_do_not_lead_in_circles() {
    let project = Project::new();
    project.package("node_modules/a", "a", "1.0.0", &json!({"a": "1"}));
    project.link("../..", "node_modules/a/node_modules");
    project.link("a", "node_modules/b");
    project.link("..", "node_modules/@s");
    project.link("/", "node_modules/everything");
    project.link("../node_modules", "node_modules/x");
    let _read = project.read();
    assert_eq!(lines(&project.read()).iter().filter(|line| line.starts_with("a@")).count(), 1);
}

proptest! {
    #[test]
    fn no_lockfile_panics(text in r#"\{"packages": ?(\{("node_modules/a": ?(\{("(name|version|resolved|link)": ?("x/-/a-1.0.0.tgz"|1|\[\]|true),?){0,3}\}|1),?){0,2}\}|1)\}"#) {
        let project = Project::new();
        project.package("node_modules/a", "a", "1.0.0", &json!({}));
        project.write("node_modules/.package-lock.json", text);
        prop_assert!(project.read().packages.iter().any(|installed| installed.target.package.name == "a"));
    }
}
