//! What each generation of pip and npm knows of when packages were published, and what is asked for the rest.

use std::fs;

use scfw_world::{NpmPackage, Sdist, Wheel};

use crate::support::{PIP_VERSIONS, Sandbox, hours_ago};

macro_rules! with_pip {
    ($($module:ident: $version:literal)+) => {
        $(mod $module {
            #[test]
            fn an_index_is_asked_at_most_once_for_what_this_pip_does_not_know() { super::pip_knows($version); }
            #[test]
            fn a_fresh_file_is_a_warning() { super::pip_fresh($version); }
            #[test]
            fn a_wheel_that_pip_has_built_is_as_old_as_its_source() { super::pip_cached_wheel($version); }
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

for_each_npm! {
    packuments_that_npm_reads_settle_their_versions => npm_knows;
    what_a_lockfile_names_is_asked_for_once => npm_locked;
    a_fresh_version_is_a_warning => npm_fresh;
    a_bundled_package_is_as_old_as_what_carries_it => npm_bundled;
}

fn pip_knows(version: &str) {
    let sandbox = Sandbox::with_pip(version);
    sandbox.world.add_wheel(Wheel::new("top", "1.0").requires("Below_It"));
    sandbox.world.add_sdist(Sdist::new("below.it", "1.2"));
    let install = |target| sandbox.hook(&["pip", "install", "--no-cache-dir", "--target", target, "top"]);
    assert_eq!(install("one").ended_with(0).stderr, "");
    // Before 23 pip reads HTML, or does not keep what it reads.
    let expected: &[&str] =
        if version < "23" { &["/pypi/simple/below-it/", "/pypi/simple/top/"] } else { &[] };
    assert_eq!(sandbox.asked_by_scfw(), expected);
    sandbox.world.forget_requests();
    assert_eq!(install("two").ended_with(0).stderr, "");
    assert!(sandbox.asked_by_scfw().is_empty(), "{:?}", sandbox.asked_by_scfw());
}

fn pip_fresh(version: &str) {
    let sandbox = Sandbox::with_pip(version);
    sandbox.world.add_wheel(Wheel::new("top", "1.0").requires("fresh"));
    sandbox.world.add_wheel(Wheel::new("fresh", "1.9"));
    sandbox.world.add_wheel(Wheel::new("fresh", "2.0rc1"));
    sandbox.world.add_wheel(Wheel::new("fresh", "2.0").uploaded(hours_ago(5)));
    sandbox
        .hook(&["pip", "install", "--target", "out", "top"])
        .ended_with(77)
        .says("Installation target fresh-2.0 (required by top):")
        .says("  - Package fresh-2.0 was published 5 hours ago and will be old enough (24 hours) on ")
        .says("; 1.9 is the newest version that already is: pip install 'fresh==1.9'")
        .does_not_say("top-1.0");
    assert!(sandbox.list("out").is_empty());
    sandbox.hook(&["pip", "install", "--target", "out", "top", "fresh==1.9"]).ended_with(0);
}

fn pip_cached_wheel(version: &str) {
    let sandbox = Sandbox::with_pip(version);
    sandbox.world.add_sdist(Sdist::new("built", "1.0").uploaded(hours_ago(5)));
    sandbox.bare("pip", &["install", "--target", "bare", "built"]).ended_with(0);
    // From the wheel cache, with nothing to build.
    let finished = sandbox.hook(&["pip", "install", "--target", "out", "built"]).ended_with(77);
    finished.says("Package built-1.0 was published 5 hours ago").does_not_say("could not be verified");
    assert!(sandbox.list("out").is_empty());
}

fn npm_knows(version: &str) {
    let sandbox = Sandbox::with_npm(version);
    sandbox.world.add_npm(NpmPackage::new("top", "1.0.0").dependency("@scope/below", "^1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("@scope/below", "1.2.0"));
    assert_eq!(sandbox.hook(&["npm", "install", "top", "--no-audit"]).ended_with(0).stderr, "");
    assert!(sandbox.asked_by_scfw().is_empty(), "{:?}", sandbox.asked_by_scfw());
    // What npm knew then is remembered.
    fs::remove_dir_all(sandbox.project("node_modules")).unwrap();
    sandbox.hook(&["npm", "ci", "--no-audit"]).ended_with(0);
    assert!(sandbox.asked_by_scfw().is_empty(), "{:?}", sandbox.asked_by_scfw());
}

fn npm_locked(version: &str) {
    let sandbox = Sandbox::with_npm(version);
    sandbox.world.add_npm(NpmPackage::new("top", "1.0.0").dependency("@scope/below", "^1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("@scope/below", "1.2.0"));
    sandbox.bare("npm", &["install", "top"]).ended_with(0);
    let locked = |command: &str| {
        fs::remove_dir_all(sandbox.project("node_modules")).unwrap();
        sandbox.world.forget_requests();
        sandbox.hook(&["npm", command, "--no-audit"]).ended_with(0).does_not_say("scfw");
        sandbox.asked_by_scfw()
    };
    assert_eq!(locked("ci"), ["/npm/@scope/below", "/npm/top"]);
    assert!(locked("ci").is_empty());
    assert!(locked("install").is_empty());
    // Published since, so the short answer settles nothing any more; what is remembered does.
    sandbox.world.add_npm(NpmPackage::new("top", "1.1.0").published(hours_ago(1)));
    assert!(locked("ci").is_empty());
    fs::remove_file(sandbox.path("scfw/store.db")).unwrap();
    assert_eq!(locked("ci"), ["/npm/@scope/below", "/npm/top", "/npm/top"]);
}

fn npm_fresh(version: &str) {
    let sandbox = Sandbox::with_npm(version);
    sandbox.world.add_npm(NpmPackage::new("top", "1.0.0").dependency("fresh", "^1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("fresh", "1.9.0"));
    sandbox.world.add_npm(NpmPackage::new("fresh", "1.10.0").published(hours_ago(3)));
    sandbox
        .hook(&["npm", "install", "top"])
        .ended_with(77)
        .says("Installation target fresh@1.10.0 (required by top):")
        .says("  - Package fresh@1.10.0 was published 3 hours ago and will be old enough (24 hours) on ")
        .says("; 1.9.0 is the newest version that already is: npm install fresh@1.9.0")
        .does_not_say("top@1.0.0");
    assert!(sandbox.list("node_modules").is_empty());
    // A lockfile changes nothing about that.
    sandbox.bare("npm", &["install", "top"]).ended_with(0);
    fs::remove_dir_all(sandbox.project("node_modules")).unwrap();
    sandbox.hook(&["npm", "ci"]).ended_with(77).says("Package fresh@1.10.0 was published 3 hours ago");
    assert!(sandbox.list("node_modules").is_empty());
}

fn npm_bundled(version: &str) {
    let sandbox = Sandbox::with_npm(version);
    // Nowhere but in the tarball.
    let inner = NpmPackage::new("inner", "1.0.0");
    sandbox.world.add_npm(NpmPackage::new("carrier", "1.0.0").bundled(inner));
    assert_eq!(sandbox.hook(&["npm", "install", "carrier", "--no-audit"]).ended_with(0).stderr, "");
    assert!(sandbox.asked_by_scfw().is_empty(), "{:?}", sandbox.asked_by_scfw());
}
