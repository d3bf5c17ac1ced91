//! The preload library where something is wrong: what names the hook, the environment, the streams, the process table;
//! other libraries, signals, and callers that count their memory.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use scfw_core::package::Ecosystem;
use scfw_world::NpmPackage;

use crate::support::preload::{COMPILERS, library};
use crate::support::{Finished, Sandbox, binary};

/// The stand-in as the only npm, and a package that is known to be malicious.
fn mirrored(name: &str) -> Sandbox {
    let mut sandbox = Sandbox::preloaded();
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    sandbox.compile("cc", "mirror.c", &[], format!("bin/{name}"));
    sandbox.search_first("bin");
    sandbox.set("MIRROR_STATUS", "42");
    sandbox
}

fn caller(sandbox: &Sandbox, compiler: &str, entry: &str) -> PathBuf {
    sandbox.compile(compiler, "entry.c", &[&format!("-DENTRY_{entry}")], format!("callers/{entry}"))
}

fn run(sandbox: &Sandbox, program: impl AsRef<Path>, arguments: &[&str]) -> Finished {
    sandbox.finish(sandbox.command(program.as_ref(), arguments))
}

#[track_caller]
fn refuses(sandbox: &Sandbox, programs: &[PathBuf], what: &str) {
    for program in programs {
        let finished = run(sandbox, program, &["npm", "npm", "install", "good"]);
        assert_eq!((finished.status, &*finished.stdout), (100, "errno 1\n"), "{what}: {}", finished.stderr);
        assert!(finished.stderr.starts_with("scfw: "), "{what}: {}", finished.stderr);
        assert!(finished.stderr.contains("install scfw again"), "{what}: {}", finished.stderr);
        assert_eq!(finished.stderr.lines().count(), 1, "{what}: {}", finished.stderr);
        assert_eq!(sandbox.mirrored().runs, 0, "{what}");
        // What installs nothing in any case needs no hook.
        for harmless in [&["npm", "npm", "--version"][..], &["npm", "npm"], &["npm", "npm", "-h"]] {
            run(sandbox, program, harmless).ended_with(42);
            assert_eq!(sandbox.mirrored().runs, 1, "{what}");
        }
        let others = run(sandbox, program, &["true", "true", "install"]);
        assert_eq!((others.status, &*others.stderr), (0, ""), "{what}");
    }
}

#[test]
fn without_its_hook_the_library_refuses() {
    let mut sandbox = mirrored("npm");
    let text = sandbox.write("text", "echo no interpreter line\n");
    fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).unwrap();
    let readable = sandbox.write("readable", "#!/bin/sh\n");
    for compiler in COMPILERS {
        let programs = ["execvp", "execlp", "posix_spawnp"].map(|entry| caller(&sandbox, compiler, entry));
        let garbage: [OsString; 8] = [
            "".into(),
            "scfw-hook".into(),
            "/no/such/scfw-hook".into(),
            format!("/{}", "x".repeat(9000)).into(),
            OsStr::from_bytes(b"/not/\xff/utf-8\x1b[2J").to_owned(),
            readable.clone().into(),
            text.clone().into(),
            "/etc/passwd/scfw-hook".into(),
        ];
        for value in garbage {
            sandbox.set("SCFW_SHIM_HOOK", &value);
            refuses(&sandbox, &programs, &value.to_string_lossy());
        }
        sandbox.unset("SCFW_SHIM_HOOK");
        refuses(&sandbox, &programs, "unset");
    }
}

#[test]
fn a_refusal_moves_no_cursor() {
    let mut sandbox = mirrored("npm");
    sandbox.set("SCFW_SHIM_HOOK", "/\u{1b}[2Jhook\n");
    let finished = run(&sandbox, "/usr/bin/env", &["npm", "install"]).ended_with(126);
    assert!(
        !finished.stderr.contains('\u{1b}') && finished.stderr.contains("/?[2Jhook?"),
        "{}",
        finished.stderr
    );
}

#[test]
fn variables_between_library_and_hook_are_not_trusted() {
    let mut sandbox = mirrored("npm");
    for call in
        ["", "garbage", ":", "0", "-1:/bin/true", "1:", "99:/bin/true", "99999999999999999999:/bin/true"]
    {
        sandbox.set("SCFW_SHIM_CALL", call);
        sandbox.hook(&["npm", "install", "evil"]).ended_with(77);
        // The library replaces it.
        run(&sandbox, "/usr/bin/env", &["npm", "install", "evil"]).ended_with(77);
        run(&sandbox, "/usr/bin/env", &["npm", "install", "good"]).ended_with(42);
        assert!(!sandbox.mirrored().environment.contains_key("SCFW_SHIM_CALL"), "{call}");
    }
    sandbox.unset("SCFW_SHIM_CALL");
    for pass in ["", "garbage", "0", "1", "-1", "99999999999999999999"] {
        sandbox.set("SCFW_SHIM_PASS", pass);
        run(&sandbox, "/usr/bin/env", &["npm", "install", "evil"]).ended_with(77);
    }
    assert_eq!(sandbox.mirrored().runs, 0);
}

#[test]
fn bytes_that_are_no_text_are_passed_on() {
    let mut sandbox = mirrored("npm");
    sandbox.set("BYTES", OsStr::from_bytes(b"\xff\xfe=\x80"));
    let argument = OsStr::from_bytes(b"\xc3\x28.tgz");
    let arguments = [OsStr::new("npm"), OsStr::new("install"), argument];
    sandbox.finish(sandbox.command("env", &arguments)).ended_with(42);
    let holds = |file: &str, bytes: &[u8]| {
        let content = fs::read(sandbox.project(file)).unwrap();
        content.split(|byte| *byte == 0).any(|string| string == bytes)
    };
    assert!(holds("argv", argument.as_bytes()) && holds("environ", b"BYTES=\xff\xfe=\x80"));
}

#[test]
fn env_i_on_the_way_to_a_manager_is_seen() {
    let sandbox = mirrored("npm");
    let kept: Vec<String> = ["PATH", "HOME", "SCFW_HOME", "SCFW_OSV_API_URL", "SCFW_DD_DATASET_URL"]
        .iter()
        .map(|name| format!("{name}={}", sandbox.variable(name).display()))
        .collect();
    let with = |rest: &[&str]| {
        let words: Vec<&str> =
            ["-i"].into_iter().chain(kept.iter().map(String::as_str)).chain(rest.iter().copied()).collect();
        sandbox.bare("env", &words)
    };
    with(&["npm", "install", "evil"]).ended_with(77).says("evil");
    assert_eq!(sandbox.mirrored().runs, 0);
    with(&["npm", "install", "good"]).ended_with(0);
    assert_eq!(sandbox.mirrored().environment["LD_PRELOAD"], library().display().to_string());
    // For what is none of ours, cleared is cleared.
    let finished = with(&["env"]).ended_with(0);
    assert!(
        !finished.stdout.contains("LD_PRELOAD") && !finished.stdout.contains("SHIM"),
        "{}",
        finished.stdout
    );
}

#[test]
fn other_libraries_are_kept_and_work() {
    let mut sandbox = mirrored("npm");
    let ours = library().display().to_string();
    let other =
        sandbox.compile("cc", "preload.c", &["-shared", "-fPIC", "-ldl"], "other.so").display().to_string();
    let program = caller(&sandbox, "cc", "execve");
    let file = sandbox.project("bin/npm").display().to_string();
    let notes = sandbox.project("notes");
    sandbox.set("OTHER_NOTES", &notes);
    for list in [format!("{other}:{ours}"), format!("{ours} {other}"), format!("{other} {ours}")] {
        sandbox.set("LD_PRELOAD", &list);
        run(&sandbox, &program, &[&file, "npm", "install", "evil"]).ended_with(77);
        run(&sandbox, &program, &[&file, "npm", "install", "good"]).ended_with(42);
        assert_eq!(sandbox.mirrored().environment["LD_PRELOAD"], list);
        assert!(fs::read_to_string(&notes).unwrap().len() >= 2, "the other library was called: {list}");
        fs::remove_file(&notes).unwrap();
    }
}

#[test]
fn a_list_without_ours_gets_ours_in_front() {
    let sandbox = mirrored("npm");
    let ours = library().display().to_string();
    let other =
        sandbox.compile("cc", "preload.c", &["-shared", "-fPIC", "-ldl"], "other.so").display().to_string();
    sandbox.bare("env", &[&format!("LD_PRELOAD={other}"), "npm", "install", "evil"]).ended_with(77);
    sandbox.bare("env", &[&format!("LD_PRELOAD={other}"), "npm", "install", "good"]).ended_with(42);
    assert_eq!(sandbox.mirrored().environment["LD_PRELOAD"], format!("{ours}:{other}"));
    sandbox.bare("env", &["LD_PRELOAD=", "npm", "install", "good"]).ended_with(42);
    assert_eq!(sandbox.mirrored().environment["LD_PRELOAD"], ours);
}

#[test]
fn closed_streams_change_no_verdict() {
    let mut sandbox = Sandbox::preloaded();
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").canary(sandbox.canary("npm")));
    sandbox.world.malicious(Ecosystem::Npm, "evil", Some("1.0.0"));
    sandbox.world.malicious(Ecosystem::Npm, "known", None);
    for closed in ["<&-", "<&- >&-", "<&- >&- 2>&-", "2>&-"] {
        for package in ["evil", "known"] {
            sandbox.bare("bash", &["-c", &format!("npm install {package} {closed}; exit $?")]).ended_with(77);
        }
        sandbox.bare("bash", &["-c", &format!("npm install good {closed}; exit $?")]).ended_with(0);
        fs::remove_dir_all(sandbox.project("node_modules")).unwrap();
    }
    assert!(!sandbox.has_sung());
    // Each decision is a record, and nothing that was said to a closed stream stands between them.
    assert_eq!(sandbox.log().len(), 12);
    sandbox.set("SCFW_SHIM_HOOK", "/no/such/hook");
    sandbox.bare("bash", &["-c", "npm install known 2>&-; exit $?"]).ended_with(126);
}

#[test]
fn a_full_process_table_is_no_way_through() {
    let mut sandbox = mirrored("npm");
    // The build may be below a folder that other users cannot enter.
    for (variable, file) in [("SCFW_SHIM_HOOK", binary("scfw-hook")), ("LD_PRELOAD", library())] {
        let copy = sandbox.path(file.file_name().unwrap());
        fs::copy(&file, &copy).unwrap();
        sandbox.set(variable, copy);
    }
    for path in ["", "bin", "bin/npm"] {
        fs::set_permissions(sandbox.project(path), fs::Permissions::from_mode(0o777)).unwrap();
    }
    // scfw's directory of that user stands in it, so it is sticky, as /tmp is.
    fs::set_permissions(sandbox.path(""), fs::Permissions::from_mode(0o1777)).unwrap();
    // The limit binds no superuser, so another user's process it is.
    let code = "import errno, os, resource, sys\n\
        if os.getuid() == 0:\n    os.setgroups([]); os.setgid(54321); os.setuid(54321)\n\
        os.environ['SCFW_HOME'] = os.environ['SCFW_HOME'] + '-of-another'\n\
        assert os.access(os.environ['SCFW_SHIM_HOOK'], os.X_OK) and os.access(os.environ['LD_PRELOAD'], os.R_OK)\n\
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))\n\
        try:\n    os.posix_spawnp('npm', ['npm', 'install', 'evil'], os.environ); sys.exit(4)\n\
        except OSError as error:\n    assert error.errno == errno.EAGAIN, error\n\
        os.execvp('npm', ['npm', 'install', sys.argv[1]])\n";
    // The system's interpreter: the test's own may be below a home that others cannot enter.
    let python = "/usr/bin/python3";
    assert!(Path::new(python).is_file(), "{python} is missing: test.sh installs it");
    let stopped = run(&sandbox, python, &["-c", code, "evil"]);
    assert!([69, 77].contains(&stopped.status), "{}: {}", stopped.status, stopped.stderr);
    assert!(!stopped.stderr.contains("panicked"), "{}", stopped.stderr);
    assert_eq!(sandbox.mirrored().runs, 0);
}

#[test]
fn signals_at_the_wrong_moment_change_nothing() {
    let sandbox = mirrored("npm");
    for compiler in COMPILERS {
        let program = sandbox.compile(compiler, "signals.c", &[], "signals");
        let file = sandbox.project("bin/npm").display().to_string();
        let finished = run(&sandbox, &program, &["40", &file, "ls"]).ended_with(42);
        assert_eq!(finished.stdout, "80 of 80, interrupted\n", "{}", finished.stderr);
        assert_eq!(sandbox.mirrored().runs, 81);
    }
}

#[test]
fn two_thousand_vforks_allocate_and_leak_nothing() {
    let sandbox = mirrored("npm");
    // Ends with 0, at once.
    fs::copy("/bin/true", sandbox.project("bin/npm")).unwrap();
    let ours = sandbox.project("bin/npm").display().to_string();
    for compiler in COMPILERS {
        let program = sandbox.compile(compiler, "allocations.c", &["-fno-builtin"], "allocations");
        // Each call of ours runs the hook: enough of them in a program of one libc.
        let rounds = if compiler == "cc" { "2000" } else { "200" };
        for (file, rounds) in [(&*ours, rounds), ("/bin/true", "2000")] {
            let finished = run(&sandbox, &program, &[rounds, file, "ls"]).ended_with(0);
            assert_eq!(finished.stdout, "0 allocations, 0 pages more, 0 failures\n", "{compiler}: {file}");
        }
    }
}

#[test]
fn any_number_of_arguments_and_variables_is_passed_on() {
    let mut sandbox = mirrored("npm");
    let code = "import os, sys\n\
        words = ['x%d' % number for number in range(60000)]\n\
        variables = {'V%d' % number: '' for number in range(20000)}\n\
        os.execve(sys.argv[1], ['npm', 'install', '--no-save', *words], dict(os.environ, **variables))\n";
    let file = sandbox.project("bin/npm").display().to_string();
    // Classified in full, and handed over unread.
    sandbox.set("SCFW_BYPASS", "1");
    sandbox.bare("python3", &["-c", code, &file]).ended_with(42);
    let mirrored = sandbox.mirrored();
    assert_eq!(mirrored.argv.len(), 60003);
    assert_eq!(mirrored.argv[60002], "x59999");
    assert_eq!(mirrored.environment.keys().filter(|name| name.starts_with('V')).count(), 20000);
}
