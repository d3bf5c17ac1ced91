//! `scfw update`: what it fetches, what it refuses, and from where.

use std::fs;
use std::path::PathBuf;

use scfw_core::package::Ecosystem;
use scfw_world::{Failure, Service};
use serde_json::{Value, json};

use crate::support::Sandbox;
use crate::support::feeds_in_store::{advisory, feed_requests, how, paths, update_json, updated};

#[test]
fn the_summary_counts_what_there_is() {
    let sandbox = updated();
    let finished = sandbox.scfw(&["update"]).ended_with(0);
    assert_eq!(
        finished.stdout,
        "osv/PyPI: 1 advisories, the latest of 2020-01-01 (nothing new)\n\
         datadog/pypi: 1 malicious packages (nothing new)\n\
         osv/npm: 2 advisories, the latest of 2020-01-01 (nothing new)\n\
         datadog/npm: 1 malicious packages (nothing new)\n"
    );
    assert_eq!(finished.stderr, "");
}

#[test]
fn a_second_update_asks_whether_there_is_anything_new_and_no_more() {
    let sandbox = updated();
    assert_eq!(
        how(&update_json(&sandbox, &[], 0)),
        ["osv/PyPI unchanged", "datadog/pypi unchanged", "osv/npm unchanged", "datadog/npm unchanged"]
    );
    let requests = feed_requests(&sandbox);
    assert_eq!(requests.len(), 4);
    assert!(requests.iter().all(|request| request.header("if-none-match").is_some()));
}

#[test]
fn later_updates_fetch_only_what_has_changed() {
    let sandbox = updated();
    sandbox.world.add_advisory(advisory("MAL-0000-9", "new-evil"));
    sandbox.world.add_advisory(advisory("GHSA-leak", "other"));
    sandbox.world.remove_advisory("MAL-0000-1");
    let json = update_json(&sandbox, &[], 0);
    let npm = json["feeds"].as_array().unwrap().iter().find(|feed| feed["feed"] == "osv/npm").unwrap();
    assert_eq!((&npm["how"], &npm["changed"], &npm["gone"]), (&json!("changed"), &json!(2), &json!(1)));
    let paths = paths(&sandbox);
    assert!(paths.contains(&"GET /osv/npm/MAL-0000-9.json".to_owned()), "{paths:?}");
    assert!(!paths.iter().any(|path| path.contains("all.zip")), "{paths:?}");
    sandbox.scfw(&["check", "npm:new-evil"]).ended_with(77);
    sandbox.scfw(&["check", "npm:other"]).ended_with(1);
    sandbox.scfw(&["check", "npm:@scope/leaky@1.1.0"]).ended_with(0);
}

#[test]
fn the_zip_is_taken_where_it_is_cheaper() {
    let sandbox = updated();
    for number in 0..40 {
        sandbox.world.add_advisory(advisory(&format!("GHSA-{number}"), "leaky"));
    }
    assert!(how(&update_json(&sandbox, &[], 0)).contains(&"osv/npm whole".to_owned()));
    let paths = paths(&sandbox);
    assert!(!paths.iter().any(|path| path.contains("GHSA-")), "{paths:?}");
    let finished = sandbox.scfw(&["check", "--format", "json", "npm:leaky"]).ended_with(1);
    assert_eq!(finished.stdout.matches("\"advisory\": \"GHSA-").count(), 40);
}

#[test]
fn withdrawn_advisories_leave() {
    let sandbox = updated();
    sandbox.scfw(&["check", "npm:@scope/leaky@1.1.0"]).ended_with(1);
    let mut withdrawn = advisory("GHSA-leak", "@scope/leaky");
    withdrawn["withdrawn"] = json!("2024-01-01T00:00:00Z");
    sandbox.world.add_advisory(withdrawn);
    sandbox.scfw(&["update"]).ended_with(0);
    sandbox.scfw(&["check", "npm:@scope/leaky@1.1.0"]).ended_with(0);
    sandbox.world.forget_requests();
    assert!(how(&update_json(&sandbox, &[], 0)).contains(&"osv/npm unchanged".to_owned()), "and stay known");
}

#[test]
fn one_feed_that_fails_stays_as_it_was_and_the_others_come() {
    let sandbox = updated();
    sandbox.world.malicious(Ecosystem::Npm, "newly-evil", None);
    for failure in
        [Failure::Status(500), Failure::Garbage, Failure::Truncated, Failure::Close, Failure::Status(404)]
    {
        sandbox.world.fail(Service::Datadog, Some(failure.clone()));
        let finished =
            sandbox.scfw(&["update"]).ended_with(1).says("datadog/npm could not be brought up to date");
        assert!(finished.stdout.contains("osv/npm: 3 advisories"), "{failure:?}: {}", finished.stdout);
    }
    let finished = sandbox.scfw(&["check", "npm:newly-evil", "npm:evil"]).ended_with(77);
    assert_eq!(finished.stdout.matches("Datadog Security").count(), 1, "{}", finished.stdout);
}

#[test]
fn a_bulk_export_that_is_not_one_changes_nothing() {
    let sandbox = updated();
    for failure in [Failure::Garbage, Failure::Status(503), Failure::Truncated, Failure::Gigabyte] {
        sandbox.world.fail(Service::Bulk, Some(failure.clone()));
        sandbox.world.add_advisory(advisory("MAL-0000-5", "new"));
        sandbox.scfw(&["update"]).ended_with(1).says("stays as it was");
        sandbox.world.fail(Service::Osv, Some(Failure::Close));
        sandbox.scfw(&["check", "npm:evil"]).ended_with(77);
        sandbox.scfw(&["check", "npm:good"]).ended_with(0);
    }
}

#[test]
fn a_download_that_broke_is_gone_on_with() {
    let sandbox = Sandbox::new();
    let records: Vec<Value> =
        (0..200).map(|number| advisory(&format!("MAL-{number}"), &format!("evil-{number}"))).collect();
    sandbox.world.serve_feed("ours", &records);
    let url = format!("{}/feeds/ours.zip", sandbox.world.mirror_url());
    fs::write(sandbox.path("scfw/config.toml"), format!("[[feeds]]\nname = \"ours\"\nurl = \"{url}\"\n"))
        .unwrap();
    sandbox.world.fail(Service::Bulk, Some(Failure::Truncated));
    sandbox.scfw(&["update"]).ended_with(1).says("extra/ours could not be brought up to date");
    let ranges = |sandbox: &Sandbox| -> Vec<Option<String>> {
        let requests =
            feed_requests(sandbox).into_iter().filter(|request| request.path.ends_with("ours.zip"));
        requests.map(|request| request.header("range").map(str::to_owned)).collect()
    };
    let first = ranges(&sandbox);
    assert!(first[0].is_none() && first.len() > 1 && first[1..].iter().all(Option::is_some), "{first:?}");
    sandbox.world.fail(Service::Bulk, None);
    sandbox.scfw(&["update"]).ended_with(0);
    let second = ranges(&sandbox);
    assert!(
        second.len() == 1 && second[0] > first[1],
        "where the last one stopped: {second:?} after {first:?}"
    );
    sandbox.scfw(&["check", "npm:evil-7"]).ended_with(77);
    // Another state of the feed is not the rest of this one.
    sandbox.world.serve_feed("ours", &records[..100]);
    sandbox.world.fail(Service::Bulk, Some(Failure::Truncated));
    sandbox.scfw(&["update"]).ended_with(1);
    sandbox.world.serve_feed("ours", &records[..150]);
    sandbox.world.fail(Service::Bulk, None);
    sandbox.scfw(&["update"]).ended_with(0);
    sandbox.scfw(&["check", "npm:evil-149"]).ended_with(77);
    sandbox.scfw(&["check", "npm:evil-150"]).ended_with(0);
    assert_eq!(
        fs::read_dir(sandbox.path("scfw/downloads")).unwrap().count(),
        0,
        "nothing is left of a download"
    );
}

#[test]
fn an_export_that_lost_most_of_its_advisories_is_refused_unless_forced() {
    let sandbox = Sandbox::new();
    let all: Vec<String> = (0..1200).map(|number| format!("MAL-0000-{number}")).collect();
    for id in &all {
        sandbox.world.add_advisory(advisory(id, id));
    }
    sandbox.scfw(&["update"]).ended_with(0);
    for id in &all[1..] {
        sandbox.world.remove_advisory(id);
    }
    sandbox.scfw(&["update"]).ended_with(1).says("has 1 entries where the store holds 1200").says("--force");
    sandbox.scfw(&["check", "npm:MAL-0000-7"]).ended_with(77);
    sandbox.scfw(&["update", "--force"]).ended_with(0);
    sandbox.scfw(&["check", "npm:MAL-0000-7"]).ended_with(0);
}

/// Writes a mirror of npm's part, with `index` (lines of time and id) where there is one.
fn mirror_npm(sandbox: &Sandbox, advisories: &[Value], manifest: &str, index: Option<&str>) -> String {
    let script = "import json, sys, zipfile\n\
        with zipfile.ZipFile(sys.argv[1], 'w') as archive:\n    \
        for advisory in json.loads(sys.argv[2]):\n        \
        archive.writestr(advisory['id'] + '.json', json.dumps(advisory))\n";
    let archive = sandbox.write("own/osv/npm/all.zip", "");
    let arguments = ["-c", script, archive.to_str().unwrap(), &json!(advisories).to_string()];
    sandbox.finish(sandbox.command("python3", &arguments)).ended_with(0);
    sandbox.write("own/datadog/samples/npm/manifest.json", manifest);
    let csv = sandbox.project("own/osv/npm/modified_id.csv");
    match index {
        Some(index) => fs::write(csv, index).unwrap(),
        None => drop(fs::remove_file(csv)),
    }
    sandbox.project("own").to_str().unwrap().to_owned()
}

fn dated(id: &str, name: &str, modified: &str) -> Value {
    let mut advisory = advisory(id, name);
    advisory["modified"] = json!(modified);
    advisory
}

#[test]
fn an_export_of_nothing_is_refused_unless_forced() {
    let mut sandbox = Sandbox::new();
    let mut of_another = advisory("MAL-0000-1", "elsewhere");
    of_another["affected"][0]["package"]["ecosystem"] = json!("PyPI");
    for advisories in [vec![], vec![of_another]] {
        let from = mirror_npm(&sandbox, &advisories, "{}", None);
        let finished = sandbox.scfw(&["update", "--from", &from]).ended_with(1);
        finished.says("osv/npm/all.zip is empty; ").says("manifest.json is empty; ").says("--force");
    }
    sandbox.set("SCFW_OFFLINE", "1");
    sandbox.scfw(&["check", "npm:good"]).ended_with(1);
    let from = mirror_npm(&sandbox, &[], "{}", None);
    sandbox.scfw(&["update", "--force", "--from", &from]).ended_with(0);
    sandbox.scfw(&["check", "npm:good"]).ended_with(0);
    let sandbox = updated();
    let from = mirror_npm(&sandbox, &[], "{}", Some(""));
    sandbox.scfw(&["update", "--from", &from]).ended_with(1).says("osv/npm could not be brought up to date");
    sandbox.scfw(&["check", "npm:evil"]).ended_with(77);
}

#[test]
fn a_zip_that_lacks_what_its_index_lists_is_refused_unless_forced() {
    let sandbox = Sandbox::new();
    let id = |number: usize| format!("MAL-0000-{number}");
    let all: Vec<Value> =
        (0..200).map(|number| dated(&id(number), &id(number), "2024-01-01T00:00:00Z")).collect();
    let lines: Vec<String> =
        (0..200).map(|number| format!("2024-01-01T00:00:00Z,{}\n", id(number))).collect();
    let index = lines.concat();
    let manifest = r#"{"evil": null}"#;
    let from = mirror_npm(&sandbox, &all[..100], manifest, Some(&index));
    let finished = sandbox.scfw(&["update", "--from", &from]).ended_with(1);
    finished.says("lacks 100 of the 200 documents that modified_id.csv lists").says("--force");
    let from = mirror_npm(&sandbox, &all[..190], manifest, Some(&index));
    sandbox.scfw(&["update", "--from", &from]).ended_with(0);
    let from = mirror_npm(&sandbox, &all, manifest, Some(&index));
    sandbox.scfw(&["update", "--from", &from]).ended_with(0);
    sandbox.scfw(&["check", "npm:MAL-0000-199"]).ended_with(77);
}

#[test]
fn a_state_that_is_older_than_the_stores_is_refused_unless_forced() {
    let sandbox = Sandbox::new();
    let old = [dated("MAL-0000-1", "evil", "2024-01-01T00:00:00Z")];
    let new = [&old[..], &[dated("MAL-0000-2", "worse", "2024-03-01T00:00:00Z")]].concat();
    let manifest = r#"{"evil": null}"#;
    let new_index = "2024-03-01T00:00:00Z,MAL-0000-2\n2024-01-01T00:00:00Z,MAL-0000-1\n";
    for (new_index, old_index) in [(None, None), (Some(new_index), Some("2024-01-01T00:00:00Z,MAL-0000-1\n"))]
    {
        let from = mirror_npm(&sandbox, &new, manifest, new_index);
        sandbox.scfw(&["update", "--from", &from]).ended_with(0);
        let from = mirror_npm(&sandbox, &old, manifest, old_index);
        let finished = sandbox.scfw(&["update", "--from", &from]).ended_with(1);
        finished.says("is of 2024-01-01T00:00:00Z and older than what the store has").says("--force");
        sandbox.scfw(&["check", "npm:worse"]).ended_with(77);
        sandbox.scfw(&["update", "--force", "--from", &from]).ended_with(0);
    }
    // A time that is still to come does not have everything look old that follows.
    let wrong = [&old[..], &[dated("MAL-0000-2", "worse", "2999-01-01T00:00:00Z")]].concat();
    let from = mirror_npm(&sandbox, &wrong, manifest, None);
    sandbox.scfw(&["update", "--from", &from]).ended_with(0);
    let now = jiff::Timestamp::now().to_string();
    let from = mirror_npm(&sandbox, &[dated("MAL-0000-3", "third", &now)], manifest, None);
    sandbox.scfw(&["update", "--from", &from]).ended_with(0);
}

#[test]
fn another_place_says_everything_anew() {
    let sandbox = Sandbox::new();
    let time = "2024-01-01T00:00:00Z";
    let index = format!("{time},MAL-0000-1\n{time},MAL-0000-2\n");
    let manifest = r#"{"other": null}"#;
    // One place says that the second is about something else, under the same id and time.
    let harmless = [dated("MAL-0000-1", "evil", time), dated("MAL-0000-2", "nothing", time)];
    let from = mirror_npm(&sandbox, &harmless, manifest, Some(&index));
    sandbox.scfw(&["update", "--from", &from]).ended_with(0);
    fs::rename(&from, sandbox.project("elsewhere")).unwrap();
    let honest = [dated("MAL-0000-1", "evil", time), dated("MAL-0000-2", "worse", time)];
    mirror_npm(&sandbox, &honest, manifest, Some(&index));
    let moved = sandbox.project("moved");
    fs::rename(&from, &moved).unwrap();
    let json = update_json(&sandbox, &["--from", moved.to_str().unwrap()], 0);
    assert!(how(&json).contains(&"osv/npm whole".to_owned()), "{json}");
    sandbox.scfw(&["check", "npm:worse"]).ended_with(77);
}

#[test]
fn documents_that_are_not_as_the_schema_says_count_for_more_not_less() {
    let sandbox = Sandbox::new();
    let mut odd = advisory("MAL-0000-1", "odd");
    odd["summary"] = json!(["no", "text"]);
    odd["affected"][0]["versions"] = json!("1.0.0");
    sandbox.world.add_advisory(odd);
    sandbox.world.add_advisory(json!({"id": "MAL-0000-2", "affected": [
        {"package": {"ecosystem": "npm", "name": "odd"}}, {"package": {"ecosystem": "npm", "name": 7}}]}));
    sandbox.scfw(&["update"]).ended_with(1).says("1 documents could not be read").says("MAL-0000-2");
    sandbox.scfw(&["check", "npm:odd@9.9.9"]).ended_with(77);
    sandbox.scfw(&["update", "--background"]).ended_with(1);
    let status = sandbox.scfw(&["status"]).stdout;
    assert!(status.contains("1 documents of osv/npm could not be read: MAL-0000-2"), "{status}");
    assert!(status.contains("nothing in osv/npm is later than 2020-01-01"), "{status}");
}

/// A mirror in the project folder: what the world serves, as files.
fn mirror(sandbox: &Sandbox) -> PathBuf {
    let files = [
        "osv/npm/all.zip", "osv/npm/modified_id.csv", "osv/PyPI/all.zip", "osv/PyPI/modified_id.csv",
        "datadog/samples/npm/manifest.json", "datadog/samples/pypi/manifest.json",
    ];
    for file in files {
        let url = format!("{}/{file}", sandbox.world.mirror_url());
        let fetched = std::process::Command::new("python3")
            .args([
                "-c",
                "import sys, urllib.request as u; sys.stdout.buffer.write(u.urlopen(sys.argv[1]).read())",
                &url,
            ])
            .output()
            .unwrap();
        assert!(fetched.status.success());
        sandbox.write(format!("mirror/{file}"), fetched.stdout);
    }
    sandbox.project("mirror")
}

#[test]
fn a_mirror_is_a_directory_or_a_url_of_the_same_layout() {
    let online = updated();
    let directory = mirror(&online);
    let mut sandbox = Sandbox::new();
    sandbox.set("SCFW_OFFLINE", "1");
    let whole = ["osv/PyPI whole", "datadog/pypi whole", "osv/npm whole", "datadog/npm whole"];
    assert_eq!(how(&update_json(&sandbox, &["--from", directory.to_str().unwrap()], 0)), whole);
    sandbox.scfw(&["check", "npm:evil"]).ended_with(77);
    assert!(feed_requests(&sandbox).is_empty());
    // A mirror of OSV alone.
    let osv = directory.join("osv");
    let json = update_json(&sandbox, &["--from", osv.to_str().unwrap()], 0);
    assert_eq!(
        how(&json),
        ["osv/PyPI unchanged", "datadog/pypi skipped", "osv/npm unchanged", "datadog/npm skipped"]
    );
    sandbox.scfw(&["check", "npm:evil"]).ended_with(77).does_not_say("verified");
    let empty = sandbox.project("empty");
    fs::create_dir_all(&empty).unwrap();
    sandbox.scfw(&["update", "--from", empty.to_str().unwrap()]).ended_with(1).says("has neither osv/");
    let sandbox = Sandbox::new();
    let url = online.world.mirror_url();
    assert_eq!(how(&update_json(&sandbox, &["--from", &url], 0)), whole);
    sandbox.scfw(&["check", "npm:evil"]).ended_with(77);
    assert!(feed_requests(&sandbox).is_empty(), "the configured places are not asked");
}

#[test]
fn a_zip_that_unpacks_to_too_much_is_refused() {
    let sandbox = updated();
    let script = "import zipfile, sys\n\
        with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as z: z.writestr('MAL-1.json', b' ' * (17 << 20))";
    fs::create_dir_all(sandbox.project("mirror/osv/npm")).unwrap();
    let zip = sandbox.project("mirror/osv/npm/all.zip");
    assert!(std::process::Command::new("python3").args(["-c", script]).arg(&zip).status().unwrap().success());
    let mirror = sandbox.project("mirror");
    sandbox
        .scfw(&["update", "--from", mirror.to_str().unwrap()])
        .ended_with(1)
        .says("has an entry of more than 16 MiB");
    sandbox.scfw(&["check", "npm:evil"]).ended_with(77);
}

#[test]
fn feeds_of_the_users_own_are_read_from_zips_directories_and_urls() {
    let sandbox = updated();
    let record = advisory("OURS-1", "internal-evil");
    let mut picky = advisory("OURS-3", "picky");
    picky["affected"][0]["ranges"] = json!([{"type": "SEMVER", "events": [{"introduced": "1.0.0"}]}]);
    sandbox.world.serve_feed("by-url", &[record, advisory("MAL-2024-1", "worse"), picky]);
    sandbox.write("feed/deep/OURS-2.json", advisory("OURS-2", "meh").to_string());
    let url = format!("{}/feeds/by-url.zip", sandbox.world.mirror_url());
    let directory = sandbox.project("feed");
    let configuration = format!(
        "[[feeds]]\nname = \"by-url\"\nurl = \"{url}\"\nmalicious = true\n\
         [[feeds]]\nname = \"by-path\"\npath = \"{}\"\n",
        directory.display()
    );
    fs::write(sandbox.path("scfw/config.toml"), configuration).unwrap();
    let finished = sandbox.scfw(&["check", "npm:good"]).ended_with(1);
    assert!(
        finished.stdout.contains("could not be verified: the feed by-url is not in the store"),
        "{}",
        finished.stdout
    );
    sandbox.scfw(&["update"]).ended_with(0);
    let evil = sandbox.scfw(&["check", "npm:internal-evil@1.0.0"]).ended_with(77);
    assert!(
        evil.stdout.contains("The feed by-url reports that package internal-evil@1.0.0 is malicious: OURS-1"),
        "{}",
        evil.stdout
    );
    let meh = sandbox.scfw(&["check", "npm:meh@1.0.0"]).ended_with(1);
    assert!(
        meh.stdout.contains("The feed by-path has an advisory about package meh@1.0.0: OURS-2"),
        "{}",
        meh.stdout
    );
    sandbox.scfw(&["check", "npm:worse"]).ended_with(77);
    let odd = sandbox.scfw(&["check", "npm:picky@1.2.99999999999999999999"]).ended_with(1);
    assert!(odd.stdout.contains("what 1 advisory of the feed by-url list"), "{}", odd.stdout);
    let unchanged = update_json(&sandbox, &[], 0);
    assert!(how(&unchanged).contains(&"extra/by-url unchanged".to_owned()), "{unchanged}");
    fs::write(sandbox.path("scfw/config.toml"), "").unwrap();
    sandbox.scfw(&["update"]).ended_with(0);
    sandbox.scfw(&["check", "npm:internal-evil@1.0.0"]).ended_with(0);
}

#[test]
fn only_one_update_runs_at_a_time() {
    let sandbox = updated();
    let lock = fs::File::options().write(true).open(sandbox.path("scfw/update.lock")).unwrap();
    lock.lock().unwrap();
    sandbox.scfw(&["update"]).ended_with(1).says("another update is running");
    let refused = update_json(&sandbox, &[], 1);
    assert_eq!((&refused["ok"], &refused["error"]), (&json!(false), &json!("another update is running")));
    drop(lock);
    sandbox.scfw(&["update"]).ended_with(0);
}
