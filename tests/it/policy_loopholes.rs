//! Ways around what an administrator has laid down that lead through the user's own files, and through what may be
//! changed beside the policy.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, Service};
use serde_json::json;

use crate::support::{Finished, Sandbox};

/// A world under `policy` in which the npm package `leaky` has a vulnerability of medium severity and `evil` is malicious.
fn under(policy: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.administer("policy.toml", policy);
    for name in ["leaky", "good"] {
        sandbox.world.add_npm(NpmPackage::new(name, "1.0.0").canary(sandbox.canary(name)));
    }
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    sandbox.world.add_advisory(json!({
        "id": "GHSA-leak", "database_specific": {"severity": "MEDIUM"},
        "affected": [{"package": {"ecosystem": "npm", "name": "leaky"}, "versions": ["1.0.0"]}]
    }));
    sandbox
}

/// Writes the user's own config.toml.
fn configure(sandbox: &Sandbox, content: &str) {
    fs::write(sandbox.path("scfw/config.toml"), content).unwrap();
}

fn check(sandbox: &Sandbox, package: &str) -> Finished {
    sandbox.scfw(&["check", package])
}

/// A server of feeds that knows nothing of what is in the world of another.
fn forged() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.world.add_advisory(json!({"id": "GHSA-x", "affected": [
        {"package": {"ecosystem": "npm", "name": "x"}}, {"package": {"ecosystem": "PyPI", "name": "x"}}]}));
    sandbox.world.list_in_datadog(Ecosystem::Npm, "x", None);
    sandbox.world.list_in_datadog(Ecosystem::PyPi, "x", None);
    sandbox
}

const FEEDS_LOCKED: &str =
    "locked = [\"osv_bulk_url\", \"datadog_dataset_url\"]\nrequired_verifiers = [\"OSV\"]\n";

/// Has the system's file say where the feeds are, and no variable.
fn lay_down_feeds(sandbox: &mut Sandbox) {
    let urls = format!(
        "osv_bulk_url = {:?}\ndatadog_dataset_url = {:?}\n",
        sandbox.world.osv_bulk_url(),
        sandbox.world.datadog_url()
    );
    sandbox.administer("config.toml", urls);
    sandbox.unset("SCFW_OSV_BULK_URL");
    sandbox.unset("SCFW_DD_DATASET_URL");
}

#[test]
fn nothing_is_brought_in_from_elsewhere_where_feeds_are_locked() {
    let forged = forged();
    for key in ["osv_bulk_url", "datadog_dataset_url", "feeds"] {
        let mut sandbox = under(&format!("locked = [\"{key}\"]\n"));
        lay_down_feeds(&mut sandbox);
        let refused = sandbox.scfw(&["update", "--from", &forged.world.mirror_url()]).ended_with(77);
        refused.says("scfw: policy: where feeds come from is locked").says("(/etc/scfw/policy.toml)");
        assert!(!sandbox.path("scfw/store.db").exists(), "{key}");
        sandbox.scfw(&["update"]).ended_with(0);
        check(&sandbox, "npm:evil@1.0.0").ended_with(77);
    }
}

#[test]
fn what_was_brought_in_from_elsewhere_does_not_count_once_feeds_are_locked() {
    let forged = forged();
    let mut sandbox = under("");
    sandbox.scfw(&["update", "--from", &forged.world.mirror_url()]).ended_with(0);
    check(&sandbox, "npm:evil@1.0.0").ended_with(0);
    sandbox.administer("policy.toml", FEEDS_LOCKED);
    lay_down_feeds(&mut sandbox);
    sandbox.world.forget_requests();
    check(&sandbox, "npm:evil@1.0.0").ended_with(77);
    assert!(sandbox.world.requests().iter().any(|request| request.service == Service::Osv));
    sandbox.set("SCFW_OFFLINE", "1");
    let offline = check(&sandbox, "npm:good@1.0.0").ended_with(1);
    assert!(offline.stdout.contains("the store has nothing of the advisories for npm"), "{}", offline.stdout);
    sandbox.unset("SCFW_OFFLINE");
    sandbox.scfw(&["update"]).ended_with(0);
    sandbox.world.forget_requests();
    check(&sandbox, "npm:evil@1.0.0").ended_with(77);
    assert!(sandbox.world.requests().is_empty(), "what comes from the right place is believed");
}

#[test]
fn a_directory_of_the_administrators_that_others_may_write_in_is_not_relied_on() {
    for place in ["/etc/scfw", "/etc/scfw/lists", "/etc/scfw/verifiers.d"] {
        let sandbox = under("");
        let directory = sandbox.path(place.trim_start_matches('/'));
        fs::create_dir_all(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
        let why = format!("{place} can be written by others than root");
        sandbox.hook(&["npm", "install", "good"]).ended_with(78).says(&why);
        check(&sandbox, "npm:good@1.0.0").ended_with(78).says(&why);
        sandbox.scfw(&["configure", "--remove"]).ended_with(78).says(&why);
        assert!(!sandbox.has_sung());
    }
}

#[test]
fn the_systems_feed_stands_beside_the_systems_file() {
    let mut sandbox = under("");
    sandbox.administer("config.toml", "[[feeds]]\nname = \"corp\"\npath = \"corp\"\nmalicious = true\n");
    let advisory = json!({"id": "CORP-1", "modified": "2026-01-01T00:00:00Z", "affected": [
        {"package": {"ecosystem": "npm", "name": "good"}, "versions": ["1.0.0"]}]});
    sandbox.administer("corp/CORP-1.json", advisory.to_string());
    fs::create_dir_all(sandbox.path("scfw/corp")).unwrap();
    sandbox.scfw(&["update"]).ended_with(0);
    let finished = check(&sandbox, "npm:good@1.0.0").ended_with(77);
    assert!(finished.stdout.contains("CORP-1"), "{}", finished.stdout);
}

#[test]
fn what_only_the_user_calls_private_is_not_verified_where_an_answer_is_required() {
    let mut sandbox = under("required_verifiers = [\"OSV\"]\n");
    configure(&sandbox, "private = [\"*\"]\n");
    let why = "could not be verified: leaky@1.0.0 is private by your configuration";
    let answer = check(&sandbox, "npm:leaky@1.0.0").ended_with(1);
    assert!(answer.stdout.contains(why), "{}", answer.stdout);
    for command in [&["npm", "install", "leaky"][..], &["npm", "install", "good"]] {
        let refused = sandbox.hook(command).ended_with(69);
        refused
            .says("policy: nothing is installed without an answer of OSV")
            .says("private by your configuration");
    }
    assert!(!sandbox.has_sung());
    assert!(!sandbox.world.requests().iter().any(|request| request.service == Service::Osv));
    // The administrator's word is enough.
    sandbox.administer("config.toml", "private = [\"npm:leaky\"]\n");
    check(&sandbox, "npm:leaky@1.0.0").ended_with(0);
    check(&sandbox, "npm:good@1.0.0").ended_with(1);
    // So is what this machine knows.
    sandbox.administer("config.toml", "");
    sandbox.scfw(&["update"]).ended_with(0);
    let known = check(&sandbox, "npm:leaky@1.0.0").ended_with(1);
    assert!(known.stdout.contains("GHSA-leak") && !known.stdout.contains("private"), "{}", known.stdout);
    check(&sandbox, "npm:good@1.0.0").ended_with(0);
}

#[test]
fn the_age_of_what_only_the_user_calls_private_is_unknown_where_the_policy_asks_for_it() {
    for policy in ["minimum_age = 24\n", "unknown_age = \"warn\"\n"] {
        let mut sandbox = Sandbox::new();
        sandbox.administer("policy.toml", policy);
        configure(&sandbox, "private = [\"*\"]\n");
        let document = json!({"protocol": 1, "manager": "npm", "version": "11.0.0", "phase": "install", "argv": [],
            "targets": [{"name": "good", "version": "1.0.0", "source": "registry",
                "registry": sandbox.world.registry_url()}]});
        let verify =
            |sandbox: &Sandbox| sandbox.hook_with_input(&["verify"], document.to_string().as_bytes());
        verify(&sandbox).ended_with(69).says("private by your configuration, so nobody was asked");
        sandbox.administer("config.toml", "private = [\"npm:good\"]\n");
        verify(&sandbox).ended_with(0);
        sandbox.administer("config.toml", "");
        sandbox.administer("policy.toml", "");
        verify(&sandbox).ended_with(0);
    }
}

#[test]
fn the_users_list_of_advisories_to_ignore_is_no_exemption_where_there_are_none() {
    for exemptions in ["none", "no-malicious"] {
        let mut sandbox = under(&format!("exemptions = \"{exemptions}\"\n"));
        let own = sandbox.path("scfw/osv-ignore.txt");
        fs::write(&own, ".*").unwrap();
        let why = format!("policy: osv_ignore is locked, and {} without effect", own.display());
        let finished = sandbox.hook(&["npm", "install", "leaky"]).ended_with(77);
        assert_eq!(finished.stderr.matches(&why).count(), 1, "{}", finished.stderr);
        check(&sandbox, "npm:leaky@1.0.0").ended_with(1).says(&why);
        sandbox.set("SCFW_OSV_VERIFIER_IGNORE", &own);
        check(&sandbox, "npm:leaky@1.0.0").ended_with(1).says("SCFW_OSV_VERIFIER_IGNORE without effect");
        sandbox.unset("SCFW_OSV_VERIFIER_IGNORE");
        sandbox.administer("osv-ignore.txt", "GHSA-leak");
        check(&sandbox, "npm:leaky@1.0.0").ended_with(0);
    }
}

#[test]
fn the_users_list_of_advisories_to_ignore_ends_at_the_policys_severity() {
    let mut sandbox = under("minimum_severity = \"medium\"\n");
    for (id, severity) in [("GHSA-low", Some("LOW")), ("GHSA-unrated", None)] {
        sandbox.world.add_advisory(json!({"id": id, "database_specific": {"severity": severity},
            "affected": [{"package": {"ecosystem": "npm", "name": "leaky"}, "versions": ["1.0.0"]}]}));
    }
    configure(&sandbox, "minimum_severity = \"low\"\n");
    let found = |sandbox: &Sandbox| {
        let output = check(sandbox, "npm:leaky@1.0.0").stdout;
        ["GHSA-leak", "GHSA-low", "GHSA-unrated"].map(|id| output.contains(id))
    };
    assert_eq!(found(&sandbox), [true; 3]);
    fs::write(sandbox.path("scfw/osv-ignore.txt"), "GHSA-.*").unwrap();
    for _online_and_from_the_store in 0..2 {
        assert_eq!(found(&sandbox), [true, false, true]);
        check(&sandbox, "npm:leaky@1.0.0")
            .says("osv-ignore.txt only counts for vulnerabilities below \"medium\"");
        sandbox.scfw(&["update"]).ended_with(0);
    }
    sandbox.administer("osv-ignore.txt", "GHSA-leak GHSA-unrated");
    assert_eq!(found(&sandbox), [false; 3]);
}

#[test]
fn the_administrators_verifiers_run_in_no_environment_of_the_users() {
    let mut sandbox = under("required_verifiers = [\"judge\"]\n");
    let judge = "#!/usr/bin/env python3\nimport json, os, sys\njson.load(sys.stdin)\n\
        names = sorted(name + '=' + value for name, value in os.environ.items() if not name.startswith('LC_'))\n\
        print(json.dumps({'findings': [{'target': 0, 'severity': 'critical', 'message': ' '.join(names)}]}))\n";
    let path = sandbox.administer("verifiers.d/judge", judge);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let silent = "#!/bin/sh\ncat >/dev/null\necho '{\"findings\": []}'\n";
    let python = sandbox.write("bin/python3", silent);
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    let mut path = sandbox.project("bin").into_os_string();
    path.push(":");
    path.push(sandbox.variable("PATH"));
    sandbox.set("PATH", path);
    sandbox.write("modules/json.py", "raise SystemExit(print('{\"findings\": []}'))\n");
    sandbox.set("PYTHONPATH", sandbox.project("modules"));
    sandbox.set("SCFW_BYPASS", "0");
    let answer = check(&sandbox, "npm:good@1.0.0").ended_with(77);
    let environment = "HOME=/ LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        SCFW_EXTERNAL_VERIFIER=judge";
    assert!(answer.stdout.contains(environment), "{}", answer.stdout);
    sandbox.hook(&["npm", "install", "good"]).ended_with(77);
    assert!(!sandbox.has_sung());
}

#[test]
fn no_manager_is_left_out_of_what_has_to_be_verified() {
    for policy in
        ["allow_bypass = false\n", "required_verifiers = [\"OSV\"]\n", "required_routes = [\"bash\"]\n"]
    {
        let mut sandbox = under(policy);
        configure(&sandbox, "managers = []\n");
        let why = "policy: managers cannot leave out pip and npm (/etc/scfw/policy.toml)";
        sandbox.hook(&["npm", "install", "leaky"]).ended_with(77).says(why);
        assert!(!sandbox.has_sung());
        sandbox.administer("config.toml", "managers = [\"pip\"]\n");
        sandbox.hook(&["npm", "install", "leaky"]).ended_with(0);
    }
}
