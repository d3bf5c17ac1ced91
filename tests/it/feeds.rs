//! Feeds that fail, through `scfw check` and through installs: what could not be found out is said and is never
//! taken for an approval. What the feeds say when they answer is in `feed_answers`.

use scfw_core::package::Ecosystem;
use scfw_world::{Failure, NpmPackage, Service, Wheel};
use serde_json::{Value, json};

use crate::support::Sandbox;

/// An address at which nothing answers: no test may bind the first port.
const CLOSED: &str = "http://127.0.0.1:1";

/// What is wrong with a feed.
enum Trouble {
    Refused,
    Fails(Failure),
    RedirectLoop,
    /// A JSON object without any answer in it.
    AnswersNothing,
}

/// Which feed: the service, the name of its verifier, the variable with its address.
#[derive(Clone, Copy)]
struct Feed {
    service: Service,
    verifier: &'static str,
    variable: &'static str,
}

const OSV: Feed = Feed { service: Service::Osv, verifier: "OSV", variable: "SCFW_OSV_API_URL" };
const DATADOG: Feed =
    Feed { service: Service::Datadog, verifier: "Datadog", variable: "SCFW_DD_DATASET_URL" };

impl Feed {
    /// Where the feed is asked about an npm package.
    fn address(self, sandbox: &Sandbox) -> String {
        match self.service {
            Service::Osv => format!("{}/v1/querybatch", sandbox.world.osv_url()),
            _ => format!("{}/samples/npm/manifest.json", sandbox.world.datadog_url()),
        }
    }

    fn trouble(self, sandbox: &mut Sandbox, trouble: Trouble) {
        let failure = match trouble {
            Trouble::Refused => return sandbox.set(self.variable, CLOSED),
            Trouble::Fails(failure) => failure,
            Trouble::RedirectLoop => Failure::Redirect(self.address(sandbox)),
            Trouble::AnswersNothing => Failure::Redirect(DATADOG.address(sandbox)),
        };
        if failure == Failure::Hang {
            sandbox.set("SCFW_DEADLINE", "1");
        }
        sandbox.world.fail(self.service, Some(failure));
    }

    fn other(self) -> Self {
        if self.service == Service::Osv { DATADOG } else { OSV }
    }
}

/// Makes `name` malicious in one version or in all, in the eyes of one feed alone.
fn known_to(feed: Feed, sandbox: &Sandbox, name: &str, version: Option<&str>) {
    if feed.service == Service::Datadog {
        return sandbox.world.list_in_datadog(Ecosystem::Npm, name, version);
    }
    let mut affected = json!({"package": {"ecosystem": "npm", "name": name}});
    if let Some(version) = version {
        affected["versions"] = json!([version]);
    }
    sandbox.world.add_advisory(json!({"id": "MAL-0000-1000", "affected": [affected]}));
}

/// One module of tests per kind of trouble.
macro_rules! with_trouble {
    ($($module:ident: $trouble:expr, $reason:literal)+) => {
        $(mod $module {
            use super::*;

            #[test]
            fn at_osv_a_check_says_what_could_not_be_verified() { check(OSV, $trouble, $reason); }
            #[test]
            fn at_datadog_a_check_says_what_could_not_be_verified() { check(DATADOG, $trouble, $reason); }
        })+
    };
}

with_trouble! {
    a_refused_connection: Trouble::Refused, "could not be reached"
    a_server_error: Trouble::Fails(Failure::Status(500)), "answered with status 500"
    too_many_requests: Trouble::Fails(Failure::Status(429)), "answered with status 429"
    a_status_that_changes_nothing: Trouble::Fails(Failure::Status(304)), "could not be read"
    no_answer_in_time: Trouble::Fails(Failure::Hang), "did not answer in time"
    half_an_answer: Trouble::Fails(Failure::Truncated), "could not be reached"
    garbage: Trouble::Fails(Failure::Garbage), "could not be read"
    a_gigabyte: Trouble::Fails(Failure::Gigabyte), "is too large"
    a_closed_connection: Trouble::Fails(Failure::Close), "could not be reached"
    a_redirect_loop: Trouble::RedirectLoop, "could not be reached"
}

fn check(feed: Feed, trouble: Trouble, reason: &str) {
    let mut sandbox = Sandbox::new();
    feed.trouble(&mut sandbox, trouble);
    let finished = sandbox.scfw(&["check", "--format", "json", "npm:innocent@1.0.0"]).ended_with(1);
    let json: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(json[0]["verdict"], "warn", "{json:#}");
    let [finding] = json[0]["findings"].as_array().unwrap().as_slice() else { panic!("{json:#}") };
    assert_eq!(finding["verifier"], feed.verifier);
    let message = finding["message"].as_str().unwrap();
    assert!(message.starts_with("could not be verified: "), "{message}");
    assert!(message.contains("127.0.0.1") && message.contains(reason), "{message}");
    finished.does_not_say("panicked");
}

#[test]
fn an_answer_to_fewer_queries_than_were_asked_answers_none() {
    check(OSV, Trouble::AnswersNothing, "could not be read");
}

#[test]
fn a_failing_feed_is_named_in_the_text_as_well() {
    let sandbox = Sandbox::new();
    for feed in [OSV, DATADOG] {
        sandbox.world.fail(feed.service, Some(Failure::Status(500)));
    }
    let finished = sandbox.scfw(&["check", "npm:innocent"]).ended_with(1);
    for message in [
        "  - could not be verified: OSV.dev: 127.0.0.1 answered with status 500\n",
        "  - could not be verified: the Datadog malicious-packages data set for npm: 127.0.0.1 answered with \
         status 500\n",
    ] {
        assert!(finished.stdout.contains(message), "{}", finished.stdout);
    }
}

/// Installs of a clean package while `feed` is in trouble, without a terminal.
fn install(feed: Feed, trouble: Trouble) {
    let mut sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0").canary(sandbox.canary("postinstall")));
    feed.trouble(&mut sandbox, trouble);
    sandbox
        .hook(&["npm", "install", "good"])
        .ended_with(69)
        .says("could not be verified: ")
        .says("The installation request was blocked. No changes have been made.");
    assert!(!sandbox.has_sung() && sandbox.list(".").is_empty(), "{:?}", sandbox.list("."));
    sandbox.set("SCFW_ON_WARNING", "ALLOW");
    sandbox.hook(&["npm", "install", "good"]).ended_with(0).says("could not be verified: ");
    assert!(sandbox.has_sung(), "allowed, it is installed");
}

#[test]
fn nothing_is_installed_while_osv_refuses_connections_unless_warnings_are_allowed() {
    install(OSV, Trouble::Refused);
}

#[test]
fn nothing_is_installed_while_osv_hangs_unless_warnings_are_allowed() {
    install(OSV, Trouble::Fails(Failure::Hang));
}

#[test]
fn nothing_is_installed_while_datadog_is_out_of_order_unless_warnings_are_allowed() {
    install(DATADOG, Trouble::Fails(Failure::Status(500)));
}

#[test]
fn nothing_is_installed_while_datadog_answers_garbage_unless_warnings_are_allowed() {
    install(DATADOG, Trouble::Fails(Failure::Garbage));
}

#[test]
fn pip_installs_nothing_while_a_feed_is_down() {
    let sandbox = Sandbox::new();
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    sandbox.world.fail(Service::Osv, Some(Failure::Close));
    sandbox
        .hook(&["pip", "install", "--target", "out", "good"])
        .ended_with(69)
        .says("could not be verified: OSV.dev: ");
    assert!(sandbox.list("out").is_empty());
    let arguments = ["run", "--allow-on-warning", "pip", "install", "--target", "out", "good"];
    sandbox.scfw(&arguments).ended_with(0).says("could not be verified: OSV.dev: ");
    assert!(sandbox.list("out").contains(&"good.py".to_owned()));
}

/// What the other feed knows still blocks while `feed` is in trouble: by the screen, and by the gate.
fn known_elsewhere(feed: Feed, trouble: Trouble) {
    let mut sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("top", "1.0.0").dependency("evil", "*"));
    sandbox.world.add_npm(NpmPackage::new("evil", "1.5.0").canary(sandbox.canary("postinstall")));
    feed.trouble(&mut sandbox, trouble);
    known_to(feed.other(), &sandbox, "evil", Some("1.5.0"));
    sandbox.scfw(&["check", "npm:evil@1.5.0"]).ended_with(77);
    sandbox.set("SCFW_ON_WARNING", "ALLOW");
    sandbox
        .hook(&["npm", "install", "top"])
        .ended_with(77)
        .says("evil@1.5.0 (required by top):")
        .says("could not be verified: ");
    sandbox.world.forget_requests();
    sandbox.hook(&["npm", "install", "evil@1.5.0"]).ended_with(77).says("evil@1.5.0:");
    assert!(!sandbox.was_asked_for("evil"), "the screen needs one feed only");
    assert!(!sandbox.has_sung() && sandbox.list(".").is_empty());
}

#[test]
fn what_osv_knows_is_blocked_while_datadog_refuses_connections() {
    known_elsewhere(DATADOG, Trouble::Refused);
}

#[test]
fn what_osv_knows_is_blocked_while_datadog_hangs() {
    known_elsewhere(DATADOG, Trouble::Fails(Failure::Hang));
}

#[test]
fn what_datadog_knows_is_blocked_while_osv_is_out_of_order() {
    known_elsewhere(OSV, Trouble::Fails(Failure::Status(503)));
}

#[test]
fn what_datadog_knows_is_blocked_while_osv_hangs() {
    known_elsewhere(OSV, Trouble::Fails(Failure::Hang));
}

#[test]
fn offline_nobody_is_asked_and_nothing_passes_unverified() {
    let mut sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox.set("SCFW_OFFLINE", "1");
    let finished = sandbox.scfw(&["check", "npm:good"]).ended_with(1);
    let count = finished.stdout.matches("scfw is set to work offline").count();
    assert_eq!(count, 2, "both feeds: {}", finished.stdout);
    sandbox.hook(&["npm", "install", "good"]).ended_with(69).says("scfw is set to work offline");
    assert!(sandbox.list(".").is_empty());
    let is_feed = |service| matches!(service, Service::Osv | Service::Datadog);
    assert!(!sandbox.world.requests().iter().any(|request| is_feed(request.service)));
    sandbox.set("SCFW_ON_WARNING", "ALLOW");
    sandbox.hook(&["npm", "install", "good"]).ended_with(0).says("scfw is set to work offline");
}

#[test]
fn a_feed_that_recovers_is_believed_again() {
    let sandbox = Sandbox::new();
    for feed in [OSV, DATADOG] {
        sandbox.world.fail(feed.service, Some(Failure::Status(500)));
    }
    sandbox.scfw(&["check", "npm:innocent"]).ended_with(1);
    for feed in [OSV, DATADOG] {
        sandbox.world.fail(feed.service, None);
    }
    assert_eq!(sandbox.scfw(&["check", "npm:innocent"]).ended_with(0).stdout, "No findings.\n");
}

#[test]
fn a_data_set_that_lists_nothing_is_not_believed() {
    for manifest in ["{}", r#"{"results": []}"#, r#"{"a": [], "b": []}"#] {
        let sandbox = Sandbox::new();
        sandbox.world.add_npm(NpmPackage::new("good", "1.0.0").canary(sandbox.canary("good")));
        let file = sandbox.write("manifest.json", manifest);
        sandbox.world.load_datadog_manifest(Ecosystem::Npm, &file).unwrap();
        for _ in 0..2 {
            sandbox.hook(&["npm", "install", "good"]).ended_with(69).says("what 127.0.0.1 has is empty");
        }
        assert!(sandbox.list("node_modules").is_empty() && !sandbox.has_sung());
        sandbox.scfw(&["update"]).says("manifest.json is empty");
    }
}
