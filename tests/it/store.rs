//! Verifying from what `scfw update` has brought: without a network, and with the same words.

use std::fs;

use scfw_core::package::Ecosystem;
use scfw_core::store::Store;
use scfw_world::{Failure, NpmPackage, Service};

use crate::support::feeds_in_store::{age, feed_requests, store_path, updated};
use crate::support::{Finished, Sandbox};

const QUERIES: [&str; 6] = [
    "npm:evil@1.0.0", "npm:@scope/leaky@1.1.0", "npm:@scope/leaky@1.2.0", "pypi:half.evil@1.0.0",
    "pypi:half-evil", "npm:good",
];

#[test]
fn a_store_answers_with_the_same_words_and_no_request() {
    let sandbox = Sandbox::new();
    let online = updated();
    fs::remove_file(store_path(&online)).unwrap();
    let sandbox_with_store = updated();
    drop(sandbox);
    for format in ["text", "json"] {
        let arguments = [&["check", "--format", format], &QUERIES[..]].concat();
        let expected = online.scfw(&arguments).ended_with(77);
        let found = sandbox_with_store.scfw(&arguments).ended_with(77);
        assert_eq!((found.stdout, found.stderr), (expected.stdout, expected.stderr));
    }
    assert!(!feed_requests(&online).is_empty());
    assert!(feed_requests(&sandbox_with_store).is_empty());
}

#[test]
fn installs_are_verified_while_everything_is_down_and_offline() {
    let mut sandbox = updated();
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    for service in [Service::Osv, Service::Bulk, Service::Datadog] {
        sandbox.world.fail(service, Some(Failure::Close));
    }
    sandbox.hook(&["npm", "install", "evil"]).ended_with(77).says("Datadog Security").says("MAL-0000-1");
    assert!(!sandbox.was_asked_for("evil"), "the screen uses the store too");
    sandbox.hook(&["npm", "install", "good"]).ended_with(0).does_not_say("scfw");
    sandbox.set("SCFW_OFFLINE", "1");
    sandbox.hook(&["npm", "install", "good"]).ended_with(0).does_not_say("scfw");
    assert!(feed_requests(&sandbox).is_empty());
}

#[test]
fn an_old_store_is_believed_but_not_alone() {
    let sandbox = updated();
    age(&sandbox, 71);
    sandbox.scfw(&["check", "npm:good"]).ended_with(0);
    assert!(feed_requests(&sandbox).is_empty());
    age(&sandbox, 2);
    sandbox.world.malicious(Ecosystem::Npm, "newly-evil", None);
    sandbox.scfw(&["check", "npm:newly-evil@1.0.0"]).ended_with(77);
    // What both know is said once.
    let finished = sandbox.scfw(&["check", "npm:evil@1.0.0"]).ended_with(77);
    assert_eq!(finished.stdout.matches("  - ").count(), 2, "{}", finished.stdout);
    sandbox.world.fail(Service::Osv, Some(Failure::Status(500)));
    sandbox.scfw(&["check", "npm:evil@1.0.0"]).ended_with(77);
    let finished = sandbox.scfw(&["check", "npm:good@1.0.0"]).ended_with(1);
    assert!(
        finished.stdout.contains("what the store has of the advisories for npm is 3 days old"),
        "{}",
        finished.stdout
    );
    // The clock was set back.
    age(&sandbox, -1000);
    let finished = sandbox.scfw(&["check", "npm:good@1.0.0"]).ended_with(1);
    assert!(
        finished.stdout.contains("the advisories for npm is from a time still to come"),
        "{}",
        finished.stdout
    );
}

#[test]
fn without_a_store_and_offline_nothing_is_known() {
    let mut sandbox = Sandbox::new();
    sandbox.set("SCFW_OFFLINE", "1");
    let finished = sandbox.scfw(&["check", "npm:good"]).ended_with(1);
    assert!(
        finished.stdout.contains("could not be verified: OSV.dev: scfw is set to work offline"),
        "{}",
        finished.stdout
    );
    assert!(finished.stdout.contains("scfw update --from"), "{}", finished.stdout);
    sandbox.scfw(&["update"]).ended_with(1).says("scfw is set to work offline");
}

#[test]
fn a_store_that_cannot_be_used_is_named_and_the_network_asked() {
    let mut sandbox = updated();
    let is_verified_online = |sandbox: &Sandbox, sentence: &str| {
        sandbox.world.forget_requests();
        sandbox.scfw(&["check", "npm:evil"]).ended_with(77).says(sentence);
        assert!(!feed_requests(sandbox).is_empty());
    };
    let good = fs::read(store_path(&sandbox)).unwrap();
    fs::write(store_path(&sandbox), b"this is no database").unwrap();
    is_verified_online(&sandbox, "is damaged; \"scfw update\" rebuilds it");
    fs::write(store_path(&sandbox), &good).unwrap();
    let connection = rusqlite::Connection::open(store_path(&sandbox)).unwrap();
    connection.pragma_update(None, "user_version", 1000).unwrap();
    drop(connection);
    is_verified_online(&sandbox, "is from a newer scfw");
    sandbox.scfw(&["update"]).ended_with(1).says("is from a newer scfw");
    sandbox.set("SCFW_OFFLINE", "1");
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox
        .hook(&["npm", "install", "good"])
        .ended_with(69)
        .says("is from a newer scfw")
        .says("could not be verified");
}

#[test]
fn a_damaged_store_is_rebuilt_and_keeps_its_exemptions() {
    let sandbox = updated();
    let mut store = Store::open(&store_path(&sandbox)).unwrap();
    let exemption = scfw_core::store::NewExemption {
        ecosystem: Ecosystem::Npm,
        name: "evil".to_owned(),
        version: None,
        advisory: None,
        reason: "a test".to_owned(),
        malicious: false,
        created: 0,
        expires: None,
        author: "me".to_owned(),
    };
    store.add_exemption(&exemption).unwrap();
    drop(store);
    // The feeds' table is somewhere in the file: all pages but the first and the exemptions' are overwritten.
    let connection = rusqlite::Connection::open(store_path(&sandbox)).unwrap();
    let page: usize = connection
        .query_row("PRAGMA page_size", [], |row| row.get(0))
        .map(|size: i64| size.try_into().unwrap())
        .unwrap();
    let root: i64 = connection
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'feeds'", [], |row| row.get(0))
        .unwrap();
    drop(connection);
    let mut bytes = fs::read(store_path(&sandbox)).unwrap();
    let start = (usize::try_from(root).unwrap() - 1) * page;
    bytes[start..start + page].fill(0xa5);
    fs::write(store_path(&sandbox), bytes).unwrap();
    sandbox.scfw(&["check", "npm:evil"]).ended_with(77).says("is damaged");
    sandbox.scfw(&["update"]).ended_with(0).says("was damaged and was built anew with 1 exemptions");
    sandbox.world.forget_requests();
    sandbox.scfw(&["check", "npm:evil"]).ended_with(77).does_not_say("damaged");
    assert!(feed_requests(&sandbox).is_empty());
    let exemptions = Store::open(&store_path(&sandbox)).unwrap().exemptions().unwrap();
    assert_eq!(exemptions[0].terms, exemption);
}

#[test]
fn a_version_that_cannot_be_compared_is_compared_exactly_and_that_is_said() {
    let sandbox = updated();
    let finished = sandbox.scfw(&["check", "npm:@scope/leaky@1.2.99999999999999999999"]).ended_with(1);
    assert!(
        finished.stdout.contains("could not be verified: the version 1.2.99999999999999999999"),
        "{}",
        finished.stdout
    );
    assert!(finished.stdout.contains("compared exactly"), "{}", finished.stdout);
    sandbox.scfw(&["check", "npm:good@1.2.99999999999999999999"]).ended_with(0);
    sandbox.scfw(&["check", "npm:evil@1.2.99999999999999999999"]).ended_with(77);
}

/// Waits until a background update has come to an end.
fn wait_for_update(sandbox: &Sandbox) {
    for _attempt in 0..400 {
        if sandbox.path("scfw/update.json").exists() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    panic!("no update has ended");
}

fn install_good(sandbox: &Sandbox) -> Finished {
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    // What is there already would not be installed again.
    fs::remove_dir_all(sandbox.project("node_modules")).ok();
    sandbox.hook(&["npm", "install", "good"]).ended_with(0)
}

#[test]
fn an_install_refreshes_an_old_store_in_the_background() {
    let sandbox = updated();
    fs::remove_file(sandbox.path("scfw/update.json")).unwrap();
    install_good(&sandbox).does_not_say("scfw");
    assert!(feed_requests(&sandbox).is_empty(), "it is young enough");
    age(&sandbox, 7);
    sandbox.world.malicious(Ecosystem::Npm, "newly-evil", None);
    install_good(&sandbox).does_not_say("scfw");
    wait_for_update(&sandbox);
    sandbox.scfw(&["check", "npm:newly-evil"]).ended_with(77);
    // It was just tried: not again, whatever came of it.
    age(&sandbox, 7);
    sandbox.world.forget_requests();
    install_good(&sandbox);
    assert!(feed_requests(&sandbox).is_empty());
}

#[test]
fn offline_no_update_is_started() {
    let mut sandbox = updated();
    fs::remove_file(sandbox.path("scfw/update.json")).unwrap();
    age(&sandbox, 7);
    sandbox.set("SCFW_OFFLINE", "1");
    install_good(&sandbox);
    assert!(!sandbox.path("scfw/update.json").exists());
    assert!(feed_requests(&sandbox).is_empty());
}
