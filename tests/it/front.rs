//! scfw-hook itself, as it is installed: what installs nothing it becomes by itself, without libc, and all else it hands
//! over to scfw.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use scfw_core::package::Ecosystem;

use crate::support::{Sandbox, binary};

/// Most system calls before the real program takes over, for a `PATH` whose first entry has it.
const MOST_CALLS: usize = 8;

/// The program as it is installed: without libc where that is known how to do, and as the tests build it.
fn builds() -> [PathBuf; 2] {
    let debug = binary("scfw-hook");
    [debug.ancestors().nth(2).unwrap().join("shim/scfw-hook"), debug]
}

/// An installation of `hook`, with the scfw that the tests build beside it.
fn install(sandbox: &Sandbox, hook: &Path) -> PathBuf {
    let folder = sandbox.path("installed");
    fs::create_dir_all(&folder).unwrap();
    let place = folder.join("scfw-hook");
    fs::copy(hook, &place).unwrap();
    if !folder.join("scfw").exists() {
        symlink(binary("scfw"), folder.join("scfw")).unwrap();
    }
    place
}

/// A program that shows its words and its environment, each with a line end behind it.
fn show(sandbox: &Sandbox, folder: &str, name: &str) -> PathBuf {
    let path = sandbox
        .write(format!("{folder}/{name}"), "#!/bin/sh\nprintf '%s\\n' \"$0\" \"$@\"\nexec /usr/bin/env\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn run(sandbox: &Sandbox, program: &Path, path: &str, words: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(program);
    command
        .args(words)
        .current_dir(sandbox.project(""))
        .env_clear()
        .env("PATH", path)
        .env("A", "b=c")
        .env("EMPTY", "");
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn what_installs_nothing_is_replaced_by_the_real_program() {
    for hook in builds() {
        let sandbox = Sandbox::new();
        let hook = install(&sandbox, &hook);
        let shims = sandbox.project("shims");
        fs::create_dir(&shims).unwrap();
        for name in ["npm", "python3.13t"] {
            symlink(&hook, shims.join(name)).unwrap();
        }
        let another = sandbox.project("another");
        fs::create_dir(&another).unwrap();
        let elsewhere = show(&sandbox, "elsewhere", "scfw-hook");
        symlink(elsewhere, another.join("npm")).unwrap();
        let not_executable = sandbox.write("first/npm", "");
        fs::set_permissions(not_executable, fs::Permissions::from_mode(0o644)).unwrap();
        fs::create_dir_all(sandbox.project("directory/npm")).unwrap();
        let real = show(&sandbox, "real", "npm");
        let python = show(&sandbox, "real", "python3.13t");
        let path =
            ["shims", "another", "first", "directory", "nowhere", "", "real"]
                .map(|entry| {
                    if entry.is_empty() {
                        String::new()
                    } else {
                        sandbox.project(entry).display().to_string()
                    }
                })
                .join(":");
        let environment = format!("PATH={path}\nA=b=c\nEMPTY=\n");
        for (program, words, real, rest) in [
            (hook.clone(), &["npm", "run", "a b", ""][..], &real, "run\na b\n\n"),
            (shims.join("npm"), &["run", "a b", ""], &real, "run\na b\n\n"),
            (shims.join("python3.13t"), &["-c", "install"], &python, "-c\ninstall\n"),
            (hook.clone(), &["npm"], &real, ""),
        ] {
            let (status, shown, errors) = run(&sandbox, &program, &path, words);
            assert_eq!((status, errors.as_str()), (Some(0), ""));
            let (found, others) = shown.split_once('\n').unwrap();
            assert_eq!(Path::new(found), real);
            let (arguments, variables) = others.split_at(rest.len());
            assert_eq!(arguments, rest);
            // The shell that shows them adds its own.
            let shown: BTreeSet<&str> = variables.lines().filter(|line| !line.starts_with("PWD=")).collect();
            assert_eq!(shown, environment.lines().collect());
        }
        // A shell tells a program its own file.
        let script = format!("\"{}\" npm run; :", hook.display());
        let shown = run(&sandbox, Path::new("/bin/bash"), &path, &["-c", &script]).1;
        assert!(shown.lines().any(|line| line == format!("_={}", real.display())), "{shown}");
    }
}

#[test]
fn thousands_of_words_and_variables_arrive() {
    for hook in builds() {
        let sandbox = Sandbox::new();
        let hook = install(&sandbox, &hook);
        let real =
            sandbox.write("real/npm", "#!/bin/sh\necho \"$#\"\n/usr/bin/env | grep -c '^V[0-9]*=v$'\n");
        fs::set_permissions(&real, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new(&hook);
        command.args(["npm", "run"]).args((0..9_999).map(|index| index.to_string()));
        command.env_clear().env("PATH", format!("{}:/usr/bin:/bin", real.parent().unwrap().display()));
        command.envs((0..5_000).map(|index| (format!("V{index}"), "v")));
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "10000\n5000\n");
        // What is handed over is whole too.
        let mut command = Command::new(&hook);
        command.args(["pip", "--never-heard-of"]).args((0..9_999).map(|index| index.to_string()));
        command.env_clear().env("PATH", "/nowhere");
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "pip: command not found\n");
    }
}

#[test]
fn all_else_is_decided_by_scfw() {
    for hook in builds() {
        let sandbox = Sandbox::new();
        let hook = install(&sandbox, &hook);
        for ecosystem in Ecosystem::ALL {
            sandbox.world.malicious(ecosystem, "evil", None);
        }
        let pip = sandbox.project("pip3");
        symlink(&hook, &pip).unwrap();
        for (program, words) in [
            (&hook, &["npm", "install", "evil"][..]),
            (&hook, &["npm", "--no-fund", "i", "evil"]),
            (&hook, &["python3", "-Im", "pip", "install", "evil"]),
            (&pip, &["install", "evil"]),
        ] {
            sandbox.finish(sandbox.command(program, words)).ended_with(77);
        }
        sandbox.finish(sandbox.command(&hook, &["nosuchprogram"])).ended_with(127);
        let usage = sandbox.finish(sandbox.command(&hook, &["--help"])).ended_with(0);
        assert!(usage.stderr.contains("usage: scfw-hook PROGRAM"), "{}", usage.stderr);
        fs::remove_file(hook.with_file_name("scfw")).unwrap();
        sandbox
            .finish(sandbox.command(&hook, &["npm", "install", "good"]))
            .ended_with(69)
            .says("scfw is not beside scfw-hook");
    }
}

#[test]
fn few_system_calls_come_before_the_real_program() {
    let [installed, _] = builds();
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return;
    }
    assert!(fs::metadata(&installed).unwrap().len() < 64 * 1024);
    let sandbox = Sandbox::new();
    let real = show(&sandbox, "real", "npm");
    let path = format!("PATH={}", real.parent().unwrap().display());
    for words in [&["npm", "run", "x"][..], &["npm", "--version"]] {
        let trace = sandbox.path("trace");
        let mut command = Command::new("strace");
        command.arg("-o").arg(&trace).args(["env", "-i", &path]).arg(&installed).args(words);
        assert!(command.output().unwrap().status.success());
        let trace = fs::read_to_string(&trace).unwrap();
        let own = |line: &&str| line.starts_with("execve(") && line.contains("scfw-hook\", [");
        let real = |line: &&str| line.starts_with("execve(") && line.contains("/real/npm\", [");
        let lines: Vec<&str> = trace.lines().collect();
        let start = lines.iter().position(own).unwrap();
        let end = lines.iter().position(real).unwrap();
        assert!(end - start <= MOST_CALLS, "{}", lines[start..=end].join("\n"));
    }
}
