//! An npm that has lost its gate installs nothing and says so with a status, and as little as possible loses it: by
//! whichever name npm is called, and with whatever a script makes of `NODE_OPTIONS`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use scfw_core::package::Ecosystem;
use scfw_world::NpmPackage;
use serde_json::json;

use crate::support::{Sandbox, pnpm_directory};

for_each_npm! {
    without_its_gate_npm_refuses_and_changes_nothing => switch;
    a_script_with_node_options_of_its_own_is_gated => own_node_options;
    npm_is_known_by_whatever_script_starts_it => other_scripts;
    an_npm_that_is_called_by_its_path_without_the_gate_refuses => by_path;
}

/// A world with `good` and with `evil`, which is malicious in one version; both show when their scripts run.
fn world(version: &str) -> Sandbox {
    let sandbox = Sandbox::with_npm(version);
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0").bin("good").canary(sandbox.path("good-ran")));
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").bin("evil").canary(sandbox.canary("evil")));
    sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
    sandbox
}

/// npm's folder.
fn npm_folder(sandbox: &Sandbox) -> PathBuf {
    let path = sandbox.variable("PATH");
    std::env::split_paths(&path).nth(1).unwrap().join("../npm").canonicalize().unwrap()
}

/// Makes `script` the project's own `postinstall`.
fn postinstall(sandbox: &Sandbox, script: &str) {
    let manifest = json!({"name": "p", "version": "1.0.0", "scripts": {"postinstall": script, "build": "echo built > built"}});
    sandbox.write("package.json", manifest.to_string());
}

/// Writes a project below the project that depends on `name`.
fn sub_project(sandbox: &Sandbox, name: &str) {
    // There is none the first time.
    fs::remove_dir_all(sandbox.project("sub")).ok();
    let manifest = json!({"name": "sub", "version": "1.0.0", "dependencies": {name: "*"}});
    sandbox.write("sub/package.json", manifest.to_string());
}

fn switch(version: &str) {
    let mut sandbox = world(version);
    sandbox.write(
        "package.json",
        json!({"name": "p", "version": "1.0.0", "dependencies": {"good": "*"}, "workspaces": ["w"],
            "scripts": {"postinstall": format!("touch {}", sandbox.canary("own").display())}})
        .to_string(),
    );
    sandbox.write("w/package.json", json!({"name": "w", "version": "1.0.0"}).to_string());
    sandbox.bare("npm", &["install", "--ignore-scripts"]).ended_with(0);
    let state = |sandbox: &Sandbox| {
        let read = |name: &str| fs::read_to_string(sandbox.project(name)).unwrap();
        (
            sandbox.list("node_modules"),
            sandbox.list("node_modules/good"),
            read("package.json"),
            read("package-lock.json"),
        )
    };
    let before = state(&sandbox);
    let mut directories = std::env::split_paths(&sandbox.variable("PATH")).skip(1).collect::<Vec<_>>();
    for name in ["npm", "npx"] {
        let real = directories[0].join(name);
        let wrapper = sandbox.write(
            Path::new("wrappers").join(name),
            format!("#!/bin/sh\nunset NODE_OPTIONS\nexec {} \"$@\"\n", real.display()),
        );
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    }
    directories.insert(0, sandbox.project("wrappers"));
    sandbox.set("PATH", std::env::join_paths(directories).unwrap());
    // Nothing that a user may have set stands in its way.
    sandbox.write(".npmrc", "workspaces=true\nworkspace=w\ninclude-workspace-root=true\nheading=npm\n");
    sandbox.set("npm_config_workspaces", "true");
    sandbox.set("npm_config_workspace", "w");
    for line in [
        "npm install evil", "npm install", "npm ci", "npm update", "npm rebuild", "npm uninstall good",
        "npm dedupe", "npm prune", "npm audit fix", "npm link", "npm install -g evil", "npx --yes evil",
        "npx good", "npm exec --yes evil", "npm install --workspaces", "npm ci --no-workspaces",
        "npm install --prefix sub evil",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let finished = sandbox.hook(&words);
        assert_ne!(finished.status, 0, "{line}: {finished:?}");
        assert!(finished.stderr.contains("scfw's gate did not attach"), "{line}: {finished:?}");
        assert_eq!(state(&sandbox), before, "{line}");
        assert!(!sandbox.has_sung() && !sandbox.path("good-ran").exists(), "{line}");
    }
    // What overrules the switch is refused beforehand.
    for line in [
        "npm install --workspace w --workspaces",
        "npm exec --workspaces --include-workspace-root good",
        "npm init --workspaces thing",
        "npm pack --workspaces github:a/b",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        sandbox.hook(&words).ended_with(69).says("would switch off what keeps npm harmless");
    }
    sandbox
        .scfw(&["check", "npm:top"])
        .says("the gate of an earlier run never reported")
        .says("npm install evil");
}

fn own_node_options(version: &str) {
    let sandbox = world(version);
    for prefix in ["NODE_OPTIONS=--max-old-space-size=4096", "env -u NODE_OPTIONS"] {
        for (name, status) in [("good", 0), ("evil", 77)] {
            sub_project(&sandbox, name);
            // What installs nothing works as it does without scfw, and so does what it starts.
            let script = format!("{prefix} npm run build && {prefix} npm --prefix sub install");
            postinstall(&sandbox, &script);
            sandbox.hook(&["npm", "install"]).ended_with(status);
            assert!(sandbox.project("built").exists(), "{prefix}");
            assert_eq!(sandbox.project("sub/node_modules/good").exists(), name == "good", "{prefix}");
            assert!(!sandbox.has_sung(), "{prefix}");
            fs::remove_file(sandbox.project("built")).unwrap();
        }
    }
    sandbox.write(
        "package.json",
        json!({"name": "p", "version": "1.0.0", "scripts": {
        "postinstall": "NODE_OPTIONS=--no-warnings npm run inner", "inner": "npm --prefix sub install"}})
        .to_string(),
    );
    sandbox.hook(&["npm", "install"]).ended_with(77);
    assert!(!sandbox.has_sung());
    // npm's own setting does the same as such a script.
    sandbox.write(".npmrc", "node-options=--max-old-space-size=4096\n");
    postinstall(&sandbox, "npm --prefix sub install");
    sandbox.hook(&["npm", "install"]).ended_with(77);
    postinstall(&sandbox, "npx --yes evil");
    sandbox.hook(&["npm", "install"]).ended_with(77);
    assert!(!sandbox.has_sung());
}

fn other_scripts(version: &str) {
    let sandbox = world(version);
    let folder = npm_folder(&sandbox);
    let scripts = ["index.js", "index", "bin/npm-cli.js", "bin/npm-cli", ""];
    // npm 7 is no module.
    let is_there = |script: &&str| folder.join("index.js").is_file() || script.starts_with("bin");
    for script in scripts.into_iter().filter(is_there) {
        let npm = folder.join(script).display().to_string();
        for (name, status) in [("good", 0), ("evil", 77)] {
            sub_project(&sandbox, name);
            postinstall(&sandbox, &format!("node {npm} --prefix sub install"));
            sandbox.hook(&["npm", "install"]).ended_with(status);
            assert_eq!(sandbox.project("sub/node_modules/good").exists(), name == "good", "{script}");
            assert!(!sandbox.has_sung(), "{script}");
        }
    }
}

fn by_path(version: &str) {
    let sandbox = world(version);
    let npm = npm_folder(&sandbox).join("bin/npm-cli.js").display().to_string();
    sub_project(&sandbox, "good");
    sandbox.bare("npm", &["--prefix", "sub", "install", "--ignore-scripts"]).ended_with(0);
    for command in ["install", "ci"] {
        postinstall(&sandbox, &format!("NODE_OPTIONS=--no-warnings node {npm} --prefix sub {command}"));
        let refused = sandbox.hook(&["npm", "install", "--foreground-scripts"]);
        assert_ne!(refused.status, 0, "{refused:?}");
        assert!(refused.stderr.contains("scfw's gate did not attach"), "{refused:?}");
        assert!(sandbox.project("sub/node_modules/good").exists(), "{command} removes nothing");
        assert!(!sandbox.path("good-ran").exists());
    }
}

#[test]
fn another_manager_reads_none_of_the_switches() {
    let mut sandbox = world("11.19.1");
    let mut path = pnpm_directory().into_os_string();
    path.push(":");
    path.push(sandbox.variable("PATH"));
    sandbox.set("PATH", path);
    // A build backend that calls pnpm, as those with a front end do.
    let backend = "import subprocess, zipfile\n\
        def build_wheel(folder, config_settings=None, metadata_directory=None):\n    \
        subprocess.check_call(['pnpm', 'install'])\n    \
        with zipfile.ZipFile(folder + '/own-1.0-py3-none-any.whl', 'w') as wheel:\n        \
        wheel.writestr('own-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: own\\nVersion: 1.0\\n')\n        \
        wheel.writestr('own-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n        \
        wheel.writestr('own-1.0.dist-info/RECORD', '')\n    \
        return 'own-1.0-py3-none-any.whl'\n";
    sandbox.write("own/backend.py", backend);
    sandbox.write(
        "own/pyproject.toml",
        "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n",
    );
    // pnpm would remember what the script has changed, and not run it again.
    sandbox.write("own/.npmrc", "side-effects-cache=false\n");
    sandbox.write(
        "own/package.json",
        json!({"name": "front", "version": "1.0.0", "dependencies": {"good": "*"}}).to_string(),
    );
    let install = ["pip", "install", "--target", "out", "./own"];
    sandbox.bare(install[0], &install[1..]).ended_with(0);
    assert!(sandbox.path("good-ran").exists(), "bare, the script runs");
    fs::remove_file(sandbox.path("good-ran")).unwrap();
    fs::remove_dir_all(sandbox.project("own/node_modules")).unwrap();
    sandbox.hook(&install).ended_with(0);
    assert!(sandbox.path("good-ran").exists(), "and below a gated pip as well");
}
