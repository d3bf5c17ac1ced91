//! Recall: an update brings an advisory for something that was installed here, and the user is told, once.

use std::fs;
use std::process::Stdio;

use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, Sdist};
use serde_json::{Value, json};

use crate::support::{Finished, Sandbox, binary};

const TOLD: &str = "scfw: what was installed here has since been found to be malicious:\n";

/// A sandbox in which nothing but what a test says is known; the network is not asked.
fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("top", "1.0.0").dependency("turned", "*"));
    sandbox.world.add_npm(NpmPackage::new("turned", "1.2.0"));
    publish(&sandbox, &[]);
    sandbox.scfw(&["update", "--from", "mirror"]).ended_with(0);
    sandbox.set("SCFW_OFFLINE", "1");
    sandbox
}

/// Makes `advisories` what the mirror's export for npm has; an empty one would be refused, so it has a filler, too.
fn publish(sandbox: &Sandbox, advisories: &[Value]) {
    let script = "import json, sys, zipfile\n\
        with zipfile.ZipFile(sys.argv[1], 'w') as archive:\n    \
        for advisory in json.loads(sys.argv[2]):\n        \
        archive.writestr(advisory['id'] + '.json', json.dumps(advisory))\n";
    for (ecosystem, advisories) in [("npm", advisories), ("PyPI", &[])] {
        let archive = sandbox.write(format!("mirror/osv/{ecosystem}/all.zip"), "");
        let filler = json!({"id": "GHSA-filler", "modified": "2020-01-01T00:00:00Z",
            "affected": [{"package": {"ecosystem": ecosystem, "name": "filler"}, "versions": ["0.0.0"]}]});
        let advisories = json!([advisories, &[filler]].concat());
        let arguments = ["-c", script, archive.to_str().unwrap(), &advisories.to_string()];
        sandbox.finish(sandbox.command("python3", &arguments)).ended_with(0);
        let datadog = format!("mirror/datadog/samples/{}/manifest.json", ecosystem.to_lowercase());
        sandbox.write(datadog, r#"{"filler": ["0.0.0"]}"#);
    }
}

/// An advisory about the package `turned` in versions from `introduced` on.
fn advisory(id: &str, introduced: &str) -> Value {
    json!({"id": id, "modified": "2026-01-01T00:00:00Z", "summary": "Malicious code in turned (npm)\u{1b}[2J",
        "affected": [{"package": {"ecosystem": "npm", "name": "turned"},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": introduced}]}]}]})
}

fn update(sandbox: &Sandbox) -> Finished {
    sandbox.scfw(&["update", "--from", "mirror"]).ended_with(0)
}

fn install(sandbox: &Sandbox) {
    sandbox.hook(&["npm", "install", "top"]).ended_with(0).does_not_say(TOLD);
}

#[test]
fn an_update_tells_what_was_installed_when_where_and_by_which_command() {
    let sandbox = sandbox();
    install(&sandbox);
    publish(&sandbox, &[advisory("MAL-2026-1", "1.0.0"), advisory("GHSA-1", "0")]);
    sandbox.write("mirror/datadog/samples/npm/manifest.json", r#"{"turned": ["1.2.0"], "top": ["0.9.0"]}"#);
    let finished = update(&sandbox).says(TOLD).says("turned@1.2.0:\n");
    let finished = finished
        .says("  - MAL-2026-1: Malicious code in turned (npm)[2J\n")
        .says("      * https://osv.dev/vulnerability/MAL-2026-1\n")
        .says("  - datadog/npm: Datadog Security Research has determined that it is malicious\n")
        .says("with \"npm install top\" in ")
        .says(&format!(" in {}\n", sandbox.path("project").display()))
        .says("if it is still there (\"npm ls turned\" there tells)")
        .says("every password, token and key")
        .does_not_say("GHSA-1");
    assert!(!finished.stderr.contains("top@") && !finished.stderr.contains('\u{1b}'), "{}", finished.stderr);
    assert_eq!(finished.stderr.matches("it came on").count(), 1, "{}", finished.stderr);
    update(&sandbox).does_not_say(TOLD);
    sandbox.scfw(&["check", "npm:other"]).does_not_say(TOLD);
    let text = sandbox.scfw(&["history"]).ended_with(0).does_not_say(TOLD).stdout;
    assert!(text.contains("    since then: turned@1.2.0: MAL-2026-1: Malicious code in turned"), "{text}");
    let json = sandbox.scfw(&["history", "--format", "json"]).ended_with(0).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    let alerts = json[0]["alerts"].as_array().unwrap();
    assert_eq!(alerts.len(), 2, "{json}");
    assert_eq!((&alerts[0]["advisory"], &alerts[0]["name"]), (&json!("MAL-2026-1"), &json!("turned")));
    assert!(alerts[0]["told"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn what_a_silent_update_finds_the_next_command_tells_and_one_of_many() {
    let sandbox = sandbox();
    install(&sandbox);
    publish(&sandbox, &[advisory("MAL-2026-1", "1.0.0")]);
    let silent = |sandbox: &Sandbox| {
        let finished = sandbox.scfw(&["update", "--background", "--from", "mirror"]).ended_with(0);
        assert_eq!(finished.stderr, "");
    };
    silent(&sandbox);
    sandbox.hook(&["npm", "--version"]).ended_with(0).does_not_say(TOLD);
    sandbox.scfw(&["init", "bash"]).ended_with(0).does_not_say(TOLD);
    let commands = [&["history"][..], &["allow", "--list"], &["check", "npm:other"], &["status"]];
    let told: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = commands
            .iter()
            .cycle()
            .take(12)
            .map(|command| scope.spawn(|| sandbox.scfw(command).stderr.matches(TOLD).count()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(told, 1);
    // A further advisory about the same is told by the next install.
    publish(&sandbox, &[advisory("MAL-2026-1", "1.0.0"), advisory("MAL-2026-2", "0")]);
    silent(&sandbox);
    let document = json!({"protocol": 1, "manager": "npm", "version": "11.0.0", "phase": "install", "argv": [],
        "targets": [{"name": "good", "version": "1.0.0", "source": "registry", "published": "2020-01-01T00:00:00Z"}]});
    let verify = || {
        let finished = sandbox.hook_with_input(&["verify"], document.to_string().as_bytes());
        finished.ended_with(0)
    };
    let mut inner = sandbox.command(binary("scfw-hook"), &["verify"]);
    inner
        .env("SCFW_GATE_RUN", sandbox.path("scfw/runs/run-1-1"))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped());
    let mut inner = inner.spawn().unwrap();
    std::io::Write::write_all(&mut inner.stdin.take().unwrap(), document.to_string().as_bytes()).unwrap();
    let inner = String::from_utf8(inner.wait_with_output().unwrap().stderr).unwrap();
    assert!(!inner.contains(TOLD), "what a run within a run says may be seen by nobody");
    verify().says(TOLD).says("MAL-2026-2").does_not_say("MAL-2026-1");
    verify().does_not_say(TOLD);
}

#[test]
fn what_nobody_could_read_is_told_again() {
    let sandbox = sandbox();
    install(&sandbox);
    publish(&sandbox, &[advisory("MAL-2026-1", "1.0.0")]);
    let command = format!("{} update --from mirror 2> /dev/full", binary("scfw").display());
    sandbox.finish(sandbox.command("bash", &["-c", &command])).ended_with(0);
    sandbox.scfw(&["allow", "--list"]).ended_with(0).says(TOLD);
    sandbox.scfw(&["allow", "--list"]).ended_with(0).does_not_say(TOLD);
}

#[test]
fn what_was_not_installed_or_is_exempted_or_withdrawn_is_not_told() {
    let sandbox = sandbox();
    sandbox.scfw(&["run", "--dry-run", "npm", "install", "top"]).ended_with(0);
    let malicious = [advisory("MAL-2026-1", "1.0.0")];
    publish(&sandbox, &malicious);
    update(&sandbox).does_not_say(TOLD);
    sandbox.hook(&["npm", "install", "top"]).ended_with(77);
    update(&sandbox).does_not_say(TOLD);
    publish(&sandbox, &[advisory("MAL-2026-1", "1.3.0")]);
    update(&sandbox);
    install(&sandbox);
    update(&sandbox).does_not_say(TOLD);
    publish(&sandbox, &malicious);
    sandbox.scfw(&["update", "--background", "--from", "mirror"]).ended_with(0);
    // Withdrawn before anybody was told.
    let mut withdrawn = advisory("MAL-2026-1", "1.0.0");
    withdrawn["withdrawn"] = json!("2026-01-02T00:00:00Z");
    withdrawn["modified"] = json!("2026-01-02T00:00:00Z");
    publish(&sandbox, &[withdrawn]);
    update(&sandbox).does_not_say(TOLD);
    let exempt = ["allow", "npm:turned@1.2.0", "--malicious", "--reason", "it is ours"];
    let number = sandbox.scfw(&exempt).ended_with(0).stdout;
    publish(&sandbox, &malicious);
    update(&sandbox).does_not_say(TOLD);
    sandbox.scfw(&["allow", "--remove", number.split(' ').next().unwrap()]).ended_with(0);
    update(&sandbox).says(TOLD);
}

#[test]
fn what_was_known_and_exempted_at_the_time_is_no_news_but_what_came_later_is() {
    let sandbox = sandbox();
    publish(&sandbox, &[advisory("MAL-2026-1", "1.0.0")]);
    update(&sandbox).does_not_say(TOLD);
    let exempt = ["allow", "npm:turned@1.2.0", "--malicious", "--reason", "to look at it"];
    let number = sandbox.scfw(&exempt).ended_with(0).stdout;
    sandbox.hook(&["npm", "install", "top"]).ended_with(0).says("Exempted turned@1.2.0");
    sandbox.scfw(&["allow", "--remove", number.split(' ').next().unwrap()]).ended_with(0);
    update(&sandbox).does_not_say(TOLD);
    publish(&sandbox, &[advisory("MAL-2026-1", "1.0.0"), advisory("MAL-2026-2", "0")]);
    update(&sandbox).says(TOLD).says("MAL-2026-2").does_not_say("MAL-2026-1");
}

#[test]
fn what_only_a_feed_of_the_users_own_calls_malicious_is_told_and_builds_count() {
    let sandbox = sandbox();
    sandbox.world.add_sdist(Sdist::new("source", "1.0"));
    let installed = sandbox.hook(&["pip", "install", "--target", "out", "source"]).ended_with(0);
    assert_eq!(installed.stderr, "");
    let advisory = json!({"id": "OURS-1", "modified": "2026-01-01T00:00:00Z", "details": "It phones home\nand more",
        "affected": [{"package": {"ecosystem": Ecosystem::PyPi.osv_name(), "name": "Source"}, "versions": ["1.0.0"]}]});
    fs::create_dir_all(sandbox.path("scfw/ours")).unwrap();
    fs::write(sandbox.path("scfw/ours/OURS-1.json"), advisory.to_string()).unwrap();
    let feed = "[[feeds]]\nname = \"ours\"\npath = \"ours\"\n";
    fs::write(sandbox.path("scfw/config.toml"), feed).unwrap();
    update(&sandbox).does_not_say(TOLD);
    fs::write(sandbox.path("scfw/config.toml"), format!("{feed}malicious = true\n")).unwrap();
    let finished = update(&sandbox).says(TOLD).says("source-1.0:\n  - OURS-1: It phones home\n");
    let finished = finished.says("\"pip install --target out source\"").says("pip show source");
    assert_eq!(
        finished.stderr.matches("it came on").count(),
        1,
        "built and installed is one: {}",
        finished.stderr
    );
}
