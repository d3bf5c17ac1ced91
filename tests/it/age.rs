//! The minimum age: settings, what is asked of whom, and registries that do not answer as they should.

use std::fs;

use scfw_core::package::Ecosystem;
use scfw_world::{Failure, NpmPackage, Sdist, Service, Wheel};
use serde_json::{Value, json};

use crate::support::{Finished, Sandbox, hours_ago};

/// A target of npm's that the gate knows no more of than where it comes from.
fn locked(sandbox: &Sandbox, name: &str) -> Value {
    json!({"name": name, "version": "1.0.0", "source": "registry", "index": sandbox.world.registry_url()})
}

fn verify_as(sandbox: &Sandbox, manager: &str, targets: &Value) -> Finished {
    let document = json!({"protocol": 1, "manager": manager, "version": "1", "phase": "install", "argv": ["ci"],
        "targets": targets});
    sandbox.hook_with_input(&["verify"], document.to_string().as_bytes())
}

fn verify(sandbox: &Sandbox, targets: &[Value]) -> Finished {
    verify_as(sandbox, "npm", &json!(targets))
}

fn configure(sandbox: &Sandbox, text: &str) {
    fs::write(sandbox.path("scfw/config.toml"), text).unwrap();
}

#[test]
fn the_minimum_and_its_exceptions_are_for_the_user_to_set() {
    let mut sandbox = Sandbox::new();
    for name in ["fresh", "@corp/fresh", "@corp/other"] {
        sandbox.world.add_npm(NpmPackage::new(name, "1.0.0").published(hours_ago(30)));
    }
    let targets = ["fresh", "@corp/fresh", "@corp/other"].map(|name| locked(&sandbox, name));
    verify(&sandbox, &targets).ended_with(0);
    configure(&sandbox, "minimum_age = 72\n");
    let all = verify(&sandbox, &targets).ended_with(77).says("will be old enough (3 days)");
    assert_eq!(all.stderr.matches("was published 30 hours ago").count(), 3, "{}", all.stderr);
    configure(
        &sandbox,
        "minimum_age = 72\n[minimum_age_exceptions]\n\"npm:@corp/*\" = 0\n\"@corp/o*\" = 48\n",
    );
    let some = verify(&sandbox, &targets).ended_with(77).says("fresh@1.0.0").says("@corp/other@1.0.0");
    some.does_not_say("@corp/fresh").says("will be old enough (48 hours)");
    sandbox.world.forget_requests();
    sandbox.set("SCFW_PACKAGE_MINIMUM_AGE", "0");
    configure(&sandbox, "");
    verify(&sandbox, &[locked(&sandbox, "unheard-of")]).ended_with(0).does_not_say("scfw");
    assert!(sandbox.asked_by_scfw().is_empty(), "an age that does not matter is not asked for");
}

#[test]
fn an_unknown_age_is_what_the_settings_say() {
    let sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("timeless", "1.0.0").published(""));
    let targets = [locked(&sandbox, "timeless")];
    let says =
        "could not be verified: its age is not known: 127.0.0.1 does not say when packages were published";
    verify(&sandbox, &targets).ended_with(69).says(says);
    configure(&sandbox, "unknown_age = \"allow\"\n");
    assert_eq!(verify(&sandbox, &targets).ended_with(0).stderr, "");
    configure(&sandbox, "unknown_age = \"block\"\n");
    verify(&sandbox, &targets).ended_with(77).says(says);
    configure(&sandbox, "");
    let nowhere = json!({"name": "a", "version": "1.0.0", "source": "registry", "index": null});
    verify(&sandbox, &[nowhere]).ended_with(69).says("it is not known which registry it comes from");
    verify(&sandbox, &[locked(&sandbox, "absent")]).ended_with(69).says("127.0.0.1 answered with status 404");
    let absent = json!({"name": "timeless", "version": "6.6.6", "source": "registry", "index": sandbox.world.registry_url()});
    verify(&sandbox, &[absent]).ended_with(69).says("127.0.0.1 does not list it");
    for name in ["../-/all", "a?b=c", "@a/b/c", "a b"] {
        sandbox.world.forget_requests();
        verify(&sandbox, &[locked(&sandbox, name)])
            .ended_with(69)
            .says("no registry can hold a package called");
        assert!(sandbox.asked_by_scfw().is_empty());
    }
    let many: Vec<Value> = (0..30).map(|number| locked(&sandbox, &format!("absent-{number}"))).collect();
    let said = verify(&sandbox, &many)
        .ended_with(69)
        .says("and 28 more is not known: 127.0.0.1 answered with status 404");
    assert_eq!(said.stderr.matches("could not be verified").count(), 1, "{}", said.stderr);
}

#[test]
fn what_has_no_age_is_not_asked_about() {
    let sandbox = Sandbox::new();
    sandbox.world.add_wheel(Wheel::new("vendored", "1.0").without_upload_time());
    fs::create_dir(sandbox.project("wheels")).unwrap();
    sandbox.bare("pip", &["download", "--dest", "wheels", "vendored"]).ended_with(0);
    let arguments = ["pip", "install", "--no-index", "--find-links", "wheels", "--target", "out", "vendored"];
    assert_eq!(sandbox.hook(&arguments).ended_with(0).stderr, "");
    sandbox.write("own/pyproject.toml", "");
    sandbox.write("own/package.json", json!({"name": "own", "version": "1.0.0"}).to_string());
    sandbox.hook(&["npm", "install", "./own"]).ended_with(0);
    assert!(sandbox.asked_by_scfw().is_empty(), "{:?}", sandbox.asked_by_scfw());
}

#[test]
fn an_index_of_html_alone_tells_no_times() {
    let sandbox = Sandbox::new();
    sandbox.world.index_is_html_only(true);
    sandbox.world.add_wheel(Wheel::new("top", "1.0"));
    sandbox
        .hook(&["pip", "install", "--target", "out", "top"])
        .ended_with(69)
        .says("its age is not known: 127.0.0.1 does not say when packages were published");
    assert!(sandbox.list("out").is_empty());
}

#[test]
fn a_file_that_is_added_to_an_old_version_is_young() {
    let sandbox = Sandbox::new();
    sandbox.world.add_sdist(Sdist::new("top", "1.0"));
    sandbox.hook(&["pip", "install", "--target", "one", "top"]).ended_with(0);
    sandbox.world.add_wheel(Wheel::new("top", "1.0").uploaded(hours_ago(2)));
    sandbox
        .hook(&["pip", "install", "--no-cache-dir", "--target", "two", "top"])
        .ended_with(77)
        .says("Package top-1.0 was published 2 hours ago")
        .says("; no version of it is yet");
}

#[test]
fn what_a_lockfile_says_of_an_upload_does_not_count() {
    let sandbox = Sandbox::new();
    sandbox.world.add_wheel(Wheel::new("top", "1.0").uploaded(hours_ago(2)));
    sandbox.bare("pip", &["lock", "-o", "pylock.toml", "top"]).ended_with(0);
    let lock = fs::read_to_string(sandbox.project("pylock.toml")).unwrap();
    let lie = lock.replace("\nurl = ", "\nupload-time = 2020-01-01T00:00:00Z\nurl = ");
    assert_ne!(lie, lock);
    sandbox.write("pylock.toml", lie);
    sandbox
        .hook(&["pip", "install", "--target", "out", "-r", "pylock.toml"])
        .ended_with(77)
        .says("Package top-1.0 was published 2 hours ago");
}

#[test]
fn a_private_package_is_asked_of_nobody() {
    let sandbox = Sandbox::new();
    configure(&sandbox, "private = [\"@corp/*\"]\n");
    sandbox.world.add_npm(NpmPackage::new("@corp/secret", "1.0.0").published(hours_ago(1)));
    verify(&sandbox, &[locked(&sandbox, "@corp/secret")]).ended_with(0);
    assert!(sandbox.asked_by_scfw().is_empty());
    // What npm has read by itself counts.
    let mut known = locked(&sandbox, "@corp/secret");
    known["published"] = hours_ago(1).into();
    verify(&sandbox, &[known])
        .ended_with(77)
        .says("was published 60 minutes ago")
        .does_not_say("newest version");
    configure(&sandbox, "private = [\"@corp/*\"]\nunknown_age = \"block\"\n");
    verify(&sandbox, &[locked(&sandbox, "@corp/other")])
        .ended_with(77)
        .says("it is private, so nobody was asked");
    assert!(sandbox.asked_by_scfw().is_empty());
}

#[test]
fn offline_counts_what_is_remembered() {
    let mut sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("known", "1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("young", "1.0.0").published(hours_ago(2)));
    verify(&sandbox, &[locked(&sandbox, "known")]).ended_with(0);
    verify(&sandbox, &[locked(&sandbox, "young")]).ended_with(77);
    sandbox.set("SCFW_OFFLINE", "1");
    sandbox.set("SCFW_ON_WARNING", "ALLOW");
    sandbox.world.forget_requests();
    let targets = ["known", "young", "unheard-of"].map(|name| locked(&sandbox, name));
    let offline = verify(&sandbox, &targets).ended_with(0);
    offline
        .says("Package young@1.0.0 was published 2 hours ago")
        .says("Installation target unheard-of@1.0.0:\n  - could not be verified: its age is not known: scfw is set to work offline")
        .does_not_say("known@1.0.0:\n  - could not be verified: its age is not known: 127");
    assert!(sandbox.world.requests().is_empty());
}

#[test]
fn check_says_what_is_remembered_and_asks_nobody() {
    let sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("young", "1.0.0").published(hours_ago(2)));
    sandbox.world.add_wheel(Wheel::new("young", "1.0").uploaded(hours_ago(3)));
    let check = || sandbox.scfw(&["check", "npm:young@1.0.0", "pypi:Young@1.0", "npm:young"]);
    assert_eq!(check().ended_with(0).stdout, "No findings.\n");
    verify(&sandbox, &[locked(&sandbox, "young")]).ended_with(77);
    sandbox.hook(&["pip", "install", "--target", "out", "young"]).ended_with(77);
    sandbox.world.forget_requests();
    let known = check().ended_with(1).stdout;
    assert!(known.contains("Package young@1.0.0 was published 2 hours ago"), "{known}");
    assert!(known.contains("Package Young-1.0 was published 3 hours ago"), "{known}");
    assert!(sandbox.asked_by_scfw().is_empty());
}

#[test]
fn a_registry_that_does_not_answer_as_it_should_is_an_unknown_age() {
    let mut sandbox = Sandbox::new();
    sandbox.set("SCFW_DEADLINE", "2");
    let names: Vec<String> = (0..40).map(|number| format!("package-{number}")).collect();
    for name in &names {
        sandbox.world.add_npm(NpmPackage::new(name, "1.0.0"));
    }
    let targets: Vec<Value> = names.iter().map(|name| locked(&sandbox, name)).collect();
    for (failure, reason) in [
        (Failure::Status(500), "127.0.0.1 answered with status 500"),
        (Failure::Status(401), "127.0.0.1 answered with status 401"),
        (Failure::Truncated, "127.0.0.1 could not be reached"),
        (Failure::Garbage, "the answer of 127.0.0.1 could not be read"),
        (Failure::Close, "127.0.0.1 could not be reached"),
        (Failure::Hang, "127.0.0.1 did not answer in time"),
        (Failure::Redirect("http://127.0.0.1:1/".to_owned()), "127.0.0.1 could not be reached"),
    ] {
        sandbox.world.fail(Service::Registry, Some(failure.clone()));
        let finished = verify(&sandbox, &targets).ended_with(69);
        assert!(
            finished.stderr.contains(&format!("38 more is not known: {reason}")),
            "{failure:?}: {}",
            finished.stderr
        );
    }
    sandbox.world.fail(Service::Registry, None);
    verify(&sandbox, &targets).ended_with(0);
}

#[test]
fn an_endless_answer_is_not_read_to_its_end() {
    let sandbox = Sandbox::new();
    sandbox.world.fail(Service::Registry, Some(Failure::Gigabyte));
    verify(&sandbox, &[locked(&sandbox, "a")]).ended_with(69).says("the answer of 127.0.0.1 is too large");
}

#[test]
fn times_and_versions_from_outside_are_not_believed_blindly() {
    let mut sandbox = Sandbox::new();
    sandbox.set("SCFW_ON_WARNING", "ALLOW");
    // Nothing of what a registry calls a version reaches the terminal or the clipboard unless it is one.
    sandbox.world.add_npm(NpmPackage::new("odd", "9.0.0; rm -rf /\u{1b}[2J"));
    sandbox.world.add_npm(NpmPackage::new("odd", "9.0.0-$(id)"));
    sandbox.world.add_npm(NpmPackage::new("odd", "0.9.0"));
    sandbox.world.add_npm(NpmPackage::new("odd", "1.0.0").published(hours_ago(1)));
    let odd = verify(&sandbox, &[locked(&sandbox, "odd")]).ended_with(0);
    odd.says("; 0.9.0 is the newest version that already is: npm install odd@0.9.0").does_not_say("rm -rf");
    // The clock of one side is wrong: that is said, and not remembered.
    sandbox.world.add_npm(NpmPackage::new("future", "1.0.0").published("2999-01-01T00:00:00Z"));
    for _run in 0..2 {
        verify(&sandbox, &[locked(&sandbox, "future")])
            .ended_with(0)
            .says("is said to have been published on 2999-01-01 00:00 UTC, which is in the future");
    }
    sandbox.world.add_npm(NpmPackage::new("future", "1.0.0"));
    assert_eq!(verify(&sandbox, &[locked(&sandbox, "future")]).ended_with(0).stderr, "");
}

#[test]
fn every_registry_is_asked_about_its_own() {
    let sandbox = Sandbox::new();
    let other = scfw_world::World::start().unwrap();
    other.add_npm(NpmPackage::new("@corp/a", "1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("public", "1.0.0").dependency("@corp/a", "1.0.0"));
    // Younger in the registry that it does not come from.
    sandbox.world.add_npm(NpmPackage::new("@corp/a", "1.0.0").published(hours_ago(1)));
    let npmrc =
        format!("registry={}\n@corp:registry={}\n", sandbox.world.registry_url(), other.registry_url());
    sandbox.write(".npmrc", npmrc);
    sandbox.bare("npm", &["install", "public"]).ended_with(0);
    fs::remove_dir_all(sandbox.project("node_modules")).unwrap();
    sandbox.world.forget_requests();
    sandbox.hook(&["npm", "ci"]).ended_with(0).does_not_say("@corp");
    assert_eq!(sandbox.asked_by_scfw(), ["/npm/public"]);
    assert!(other.requests().iter().any(|request| request.mentions("@corp/a")));
}

#[test]
fn a_young_package_that_is_malicious_blocks_as_that() {
    let sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").published(hours_ago(1)));
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    verify(&sandbox, &[locked(&sandbox, "evil")])
        .ended_with(77)
        .says("package evil is malicious")
        .says("Package evil@1.0.0 was published");
}
