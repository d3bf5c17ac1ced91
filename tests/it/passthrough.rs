//! What installs nothing is replaced by the real program: same arguments, environment, process, streams, status.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::shims::with_shims;
use crate::support::shell_cases::plain;
use crate::support::{Sandbox, binary, called_as};

/// A stand-in for a program that shows how it was called: `argv`, environment and process.
fn mirror(sandbox: &mut Sandbox, name: &str) {
    let path = sandbox.write(
        format!("mirror/{name}"),
        "#!/bin/sh\nprintf '%s\\0' \"$0\" \"$@\" > argv\ncat /proc/$$/environ > environ\necho $$ > pid\n\
         cat /proc/$$/status | grep -E '^Sig(Ign|Blk)' > signals\nexit ${MIRROR_STATUS:-0}\n",
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let mut directories = vec![path.parent().unwrap().to_owned()];
    directories.extend(std::env::split_paths(&sandbox.variable("PATH")));
    sandbox.set("PATH", std::env::join_paths(directories).unwrap());
}

#[test]
fn arguments_environment_process_and_status_are_untouched() {
    let mut sandbox = Sandbox::new();
    mirror(&mut sandbox, "npm");
    sandbox.set("MIRROR_STATUS", "42");
    let arguments: Vec<&OsStr> = ["npm", "run", "", "a b", "*", "--", "new\nline", "\u{1b}[31m"]
        .iter()
        .map(OsStr::new)
        .chain([OsStr::from_bytes(b"not \xff utf-8")])
        .collect();
    let mut child = sandbox.command(binary("scfw-hook"), &arguments).spawn().unwrap();
    let id = child.id();
    assert_eq!(child.wait().unwrap().code(), Some(42));
    let argv = fs::read(sandbox.project("argv")).unwrap();
    let passed: Vec<&[u8]> = argv.split(|byte| *byte == 0).skip(1).take(arguments.len() - 1).collect();
    let expected: Vec<&[u8]> = arguments[1..].iter().map(|argument| argument.as_bytes()).collect();
    assert_eq!(passed, expected);
    assert_eq!(fs::read_to_string(sandbox.project("pid")).unwrap().trim(), id.to_string());
    let through_hook = environment(&sandbox);
    let signals = fs::read_to_string(sandbox.project("signals")).unwrap();
    sandbox.bare("npm", &["run"]);
    assert_eq!(environment(&sandbox), through_hook);
    assert_eq!(
        fs::read_to_string(sandbox.project("signals")).unwrap(),
        signals,
        "no signal is ignored on its behalf"
    );
    assert!(!sandbox.path("scfw/gates").exists(), "nothing is written for what is no install");
}

fn environment(sandbox: &Sandbox) -> Vec<Vec<u8>> {
    let bytes = fs::read(sandbox.project("environ")).unwrap();
    let mut variables: Vec<Vec<u8>> = bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    variables.sort();
    variables
}

#[test]
fn standard_streams_are_the_programs_own() {
    let sandbox = Sandbox::new();
    let direct = sandbox.bare("pip", &["--version"]).ended_with(0);
    let routed = sandbox.hook(&["pip", "--version"]).ended_with(0);
    assert_eq!((routed.stdout, routed.stderr), (direct.stdout, direct.stderr));
    let echoed =
        sandbox.hook_with_input(&["python3", "-c", "print(input()[::-1])"], b"drawer\n").ended_with(0);
    assert_eq!(echoed.stdout, "reward\n");
    let versions = (sandbox.bare("npm", &["--version"]).stdout, sandbox.hook(&["npm", "--version"]).stdout);
    assert_eq!(versions.0, versions.1);
}

#[test]
fn a_failing_program_keeps_its_status() {
    let sandbox = Sandbox::new();
    sandbox.hook(&["python3", "-c", "import sys; sys.exit(13)"]).ended_with(13);
    sandbox
        .hook(&["python3", "-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"])
        .ended_with(128 + 15);
    let direct = sandbox.bare("npm", &["run", "no-such-script"]);
    let routed = sandbox.hook(&["npm", "run", "no-such-script"]);
    assert_eq!(routed.status, direct.status);
    assert_ne!(routed.status, 0);
}

#[test]
fn a_program_that_is_not_there_ends_like_in_a_shell() {
    let mut sandbox = Sandbox::new();
    sandbox.hook(&["pip3.99", "install", "top"]).ended_with(127).says("pip3.99: command not found");
    sandbox.hook(&["pip3.99", "--version"]).ended_with(127).says("pip3.99: command not found");
    let broken = sandbox.write("broken/npm", "#!/no/such/interpreter\n");
    fs::set_permissions(&broken, fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.set("PATH", broken.parent().unwrap());
    sandbox.hook(&["npm", "ls"]).ended_with(127).says("No such file or directory");
    // A script without an interpreter line is the shell's, as for every other caller.
    sandbox.write("broken/npm", "echo ran by $0 with $1\n");
    let shell = sandbox.hook(&["npm", "ls"]).ended_with(0);
    assert!(shell.stdout.contains("broken/npm with ls"), "{}", shell.stdout);
}

#[test]
fn called_through_a_link_the_hook_is_the_program_of_that_name() {
    let mut sandbox = Sandbox::new();
    mirror(&mut sandbox, "pip3.11");
    let shim = sandbox.project("shims/pip3.11");
    fs::create_dir(shim.parent().unwrap()).unwrap();
    symlink(binary("scfw-hook"), &shim).unwrap();
    // First on PATH, as a shim is: it must pass over itself.
    let mut path = shim.parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(sandbox.variable("PATH"));
    sandbox.set("PATH", path);
    sandbox.bare("pip3.11", &["list", "--outdated"]).ended_with(0);
    let argv = fs::read(sandbox.project("argv")).unwrap();
    assert!(argv.ends_with(b"list\0--outdated\0"), "{}", String::from_utf8_lossy(&argv));
    let command = called_as(sandbox.command(binary("scfw-hook"), &["freeze"]), "/somewhere/else/pip3.11");
    sandbox.finish(command).ended_with(0);
    assert!(fs::read(sandbox.project("argv")).unwrap().ends_with(b"freeze\0"));
}

#[test]
fn an_absolute_path_is_taken_as_it_is() {
    let sandbox = Sandbox::new();
    let python = std::env::split_paths(&sandbox.variable("PATH")).next().unwrap().join("python3");
    let finished =
        sandbox.hook(&[python.to_str().unwrap(), "-c", "import sys; print(sys.executable)"]).ended_with(0);
    assert_eq!(finished.stdout.trim(), python.to_str().unwrap());
}

#[test]
fn a_virtual_environment_stays_the_one_that_was_called() {
    let sandbox = Sandbox::new();
    let show = ["-c", "import sys; print(sys.prefix, sys.executable, sys.argv)"];
    let direct = sandbox.bare("python3", &show).ended_with(0);
    let routed = sandbox.hook(&["python3", show[0], show[1]]).ended_with(0);
    assert_eq!(routed.stdout, direct.stdout);
}

#[test]
fn without_arguments_or_with_help_the_hook_says_what_it_is_for() {
    let sandbox = Sandbox::new();
    sandbox.hook(&[]).ended_with(2).says("usage: scfw-hook");
    sandbox.hook(&["--help"]).ended_with(0).says("scfw --help");
    sandbox.hook(&["--version"]).ended_with(0).says("scfw-hook 0.");
    // Anything else that it is asked to run, it runs.
    assert_eq!(sandbox.hook(&["echo", "install", "x"]).ended_with(0).stdout, "install x\n");
}

#[test]
fn scfw_run_knows_its_programs_and_hands_over_what_installs_nothing() {
    let sandbox = Sandbox::new();
    sandbox.scfw(&["run", "cargo", "install", "x"]).ended_with(2).says("is not a program that scfw knows");
    let version = sandbox.scfw(&["run", "npm", "--version"]).ended_with(0);
    assert_eq!(version.stdout, sandbox.bare("npm", &["--version"]).stdout);
    sandbox.scfw(&["run"]).ended_with(2);
    sandbox
        .scfw(&[
            "run",
            "python3",
            "-c",
            "import signal; assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL",
        ])
        .ended_with(0);
    let help = sandbox.scfw(&["run", "--help"]).ended_with(0);
    assert!(
        help.stdout.contains("Examples:") && help.stdout.contains("--allow-on-warning"),
        "{}",
        help.stdout
    );
}

/// A shell tells a program its own file in `_`, and scfw-hook is not the program that was meant.
#[test]
fn the_variable_that_names_the_program_names_it() {
    let mut sandbox = Sandbox::new();
    let show = "python3 -c 'import os; print(os.environ.get(\"_\"))'";
    // An install that is verified: the project's own script shows the environment of npm.
    sandbox.write(
        "package.json",
        r#"{"name": "own", "version": "1.0.0", "scripts": {"install": "node -p process.env._ > shown"}}"#,
    );
    let install = "npm install --no-audit >/dev/null; cat shown";
    let scripts = [format!("{show}; true"), format!("{show} & wait"), format!("{install}; true")];
    let run = |sandbox: &Sandbox, load: &str| {
        let cases = plain();
        let shown = cases.iter().flat_map(|case| {
            let load = if case.shell == "fish" {
                load.replace(". ", "source ").replace('"', "")
            } else {
                load.to_owned()
            };
            scripts.iter().map(move |script| {
                (case.shell, case.run(sandbox, &format!("{load}\n{script}")).ended_with(0).stdout)
            })
        });
        shown.collect::<Vec<_>>()
    };
    let bare = run(&sandbox, "");
    assert!(bare[0].1.ends_with("/bin/python3\n"), "{bare:?}");
    assert_eq!(run(&sandbox, ". \"$INIT\""), bare);
    with_shims(&mut sandbox);
    assert_eq!(run(&sandbox, ""), bare);
    // Where no shell has set it to scfw-hook, it stays.
    sandbox.set("_", "/of/another");
    let show = ["python3", "-c", "import os; print(os.environ['_'])"];
    assert_eq!(sandbox.hook(&show).ended_with(0).stdout, "/of/another\n");
}
