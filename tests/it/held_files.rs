//! What an adversary tried on the files of a project and what held: requirements files, lockfiles and workspaces that
//! are devices, circles, or far too much. The screen comes to an end, and the manager is started all the same.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use scfw_core::package::Ecosystem;

use crate::support::{Finished, Sandbox};

/// What the managers that stand in for the real ones end with.
const STARTED: i32 = 5;

/// A sandbox whose pip and npm do nothing, so that the screen alone is at work. `evil` is malicious in every version.
fn screened() -> Sandbox {
    let mut sandbox = Sandbox::new();
    for name in ["pip", "npm"] {
        let path = sandbox.write(format!("bin/{name}"), format!("#!/bin/sh\nexit {STARTED}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    sandbox.search_first("bin");
    sandbox.world.malicious(Ecosystem::PyPi, "evil", None);
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    sandbox
}

fn pip(sandbox: &Sandbox, file: &str) -> Finished {
    sandbox.hook(&["pip", "install", "-r", file]).does_not_say("panicked")
}

#[test]
fn requirements_that_are_no_file_hold_nothing_up() {
    let sandbox = screened();
    nix::unistd::mkfifo(&sandbox.project("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    symlink("/dev/zero", sandbox.project("zero")).unwrap();
    symlink("loop", sandbox.project("loop")).unwrap();
    fs::create_dir(sandbox.project("folder")).unwrap();
    for file in ["pipe", "zero", "loop", "folder", "/dev/null", "/proc/self/mem", "missing"] {
        pip(&sandbox, file).ended_with(STARTED);
        sandbox.write("outer.txt", format!("evil\n-r {file}\n"));
        pip(&sandbox, "outer.txt").ended_with(77).says("package evil is malicious");
    }
}

#[test]
fn no_requirements_file_hides_what_else_it_names() {
    let sandbox = screened();
    let wide =
        (0..3_000).fold(String::new(), |text, number| text + "-r wide/" + &number.to_string() + ".txt\n");
    for number in 0..3_000 {
        sandbox.write(format!("wide/{number}.txt"), "good\n");
    }
    let marker = "(".repeat(20_000) + "python_version > '3'" + &")".repeat(20_000);
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain("good\nevil\n".encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let own = "-r own.txt\n-r ./own.txt\n-r ../project/own.txt\nevil\n";
    for (what, name, content) in [
        ("itself", "own.txt", own.as_bytes().to_vec()),
        ("three thousand others", "r.txt", (wide + "evil\n").into_bytes()),
        ("a line of nine megabytes", "r.txt", ("x".repeat(9 << 20) + "\nevil\n").into_bytes()),
        ("a byte that is none", "r.txt", b"good\0\nevil\n".to_vec()),
        ("a marker that is deep", "r.txt", format!("good; {marker}\nevil\n").into_bytes()),
        ("another encoding", "r.txt", utf16),
        ("an open continuation", "r.txt", b"evil\ngood \\\n\\\n\\".to_vec()),
        (
            "extras without an end",
            "r.txt",
            ("good[".to_owned() + &"x,".repeat(400_000) + "\nevil\n").into_bytes(),
        ),
        ("a version without an end", "r.txt", format!("good=={}\nevil\n", "1.".repeat(400_000)).into_bytes()),
    ] {
        sandbox.write(name, content);
        let finished = pip(&sandbox, name);
        assert_eq!(finished.status, 77, "{what}: {}", &finished.stderr[..finished.stderr.len().min(500)]);
        assert!(finished.stderr.len() < 65_536, "{what}: {}", finished.stderr.len());
    }
}

#[test]
fn variables_without_end_hold_nothing_up() {
    let mut sandbox = screened();
    // A single variable may be 128 KiB long, and there may be many.
    sandbox.set("LONG", "x".repeat(100_000));
    sandbox.write("r.txt", "${LONG}".repeat(1_000) + "\nevil\n");
    pip(&sandbox, "r.txt").ended_with(77).says("evil");
    for number in 0..40_000 {
        sandbox.set(&format!("VARIABLE_{number}"), "x");
    }
    sandbox.set("NAME", "evil");
    sandbox.write("r.txt", "${NAME}\n");
    pip(&sandbox, "r.txt").ended_with(77).says("evil");
    sandbox.hook(&["npm", "install", "evil"]).ended_with(77);
    sandbox.hook(&["npm", "install", "good"]).ended_with(STARTED);
}

#[test]
fn a_project_of_devices_and_circles_holds_nothing_up() {
    for name in ["package.json", "package-lock.json", "npm-shrinkwrap.json", ".npmrc"] {
        let sandbox = screened();
        let path = sandbox.project(name);
        let pipe = || nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let zero = || symlink("/dev/zero", &path).unwrap();
        let circle = || symlink(name, &path).unwrap();
        let huge = || fs::File::create(&path).unwrap().set_len(10 << 30).unwrap();
        let makers: [&dyn Fn(); 4] = [&pipe, &zero, &circle, &huge];
        for make in makers {
            make();
            for command in ["install", "ci"] {
                sandbox.hook(&["npm", command]).ended_with(STARTED).does_not_say("panicked");
            }
            // What the command line names is known all the same.
            sandbox.hook(&["npm", "install", "evil"]).ended_with(77);
            fs::remove_file(&path).unwrap();
        }
    }
}

#[test]
fn no_pattern_of_workspaces_is_followed_without_end() {
    let sandbox = screened();
    for folder in ["a/b/c", "a/b/d", "x"] {
        fs::create_dir_all(sandbox.project(folder)).unwrap();
    }
    symlink("/", sandbox.project("x/root")).unwrap();
    symlink("..", sandbox.project("a/up")).unwrap();
    symlink(".", sandbox.project("a/b/here")).unwrap();
    symlink("/dev/zero", sandbox.project("a/b/c/package.json")).unwrap();
    for pattern in [
        "**".to_owned(),
        "**/**/**/**/**/**/**/**".to_owned(),
        "a/**/*/**/*/**/*/**/*".to_owned(),
        "x/root/**".to_owned(),
        "x/*/*/*/*/*".to_owned(),
        "../../../../**".to_owned(),
        "/".to_owned(),
        "{a,b}".repeat(60),
        "{".repeat(10_000),
        "[".repeat(10_000),
        "*".repeat(10_000),
        "?*".repeat(10_000),
        "a/".repeat(10_000),
    ] {
        let manifest =
            serde_json::json!({"name": "p", "workspaces": [pattern], "dependencies": {"good": "*"}});
        sandbox.write("package.json", manifest.to_string());
        sandbox.hook(&["npm", "install"]).ended_with(STARTED).does_not_say("panicked");
        let manifest =
            serde_json::json!({"name": "p", "workspaces": [pattern], "dependencies": {"evil": "*"}});
        sandbox.write("package.json", manifest.to_string());
        sandbox.hook(&["npm", "install"]).ended_with(77).says("evil");
    }
}

#[test]
fn a_working_directory_beyond_every_path_holds_nothing_up() {
    let sandbox = screened();
    let script = "import os, sys\n\
        for _ in range(60):\n    os.mkdir('x' * 100); os.chdir('x' * 100)\n\
        open('package.json', 'w').write('{\"dependencies\": {\"evil\": \"*\"}}')\n\
        open('r.txt', 'w').write('evil\\n')\n\
        os.execv(sys.argv[1], sys.argv[1:])";
    let hook = crate::support::binary("scfw-hook").display().to_string();
    for words in
        [&["npm", "install", "evil"][..], &["pip", "install", "evil"], &["pip", "install", "-r", "r.txt"]]
    {
        let finished = sandbox.bare("python3", &[&["-c", script, hook.as_str()], words].concat());
        // Where the project cannot be named, what is in it may be left to the gate.
        let is_named = words.last() == Some(&"evil");
        assert!(finished.status == 77 || !is_named && finished.status == STARTED, "{words:?}: {finished:?}");
        assert!(!finished.stderr.contains("panicked"), "{words:?}: {finished:?}");
        fs::remove_dir_all(sandbox.project("x".repeat(100))).unwrap();
    }
}
