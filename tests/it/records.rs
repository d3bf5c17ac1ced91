//! That whatever was decided has a record, as it was typed and with the reason: where no gate holds the manager, where
//! the router stops it, in dry runs, and for what comes from a repository.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use scfw_core::package::Ecosystem;
use scfw_world::{Agent, NpmPackage, Wheel};
use serde_json::{Value, json};

use crate::support::sinks::eventually;
use crate::support::{NPM_VERSIONS, Sandbox};

/// Makes `file`, in the project, the first program of its name on `PATH`.
fn put_first(sandbox: &mut Sandbox, file: &Path) {
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    let mut path = file.parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(sandbox.variable("PATH"));
    sandbox.set("PATH", path);
}

/// An npm and a pip that are too old for their gates, and say what they do.
fn with_old_managers() -> Sandbox {
    let mut sandbox = Sandbox::new();
    let npm = sandbox.write("old/npm/bin/npm-cli.js", "#!/usr/bin/env node\nconsole.log('installed')\n");
    fs::set_permissions(&npm, fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.write("old/npm/package.json", json!({"name": "npm", "version": "6.14.18"}).to_string());
    fs::create_dir(sandbox.project("bin")).unwrap();
    std::os::unix::fs::symlink(&npm, sandbox.project("bin/npm")).unwrap();
    let python = std::env::split_paths(&sandbox.variable("PATH")).next().unwrap().join("python3");
    sandbox.write("modules/pip/__init__.py", "__version__ = '19.0'\n");
    sandbox.write("modules/pip/_internal/__init__.py", "");
    sandbox.write(
        "modules/pip/_internal/configuration.py",
        "import os\n\nclass Configuration(object):\n    def load(self):\n        return os.environ.get('PIP_EXISTS_ACTION')\n",
    );
    let script = format!(
        "#!{}\nimport sys\nsys.path.insert(0, '{}')\nfrom pip._internal.configuration import Configuration\n\
         print('installed' if Configuration().load() is None else 'harmless')\n",
        python.display(),
        sandbox.project("modules").display()
    );
    let pip = sandbox.write("bin/pip", script);
    put_first(&mut sandbox, &pip);
    sandbox
}

fn history(sandbox: &Sandbox) -> Vec<Value> {
    let json = sandbox.scfw(&["history", "--format", "json"]).ended_with(0).stdout;
    serde_json::from_str(&json).unwrap()
}

/// Action, sentence and whether it was verified.
fn essence(record: &Value) -> (&str, &str, bool) {
    let text = |field: &str| record[field].as_str().unwrap();
    (text("action"), text("msg"), record["verified"].as_bool().unwrap())
}

#[test]
fn what_has_no_gate_is_recorded_whether_it_is_stopped_or_goes_on() {
    let mut sandbox = with_old_managers();
    let agent = Agent::start().unwrap();
    sandbox.log_to_agent(&agent);
    for (manager, why) in [
        ("npm", "npm 6.14.18 is older than 7, the first that scfw can verify: update npm"),
        ("pip", "pip 19.0 is older than 20.3, the first that scfw can verify"),
    ] {
        let hint = match manager {
            "pip" => ": update pip, unverified, by \"SCFW_ALLOW_UNSUPPORTED=1 pip install --upgrade pip\"",
            _ => "",
        };
        let before = sandbox.log().len();
        let refused =
            sandbox.hook(&[manager, "install", "x"]).ended_with(69).says(&format!("scfw: {why}{hint}\n"));
        assert_eq!(refused.stdout, "");
        let allowed = sandbox.scfw(&["run", "--allow-unsupported", manager, "install", "x"]).ended_with(0);
        assert_eq!(allowed.stderr, format!("scfw: {why}; going on unverified, as asked\n"));
        assert_eq!(allowed.stdout, "installed\n");
        let log = sandbox.log();
        let command = format!("Command '{manager} install x' was");
        assert_eq!(
            log[before..].iter().map(essence).collect::<Vec<_>>(),
            [
                ("BLOCK", format!("{command} blocked: {why}{hint}").as_str(), false),
                ("ALLOW", format!("{command} allowed: {why}; going on unverified, as asked").as_str(), false),
            ]
        );
        assert!(log[before]["executable"].as_str().unwrap().ends_with(&format!("/bin/{manager}")), "{log:?}");
        // A dry run is there to verify.
        let command = ["run", "--dry-run", "--allow-unsupported", manager, "install", "x"];
        let dry = sandbox.scfw(&command).ended_with(69).says("so there is no dry run");
        assert_eq!((dry.stdout.as_str(), sandbox.log().len()), ("", before + 2));
    }
    eventually("all records", || (agent.lines() == sandbox.log()).then_some(()));
    let decided: Vec<_> = history(&sandbox)
        .iter()
        .map(|run| json!([run["manager"], run["action"], run["purpose"], run["verified"]]))
        .collect();
    let of = |manager| {
        [
            json!([manager, "BLOCK", "dry-run", false]),
            json!([manager, "ALLOW", "install", false]),
            json!([manager, "BLOCK", "install", false]),
        ]
    };
    assert_eq!(decided, [of("pip"), of("npm")].concat());
    sandbox.scfw(&["check", "npm:x"]).does_not_say("never reported");
}

#[test]
fn what_the_policy_overrules_stands_in_the_record_of_a_manager_without_a_gate() {
    let mut sandbox = with_old_managers();
    sandbox.administer("policy.toml", "allow_unsupported = false\n");
    for manager in ["npm", "pip"] {
        sandbox.scfw(&["run", "--allow-unsupported", manager, "install", "x"]).ended_with(69);
    }
    let log = sandbox.log();
    assert_eq!(log.len(), 2);
    for record in log {
        assert_eq!(record["action"], "BLOCK");
        let rule = record["policy"].as_str().unwrap();
        assert!(rule.contains("managers without a gate cannot be allowed"), "{record}");
    }
}

#[test]
fn a_gate_that_finds_its_points_missing_asks_too() {
    let mut sandbox = with_old_managers();
    sandbox.write("modules/pip/__init__.py", "__version__ = '99.0'\n");
    sandbox.write("modules/pip/_internal/resolution/__init__.py", "");
    sandbox.write("modules/pip/_internal/resolution/resolvelib/__init__.py", "");
    sandbox.write("modules/pip/_internal/resolution/resolvelib/resolver.py", "class Resolver:\n    pass\n");
    let script = sandbox.project("bin/pip");
    let mut text = fs::read_to_string(&script).unwrap();
    text.push_str("from pip._internal.resolution.resolvelib import resolver\nprint('resolved')\n");
    fs::write(&script, text).unwrap();
    let why = "pip has no Resolver.resolve; this pip is newer than scfw's gate: update scfw";
    let refused = sandbox.hook(&["pip", "install", "x"]).ended_with(69).says(why);
    assert!(!refused.stdout.contains("resolved"));
    sandbox.set("SCFW_ALLOW_UNSUPPORTED", "1");
    let allowed = sandbox.hook(&["pip", "install", "x"]).ended_with(0).says("going on unverified, as asked");
    assert!(allowed.stdout.contains("resolved"));
    let log = sandbox.log();
    let actions: Vec<_> = log.iter().map(|record| record["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["BLOCK", "ALLOW"]);
    assert!(log[0]["msg"].as_str().unwrap().ends_with(why), "{}", log[0]);
}

/// A git repository with `files`; its address.
fn repository(sandbox: &Sandbox, files: &[(&str, &str)]) -> String {
    let repository = sandbox.path("repository");
    fs::create_dir(&repository).unwrap();
    for (name, content) in files {
        fs::write(repository.join(name), content).unwrap();
    }
    let at = repository.to_str().unwrap();
    for command in [&["init", "--quiet"][..], &["add", "."], &["commit", "--quiet", "-m", "one"]] {
        let options = ["-c", "user.name=t", "-c", "user.email=t@t.example", "-C", at];
        sandbox.bare("git", &[&options, command].concat()).ended_with(0);
    }
    format!("git+file://{at}")
}

#[test]
fn an_install_of_nothing_but_a_repository_is_recorded_once() {
    for version in [NPM_VERSIONS[0], NPM_VERSIONS[NPM_VERSIONS.len() - 1]] {
        let mut sandbox = Sandbox::with_npm(version);
        let url = repository(&sandbox, &[("package.json", r#"{"name": "from-git", "version": "1.0.0"}"#)]);
        let manifest = json!({"name": "p", "version": "1.0.0", "dependencies": {"from-git": url}});
        sandbox.write("package.json", manifest.to_string());
        let agent = Agent::start().unwrap();
        sandbox.log_to_agent(&agent);
        let install = ["run", "--allow-on-warning", "npm", "install"];
        let installed = sandbox.scfw(&install).ended_with(0);
        assert_eq!(installed.stderr.matches("it comes from a repository").count(), 1, "{}", installed.stderr);
        let log = sandbox.log();
        assert_eq!(
            log.iter().map(essence).collect::<Vec<_>>(),
            [
                ("ALLOW", "Command 'npm install' was allowed to build", true),
                ("ALLOW", "Command 'npm install' was allowed", true)
            ],
            "npm {version}"
        );
        assert_eq!(log[1]["install_targets"][0]["name"], "from-git");
        assert_eq!(log[1]["install_targets"][0]["version"], "1.0.0");
        eventually("the records", || (agent.lines() == log).then_some(()));
        let history = history(&sandbox);
        assert_eq!(history.len(), 1, "{history:?}");
        assert_eq!(history[0]["purpose"], "install");
    }
}

#[test]
fn code_that_ran_in_spite_of_a_warning_is_recorded_also_where_its_build_fails() {
    let mut sandbox = Sandbox::new();
    sandbox.set("SCFW_ON_WARNING", "ALLOW");
    let project = "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n\
                   [project]\nname = \"gp\"\nversion = \"1.0\"\n";
    let backend = format!(
        "open({:?}, 'w').close()\ndef build_wheel(*args, **kwargs):\n    raise SystemExit(3)\n",
        sandbox.canary("backend")
    );
    let url = repository(&sandbox, &[("pyproject.toml", project), ("backend.py", &backend)]);
    sandbox.hook(&["pip", "install", &format!("gp @ {url}")]).ended_with(1);
    assert!(sandbox.has_sung());
    let log = sandbox.log();
    assert_eq!(log.len(), 1, "{log:?}");
    let command = format!("Command 'pip install gp @ {url}' was allowed to build");
    assert_eq!(essence(&log[0]), ("ALLOW", command.as_str(), true));
    assert_eq!((&log[0]["warning"], &log[0]["install_targets"][0]["name"]), (&json!(true), &json!("gp")));
}

#[test]
fn a_record_has_the_command_as_it_was_typed() {
    let mut sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0"));
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0").bin("good"));
    sandbox.world.malicious(Ecosystem::PyPi, "evil", None);
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    sandbox.hook(&["npx", "evil"]).ended_with(77);
    sandbox.hook(&["python3", "-m", "pip", "install", "evil"]).ended_with(77);
    sandbox.hook(&["npx", "--yes", "good", "hi"]).ended_with(0);
    sandbox.hook(&["python3", "-Es", "-m", "pip", "install", "--target", "out", "good"]).ended_with(0);
    sandbox.hook(&["pip3", "install", "--target", "other", "good"]).ended_with(0);
    sandbox.set("SCFW_BYPASS", "1");
    sandbox.hook(&["python3", "-m", "pip", "install", "nothing"]).ended_with(1);
    sandbox.administer("policy.toml", "allow_bypass = false\n");
    sandbox.hook(&["npx", "good"]).ended_with(77);
    let log = sandbox.log();
    assert_eq!(
        log.iter().map(essence).collect::<Vec<_>>(),
        [
            ("BLOCK", "Command 'npx evil' was blocked", true),
            ("BLOCK", "Command 'python3 -m pip install evil' was blocked", true),
            ("ALLOW", "Command 'npx --yes good hi' was allowed", true),
            // How the interpreter was called before pip began, only the router knows.
            ("ALLOW", "Command 'python3 -m pip install --target out good' was allowed", true),
            ("ALLOW", "Command 'pip3 install --target other good' was allowed", true),
            ("ALLOW", "Command 'python3 -m pip install nothing' was allowed", false),
            ("BLOCK", "Command 'npx good' was refused by the policy", false),
        ]
    );
    let managers: Vec<_> = log.iter().map(|record| record["package_manager"].as_str().unwrap()).collect();
    assert_eq!(managers, ["npm", "pip", "npm", "pip", "pip", "pip", "npm"]);
    let told = sandbox.scfw(&["history"]).ended_with(0).stdout;
    for command in [
        "blocked: npx evil\n",
        "blocked: python3 -m pip install evil\n",
        "allowed: npx --yes good hi\n",
        "allowed unverified: python3 -m pip install nothing\n",
        "blocked: npx good\n",
    ] {
        assert!(told.contains(command), "{command} in\n{told}");
    }
}

#[test]
fn a_dry_run_is_for_the_ledger_alone_whatever_becomes_of_it() {
    let mut sandbox = Sandbox::new();
    let agent = Agent::start().unwrap();
    sandbox.log_to_agent(&agent);
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("top", "1.0.0").dependency("evil", "*"));
    sandbox.world.add_npm(NpmPackage::new("leaky", "1.0.0"));
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    sandbox.world.add_advisory(json!({
        "id": "GHSA-1", "summary": "It leaks", "affected": [{"package": {"ecosystem": "npm", "name": "leaky"}}]
    }));
    let dry = |package| ["run", "--dry-run", "npm", "install", package];
    sandbox.scfw(&dry("good")).ended_with(0);
    sandbox.scfw(&dry("evil")).ended_with(77);
    sandbox.scfw(&dry("top")).ended_with(77);
    sandbox.set("SCFW_DRY_RUN", "1");
    let (status, shown) = sandbox.on_terminal(&["npm", "install", "leaky"], "[y/N]", Some("n\n"));
    assert_eq!(status, 76, "{shown}");
    sandbox.unset("SCFW_DRY_RUN");
    sandbox.scfw(&["run", "--dry-run", "npm", "install", "--dry-run", "--no-dry-run", "good"]).ended_with(69);
    let decided: Vec<_> =
        history(&sandbox).iter().map(|run| json!([run["action"], run["purpose"]])).collect();
    let decision = |action| json!([action, "dry-run"]);
    assert_eq!(decided, ["BLOCK", "ABORT", "BLOCK", "BLOCK", "ALLOW"].map(decision));
    assert_eq!(sandbox.log(), Vec::<Value>::new());
    // What is not dry is heard, and nothing was before it.
    sandbox.hook(&["npm", "install", "evil"]).ended_with(77);
    let heard = eventually("a record", || Some(agent.lines()).filter(|lines| !lines.is_empty()));
    assert_eq!(heard, sandbox.log());
    assert_eq!(heard.len(), 1);
}

#[test]
fn a_dry_run_installs_nothing_though_nothing_is_to_be_verified() {
    let mut sandbox = Sandbox::new();
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    sandbox.set("SCFW_BYPASS", "1");
    sandbox
        .scfw(&["run", "--dry-run", "pip", "install", "--target", "out", "good"])
        .ended_with(69)
        .says("SCFW_BYPASS is set: nothing is verified, so there is no dry run");
    assert!(sandbox.list("out").is_empty());
}

#[test]
fn what_the_router_cannot_have_verified_is_recorded_with_the_reason() {
    let mut sandbox = Sandbox::new();
    let python = std::env::split_paths(&sandbox.variable("PATH")).next().unwrap().join("python3");
    let script = format!("#!{} -sE\nprint('installed')\n", python.display());
    let pip = sandbox.write("bin/pip", script);
    put_first(&mut sandbox, &pip);
    let refused = sandbox.hook(&["pip", "--isolated", "install", "x"]).ended_with(69);
    assert_eq!(refused.stdout, "");
    sandbox.hook(&["npm", "install", "--workspaces", "--workspace", "w", "x"]).ended_with(69);
    fs::write(sandbox.path("scfw/gates"), "no directory").unwrap();
    sandbox.hook(&["npm", "install", "x"]).ended_with(69);
    let log = sandbox.log();
    assert_eq!(log.len(), 3, "{log:?}");
    for (record, why) in
        log.iter().zip(["keeps scfw's gate out", "--workspaces", "the gates could not be written below"])
    {
        let (action, sentence, is_verified) = essence(record);
        assert_eq!((action, is_verified), ("BLOCK", false));
        let (_, reason) = sentence.split_once("' was blocked: ").unwrap();
        assert!(reason.contains(why), "{record}");
    }
    assert_eq!(history(&sandbox).len(), 3);
}
