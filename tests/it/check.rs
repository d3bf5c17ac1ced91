//! `scfw check`: packages looked up without installing anything.

use scfw_core::package::Ecosystem;
use serde_json::{Value, json};

use crate::support::{Finished, Sandbox, binary};

/// A world with a malicious, a vulnerable and a half malicious package, and the id of the first advisory.
fn sandbox() -> (Sandbox, String) {
    let sandbox = Sandbox::new();
    let id = sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    sandbox.world.malicious(Ecosystem::PyPi, "half-evil", Some("1.0"));
    sandbox.world.add_advisory(json!({
        "id": "GHSA-leak", "summary": "It leaks", "database_specific": {"severity": "HIGH"},
        "affected": [{"package": {"ecosystem": "npm", "name": "@scope/leaky"}, "ranges": [
            {"type": "SEMVER", "events": [{"introduced": "1.0.0"}, {"fixed": "1.2.0"}]}]}]
    }));
    (sandbox, id)
}

fn json_of(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {}", finished.stdout))
}

fn check_json(sandbox: &Sandbox, packages: &[&str], status: i32) -> Value {
    let arguments = [&["check", "--format", "json"], packages].concat();
    json_of(&sandbox.scfw(&arguments).ended_with(status))
}

#[test]
fn a_package_that_nothing_is_known_about_has_no_findings() {
    let (sandbox, _) = sandbox();
    let finished = sandbox.scfw(&["check", "npm:innocent@1.0.0", "pypi:unheard-of"]).ended_with(0);
    assert_eq!(finished.stdout, "No findings.\n");
    assert_eq!(finished.stderr, "");
    assert_eq!(
        check_json(&sandbox, &["pypi:unheard-of"], 0),
        json!([{"query": "pypi:unheard-of", "ecosystem": "PyPI", "name": "unheard-of", "version": null,
            "verdict": "allow", "findings": []}])
    );
}

#[test]
fn a_malicious_package_ends_with_77_and_names_who_says_so() {
    let (sandbox, id) = sandbox();
    let finished = sandbox.scfw(&["check", "npm:evil@2.0.0"]).ended_with(77);
    assert_eq!(
        finished.stdout,
        format!(
            "Package evil@2.0.0:\n  - Datadog Security Research has determined that package evil is malicious\n  \
             - An OSV.dev malicious package disclosure exists for package evil@2.0.0:\n      \
             * https://osv.dev/vulnerability/{id}\n"
        )
    );
    assert_eq!(finished.stderr, "");
}

#[test]
fn the_json_has_exactly_the_documented_fields() {
    let (sandbox, id) = sandbox();
    assert_eq!(
        check_json(&sandbox, &["npm:evil@2.0.0"], 77),
        json!([{
            "query": "npm:evil@2.0.0", "ecosystem": "npm", "name": "evil", "version": "2.0.0",
            "verdict": "block",
            "findings": [
                {"severity": "critical", "verifier": "Datadog",
                    "message": "Datadog Security Research has determined that package evil is malicious",
                    "advisory": null, "url": null},
                {"severity": "critical", "verifier": "OSV",
                    "message": "An OSV.dev malicious package disclosure exists for package evil@2.0.0",
                    "advisory": id, "url": format!("https://osv.dev/vulnerability/{id}")},
            ]
        }])
    );
}

#[test]
fn a_vulnerable_package_ends_with_1_and_tells_severity_and_fix() {
    let (sandbox, _) = sandbox();
    let finished = sandbox.scfw(&["check", "npm:@scope/leaky@1.1.0"]).ended_with(1);
    assert_eq!(
        finished.stdout,
        "Package @scope/leaky@1.1.0:\n  - An OSV.dev disclosure exists for package @scope/leaky@1.1.0:\n      \
         * https://osv.dev/vulnerability/GHSA-leak High: It leaks; fixed in 1.2.0\n"
    );
    let json = check_json(&sandbox, &["npm:@scope/leaky@1.1.0"], 1);
    assert_eq!(json[0]["verdict"], "warn");
    assert_eq!(json[0]["findings"][0]["severity"], "warning");
    assert_eq!(json[0]["findings"][0]["advisory"], "GHSA-leak");
    sandbox.scfw(&["check", "npm:@scope/leaky@1.2.0"]).ended_with(0);
}

#[test]
fn without_a_version_malice_in_some_versions_is_a_warning() {
    let (sandbox, _) = sandbox();
    let finished = sandbox.scfw(&["check", "pypi:Half_Evil"]).ended_with(1);
    assert!(finished.stdout.contains("some versions of package Half_Evil"), "{}", finished.stdout);
    sandbox.scfw(&["check", "pypi:Half_Evil@1.0.0"]).ended_with(77);
    sandbox.scfw(&["check", "pypi:Half_Evil@1.1"]).ended_with(0);
}

#[test]
fn purls_are_read() {
    let (sandbox, _) = sandbox();
    let packages = ["pkg:npm/%40scope/leaky@1.1.0", "pkg:pypi/Half.Evil@1.0", "pkg:npm/evil"];
    let json = check_json(&sandbox, &packages, 77);
    let read: Vec<_> = json
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (&package["query"], &package["name"], &package["version"], &package["verdict"]))
        .map(|(query, name, version, verdict)| json!([query, name, version, verdict]))
        .collect();
    assert_eq!(
        read,
        [
            json!([packages[0], "@scope/leaky", "1.1.0", "warn"]),
            json!([packages[1], "half.evil", "1.0", "block"]),
            json!([packages[2], "evil", null, "block"]),
        ]
    );
}

#[test]
fn what_names_no_package_or_no_single_version_is_a_mistake_and_not_clean() {
    let (sandbox, _) = sandbox();
    // As pip and pip freeze write it.
    for query in ["pypi:half-evil==1.0", "pypi:half-evil[extra]==1.0", "pypi:Half_Evil[a,b]@1.0"] {
        sandbox.scfw(&["check", query]).ended_with(77);
    }
    for query in [
        "pypi:half-evil>", "pypi:half-evil>=0", "pypi:half-evil@>=0", "pypi:half-evil@==1.0",
        "pypi:half-evil@latest", "npm:evil@latest", "npm:evil@^1.0.0", "npm:evil@1.x", "npm:@scope/*",
    ] {
        for command in [&["check"][..], &["allow", "--reason", "read"]] {
            let finished = sandbox.scfw(&[command, &[query]].concat()).ended_with(2).says(query);
            assert_eq!(finished.stdout, "");
        }
    }
    let list = sandbox.scfw_with_input(&["check", "--stdin"], b"npm:innocent\npypi:half-evil>=0\n");
    list.ended_with(2).says("names no package");
    // The example of the help.
    let example = "sed 's/^/pypi:/' names.txt | scfw check --stdin";
    assert!(sandbox.scfw(&["check", "--help"]).stdout.contains(example));
    sandbox.write("names.txt", "innocent==1.0\nhalf-evil==1.0\n");
    let line = example.replace("scfw", binary("scfw").to_str().unwrap());
    sandbox.bare("sh", &["-c", &line]).ended_with(77);
}

/// Runs a line in bash, in which `scfw` is ours.
fn bash(sandbox: &Sandbox, line: &str) -> Finished {
    let scfw = binary("scfw").display().to_string();
    sandbox.bare("bash", &["-c", &format!("scfw() {{ '{scfw}' \"$@\"; }}; {line}")])
}

#[test]
fn a_report_that_cannot_be_written_is_never_a_milder_one() {
    let (sandbox, _) = sandbox();
    for format in ["text", "json"] {
        let check = |package: &str, behind: &str| {
            bash(&sandbox, &format!("scfw check --format {format} {package} {behind}"))
        };
        check("npm:evil@1.0.0", ">/dev/full").ended_with(77).says("the report could not be written");
        for package in ["npm:@scope/leaky@1.1.0", "npm:innocent"] {
            check(package, ">/dev/full").ended_with(69).says("the report could not be written");
        }
        // A reader that has left is no failure.
        for (package, status) in [("npm:evil@1.0.0", 77), ("npm:@scope/leaky@1.1.0", 1), ("npm:innocent", 0)]
        {
            // The pipe has lost its reader before scfw is started.
            let line = format!(
                "mkfifo -m 600 gone$$; exec 3<>gone$$ 4>gone$$ 3<&-; scfw check --format {format} {package} >&4"
            );
            let finished = bash(&sandbox, &line);
            assert_eq!((finished.status, finished.stderr.as_str()), (status, ""), "{package}");
        }
    }
}

#[test]
fn several_packages_are_answered_in_order_and_the_worst_decides() {
    let (sandbox, _) = sandbox();
    let packages = ["npm:z", "npm:evil", "pypi:a", "npm:@scope/leaky@1.0.0", "npm:z", "npm:b@1.0.0"];
    let json = check_json(&sandbox, &packages, 77);
    let queries: Vec<_> = json.as_array().unwrap().iter().map(|package| &package["query"]).collect();
    assert_eq!(queries, packages);
    let verdicts: Vec<_> = json.as_array().unwrap().iter().map(|package| &package["verdict"]).collect();
    assert_eq!(verdicts, ["allow", "block", "allow", "warn", "allow", "allow"]);
}

#[test]
fn standard_input_gives_one_package_a_line_after_those_of_the_arguments() {
    let (sandbox, _) = sandbox();
    let arguments = ["check", "--stdin", "--format", "json", "npm:first"];
    let input = b"npm:second\r\n\n  pypi:third@1.0  \nnpm:evil";
    let json = json_of(&sandbox.scfw_with_input(&arguments, input).ended_with(77));
    let names: Vec<_> = json.as_array().unwrap().iter().map(|package| &package["name"]).collect();
    assert_eq!(names, ["first", "second", "third", "evil"]);
    let empty = sandbox.scfw_with_input(&["check", "--stdin", "--format", "json"], b"").ended_with(0);
    assert_eq!(json_of(&empty), json!([]));
}

#[test]
fn standard_input_that_is_no_text_is_a_mistake() {
    let (sandbox, _) = sandbox();
    let finished = sandbox.scfw_with_input(&["check", "--stdin"], b"npm:\xff\xfe\n").ended_with(2);
    assert_eq!(finished.stdout, "");
    let finished = finished.says("scfw: ").does_not_say("panicked");
    assert!(finished.stderr.contains("UTF-8"), "{}", finished.stderr);
}

#[test]
fn a_query_that_is_no_package_is_a_mistake_that_shows_the_forms() {
    let (sandbox, _) = sandbox();
    for query in ["requests", "npm:", "npm:a@", "npm:a b", ""] {
        let finished = sandbox.scfw(&["check", "npm:innocent", query]).ended_with(2);
        assert_eq!(finished.stdout, "", "{query:?}");
        finished.says("pypi:NAME[@VERSION]").says("npm:NAME[@VERSION]").says("purl");
    }
    for query in ["cargo:serde", "pkg:cargo/serde@1.0.0"] {
        sandbox.scfw(&["check", query]).ended_with(2).says(query).says("pypi and npm");
    }
    sandbox.scfw_with_input(&["check", "--stdin"], b"npm:good\nbad\n").ended_with(2).says("\"bad\"");
    sandbox.scfw(&["check"]).ended_with(2);
    assert!(sandbox.world.requests().is_empty(), "nothing is asked before everything is understood");
}

#[test]
fn standard_output_carries_no_escape_bytes() {
    let (mut sandbox, _) = sandbox();
    sandbox.world.add_advisory(json!({
        "id": "GHSA-show", "summary": "\u{1b}[2J\u{9b}31mred\u{202e}\u{7}", "affected": [
            {"package": {"ecosystem": "npm", "name": "show"}}]
    }));
    sandbox.set("CLICOLOR_FORCE", "1");
    sandbox.set("FORCE_COLOR", "1");
    let hostile = "npm:ev\u{1b}[31mil\u{9b}\u{202e}@1\u{1b}[0m";
    for format in ["text", "json"] {
        let finished = sandbox.scfw(&["check", "--format", format, "npm:evil", "npm:show"]);
        let finished = finished.ended_with(77);
        assert!(finished.stdout.contains("GHSA-show"), "{format}: {}", finished.stdout);
        let unsafe_characters = ['\u{1b}', '\u{9b}', '\u{202e}', '\u{7}'];
        assert!(!finished.stdout.contains(unsafe_characters), "{format}: {:?}", finished.stdout);
    }
    for query in [hostile, "\u{1b}[31mred"] {
        let finished = sandbox.scfw(&["check", query]).ended_with(2);
        assert!(!finished.stderr.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{:?}", finished.stderr);
    }
}
