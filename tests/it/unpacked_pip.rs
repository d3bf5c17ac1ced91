//! What pip has unpacked is what was verified: an index, a file name and a metadata file of its own only claim.

use scfw_core::package::Ecosystem;
use scfw_world::{Sdist, Wheel};

use crate::support::{Finished, Sandbox, UNPACKING_PIPS};

/// Core metadata that name the one package that is known to be malicious.
const EVIL: &str = "Metadata-Version: 2.1\nName: Evil.Package\nVersion: 6.6\n";

fn sandbox(pip: &str) -> Sandbox {
    let sandbox = Sandbox::with_pip(pip);
    // One version, so that nothing stops it by its name alone.
    sandbox.world.malicious(Ecosystem::PyPi, "evil-package", Some("6.6"));
    sandbox
}

fn install(sandbox: &Sandbox, words: &[&str]) -> Finished {
    let mut command = vec!["pip", "install", "--no-cache-dir", "--target", "out"];
    command.extend(words);
    sandbox.hook(&command)
}

#[track_caller]
fn is_blocked(sandbox: &Sandbox, finished: Finished) {
    finished.ended_with(77).says("package Evil.Package-6.6 is malicious").does_not_say("Traceback");
    assert!(!sandbox.has_sung() && sandbox.list("out").is_empty());
}

#[test]
fn a_source_distribution_is_what_its_own_metadata_say() {
    for pip in UNPACKING_PIPS {
        let sandbox = sandbox(pip);
        sandbox.world.add_wheel(Wheel::new("top", "1.0").requires("good"));
        sandbox
            .world
            .add_sdist(Sdist::new("good", "1.0").packed_metadata(EVIL).canary(sandbox.canary("build")));
        is_blocked(&sandbox, install(&sandbox, &["top"]));
        is_blocked(&sandbox, sandbox.hook(&["pip", "download", "-d", "out", "top"]));
        is_blocked(&sandbox, sandbox.hook(&["pip", "wheel", "-w", "out", "top"]));
    }
}

#[test]
fn a_wheel_is_what_its_own_metadata_say() {
    for pip in UNPACKING_PIPS {
        let sandbox = sandbox(pip);
        sandbox.world.add_wheel(Wheel::new("top", "1.0").requires("good"));
        // An honest metadata file of its own is all that a newer pip looks at before it decides.
        sandbox.world.add_wheel(
            Wheel::new("good", "1.0")
                .with_metadata_file()
                .packed_metadata(EVIL)
                .module_source("import nothing"),
        );
        is_blocked(&sandbox, install(&sandbox, &["top"]));
        is_blocked(&sandbox, sandbox.hook(&["pip", "download", "-d", "out", "top"]));
    }
}

#[test]
fn the_version_counts_too() {
    let sandbox = sandbox("26.3");
    sandbox.world.add_wheel(
        Wheel::new("evil-package", "1.0")
            .with_metadata_file()
            .packed_metadata("Metadata-Version: 2.1\nName: evil_package\nVersion: 6.6.0\n"),
    );
    install(&sandbox, &["evil-package"]).ended_with(77).says("evil_package-6.6.0 is malicious");
    sandbox.world.add_sdist(
        Sdist::new("evil-package", "2.0")
            .packed_metadata("Metadata-Version: 2.1\nName: evil_package\nVersion: 6.6.0\n")
            .canary(sandbox.canary("build")),
    );
    install(&sandbox, &["evil-package"]).ended_with(77).says("evil_package-6.6.0 is malicious");
    assert!(!sandbox.has_sung() && sandbox.list("out").is_empty());
}

#[test]
fn another_spelling_is_no_difference() {
    for pip in UNPACKING_PIPS {
        let sandbox = Sandbox::with_pip(pip);
        sandbox.world.add_wheel(Wheel::new("top-level", "1.0").requires("be.low").packed_metadata(
            "Metadata-Version: 2.1\nName: Top_Level\nVersion: 1.0.0\nRequires-Dist: be.low\n\nName: no",
        ));
        sandbox.world.add_sdist(
            Sdist::new("be.low", "2.0")
                .packed_metadata("Metadata-Version: 2.1\nName: Be-Low\nVersion: 2.0\n"),
        );
        install(&sandbox, &["top-level"]).ended_with(0).does_not_say("scfw");
        let named = |record: &serde_json::Value| record["install_targets"].as_array().unwrap().len();
        let log = sandbox.log();
        assert_eq!(log.iter().map(named).collect::<Vec<_>>(), [2], "nothing is verified as anything else");
    }
}

#[test]
fn an_archive_from_elsewhere_is_blocked_for_what_it_is_once_the_address_is_accepted() {
    for pip in UNPACKING_PIPS {
        let mut sandbox = sandbox(pip);
        sandbox.set("SCFW_ON_WARNING", "ALLOW");
        let files = sandbox.world.index_url().replace("/simple/", "/files/");
        sandbox
            .world
            .add_sdist(Sdist::new("good", "1.0").packed_metadata(EVIL).canary(sandbox.canary("build")));
        let address = format!("{files}good-1.0.tar.gz");
        is_blocked(&sandbox, install(&sandbox, &[&address]));
        is_blocked(&sandbox, install(&sandbox, &[&format!("good @ {address}")]));
        sandbox.world.add_sdist(Sdist::new("other", "1.0").canary(sandbox.canary("other")));
        let finished = install(&sandbox, &[&format!("{files}other-1.0.tar.gz")]).ended_with(0);
        assert_eq!(finished.stderr.matches("Installation target").count(), 1, "{}", finished.stderr);
    }
}

#[test]
fn a_folder_of_ones_own_is_ones_own() {
    for pip in UNPACKING_PIPS {
        let sandbox = sandbox(pip);
        sandbox.world.add_sdist(Sdist::new("evil-package", "6.6"));
        let unpack = "import io, sys, tarfile, urllib.request\n\
            archive = io.BytesIO(urllib.request.urlopen(sys.argv[1]).read())\n\
            tarfile.open(fileobj=archive).extractall('own')";
        let address = sandbox.world.index_url().replace("/simple/", "/files/") + "evil_package-6.6.tar.gz";
        sandbox.bare("python3", &["-c", unpack, &address]).ended_with(0);
        install(&sandbox, &["./own/evil_package-6.6"]).ended_with(0).does_not_say("scfw");
    }
}

/// Python that writes `links/good-1.0.tar.gz`, whose PKG-INFO is made by `{}`; building it leaves a canary.
const HOSTILE_SDIST: &str = "import io, os, sys, tarfile
os.makedirs('links', exist_ok=True)
with tarfile.open('links/good-1.0.tar.gz', 'w:gz') as archive:
    def add(name, content=b'', **attributes):
        member = tarfile.TarInfo('good-1.0/' + name)
        member.size = len(content)
        for key, value in attributes.items():
            setattr(member, key, value)
        archive.addfile(member, io.BytesIO(content))
    add('setup.py', b'open(%r, \"w\")' % sys.argv[1])
    {}
";

/// The same for `links/good-1.0-py3-none-any.whl`, whose METADATA are made by `{}`.
const HOSTILE_WHEEL: &str = "import os, zipfile
os.makedirs('links', exist_ok=True)
with zipfile.ZipFile('links/good-1.0-py3-none-any.whl', 'w', zipfile.ZIP_DEFLATED) as archive:
    archive.writestr('good.py', '')
    archive.writestr('good-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    archive.writestr('good-1.0.dist-info/RECORD', '')
    {}
";

/// Tries an archive that the script `template` makes with `line`, and gives what was said.
fn hostile(sandbox: &Sandbox, template: &str, line: &str) -> Finished {
    let canary = sandbox.canary("hostile");
    let script = template.replace("{}", line);
    sandbox.bare("python3", &["-c", &script, canary.to_str().unwrap()]).ended_with(0);
    let finished = install(sandbox, &["--no-build-isolation", "--no-index", "--find-links", "links", "good"]);
    assert_ne!(finished.status, 0, "{line}: {finished:?}");
    assert!(!sandbox.has_sung() && sandbox.list("out").is_empty(), "{line}: {finished:?}");
    std::fs::remove_dir_all(sandbox.project("links")).unwrap();
    finished
}

#[test]
fn hostile_metadata_stop_pip_with_a_sentence() {
    for pip in UNPACKING_PIPS {
        let sandbox = Sandbox::with_pip(pip);
        for (line, sentence) in [
            ("add('PKG-INFO', b'x' * (2 << 20))", "names no package and version in its first 1048576 bytes"),
            ("add('PKG-INFO', b'Name: good\\n')", "names no package and version in its first 11 bytes"),
            ("add('PKG-INFO', b'\\xff\\x00\\n\\nName: good\\nVersion: 1.0')", "names no package and version"),
            ("add('PKG-INFO', type=tarfile.DIRTYPE, mode=0o755)", "(Is a directory)"),
            ("add('PKG-INFO', b'Name: a b*c\\nVersion: 1')", "gives it a name that no package can have"),
        ] {
            let finished = hostile(&sandbox, HOSTILE_SDIST, line).ended_with(69).says(sentence);
            finished.says("scfw: good cannot be verified: its PKG-INFO ");
        }
        // Newer pips do not unpack these themselves.
        for line in [
            "add('PKG-INFO', type=tarfile.SYMTYPE, linkname='/dev/zero')",
            "add('PKG-INFO', type=tarfile.SYMTYPE, linkname='nowhere')",
            "add('PKG-INFO', type=tarfile.FIFOTYPE)",
        ] {
            hostile(&sandbox, HOSTILE_SDIST, line);
        }
        for (line, sentence) in [
            (
                "archive.writestr('good-1.0.dist-info/METADATA', b'x' * (8 << 20))",
                "in its first 1048576 bytes",
            ),
            (
                "archive.writestr('good-1.0.dist-info/METADATA', b'\\n' * (8 << 20), zipfile.ZIP_BZIP2)",
                "no package",
            ),
            (
                "archive.writestr('good-1.0.dist-info/METADATA', b'x' * (8 << 20), zipfile.ZIP_BZIP2)",
                "names no package and version",
            ),
            (
                "[archive.writestr(n + '-1.0.dist-info/METADATA', b'Name: good\\nVersion: 1.0\\n') for n in ('good', 'evil')]",
                "the metadata of several packages",
            ),
        ] {
            hostile(&sandbox, HOSTILE_WHEEL, line).ended_with(69).says(sentence);
        }
    }
}
