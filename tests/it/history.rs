//! The ledger and `scfw history`: what was decided is kept, and keeping it never decides anything.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, Sdist, Wheel};
use serde_json::{Value, json};

use crate::support::{Finished, Sandbox, binary};

fn history(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let finished = sandbox.scfw(&[&["history", "--format", "json"], arguments].concat()).ended_with(0);
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {}", finished.stdout))
}

fn text(sandbox: &Sandbox, arguments: &[&str]) -> String {
    sandbox.scfw(&[&["history"], arguments].concat()).ended_with(0).stdout
}

/// What a gate of npm sends about `good`.
fn document() -> Value {
    json!({"protocol": 1, "manager": "npm", "version": "11.0.0", "phase": "install", "argv": ["install", "good"],
        "targets": [{"name": "good", "version": "1.0.0", "source": "registry", "published": "2020-01-01T00:00:00Z"}]})
}

fn verify(sandbox: &Sandbox, document: &Value) -> Finished {
    sandbox.hook_with_input(&["verify"], document.to_string().as_bytes())
}

#[test]
fn installs_blocks_and_dry_runs_are_kept_with_all_that_belongs_to_them() {
    let mut sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("top", "1.0.0").dependency("@scope/below", "*"));
    sandbox.world.add_npm(NpmPackage::new("@scope/below", "1.2.0"));
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0"));
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    assert_eq!(text(&sandbox, &[]), "No such run is recorded.\n");
    assert!(!sandbox.path("scfw/store.db").exists(), "looking makes no store");
    sandbox.hook(&["npm", "install", "top"]).ended_with(0);
    sandbox.hook(&["npm", "install", "evil"]).ended_with(77);
    fs::create_dir(sandbox.project("elsewhere")).unwrap();
    sandbox.scfw(&["run", "--dry-run", "npm", "install", "--prefix", "elsewhere", "top"]).ended_with(0);
    sandbox.set("SCFW_BYPASS", "1");
    sandbox.hook(&["npm", "install", "top", "--offline"]);
    let runs = history(&sandbox, &[]);
    let decided = runs.as_array().unwrap().iter().map(|run| {
        json!([run["action"], run["purpose"], run["verified"], run["targets"].as_array().unwrap().len()])
    });
    assert_eq!(
        decided.collect::<Vec<_>>(),
        [
            json!(["ALLOW", "install", false, 0]),
            json!(["ALLOW", "dry-run", true, 2]),
            json!(["BLOCK", "install", true, 1]),
            json!(["ALLOW", "install", true, 2]),
        ]
    );
    let installed = &runs[3];
    assert_eq!(installed["manager"], "npm");
    assert_eq!(installed["arguments"], json!(["install", "top"]));
    assert_eq!(installed["directory"], sandbox.project("").to_str().unwrap().trim_end_matches('/'));
    assert!(installed["executable"].as_str().unwrap().ends_with("/npm"), "{installed}");
    assert!(installed["time"].as_str().unwrap().ends_with('Z'), "{installed}");
    let below =
        installed["targets"].as_array().unwrap().iter().find(|target| target["name"] == "@scope/below");
    let below = below.unwrap();
    assert_eq!((&below["ecosystem"], &below["version"]), (&json!("npm"), &json!("1.2.0")));
    assert_eq!(below["source"], "registry");
    assert!(below["url"].as_str().unwrap().contains("/@scope/below/"), "{below}");
    assert_eq!(runs[2]["findings"][0]["severity"], "CRITICAL");
    let text = text(&sandbox, &[]);
    for line in [
        "  allowed: npm install top\n", "  allowed (dry run): npm", "  blocked: npm",
        "  allowed unverified: npm",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(
        text.contains(&format!("    in {}\n    2 packages\n", sandbox.path("project").display())),
        "{text}"
    );
}

#[test]
fn what_is_built_and_then_installed_is_shown_once() {
    let sandbox = Sandbox::new();
    sandbox.world.add_sdist(Sdist::new("source", "1.0"));
    sandbox.world.add_wheel(Wheel::new("wheel", "1.0").requires("source"));
    let backend = sandbox.hook(&["pip", "install", "--target", "out", "wheel"]).ended_with(0);
    assert_eq!(backend.stderr, "");
    let runs = history(&sandbox, &["--package", "pypi:Source"]);
    let of_outer: Vec<_> =
        runs.as_array().unwrap().iter().filter(|run| run["arguments"][2] == "out").collect();
    assert_eq!(of_outer.len(), 1, "{runs}");
    assert_eq!(of_outer[0]["purpose"], "install");
    assert_eq!(of_outer[0]["targets"].as_array().unwrap().len(), 2);
}

#[test]
fn runs_are_chosen_by_package_version_time_and_number() {
    let sandbox = Sandbox::new();
    for name in ["good", "other", "good"] {
        let mut document = document();
        document["targets"][0]["name"] = json!(name);
        verify(&sandbox, &document).ended_with(0);
    }
    let count = |arguments: &[&str]| history(&sandbox, arguments).as_array().unwrap().len();
    assert_eq!(count(&[]), 3);
    assert_eq!(count(&["--package", "npm:good"]), 2);
    assert_eq!(count(&["--package", "pkg:npm/good@1.0.0"]), 2);
    assert_eq!(count(&["--package", "npm:good@2.0.0"]), 0);
    assert_eq!(count(&["--package", "pypi:good"]), 0);
    assert_eq!(count(&["--since", "1h"]), 3);
    assert_eq!(count(&["--since", "2020-01-01", "--limit", "2"]), 2);
    assert_eq!(count(&["--since", "2099-01-01"]), 0);
    let finished = sandbox.scfw(&["history", "--limit", "1", "--package", "npm:good"]).ended_with(0);
    assert!(finished.stdout.ends_with("    1 package\n    good@1.0.0\n"), "{}", finished.stdout);
    finished.says("these are the latest 1");
    sandbox.scfw(&["history", "--since", "yesterday-ish"]).ended_with(2).says("neither a duration");
    sandbox.scfw(&["history", "--package", "good"]).ended_with(2).says("npm:NAME");
}

#[test]
fn nothing_hostile_and_no_secret_comes_out() {
    let sandbox = Sandbox::new();
    let directory = sandbox.project("a\u{1b}[2J\u{202e}b\nscfw: fine");
    fs::create_dir_all(&directory).unwrap();
    let mut document = document();
    document["argv"] = json!([
        "install", "\u{1b}]0;x\u{7}", "--index-url=https://user:hunter2@host/",
        "https://host/a.tgz?token=hunter2", "--//host/:_authToken=hunter2"
    ]);
    document["targets"][0]["name"] = json!("go\u{9b}31mod");
    // In a registry nothing has such a name.
    document["targets"][0]["source"] = json!("url");
    document["targets"][0]["url"] = json!("https://user:hunter2@host/a.tgz?signature=hunter2");
    let mut command = sandbox.command(binary("scfw-hook"), &["verify"]);
    command.current_dir(&directory).env("SCFW_ON_WARNING", "ALLOW").stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(document.to_string().as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let shown = text(&sandbox, &[]);
    assert!(shown.contains("    in ") && shown.contains("a[2Jb scfw: fine\n"), "{shown:?}");
    let json = sandbox.scfw(&["history", "--format", "json"]).ended_with(0).stdout;
    for output in [&shown, &json] {
        assert!(!output.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']), "{output:?}");
        assert!(!output.contains("hunter2"), "{output}");
    }
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["directory"], directory.to_str().unwrap(), "escaped, it is the same text");
    for entry in fs::read_dir(sandbox.path("scfw")).unwrap() {
        let path = entry.unwrap().path();
        let holds = |secret: &[u8]| {
            fs::read(&path).is_ok_and(|bytes| bytes.windows(secret.len()).any(|part| part == secret))
        };
        assert!(!holds(b"hunter2"), "{}", path.display());
    }
}

#[test]
fn thirty_installs_at_once_are_all_kept() {
    let sandbox = Sandbox::new();
    std::thread::scope(|scope| {
        for _install in 0..30 {
            scope.spawn(|| {
                let finished = verify(&sandbox, &document()).ended_with(0);
                assert_eq!(finished.stderr, "");
            });
        }
    });
    assert_eq!(history(&sandbox, &[]).as_array().unwrap().len(), 30);
    assert_eq!(sandbox.log().len(), 30);
}

/// The install goes on with a sentence about the store and one about the ledger, and the file log has it.
#[track_caller]
fn goes_on(sandbox: &Sandbox, finished: Finished, sentence: &str) {
    let finished = finished.ended_with(0).says(sentence).says("this run is missing in \"scfw history\"");
    let is_ours = |line: &str| line.starts_with("scfw: ");
    assert!(
        finished.stderr.lines().count() <= 2 && finished.stderr.lines().all(is_ours),
        "{}",
        finished.stderr
    );
    assert_eq!(sandbox.log().last().unwrap()["action"], "ALLOW");
}

#[test]
fn a_store_that_cannot_be_used_is_said_and_stops_nothing() {
    let sandbox = Sandbox::new();
    let store = sandbox.path("scfw/store.db");
    fs::write(&store, "no database".repeat(1000)).unwrap();
    goes_on(&sandbox, verify(&sandbox, &document()), "is damaged; \"scfw update\" rebuilds it");
    sandbox.scfw(&["history"]).ended_with(1).says("is damaged");
    fs::remove_file(&store).unwrap();
    fs::create_dir(&store).unwrap();
    goes_on(&sandbox, verify(&sandbox, &document()), "store.db could not be used");
    fs::remove_dir(&store).unwrap();
    verify(&sandbox, &document()).ended_with(0);
    python(&sandbox, "connection.execute('PRAGMA user_version = 99')").ended_with(0);
    goes_on(&sandbox, verify(&sandbox, &document()), "is from a newer scfw");
    assert_eq!(sandbox.log().len(), 4);
}

#[test]
fn a_full_disk_is_said_and_stops_nothing() {
    let sandbox = Sandbox::new();
    let limited = |blocks: u32| {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" verify");
        let mut command = sandbox.command("bash", &["-c", &script, binary("scfw-hook").to_str().unwrap()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(document().to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        Finished {
            status: output.status.code().unwrap(),
            stdout: String::new(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    };
    // Nothing can be made, and then nothing can be added.
    goes_on(&sandbox, limited(8), "scfw: the ");
    verify(&sandbox, &document()).ended_with(0);
    goes_on(&sandbox, limited(8), "scfw: the ");
    verify(&sandbox, &document()).ended_with(0);
    assert_eq!(history(&sandbox, &[]).as_array().unwrap().len(), 2, "and the store is whole");
}

#[test]
fn a_store_that_another_process_holds_does_not_hold_an_install() {
    let sandbox = Sandbox::new();
    verify(&sandbox, &document()).ended_with(0);
    let script = "import sqlite3, sys\nconnection = sqlite3.connect(sys.argv[1])\n\
        connection.execute('BEGIN IMMEDIATE')\nprint('held', flush=True)\nsys.stdin.read()\n";
    let mut holder = Command::new("python3")
        .args(["-c", script])
        .arg(sandbox.path("scfw/store.db"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "held\n");
    goes_on(&sandbox, verify(&sandbox, &document()), "was in use by another process for too long");
    assert_eq!(history(&sandbox, &[]).as_array().unwrap().len(), 1, "it can be read meanwhile");
    drop(holder.stdin.take());
    holder.wait().unwrap();
    verify(&sandbox, &document()).ended_with(0).does_not_say("scfw");
}

/// Runs a line of Python with a `connection` to the store.
fn python(sandbox: &Sandbox, line: &str) -> Finished {
    let script = format!(
        "import sqlite3, sys\nconnection = sqlite3.connect(sys.argv[1])\n{line}\nconnection.commit()\n"
    );
    let store = sandbox.path("scfw/store.db");
    sandbox.finish(sandbox.command("python3", &["-c", &script, store.to_str().unwrap()]))
}

#[test]
fn what_installs_nothing_never_touches_the_store() {
    let sandbox = Sandbox::new();
    let store = sandbox.path("scfw/store.db");
    fs::create_dir_all(&store).unwrap();
    for command in [&["npm", "ls"][..], &["npm", "--version"], &["pip", "--version"], &["pip", "list"]] {
        sandbox.hook(command).ended_with(0).does_not_say("store");
    }
}
