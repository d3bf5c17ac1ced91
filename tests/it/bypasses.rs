//! Every known way around such a tool that ends at pip or npm, one test each. The numbers are those of the table in
//! SECURITY.md. The ways around a shell function or a preload library are tested where those are.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, Sdist, SdistStyle, Wheel};
use serde_json::json;

use crate::support::{Finished, Sandbox};

/// An npm package `evil` of which one version is malicious, so that only the gate can tell.
fn with_evil_npm() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").bin("evil").canary(sandbox.canary("evil")));
    sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
    sandbox
}

/// A PyPI package `evil` of which one version is malicious.
fn with_evil_pypi() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.world.add_sdist(Sdist::new("evil", "1.0").canary(sandbox.canary("evil")));
    sandbox.world.malicious(Ecosystem::PyPi, "evil", Some("1.0"));
    sandbox
}

#[track_caller]
fn stopped(sandbox: &Sandbox, finished: Finished) {
    let finished = finished.ended_with(77);
    assert!(finished.stderr.to_lowercase().contains("evil"), "{}", finished.stderr);
    assert!(!sandbox.has_sung(), "something of it has run");
}

#[test]
fn row_1_every_npm_command_that_installs_is_gated() {
    let sandbox = with_evil_npm();
    for command in ["install", "install-test", "link", "exec --yes --", "update --save", "add"] {
        let mut arguments = vec!["npm"];
        arguments.extend(command.split(' '));
        arguments.push("evil");
        if command.starts_with("update") {
            // Updates what is declared already.
            sandbox.write(
                "package.json",
                json!({"name": "p", "version": "1.0.0", "dependencies": {"evil": "1.x"}}).to_string(),
            );
        }
        stopped(&sandbox, sandbox.hook(&arguments));
        // There is none the first time.
        fs::remove_file(sandbox.project("package.json")).ok();
    }
    stopped(&sandbox, sandbox.hook(&["npx", "--yes", "evil"]));
    sandbox
        .world
        .add_npm(NpmPackage::new("create-thing", "1.0.0").bin("create-thing").dependency("evil", "*"));
    stopped(&sandbox, sandbox.hook(&["npm", "init", "--yes", "thing"]));
    stopped(&sandbox, sandbox.hook(&["npm", "create", "--yes", "thing"]));
    // Commands that complete what package.json declares.
    sandbox.write(
        "package.json",
        json!({"name": "p", "version": "1.0.0", "dependencies": {"evil": "1.x"}}).to_string(),
    );
    for command in
        [&["dedupe"][..], &["install-ci-test"], &["prune"], &["uninstall", "other"], &["audit", "fix"]]
    {
        let mut arguments = vec!["npm"];
        arguments.extend(command);
        if command[0] == "install-ci-test" {
            sandbox.bare("npm", &["install", "--package-lock-only"]).ended_with(0);
        }
        let finished = sandbox.hook(&arguments);
        assert!(
            !sandbox.has_sung() && sandbox.list("node_modules/evil").is_empty(),
            "{command:?}: {}",
            finished.stderr
        );
    }
}

#[test]
fn row_2_abbreviations_and_camel_case_are_resolved_as_npm_does() {
    let sandbox = with_evil_npm();
    for command in ["i", "in", "install-te", "installTest", "isntall", "insta", "it"] {
        stopped(&sandbox, sandbox.hook(&["npm", command, "evil"]));
    }
}

#[test]
fn row_3_contradicting_flags_do_not_make_an_install_harmless() {
    let sandbox = with_evil_pypi();
    stopped(&sandbox, sandbox.hook(&["pip", "install", "--no-cache-dir", "--target", "-h", "evil"]));
    stopped(&sandbox, sandbox.hook(&["pip", "install", "--dry-run", "evil"]));
    let sandbox = with_evil_npm();
    stopped(&sandbox, sandbox.hook(&["npm", "install", "--dry-run", "--no-dry-run", "evil"]));
    stopped(&sandbox, sandbox.hook(&["npm", "install", "--usage", "--no-usage", "evil"]));
    assert!(sandbox.list("node_modules").is_empty());
}

#[test]
fn row_4_there_is_one_run_so_a_resolver_cannot_fail_first_and_succeed_then() {
    let sandbox = with_evil_pypi();
    // Fails the first time anything of it is fetched, as a resolver under inspection might.
    sandbox.world.fail(scfw_world::Service::Index, Some(scfw_world::Failure::Status(404)));
    let failed = sandbox.hook(&["pip", "install", "--target", "out", "evil"]);
    assert_ne!(failed.status, 0);
    assert!(!sandbox.has_sung());
    sandbox.world.fail(scfw_world::Service::Index, None);
    stopped(&sandbox, sandbox.hook(&["pip", "install", "--target", "out", "evil"]));
}

#[test]
fn row_5_a_source_distribution_runs_nothing_while_targets_are_worked_out() {
    let sandbox = Sandbox::new();
    sandbox
        .world
        .add_sdist(Sdist::new("evil", "1.0").style(SdistStyle::SetupPy).canary(sandbox.canary("setup.py")));
    sandbox.world.malicious(Ecosystem::PyPi, "evil", Some("1.0"));
    stopped(&sandbox, sandbox.hook(&["pip", "install", "--no-build-isolation", "--target", "out", "evil"]));
    stopped(&sandbox, sandbox.hook(&["pip", "download", "--no-binary", ":all:", "-d", "out", "evil"]));
}

#[test]
fn row_6_build_requirements_are_gated_in_process_and_in_an_inner_pip() {
    let sandbox = with_evil_pypi();
    sandbox.world.add_sdist(Sdist::new("top", "1.0").build_requires("evil"));
    for feature in [&[][..], &["--use-feature", "inprocess-build-deps"], &["--use-feature", "venv-isolation"]]
    {
        let mut arguments = vec!["pip", "install", "--no-cache-dir", "--target", "out"];
        arguments.extend(feature);
        arguments.push("top");
        let finished = sandbox.hook(&arguments).ended_with(77);
        assert!(format!("{}{}", finished.stdout, finished.stderr).contains("evil-1.0"), "{feature:?}");
        assert!(!sandbox.has_sung() && sandbox.list("out").is_empty(), "{feature:?}");
    }
}

#[test]
fn row_7_download_wheel_and_lock_build_nothing_unverified() {
    let sandbox = with_evil_pypi();
    stopped(&sandbox, sandbox.hook(&["pip", "download", "-d", "out", "evil"]));
    stopped(&sandbox, sandbox.hook(&["pip", "wheel", "-w", "out", "evil"]));
    stopped(&sandbox, sandbox.hook(&["pip", "lock", "-o", "pylock.toml", "evil"]));
    assert!(!sandbox.project("pylock.toml").exists());
}

#[test]
fn row_8_every_name_and_interpreter_of_pip_is_gated() {
    let sandbox = with_evil_pypi();
    let directory = std::env::split_paths(&sandbox.variable("PATH")).next().unwrap();
    let pip = directory.join("pip").display().to_string();
    let python = directory.join("python3").display().to_string();
    let tail = ["install", "--no-cache-dir", "--target", "out", "evil"];
    for head in [
        &["pip3"][..],
        &[&pip],
        &["python3", "-m", "pip"],
        &[&python, "-mpip"],
        &["python", "-I", "-X", "utf8", "-m", "pip"],
        &["python3", "-Es", "-m", "pip", "--isolated", "--index-url"],
        &["python3", &pip],
    ] {
        let mut arguments = head.to_vec();
        let index = sandbox.world.index_url();
        if arguments.last() == Some(&"--index-url") {
            arguments.pop();
            arguments.extend(["install", "--index-url", &index, "--target", "out", "evil"]);
        } else {
            arguments.extend(tail);
        }
        stopped(&sandbox, sandbox.hook(&arguments));
    }
    assert!(sandbox.list("out").is_empty());
}

#[test]
fn row_12_a_warm_cache_and_local_files_of_an_index_are_verified() {
    let sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").canary(sandbox.canary("npm")));
    sandbox.world.add_wheel(Wheel::new("evil", "1.0"));
    sandbox.bare("npm", &["install", "--ignore-scripts", "evil"]).ended_with(0);
    sandbox.bare("pip", &["download", "-d", "links", "evil"]).ended_with(0);
    fs::remove_dir_all(sandbox.project("node_modules")).unwrap();
    fs::remove_file(sandbox.project("package-lock.json")).unwrap();
    sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
    sandbox.world.malicious(Ecosystem::PyPi, "evil", Some("1.0"));
    sandbox.world.forget_requests();
    stopped(&sandbox, sandbox.hook(&["npm", "install", "--offline"]));
    stopped(&sandbox, sandbox.hook(&["npm", "install", "--prefer-offline"]));
    stopped(
        &sandbox,
        sandbox.hook(&["pip", "install", "--no-index", "--find-links", "links", "--target", "out", "evil"]),
    );
    assert!(sandbox.list("out").is_empty() && sandbox.list("node_modules").is_empty());
}

#[test]
fn row_13_behind_an_alias_the_real_name_is_verified() {
    let sandbox = with_evil_npm();
    stopped(&sandbox, sandbox.hook(&["npm", "install", "lodash@npm:evil@1"]));
    sandbox.write(
        "package.json",
        json!({"name": "p", "version": "1.0.0", "devDependencies": {"lodash": "npm:evil@1.0.0"}}).to_string(),
    );
    stopped(&sandbox, sandbox.hook(&["npm", "install"]));
    sandbox.bare("npm", &["install", "--package-lock-only"]).ended_with(0);
    stopped(&sandbox, sandbox.hook(&["npm", "ci"]));
    assert!(sandbox.list("node_modules").is_empty());
}

#[test]
fn row_13_a_lockfile_cannot_put_one_package_under_anothers_name() {
    let sandbox = with_evil_npm();
    sandbox.world.add_npm(NpmPackage::new("lodash", "1.0.0"));
    sandbox.write(
        "package.json",
        json!({"name": "p", "version": "1.0.0", "devDependencies": {"lodash": "1.0.0"}}).to_string(),
    );
    sandbox.bare("npm", &["install", "--package-lock-only"]).ended_with(0);
    let lock = fs::read_to_string(sandbox.project("package-lock.json")).unwrap();
    let mut lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
    let entry = &mut lock["packages"]["node_modules/lodash"];
    entry["resolved"] = json!(format!("{}evil/-/evil-1.0.0.tgz", sandbox.world.registry_url()));
    entry.as_object_mut().unwrap().remove("integrity");
    sandbox.write("package-lock.json", lock.to_string());
    stopped(&sandbox, sandbox.hook(&["npm", "ci"]));
    stopped(&sandbox, sandbox.hook(&["npm", "install"]));
    assert!(sandbox.list("node_modules").is_empty());
}

#[test]
fn row_14_another_registry_is_verified_all_the_same() {
    let mut sandbox = with_evil_npm();
    let registry = sandbox.world.registry_url();
    sandbox.world.add_sdist(Sdist::new("evil", "1.0").canary(sandbox.canary("sdist")));
    sandbox.world.malicious(Ecosystem::PyPi, "evil", Some("1.0"));
    sandbox.world.add_npm(NpmPackage::new("@private/evil", "1.0.0").canary(sandbox.canary("scoped")));
    sandbox.world.malicious(Ecosystem::Npm, "@private/evil", Some("1.0.0"));
    sandbox.set("npm_config_registry", "http://127.0.0.1:9/");
    stopped(&sandbox, sandbox.hook(&["npm", "install", "--registry", &registry, "evil"]));
    sandbox.write(".npmrc", format!("@private:registry={registry}\n"));
    stopped(&sandbox, sandbox.hook(&["npm", "install", "@private/evil"]));
    let index = sandbox.world.index_url();
    sandbox.set("PIP_INDEX_URL", "http://127.0.0.1:9/simple/");
    sandbox.set("PIP_RETRIES", "0");
    stopped(&sandbox, sandbox.hook(&["pip", "install", "--index-url", &index, "--target", "out", "evil"]));
    stopped(
        &sandbox,
        sandbox.hook(&["pip", "install", "--extra-index-url", &index, "--target", "out", "evil"]),
    );
}

#[test]
fn row_15_urls_and_tarballs_are_a_warning_and_folders_the_users_own() {
    let sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("somewhere", "1.0.0").canary(sandbox.canary("url")));
    let tarball = format!("{}somewhere/-/somewhere-1.0.0.tgz", sandbox.world.registry_url());
    sandbox.hook(&["npm", "install", &tarball]).ended_with(69).says("it comes from a bare URL");
    sandbox.world.add_npm(NpmPackage::new("deep", "1.0.0").dependency("somewhere", &tarball));
    sandbox
        .hook(&["npm", "install", "deep"])
        .ended_with(69)
        .says("(required by deep)")
        .says("it comes from a bare URL");
    assert!(!sandbox.has_sung() && sandbox.list("node_modules").is_empty());
    sandbox.world.add_wheel(Wheel::new("somewhere", "1.0"));
    sandbox.world.add_sdist(Sdist::new("source", "1.0").canary(sandbox.canary("sdist")));
    let index = sandbox.world.index_url();
    let file = index.replace("simple/", "files/somewhere-1.0-py3-none-any.whl");
    sandbox
        .hook(&["pip", "install", "--target", "out", &file])
        .ended_with(69)
        .says("it comes from a bare URL");
    let source = index.replace("simple/", "files/source-1.0.tar.gz");
    sandbox
        .hook(&["pip", "install", "--target", "out", &source])
        .ended_with(69)
        .says("it comes from a bare URL");
    assert!(!sandbox.has_sung() && sandbox.list("out").is_empty());
    // A folder of the user's own is not looked up; what it depends on is.
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").canary(sandbox.canary("evil")));
    sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
    sandbox.write(
        "own/package.json",
        json!({"name": "own", "version": "1.0.0", "dependencies": {"evil": "*"}}).to_string(),
    );
    stopped(&sandbox, sandbox.hook(&["npm", "install", "--install-links", "./own"]));
    sandbox.write("own/package.json", json!({"name": "own", "version": "1.0.0"}).to_string());
    sandbox.hook(&["npm", "install", "./own"]).ended_with(0).does_not_say("scfw");
}

#[test]
fn row_16_and_22_what_is_locked_with_its_hash_is_verified_and_is_what_is_installed() {
    let sandbox = Sandbox::new();
    sandbox.world.add_wheel(Wheel::new("top", "1.0"));
    sandbox.bare("pip", &["download", "-d", "files", "top"]).ended_with(0);
    let hash = sandbox.bare("pip", &["hash", "files/top-1.0-py3-none-any.whl"]).ended_with(0).stdout;
    let hash = hash.lines().last().unwrap().trim().to_owned();
    sandbox.write("requirements.txt", format!("top==1.0 {hash}\n"));
    let install =
        ["pip", "install", "--no-cache-dir", "--require-hashes", "-r", "requirements.txt", "--target", "out"];
    sandbox.hook(&install).ended_with(0);
    fs::remove_dir_all(sandbox.project("out")).unwrap();
    // The index serves another file from now on: pip, in the same process, takes only what was resolved.
    sandbox.world.add_wheel(Wheel::new("top", "1.0").module_source("swapped = True\n"));
    let swapped = sandbox.hook(&install);
    assert_ne!(swapped.status, 0);
    assert!(sandbox.list("out").is_empty());
    sandbox.world.malicious(Ecosystem::PyPi, "top", Some("1.0"));
    sandbox.hook(&install).ended_with(77).says("top-1.0");
}

#[test]
fn row_17_variables_and_files_that_change_a_command_do_not_change_that_it_is_gated() {
    let mut sandbox = with_evil_pypi();
    sandbox.write("more.txt", "evil\n");
    sandbox.world.add_wheel(Wheel::new("harmless", "1.0"));
    sandbox.set("PIP_REQUIREMENT", sandbox.project("more.txt"));
    stopped(&sandbox, sandbox.hook(&["pip", "install", "--target", "out", "harmless"]));
    sandbox.unset("PIP_REQUIREMENT");
    sandbox
        .write("pip.conf", format!("[install]\nrequirement = {}\n", sandbox.project("more.txt").display()));
    sandbox.set("PIP_CONFIG_FILE", sandbox.project("pip.conf"));
    stopped(&sandbox, sandbox.hook(&["pip", "install", "--target", "out", "harmless"]));
    sandbox.set("PIP_EXISTS_ACTION", "i");
    stopped(&sandbox, sandbox.hook(&["pip", "install", "--target", "out", "harmless"]));
    let mut sandbox = with_evil_npm();
    sandbox.write(".npmrc", "dry-run=false\nyes=true\n");
    sandbox.set("npm_config_dry_run", "false");
    sandbox.set("NPM_CONFIG_DRY_RUN", "false");
    stopped(&sandbox, sandbox.hook(&["npm", "install", "evil"]));
    sandbox.unset("NPM_CONFIG_DRY_RUN");
    sandbox.set("npm_config_package", "evil");
    stopped(&sandbox, sandbox.hook(&["npx", "-c", "evil"]));
}

#[test]
fn row_17_the_users_own_settings_come_back_once_the_gate_has_attached() {
    let mut sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox.set("npm_config_dry_run", "true");
    sandbox.hook(&["npm", "install", "good"]).ended_with(0);
    assert!(sandbox.list("node_modules").is_empty(), "the user's own dry run stays one");
    sandbox.set("npm_config_dry_run", "");
    sandbox.hook(&["npm", "install", "good"]).ended_with(0);
    assert!(sandbox.list("node_modules").contains(&"good".to_owned()));
    sandbox.set("PIP_EXISTS_ACTION", "nonsense");
    let refused = sandbox.hook(&["pip", "install", "--target", "out", "good"]);
    assert!(format!("{}{}", refused.stdout, refused.stderr).contains("'nonsense'"), "{refused:?}");
}

#[test]
fn row_20_a_manager_started_by_an_install_script_is_gated_too() {
    let sandbox = with_evil_pypi();
    sandbox.world.add_npm(
        NpmPackage::new("helper", "1.0.0")
            .script("postinstall", "python3 -m pip install --no-cache-dir --target out evil"),
    );
    let finished = sandbox.hook(&["npm", "install", "--foreground-scripts", "helper"]).ended_with(77);
    assert!(finished.stderr.contains("evil-1.0"), "{}", finished.stderr);
    assert!(!sandbox.has_sung());
    // The other way round: a build that calls npm.
    let sandbox = with_evil_npm();
    sandbox.world.add_wheel(Wheel::new("caller", "1.0"));
    let caller = "import os, subprocess, sys\n\
        sys.exit(subprocess.call(['npm', 'install', '--prefix', os.getcwd(), 'evil']))\n";
    sandbox.write("own/setup.py", caller);
    let finished = sandbox.hook(&["pip", "install", "--no-build-isolation", "--target", "out", "./own"]);
    assert_ne!(finished.status, 0);
    assert!(!sandbox.has_sung());
}

#[test]
fn row_21_a_feed_that_is_down_is_no_allow() {
    let sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0").canary(sandbox.canary("good")));
    sandbox.world.fail(scfw_world::Service::Osv, Some(scfw_world::Failure::Status(503)));
    sandbox
        .hook(&["npm", "install", "good"])
        .ended_with(69)
        .says("could not be verified: OSV.dev: 127.0.0.1 answered with status 503");
    assert!(!sandbox.has_sung() && sandbox.list("node_modules").is_empty());
}

#[test]
fn row_24_the_users_own_start_up_files_are_kept() {
    let mut sandbox = with_evil_pypi();
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    let seen = sandbox.path("seen");
    sandbox.write(
        "own/sitecustomize.py",
        format!("open({:?}, 'a').write('python')\n", seen.display().to_string()),
    );
    sandbox.set("PYTHONPATH", sandbox.project("own"));
    sandbox.hook(&["pip", "install", "--no-cache-dir", "--target", "out", "good"]).ended_with(0);
    assert_eq!(fs::read_to_string(&seen).unwrap(), "python", "the project's sitecustomize runs, once");
    stopped(&sandbox, sandbox.hook(&["pip", "install", "--no-cache-dir", "--target", "out", "evil"]));
    sandbox.set("PYTHONSAFEPATH", "1");
    stopped(&sandbox, sandbox.hook(&["pip", "install", "--no-cache-dir", "--target", "out", "evil"]));
    let mut sandbox = with_evil_npm();
    sandbox.write("own file.cjs", "process.stderr.write('preloaded\\n')\n");
    sandbox.set("NODE_OPTIONS", format!("--require \"{}\"", sandbox.project("own file.cjs").display()));
    let finished = sandbox.hook(&["npm", "install", "evil"]).says("preloaded");
    stopped(&sandbox, finished);
}

#[test]
fn row_25_spellings_are_normalised_and_names_are_made_safe() {
    let sandbox = Sandbox::new();
    sandbox.world.add_sdist(Sdist::new("evil-name", "1.0").canary(sandbox.canary("evil")));
    sandbox.world.malicious(Ecosystem::PyPi, "evil-name", Some("1.0"));
    for name in ["evil-name", "Evil_Name", "EVIL.NAME", "evil-_.name"] {
        stopped(&sandbox, sandbox.hook(&["pip", "install", "--target", "out", name]));
    }
    let escape = "evil\u{1b}[2Jname";
    sandbox.world.malicious(Ecosystem::Npm, escape, None);
    let finished = sandbox.hook(&["npm", "install", escape]);
    assert!(finished.status != 0 && !finished.stderr.contains('\u{1b}'), "{:?}", finished.stderr);
}

#[test]
fn an_old_manager_is_refused_with_a_way_on() {
    // The gates decide by the version that the manager states of itself.
    let mut sandbox = with_evil_npm();
    let old = sandbox.write("old/npm/bin/npm-cli.js", "#!/usr/bin/env node\nconsole.log('installed')\n");
    sandbox.write("old/npm/package.json", json!({"name": "npm", "version": "6.14.18"}).to_string());
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(sandbox.project("bin")).unwrap();
    std::os::unix::fs::symlink(&old, sandbox.project("bin/npm")).unwrap();
    let mut path = sandbox.project("bin").into_os_string();
    path.push(":");
    path.push(sandbox.variable("PATH"));
    sandbox.set("PATH", path);
    let refused = sandbox
        .hook(&["npm", "install", "evil"])
        .ended_with(69)
        .says("npm 6.14.18 is older than 7")
        .says("update npm");
    assert!(!refused.stdout.contains("installed"));
    let allowed = sandbox
        .scfw(&["run", "--allow-unsupported", "npm", "install", "evil"])
        .ended_with(0)
        .says("unverified");
    assert!(allowed.stdout.contains("installed"));
}

#[test]
fn an_interpreter_line_that_keeps_the_gate_out_is_refused() {
    let mut sandbox = with_evil_pypi();
    let python = std::env::split_paths(&sandbox.variable("PATH")).next().unwrap().join("python3");
    let script = format!(
        "#!{} -sE\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n",
        python.display()
    );
    let pip = sandbox.write("bin/pip", script);
    fs::set_permissions(&pip, fs::Permissions::from_mode(0o755)).unwrap();
    let mut path = pip.parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(sandbox.variable("PATH"));
    sandbox.set("PATH", path);
    sandbox.hook(&["pip", "--isolated", "install", "evil"]).ended_with(69).says("-sE").says("python -m pip");
    assert!(!sandbox.has_sung());
}
