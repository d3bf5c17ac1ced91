//! `scfw allow`: what is exempted stays visible and no longer counts, for as long and as far as was said.

use scfw_core::package::Ecosystem;
use scfw_core::store::{NewExemption, Store};
use scfw_world::{NpmPackage, Wheel};
use serde_json::{Value, json};

use crate::support::Sandbox;

/// A world with the malicious `evil` and the vulnerable `leaky`, of npm and `PyPI`, and the malicious one's advisory.
fn sandbox() -> (Sandbox, String) {
    let sandbox = Sandbox::new();
    for name in ["evil", "leaky"] {
        sandbox.world.add_npm(NpmPackage::new(name, "1.0.0"));
        sandbox.world.add_wheel(Wheel::new(name, "1.0.0"));
    }
    let id = sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    for ecosystem in ["npm", "PyPI"] {
        for number in [1, 2] {
            sandbox.world.add_advisory(json!({
                "id": format!("GHSA-{ecosystem}-{number}"), "summary": "It leaks",
                "affected": [{"package": {"ecosystem": ecosystem, "name": "leaky"}}]
            }));
        }
    }
    (sandbox, id)
}

fn allow(sandbox: &Sandbox, arguments: &[&str]) -> String {
    sandbox.scfw(&[&["allow"], arguments].concat()).ended_with(0).stdout
}

fn json_of(sandbox: &Sandbox, arguments: &[&str], status: i32) -> Value {
    let finished = sandbox.scfw(arguments).ended_with(status);
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {}", finished.stdout))
}

#[test]
fn an_exempted_warning_is_shown_and_does_not_stop_an_install() {
    let (sandbox, _) = sandbox();
    let install = ["pip", "install", "--target", "out", "leaky"];
    sandbox.hook(&install).ended_with(77);
    let given = allow(&sandbox, &["pypi:Leaky", "--reason", "read it"]);
    assert!(given.starts_with("1  pypi:Leaky, warnings, until 20"), "{given}");
    let finished =
        sandbox.hook(&install).ended_with(0).says("Exempted leaky-1.0.0 (by ").says(": read it):\n");
    let finished = finished.says("      * https://osv.dev/vulnerability/GHSA-PyPI-1 ");
    assert!(!finished.stderr.contains("Installation target"), "{}", finished.stderr);
    assert!(sandbox.list("out").contains(&"leaky.py".to_owned()));
    let runs = json_of(&sandbox, &["history", "--format", "json"], 0);
    let exempted = &runs[0]["exempted"][0];
    assert_eq!(runs[0]["action"], "ALLOW");
    let leaky = json!({"ecosystem": "PyPI", "name": "leaky", "version": "1.0.0", "source": null});
    assert_eq!((&exempted["package"], &exempted["exemption"]), (&leaky, &json!(1)));
    assert_eq!((&exempted["reason"], &exempted["advisory"]), (&json!("read it"), &json!("GHSA-PyPI-1")));
    assert_eq!(runs[0]["findings"], json!([]), "{runs}");
    assert_eq!(sandbox.log()[2]["exempted_findings"].as_array().unwrap().len(), 2);
    assert_eq!(sandbox.log()[2]["warning"], false);
    let text = sandbox.scfw(&["history"]).ended_with(0).stdout;
    assert!(
        text.contains("    exempted: An OSV.dev disclosure exists for package leaky-1.0.0 (read it)\n"),
        "{text}"
    );
    sandbox.hook(&["npm", "install", "leaky"]).ended_with(77).says("GHSA-npm-1");
    allow(&sandbox, &["--remove", "pypi:leaky"]);
    sandbox.hook(&install).ended_with(77);
}

#[test]
fn malice_is_exempted_only_where_it_is_meant() {
    let (sandbox, id) = sandbox();
    allow(&sandbox, &["npm:evil", "--reason", "x"]);
    sandbox.hook(&["npm", "install", "evil"]).ended_with(77).does_not_say("Exempted");
    allow(&sandbox, &["npm:evil", "--reason", "x", "--advisory", &id, "--malicious"]);
    // The data set says it as well, in words of its own.
    let finished =
        sandbox.hook(&["npm", "install", "evil"]).ended_with(77).says("Datadog").says("Exempted evil");
    assert!(finished.stderr.contains(&id), "{}", finished.stderr);
    allow(&sandbox, &["npm:evil", "--reason", "a sample", "--malicious"]);
    sandbox.hook(&["npm", "install", "evil"]).ended_with(0).says("Exempted evil@1.0.0").says("a sample");
    assert!(sandbox.list("node_modules").contains(&"evil".to_owned()));
    assert_eq!(
        json_of(&sandbox, &["allow", "--list", "--json"], 0).as_array().unwrap().len(),
        2,
        "one was replaced"
    );
}

#[test]
fn an_exemption_of_one_version_leaves_the_others_to_the_gate() {
    let (sandbox, _) = sandbox();
    sandbox.world.add_npm(NpmPackage::new("evil", "2.0.0"));
    allow(&sandbox, &["npm:evil@1.0.0", "--reason", "a sample", "--malicious"]);
    // By name alone the screen cannot tell; the gate can.
    sandbox.hook(&["npm", "install", "evil"]).ended_with(77).says("Installation target evil@2.0.0:");
    assert!(sandbox.was_asked_for("evil"));
    sandbox.world.forget_requests();
    sandbox.hook(&["npm", "install", "evil@2.0.0"]).ended_with(77);
    assert!(!sandbox.was_asked_for("evil"), "a pin on another version is screened as ever");
    sandbox.hook(&["npm", "install", "evil@1.0.0"]).ended_with(0).says("Exempted evil@1.0.0");
    sandbox.scfw(&["check", "npm:evil"]).ended_with(77);
}

#[test]
fn check_shows_what_is_exempted_beside_what_is_found() {
    let (sandbox, _) = sandbox();
    allow(&sandbox, &["npm:leaky@1.0.1", "--advisory", "ghsa-NPM-1", "--reason", "no"]);
    allow(&sandbox, &["pkg:npm/leaky@1.0.0", "--advisory", "GHSA-npm-2", "--reason", "we do not call it"]);
    let checked = json_of(&sandbox, &["check", "--format", "json", "npm:leaky@1.0.0", "npm:other@1.0.0"], 1);
    assert_eq!(checked[0]["verdict"], "warn");
    let ids =
        |list: &Value| list.as_array().unwrap().iter().map(|one| one["advisory"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&checked[0]["findings"]), ["GHSA-npm-1"], "1.0.1 is another version");
    assert_eq!(ids(&checked[0]["exempted"]), ["GHSA-npm-2"]);
    let exempted = &checked[0]["exempted"][0];
    assert_eq!((&exempted["exemption"], &exempted["reason"]), (&json!(2), &json!("we do not call it")));
    assert!(exempted["expires"].as_str().unwrap().ends_with('Z'));
    assert!(checked[1].get("exempted").is_none(), "{checked}");
    allow(&sandbox, &["npm:leaky", "--reason", "all of it"]);
    assert_eq!(
        json_of(&sandbox, &["check", "--format", "json", "npm:leaky@1.0.0"], 0)[0]["verdict"],
        "allow"
    );
    let text = sandbox.scfw(&["check", "npm:leaky@1.0.0"]).ended_with(0).stdout;
    assert!(text.contains("Exempted leaky@1.0.0"), "{text}");
}

#[test]
fn lists_can_be_exempted_too() {
    let (sandbox, _) = sandbox();
    std::fs::create_dir_all(sandbox.path("scfw/lists")).unwrap();
    let list = "findings:\n  - severity: CRITICAL\n    finding: not ours\n    packages:\n      - {ecosystem: npm, name: good}\n";
    std::fs::write(sandbox.path("scfw/lists/a.yaml"), list).unwrap();
    sandbox.scfw(&["check", "npm:good@1.0.0"]).ended_with(77);
    allow(&sandbox, &["npm:good", "--reason", "x"]);
    sandbox.scfw(&["check", "npm:good@1.0.0"]).ended_with(77);
    allow(&sandbox, &["npm:good", "--reason", "x", "--malicious"]);
    sandbox.scfw(&["check", "npm:good@1.0.0"]).ended_with(0);
}

#[test]
fn an_exempted_package_is_not_exempted_from_coming_from_another_address() {
    let (sandbox, _) = sandbox();
    let verify = |source: &str, url: &str, status: i32| {
        let document = json!({"protocol": 1, "manager": "npm", "version": "11.0.0", "phase": "install", "argv": [],
            "targets": [{"name": "left-pad", "version": "1.3.0", "source": source, "url": url}]});
        sandbox.hook_with_input(&["verify"], document.to_string().as_bytes()).ended_with(status)
    };
    let poisoned = "https://elsewhere.example/left-pad-1.3.0.tgz";
    for arguments in [&["npm:left-pad@1.3.0"][..], &["npm:left-pad"], &["npm:left-pad", "--malicious"]] {
        allow(&sandbox, &[arguments, &["--reason", "reviewed"]].concat());
        verify("url", poisoned, 69).says("it comes from a bare URL").does_not_say("Exempted");
        verify("git", "git+https://host.example/left-pad.git#1", 69).does_not_say("Exempted");
    }
    // The address itself can be named, and is no other then.
    let ours = "git+ssh://git@host.example/Ours/left-pad.git#0123456789abcdef";
    allow(&sandbox, &["npm:left-pad", "--advisory", ours, "--reason", "our own repository"]);
    verify("git", ours, 0).says("our own repository");
    verify("git", &ours.replace("0123", "4567"), 69);
    verify("git", &ours.replace("Ours", "ours"), 69);
    verify("url", poisoned, 69);
    // As a report has shown it, without the home directory.
    let home = sandbox.path("home");
    let own = format!("git+file://{}/own#0123", home.display());
    verify("git", &own, 69);
    allow(&sandbox, &["npm:left-pad", "--advisory", "git+file://~/own#0123", "--reason", "at home"]);
    verify("git", &own, 0).says("at home");
    // Of an address with a query the query is not kept, so another could not be told from it.
    allow(
        &sandbox,
        &["npm:left-pad", "--advisory", "https://host.example/get?file=ours", "--reason", "ours"],
    );
    verify("url", "https://host.example/get?file=theirs", 69);
}

#[test]
fn an_expired_exemption_has_no_effect_and_is_listed_as_expired() {
    let (sandbox, _) = sandbox();
    let mut store = Store::open(&sandbox.path("scfw/store.db")).unwrap();
    let expired = NewExemption {
        ecosystem: Ecosystem::Npm,
        name: "leaky".to_owned(),
        version: None,
        advisory: None,
        reason: "long ago\u{1b}[2J\u{202e}\nscfw: fine".to_owned(),
        malicious: false,
        created: 1_600_000_000,
        expires: Some(1_700_000_000),
        author: "so\u{9b}meone".to_owned(),
    };
    store.add_exemption(&expired).unwrap();
    drop(store);
    sandbox.scfw(&["check", "npm:leaky@1.0.0"]).ended_with(1);
    let text = allow(&sandbox, &["--list"]);
    assert!(text.starts_with("1  npm:leaky, warnings, expired 2023-11-1"), "{text}");
    assert_eq!(text.lines().count(), 1);
    let json = sandbox.scfw(&["allow", "--list", "--json"]).ended_with(0).stdout;
    assert!(![text, json.clone()].concat().contains(['\u{1b}', '\u{9b}', '\u{202e}']));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json[0]["expired"], &json[0]["reason"]), (&json!(true), &json!(expired.reason)));
}

#[test]
fn what_is_asked_for_has_to_make_sense() {
    let (sandbox, _) = sandbox();
    let long = "x".repeat(2000);
    for (arguments, sentence) in [
        (&["npm:leaky"][..], "--reason"),
        (&["--reason", "x"], "<PACKAGE|--list|--remove"),
        (&["npm:leaky", "--reason", "  "], "--reason is empty"),
        (&["npm:leaky", "--reason", &long], "longer than"),
        (&["leaky", "--reason", "x"], "npm:NAME"),
        (&["npm:leaky", "--reason", "x", "--expires", "2d ago"], "neither a duration"),
        (&["npm:leaky", "--reason", "x", "--expires", "2020-01-01"], "has passed"),
        (&["npm:leaky", "--reason", "x", "--expires", "400d"], "a year at most"),
        (&["npm:leaky", "--reason", "x", "--expires", "9999-12-31"], "too far away"),
        (&["npm:leaky", "--reason", "x", "--advisory", ""], "--advisory is empty"),
        (&["--remove", "leaky"], "npm:NAME"),
    ] {
        let finished = sandbox.scfw(&[&["allow"], arguments].concat()).ended_with(2);
        if !sentence.starts_with('<') {
            finished.says(sentence);
        }
    }
    assert_eq!(allow(&sandbox, &["--list"]), "There are no exemptions.\n");
    sandbox.scfw(&["allow", "--remove", "7"]).ended_with(1).says("there is no exemption 7");
    allow(&sandbox, &["npm:leaky@1.0.0", "--reason", "x", "--expires", "2h"]);
    sandbox.scfw(&["allow", "--remove", "npm:leaky@2.0.0"]).ended_with(1);
    let removed = allow(&sandbox, &["--remove", "1"]);
    assert!(removed.starts_with("Removed: 1  npm:leaky@1.0.0"), "{removed}");
}

#[test]
fn exemptions_that_cannot_be_read_exempt_nothing() {
    let (sandbox, _) = sandbox();
    allow(&sandbox, &["npm:leaky", "--reason", "x"]);
    std::fs::write(sandbox.path("scfw/store.db"), "garbage".repeat(1000)).unwrap();
    sandbox.scfw(&["check", "npm:leaky@1.0.0"]).ended_with(1).says("is damaged");
    sandbox.scfw(&["allow", "npm:leaky", "--reason", "x"]).ended_with(1).says("is damaged");
    sandbox.hook(&["npm", "install", "leaky"]).ended_with(77).says("is damaged");
}

#[test]
fn a_policy_without_exemptions_lets_none_be_given_or_count() {
    let (mut sandbox, _) = sandbox();
    allow(&sandbox, &["npm:leaky", "--reason", "x", "--malicious"]);
    sandbox.scfw(&["check", "npm:leaky@1.0.0"]).ended_with(0).does_not_say("policy");
    sandbox.administer("policy.toml", "exemptions = \"none\"\n");
    sandbox
        .scfw(&["allow", "npm:evil", "--reason", "x"])
        .ended_with(1)
        .says("scfw: policy: exemptions are not allowed (/etc/scfw/policy.toml)");
    let why = "policy: an exemption has no effect, or not any more (/etc/scfw/policy.toml)";
    sandbox.scfw(&["check", "npm:leaky@1.0.0"]).ended_with(1).says(why);
    sandbox.hook(&["npm", "install", "leaky"]).ended_with(77).says(why).does_not_say("Exempted");
    let list = allow(&sandbox, &["--list"]);
    assert!(list.contains("without effect by the policy"), "{list}");
    let json = json_of(&sandbox, &["allow", "--list", "--json"], 0);
    assert_eq!((&json[0]["permitted"], &json[0]["expired"]), (&json!(false), &json!(false)));
    // What is there can be taken back.
    allow(&sandbox, &["--remove", "npm:leaky"]);
}

#[test]
fn a_policy_keeps_malice_out_of_exemptions_and_shortens_them() {
    let (mut sandbox, _) = sandbox();
    allow(&sandbox, &["npm:evil", "--reason", "x", "--malicious"]);
    let mut store = Store::open(&sandbox.path("scfw/store.db")).unwrap();
    let old = |name: &str, days: i64| NewExemption {
        ecosystem: Ecosystem::Npm,
        name: name.to_owned(),
        version: None,
        advisory: None,
        reason: "reviewed".to_owned(),
        malicious: true,
        created: scfw_core::store::now() - days * 24 * 3600,
        expires: Some(scfw_core::store::now() + 24 * 3600),
        author: "me".to_owned(),
    };
    store.add_exemption(&old("leaky", 6)).unwrap();
    sandbox.administer("policy.toml", "exemptions = \"no-malicious\"\nmax_exemption_days = 7\n");
    sandbox.scfw(&["check", "npm:leaky@1.0.0"]).ended_with(0);
    store.add_exemption(&old("leaky", 8)).unwrap();
    sandbox.scfw(&["check", "npm:leaky@1.0.0"]).ended_with(1).says("not any more");
    sandbox.hook(&["npm", "install", "evil"]).ended_with(77).says("has no effect");
    let refused = |arguments: &[&str], why: &str| {
        sandbox.scfw(&[&["allow", "npm:leaky", "--reason", "x"], arguments].concat()).ended_with(1).says(why);
    };
    refused(
        &["--malicious"],
        "policy: what is critical cannot be exempted (--malicious) (/etc/scfw/policy.toml)",
    );
    refused(&["--expires", "8d"], "policy: an exemption lasts 7 days at most (/etc/scfw/policy.toml)");
    allow(&sandbox, &["npm:leaky", "--reason", "x"]);
    sandbox.scfw(&["check", "npm:leaky@1.0.0"]).ended_with(0);
}

#[test]
fn where_a_policy_allows_no_exemption_that_is_said_whatever_its_terms() {
    let mut sandbox = Sandbox::new();
    for policy in ["max_exemption_days = 0\n", "exemptions = \"none\"\n"] {
        sandbox.administer("policy.toml", policy);
        for terms in [&[][..], &["--expires", "1h"], &["--expires", "1999-01-01"], &["--malicious"]] {
            let refused =
                sandbox.scfw(&[&["allow", "npm:leaky", "--reason", "x"], terms].concat()).ended_with(1);
            refused
                .says("scfw: policy: exemptions are not allowed (/etc/scfw/policy.toml)")
                .does_not_say("--expires");
        }
    }
}

#[test]
fn what_a_policy_requires_an_answer_of_cannot_be_exempted_from_it() {
    let (mut sandbox, _) = sandbox();
    sandbox.administer("policy.toml", "required_verifiers = [\"OSV\"]\n");
    allow(&sandbox, &["npm:good", "--reason", "x", "--malicious"]);
    sandbox.world.fail(scfw_world::Service::Osv, Some(scfw_world::Failure::Status(500)));
    let document = json!({"protocol": 1, "manager": "npm", "version": "11.0.0", "phase": "install", "argv": [],
        "targets": [{"name": "good", "version": "1.0.0", "source": "registry", "published": "2020-01-01T00:00:00Z"}]});
    sandbox
        .hook_with_input(&["verify"], document.to_string().as_bytes())
        .ended_with(69)
        .says("could not be verified");
}

#[test]
fn an_audit_honours_exemptions_and_shows_them() {
    let (sandbox, _) = sandbox();
    sandbox.bare("npm", &["install", "leaky"]).ended_with(0);
    sandbox.scfw(&["audit", "npm"]).ended_with(1);
    allow(&sandbox, &["npm:leaky@1.0.0", "--reason", "read it"]);
    let text = sandbox.scfw(&["audit", "npm"]).ended_with(0).stdout;
    assert!(
        text.contains("Exempted leaky@1.0.0 (by ") && text.contains("1 package audited, 0 with findings"),
        "{text}"
    );
    let audited = json_of(&sandbox, &["audit", "npm", "--format", "json"], 0);
    assert_eq!(audited[0]["exempted"].as_array().unwrap().len(), 2, "{audited}");
    assert_eq!((&audited[0]["verdict"], &audited[0]["findings"]), (&json!("allow"), &json!([])));
}
