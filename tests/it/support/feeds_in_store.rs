//! A store that has been brought up to date, for the tests of it.

use std::path::PathBuf;

use scfw_core::package::Ecosystem;
use scfw_world::{Request, Service};
use serde_json::{Value, json};

use super::Sandbox;

/// An advisory about every version of the npm package `name`.
pub(crate) fn advisory(id: &str, name: &str) -> Value {
    json!({"id": id, "summary": "It leaks", "affected": [{"package": {"ecosystem": "npm", "name": name}}]})
}

/// A world with a malicious and a vulnerable package, brought into the store.
pub(crate) fn updated() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    sandbox.world.malicious(Ecosystem::PyPi, "Half_Evil", Some("1.0"));
    sandbox.world.add_advisory(json!({
        "id": "GHSA-leak", "summary": "It leaks.", "database_specific": {"severity": "HIGH"},
        "affected": [{"package": {"ecosystem": "npm", "name": "@scope/leaky"}, "ranges": [
            {"type": "SEMVER", "events": [{"introduced": "1.0.0"}, {"fixed": "1.2.0"}]}]}]
    }));
    sandbox.scfw(&["update"]).ended_with(0);
    sandbox.world.forget_requests();
    sandbox
}

pub(crate) fn store_path(sandbox: &Sandbox) -> PathBuf {
    sandbox.path("scfw/store.db")
}

/// Makes everything in the store `hours` older.
pub(crate) fn age(sandbox: &Sandbox, hours: i64) {
    let store = rusqlite::Connection::open(store_path(sandbox)).unwrap();
    store.execute("UPDATE feeds SET updated = updated - ?1 * 3600", [hours]).unwrap();
}

/// What the feeds were asked, and forgets it.
pub(crate) fn feed_requests(sandbox: &Sandbox) -> Vec<Request> {
    let requests = sandbox.world.requests();
    sandbox.world.forget_requests();
    requests
        .into_iter()
        .filter(|request| matches!(request.service, Service::Osv | Service::Bulk | Service::Datadog))
        .collect()
}

pub(crate) fn paths(sandbox: &Sandbox) -> Vec<String> {
    feed_requests(sandbox).into_iter().map(|request| format!("{} {}", request.method, request.path)).collect()
}

pub(crate) fn update_json(sandbox: &Sandbox, arguments: &[&str], status: i32) -> Value {
    let finished = sandbox.scfw(&[&["update", "--json"], arguments].concat()).ended_with(status);
    serde_json::from_str(&finished.stdout).unwrap()
}

/// How each feed was brought up to date.
pub(crate) fn how(json: &Value) -> Vec<String> {
    let feeds = json["feeds"].as_array().unwrap().iter();
    feeds
        .map(|feed| {
            format!("{} {}", feed["feed"].as_str().unwrap(), feed["how"].as_str().unwrap_or("failed"))
        })
        .collect()
}
