//! External verifiers: what they are asked, what becomes of their answers, and of everything that is none.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use scfw_world::{NpmPackage, Sdist, Wheel};
use serde_json::{Value, json};

use crate::support::{Finished, Sandbox};

/// What follows `verifier` in a verifier of Python: the document is `document`, and `answer` is printed in the end.
const PREFACE: &str = "#!/usr/bin/env python3\nimport json, os, sys\ndocument = json.load(sys.stdin)\n\
    names = [target['name'] for target in document['targets']]\nanswer = {'findings': []}\n";

/// Puts an executable into the user's verifiers.d.
fn add(sandbox: &Sandbox, name: &str, content: &str) -> PathBuf {
    let path = sandbox.path("scfw/verifiers.d").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A verifier in Python that does `body` between reading the document and printing the answer.
fn add_python(sandbox: &Sandbox, name: &str, body: &str) -> PathBuf {
    add(sandbox, name, &format!("{PREFACE}{body}\njson.dump(answer, sys.stdout)\n"))
}

/// Finds `severity` about every package whose name begins with `bad`.
fn add_judge(sandbox: &Sandbox, severity: &str) {
    let body = format!(
        "answer['findings'] = [{{'target': index, 'severity': '{severity}', 'message': name + ' does not fit'}}\n\
         \x20   for index, name in enumerate(names) if name.startswith('bad')]"
    );
    add_python(sandbox, "judge", &body);
}

fn check_json(sandbox: &Sandbox, package: &str, status: i32) -> Value {
    let finished = sandbox.scfw(&["check", "--format", "json", package]).ended_with(status);
    serde_json::from_str(&finished.stdout).unwrap()
}

#[test]
fn a_verifier_is_asked_by_check_with_the_documented_document() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("scfw/config.toml"), "private = [\"npm:@corp/*\"]\n").unwrap();
    let record = sandbox.path("document.json");
    let body = format!(
        "json.dump(document, open({:?}, 'w'))\nanswer['findings'] = [{{'target': 1, 'severity': 'warning', \
         'message': 'It is odd', 'advisory': 'ODD-1', 'url': 'https://odd.example/1'}}]",
        record.to_str().unwrap()
    );
    add_python(&sandbox, "judge", &body);
    let arguments = ["check", "--format", "json", "npm:@corp/a", "pypi:B_b@1.0"];
    let answer: Value = serde_json::from_str(&sandbox.scfw(&arguments).ended_with(1).stdout).unwrap();
    assert_eq!(answer[0]["findings"], json!([]));
    assert_eq!(
        answer[1]["findings"],
        json!([{"severity": "warning", "verifier": "judge", "message": "It is odd", "advisory": "ODD-1",
            "url": "https://odd.example/1"}])
    );
    let document: Value = serde_json::from_str(&fs::read_to_string(record).unwrap()).unwrap();
    let rest = |value: Value| {
        let mut value = value;
        value.as_object_mut().unwrap().extend(
            json!({"source": "registry", "url": null, "required_by": []}).as_object().unwrap().clone(),
        );
        value
    };
    assert_eq!(
        document,
        json!({"protocol": 1, "targets": [
            rest(json!({"ecosystem": "npm", "name": "@corp/a", "version": null, "private": true})),
            rest(json!({"ecosystem": "PyPI", "name": "B_b", "version": "1.0", "private": false})),
        ]})
    );
}

#[test]
fn a_critical_finding_stops_at_the_screen_and_one_that_only_the_gate_sees_there() {
    let sandbox = Sandbox::new();
    add_judge(&sandbox, "critical");
    sandbox.world.add_npm(NpmPackage::new("bad", "1.0.0").canary(sandbox.canary("bad")));
    sandbox.world.add_npm(NpmPackage::new("top", "1.0.0").dependency("bad", "*"));
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox.world.add_sdist(Sdist::new("bad", "1.0").canary(sandbox.canary("bad")));
    sandbox.world.add_wheel(Wheel::new("top", "1.0").requires("bad"));
    sandbox.hook(&["npm", "install", "bad"]).ended_with(77).says("bad does not fit");
    assert!(!sandbox.was_asked_for("bad"), "the screen needs no registry");
    let blocked = sandbox.hook(&["npm", "install", "top"]).ended_with(77);
    blocked.says("Installation target bad@1.0.0 (required by top):\n  - bad does not fit\n");
    sandbox.hook(&["pip", "install", "--target", "out", "top"]).ended_with(77).says("bad does not fit");
    assert!(!sandbox.has_sung());
    let clean = sandbox.hook(&["npm", "install", "good"]).ended_with(0);
    assert_eq!(clean.stderr, "");
}

#[test]
fn a_warning_asks_and_is_in_the_log_with_its_verifier() {
    let sandbox = Sandbox::new();
    add_judge(&sandbox, "warning");
    sandbox.world.add_npm(NpmPackage::new("bad", "1.0.0"));
    sandbox.hook(&["npm", "install", "bad"]).ended_with(77).says("bad does not fit");
    assert_eq!(sandbox.log()[0]["relevant_findings"][0]["verifier"], "judge");
    let (status, shown) = sandbox.on_terminal(&["npm", "install", "bad"], "[y/N]", Some("y\n"));
    assert_eq!(status, 0, "{shown}");
}

/// Ends with a finding of its own that says `why`, for check and for the gate, and within the deadline.
#[track_caller]
fn is_a_finding_of_its_own(sandbox: &Sandbox, why: &str) {
    let answer = check_json(sandbox, "npm:good@1.0.0", 1);
    let message = answer[0]["findings"][0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("could not be verified: the verifier ") && message.contains(why),
        "{message}"
    );
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0").canary(sandbox.canary("good")));
    let finished: Finished = sandbox.hook(&["npm", "install", "good"]).ended_with(69);
    finished.says(why).does_not_say("panicked");
    assert!(!sandbox.has_sung());
}

#[test]
fn what_is_no_answer_is_a_finding_of_its_own() {
    for (body, why) in [
        ("sys.exit(3)", "ended with status 3"),
        ("os.abort()", "was ended by signal 6"),
        ("raise ValueError('no\\x1b[31m luck')", "ended with status 1: ValueError: no[31m luck"),
        ("print('garbage')", "could not be read"),
        ("answer = []", "could not be read"),
        ("answer = {}", "missing field `findings`"),
        (
            "answer['findings'] = [{'target': 1, 'severity': 'critical', 'message': 'x'}]",
            "target 1 of 1, counted from 0",
        ),
        ("answer['findings'] = [{'target': 0, 'severity': 'fatal', 'message': 'x'}]", "could not be read"),
        ("print(' ' * 1048576)", "a megabyte or more"),
        ("print('x' * 2000000, file=sys.stderr)", "a megabyte or more"),
        ("print('the licence server is down', file=sys.stderr)", "complained: the licence server is down"),
    ] {
        let sandbox = Sandbox::new();
        add_python(&sandbox, "judge.py", body);
        is_a_finding_of_its_own(&sandbox, why);
    }
}

#[test]
fn what_cannot_be_run_is_a_finding_of_its_own() {
    let sandbox = Sandbox::new();
    let path = add(&sandbox, "judge", "#!/no/such/interpreter\n");
    is_a_finding_of_its_own(&sandbox, "could not be started");
    // As `execvp` has it, what no other program is for is for the shell.
    fs::write(&path, "no program at all\n").unwrap();
    is_a_finding_of_its_own(&sandbox, "ended with status 127");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    is_a_finding_of_its_own(&sandbox, "is not executable: chmod +x");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o757)).unwrap();
    is_a_finding_of_its_own(
        &sandbox,
        "can be written by everybody, so it cannot be relied on; run: chmod go-w",
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o777)).unwrap();
    is_a_finding_of_its_own(&sandbox, "verifiers.d can be written by everybody");
}

#[test]
fn hidden_files_folders_and_an_editors_copies_are_no_verifiers() {
    let sandbox = Sandbox::new();
    for name in [".judge.swp", "judge~", "folder/judge"] {
        add(&sandbox, name, "#!/bin/sh\nexit 1\n");
    }
    sandbox.scfw(&["check", "npm:good@1.0.0"]).ended_with(0);
}

/// Waits until no process is left that holds `marker` among its arguments: one that is killed takes a moment to die,
/// and one that is not would sleep longer than this test may take.
fn are_gone(marker: &str) {
    while !processes(marker).is_empty() {
        std::thread::yield_now();
    }
}

/// The processes that hold `marker` among their arguments.
fn processes(marker: &str) -> Vec<PathBuf> {
    let has_marker = |path: &Path| {
        fs::read(path.join("cmdline"))
            .is_ok_and(|line| line.split(|byte| *byte == 0).any(|word| word == marker.as_bytes()))
    };
    fs::read_dir("/proc")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| has_marker(path))
        .collect()
}

#[test]
fn one_that_hangs_is_ended_at_the_deadline_with_all_that_it_has_started() {
    let mut sandbox = Sandbox::new();
    sandbox.set("SCFW_DEADLINE", "1");
    let marker = sandbox.path("marker").to_str().unwrap().to_owned();
    // The inner one keeps the streams open when the outer one has ended.
    let hang = format!("#!/bin/sh\nsh -c 'sleep 1000; :' '{marker}' &\n");
    add(&sandbox, "judge", &format!("{hang}wait\n"));
    is_a_finding_of_its_own(&sandbox, "did not answer in time");
    are_gone(&marker);
    add(&sandbox, "judge", &format!("{hang}echo '{{\"findings\": []}}'\n"));
    is_a_finding_of_its_own(&sandbox, "did not answer in time");
    are_gone(&marker);
    // One that has answered and goes on in the background goes too, and without a word.
    add(
        &sandbox,
        "judge",
        &format!("{} >&- 2>&- \necho '{{\"findings\": []}}'\n", hang.trim_end().trim_end_matches('&'))
            .replace("2>&- \n", "2>&- &\n"),
    );
    sandbox.scfw(&["check", "npm:good@1.0.0"]).ended_with(0);
    are_gone(&marker);
    // One that neither reads nor answers, with more to read than a pipe holds.
    add(&sandbox, "judge", "#!/bin/sh\nexec sleep 1000\n");
    let packages: Vec<String> = (0..3000).map(|number| format!("npm:package-{number}@1.0.0\n")).collect();
    let finished = sandbox.scfw_with_input(&["check", "--stdin"], packages.concat().as_bytes()).ended_with(1);
    assert!(finished.stdout.contains("did not answer in time"), "{}", finished.stdout);
}

#[test]
fn one_that_answers_without_reading_is_heard() {
    let sandbox = Sandbox::new();
    add(&sandbox, "judge", "#!/bin/sh\nexec 0<&-\necho '{\"findings\": []}'\n");
    let packages: Vec<String> = (0..3000).map(|number| format!("npm:package-{number}@1.0.0\n")).collect();
    sandbox.scfw_with_input(&["check", "--stdin"], packages.concat().as_bytes()).ended_with(0);
}

#[test]
fn nothing_of_the_gates_and_no_terminal_reaches_a_verifier() {
    let mut sandbox = Sandbox::new();
    sandbox.set("PYTHONPATH", "/users/own");
    sandbox.set("NODE_OPTIONS", "--max-old-space-size=200");
    sandbox.set("PIP_EXISTS_ACTION", "w");
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    let record = sandbox.path("record");
    let body = format!(
        "try:\n    open('/dev/tty')\n    terminal = True\nexcept OSError:\n    terminal = False\n\
         record = {{'environment': dict(os.environ), 'terminal': terminal, 'folder': os.getcwd(),\n    \
         'customised': sys.modules.get('sitecustomize') and sys.modules['sitecustomize'].__file__}}\n\
         with open({:?}, 'a') as file:\n    print(json.dumps(record), file=file)",
        record.to_str().unwrap()
    );
    add_python(&sandbox, "judge", &body);
    for command in [&["npm", "install", "good"][..], &["pip", "install", "--target", "out", "good"]] {
        let (status, shown) = sandbox.on_terminal(command, "\u{0}", None);
        assert_eq!(status, 0, "{shown}");
    }
    let records = fs::read_to_string(record).unwrap();
    let records: Vec<Value> = records.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // Before npm resolves the version is not known, so that screen and gate ask, for pip likewise.
    assert_eq!(records.len(), 4);
    for record in records {
        assert_eq!(record["terminal"], false);
        assert_eq!(record["folder"], sandbox.path("scfw/verifiers.d").to_str().unwrap());
        let environment = record["environment"].as_object().unwrap();
        assert_eq!(environment["PYTHONPATH"], "/users/own");
        assert_eq!(environment["NODE_OPTIONS"], "--max-old-space-size=200");
        assert_eq!(environment["PIP_EXISTS_ACTION"], "w");
        assert_eq!(environment["SCFW_EXTERNAL_VERIFIER"], "judge");
        for name in environment.keys() {
            assert!(!name.starts_with("SCFW_GATE_") && name != "npm_config_dry_run", "{name}");
            assert_ne!(name, "npm_config_ignore_scripts");
        }
        assert!(!record["customised"].to_string().contains("gates"), "{record}");
    }
}

#[test]
fn nothing_is_installed_from_within_a_verifier() {
    let sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    let hook = crate::support::binary("scfw-hook");
    let status = sandbox.path("status");
    add(
        &sandbox,
        "judge",
        &format!(
            "#!/bin/sh\n{} npm install good 2>{}.errors\necho $? >{}\necho '{{\"findings\": []}}'\n",
            hook.display(),
            status.display(),
            status.display()
        ),
    );
    sandbox.scfw(&["check", "npm:good@1.0.0"]).ended_with(0);
    assert_eq!(fs::read_to_string(&status).unwrap(), "69\n");
    let errors = fs::read_to_string(sandbox.path("status.errors")).unwrap();
    assert!(errors.contains("from within the external verifier judge"), "{errors}");
}

#[test]
fn verifiers_run_beside_each_other() {
    let sandbox = Sandbox::new();
    // Each waits for the other: one after the other, neither would ever answer.
    for (own, other) in [("one", "two"), ("two", "one")] {
        let (own_file, other_file) = (sandbox.path(own), sandbox.path(other));
        let (own_file, other_file) = (own_file.display(), other_file.display());
        let script = format!(
            "#!/bin/sh\n: >{own_file}\nuntil [ -e {other_file} ]; do sleep 0.01; done\necho '{{\"findings\": []}}'\n"
        );
        add(&sandbox, own, &script);
    }
    sandbox.scfw(&["check", "npm:good@1.0.0"]).ended_with(0);
}

#[test]
fn the_administrators_verifiers_and_lists_count_beside_the_users() {
    let mut sandbox = Sandbox::new();
    add_judge(&sandbox, "warning");
    let judge = format!(
        "{PREFACE}answer['findings'] = [{{'target': 0, 'severity': 'critical', 'message': 'Not here'}}]\n\
         json.dump(answer, sys.stdout)\n"
    );
    let path = sandbox.administer("verifiers.d/judge", judge);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let list =
        "findings:\n  - {severity: WARNING, finding: Listed, packages: [{ecosystem: npm, name: bad}]}\n";
    sandbox.administer("lists/ours.yaml", list);
    let answer = check_json(&sandbox, "npm:bad@1.0.0", 77);
    let messages: Vec<_> =
        answer[0]["findings"].as_array().unwrap().iter().map(|finding| &finding["message"]).collect();
    assert_eq!(messages, ["Not here", "Listed", "bad does not fit"]);
}

#[test]
fn the_example_does_what_its_text_says() {
    let sandbox = Sandbox::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/verifiers.d/allow-list.py");
    add(&sandbox, "allow-list.py", &fs::read_to_string(example).unwrap());
    sandbox.scfw(&["check", "npm:good@1.0.0"]).ended_with(1);
    assert!(sandbox.scfw(&["check", "npm:good"]).stdout.contains("FileNotFoundError"));
    let list = "# ours\nnpm:good\nnpm:@ours/*  # all of it\npypi:Typing_*\n";
    fs::write(sandbox.path("scfw/allow-list.txt"), list).unwrap();
    let known = ["npm:good@1.0.0", "npm:@ours/a", "pypi:typing.extensions@4.0"];
    sandbox.scfw(&[&["check"], &known[..]].concat()).ended_with(0);
    let finished = sandbox.scfw(&["check", "npm:good", "npm:unknown@1.0.0"]).ended_with(1);
    assert_eq!(
        finished.stdout,
        "Package unknown@1.0.0:\n  - unknown is not on the list of packages that we use\n"
    );
}
