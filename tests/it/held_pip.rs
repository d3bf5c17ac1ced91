//! What an adversary tried on pip and what held: options of the interpreter, start-up files, locales, lock files.

use std::fs;

use scfw_core::package::Ecosystem;
use scfw_world::{Sdist, Wheel};

use crate::support::{Finished, Sandbox, UNPACKING_PIPS};

/// A world with `evil`, which is malicious in its one version and shows when it is built.
fn with_evil(pip: &str) -> Sandbox {
    let sandbox = Sandbox::with_pip(pip);
    sandbox.world.add_sdist(Sdist::new("evil", "1.0").canary(sandbox.canary("evil")));
    sandbox.world.malicious(Ecosystem::PyPi, "evil", Some("1.0"));
    sandbox
}

/// Fails the test if anything of `evil` has run or was installed.
#[track_caller]
fn nothing_has_happened(sandbox: &Sandbox, finished: &Finished) {
    assert_ne!(finished.status, 0, "{finished:?}");
    assert!(!sandbox.has_sung() && sandbox.list("out").is_empty(), "{finished:?}");
}

const INSTALL: [&str; 5] = ["install", "--no-cache-dir", "--target", "out", "evil"];

#[test]
fn no_option_of_the_interpreter_leads_round_the_gate() {
    let sandbox = with_evil("26.3");
    for options in [
        &["-Im", "pip"][..],
        &["-P", "-m", "pip"],
        &["-W", "error", "-m", "pip"],
        &["-X", "dev", "-m", "pip"],
        &["-X", "importtime", "-m", "pip"],
        &["-bb", "-m", "pip"],
        &["-OO", "-m", "pip"],
        &["-B", "-u", "-v", "-m", "pip"],
        &["-m", "pip.__main__"],
        &["-m", "runpy", "pip"],
    ] {
        let words = [&["python3"], options, &INSTALL].concat();
        let finished = sandbox.hook(&words);
        nothing_has_happened(&sandbox, &finished);
        // What this Python or pip does not take ends in the same way without scfw.
        if sandbox.bare("python3", &[options, &["--version"]].concat()).status == 0 {
            assert!(finished.stderr.contains("evil-1.0 is malicious"), "{options:?}: {finished:?}");
            assert_eq!(finished.status, 77, "{options:?}");
        }
    }
}

#[test]
fn no_variable_of_the_interpreters_leads_round_the_gate() {
    for (name, value) in [
        ("PYTHONOPTIMIZE", "2"),
        ("PYTHONSAFEPATH", "1"),
        ("PYTHONDEVMODE", "1"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PYTHONNOUSERSITE", "1"),
        ("PYTHONCASEOK", "1"),
        ("PYTHONUTF8", "0"),
        ("PYTHONIOENCODING", "latin-1"),
        ("LC_ALL", "C"),
        ("LC_ALL", "POSIX"),
        ("LC_ALL", "no_SUCH.locale"),
    ] {
        let mut sandbox = with_evil("26.3");
        sandbox.set(name, value);
        let finished = sandbox.hook(&[&["pip"][..], &INSTALL].concat());
        nothing_has_happened(&sandbox, &finished);
        finished.ended_with(77).says("evil-1.0 is malicious");
    }
}

#[test]
fn no_option_of_the_oldest_pip_leads_round_the_gate() {
    let mut sandbox = with_evil("20.3.4");
    sandbox.write("evil.txt", "evil\n");
    for line in [
        &["install", "--prefix", "out", "evil"][..],
        &["install", "--root", "out", "evil"],
        &["install", "--target", "out", "--no-deps", "--ignore-installed", "evil"],
        &["install", "--target", "out", "--no-binary", ":all:", "evil"],
        &["install", "--target", "out", "--no-use-pep517", "evil"],
        &["install", "--target", "out", "--no-build-isolation", "-r", "evil.txt"],
        &["wheel", "-w", "out", "-r", "evil.txt"],
        &["download", "--no-deps", "-d", "out", "evil"],
    ] {
        let finished = sandbox.hook(&[&["pip"], line].concat());
        nothing_has_happened(&sandbox, &finished);
        finished.ended_with(77).says("evil-1.0 is malicious");
    }
    sandbox.set("PIP_REQUIREMENT", "evil.txt");
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    let finished = sandbox.hook(&["pip", "install", "--target", "out", "good"]);
    nothing_has_happened(&sandbox, &finished);
}

#[test]
fn a_path_file_that_imports_pip_early_keeps_no_gate_out() {
    let sandbox = with_evil("26.3");
    sandbox.bare("python3", &["-m", "venv", "own"]).ended_with(0);
    let lib = sandbox.project("own/lib");
    let python = fs::read_dir(&lib).unwrap().next().unwrap().unwrap().path();
    let file = python.join("site-packages/early.pth");
    for import in [
        "pip",
        "pip._internal.cli.main",
        "pip._internal.commands.install",
        "pip._internal.resolution.resolvelib.resolver",
        "pip._internal.operations.prepare, pip._internal.build_env",
    ] {
        fs::write(&file, format!("import {import}\n")).unwrap();
        let python = sandbox.project("own/bin/python").display().to_string();
        let pip = sandbox.project("own/bin/pip").display().to_string();
        for program in [&[pip.as_str()][..], &[&python, "-m", "pip"]] {
            let finished = sandbox.hook(&[program, &INSTALL].concat());
            nothing_has_happened(&sandbox, &finished);
        }
    }
}

#[test]
fn an_address_without_a_name_is_verified_in_the_legacy_resolver_too() {
    for pip in UNPACKING_PIPS {
        let mut sandbox = with_evil(pip);
        sandbox.world.add_wheel(Wheel::new("evil-wheel", "1.0"));
        sandbox.world.malicious(Ecosystem::PyPi, "evil-wheel", Some("1.0"));
        for file in ["evil-1.0.tar.gz", "evil_wheel-1.0-py3-none-any.whl"] {
            let address = sandbox.world.index_url().replace("simple/", &format!("files/{file}"));
            let words =
                ["pip", "install", "--use-deprecated=legacy-resolver", "--target", "out", address.as_str()];
            sandbox.unset("SCFW_ON_WARNING");
            let finished = sandbox.hook(&words);
            nothing_has_happened(&sandbox, &finished);
            // Whoever accepts the address has not accepted what is known about the package.
            sandbox.set("SCFW_ON_WARNING", "ALLOW");
            let finished = sandbox.hook(&words);
            assert!(sandbox.list("out").is_empty(), "{pip} {file}: {finished:?}");
            assert_eq!(finished.status, 77, "{pip} {file}: {finished:?}");
        }
    }
}

#[test]
fn no_lock_file_of_pips_names_malware_otherwise() {
    let mut sandbox = with_evil("26.3");
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    sandbox.set("SCFW_PACKAGE_MINIMUM_AGE", "0");
    let index = sandbox.world.index_url();
    let address = index.replace("simple/", "files/evil-1.0.tar.gz");
    let script = "import hashlib,sys,urllib.request as u\n\
        print(hashlib.sha256(u.urlopen(sys.argv[1]).read()).hexdigest())";
    let sha256 = sandbox.bare("python3", &["-c", script, &address]).ended_with(0).stdout;
    let file = format!("url = \"{address}\"\nhashes = {{sha256 = \"{}\"}}\n", sha256.trim());
    let named = format!("name = \"evil-1.0.tar.gz\"\n{file}");
    for entry in [
        format!("name = \"evil\"\nversion = \"1.0\"\n[packages.sdist]\n{named}"),
        format!("name = \"evil\"\nversion = \"1.0\"\nindex = \"{index}\"\n[packages.sdist]\n{named}"),
        format!("name = \"evil\"\nversion = \"1.0\"\n[packages.archive]\n{file}"),
        format!("name = \"evil\"\n[packages.archive]\n{file}"),
        format!("name = \"good\"\nversion = \"1.0\"\n[packages.archive]\n{file}"),
        format!("name = \"evil\"\nversion = \"2.0\"\n[packages.sdist]\n{named}"),
        format!("name = \"good\"\nversion = \"1.0\"\n[packages.sdist]\n{named}"),
        format!("name = \"evil\"\nversion = \"1.0\"\n[packages.sdist]\nname = \"good-1.0.tar.gz\"\n{file}"),
        format!(
            "name = \"evil\"\nversion = \"1.0\"\n[packages.sdist]\nupload-time = 2020-01-01T00:00:00Z\n{named}"
        ),
    ] {
        let lock = format!("lock-version = \"1.0\"\ncreated-by = \"test\"\n[[packages]]\n{entry}");
        sandbox.write("pylock.toml", &lock);
        let finished = sandbox.hook(&["pip", "install", "--target", "out", "-r", "pylock.toml"]);
        nothing_has_happened(&sandbox, &finished);
    }
}
