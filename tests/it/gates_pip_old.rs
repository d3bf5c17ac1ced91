//! The gate in pips that are seldom met, and in the legacy resolver of every pip that has it.

use scfw_core::package::Ecosystem;
use scfw_world::{Sdist, Wheel};

use crate::support::{OLD_PIPS, PIP_VERSIONS, Sandbox};

const LEGACY: &str = "--use-deprecated=legacy-resolver";

/// Each pip with what chooses its resolver, the new one only where no other test has it.
fn each_with_options() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    let old = OLD_PIPS.into_iter().map(|pip| (pip, &[][..]));
    let legacy = OLD_PIPS.into_iter().chain(PIP_VERSIONS).map(|pip| (pip, &[LEGACY][..]));
    old.chain(legacy)
}

fn install<'a>(options: &[&'a str], words: &[&'a str]) -> Vec<&'a str> {
    [&["pip", "install", "--upgrade", "--target", "out"], options, words].concat()
}

#[test]
fn clean_wheels_and_source_distributions_install_and_are_found_in_the_cache() {
    for (pip, options) in each_with_options() {
        let sandbox = Sandbox::with_pip(pip);
        sandbox.world.add_wheel(Wheel::new("top", "1.0").requires("below[more]>=1").requires("built"));
        sandbox.world.add_wheel(Wheel::new("below", "1.2"));
        sandbox.world.add_sdist(Sdist::new("built", "2.0").build_requires("tool"));
        sandbox.world.add_wheel(Wheel::new("tool", "3.0"));
        for _ in ["fetched", "cached"] {
            sandbox.hook(&install(options, &["top"])).ended_with(0).does_not_say("scfw");
            let log = sandbox.log();
            let targets = log.last().unwrap()["install_targets"].as_array().unwrap();
            let mut named: Vec<_> = targets
                .iter()
                .map(|target| {
                    format!("{} {}", target["name"].as_str().unwrap(), target["version"].as_str().unwrap())
                })
                .collect();
            named.sort();
            assert_eq!(named, ["below 1.2", "built 2.0", "top 1.0"], "{pip} {options:?}");
        }
    }
}

#[test]
fn malware_is_stopped_as_a_wheel_and_before_it_is_built() {
    for (pip, options) in each_with_options() {
        let sandbox = Sandbox::with_pip(pip);
        sandbox.world.add_wheel(Wheel::new("top", "1.0").requires("evil-wheel"));
        sandbox.world.add_wheel(Wheel::new("evil-wheel", "1.0"));
        sandbox.world.add_wheel(Wheel::new("other", "1.0").requires("evil-sdist"));
        sandbox.world.add_sdist(Sdist::new("evil-sdist", "1.0").canary(sandbox.canary("sdist")));
        sandbox.world.add_sdist(Sdist::new("outer", "1.0").build_requires("evil-sdist"));
        sandbox.world.malicious(Ecosystem::PyPi, "evil-wheel", Some("1.0"));
        sandbox.world.malicious(Ecosystem::PyPi, "evil-sdist", Some("1.0"));
        sandbox.hook(&install(options, &["top"])).ended_with(77).says("evil-wheel-1.0 is malicious");
        sandbox.hook(&install(options, &["other"])).ended_with(77).says("evil-sdist-1.0 is malicious");
        sandbox.hook(&install(options, &["outer"])).ended_with(77);
        assert!(!sandbox.has_sung() && sandbox.list("out").is_empty(), "{pip} {options:?}");
    }
}

#[test]
fn what_was_unpacked_counts_in_the_legacy_resolver_too() {
    for pip in OLD_PIPS.into_iter().chain(PIP_VERSIONS) {
        let sandbox = Sandbox::with_pip(pip);
        let evil = "Metadata-Version: 2.1\nName: evil\nVersion: 6.6\n";
        sandbox.world.malicious(Ecosystem::PyPi, "evil", Some("6.6"));
        sandbox.world.add_wheel(Wheel::new("wheel", "1.0").packed_metadata(evil));
        sandbox
            .world
            .add_sdist(Sdist::new("sdist", "1.0").packed_metadata(evil).canary(sandbox.canary("sdist")));
        for name in ["wheel", "sdist"] {
            sandbox.hook(&install(&[LEGACY], &[name])).ended_with(77).says("evil-6.6 is malicious");
        }
        assert!(!sandbox.has_sung() && sandbox.list("out").is_empty(), "{pip}");
    }
}
