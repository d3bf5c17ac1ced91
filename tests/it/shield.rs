//! `scfw shield` and `scfw configure --preload`: the preload library as a person turns it on.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, Sdist, Wheel};
use serde_json::Value;

use crate::support::{Sandbox, binary};

/// The start-up files that get a block, and the shell that reads each.
const FILES: [(&str, &str); 3] =
    [("bash", ".bashrc"), ("zsh", ".zshrc"), ("fish", ".config/fish/conf.d/scfw.fish")];

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.world.add_npm(NpmPackage::new("clean", "1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("evil", "6.6.6").canary(sandbox.canary("npm")));
    sandbox.world.add_wheel(Wheel::new("clean", "1.0"));
    sandbox.world.add_sdist(Sdist::new("evil", "6.6.6").canary(sandbox.canary("pip")));
    for ecosystem in [Ecosystem::Npm, Ecosystem::PyPi] {
        sandbox.world.malicious(ecosystem, "evil", Some("6.6.6"));
    }
    sandbox
}

/// Where this build has the library, as an installation has it.
fn library() -> PathBuf {
    let path = binary("scfw").ancestors().nth(2).unwrap().join("lib/scfw/libscfw_shim.so");
    assert!(path.is_file(), "{} is missing: test.sh builds the library and puts it there", path.display());
    path
}

/// A script that calls pip and npm as no shell function and no `PATH` would see it.
fn script(sandbox: &Sandbox) -> String {
    let python = sandbox.bare("sh", &["-c", "command -v python3"]).stdout;
    let npm = sandbox.bare("sh", &["-c", "command -v npm"]).stdout;
    let program = format!(
        "import subprocess, sys\n\
         package = sys.argv[1]\n\
         pip = subprocess.run([{:?}, '-m', 'pip', 'install', '--quiet', '--target', 'out', package]).returncode\n\
         npm = subprocess.run([{:?}, 'install', '--silent', package]).returncode\n\
         print(pip, npm)\n",
        python.trim(),
        npm.trim()
    );
    sandbox.write("tool.py", program).display().to_string()
}

#[test]
fn what_a_command_starts_is_verified_and_the_command_itself_untouched() {
    let mut sandbox = sandbox();
    library();
    let script = script(&sandbox);
    let clean = sandbox.scfw(&["shield", "python3", &script, "clean"]).ended_with(0);
    assert_eq!((clean.stdout.as_str(), clean.stderr.as_str()), ("0 0\n", ""));
    let evil = sandbox.scfw(&["shield", "python3", &script, "evil"]).ended_with(0);
    assert_eq!(evil.stdout, "77 77\n", "{}", evil.stderr);
    assert_eq!(evil.stderr.matches("The installation request was blocked.").count(), 2, "{}", evil.stderr);
    assert!(!sandbox.has_sung());

    // The command itself may be one.
    for command in [&["npm", "install", "evil"][..], &["python3", "-m", "pip", "install", "evil"]] {
        sandbox.scfw(&[&["shield"], command].concat()).ended_with(77).says("was blocked");
    }
    assert!(!sandbox.has_sung());
    sandbox.scfw(&["shield", "npm", "--version"]).ended_with(0);

    let status = sandbox.scfw(&["shield", "sh", "-c", "exit 42"]);
    assert_eq!(status.status, 42);
    sandbox.scfw(&["shield", "no-such-program"]).ended_with(127).says("no-such-program: command not found");
    sandbox.scfw(&["shield", "/etc/passwd"]).ended_with(126);
    sandbox.scfw(&["shield"]).ended_with(2);
    let show = ["shield", "printenv", "LD_PRELOAD"];
    assert_eq!(sandbox.scfw(&show).stdout, format!("{}\n", library().display()));
    sandbox.set("LD_PRELOAD", "libm.so.6 libdl.so.2");
    assert_eq!(sandbox.scfw(&show).stdout, format!("{}:libm.so.6:libdl.so.2\n", library().display()));
}

/// The runtime of `AddressSanitizer`, which wants to come first.
fn sanitizer() -> String {
    let asked = std::process::Command::new("cc").arg("-print-file-name=libasan.so").output().unwrap();
    let path = PathBuf::from(String::from_utf8(asked.stdout).unwrap().trim());
    assert!(path.is_absolute(), "the compiler has no AddressSanitizer (test.sh installs what is missing)");
    fs::canonicalize(path).unwrap().display().to_string()
}

#[test]
fn programs_with_a_sanitizer_start_and_what_they_start_is_verified() {
    let mut sandbox = sandbox();
    let linked = sandbox.compile("cc", "entry.c", &["-fsanitize=address", "-DENTRY_execvp"], "linked");
    let linked = linked.display().to_string();
    sandbox.scfw(&["shield", &linked, "sh", "sh", "-c", "exit 42"]).ended_with(42);
    sandbox.scfw(&["shield", &linked, "npm", "npm", "install", "evil"]).ended_with(77).says("was blocked");
    sandbox.set("ASAN_OPTIONS", "detect_leaks=0");
    let show = ["shield", "printenv", "ASAN_OPTIONS", "LD_PRELOAD"];
    assert_eq!(
        sandbox.scfw(&show).stdout,
        format!("detect_leaks=0:verify_asan_link_order=0\n{}\n", library().display())
    );

    // Loaded into programs that know nothing of it, it is the loader's first library or ends them.
    let runtime = sanitizer();
    sandbox.set("ASAN_OPTIONS", "detect_leaks=0:verify_asan_link_order=1");
    sandbox.set("LD_PRELOAD", &runtime);
    let show = sandbox.scfw(&["shield", "printenv", "LD_PRELOAD"]).ended_with(0);
    assert_eq!((show.stdout, show.stderr), (format!("{runtime}:{}\n", library().display()), String::new()));
    let pip = ["python3", "-m", "pip", "install", "--target", "out", "evil"];
    sandbox.scfw(&[&["shield"][..], &pip].concat()).ended_with(77).says("was blocked");
    // The list without ours in the environment that a program gives.
    let bare = format!("LD_PRELOAD={runtime}");
    sandbox.scfw(&[&["shield", "env", &bare][..], &pip].concat()).ended_with(77).says("was blocked");
    assert!(!sandbox.has_sung());
}

#[test]
fn without_its_library_nothing_is_started() {
    let sandbox = sandbox();
    fs::create_dir_all(sandbox.path("prefix/bin")).unwrap();
    for program in ["scfw", "scfw-hook"] {
        fs::hard_link(binary(program), sandbox.path("prefix/bin").join(program))
            .or_else(|_other_file_system| {
                fs::copy(binary(program), sandbox.path("prefix/bin").join(program)).map(drop)
            })
            .unwrap();
    }
    let scfw = sandbox.path("prefix/bin/scfw");
    let run = |arguments: &[&str]| sandbox.finish(sandbox.command(&scfw, arguments));
    run(&["shield", "touch", "started"]).ended_with(69).says("the preload library is not installed");
    assert!(!sandbox.project("started").exists());
    run(&["configure", "--yes", "--preload"]).ended_with(1).says("the preload library is not installed");
    assert!(!sandbox.path("home/.bashrc").exists(), "nothing was changed");

    // The loader would take the path for two.
    fs::create_dir_all(sandbox.path("a b/lib/scfw")).unwrap();
    fs::rename(sandbox.path("prefix/bin"), sandbox.path("a b/bin")).unwrap();
    symlink(library(), sandbox.path("a b/lib/scfw/libscfw_shim.so")).unwrap();
    let scfw = sandbox.path("a b/bin/scfw");
    let finished = sandbox.finish(sandbox.command(scfw, &["shield", "touch", "started"]));
    finished.ended_with(69).says("cannot stand in LD_PRELOAD");
    assert!(!sandbox.project("started").exists());
}

#[test]
fn where_programs_do_not_start_under_it_it_is_not_set_up() {
    let sandbox = sandbox();
    for folder in ["prefix/bin", "prefix/lib/scfw"] {
        fs::create_dir_all(sandbox.path(folder)).unwrap();
    }
    for program in ["scfw", "scfw-hook"] {
        fs::hard_link(binary(program), sandbox.path("prefix/bin").join(program))
            .or_else(|_other_file_system| {
                fs::copy(binary(program), sandbox.path("prefix/bin").join(program)).map(drop)
            })
            .unwrap();
    }
    // As a libc that lacks something: the loader complains.
    fs::write(sandbox.path("prefix/lib/scfw/libscfw_shim.so"), "no library").unwrap();
    let run =
        |arguments: &[&str]| sandbox.finish(sandbox.command(sandbox.path("prefix/bin/scfw"), arguments));
    run(&["configure", "--yes", "--preload"]).ended_with(1).says("programs do not start under");
    assert!(!sandbox.path("home/.bashrc").exists(), "nothing was changed");
    run(&["shield", "touch", "started"]).ended_with(69).says("programs do not start under");
    assert!(!sandbox.project("started").exists());
}

#[test]
fn the_block_exports_it_for_what_the_shells_start() {
    let mut sandbox = sandbox();
    let library = library().display().to_string();
    let script = script(&sandbox);
    let before = "export MINE=1\n";
    fs::write(sandbox.path("home/.bashrc"), before).unwrap();
    let configured = sandbox.scfw(&["configure", "--yes", "--preload"]).ended_with(0);
    assert!(configured.stdout.contains(&library), "{}", configured.stdout);
    let sanitizer = sanitizer();
    sandbox.set("ASAN_OPTIONS", "detect_leaks=0");
    for present in ["", "libm.so.6", "libm.so.6 libdl.so.2", &sanitizer] {
        sandbox.set("LD_PRELOAD", present);
        for (shell, file) in FILES {
            let load = if shell == "fish" {
                String::new()
            } else {
                format!(". '{0}'; . '{0}'; ", sandbox.path("home").join(file).display())
            };
            let options: &[&str] = if shell == "zsh" { &["-f", "-u"] } else { &[] };
            let run =
                |line: &str| sandbox.bare(shell, &[options, &["-c", &format!("{load}{line}")]].concat());
            let expected = match present {
                "" => library.clone(),
                present if present == sanitizer => format!("{sanitizer}:{library}"),
                present => format!("{library}:{present}"),
            };
            let shown = run("printenv LD_PRELOAD").ended_with(0);
            assert_eq!((shown.stdout, shown.stderr), (format!("{expected}\n"), String::new()), "{shell}");
            if present.is_empty() {
                let evil = run(&format!("python3 '{script}' evil")).ended_with(0);
                assert_eq!(evil.stdout, "77 77\n", "{shell}: {}", evil.stderr);
                let status = run("scfw status");
                assert!(status.stdout.contains("is loaded into what this shell starts"), "{}", status.stdout);
            }
        }
    }
    assert!(!sandbox.has_sung());
    sandbox.unset("LD_PRELOAD");
    sandbox.unset("ASAN_OPTIONS");

    // Configured again, it stays; it goes when it is asked to, and with everything else.
    sandbox.scfw(&["configure", "--shims"]).ended_with(0);
    assert!(fs::read_to_string(sandbox.path("home/.zshrc")).unwrap().contains("LD_PRELOAD"));
    let removed = sandbox.scfw(&["configure", "--no-preload"]).ended_with(0);
    assert!(!removed.stdout.contains("unset"), "{}", removed.stdout);
    assert!(!fs::read_to_string(sandbox.path("home/.zshrc")).unwrap().contains("LD_PRELOAD"));
    // The shell in which it is removed has it in its environment, and the line that is shown takes it out.
    for option in ["--no-preload", "--remove"] {
        sandbox.scfw(&["configure", "--preload"]).ended_with(0);
        sandbox.set("LD_PRELOAD", format!("{library}:libm.so.6"));
        sandbox.set("SCFW_SHIM_HOOK", binary("scfw-hook"));
        let removed = sandbox.scfw(&["configure", option]).ended_with(0);
        let line = removed.stdout.split("first run: ").nth(1).unwrap().lines().next().unwrap();
        let left = sandbox.bare("bash", &["-c", &format!("{line}; printenv LD_PRELOAD SCFW_SHIM_HOOK")]);
        assert_eq!(left.stdout, "libm.so.6\n", "{option}: {}", removed.stdout);
        sandbox.unset("LD_PRELOAD");
        sandbox.unset("SCFW_SHIM_HOOK");
    }
    assert_eq!(fs::read_to_string(sandbox.path("home/.bashrc")).unwrap(), before);
}

#[test]
fn a_library_that_is_gone_is_passed_over_by_the_shells_and_named_by_the_doctor() {
    let sandbox = sandbox();
    sandbox.scfw(&["configure", "--yes", "--preload"]).ended_with(0);
    let gone = "/nowhere/libscfw_shim.so";
    for (shell, file) in FILES {
        let path = sandbox.path("home").join(file);
        let block = fs::read_to_string(&path).unwrap().replace(&library().display().to_string(), gone);
        fs::write(&path, block).unwrap();
        let load = if shell == "fish" { String::new() } else { format!(". '{}'; ", path.display()) };
        let shown = sandbox.bare(shell, &["-c", &format!("{load}printenv LD_PRELOAD; true")]).ended_with(0);
        assert_eq!((shown.stdout, shown.stderr), (String::new(), String::new()), "{shell}");
    }
}

#[test]
fn the_doctor_tests_it_and_is_not_deceived_by_it() {
    let sandbox = sandbox();
    let check = |finished: &crate::support::Finished, name: &str| -> Value {
        let report: Value = serde_json::from_str(&finished.stdout).unwrap();
        let checks = report["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|check| check["check"] == name).unwrap()
    };
    let finished = sandbox.scfw(&["doctor", "--offline", "--json"]).ended_with(0);
    let preload = check(&finished, "preload");
    assert_eq!(preload["outcome"], "ok", "{preload}");
    assert!(preload["detail"].as_str().unwrap().ends_with("(scfw configure --preload)"), "{preload}");

    // Shims that lead nowhere are broken, though the library would see what is behind them.
    sandbox.scfw(&["configure", "--yes", "--shims", "--preload"]).ended_with(0);
    let shim = sandbox.path("scfw/shims/npm");
    let real = sandbox.bare("sh", &["-c", "command -v npm"]).stdout;
    fs::remove_file(&shim).unwrap();
    fs::write(&shim, format!("#!/bin/sh\nexec {} \"$@\"\n", real.trim())).unwrap();
    fs::set_permissions(&shim, fs::Permissions::from_mode(0o755)).unwrap();
    let line = format!(
        ". '{}'; '{}' doctor --offline --json",
        sandbox.path("home/.bashrc").display(),
        binary("scfw").display()
    );
    let finished = sandbox.bare("bash", &["-c", &line]).ended_with(1);
    assert_eq!(check(&finished, "shims")["outcome"], "failed", "{}", finished.stdout);
    assert_eq!(check(&finished, "preload")["outcome"], "ok", "{}", finished.stdout);
}
