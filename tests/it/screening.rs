//! The screen: what a command already names is blocked before anything is started, and only that.

use std::fs;

use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, Wheel};
use serde_json::json;

use crate::support::{Finished, Sandbox};

/// A world where `evil`, which registry and index have in versions 1.0.0 and 1.5.0, is malicious in `version` or in
/// all, and where `good` is not.
fn sandbox(version: Option<&str>) -> Sandbox {
    let sandbox = Sandbox::new();
    for number in ["1.0.0", "1.5.0"] {
        sandbox.world.add_npm(NpmPackage::new("evil", number).canary(sandbox.canary("npm")));
        sandbox.world.add_wheel(Wheel::new("evil", number).canary(sandbox.canary("pip")));
    }
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox.world.add_wheel(Wheel::new("good", "1.0.0"));
    sandbox.world.malicious(Ecosystem::Npm, "evil", version);
    sandbox.world.malicious(Ecosystem::PyPi, "evil", version);
    sandbox
}

/// The command is blocked with a report about `target`, and nobody has been asked for a package.
#[track_caller]
fn is_screened(sandbox: &Sandbox, command: &[&str], target: &str) {
    sandbox
        .hook(command)
        .ended_with(77)
        .says(&format!("Installation target {target}:\n"))
        .says("The installation request was blocked. No changes have been made.");
    assert!(!sandbox.was_asked_for("evil") && !sandbox.was_asked_for("good"), "{command:?}");
    assert!(sandbox.list("node_modules").is_empty() && sandbox.list("out").is_empty(), "{command:?}");
    assert!(!sandbox.has_sung());
}

fn pip<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["pip", "install", "--target", "out"], arguments].concat()
}

#[test]
fn an_npm_package_that_is_malicious_in_every_version_is_blocked_unasked_for() {
    let sandbox = sandbox(None);
    is_screened(&sandbox, &["npm", "install", "good", "evil"], "evil");
    is_screened(&sandbox, &["npm", "install", "evil@^1.0.0"], "evil");
    is_screened(&sandbox, &["npx", "evil"], "evil");
    is_screened(&sandbox, &["npm", "exec", "--package", "evil", "--", "ls"], "evil");
    assert!(sandbox.list(".").is_empty());
    assert_eq!(sandbox.log()[0]["action"], "BLOCK");
}

#[test]
fn a_python_package_that_is_malicious_in_every_version_is_blocked_unasked_for() {
    let sandbox = sandbox(None);
    is_screened(&sandbox, &pip(&["good", "Evil"]), "Evil");
    is_screened(&sandbox, &pip(&["evil[extra]>=1,<2"]), "evil");
    is_screened(&sandbox, &["python3", "-m", "pip", "install", "--target", "out", "evil"], "evil");
    assert_eq!(sandbox.log()[0]["action"], "BLOCK");
}

#[test]
fn a_pin_on_a_malicious_version_is_blocked_unasked_for() {
    let sandbox = sandbox(Some("1.0.0"));
    is_screened(&sandbox, &pip(&["evil==1.0"]), "evil-1.0");
    is_screened(&sandbox, &pip(&["evil===1.0.0"]), "evil-1.0.0");
    is_screened(&sandbox, &["npm", "install", "evil@1.0.0"], "evil@1.0.0");
    is_screened(&sandbox, &["npm", "install", "evil@=v1.0.0"], "evil@1.0.0");
}

#[test]
fn a_pin_on_another_version_is_installed() {
    let sandbox = sandbox(Some("1.0.0"));
    sandbox.hook(&pip(&["evil==1.5"])).ended_with(0);
    sandbox.hook(&["npm", "install", "--ignore-scripts", "evil@1.5.0"]).ended_with(0);
    assert!(sandbox.list("out").contains(&"evil.py".to_owned()));
    assert!(sandbox.list("node_modules").contains(&"evil".to_owned()));
}

#[test]
fn a_range_with_one_malicious_version_is_left_to_the_gate() {
    let sandbox = sandbox(Some("1.5.0"));
    sandbox.hook(&["npm", "install", "evil@^1.0.0"]).ended_with(77).says("target evil@1.5.0:");
    assert!(sandbox.was_asked_for("evil"), "which version it is the registry knows");
    sandbox.hook(&pip(&["evil>=1"])).ended_with(77).says("target evil-1.5.0:");
    assert!(!sandbox.has_sung() && sandbox.list("node_modules").is_empty() && sandbox.list("out").is_empty());
    // The same range, where it resolves to another version.
    sandbox.hook(&["npm", "install", "--ignore-scripts", "evil@<1.5"]).ended_with(0);
    sandbox.hook(&pip(&["evil<1.5"])).ended_with(0);
}

#[test]
fn nested_requirements_files_are_read_and_a_constraint_narrows_what_they_name() {
    let sandbox = sandbox(Some("1.0.0"));
    sandbox.write("requirements.txt", "good\n-r deeper/more.txt  # and more\n");
    sandbox.write("deeper/more.txt", "--constraint ../constraints.txt\nevil \\\n  >= 1\n");
    sandbox.write("constraints.txt", "evil==1.0.0\n");
    is_screened(&sandbox, &pip(&["-r", "requirements.txt"]), "evil-1.0.0");
    is_screened(&sandbox, &pip(&["--requirement=requirements.txt"]), "evil-1.0.0");
}

#[test]
fn a_constraint_alone_is_no_target() {
    let sandbox = sandbox(None);
    sandbox.write("constraints.txt", "evil==1.0.0\n");
    sandbox.hook(&pip(&["-c", "constraints.txt", "good"])).ended_with(0).does_not_say("evil");
    assert!(sandbox.list("out").contains(&"good.py".to_owned()) && !sandbox.was_asked_for("evil"));
}

#[test]
fn a_requirement_under_a_marker_is_left_to_pip() {
    let sandbox = sandbox(None);
    sandbox.write("requirements.txt", "evil; python_version < '3'\ngood; python_version >= '3'\n");
    sandbox.hook(&pip(&["-r", "requirements.txt"])).ended_with(0).does_not_say("evil");
    assert!(!sandbox.was_asked_for("evil") && sandbox.list("out").contains(&"good.py".to_owned()));
    let asked_for = |marker: &str| sandbox.hook(&pip(&[&format!("evil; {marker}")]));
    asked_for("python_version >= '3'").ended_with(77).says("target evil-1.5.0:");
}

#[test]
fn variables_in_a_requirements_file_are_filled_in() {
    let mut sandbox = sandbox(Some("1.0.0"));
    sandbox.write("requirements.txt", "evil==${WANTED}\n");
    sandbox.set("WANTED", "1.0.0");
    is_screened(&sandbox, &pip(&["-r", "requirements.txt"]), "evil-1.0.0");
    sandbox.set("WANTED", "1.5.0");
    sandbox.hook(&pip(&["-r", "requirements.txt"])).ended_with(0);
}

#[test]
fn a_requirements_file_that_includes_itself_is_pips_to_complain_about() {
    let sandbox = sandbox(None);
    sandbox.write("requirements.txt", "-r other.txt\ngood\n");
    sandbox.write("other.txt", "-r requirements.txt\n");
    let finished = sandbox.hook(&pip(&["-r", "requirements.txt"])).does_not_say("panicked");
    assert!(![0, 69, 76, 77, 78, 101, 134].contains(&finished.status), "{finished:?}");
    finished.says("requirements.txt");
    assert!(sandbox.list("out").is_empty());
    // What it names is blocked all the same.
    sandbox.write("requirements.txt", "-r other.txt\nevil\n");
    is_screened(&sandbox, &pip(&["-r", "requirements.txt"]), "evil");
}

#[test]
fn an_alias_is_known_by_its_real_name() {
    let sandbox = sandbox(None);
    is_screened(&sandbox, &["npm", "install", "harmless@npm:evil"], "evil");
    is_screened(&sandbox, &["npm", "install", "harmless@npm:evil@^1.0.0"], "evil");
    let manifest = json!({"dependencies": {"harmless": "npm:evil@1.5.0"}});
    sandbox.write("package.json", manifest.to_string());
    is_screened(&sandbox, &["npm", "install"], "evil@1.5.0");
}

#[test]
fn what_package_json_depends_on_is_blocked_unasked_for() {
    let sandbox = sandbox(None);
    let manifest = json!({"dependencies": {"good": "*", "evil": "^1.0.0"}}).to_string();
    sandbox.write("package.json", &manifest);
    is_screened(&sandbox, &["npm", "install"], "evil");
    assert_eq!(fs::read_to_string(sandbox.project("package.json")).unwrap(), manifest);
    assert_eq!(sandbox.list("."), ["package.json"]);
}

#[test]
fn a_development_dependency_is_left_to_the_gate() {
    let sandbox = sandbox(None);
    let manifest = json!({"dependencies": {"good": "*"}, "devDependencies": {"evil": "^1.0.0"}});
    sandbox.write("package.json", manifest.to_string());
    sandbox.hook(&["npm", "install"]).ended_with(77).says("target evil@1.5.0:");
    assert!(sandbox.was_asked_for("evil") && sandbox.list("node_modules").is_empty());
    sandbox.hook(&["npm", "install", "--omit=dev"]).ended_with(0).does_not_say("evil");
    assert!(!sandbox.has_sung() && sandbox.list("node_modules").contains(&"good".to_owned()));
}

/// A project that is locked to `good`, which brings in the malicious `evil`, by a lockfile of that name and version.
fn locked(name: &str, version: u8) -> Sandbox {
    let sandbox = sandbox(Some("1.5.0"));
    let url =
        |name: &str, version: &str| format!("{}{name}/-/{name}-{version}.tgz", sandbox.world.registry_url());
    let mut lockfile =
        json!({"name": "project", "version": "1.0.0", "lockfileVersion": version, "requires": true});
    if version > 1 {
        lockfile["packages"] = json!({
            "": {"name": "project", "version": "1.0.0", "dependencies": {"good": "^1.0.0"}},
            "node_modules/good": {"version": "1.0.0", "resolved": url("good", "1.0.0"), "dependencies": {"evil": "^1.0.0"}},
            "node_modules/good/node_modules/evil": {"version": "1.5.0", "resolved": url("evil", "1.5.0")},
        });
    }
    if version < 3 {
        lockfile["dependencies"] = json!({
            "good": {"version": "1.0.0", "resolved": url("good", "1.0.0"), "requires": {"evil": "^1.0.0"},
                "dependencies": {"evil": {"version": "1.5.0", "resolved": url("evil", "1.5.0")}}},
        });
    }
    sandbox.write(name, lockfile.to_string());
    let manifest = json!({"name": "project", "version": "1.0.0", "dependencies": {"good": "^1.0.0"}});
    sandbox.write("package.json", manifest.to_string());
    sandbox
}

fn lockfile(name: &str, version: u8) {
    let sandbox = locked(name, version);
    let before = fs::read(sandbox.project(name)).unwrap();
    is_screened(&sandbox, &["npm", "ci"], "evil@1.5.0");
    is_screened(&sandbox, &["npm", "install"], "evil@1.5.0");
    assert_eq!(fs::read(sandbox.project(name)).unwrap(), before);
}

#[test]
fn a_malicious_package_in_a_lockfile_of_version_1_is_blocked_unasked_for() {
    lockfile("package-lock.json", 1);
}

#[test]
fn a_malicious_package_in_a_lockfile_of_version_2_is_blocked_unasked_for() {
    lockfile("package-lock.json", 2);
}

#[test]
fn a_malicious_package_in_a_lockfile_of_version_3_is_blocked_unasked_for() {
    lockfile("package-lock.json", 3);
}

#[test]
fn a_malicious_package_in_a_shrinkwrap_is_blocked_unasked_for() {
    lockfile("npm-shrinkwrap.json", 3);
}

#[test]
fn a_lockfile_that_npm_will_not_follow_does_not_block() {
    let sandbox = locked("package-lock.json", 3);
    sandbox.hook(&["npm", "install", "--no-package-lock"]).ended_with(0).does_not_say("evil");
    assert!(sandbox.list("node_modules").contains(&"good".to_owned()));
}

#[test]
fn a_workspace_that_is_not_installed_does_not_block() {
    let sandbox = sandbox(Some("1.5.0"));
    sandbox.write("package.json", json!({"name": "project", "workspaces": ["a", "b"]}).to_string());
    let workspace = |name: &str, dependency: &str| {
        let manifest =
            json!({"name": name, "version": "1.0.0", "dependencies": {dependency: "1.5.0 || 1.0.0"}});
        sandbox.write(format!("{name}/package.json"), manifest.to_string());
    };
    workspace("a", "good");
    workspace("b", "evil");
    sandbox.bare("npm", &["install", "--package-lock-only"]).ended_with(0);
    sandbox.hook(&["npm", "install", "--workspace", "a"]).ended_with(0).does_not_say("evil");
    assert!(sandbox.list("node_modules").contains(&"good".to_owned()));
    sandbox.hook(&["npm", "install", "--workspace", "b"]).ended_with(77).says("target evil@1.5.0");
    assert!(!sandbox.has_sung());
}

/// Runs both kinds of install and gives what they printed; neither may succeed, panic, or be killed.
fn with_lockfile(lockfile: &str) -> [Finished; 2] {
    let sandbox = locked("package-lock.json", 3);
    sandbox.write("package-lock.json", lockfile);
    [&["npm", "ci"], &["npm", "install"]].map(|command| {
        let finished = sandbox.hook(command).does_not_say("panicked").does_not_say("overflow");
        assert!(finished.status < 128 && finished.status != 101, "{}", finished.status);
        assert!(!sandbox.has_sung());
        finished
    })
}

#[test]
fn a_name_of_a_megabyte_in_a_lockfile_does_no_harm() {
    let name = "n".repeat(1 << 20);
    let lockfile = json!({"lockfileVersion": 3, "packages": {
        format!("node_modules/{name}"): {"version": "1.5.0", "resolved": name}, "": {"name": name}}});
    for finished in with_lockfile(&lockfile.to_string()) {
        let ours =
            finished.stderr.lines().filter(|line| line.starts_with("scfw")).map(str::len).sum::<usize>();
        assert!(ours < 2000, "{ours} bytes");
    }
}

#[test]
fn ten_thousand_levels_in_a_lockfile_do_no_harm() {
    let depth = 10_000;
    let nested =
        format!("{}{}", "{\"dependencies\":{\"a\":".repeat(depth), "{}".to_owned() + &"}}".repeat(depth));
    with_lockfile(&nested);
    let skipped = format!("{{\"x\":{}1{},\"packages\":{{\"\":{{}}}}}}", "[".repeat(depth), "]".repeat(depth));
    with_lockfile(&skipped);
}

#[test]
fn escapes_in_a_lockfile_do_not_reach_the_terminal_through_scfw() {
    let hostile = "node_modules/ev\u{1b}[2Jil\u{9b}31m";
    let lockfile = json!({"lockfileVersion": 3, "packages": {
        "": {"name": "project", "version": "1.0.0", "dependencies": {"good": "^1.0.0"}},
        hostile: {"version": "1.5.0\u{1b}[31m", "resolved": "https://host.example/\u{1b}[31m.tgz"}}});
    for finished in with_lockfile(&lockfile.to_string()) {
        is_clean(&finished);
    }
}

/// Nothing of scfw's own carries what a terminal acts on. What npm and pip print is theirs.
#[track_caller]
fn is_clean(finished: &Finished) {
    let is_ours = |line: &&str| line.starts_with("scfw") || line.starts_with("Installation target");
    let ours: Vec<&str> = finished.stderr.lines().filter(is_ours).collect();
    assert!(!ours.iter().any(|line| line.contains(['\u{1b}', '\u{9b}'])), "{ours:?}");
}

#[test]
fn a_lockfile_of_900_000_entries_holds_nothing_up() {
    let mut sandbox = sandbox(None);
    let npm = sandbox.write("bin/npm", "#!/bin/sh\nexit 5\n");
    fs::set_permissions(npm, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    sandbox.search_first("bin");
    sandbox.write("package.json", r#"{"name": "p", "dependencies": {"good": "1.0.0"}}"#);
    let current = (0..900_000)
        .fold(String::from(r#"{"lockfileVersion": 3, "packages": {"": {}"#), |text, n| {
            text + ",\"node_modules/p" + &n.to_string() + "\":{\"version\":\"1.0.0\"}"
        });
    let old = current.replace("packages", "dependencies").replace("node_modules/", "");
    for lockfile in [current, old] {
        sandbox.write("package-lock.json", lockfile + "}}");
        let start = std::time::Instant::now();
        sandbox
            .hook(&["npm", "ci"])
            .ended_with(5)
            .says("more than 50000 entries")
            .says("once it is resolved");
        assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
    }
}
