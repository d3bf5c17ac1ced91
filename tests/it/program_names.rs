//! Every name of the table of programs arrives at scfw on every route, and stands nowhere but in the table.

use std::fs;
use std::path::{Path, PathBuf};

use scfw_core::manager::{ManagerId, manager};
use scfw_core::package::Ecosystem;
use scfw_programs::{NAMES, NODE_SCRIPTS, Name, PYTHON_MODULES, Presence, Runs, Suffix, UNCOVERED};

use crate::support::shell_cases::{case, stand_in};
use crate::support::{Sandbox, binary};

/// The spellings of a name.
fn spellings(name: &Name) -> Vec<String> {
    let versions: &[&str] = match name.suffix {
        Suffix::None => &[""],
        Suffix::Version => &["", "2", "3", "2.7", "3.12", "3.13t", "3.9.1"],
    };
    versions.iter().map(|version| format!("{}{version}", name.stem)).collect()
}

/// The words with which each manager that a name leads to installs malware.
fn installs(name: &Name) -> Vec<Vec<String>> {
    let install = |id: ManagerId| {
        let before: &[&str] = if name.acts_alone { &["--yes"] } else { manager(id).self_test().install };
        let mut words: Vec<String> = before.iter().map(|word| (*word).to_owned()).collect();
        words.push("evil".to_owned());
        words
    };
    let behind = |first: &[&str], id| {
        first.iter().map(|word| (*word).to_owned()).chain(install(id)).collect::<Vec<_>>()
    };
    match name.runs {
        Runs::Manager(id) => vec![install(id)],
        Runs::Python => PYTHON_MODULES.iter().map(|(module, id)| behind(&["-m", module], *id)).collect(),
        Runs::Node => NODE_SCRIPTS
            .iter()
            .filter_map(|(script, stem)| {
                let runs = NAMES.iter().find(|known| known.stem == *stem)?;
                match runs.runs {
                    Runs::Manager(id) if !runs.acts_alone => Some(behind(&[script], id)),
                    _ => None,
                }
            })
            .collect(),
    }
}

/// Every spelling with its words, as one command line each, without the names that nobody types unless asked for.
fn lines(untyped_too: bool) -> Vec<String> {
    let names = NAMES.iter().filter(|name| untyped_too || name.presence != Presence::Untyped);
    names
        .flat_map(|name| {
            let installs = installs(name);
            spellings(name)
                .into_iter()
                .flat_map(move |spelling| {
                    installs.clone().into_iter().map(move |words| format!("{spelling} {}", words.join(" ")))
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

/// A sandbox in which each spelling is a program that would leave a trace.
fn stage() -> Sandbox {
    let mut sandbox = Sandbox::new();
    for name in NAMES.iter().flat_map(spellings) {
        stand_in(&mut sandbox, &name);
    }
    for ecosystem in Ecosystem::ALL {
        sandbox.world.malicious(ecosystem, "evil", None);
    }
    sandbox
}

#[test]
fn every_name_arrives_from_every_shell() {
    let sandbox = stage();
    let lines = lines(false);
    for shell in ["bash", "zsh", "fish"] {
        let (load, status) =
            if shell == "fish" { ("source $INIT", "$status") } else { (". \"$INIT\"", "$?") };
        let script: Vec<String> = lines.iter().map(|line| format!("{line}\necho {status}")).collect();
        let finished = case(shell, &[], "").run(&sandbox, &format!("{load}\n{}", script.join("\n")));
        assert_eq!(finished.stdout, "77\n".repeat(lines.len()), "{shell}: {}", finished.stderr);
    }
    assert!(!sandbox.project("argv").exists(), "nothing was started");
}

#[test]
fn every_name_arrives_by_its_shim_and_by_scfw_run() {
    let mut sandbox = stage();
    let lines = lines(true);
    for line in &lines {
        let words: Vec<&str> = ["run"].into_iter().chain(line.split(' ')).collect();
        sandbox.scfw(&words).ended_with(77);
    }
    sandbox.scfw(&["configure", "--shell", "bash", "--shims"]).ended_with(0);
    let shims = PathBuf::from(sandbox.variable("SCFW_HOME")).join("shims");
    let mut path = shims.into_os_string();
    path.push(":");
    path.push(sandbox.variable("PATH"));
    sandbox.set("PATH", path);
    for line in self::lines(false) {
        let finished = sandbox.finish(sandbox.command("/bin/sh", &["-c", &line]));
        assert_eq!(finished.status, 77, "{line}: {}", finished.stderr);
    }
    assert!(!sandbox.project("argv").exists(), "nothing was started");
}

#[test]
fn every_name_arrives_under_the_preload_library() {
    let sandbox = stage();
    for line in lines(true) {
        let absolute = sandbox.project("stand-ins").join(&line);
        let script = format!("{}\nexit $?", absolute.display());
        sandbox.scfw(&["shield", "/bin/sh", "-c", &script]).ended_with(77);
    }
    assert!(!sandbox.project("argv").exists(), "nothing was started");
}

#[test]
fn a_manager_that_is_not_covered_is_named() {
    let mut sandbox = Sandbox::new();
    let name = UNCOVERED[0];
    stand_in(&mut sandbox, name);
    sandbox
        .scfw(&["run", name, "install", "evil"])
        .ended_with(69)
        .says(&format!("{name} is not covered by scfw yet"));
    assert!(!sandbox.project("argv").exists(), "nothing was started");
    let gap = format!("{name}: scfw does not cover it yet, so what it installs is not verified");
    let shown = sandbox.scfw(&["configure", "--yes"]).ended_with(0).stdout;
    assert!(shown.contains(&gap), "{shown}");
    let shown = sandbox.scfw(&["status"]).stdout;
    assert!(shown.contains(&gap), "{shown}");
    let json: serde_json::Value = serde_json::from_str(&sandbox.scfw(&["status", "--json"]).stdout).unwrap();
    assert_eq!(
        (&json["uncovered"][0]["name"], &json["uncovered"][0]["reason"]),
        (&name.into(), &"not_covered".into())
    );
    // One that the user has chosen away is named too, and is not expected to be routed.
    let shown = sandbox.scfw(&["configure", "--managers", "pip"]).ended_with(0).stdout;
    assert!(shown.contains("npm: left out by \"managers\" in the configuration"), "{shown}");
    let shown = sandbox.scfw(&["status"]).stdout;
    assert!(shown.contains("npm: left out by \"managers\" in the configuration"), "{shown}");
    assert!(!shown.contains("npm: NOT routed"), "{shown}");
    let shown = sandbox.scfw(&["configure", "--managers", "pip,npm"]).ended_with(0).stdout;
    assert!(!shown.contains("left out"), "{shown}");
    sandbox.scfw(&["configure", "--managers", "npm,cargo"]).ended_with(2).says("cargo");
    sandbox.scfw(&["run", "cargo", "install"]).ended_with(2).says("cargo is not a program that scfw knows");
}

/// The files below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn a_name_stands_in_the_table_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for folder in
        ["shell", "scfw-hook/src/commands", "scfw-hook/src/shells", "scfw-hook/src/bin", "scfw-shim/src"]
    {
        let is_test = |file: &&PathBuf| file.file_name().is_some_and(|name| name == "tests.rs");
        for file in files(&root.join(folder)).iter().filter(|file| !is_test(file)) {
            let text = fs::read_to_string(file).unwrap();
            // Tests say what they test, and `npm:` and `pkg:npm` are the ecosystem's.
            let text = text.split("#[cfg(test)]").next().unwrap();
            let text = text.replace("npm:", "").replace("pkg:npm", "");
            for word in text.split(|character: char| !(character.is_alphanumeric() || character == '_')) {
                let is_manager = ManagerId::ALL.iter().any(|id| id.name() == word);
                assert!(!is_manager, "{}: {word}", file.display());
            }
        }
    }
    assert!(binary("scfw-hook").is_file());
}
