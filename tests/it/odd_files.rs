//! Files of the user's own that are no files, or that never end: a sentence, and never a wait.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use scfw_world::{NpmPackage, Wheel};

use crate::support::Sandbox;

/// Far less than any hang, far more than a refusal takes.
const SOON: Duration = Duration::from_secs(20);

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox
}

/// What it is, and what makes it.
type Kind<'a> = (&'a str, &'a dyn Fn(&Path));

/// Puts at `path`, in turn, what is no file that ends.
fn at_each_odd_file(path: &Path, mut check: impl FnMut(&str)) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let pipe = |path: &Path| nix::unistd::mkfifo(path, Mode::S_IRWXU).unwrap();
    let zero = |path: &Path| symlink("/dev/zero", path).unwrap();
    let folder = |path: &Path| fs::create_dir(path).unwrap();
    let huge = |path: &Path| fs::File::create(path).unwrap().set_len(10 << 30).unwrap();
    let kinds: [Kind<'_>; 4] =
        [("a pipe", &pipe), ("a device", &zero), ("a folder", &folder), ("10 GB", &huge)];
    for (kind, make) in kinds {
        make(path);
        let start = Instant::now();
        check(kind);
        assert!(start.elapsed() < SOON, "{} as {kind}", path.display());
        if kind == "a folder" { fs::remove_dir(path) } else { fs::remove_file(path) }.unwrap();
    }
}

/// Nothing is installed, and the reason is said with the name of the file.
#[track_caller]
fn is_refused(sandbox: &Sandbox, path: &Path, status: i32) {
    let name = path.file_name().unwrap().to_str().unwrap();
    at_each_odd_file(path, |kind| {
        let install = ["pip", "install", "--target", "out", "good"];
        let finished = sandbox.hook(&install).ended_with(status).says(name);
        let reason = if kind == "10 GB" { "is longer than" } else { "is not a regular file" };
        finished.says(reason);
        sandbox.hook(&["npm", "install", "good"]).ended_with(status).says(name);
        assert!(sandbox.list("out").is_empty() && sandbox.list("node_modules").is_empty(), "{kind}");
    });
}

#[test]
fn the_configuration() {
    let sandbox = sandbox();
    is_refused(&sandbox, &sandbox.path("scfw/config.toml"), 78);
}

#[test]
fn findings_lists() {
    let sandbox = sandbox();
    is_refused(&sandbox, &sandbox.path("scfw/lists/own.yaml"), 78);
}

#[test]
fn the_list_of_advisories_to_ignore_wherever_it_is() {
    let mut sandbox = sandbox();
    is_refused(&sandbox, &sandbox.path("scfw/osv-ignore.txt"), 78);
    let named = sandbox.path("named.txt");
    sandbox.set("SCFW_OSV_VERIFIER_IGNORE", &named);
    is_refused(&sandbox, &named, 78);
}

#[test]
fn what_an_administrator_has_laid_down() {
    for name in ["policy.toml", "config.toml", "lists/all.yaml"] {
        let mut sandbox = sandbox();
        let path = sandbox.administer(name, "");
        fs::remove_file(&path).unwrap();
        at_each_odd_file(&path, |kind| {
            let finished = sandbox.hook(&["pip", "install", "--target", "out", "good"]);
            assert_eq!(finished.status, 78, "{name} as {kind}: {}", finished.stderr);
        });
    }
}

/// The files do not decide what is installed, so the install goes on without them.
#[test]
fn what_decides_nothing_holds_nothing_up() {
    let mut sandbox = sandbox();
    sandbox.set("SCFW_LOG_FILE", sandbox.path("own.log"));
    let install = ["pip", "install", "--upgrade", "--target", "out", "good"];
    sandbox.hook(&install).ended_with(0);
    let feeds: Vec<PathBuf> =
        fs::read_dir(sandbox.path("scfw/feeds")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!feeds.is_empty());
    let attributes = sandbox.path("scfw/dd_logger/log_attributes.json");
    let notes =
        ["run-2147483647-1", "run-2147483647-1.verdict"].map(|name| sandbox.path("scfw/runs").join(name));
    let others = [attributes, sandbox.path("scfw/update.json"), sandbox.path("scfw/shell/init.bash")];
    for path in feeds.into_iter().chain(others).chain(notes) {
        // A copy of a feed is written again, and replaces whatever is there.
        let gone = fs::remove_file(&path);
        assert!(gone.is_ok() || !path.exists());
        let install = &install;
        at_each_odd_file_of_ours(&path, |kind| {
            let finished = sandbox.hook(install);
            assert_eq!(finished.status, 0, "{} as {kind}: {}", path.display(), finished.stderr);
            sandbox.scfw(&["status"]);
        });
    }
}

/// The same, where scfw may have replaced or removed it meanwhile.
fn at_each_odd_file_of_ours(path: &Path, mut check: impl FnMut(&str)) {
    let aside = path.with_extension("odd");
    let take_away = || {
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            // scfw may have removed it already.
            drop(fs::remove_file(path));
        }
    };
    at_each_odd_file(&aside, |kind| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        take_away();
        fs::rename(&aside, path).unwrap();
        check(kind);
        take_away();
        // For whoever made it to take away.
        if kind == "a folder" { fs::create_dir(&aside) } else { fs::write(&aside, "") }.unwrap();
    });
}

#[test]
fn what_configure_reads() {
    let sandbox = sandbox();
    let configure = |level: &str| sandbox.scfw(&["configure", "--shell", "bash", "--dd-log-level", level]);
    configure("ALLOW").ended_with(0);
    for name in ["home/.bashrc", "scfw/config.toml"] {
        let path = sandbox.path(name);
        fs::remove_file(&path).unwrap();
        at_each_odd_file(&path, |kind| {
            let finished = configure("BLOCK");
            assert_ne!(finished.status, 0, "{name} as {kind}: {}", finished.stderr);
        });
        fs::write(&path, "").unwrap();
    }
}
