//! `scfw audit pip`: what the real pips install, read and verified.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use scfw_core::package::Ecosystem;
use scfw_world::Wheel;
use serde_json::{Value, json};

use crate::support::formats::{is_cyclonedx, is_sarif};
use crate::support::{Finished, PIP_VERSIONS, Sandbox, binary};

/// The build backend of the world's source distributions, which can make editable wheels as well.
const BACKEND: &str = concat!(
    include_str!("../../scfw-world/src/templates/backend.py"),
    "\nbuild_editable = build_wheel\nprepare_metadata_for_build_editable = prepare_metadata_for_build_wheel\n"
);

/// Makes a virtual environment in the sandbox, first on `PATH`, with a pip script that is never to run.
fn environment(sandbox: &mut Sandbox) -> PathBuf {
    let root = sandbox.path("environment");
    let arguments = ["-m", "venv", "--without-pip", root.to_str().unwrap()];
    sandbox.bare("python3", &arguments).ended_with(0);
    let pip = root.join("bin/pip");
    let canary = sandbox.canary("pip");
    let script = format!("#!{}/bin/python3\nopen('{}', 'w')\n", root.display(), canary.display());
    fs::write(&pip, script).unwrap();
    fs::set_permissions(&pip, fs::Permissions::from_mode(0o755)).unwrap();
    let path = sandbox.variable("PATH");
    let mut front = root.join("bin").into_os_string();
    front.push(":");
    front.push(&path);
    sandbox.set("PATH", front);
    root
}

/// Installs with the matrix's pip into the environment that is first on `PATH`.
fn install(sandbox: &Sandbox, arguments: &[&str]) -> Finished {
    let path = sandbox.variable("PATH");
    let pip = std::env::split_paths(&path).nth(1).unwrap().join("../lib");
    let library = fs::read_dir(pip).unwrap().next().unwrap().unwrap().path();
    let pip = library.join("site-packages/pip");
    let arguments = [&[pip.to_str().unwrap(), "install"], arguments].concat();
    sandbox.bare("python3", &arguments).ended_with(0)
}

fn world(sandbox: &Sandbox) {
    sandbox.world.add_wheel(Wheel::new("app", "1.0").requires("middle").requires("good"));
    sandbox.world.add_wheel(Wheel::new("middle", "1.0").requires("Evil_One>=1"));
    sandbox.world.add_wheel(Wheel::new("evil.one", "1.0"));
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    sandbox.world.add_wheel(Wheel::new("leaky", "1.1"));
}

fn disclose(sandbox: &Sandbox) {
    sandbox.world.add_advisory(json!({
        "id": "GHSA-leak", "summary": "It leaks",
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}],
        "affected": [{"package": {"ecosystem": "PyPI", "name": "leaky"}, "ranges": [
            {"type": "ECOSYSTEM", "events": [{"introduced": "1.0"}, {"fixed": "1.2"}]}]}]
    }));
}

fn document(sandbox: &Sandbox, arguments: &[&str], format: &str, status: i32) -> Value {
    let arguments = [&["audit", "pip", "--format", format], arguments].concat();
    let finished = sandbox.scfw(&arguments).ended_with(status);
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {}", finished.stdout))
}

fn names(list: &Value) -> Vec<String> {
    let name = |package: &Value| package["query"].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(name).collect()
}

#[test]
fn what_any_pip_installed_is_audited_without_running_pip() {
    for version in PIP_VERSIONS {
        let mut sandbox = Sandbox::with_pip(version);
        let root = environment(&mut sandbox);
        world(&sandbox);
        install(&sandbox, &["app", "leaky"]);
        let finished = sandbox.scfw(&["audit", "pip"]).ended_with(0);
        assert_eq!(
            (finished.stdout.as_str(), finished.stderr.as_str()),
            ("5 packages audited, 0 with findings.\n", "")
        );
        disclose(&sandbox);
        let leaky = |prefix: &str| {
            format!(
                "Package leaky-1.1 in {prefix}leaky-1.1.dist-info:\n  \
                 - An OSV.dev disclosure exists for package leaky-1.1:\n      \
                 * https://osv.dev/vulnerability/GHSA-leak High: It leaks; fixed in 1.2\n"
            )
        };
        let site = root.join("lib").read_dir().unwrap().next().unwrap().unwrap().file_name();
        let site = format!("lib/{}/site-packages/", site.to_str().unwrap());
        let finished = sandbox.scfw(&["audit", "pip"]).ended_with(1);
        assert_eq!(
            finished.stdout,
            format!("{}5 packages audited, 1 with findings.\n", leaky(&site)),
            "pip {version}"
        );
        sandbox.world.malicious(Ecosystem::PyPi, "evil-one", None);
        let finished = sandbox.scfw(&["audit", "pip"]).ended_with(77);
        let heading = format!("(required by app > middle) in {site}evil");
        assert!(finished.stdout.contains(&heading), "pip {version}: {}", finished.stdout);
        assert!(finished.stdout.ends_with("5 packages audited, 2 with findings.\n"), "{}", finished.stdout);
        assert!(!sandbox.has_sung(), "pip was run");
    }
}

#[test]
fn the_executable_names_the_environment() {
    let mut sandbox = Sandbox::new();
    let path = sandbox.variable("PATH");
    let root = environment(&mut sandbox);
    sandbox.world.add_wheel(Wheel::new("only-here", "1.0"));
    install(&sandbox, &["only-here"]);
    sandbox.set("PATH", path);
    let here = "pypi:only-here@1.0".to_owned();
    assert!(!names(&document(&sandbox, &[], "json", 0)).contains(&here), "that of the first pip on PATH");
    symlink(root.join("bin/pip"), root.join("bin/pip3.99")).unwrap();
    for executable in ["bin/python3", "bin/pip", "bin/pip3.99"] {
        let executable = root.join(executable);
        let list = document(&sandbox, &["--executable", executable.to_str().unwrap()], "json", 0);
        assert_eq!(names(&list), [here.as_str()], "{}", executable.display());
    }
    let other = sandbox.path("other-site");
    sandbox.set("PYTHONPATH", &other);
    fs::create_dir_all(other.join("from_path-2.0.dist-info")).unwrap();
    fs::write(other.join("from_path-2.0.dist-info/METADATA"), "Name: from-path\nVersion: 2.0\n\n").unwrap();
    let list = document(&sandbox, &["--executable", root.join("bin/python3").to_str().unwrap()], "json", 0);
    assert_eq!(names(&list), ["pypi:from-path@2.0", here.as_str()]);
}

#[test]
fn no_code_of_the_environment_runs() {
    let mut sandbox = Sandbox::new();
    let root = environment(&mut sandbox);
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    install(&sandbox, &["good"]);
    let library = root.join("lib").read_dir().unwrap().next().unwrap().unwrap().path().join("site-packages");
    let canary = sandbox.canary("start");
    let code = format!("open('{}', 'w')", canary.display());
    fs::write(library.join("evil.pth"), format!("import os; {code}\n")).unwrap();
    fs::write(library.join("sitecustomize.py"), &code).unwrap();
    for name in ["json.py", "site.py", "os.py", "sitecustomize.py"] {
        sandbox.write(name, &code);
    }
    sandbox.set("PYTHONPATH", sandbox.path("project"));
    sandbox.set("PYTHONSTARTUP", sandbox.project("json.py"));
    assert_eq!(names(&document(&sandbox, &[], "json", 0)), ["pypi:good@1.0"]);
    assert!(!sandbox.has_sung());
}

#[test]
fn projects_repositories_and_old_records_are_told_apart() {
    let mut sandbox = Sandbox::new();
    let root = environment(&mut sandbox);
    for (name, module) in [("own", "own"), ("cloned", "cloned")] {
        let build = "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n";
        sandbox.write(format!("{name}/pyproject.toml"), build);
        sandbox.write(format!("{name}/backend.py"), BACKEND);
        sandbox.write(format!("{name}/{module}.py"), "");
        sandbox.write(
            format!("{name}/PKG-INFO"),
            format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"),
        );
    }
    let git = |arguments: &[&str]| {
        let all =
            [&["-c", "user.name=a", "-c", "user.email=a@host.example", "-C", "cloned"], arguments].concat();
        sandbox.bare("git", &all).ended_with(0)
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "first"]);
    let repository = format!("git+file://{}", sandbox.project("cloned").display());
    install(&sandbox, &["-e", "own", &repository]);
    let library = root.join("lib").read_dir().unwrap().next().unwrap().unwrap().path().join("site-packages");
    fs::write(library.join("old_one-3.0-py3.11.egg-info"), "Name: old-one\nVersion: 3.0\n").unwrap();
    for name in ["own", "cloned", "old-one"] {
        sandbox.world.malicious(Ecosystem::PyPi, name, None);
    }
    let list = document(&sandbox, &[], "json", 77);
    let verdicts: Vec<(&Value, &Value)> =
        list.as_array().unwrap().iter().map(|package| (&package["name"], &package["verdict"])).collect();
    let expected =
        [("cloned", "block"), ("old-one", "block"), ("own", "allow")].map(|(a, b)| (json!(a), json!(b)));
    assert_eq!(verdicts, expected.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>());
    let said = list[0]["findings"].to_string();
    assert!(said.contains("it comes from a repository (git+file://"), "{said}");
}

#[test]
fn every_format_is_what_its_schema_says() {
    let mut sandbox = Sandbox::new();
    environment(&mut sandbox);
    world(&sandbox);
    disclose(&sandbox);
    install(&sandbox, &["app", "leaky"]);
    sandbox.world.malicious(Ecosystem::PyPi, "evil-one", None);
    let log = document(&sandbox, &[], "sarif", 77);
    is_sarif(&log);
    assert_eq!(log["runs"][0]["results"].as_array().unwrap().len(), 3);
    assert_eq!(log["runs"][0]["invocations"][0]["executionSuccessful"], true);
    let bill = document(&sandbox, &[], "cyclonedx", 77);
    is_cyclonedx(&bill);
    let leak =
        bill["vulnerabilities"].as_array().unwrap().iter().find(|one| one["id"] == "GHSA-leak").unwrap();
    assert_eq!(
        (&leak["ratings"][0]["score"], &leak["ratings"][0]["severity"]),
        (&json!(7.5), &json!("high"))
    );
    assert_eq!(leak["recommendation"], "Upgrade leaky to 1.2 or later.");
    assert_eq!(bill, document(&sandbox, &[], "cyclonedx", 77), "reproducible");
}

#[test]
fn a_wheel_cannot_hide_behind_a_project_that_is_there() {
    let mut sandbox = Sandbox::new();
    let root = environment(&mut sandbox);
    let library = root.join("lib").read_dir().unwrap().next().unwrap().unwrap().path().join("site-packages");
    sandbox.write("other/setup.py", "");
    sandbox.write("other/pyproject.toml", "[project]\nname = \"other\"\n");
    let record = library.join("evil-1.0.dist-info");
    fs::create_dir_all(&record).unwrap();
    fs::write(record.join("METADATA"), "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n\n").unwrap();
    fs::write(record.join("pyproject.toml"), "[project]\nname = \"evil\"\n").unwrap();
    sandbox.world.malicious(Ecosystem::PyPi, "evil", None);
    let own = sandbox.project("other").display().to_string();
    let process = format!("/proc/self/cwd/{}", record.strip_prefix("/").unwrap().display());
    for url in [own, record.display().to_string(), process] {
        let origin = format!(r#"{{"url": "file://{url}", "dir_info": {{"editable": true}}}}"#);
        fs::write(record.join("direct_url.json"), origin).unwrap();
        sandbox.scfw(&["audit", "pip"]).ended_with(77);
    }
    // Nor may the reader of the report be told less than that.
    let scfw = binary("scfw").display().to_string();
    for format in ["text", "json", "sarif", "cyclonedx"] {
        let line = format!("'{scfw}' audit pip --format {format} >/dev/full");
        sandbox.bare("bash", &["-c", &line]).ended_with(77).says("the report could not be written");
    }
}

#[test]
fn what_cannot_be_read_is_said_and_ends_with_1() {
    let mut sandbox = Sandbox::new();
    let root = environment(&mut sandbox);
    let library = root.join("lib").read_dir().unwrap().next().unwrap().unwrap().path().join("site-packages");
    for name in ["torn-1.0.dist-info", "esc\u{1b}[2J-1.0.dist-info"] {
        fs::create_dir_all(library.join(name)).unwrap();
    }
    fs::File::create(library.join("torn-1.0.dist-info/METADATA")).unwrap().set_len(1 << 30).unwrap();
    for format in ["text", "json", "sarif", "cyclonedx"] {
        let finished = sandbox.scfw(&["audit", "pip", "--format", format]).ended_with(1);
        let finished =
            finished.says("torn-1.0.dist-info/METADATA could not be verified: it has no name and version");
        let finished = finished.says("[2J-1.0.dist-info/METADATA could not be verified: it names no package");
        assert!(!finished.stderr.contains('\u{1b}') && !finished.stdout.contains('\u{1b}'), "{finished:?}");
        match format {
            "text" => assert_eq!(
                finished.stdout,
                "1 package audited, 0 with findings; not everything could be verified.\n"
            ),
            "sarif" => is_sarif(&serde_json::from_str(&finished.stdout).unwrap()),
            "cyclonedx" => is_cyclonedx(&serde_json::from_str(&finished.stdout).unwrap()),
            _ => assert!(finished.stdout.contains("has no name and version"), "{}", finished.stdout),
        }
    }
}

#[test]
fn mistakes_are_explained() {
    let sandbox = Sandbox::new();
    sandbox.scfw(&["audit"]).ended_with(2);
    sandbox.scfw(&["audit", "pip", "--global"]).ended_with(2).says("--executable");
    sandbox
        .scfw(&["audit", "pip", "--executable", "/not/there/python3"])
        .ended_with(127)
        .says("/not/there/python3");
    let other = sandbox.write("other", "#!/bin/sh\n");
    sandbox
        .scfw(&["audit", "pip", "--executable", other.to_str().unwrap()])
        .ended_with(69)
        .says("is no Python");
    let silent = sandbox.write("python3", "#!/bin/sh\necho broken >&2\nexit 3\n");
    fs::set_permissions(&silent, fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.scfw(&["audit", "pip", "--executable", silent.to_str().unwrap()]).ended_with(69).says("broken");
}

#[test]
fn a_feed_that_does_not_answer_is_a_warning_for_all() {
    let mut sandbox = Sandbox::new();
    environment(&mut sandbox);
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    install(&sandbox, &["good"]);
    sandbox.set("SCFW_OFFLINE", "1");
    let finished = sandbox.scfw(&["audit", "pip"]).ended_with(1);
    assert!(finished.stdout.contains("All packages:\n  - could not be verified"), "{}", finished.stdout);
    assert!(
        finished.stdout.ends_with("1 package audited, 0 with findings; not everything could be verified.\n")
    );
    let log = document(&sandbox, &[], "sarif", 1);
    is_sarif(&log);
    assert_eq!(log["runs"][0]["invocations"][0]["executionSuccessful"], false);
}
