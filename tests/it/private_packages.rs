//! Packages whose names leave the machine in no request.

use std::fs;

use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, Service, Wheel};

use crate::support::Sandbox;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let patterns = "private = [\"npm:@corp/*\", \"pypi:Internal_*\", \"my-company-*\"]\n";
    fs::write(sandbox.path("scfw/config.toml"), patterns).unwrap();
    sandbox
}

/// Fails the test if a feed has heard any of `names`, or has heard nothing at all.
#[track_caller]
fn were_not_told(sandbox: &Sandbox, names: &[&str]) {
    let requests = sandbox.world.requests();
    let to_feeds: Vec<_> = requests
        .iter()
        .filter(|request| matches!(request.service, Service::Osv | Service::Datadog | Service::Elsewhere))
        .collect();
    assert!(to_feeds.iter().any(|request| request.mentions("public")), "the feeds were asked at all");
    for name in names {
        assert!(!to_feeds.iter().any(|request| request.mentions(name)), "{name}: {to_feeds:?}");
    }
    sandbox.world.forget_requests();
}

#[test]
fn check_tells_no_private_name() {
    let sandbox = sandbox();
    let packages = [
        "npm:@corp/secret@1.0.0", "npm:@corp/other", "pypi:internal.secret@1.0", "npm:my-company-secret",
        "pypi:My_Company_Secret", "npm:public", "npm:public-too@1.0.0",
    ];
    let finished = sandbox.scfw(&[&["check"], &packages[..]].concat()).ended_with(0);
    assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("No findings.\n", ""));
    were_not_told(&sandbox, &["corp", "internal", "company", "Company"]);
}

#[test]
fn neither_screen_nor_gate_tells_a_private_name() {
    let sandbox = sandbox();
    for name in ["@corp/secret", "@corp/deep"] {
        sandbox.world.add_npm(NpmPackage::new(name, "1.0.0"));
    }
    sandbox.world.add_npm(NpmPackage::new("public", "1.0.0").dependency("@corp/deep", "*"));
    sandbox.world.add_wheel(Wheel::new("internal-secret", "1.0").requires("public"));
    sandbox.world.add_wheel(Wheel::new("public", "1.0"));
    sandbox.hook(&["npm", "install", "@corp/secret", "public"]).ended_with(0);
    were_not_told(&sandbox, &["corp"]);
    sandbox.hook(&["npm", "install"]).ended_with(0);
    fs::remove_dir_all(sandbox.project("node_modules")).unwrap();
    sandbox.hook(&["npm", "ci"]).ended_with(0);
    were_not_told(&sandbox, &["corp"]);
    sandbox.hook(&["pip", "install", "--target", "out", "Internal.Secret"]).ended_with(0);
    were_not_told(&sandbox, &["internal", "Internal"]);
}

#[test]
fn only_private_packages_need_no_network() {
    let sandbox = sandbox();
    sandbox.world.fail(Service::Osv, Some(scfw_world::Failure::Status(500)));
    sandbox.scfw(&["check", "npm:@corp/secret@1.0.0"]).ended_with(0);
    sandbox.scfw(&["check", "npm:@corporation/secret@1.0.0"]).ended_with(1);
}

#[test]
fn what_is_known_on_this_machine_counts_for_private_packages_too() {
    let sandbox = sandbox();
    sandbox.world.list_in_datadog(Ecosystem::Npm, "@corp/secret", None);
    sandbox.scfw(&["check", "npm:@corp/secret@1.0.0"]).ended_with(77);
    fs::create_dir(sandbox.path("scfw/lists")).unwrap();
    let list =
        "findings: [{severity: CRITICAL, finding: Old, packages: [{ecosystem: npm, name: '@corp/old'}]}]\n";
    fs::write(sandbox.path("scfw/lists/ours.yaml"), list).unwrap();
    sandbox.scfw(&["check", "npm:@corp/old@1.0.0"]).ended_with(77);
}

#[test]
fn a_pattern_that_is_none_is_named_with_its_line() {
    let sandbox = sandbox();
    for (line, why) in [
        ("\nprivate = [\"npm:@corp/*\", \"cargo:x\"]", "line 2, column 11: \"cargo:x\""),
        ("private = [\"npm:@corp/a@1.0.0\"]", "names a version"),
        ("private = \"npm:@corp/*\"", "sequence"),
        ("private = [\"\"]", "no pattern"),
    ] {
        fs::write(sandbox.path("scfw/config.toml"), line).unwrap();
        sandbox.scfw(&["check", "npm:good"]).ended_with(78).says("config.toml").says(why);
    }
}
