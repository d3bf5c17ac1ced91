//! Versions as scfw orders them, against the programs that decide: `packaging` within pip, and `semver` within npm.

use std::cmp::Ordering;

use scfw_core::ecosystem::Version;
use scfw_core::package::Ecosystem;
use serde_json::json;

use crate::support::Sandbox;

/// Versions that have been published, or that documentation gives as examples: the forms that packages come in.
const PYPI: &[&str] = &[
    "0", "0.0", "0.0.0", "1", "1.0", "1.0.0", "1.0.0.0", "01.02", "2004d", "2012c", "2024.1", "20180101",
    "2.0.0rc1", "2.0.0.rc1", "2.0.0-rc.1", "2.0.0c1", "2.0.0pre1", "2.0.0preview1", "2.0.0a", "2.0.0a0",
    "2.0.0alpha", "2.0.0alpha1", "2.0.0b2", "2.0.0beta2", "2.0.0.dev", "2.0.0.dev0", "2.0.0dev1",
    "2.0.0.dev456", "2.0.0a1.dev1", "2.0.0rc1.post1", "2.0.0rc1.post1.dev2", "2.0.0.post1", "2.0.0-1",
    "2.0.0.post", "2.0.0post1", "2.0.0-r4", "2.0.0.rev4", "2.0.0+cu118", "2.0.0+local.1", "2.0.0+local-1",
    "2.0.0+1", "2.0.0+01", "2.0.0+abc.10", "2.0.0+abc.9", "2.0.0+abc.9.a", "2.0.0.post1+local", "1!0.1",
    "1!2.0.0", "01!1.0", "2!1.0.dev1", "v2.0.0", "V2.0.0", " 2.0.0 ", "2.0.0\n", "=2.0.0", "2.0.0_1",
    "2.0.0_beta_2", "2.0.0-BETA-2", "2.0.0RC1", "1.0.0.0.0.0.0.1", "1.10", "1.9", "1.2.3.4.5",
    "1.0.0-alpha.1", "1.0.0-final", "1.0-SNAPSHOT", "1.0.x", "dev", "latest", "", "1..0", "1.0.", ".1",
    "1.0+", "1.0+a_b", "1.0+é", "١.٠", "4294967296.0", "18446744073709551615", "18446744073709551616.1",
    "0.0.0.0.1a1", "1.0.0.post0", "1.0.0.post00", "1.0a1", "1.0a01", "1.0a10", "3.0.0.dev20240101",
    "0.1.dev1+g1234567", "0.1.dev1+g1234567.d20240101", "2!0", "1.0rc1.dev3", "5.5.5-post-1",
];

/// The same for npm: what the registry takes, and what is found in lockfiles and advisories beside that.
const NPM: &[&str] = &[
    "0.0.0", "0.0.1", "1.0.0", "1.2.3", "10.0.0", "9.0.0", "1.10.0", "1.9.0", "1.0.0-alpha", "1.0.0-alpha.1",
    "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0-0", "1.0.0-0.0",
    "1.0.0-1", "1.0.0-10", "1.0.0-9", "1.0.0-a.b.c", "1.0.0-a-b", "1.0.0--", "1.0.0---a", "1.0.0-x.7.z.92",
    "1.0.0+build", "1.0.0+build.1", "1.0.0-rc.1+build.5", "1.0.0+20130313144700", "1.0.0+001", "v1.2.3",
    "V1.2.3", "=1.2.3", "=v1.2.3", "v 1.2.3", " 1.2.3 ", "1.2.3\n", "1.2", "1", "1.2.3.4", "1.2.x", "*", "",
    "latest", "01.2.3", "1.02.3", "1.2.03", "1.0.0-01", "1.0.0-alpha.01", "1.0.0alpha", "1.0.0beta.1",
    "1.0.0-", "1.0.0+", "1.0.0-a..b", "0.0.0-experimental-1a2b3c4-20240101",
    "18.3.0-canary-a870b2d54-20240314", "5.0.0-next.20240101.1", "2.0.0-nightly.20240101",
    "9007199254740991.0.0", "9007199254740992.0.0", "1.0.0-9007199254740992", "1.0.0-99999999999999999999",
    "99999999999999999999.0.0", "1.0.0-é", "1.0.0-a_b", "1.2.3-4-5", "1.2.3-4.-5", "2.0.0-rc.10",
    "2.0.0-rc.9", "2.0.0-RC.1", "2.0.0-rc.1.1", "2.0.0-rc", "2.0.0",
];

/// What a program says of versions.
#[derive(serde::Deserialize)]
struct Answer {
    /// Which it takes at all.
    valid: Vec<bool>,
    /// Which are written as they should be.
    strict: Vec<bool>,
    /// How each two of the valid ones compare.
    order: Vec<Vec<i8>>,
}

fn ask(sandbox: &Sandbox, program: &str, script: &str, versions: &[String]) -> Answer {
    let option = if program == "node" { "-e" } else { "-c" };
    let asked = sandbox.bare_with_input(program, &[option, script], json!(versions).to_string().as_bytes());
    serde_json::from_str(&asked.ended_with(0).stdout).unwrap()
}

/// Whether a number in `version` is larger than what scfw compares. Such a version is compared exactly.
fn is_huge(version: &str, largest: u64) -> bool {
    let mut numbers =
        version.split(|character: char| !character.is_ascii_digit()).filter(|number| !number.is_empty());
    numbers.any(|number| {
        number.parse::<u64>().is_ok_and(|number| number >= largest) || number.parse::<u64>().is_err()
    })
}

/// Compares every two of `versions`, and gives what is different: what scfw takes has to be valid, what is written as it
/// should be it has to take, and all that it takes it has to order alike.
fn differences(ecosystem: Ecosystem, versions: &[String], largest: u64, answer: &Answer) -> Vec<String> {
    let ours: Vec<Option<Version>> =
        versions.iter().map(|version| Version::parse(ecosystem, version)).collect();
    let mut differences = Vec::new();
    let mut pairs = 0;
    for (left, version) in versions.iter().enumerate() {
        match ours[left] {
            Some(_) if !answer.valid[left] => differences.push(format!("{version:?} is no version")),
            None if answer.strict[left] && !is_huge(version, largest) => {
                differences.push(format!("{version:?} is a version"));
            }
            _ => {}
        }
        for right in 0..versions.len() {
            if let (Some(ours), Some(other)) = (&ours[left], &ours[right]) {
                let expected = answer.order[left][right].cmp(&0);
                pairs += 1;
                if ours.cmp(other) != expected || (*ours == *other) != (expected == Ordering::Equal) {
                    differences.push(format!("{version:?} {expected:?} {:?}", versions[right]));
                }
            }
        }
    }
    assert!(pairs > 2000, "{pairs} pairs are not many");
    differences
}

/// The parts of a PEP 440 version in every combination.
fn combined() -> Vec<String> {
    let mut versions = Vec::new();
    for epoch in ["", "1!"] {
        for release in ["1", "1.0", "1.1", "1.10"] {
            for pre in ["", "a1", "rc2"] {
                for post in ["", ".post1", "-2"] {
                    for development in ["", ".dev3"] {
                        for local in ["", "+l.1"] {
                            versions.push(format!("{epoch}{release}{pre}{post}{development}{local}"));
                        }
                    }
                }
            }
        }
    }
    versions
}

#[test]
fn pypi_versions_are_ordered_as_packaging_does() {
    let sandbox = Sandbox::new();
    let script = "import json, sys\n\
        from pip._vendor.packaging.version import InvalidVersion, Version\n\
        def parse(text):\n    try: return Version(text)\n    except InvalidVersion: return None\n\
        parsed = [parse(text) for text in json.load(sys.stdin)]\n\
        compare = lambda a, b: 0 if a is None or b is None else (a > b) - (a < b)\n\
        valid = [v is not None for v in parsed]\n\
        print(json.dumps({'valid': valid, 'strict': valid, 'order': [[compare(a, b) for b in parsed] for a in parsed]}))";
    let versions: Vec<String> = PYPI.iter().map(|version| (*version).to_owned()).chain(combined()).collect();
    let answer = ask(&sandbox, "python3", script, &versions);
    assert_eq!(differences(Ecosystem::PyPi, &versions, u64::MAX, &answer), Vec::<String>::new());
}

#[test]
fn npm_versions_are_ordered_as_semver_does() {
    let sandbox = Sandbox::new();
    let script = "const fs = require('fs'), path = require('path');\n\
        const npm = process.env.PATH.split(':').map(d => path.join(d, 'npm')).find(p => fs.existsSync(p));\n\
        const semver = require(path.join(fs.realpathSync(npm), '../../node_modules/semver'));\n\
        const versions = JSON.parse(fs.readFileSync(0));\n\
        const parsed = versions.map(v => semver.parse(v, {loose: true}));\n\
        const order = parsed.map(a => parsed.map(b => a && b ? semver.compare(a, b, {loose: true}) : 0));\n\
        const strict = versions.map(v => semver.parse(v) !== null);\n\
        console.log(JSON.stringify({valid: parsed.map(v => v !== null), strict, order}));";
    let versions: Vec<String> = NPM.iter().map(|version| (*version).to_owned()).collect();
    let answer = ask(&sandbox, "node", script, &versions);
    assert_eq!(differences(Ecosystem::Npm, &versions, (1 << 53) - 1, &answer), Vec::<String>::new());
}
