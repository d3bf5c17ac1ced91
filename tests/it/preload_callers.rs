//! The preload library in the programs that start managers: shells, build tools, interpreters, hooks. Each is stopped
//! at a malicious package and goes on with a clean one, under the real npm and pip.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, Sdist, Wheel};
use serde_json::json;

use crate::support::{Finished, Sandbox};

const BLOCKED: &str = "The installation request was blocked. No changes have been made.";

/// Packages of which `evil` is malicious in the one version that there is, so that the gate has to see it.
pub(crate) fn stocked() -> Sandbox {
    let sandbox = Sandbox::preloaded();
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").canary(sandbox.canary("npm")));
    sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    sandbox.world.add_sdist(Sdist::new("evil", "1.0").canary(sandbox.canary("pip")));
    sandbox.world.malicious(Ecosystem::PyPi, "evil", Some("1.0"));
    sandbox
}

/// The same with an npm package of every version of which it is known, so that npm need not be started.
fn stocked_with_known() -> Sandbox {
    let sandbox = stocked();
    sandbox.world.malicious(Ecosystem::Npm, "known", None);
    sandbox
}

/// Fails the test unless a malicious package was stopped, `count` times, and nothing of it has run.
#[track_caller]
pub(crate) fn is_stopped(sandbox: &Sandbox, finished: &Finished, count: usize) {
    let said = finished.stderr.matches(BLOCKED).count() + finished.stdout.matches(BLOCKED).count();
    assert_eq!(said, count, "\n--- stdout\n{}\n--- stderr\n{}", finished.stdout, finished.stderr);
    assert!(!sandbox.has_sung(), "{}", finished.stderr);
    assert!(sandbox.list("node_modules/evil").is_empty() && sandbox.list("out/evil").is_empty());
}

/// A command that installs a package given in the place of `@`: stopped with `status`, or done.
#[track_caller]
pub(crate) fn is_protected(sandbox: &Sandbox, program: &str, arguments: &[&str], status: i32) {
    let with = |package: &str| -> Vec<String> {
        arguments.iter().map(|argument| argument.replace('@', package)).collect()
    };
    let finished = sandbox.finish(sandbox.command(program, &with("evil")));
    assert_eq!(finished.status, status, "{}{}", finished.stdout, finished.stderr);
    is_stopped(sandbox, &finished, 1);
    sandbox.finish(sandbox.command(program, &with("good"))).ended_with(0).does_not_say("scfw");
    assert_eq!(sandbox.list("node_modules/good"), ["index.js", "package.json"]);
    fs::remove_dir_all(sandbox.project("node_modules")).unwrap();
}

#[test]
fn bash() {
    let sandbox = stocked();
    is_protected(&sandbox, "bash", &["-c", "npm install @"], 77);
    is_protected(&sandbox, "bash", &["-c", "(command npm install @) | cat; exit ${PIPESTATUS[0]}"], 77);
    is_protected(&sandbox, "bash", &["-c", "exec -a another $(type -P npm) install @"], 77);
}

#[test]
fn dash() {
    is_protected(&stocked(), "dash", &["-c", "npm install @ && true"], 77);
}

#[test]
fn zsh() {
    is_protected(&stocked(), "zsh", &["-f", "-c", "=npm install @"], 77);
}

#[test]
fn make() {
    let sandbox = stocked();
    // A simple recipe is run by make itself, another by its shell.
    sandbox.write("Makefile", "simple:\n\tnpm install $(P)\nshell:\n\tcd . && npm install $(P)\n");
    is_protected(&sandbox, "make", &["simple", "P=@"], 2);
    is_protected(&sandbox, "make", &["shell", "P=@"], 2);
}

#[test]
fn env() {
    let sandbox = stocked();
    is_protected(&sandbox, "env", &["X=1", "npm", "install", "@"], 77);
    is_protected(&sandbox, "env", &["-S", "npm install @"], 77);
    is_protected(&sandbox, "env", &["-u", "LD_PRELOAD", "-u", "SCFW_SHIM_HOOK", "npm", "install", "@"], 77);
}

#[test]
fn xargs() {
    is_protected(&stocked(), "bash", &["-c", "echo @ | xargs npm install"], 123);
}

#[test]
fn find() {
    let sandbox = stocked();
    // find goes on whatever its commands end with.
    let arguments = [".", "-maxdepth", "0", "-exec", "npm", "install", "@", ";"];
    is_protected(&sandbox, "find", &arguments, 0);
}

#[test]
fn perl() {
    let sandbox = stocked();
    is_protected(&sandbox, "perl", &["-e", "exit(system('npm', 'install', '@') >> 8)"], 77);
    is_protected(&sandbox, "perl", &["-e", "print `npm install @`; exit($? >> 8)"], 77);
    is_protected(&sandbox, "perl", &["-e", "exec { 'npm' } 'another', 'install', '@'"], 77);
}

#[test]
fn a_git_hook() {
    let sandbox = stocked();
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@b"];
        sandbox.bare("git", &[&identity[..], arguments].concat())
    };
    git(&["init", "--quiet"]).ended_with(0);
    for (package, status) in [("evil", 1), ("good", 0)] {
        let hook =
            sandbox.write(".git/hooks/pre-commit", format!("#!/bin/sh\nnpm install {package} || exit 1\n"));
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
        let finished = git(&["commit", "--quiet", "--allow-empty", "-m", "x"]).ended_with(status);
        is_stopped(&sandbox, &finished, usize::from(package == "evil"));
    }
    assert_eq!(sandbox.list("node_modules/good"), ["index.js", "package.json"]);
}

#[test]
fn python_starts_pip_by_its_interpreter() {
    let sandbox = stocked();
    for way in [
        "subprocess.call(pip)",
        "subprocess.call(pip, close_fds=False)",
        "subprocess.call(pip, cwd='/')",
        "subprocess.call(pip, env=bare)",
        "subprocess.call(pip, preexec_fn=lambda: None)",
        "subprocess.call(['env'] + pip)",
        "subprocess.call(' '.join(pip), shell=True)",
        "status(os.posix_spawn(pip[0], pip, os.environ))",
        "status(os.posix_spawn(pip[0], pip, bare))",
        "status(os.posix_spawnp('python3', pip, os.environ))",
        "os.spawnv(os.P_WAIT, pip[0], pip)",
        "os.spawnvpe(os.P_WAIT, 'python3', pip, bare)",
        "os.execv(pip[0], pip)",
        "os.execve(pip[0], pip, bare)",
        "os.execve(os.open(pip[0], os.O_RDONLY), pip, bare)",
        "os.execvp('python3', pip)",
        "os.execlp('python3', *pip)",
    ] {
        let code = format!(
            "import os, subprocess, sys\n\
             pip = [sys.executable, '-X', 'utf8', '-m', 'pip', 'install', '--no-cache-dir', '--target', 'out', 'evil']\n\
             bare = {{k: v for k, v in os.environ.items() if k not in ('LD_PRELOAD', 'SCFW_SHIM_HOOK')}}\n\
             status = lambda child: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n\
             sys.exit({way})\n"
        );
        let finished = sandbox.bare("python3", &["-c", &code]);
        assert_eq!(finished.status, 77, "{way}: {}{}", finished.stdout, finished.stderr);
        is_stopped(&sandbox, &finished, 1);
    }
    let code = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-m', 'pip', 'install', '--target', 'out', 'good']))";
    sandbox.bare("python3", &["-c", code]).ended_with(0);
    assert!(!sandbox.list("out").is_empty());
}

#[test]
fn python_multiprocessing() {
    let sandbox = stocked();
    let script = "import multiprocessing, subprocess, sys\n\
        def install(package):\n    \
            return subprocess.call([sys.executable, '-m', 'pip', 'install', '--target', 'out', package])\n\
        if __name__ == '__main__':\n    \
            with multiprocessing.get_context('spawn').Pool(1) as pool:\n        \
                print(pool.map(install, ['evil', 'good']))\n";
    sandbox.write("workers.py", script);
    let finished = sandbox.bare("python3", &["workers.py"]).ended_with(0);
    assert!(finished.stdout.ends_with("[77, 0]\n"), "{}{}", finished.stdout, finished.stderr);
    is_stopped(&sandbox, &finished, 1);
}

#[test]
fn node() {
    let sandbox = stocked_with_known();
    let code = "const c = require('child_process'), path = require('path')\n\
        const args = ['install', process.argv[1]], stdio = 'inherit'\n\
        const cli = require('fs').realpathSync(c.execSync('command -v npm').toString().trim())\n\
        const bare = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/PRELOAD|SHIM/.test(name)))\n\
        const caught = (run) => { try { run(); return 0 } catch (error) { return error.status } }\n\
        console.log(\n\
          c.spawnSync('npm', args, { stdio }).status,\n\
          c.spawnSync('npm', args, { stdio, env: bare }).status,\n\
          c.spawnSync('npm', args, { stdio, shell: true }).status,\n\
          c.spawnSync('./npm', args, { stdio, cwd: path.dirname(c.execSync('command -v npm').toString()) }).status,\n\
          c.spawnSync(process.execPath, ['--no-warnings', cli, ...args], { stdio }).status,\n\
          caught(() => c.execFileSync('npm', args, { stdio })),\n\
          caught(() => c.execSync(`npm ${args.join(' ')}`, { stdio })),\n\
        )\n";
    let finished = sandbox.bare("node", &["-e", code, "known"]).ended_with(0);
    assert_eq!(finished.stdout, "77 77 77 77 77 77 77\n", "{}", finished.stderr);
    is_stopped(&sandbox, &finished, 7);
    let code = "process.exit(require('child_process').spawnSync('npm', ['install', process.argv[1]], { stdio: 'inherit' }).status)";
    is_protected(&sandbox, "node", &["-e", code, "@"], 77);
}

#[test]
fn rust() {
    let sandbox = stocked_with_known();
    let program = sandbox.project("command");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/rust/command.rs");
    let built = Command::new("rustc").args(["--edition", "2024", "-o"]).arg(&program).arg(source).output();
    let built = built.unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let finished = sandbox.finish(sandbox.command(&program, &["known"])).ended_with(77);
    assert_eq!(finished.stdout, "Some(77)\n".repeat(6), "{}", finished.stderr);
    is_stopped(&sandbox, &finished, 7);
}

#[test]
fn npm_scripts() {
    let sandbox = stocked();
    let manifest = json!({"name": "p", "version": "1.0.0", "scripts": {
        "pip": "pip install --no-cache-dir --target out evil",
        "python": "cd . && python3 -m pip install --no-cache-dir --target out evil",
        "npm": "npm install --no-save --prefix . evil",
    }});
    sandbox.write("package.json", manifest.to_string());
    for script in ["pip", "python", "npm"] {
        let finished = sandbox.bare("npm", &["run", "--silent", script]).ended_with(77);
        is_stopped(&sandbox, &finished, 1);
    }
}

#[test]
fn an_install_script_of_a_package() {
    let sandbox = stocked();
    let target = sandbox.project("out").display().to_string();
    let install = format!("pip install --no-cache-dir --target {target} evil");
    sandbox.world.add_npm(NpmPackage::new("caller", "1.0.0").script("postinstall", &install));
    let finished = sandbox.bare("bash", &["-c", "npm install --foreground-scripts caller"]);
    assert_ne!(finished.status, 0);
    is_stopped(&sandbox, &finished, 1);
}

#[test]
fn cmake() {
    let sandbox = stocked();
    sandbox.write(
        "CMakeLists.txt",
        "cmake_minimum_required(VERSION 3.13)\nproject(p NONE)\n\
         execute_process(COMMAND npm install ${P} RESULT_VARIABLE result)\nmessage(STATUS \"npm: ${result}\")\n\
         add_custom_target(packages ALL COMMAND npm install ${P} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})\n",
    );
    for (package, result, status, count) in [("evil", "npm: 77", 2, 1), ("good", "npm: 0", 0, 0)] {
        let finished =
            sandbox.bare("cmake", &["-S", ".", "-B", "build", &format!("-DP={package}")]).ended_with(0);
        assert!(finished.stdout.contains(result), "{}{}", finished.stdout, finished.stderr);
        is_stopped(&sandbox, &finished, count);
        let finished = sandbox.bare("cmake", &["--build", "build"]).ended_with(status);
        is_stopped(&sandbox, &finished, count);
    }
    assert_eq!(sandbox.list("node_modules/good"), ["index.js", "package.json"]);
}

#[test]
fn tox() {
    let mut sandbox = stocked();
    sandbox.add_tox();
    for (package, is_good) in [("evil", false), ("good", true)] {
        // What tox does not pass on the library puts back; where the test's feeds are it cannot know.
        let settings = format!(
            "[tox]\nskipsdist = true\nno_package = true\n[testenv]\npass_env = SCFW_HOME,SCFW_OSV_API_URL,SCFW_DD_DATASET_URL\n\
             deps = {package}\ncommands = python -c \"import {package}\"\n"
        );
        sandbox.write("tox.ini", settings);
        let finished = sandbox.bare("tox", &["run", "-e", "py"]);
        assert_eq!(finished.status == 0, is_good, "{}{}", finished.stdout, finished.stderr);
        is_stopped(&sandbox, &finished, usize::from(!is_good));
    }
}
