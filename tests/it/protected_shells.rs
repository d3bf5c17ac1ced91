//! After `scfw configure`: new shells of every kind are protected, `scfw doctor` says so, and it finds out where they
//! are not.

use std::fs;

use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, Wheel};
use serde_json::Value;

use crate::shims::pyenv;
use crate::support::{Finished, Sandbox, binary};

const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// A home in which everything is set up, with the shims.
fn configured() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").canary(sandbox.canary("evil")));
    sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
    sandbox.scfw(&["configure", "--yes", "--shell", "bash,zsh,fish", "--shims"]).ended_with(0);
    sandbox
}

fn outcome(finished: &Finished, check: &str, subject: &str) -> (String, String) {
    let report: Value = serde_json::from_str(&finished.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap().clone();
    let matches =
        |each: &&Value| each["check"] == check && each["subject"].as_str().unwrap().ends_with(subject);
    let found = checks.iter().find(matches).unwrap_or_else(|| panic!("no {check} {subject} in {checks:?}"));
    (found["outcome"].as_str().unwrap().to_owned(), found["detail"].as_str().unwrap().to_owned())
}

#[test]
fn every_new_shell_installs_what_is_clean_and_stops_what_is_not() {
    let sandbox = configured();
    for shell in SHELLS {
        sandbox.bare(shell, &["-i", "-c", "npm install good"]).ended_with(0);
        sandbox.bare(shell, &["-i", "-c", "npm install evil"]).ended_with(77).says("evil@1.0.0");
        assert!(!sandbox.has_sung(), "{shell}");
        // A script that the shell starts knows no function, but the shims.
        sandbox.bare(shell, &["-i", "-c", "sh -c 'npm install evil'"]).ended_with(77);
    }
}

#[test]
fn a_shell_that_is_turned_off_for_good_is_unprotected_and_the_others_are_not() {
    let sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0"));
    sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
    sandbox.scfw(&["configure", "--yes", "--shell", "bash,zsh", "--no-shims"]).ended_with(0);
    sandbox.scfw(&["disable", "--shell", "zsh"]).ended_with(0);
    sandbox.bare("bash", &["-i", "-c", "npm install evil"]).ended_with(77);
    sandbox.bare("zsh", &["-i", "-c", "npm install evil"]).ended_with(0);
    for installed in ["node_modules", "package-lock.json", "package.json"] {
        sandbox.bare("rm", &["-r", installed]).ended_with(0);
    }
    sandbox.scfw(&["enable", "--shell", "zsh"]).ended_with(0);
    sandbox.bare("zsh", &["-i", "-c", "npm install evil"]).ended_with(77);
}

#[test]
fn the_doctor_tests_the_shells_and_the_shims_that_are_set_up() {
    let mut sandbox = configured();
    let shims = sandbox.path("scfw/shims");
    let mut path = shims.into_os_string();
    path.push(":");
    path.push(sandbox.variable("PATH"));
    sandbox.set("PATH", path);
    let finished = sandbox.scfw(&["doctor", "--json"]).ended_with(0);
    for shell in SHELLS {
        assert_eq!(outcome(&finished, "shell", shell).0, "ok", "{finished:?}");
    }
    assert_eq!(outcome(&finished, "shims", "/shims").0, "ok");
    assert!(!sandbox.has_sung());
}

#[test]
fn the_doctor_finds_a_shell_that_only_looks_protected() {
    let sandbox = configured();
    // Defined after our block, as a version manager's installer does.
    let bashrc = sandbox.path("home/.bashrc");
    let mut content = fs::read_to_string(&bashrc).unwrap();
    content.push_str("PATH=${PATH#*/shims:}\nnpm() { command npm \"$@\"; }\n");
    fs::write(&bashrc, content).unwrap();
    let finished = sandbox.scfw(&["doctor", "--json", "--offline"]).ended_with(1);
    let (outcome_of_bash, detail) = outcome(&finished, "shell", "bash");
    assert_eq!(outcome_of_bash, "failed", "{finished:?}");
    assert!(detail.contains("malware RAN") || detail.contains("did not stop malware"), "{detail}");
    assert_eq!(outcome(&finished, "shell", "zsh").0, "ok");
    // The shims are there, but not on the PATH of this process.
    assert_eq!(outcome(&finished, "shims", "/shims").0, "failed");
}

#[test]
fn remove_leaves_nothing_of_it() {
    let sandbox = configured();
    sandbox.bare("fish", &["-c", "npm --version"]).ended_with(0);
    assert!(sandbox.path("scfw/session-shims/npm").exists());
    sandbox.scfw(&["configure", "--remove"]).ended_with(0);
    for file in [".bashrc", ".profile", ".zshrc", ".config/fish/conf.d/scfw.fish"] {
        assert!(!sandbox.path("home").join(file).exists(), "{file}");
    }
    assert!(!sandbox.path("scfw/shims").exists());
    assert!(!sandbox.path("scfw/session-shims").exists());
}

#[test]
fn a_manager_that_was_not_chosen_is_left_alone_unless_scfw_is_asked() {
    let sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0"));
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    fs::write(sandbox.path("scfw/config.toml"), "managers = [\"pip\"]\n").unwrap();
    sandbox.scfw(&["run", "npm", "install", "evil"]).ended_with(77);
    sandbox.hook(&["npm", "install", "evil"]).ended_with(0);
    let status = sandbox.scfw(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    let has =
        |list: &str, name: &str| status[list].as_array().unwrap().iter().any(|entry| entry["name"] == name);
    assert!(has("routes", "pip") && !has("routes", "npm") && has("uncovered", "npm"), "{status:#}");
}

#[test]
fn a_version_manager_that_comes_first_on_path_is_no_way_around() {
    let sandbox = configured();
    sandbox.world.add_wheel(Wheel::new("evil", "1.0"));
    sandbox.world.malicious(Ecosystem::PyPi, "evil", Some("1.0"));
    // What `pyenv init -` does, after our block.
    let pyenv = pyenv(&sandbox);
    for (file, line) in [
        (
            ".bashrc",
            format!("export PATH=\"{}:$PATH\"\npyenv() {{ command pyenv \"$@\"; }}\n", pyenv.display()),
        ),
        (
            ".zshrc",
            format!("export PATH=\"{}:$PATH\"\npyenv() {{ command pyenv \"$@\"; }}\n", pyenv.display()),
        ),
        (".config/fish/config.fish", format!("set -gx PATH '{}' $PATH\n", pyenv.display())),
    ] {
        let path = sandbox.path("home").join(file);
        let mut content = fs::read_to_string(&path).unwrap_or_default();
        content.push_str(&line);
        fs::write(&path, content).unwrap();
    }
    for shell in SHELLS {
        for command in ["pip install --target out evil", "python3 -m pip install --target out evil"] {
            sandbox.bare(shell, &["-i", "-c", command]).ended_with(77).says("evil-1.0");
        }
    }
}

#[test]
fn a_function_that_loads_its_program_when_it_is_called_goes_on_doing_so() {
    let mut sandbox = configured();
    // nvm as many load it: there is no npm on PATH until somebody calls it.
    let directories: Vec<_> = std::env::split_paths(&sandbox.variable("PATH")).collect();
    let npm = directories[1].clone();
    // The system's own npm may stand beside its shells.
    let plain = sandbox.path("plain");
    fs::create_dir(&plain).unwrap();
    for program in ["bash", "zsh", "sh", "node"] {
        let real =
            directories.iter().map(|directory| directory.join(program)).find(|path| path.is_file()).unwrap();
        std::os::unix::fs::symlink(real, plain.join(program)).unwrap();
    }
    sandbox.set("PATH", &plain);
    let load = format!("npm() {{ unset -f npm; PATH=\"{}:$PATH\"; npm \"$@\"; }}\n", npm.display());
    for (shell, file) in [("bash", ".bashrc"), ("zsh", ".zshrc")] {
        let path = sandbox.path("home").join(file);
        let block = fs::read_to_string(&path)
            .unwrap()
            .replace(&sandbox.path("scfw/shims").display().to_string(), "/nowhere");
        fs::write(&path, format!("{load}{block}")).unwrap();
        let version = sandbox.bare(shell, &["-i", "-c", "npm --version"]).ended_with(0);
        assert!(version.stdout.trim().contains('.'), "{shell}: {version:?}");
    }
}

#[test]
fn a_block_of_another_installation_is_named() {
    let sandbox = configured();
    let status = sandbox.bare("bash", &["-i", "-c", "scfw status"]);
    assert!(!status.stdout.contains("another scfw"), "{}", status.stdout);
    let zshrc = sandbox.path("home/.zshrc");
    let content = fs::read_to_string(&zshrc).unwrap();
    let own = binary("scfw").display().to_string();
    fs::write(&zshrc, content.replace(&own, "/gone/bin/scfw")).unwrap();
    let status = sandbox.bare("bash", &["-i", "-c", "scfw status"]);
    let named = format!("what {} holds is of another scfw; run scfw configure again", zshrc.display());
    assert!(status.stdout.contains(&named), "{}", status.stdout);
    // A shell that starts with it says so, and starts.
    sandbox.bare("zsh", &["-i", "-c", "true"]).ended_with(0).says("/gone/bin/scfw is gone");
}
