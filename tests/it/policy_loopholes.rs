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
