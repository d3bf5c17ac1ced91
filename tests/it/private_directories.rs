//! What scfw keeps is its user's alone: made so whatever the umask, closed where an older version left it open, and not
//! relied on where somebody else can have changed it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, chown};
use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, Wheel};

use crate::support::{Finished, Sandbox, binary};

const INSTALL: [&str; 5] = ["pip", "install", "--target", "out", "good"];

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox.world.add_wheel(Wheel::new("evil", "1.0").canary(sandbox.canary("evil")));
    sandbox.world.malicious(Ecosystem::PyPi, "evil", None);
    sandbox
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Gives a file to another user; whether that can be done here.
fn give_away(path: impl AsRef<Path>) -> bool {
    Uid::effective().is_root() && chown(path.as_ref(), Some(Uid::from_raw(54321)), None).is_ok()
}

/// Every directory and file of scfw's below `directory` that others may read, write or enter, but for what Python
/// compiles and for the gates, which are no secret.
fn open_to_others(directory: &Path, found: &mut Vec<PathBuf>) {
    if mode(directory) != 0o700 {
        found.push(directory.to_owned());
    }
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("__pycache__") || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            open_to_others(&path, found);
        } else if mode(&path) & 0o077 != 0 {
            found.push(path);
        }
    }
}

fn with_umask(sandbox: &Sandbox, umask: &str, program: &str, arguments: &[&str]) -> Finished {
    let script = format!("umask {umask} && exec \"$0\" \"$@\"");
    let program = binary(program).display().to_string();
    let words = [&["-c", script.as_str(), program.as_str()], arguments].concat();
    sandbox.finish(sandbox.command("/bin/sh", &words))
}

#[test]
fn everything_is_made_for_its_user_alone() {
    for umask in ["000", "002", "022"] {
        for has_home in [true, false] {
            let mut sandbox = sandbox();
            fs::remove_dir(sandbox.path("scfw")).unwrap();
            if !has_home {
                sandbox.unset("SCFW_HOME");
            }
            with_umask(&sandbox, umask, "scfw-hook", &INSTALL).ended_with(0);
            with_umask(&sandbox, umask, "scfw-hook", &["npm", "install", "good"]).ended_with(0);
            with_umask(&sandbox, umask, "scfw-hook", &["pip", "install", "evil"]).ended_with(77);
            with_umask(&sandbox, umask, "scfw", &["allow", "npm:x", "--reason", "test"]).ended_with(0);
            with_umask(&sandbox, umask, "scfw", &["update"]);
            let options = ["configure", "--shell", "bash", "--shims"];
            with_umask(&sandbox, umask, "scfw", &options).ended_with(0);
            let own = if has_home { "scfw" } else { "home/.local/share/scfw" };
            let mut found = Vec::new();
            open_to_others(&sandbox.path(own), &mut found);
            assert_eq!(found, Vec::<PathBuf>::new(), "umask {umask}");
        }
    }
}

#[test]
fn a_directory_that_an_older_version_left_open_is_closed() {
    for before in [0o777, 0o775] {
        let sandbox = sandbox();
        fs::create_dir_all(sandbox.path("scfw/feeds")).unwrap();
        for directory in ["scfw", "scfw/feeds"] {
            set_mode(sandbox.path(directory), before);
        }
        fs::write(sandbox.path("scfw/config.toml"), "deadline = 9.0\n").unwrap();
        set_mode(sandbox.path("scfw/config.toml"), 0o666);
        let finished = sandbox.hook(&INSTALL).ended_with(0);
        assert_eq!(finished.stderr, "");
        assert_eq!(mode(&sandbox.path("scfw")), 0o700);
        assert_eq!(mode(&sandbox.path("scfw/feeds")), 0o700);
        assert_eq!(mode(&sandbox.path("scfw/config.toml")), 0o644);
    }
}

#[test]
fn a_directory_of_another_user_is_not_relied_on() {
    let mut sandbox = sandbox();
    if !give_away(sandbox.path("scfw")) {
        return;
    }
    for arguments in [&INSTALL[..], &["npm", "install", "good"]] {
        sandbox
            .hook(arguments)
            .ended_with(78)
            .says("belongs to another user (number 54321)")
            .says("SCFW_HOME");
    }
    assert!(sandbox.list("out").is_empty() && sandbox.list("node_modules").is_empty());
    // What installs nothing is none of its business.
    sandbox.hook(&["pip", "--version"]).ended_with(0);
    // Who has become root by sudo has kept it.
    sandbox.set("SUDO_UID", "54321");
    sandbox.hook(&INSTALL).ended_with(0);
}

#[test]
fn files_of_another_user_are_not_relied_on() {
    let sandbox = sandbox();
    let lists = sandbox.path("scfw/lists");
    fs::create_dir(&lists).unwrap();
    let list = lists.join("own.yaml");
    let ignore = sandbox.path("scfw/osv-ignore.txt");
    let config = sandbox.path("scfw/config.toml");
    for (path, content) in [(&list, "findings: []\n"), (&ignore, "X-1\n"), (&config, "offline = false\n")] {
        fs::write(path, content).unwrap();
        if !give_away(path) {
            return;
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        sandbox.hook(&INSTALL).ended_with(78).says(&format!("{name} belongs to another user"));
        sandbox.scfw(&["check", "pypi:good"]).ended_with(78);
        fs::remove_file(path).unwrap();
    }
    assert!(give_away(&lists));
    sandbox.hook(&INSTALL).ended_with(78).says("lists belongs to another user");
    assert!(sandbox.list("out").is_empty());
}

#[test]
fn a_store_of_another_user_exempts_from_nothing() {
    let sandbox = sandbox();
    let evil = ["pip", "install", "--target", "out", "evil"];
    sandbox.scfw(&["allow", "pypi:evil", "--malicious", "--reason", "test"]).ended_with(0);
    for suffix in ["-wal", ""] {
        let store = sandbox.path(format!("scfw/store.db{suffix}"));
        if !give_away(&store) {
            return;
        }
        let blocked = sandbox.hook(&evil).ended_with(77);
        blocked.says("the store").says("belongs to another user").says("Installation target evil");
        chown(&store, Some(Uid::effective()), None).unwrap();
    }
    assert!(!sandbox.has_sung());
}

#[test]
fn the_gates_of_another_user_are_not_loaded() {
    let sandbox = sandbox();
    sandbox.hook(&INSTALL).ended_with(0);
    let gates = sandbox.path("scfw/gates");
    let mut inner = fs::read_dir(&gates).unwrap().map(|entry| entry.unwrap().path());
    for directory in [gates.clone(), inner.next().unwrap()] {
        if !give_away(&directory) {
            return;
        }
        sandbox.hook(&INSTALL).ended_with(69).says("belongs to another user");
        chown(&directory, Some(Uid::effective()), None).unwrap();
    }
}

#[test]
fn a_directory_above_that_others_can_write_is_said() {
    let mut sandbox = sandbox();
    let above = sandbox.path("above");
    fs::create_dir(&above).unwrap();
    sandbox.set("SCFW_HOME", above.join("scfw"));
    sandbox.hook(&INSTALL).ended_with(0);
    set_mode(&above, 0o777);
    sandbox.hook(&INSTALL).ended_with(78).says(&format!("chmod go-w {}", above.display()));
    set_mode(&above, 0o1777);
    sandbox.hook(&INSTALL).ended_with(0);
}
