//! The user's own files and variables: severities, ignored advisories, findings lists, and mistakes in them.

use std::fs;

use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, Wheel};
use serde_json::json;

use crate::support::{Finished, Sandbox};

/// Writes a file of scfw's configuration.
fn configure(sandbox: &Sandbox, name: &str, content: &str) {
    let path = sandbox.path("scfw").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// A world with advisories about `leaky`: of low, high and unknown severity, and one of malice in version 2.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    for (id, versions, severity) in [
        ("GHSA-low", json!(["1.0.0"]), json!("LOW")),
        ("GHSA-high", json!(["1.1.0"]), json!("HIGH")),
        ("GHSA-unrated", json!(["1.2.0"]), json!(null)),
        ("MAL-0000-9", json!(["2.0.0"]), json!("LOW")),
    ] {
        sandbox.world.add_advisory(json!({
            "id": id, "summary": "It leaks", "database_specific": {"severity": severity},
            "affected": [{"package": {"ecosystem": "npm", "name": "leaky"}, "versions": versions}]
        }));
    }
    sandbox
}

fn check(sandbox: &Sandbox, version: &str) -> Finished {
    sandbox.scfw(&["check", &format!("npm:leaky@{version}")])
}

#[test]
fn vulnerabilities_below_the_minimum_severity_are_left_out() {
    let sandbox = sandbox();
    check(&sandbox, "1.0.0").ended_with(1);
    configure(&sandbox, "config.toml", "minimum_severity = \"high\"\n");
    check(&sandbox, "1.0.0").ended_with(0);
    check(&sandbox, "1.1.0").ended_with(1);
    check(&sandbox, "1.2.0").ended_with(1);
    check(&sandbox, "2.0.0").ended_with(77);
}

#[test]
fn ignored_advisories_are_left_out_by_id_and_by_pattern() {
    let sandbox = sandbox();
    configure(&sandbox, "osv-ignore.txt", "# reviewed in May\nGHSA-low GHSA-h.* # and these\n");
    check(&sandbox, "1.0.0").ended_with(0);
    check(&sandbox, "1.1.0").ended_with(0);
    check(&sandbox, "1.2.0").ended_with(1);
}

#[test]
fn malice_is_never_ignored() {
    let sandbox = sandbox();
    configure(&sandbox, "osv-ignore.txt", "MAL-0000-9 MAL-.* .*\n");
    check(&sandbox, "1.2.0").ended_with(0);
    check(&sandbox, "2.0.0").ended_with(77);
}

#[test]
fn the_ignore_list_that_a_variable_names_has_to_be_there() {
    let mut sandbox = sandbox();
    sandbox.set("SCFW_OSV_VERIFIER_IGNORE", sandbox.path("my-ignore.txt"));
    check(&sandbox, "1.0.0").ended_with(78).says("my-ignore.txt");
    fs::write(sandbox.path("my-ignore.txt"), "GHSA-low").unwrap();
    check(&sandbox, "1.0.0").ended_with(0);
    fs::write(sandbox.path("my-ignore.txt"), "GHSA-(").unwrap();
    check(&sandbox, "1.0.0").ended_with(78).says("my-ignore.txt").says("GHSA-(");
}

const LIST: &str = "findings:
  - severity: CRITICAL
    finding: \"Its licence does not fit \\e[31m\"
    packages:
      - {ecosystem: npm, name: unwanted}
      - {ecosystem: PyPI, name: Un_Wanted, versions: ['1.0']}
  - severity: WARNING
    finding: A better one exists
    packages:
      - ecosystem: npm
        name: outdated
";

#[test]
fn a_list_of_the_users_own_blocks_and_warns() {
    let sandbox = Sandbox::new();
    configure(&sandbox, "lists/ours.yaml", LIST);
    sandbox.world.add_npm(NpmPackage::new("outdated", "1.0.0").canary(sandbox.canary("postinstall")));
    let blocked = sandbox
        .hook(&["npm", "install", "unwanted"])
        .ended_with(77)
        .says("Installation target unwanted:\n  - Its licence does not fit [31m\n");
    assert!(!blocked.stderr.contains('\u{1b}'), "{:?}", blocked.stderr);
    assert!(!sandbox.was_asked_for("unwanted"));
    sandbox.hook(&["npm", "install", "outdated"]).ended_with(77).says("A better one exists");
    assert!(!sandbox.has_sung() && sandbox.list(".").is_empty());
    sandbox.scfw(&["run", "--allow-on-warning", "npm", "install", "outdated"]).ended_with(0);
    assert!(sandbox.has_sung());
}

#[test]
fn a_list_is_about_the_versions_that_it_names() {
    let sandbox = Sandbox::new();
    configure(&sandbox, "lists/ours.yml", LIST);
    sandbox.world.add_wheel(Wheel::new("un-wanted", "1.0"));
    sandbox.world.add_wheel(Wheel::new("un-wanted", "0.9"));
    let install = |requirement| sandbox.hook(&["pip", "install", "--target", "out", requirement]);
    install("un.wanted").ended_with(77).says("Its licence does not fit");
    assert!(sandbox.list("out").is_empty());
    install("un.wanted<1").ended_with(0);
    assert!(sandbox.list("out").contains(&"un_wanted.py".to_owned()));
}

/// Every way in ends with 78 and installs nothing, and says all of `texts`.
fn is_refused(sandbox: &Sandbox, texts: &[&str]) {
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0").canary(sandbox.canary("postinstall")));
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    let results = [
        sandbox.hook(&["npm", "install", "good"]),
        sandbox.hook(&["pip", "install", "--target", "out", "good"]),
        sandbox.scfw(&["run", "--allow-on-warning", "npm", "install", "good"]),
        sandbox.scfw(&["check", "npm:good"]),
    ];
    for finished in results {
        let finished = finished.ended_with(78);
        texts.iter().fold(finished, |finished, text| finished.says(text)).does_not_say("panicked");
    }
    assert!(!sandbox.has_sung() && sandbox.list(".").is_empty(), "{:?}", sandbox.list("."));
}

#[test]
fn a_broken_list_stops_everything_and_is_named_with_its_line() {
    let sandbox = Sandbox::new();
    configure(&sandbox, "lists/fine.yaml", LIST);
    configure(&sandbox, "lists/broken.yaml", "findings:\n  - severity: CRITICAL\n    findign: x\n");
    is_refused(&sandbox, &["lists/broken.yaml", "line 3", "findign"]);
}

#[test]
fn a_list_with_a_severity_that_does_not_exist_is_named_with_its_line() {
    let sandbox = Sandbox::new();
    let list =
        "findings:\n  - severity: SEVERE\n    finding: x\n    packages: [{ecosystem: npm, name: good}]\n";
    configure(&sandbox, "lists/broken.yaml", list);
    is_refused(&sandbox, &["lists/broken.yaml", "SEVERE", "line 2"]);
}

#[test]
fn a_list_that_is_no_text_stops_everything() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("scfw/lists")).unwrap();
    fs::write(sandbox.path("scfw/lists/binary.yaml"), b"findings: \xff\xfe").unwrap();
    is_refused(&sandbox, &["lists/binary.yaml"]);
}

#[test]
fn a_broken_configuration_stops_everything_and_is_named_with_its_line() {
    let sandbox = Sandbox::new();
    configure(&sandbox, "config.toml", "deadline = 3\nminimum_severty = \"high\"\n");
    is_refused(&sandbox, &["config.toml", "line 2", "did you mean `minimum_severity`?"]);
}

#[test]
fn a_configuration_that_is_no_toml_stops_everything_and_is_named_with_its_line() {
    let sandbox = Sandbox::new();
    configure(&sandbox, "config.toml", "deadline = 3\n\noffline = = true\n");
    is_refused(&sandbox, &["config.toml", "line 3"]);
}

#[test]
fn a_policy_for_warnings_that_does_not_exist_stops_everything() {
    let mut sandbox = Sandbox::new();
    sandbox.set("SCFW_ON_WARNING", "maybe");
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    let finished = sandbox.hook(&["npm", "install", "good"]).ended_with(78);
    finished.says("SCFW_ON_WARNING").says("maybe").says("ALLOW or BLOCK");
    sandbox.scfw(&["check", "npm:good"]).ended_with(78).says("SCFW_ON_WARNING");
    assert!(sandbox.list(".").is_empty());
    assert!(sandbox.world.requests().is_empty());
}

#[test]
fn a_deadline_that_makes_no_sense_stops_everything() {
    let mut sandbox = Sandbox::new();
    sandbox.set("SCFW_DEADLINE", "soon");
    is_refused(&sandbox, &["SCFW_DEADLINE", "soon", "seconds"]);
}

#[test]
fn what_is_no_install_runs_with_the_most_broken_configuration() {
    let sandbox = Sandbox::new();
    configure(&sandbox, "config.toml", "=\n");
    configure(&sandbox, "lists/broken.yaml", "}");
    for command in [&["npm", "--version"][..], &["pip", "--version"]] {
        let bare = sandbox.bare(command[0], &command[1..]).ended_with(0);
        let gated = sandbox.hook(command).ended_with(0);
        assert_eq!((gated.stdout, gated.stderr), (bare.stdout, bare.stderr));
    }
}

#[test]
fn warnings_are_allowed_by_the_file_and_blocked_again_by_the_variable() {
    let mut sandbox = sandbox();
    sandbox.world.add_npm(NpmPackage::new("leaky", "1.1.0"));
    configure(&sandbox, "config.toml", "on_warning = \"allow\"\n");
    sandbox.hook(&["npm", "install", "leaky"]).ended_with(0).says("GHSA-high");
    sandbox.set("SCFW_ON_WARNING", "BLOCK");
    sandbox.hook(&["npm", "install", "-g", "leaky"]).ended_with(77).says("GHSA-high");
    assert!(!sandbox.path("home/npm-global/lib/node_modules/leaky").exists());
}

#[test]
fn allowing_warnings_never_allows_malice() {
    let mut sandbox = Sandbox::new();
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    configure(&sandbox, "config.toml", "on_warning = \"allow\"\n");
    sandbox.set("SCFW_ON_WARNING", "ALLOW");
    sandbox.hook(&["npm", "install", "evil"]).ended_with(77);
    sandbox.scfw(&["run", "--allow-on-warning", "npm", "install", "evil"]).ended_with(77);
    assert!(!sandbox.was_asked_for("evil"));
}
