//! The gate in each generation of pip.

use std::fs;

use scfw_core::package::Ecosystem;
use scfw_world::{Sdist, Wheel};

use crate::support::{PIP_VERSIONS, Sandbox};

/// One module of tests per pip.
macro_rules! with_pip {
    ($($module:ident: $version:literal)+) => {
        $(mod $module {
            #[test]
            fn a_clean_install_runs_once_and_says_nothing() { super::clean($version); }
            #[test]
            fn malware_deep_in_the_dependencies_is_stopped() { super::deep($version); }
            #[test]
            fn a_malicious_source_distribution_is_stopped_before_it_is_built() { super::source_distribution($version); }
            #[test]
            fn a_malicious_build_requirement_is_stopped_and_ends_the_outer_pip() { super::build_requirement($version); }
            #[test]
            fn a_clean_source_distribution_is_built_and_installed() { super::clean_build($version); }
            #[test]
            fn without_its_gate_pip_installs_nothing() { super::switch($version); }
            #[test]
            fn an_isolated_interpreter_is_gated_all_the_same() { super::isolated($version); }
            #[test]
            fn a_warning_without_a_terminal_blocks_unless_told_otherwise() { super::warning($version); }
            #[test]
            fn download_and_wheel_are_gated() { super::download_and_wheel($version); }
        })+

        #[test]
        fn every_pip_of_the_matrix_is_tested() {
            assert_eq!([$($version),+], PIP_VERSIONS);
        }
    };
}

with_pip! {
    pip_20_3: "20.3.4"
    pip_22_2: "22.2"
    pip_23_2: "23.2.1"
    pip_24_3: "24.3.1"
    pip_25_3: "25.3"
    pip_26_3: "26.3"
}

fn clean(version: &str) {
    let sandbox = Sandbox::with_pip(version);
    sandbox.world.add_wheel(Wheel::new("top", "1.0").requires("below>=1"));
    sandbox.world.add_wheel(Wheel::new("below", "1.2"));
    let bare = sandbox.bare("pip", &["install", "--no-cache-dir", "--target", "bare", "top"]).ended_with(0);
    let asked_bare = index_requests(&sandbox);
    sandbox.world.forget_requests();
    let gated = sandbox.hook(&["pip", "install", "--no-cache-dir", "--target", "gated", "top"]).ended_with(0);
    assert_eq!(sandbox.list("gated"), sandbox.list("bare"));
    assert_eq!(gated.stdout.replace("gated", "bare"), bare.stdout);
    assert_eq!(gated.stderr, bare.stderr);
    assert_eq!(index_requests(&sandbox), asked_bare, "the index is asked no more than without scfw");
    let log = sandbox.log();
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!(log[0]["action"], "ALLOW");
    let targets = log[0]["install_targets"].as_array().unwrap();
    let targets: Vec<_> =
        targets.iter().map(|target| (target["name"].as_str(), target["version"].as_str())).collect();
    assert_eq!(targets, [(Some("below"), Some("1.2")), (Some("top"), Some("1.0"))]);
    assert!(sandbox.list("../scfw/runs").is_empty(), "an attached gate takes its note away");
}

/// How often pip has asked the index. What scfw itself asks is the subject of the tests of ages.
fn index_requests(sandbox: &Sandbox) -> usize {
    let requests = sandbox.world.requests();
    let all = requests.iter().filter(|request| request.service == scfw_world::Service::Index).count();
    all - sandbox.asked_by_scfw().len()
}

fn deep(version: &str) {
    let sandbox = Sandbox::with_pip(version);
    sandbox.world.add_wheel(Wheel::new("top", "1.0").requires("middle"));
    sandbox.world.add_wheel(Wheel::new("middle", "1.0").requires("evil<2"));
    sandbox.world.add_wheel(Wheel::new("evil", "1.5").canary(sandbox.canary("wheel")));
    let id = sandbox.world.malicious(Ecosystem::PyPi, "Evil", Some("1.5"));
    sandbox
        .hook(&["pip", "install", "--target", "out", "top"])
        .ended_with(77)
        .says("Installation target evil-1.5 (required by top > middle):")
        .says("  - Datadog Security Research has determined that package evil-1.5 is malicious")
        .says("  - An OSV.dev malicious package disclosure exists for package evil-1.5:")
        .says(&format!("      * https://osv.dev/vulnerability/{id}"))
        .says("The installation request was blocked. No changes have been made.")
        .does_not_say("Traceback");
    assert!(sandbox.list("out").is_empty());
    assert!(!sandbox.has_sung());
    assert_eq!(sandbox.temporary_files(), Vec::<std::path::PathBuf>::new(), "pip cleans up after itself");
    assert_eq!(sandbox.log()[0]["action"], "BLOCK");
}

fn source_distribution(version: &str) {
    let sandbox = Sandbox::with_pip(version);
    sandbox.world.add_wheel(Wheel::new("top", "1.0").requires("evil_package"));
    sandbox.world.add_sdist(Sdist::new("evil-package", "0.1").canary(sandbox.canary("build")));
    // One version, so that the name alone does not stop it.
    sandbox.world.malicious(Ecosystem::PyPi, "evil.package", Some("0.1"));
    sandbox
        .hook(&["pip", "install", "--no-cache-dir", "--target", "out", "top"])
        .ended_with(77)
        .says("(required by top):")
        .says("blocked");
    assert!(sandbox.list("out").is_empty());
    assert!(!sandbox.has_sung());
}

fn build_requirement(version: &str) {
    let sandbox = Sandbox::with_pip(version);
    sandbox
        .world
        .add_sdist(Sdist::new("top", "1.0").build_requires("evil-backend>=1").canary(sandbox.canary("top")));
    sandbox.world.add_sdist(Sdist::new("evil-backend", "1.0").canary(sandbox.canary("backend")));
    sandbox.world.malicious(Ecosystem::PyPi, "evil-backend", Some("1.0"));
    let finished =
        sandbox.hook(&["pip", "install", "--no-cache-dir", "--target", "out", "top"]).ended_with(77);
    let shown = format!("{}{}", finished.stdout, finished.stderr);
    assert!(shown.contains("package evil-backend-1.0 is malicious"), "{shown}");
    assert!(sandbox.list("out").is_empty());
    assert!(!sandbox.has_sung());
    assert!(sandbox.list("../scfw/runs").is_empty(), "the inner verdict is not left behind");
}

fn clean_build(version: &str) {
    let sandbox = Sandbox::with_pip(version);
    sandbox.world.add_sdist(Sdist::new("top", "1.0").build_requires("tool").canary(sandbox.canary("top")));
    sandbox.world.add_sdist(Sdist::new("tool", "2.0").canary(sandbox.canary("tool")));
    sandbox
        .hook(&["pip", "install", "--no-cache-dir", "--target", "out", "top"])
        .ended_with(0)
        .does_not_say("scfw");
    assert!(sandbox.canary("top").exists() && sandbox.canary("tool").exists());
    assert!(sandbox.list("out").contains(&"top.py".to_owned()), "{:?}", sandbox.list("out"));
}

fn switch(version: &str) {
    let mut sandbox = Sandbox::with_pip(version);
    let wheels = sandbox.project("wheels");
    fs::create_dir(&wheels).unwrap();
    sandbox.world.add_wheel(Wheel::new("top", "1.0"));
    sandbox.bare("pip", &["download", "-d", "wheels", "top"]).ended_with(0);
    // What a wrapper does that starts with a clean slate.
    let real = std::env::split_paths(&sandbox.variable("PATH")).next().unwrap().join("pip");
    let wrapper =
        sandbox.write("bin/pip", format!("#!/bin/sh\nunset PYTHONPATH\nexec {} \"$@\"\n", real.display()));
    fs::set_permissions(&wrapper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut path = wrapper.parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(sandbox.variable("PATH"));
    sandbox.set("PATH", path);
    // Neither from the index nor from a folder nor from a file.
    for arguments in [
        &["pip", "install", "--target", "out", "top"][..],
        &["pip", "install", "--target", "out", "--no-index", "--find-links", "wheels", "top"],
        &["pip", "install", "--target", "out", "--exists-action", "w", "wheels/top-1.0-py3-none-any.whl"],
    ] {
        let finished = sandbox.hook(arguments);
        assert_ne!(finished.status, 0, "{arguments:?}");
        assert!(
            finished.stdout.contains("gate-did-not-attach")
                || finished.stderr.contains("gate-did-not-attach")
        );
        assert!(sandbox.list("out").is_empty(), "{arguments:?}");
    }
    sandbox
        .scfw(&["check", "pypi:top"])
        .ended_with(0)
        .says("the gate of an earlier run never reported")
        .says("pip install");
    sandbox.scfw(&["check", "pypi:top"]).ended_with(0).does_not_say("never reported");
}

fn isolated(version: &str) {
    let sandbox = Sandbox::with_pip(version);
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    sandbox.world.add_sdist(Sdist::new("evil", "1.0").canary(sandbox.canary("isolated")));
    sandbox.world.malicious(Ecosystem::PyPi, "evil", Some("1.0"));
    let index = sandbox.world.index_url();
    let run = |name: &str, options: &[&str]| {
        let mut arguments = vec!["python3", "-X", "utf8"];
        arguments.extend(options);
        arguments.extend([
            "--isolated", "install", "--index-url", &index, "--no-cache-dir", "--target", "out", name,
        ]);
        sandbox.hook(&arguments)
    };
    run("evil", &["-I", "-m", "pip"]).ended_with(77).says("evil-1.0 is malicious");
    run("evil", &["-sEmpip"]).ended_with(77).says("evil-1.0 is malicious");
    assert!(!sandbox.has_sung() && sandbox.list("out").is_empty());
    run("good", &["-I", "-m", "pip"]).ended_with(0).does_not_say("scfw");
    assert!(sandbox.list("out").contains(&"good.py".to_owned()));
}

fn warning(version: &str) {
    let sandbox = Sandbox::with_pip(version);
    sandbox.world.add_sdist(Sdist::new("leaky", "1.0").canary(sandbox.canary("leaky")));
    sandbox.world.add_advisory(serde_json::json!({
        "id": "PYSEC-2024-1", "summary": "It leaks", "severity": [
            {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}],
        "affected": [{"package": {"ecosystem": "PyPI", "name": "leaky"}, "ranges": [
            {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}]}]
    }));
    let install = ["pip", "install", "--no-cache-dir", "--target", "out", "leaky"];
    sandbox
        .hook(&install)
        .ended_with(77)
        .says("An OSV.dev disclosure exists for package leaky-1.0:")
        .says("      * https://osv.dev/vulnerability/PYSEC-2024-1 High: It leaks; fixed in 1.1")
        .says("The installation request was blocked.");
    assert!(!sandbox.has_sung() && sandbox.list("out").is_empty());
    let mut arguments = vec!["run", "--allow-on-warning"];
    arguments.extend(install);
    let allowed = sandbox.scfw(&arguments).ended_with(0);
    // Reported before the build; the same warning is not repeated before the install.
    assert_eq!(allowed.stderr.matches("PYSEC-2024-1").count(), 1, "{}", allowed.stderr);
    assert!(sandbox.canary("leaky").exists());
}

fn download_and_wheel(version: &str) {
    let sandbox = Sandbox::with_pip(version);
    sandbox.world.add_sdist(Sdist::new("evil", "1.0").canary(sandbox.canary("evil")));
    sandbox.world.malicious(Ecosystem::PyPi, "evil", Some("1.0"));
    sandbox.hook(&["pip", "download", "-d", "out", "evil"]).ended_with(77).says("evil-1.0 is malicious");
    sandbox.hook(&["pip", "wheel", "-w", "out", "evil"]).ended_with(77).says("evil-1.0 is malicious");
    assert!(!sandbox.has_sung() && sandbox.list("out").is_empty());
}
