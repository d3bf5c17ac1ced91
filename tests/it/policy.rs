//! Every way to loosen what an administrator has laid down: by flag, by variable and by file.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use scfw_core::package::Ecosystem;
use scfw_world::{Failure, NpmPackage, Service, Wheel};
use serde_json::json;

use crate::support::{Finished, Sandbox};

/// Writes the user's own config.toml.
fn configure(sandbox: &Sandbox, content: &str) {
    fs::write(sandbox.path("scfw/config.toml"), content).unwrap();
}

/// A world under `policy`: npm packages `leaky` with a vulnerability of medium severity, `evil`, which is malicious,
/// and `good`.
fn under(policy: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.administer("policy.toml", policy);
    for name in ["leaky", "evil", "good"] {
        sandbox.world.add_npm(NpmPackage::new(name, "1.0.0").canary(sandbox.canary(name)));
    }
    sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
    sandbox.world.add_advisory(json!({
        "id": "GHSA-leak", "database_specific": {"severity": "MEDIUM"},
        "affected": [{"package": {"ecosystem": "npm", "name": "leaky"}, "versions": ["1.0.0"]}]
    }));
    sandbox
}

/// Ends with `status`, says why nothing could be loosened, and nothing was installed.
#[track_caller]
fn is_not_loosened(sandbox: &Sandbox, finished: Finished, status: i32, why: &str) {
    finished.ended_with(status).says("scfw: policy: ").says(why).says("(/etc/scfw/policy.toml)");
    assert!(!sandbox.has_sung() && sandbox.list("node_modules").is_empty());
}

const INSTALL: [&str; 3] = ["npm", "install", "leaky"];

#[test]
fn warnings_cannot_be_allowed_by_flag_variable_or_file() {
    for policy in ["on_warning = \"block\"\n", "on_warning = \"ask\"\n"] {
        let why = "warnings cannot be allowed beforehand";
        let mut sandbox = under(policy);
        let unmoved = sandbox.hook(&INSTALL).ended_with(77);
        unmoved.does_not_say("policy");
        let flag = sandbox.scfw(&[&["run", "--allow-on-warning"], &INSTALL[..]].concat());
        is_not_loosened(&sandbox, flag, 77, why);
        configure(&sandbox, "on_warning = \"allow\"\n");
        is_not_loosened(&sandbox, sandbox.hook(&INSTALL), 77, why);
        configure(&sandbox, "");
        sandbox.set("SCFW_ON_WARNING", "ALLOW");
        is_not_loosened(&sandbox, sandbox.hook(&INSTALL), 77, why);
        sandbox.administer("config.toml", "on_warning = \"allow\"\n");
        is_not_loosened(&sandbox, sandbox.hook(&INSTALL), 77, why);
    }
}

#[test]
fn a_policy_that_asks_lets_a_person_decide_and_one_that_blocks_does_not() {
    let sandbox = under("on_warning = \"block\"\n");
    let (status, shown) = sandbox.on_terminal(&INSTALL, "[y/N]", Some("y\n"));
    assert_eq!(status, 77, "{shown}");
    assert!(!shown.contains("[y/N]") && !sandbox.has_sung(), "{shown}");
    let mut sandbox = under("on_warning = \"ask\"\n");
    sandbox.set("SCFW_ON_WARNING", "ALLOW");
    let (status, shown) = sandbox.on_terminal(&INSTALL, "[y/N]", Some("y\n"));
    assert_eq!(status, 0, "{shown}");
    sandbox.set("SCFW_ON_WARNING", "BLOCK");
    let (status, shown) = sandbox.on_terminal(&["npm", "install", "-g", "leaky"], "[y/N]", Some("y\n"));
    assert_eq!(status, 77, "what is stricter than the policy counts: {shown}");
}

#[test]
fn the_minimum_severity_cannot_be_raised_above_the_policys() {
    let mut sandbox = under("minimum_severity = \"medium\"\n");
    let check = |sandbox: &Sandbox| sandbox.scfw(&["check", "npm:leaky@1.0.0"]);
    check(&sandbox).ended_with(1).does_not_say("policy");
    configure(&sandbox, "minimum_severity = \"low\"\n");
    check(&sandbox).ended_with(1).does_not_say("policy");
    configure(&sandbox, "minimum_severity = \"high\"\n");
    let why = "minimum_severity cannot be above \"medium\"";
    is_not_loosened(&sandbox, check(&sandbox), 1, why);
    is_not_loosened(&sandbox, sandbox.hook(&INSTALL), 77, why);
    configure(&sandbox, "");
    sandbox.administer("config.toml", "minimum_severity = \"critical\"\n");
    is_not_loosened(&sandbox, check(&sandbox), 1, why);
}

#[test]
fn the_age_can_only_be_longer_than_the_policys() {
    let mut sandbox =
        under("minimum_age = 48\nunknown_age = \"warn\"\nminimum_age_exceptions = {\"npm:@corp/*\" = 0}\n");
    let check = |sandbox: &Sandbox| sandbox.scfw(&["check", "npm:evil@1.0.0"]);
    configure(
        &sandbox,
        "minimum_age = 72\nminimum_age_exceptions = {\"npm:@corp/*\" = 1}\nunknown_age = \"block\"\n",
    );
    check(&sandbox).ended_with(77).does_not_say("policy");
    configure(&sandbox, "minimum_age = 1\n");
    is_not_loosened(&sandbox, check(&sandbox), 77, "minimum_age cannot be below 48 hours");
    configure(&sandbox, "minimum_age_exceptions = {\"npm:*\" = 0}\n");
    is_not_loosened(&sandbox, check(&sandbox), 77, "the exception of \"npm:*\" from minimum_age");
    configure(&sandbox, "unknown_age = \"allow\"\n");
    is_not_loosened(&sandbox, check(&sandbox), 77, "an unknown age cannot be allowed");
    configure(&sandbox, "");
    sandbox.set("SCFW_PACKAGE_MINIMUM_AGE", "0");
    is_not_loosened(&sandbox, check(&sandbox), 77, "minimum_age cannot be below 48 hours");
}

#[test]
fn a_bypass_is_refused_said_and_logged() {
    let mut sandbox = under("allow_bypass = false\n");
    sandbox.hook(&["npm", "install", "good"]).ended_with(0).does_not_say("policy");
    fs::remove_dir_all(sandbox.project("node_modules")).unwrap();
    fs::remove_file(sandbox.canary("good")).unwrap();
    sandbox.set("SCFW_BYPASS", "1");
    sandbox.world.forget_requests();
    for command in [&["npm", "install", "good"][..], &["npm", "install", "evil"], &["pip", "install", "good"]]
    {
        is_not_loosened(&sandbox, sandbox.hook(command), 77, "SCFW_BYPASS is not allowed");
    }
    assert!(sandbox.world.requests().is_empty());
    let log = sandbox.log();
    let refusal = &log[1];
    assert_eq!((&refusal["action"], &refusal["verified"]), (&json!("BLOCK"), &json!(false)));
    assert_eq!(refusal["event"], "policy");
    assert!(refusal["policy"].as_str().unwrap().contains("SCFW_BYPASS"));
    assert_eq!(log.len(), 4);
    sandbox.administer("policy.toml", "allow_bypass = true\n");
    sandbox.hook(&["npm", "install", "good"]).ended_with(0).says("this installation is not verified");
}

#[test]
fn a_manager_without_a_gate_cannot_be_allowed() {
    let mut sandbox = under("allow_unsupported = false\n");
    let old = sandbox.write("old/npm/bin/npm-cli.js", "#!/usr/bin/env node\nconsole.log('installed')\n");
    sandbox.write("old/npm/package.json", json!({"name": "npm", "version": "6.14.18"}).to_string());
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(sandbox.project("bin")).unwrap();
    std::os::unix::fs::symlink(&old, sandbox.project("bin/npm")).unwrap();
    let mut path = sandbox.project("bin").into_os_string();
    path.push(":");
    path.push(sandbox.variable("PATH"));
    sandbox.set("PATH", path);
    let why = "managers without a gate cannot be allowed";
    let command = ["run", "--allow-unsupported", "npm", "install", "good"];
    let flag = sandbox.scfw(&command);
    assert!(!flag.stdout.contains("installed"));
    is_not_loosened(&sandbox, flag, 69, why);
    sandbox.set("SCFW_ALLOW_UNSUPPORTED", "1");
    let variable = sandbox.hook(&["npm", "install", "good"]);
    assert!(!variable.stdout.contains("installed"));
    is_not_loosened(&sandbox, variable, 69, why);
    sandbox.administer("policy.toml", "");
    sandbox.hook(&["npm", "install", "good"]).ended_with(0).does_not_say("policy");
}

/// A world in which `key` is locked to what `system` says, with a list of advisories to ignore that somebody could name.
fn locked(key: &str, system: &str) -> Sandbox {
    let mut sandbox = under(&format!("locked = [\"{key}\"]\n"));
    sandbox.administer("config.toml", system);
    fs::write(sandbox.path("scfw/ignored.txt"), "GHSA-leak").unwrap();
    sandbox
}

/// A variable with its value.
type Variable = Option<(&'static str, &'static str)>;

/// Each locked key with what the system's file says, the user's file and the user's variable.
const LOCKED: [(&str, &str, &str, Variable); 12] = [
    ("on_warning", "", "on_warning = \"allow\"", Some(("SCFW_ON_WARNING", "ALLOW"))),
    ("minimum_severity", "", "minimum_severity = \"critical\"", None),
    ("minimum_age", "minimum_age = 3", "minimum_age = 0", Some(("SCFW_PACKAGE_MINIMUM_AGE", "0"))),
    ("minimum_age_exceptions", "", "minimum_age_exceptions = {\"*\" = 0}", None),
    ("unknown_age", "unknown_age = \"block\"", "unknown_age = \"allow\"", None),
    ("private", "private = [\"npm:@corp/*\"]", "private = [\"*\"]", None),
    ("deadline", "", "deadline = 0.000001", Some(("SCFW_DEADLINE", "0.000001"))),
    ("offline", "offline = false", "offline = true", Some(("SCFW_OFFLINE", "1"))),
    (
        "osv_ignore",
        "",
        "osv_ignore = \"ignored.txt\"",
        Some(("SCFW_OSV_VERIFIER_IGNORE", "../scfw/ignored.txt")),
    ),
    ("managers", "", "managers = [\"pip\"]", None),
    ("environment", "environment = \"fleet\"", "environment = \"mine\"", Some(("DD_ENV", "mine"))),
    (
        "datadog",
        "[datadog]\nagent_port = 10365",
        "[datadog]\nagent_port = 1",
        Some(("SCFW_DD_AGENT_LOG_PORT", "1")),
    ),
];

/// What scfw has to say about `leaky`, in an installation where only that shows what `key` does.
fn findings(sandbox: &Sandbox, key: &str) -> (bool, Finished) {
    let finished = if matches!(key, "on_warning" | "managers") {
        sandbox.hook(&INSTALL)
    } else {
        sandbox.scfw(&["check", "npm:leaky@1.0.0"])
    };
    let is_known = format!("{}{}", finished.stdout, finished.stderr).contains("GHSA-leak Medium: ");
    (is_known && !sandbox.has_sung(), finished)
}

#[test]
fn what_is_locked_is_what_the_system_says_whatever_file_and_variable_do() {
    for (key, system, file, variable) in LOCKED {
        let mut sandbox = locked(key, system);
        // The world's own; a locked key leaves it without effect, and that is said.
        sandbox.unset("SCFW_DD_INTAKE_URL");
        // What is found shows that the setting has not changed: neither asked less, nor left out, nor let pass.
        let unchanged = |sandbox: &Sandbox| {
            let (is_unchanged, finished) = findings(sandbox, key);
            assert!(is_unchanged, "{key}: {finished:?}");
            finished
        };
        unchanged(&sandbox).does_not_say("policy");
        configure(&sandbox, file);
        let path = sandbox.path("scfw/config.toml");
        unchanged(&sandbox).says(&format!("scfw: policy: {key} in {} is locked", path.display()));
        configure(&sandbox, system);
        if !system.is_empty() {
            // The same as the system's is not worth a word.
            unchanged(&sandbox).does_not_say("policy");
        }
        if let Some((name, value)) = variable {
            sandbox.set(name, value);
            unchanged(&sandbox).says(&format!("scfw: policy: {key} is locked, and {name} without effect"));
        }
        sandbox.administer("policy.toml", "");
        if !matches!(
            key,
            "minimum_age" | "minimum_age_exceptions" | "unknown_age" | "environment" | "datadog"
        ) {
            // Without the lock it has the effect that was kept from it.
            configure(&sandbox, file);
            if key == "deadline" {
                // However short it is, a server so near may keep it.
                sandbox.world.fail(Service::Osv, Some(Failure::Hang));
            }
            let (is_unchanged, finished) = findings(&sandbox, key);
            assert!(!is_unchanged, "{key}: {finished:?}");
        }
    }
}

#[test]
fn feeds_are_asked_where_the_system_says() {
    for (key, variable) in
        [("osv_api_url", "SCFW_OSV_API_URL"), ("datadog_dataset_url", "SCFW_DD_DATASET_URL")]
    {
        let mut sandbox = under(&format!("locked = [\"{key}\"]\n"));
        let url = sandbox.variable(variable).into_string().unwrap();
        sandbox.administer("config.toml", format!("{key} = \"{url}\"\n"));
        if key == "osv_api_url" {
            // Known to this feed alone.
            sandbox.world.add_advisory(json!({"id": "MAL-0000-1000", "affected": [
                {"package": {"ecosystem": "npm", "name": "only"}, "versions": ["1.0.0"]}]}));
        } else {
            sandbox.world.list_in_datadog(Ecosystem::Npm, "only", Some("1.0.0"));
        }
        let elsewhere = sandbox.world.registry_url();
        sandbox.unset(variable);
        let check = |sandbox: &Sandbox| sandbox.scfw(&["check", "npm:only@1.0.0"]).ended_with(77);
        check(&sandbox).does_not_say("policy");
        configure(&sandbox, &format!("{key} = \"{elsewhere}\"\n"));
        check(&sandbox).says(&format!("policy: {key} in "));
        configure(&sandbox, "");
        sandbox.set(variable, &elsewhere);
        check(&sandbox).says(&format!("policy: {key} is locked, and {variable} without effect"));
        sandbox.administer("policy.toml", "");
        let other = sandbox.scfw(&["check", "npm:only@1.0.0"]);
        assert_ne!(other.status, 77, "without the lock it is asked elsewhere");
    }
}

#[test]
fn the_log_is_written_where_the_system_says() {
    let mut sandbox = under("locked = [\"log_file\", \"environment\"]\n");
    let log = sandbox.path("fleet.jsonl");
    sandbox.administer(
        "config.toml",
        format!("log_file = {:?}\nenvironment = \"fleet\"\n", log.to_str().unwrap()),
    );
    configure(&sandbox, "log_file = \"/dev/null\"\nenvironment = \"mine\"\n");
    sandbox.set("SCFW_LOG_FILE", "/dev/null");
    sandbox.set("DD_ENV", "mine");
    sandbox.hook(&["npm", "install", "good"]).ended_with(0).says("SCFW_LOG_FILE").says("DD_ENV");
    assert!(fs::read_to_string(log).unwrap().contains("\"env\":\"fleet\""));
}

#[test]
fn advisories_are_ignored_where_the_system_says() {
    let mut sandbox = under("locked = [\"osv_ignore\"]\n");
    let check = |sandbox: &Sandbox| sandbox.scfw(&["check", "npm:leaky@1.0.0"]);
    fs::write(sandbox.path("scfw/osv-ignore.txt"), "GHSA-leak").unwrap();
    check(&sandbox).ended_with(1);
    sandbox.administer("osv-ignore.txt", "GHSA-leak");
    check(&sandbox).ended_with(0);
}

#[test]
fn the_users_file_goes_before_the_systems_and_that_before_the_default() {
    let mut sandbox = under("");
    sandbox.administer("config.toml", "on_warning = \"allow\"\nminimum_severity = \"high\"\n");
    sandbox.scfw(&["check", "npm:leaky@1.0.0"]).ended_with(0);
    configure(&sandbox, "minimum_severity = \"low\"\n");
    sandbox.scfw(&["check", "npm:leaky@1.0.0"]).ended_with(1);
    sandbox.hook(&INSTALL).ended_with(0).says("GHSA-leak");
    let mut sandbox = under("");
    sandbox.administer("config.toml", "\nminimum_severty = \"high\"\n");
    let broken =
        sandbox.hook(&INSTALL).ended_with(78).says("/etc/scfw/config.toml is not valid: line 2, column 1");
    broken.says("did you mean `minimum_severity`?");
}

#[test]
fn without_a_verifier_that_is_required_nothing_is_installed() {
    let mut sandbox = under("required_verifiers = [\"osv\", \"Datadog\", \"judge\"]\n");
    let judge = "#!/bin/sh\ncat >/dev/null\necho '{\"findings\": []}'\n";
    let path = sandbox.administer("verifiers.d/judge", judge);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let good = ["npm", "install", "good"];
    sandbox.hook(&good).ended_with(0);
    fs::remove_dir_all(sandbox.project("node_modules")).unwrap();
    fs::remove_file(sandbox.canary("good")).unwrap();
    let refused = |sandbox: &Sandbox, name: &str| {
        let why = format!("nothing is installed without an answer of {name}");
        is_not_loosened(sandbox, sandbox.hook(&good), 69, &why);
        let flag = sandbox.scfw(&[&["run", "--allow-on-warning"], &good[..]].concat());
        is_not_loosened(sandbox, flag, 69, &why);
        let (status, shown) = sandbox.on_terminal(&good, "[y/N]", Some("y\n"));
        assert_eq!(status, 69, "{shown}");
        assert!(!shown.contains("[y/N]"), "{shown}");
    };
    sandbox.world.fail(scfw_world::Service::Osv, Some(scfw_world::Failure::Status(500)));
    refused(&sandbox, "OSV");
    sandbox.set("SCFW_OFFLINE", "1");
    refused(&sandbox, "OSV");
    sandbox.world.fail(scfw_world::Service::Osv, None);
    sandbox.unset("SCFW_OFFLINE");
    fs::write(&path, "#!/bin/sh\nexit 1\n").unwrap();
    refused(&sandbox, "judge");
    // One of the user's does not stand in for it.
    fs::remove_file(&path).unwrap();
    let own = sandbox.path("scfw/verifiers.d/judge");
    fs::create_dir(own.parent().unwrap()).unwrap();
    fs::write(&own, judge).unwrap();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o755)).unwrap();
    refused(&sandbox, "judge");
    // Malice is malice first.
    sandbox.hook(&["npm", "install", "evil"]).ended_with(77).says("malicious");
}

#[test]
fn a_policy_that_cannot_be_relied_on_stops_everything_and_is_never_passed_over() {
    for (content, mode, why) in [
        ("on_warning = \"block\"\n", 0o646, "can be written by others than root"),
        ("on_warning = \"block\"\n", 0o664, "can be written by others than root"),
        ("on_warning = \"allow\"\n", 0o644, "line 1, column 14"),
        ("\nalow_bypass = false\n", 0o644, "did you mean `allow_bypass`?"),
        ("locked = [\"osv_api_ulr\"]\n", 0o644, "did you mean `osv_api_url`?"),
        (
            "required_routes = [\"csh\"]\n",
            0o644,
            "the value of `required_routes` does not fit, expected one of `bash`",
        ),
        ("minimum_age = 1000000\n", 0o644, "more than ten years"),
        ("= what\n", 0o644, "line 1, column 1"),
        ("#\u{0}", 0o644, "line 1, column 2"),
    ] {
        let mut sandbox = under("");
        let path = sandbox.administer("policy.toml", content);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        sandbox.world.add_wheel(Wheel::new("good", "1.0"));
        sandbox.set("SCFW_BYPASS", "1");
        for command in [&["npm", "install", "good"][..], &["pip", "install", "--target", "out", "good"]] {
            sandbox.hook(command).ended_with(78).says("/etc/scfw/policy.toml").says(why);
        }
        sandbox.scfw(&["check", "npm:good"]).ended_with(78).says(why).does_not_say("panicked");
        assert!(!sandbox.has_sung() && sandbox.list("out").is_empty());
        assert!(sandbox.world.requests().is_empty());
        sandbox.hook(&["npm", "--version"]).ended_with(0).does_not_say("scfw");
    }
}

#[test]
fn a_policy_that_is_no_file_is_never_passed_over() {
    let mut sandbox = under("");
    let path = sandbox.administer("policy.toml", "");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    sandbox.hook(&["npm", "install", "good"]).ended_with(78).says("is no regular file");
    fs::remove_dir(&path).unwrap();
    // Nobody writes to this pipe: whoever waited for it would wait for ever.
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o644)).unwrap();
    sandbox.hook(&["npm", "install", "good"]).ended_with(78).says("is no regular file");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("policy.toml", &path).unwrap();
    sandbox.hook(&["npm", "install", "good"]).ended_with(78).says("could not be read");
    assert!(!sandbox.has_sung());
}

#[test]
fn no_variable_and_no_flag_leads_to_another_policy() {
    let mut sandbox = under("allow_bypass = false\n");
    let empty = sandbox.path("empty");
    fs::create_dir(&empty).unwrap();
    for name in
        ["SCFW_HOME", "HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "SCFW_POLICY", "SCFW_SYSTEM_DIRECTORY"]
    {
        sandbox.set(name, &empty);
    }
    sandbox.set("SCFW_BYPASS", "1");
    is_not_loosened(&sandbox, sandbox.hook(&["npm", "install", "good"]), 77, "SCFW_BYPASS is not allowed");
}
