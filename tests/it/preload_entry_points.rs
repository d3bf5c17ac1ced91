//! The preload library, function by function: one small C program for each way in which libc starts a program, built
//! for the GNU C library and for musl.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use scfw_core::package::Ecosystem;
use scfw_world::NpmPackage;

use crate::support::preload::{COMPILERS, library};
use crate::support::{Finished, Sandbox};

/// Every function that stands before libc's.
const ENTRIES: [&str; 13] = [
    "execve", "execv", "execvp", "execvpe", "execl", "execlp", "execle", "fexecve", "execveat",
    "posix_spawn", "posix_spawnp", "pidfd_spawn", "pidfd_spawnp",
];

/// Those that look a name up on `PATH`.
const SEARCHING: [&str; 5] = ["execvp", "execvpe", "execlp", "posix_spawnp", "pidfd_spawnp"];

/// Those that are given an environment.
const WITH_ENVIRONMENT: [&str; 9] = [
    "execve", "execvpe", "execle", "fexecve", "execveat", "posix_spawn", "posix_spawnp", "pidfd_spawn",
    "pidfd_spawnp",
];

/// A caller for each of `entries`, as far as the compiler's libc has the function: name and program.
fn callers(sandbox: &Sandbox, compiler: &str, entries: &[&'static str]) -> Vec<(&'static str, PathBuf)> {
    let compile = |entry: &&'static str| {
        let program =
            sandbox.compile(compiler, "entry.c", &[&format!("-DENTRY_{entry}")], format!("callers/{entry}"));
        (*entry, program)
    };
    let has_function = |(entry, program): &(&'static str, PathBuf)| {
        let mut command = sandbox.command(program, &["/bin/true", "true"]);
        let finished = sandbox.finish({
            command.env_remove("LD_PRELOAD");
            command
        });
        let is_missing = finished.stdout == "errno 38\n";
        assert!(!is_missing || entry.starts_with("pidfd") || *entry == "execveat", "{compiler}: {entry}");
        !is_missing
    };
    entries.iter().map(compile).filter(has_function).collect()
}

/// The stand-in under the name of a program, first on `PATH`; it ends with 42.
fn mirror(sandbox: &mut Sandbox, name: &str) -> String {
    let program = sandbox.compile("cc", "mirror.c", &[], format!("bin/{name}"));
    sandbox.search_first("bin");
    sandbox.set("MIRROR_STATUS", "42");
    program.display().to_string()
}

fn run(sandbox: &Sandbox, program: &PathBuf, arguments: &[&str]) -> Finished {
    sandbox.finish(sandbox.command(program, arguments))
}

/// The same without the library.
fn run_bare(sandbox: &Sandbox, program: &PathBuf, arguments: &[&str]) -> Finished {
    let mut command = sandbox.command(program, arguments);
    command.env_remove("LD_PRELOAD");
    sandbox.finish(command)
}

fn with_evil() -> Sandbox {
    let sandbox = Sandbox::preloaded();
    sandbox.world.add_npm(NpmPackage::new("evil", "1.0.0").canary(sandbox.canary("npm")));
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    sandbox
}

#[track_caller]
fn every_entry_point_blocks(compiler: &str) {
    let mut sandbox = with_evil();
    let npm = mirror(&mut sandbox, "npm");
    for (entry, caller) in callers(&sandbox, compiler, &ENTRIES) {
        let file = if SEARCHING.contains(&entry) { "npm" } else { &npm };
        let finished = run(&sandbox, &caller, &[file, "npm", "install", "evil"]);
        assert_eq!(finished.status, 77, "{entry}: {}{}", finished.stdout, finished.stderr);
        assert!(finished.stderr.contains("Installation target evil"), "{entry}: {}", finished.stderr);
        assert!(finished.stderr.contains("No changes have been made"), "{entry}: {}", finished.stderr);
        assert_eq!(finished.stdout, "", "{entry}");
        assert_eq!(sandbox.mirrored().runs, 0, "{entry}: npm was not started");
    }
}

#[test]
fn every_entry_point_blocks_in_a_gnu_program() {
    every_entry_point_blocks(COMPILERS[0]);
}

#[test]
fn every_entry_point_blocks_in_a_musl_program() {
    every_entry_point_blocks(COMPILERS[1]);
}

#[track_caller]
fn what_may_go_on_runs_once_and_gated(compiler: &str) {
    let mut sandbox = Sandbox::preloaded();
    let npm = mirror(&mut sandbox, "npm");
    for (entry, caller) in callers(&sandbox, compiler, &ENTRIES) {
        let file = if SEARCHING.contains(&entry) { "npm" } else { &npm };
        let arguments = [file, "its own name", "install", "", "a b", "--", "new\nline"];
        let arguments = if entry.starts_with("execl") { &arguments[..5] } else { &arguments[..] };
        let finished = run(&sandbox, &caller, arguments);
        assert_eq!(finished.status, 42, "{entry}: {}{}", finished.stdout, finished.stderr);
        let mirrored = sandbox.mirrored();
        assert_eq!(mirrored.runs, 1, "{entry}");
        assert_eq!(mirrored.argv, arguments[1..], "{entry}");
        assert_eq!(mirrored.environment["SCFW_GATE_EXECUTABLE"], npm, "{entry}");
        assert!(!mirrored.environment.contains_key("SCFW_SHIM_CALL"), "{entry}");
        assert_eq!(mirrored.environment["LD_PRELOAD"], library().display().to_string(), "{entry}");
    }
}

#[test]
fn what_may_go_on_runs_once_and_gated_from_a_gnu_program() {
    what_may_go_on_runs_once_and_gated(COMPILERS[0]);
}

#[test]
fn what_may_go_on_runs_once_and_gated_from_a_musl_program() {
    what_may_go_on_runs_once_and_gated(COMPILERS[1]);
}

#[track_caller]
fn an_environment_of_the_callers_own_is_completed_for_ours_alone(compiler: &str) {
    let mut sandbox = Sandbox::preloaded();
    let npm = mirror(&mut sandbox, "npm");
    let other = mirror(&mut sandbox, "other");
    sandbox.set("ENTRY_OWN", "1");
    for (entry, caller) in callers(&sandbox, compiler, &WITH_ENVIRONMENT) {
        run(&sandbox, &caller, &[&npm, "npm", "install", "good"]).ended_with(42);
        let environment = sandbox.mirrored().environment;
        assert_eq!(environment["OWN"], "1", "{entry}");
        assert_eq!(environment["LD_PRELOAD"], library().display().to_string(), "{entry}");
        assert_eq!(environment["SCFW_SHIM_HOOK"], sandbox.variable("SCFW_SHIM_HOOK").to_str().unwrap());
        run(&sandbox, &caller, &[&other, "other", "install", "good"]).ended_with(42);
        let environment = sandbox.mirrored().environment;
        let names: BTreeSet<&str> = environment.keys().map(String::as_str).collect();
        assert!(names.contains("OWN"), "{entry}");
        assert!(!names.contains("LD_PRELOAD") && !names.contains("SCFW_SHIM_HOOK"), "{entry}: {names:?}");
    }
}

#[test]
fn an_environment_of_the_callers_own_is_completed_for_ours_alone_in_a_gnu_program() {
    an_environment_of_the_callers_own_is_completed_for_ours_alone(COMPILERS[0]);
}

#[test]
fn an_environment_of_the_callers_own_is_completed_for_ours_alone_in_a_musl_program() {
    an_environment_of_the_callers_own_is_completed_for_ours_alone(COMPILERS[1]);
}

#[test]
fn what_is_none_of_ours_is_untouched() {
    let mut sandbox = Sandbox::preloaded();
    let other = mirror(&mut sandbox, "other");
    // With names and arguments that come near.
    for name in ["npmx", "pip-compile", "pipx", "node", "python3", "pypi", "ld"] {
        fs::copy(&other, sandbox.project("bin").join(name)).unwrap();
    }
    for (entry, caller) in callers(&sandbox, COMPILERS[0], &ENTRIES) {
        for words in [
            &["other", "install"][..],
            &["npmx", "install"],
            &["pipx", "install", "evil"],
            &["pip-compile", "install"],
            &["python3", "setup.py", "-m", "pip"],
            &["python3", "-c", "-m", "pip", "install"],
            &["node", "server.js", "npm-cli.js", "install"],
            &["ld", "python3", "-m", "pip"],
        ] {
            let file = sandbox.project("bin").join(words[0]).display().to_string();
            let file = if SEARCHING.contains(&entry) { words[0] } else { &file };
            let mut arguments = vec![file];
            arguments.extend(words);
            run(&sandbox, &caller, &arguments).ended_with(42);
            let with = sandbox.mirrored();
            assert!(!with.environment.contains_key("SCFW_SHIM_PASS"), "{entry}: {words:?}");
            run_bare(&sandbox, &caller, &arguments).ended_with(42);
            let mut without = sandbox.mirrored();
            without.environment.insert("LD_PRELOAD".into(), library().display().to_string());
            assert_eq!(with, without, "{entry}: {words:?}");
        }
    }
}

/// Files named like ours that the kernel does not run, one folder each.
fn broken(sandbox: &Sandbox) -> Vec<String> {
    let file = |relative: &str, content: &str, mode: u32| {
        let path = sandbox.write(relative, content);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    fs::create_dir_all(sandbox.project("folder/npm")).unwrap();
    fs::create_dir_all(sandbox.project("loop")).unwrap();
    symlink("npm", sandbox.project("loop/npm")).unwrap();
    let path = |relative: &str| sandbox.project(relative).display().to_string();
    vec![
        path("missing/npm"),
        file("mode/npm", "#!/bin/sh\nexit 1\n", 0o644),
        path("folder/npm"),
        path("mode/npm/npm"),
        path("loop/npm"),
        file("interpreter/npm", "#!/no/such/interpreter\n", 0o755),
        file("empty/npm", "", 0o755),
        file("text/npm", "echo run by $0 with $1\nexit 5\n", 0o755),
        format!("/{}/npm", "x".repeat(300)),
        format!("{}/npm", "/x".repeat(3000)),
        "npm/".to_owned(),
        String::new(),
    ]
}

#[track_caller]
fn failures_are_libcs_own(compiler: &str) {
    let mut sandbox = Sandbox::preloaded();
    let broken = broken(&sandbox);
    // Nothing that would be found instead.
    sandbox.set("PATH", "/nowhere:relative");
    for (entry, caller) in callers(&sandbox, compiler, &ENTRIES) {
        for file in &broken {
            let arguments = [file.as_str(), "npm", "install", "evil"];
            let (with, without) =
                (run(&sandbox, &caller, &arguments), run_bare(&sandbox, &caller, &arguments));
            let outcome = |finished: &Finished| (finished.status, finished.stdout.clone());
            assert_eq!(outcome(&with), outcome(&without), "{entry}: {file}: {}", with.stderr);
            assert_eq!(with.stderr, without.stderr, "{entry}: {file}");
        }
    }
}

#[test]
fn failures_are_the_gnu_librarys_own() {
    failures_are_libcs_own(COMPILERS[0]);
}

#[test]
fn failures_are_musls_own() {
    failures_are_libcs_own(COMPILERS[1]);
}

/// What stands on `PATH` before the program decides what libc says, and what it runs.
#[track_caller]
fn the_search_is_libcs(compiler: &str) {
    let mut sandbox = Sandbox::preloaded();
    broken(&sandbox);
    mirror(&mut sandbox, "npm");
    let project = sandbox.path("project");
    let folder = |relative: &str| project.join(relative).display().to_string();
    let bin = folder("bin");
    fs::copy(sandbox.project("bin/npm"), sandbox.project("npm")).unwrap();
    for (entry, caller) in callers(&sandbox, compiler, &SEARCHING) {
        for (before, runs) in [
            (vec!["/nowhere".to_owned()], true),
            (vec![folder("mode"), folder("folder"), folder("missing")], true),
            (vec![folder("interpreter")], true),
            (vec![folder("loop")], false),
            (vec![folder("mode/npm")], true),
            (vec!["/x".repeat(3000)], true),
            // A script without an interpreter goes to the shell, by libc itself.
            (vec![folder("text")], false),
            // The working directory, as an empty entry and by its name.
            (vec![String::new()], true),
            (vec![".".to_owned()], true),
        ] {
            let path = [before.clone(), vec![bin.clone()]].concat().join(":");
            sandbox.set("PATH", &path);
            let arguments = ["npm", "npm", "install", "good"];
            let without = run_bare(&sandbox, &caller, &arguments);
            let bare = sandbox.mirrored();
            let with = run(&sandbox, &caller, &arguments);
            let mirrored = sandbox.mirrored();
            assert_eq!((with.status, &with.stdout), (without.status, &without.stdout), "{entry}: {before:?}");
            assert_eq!((mirrored.runs, &mirrored.argv), (bare.runs, &bare.argv), "{entry}: {before:?}");
            let is_gated = mirrored.environment.contains_key("SCFW_GATE_EXECUTABLE");
            assert_eq!(is_gated, runs, "{entry}: {before:?}: {}", with.stderr);
        }
    }
}

#[test]
fn the_search_is_the_gnu_librarys() {
    the_search_is_libcs(COMPILERS[0]);
}

#[test]
fn the_search_is_musls() {
    the_search_is_libcs(COMPILERS[1]);
}

#[test]
fn without_a_path_the_system_decides_where_to_search() {
    let mut sandbox = Sandbox::preloaded();
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    sandbox.unset("PATH");
    for compiler in COMPILERS {
        for (entry, caller) in callers(&sandbox, compiler, &SEARCHING) {
            // Whether there is an npm depends on the machine, and what is said about it with it.
            let arguments = ["npm", "npm", "install", "evil"];
            let bare = run_bare(&sandbox, &caller, &["npm", "npm", "--version"]);
            let with = run(&sandbox, &caller, &arguments);
            let expected = if bare.status == 100 { (100, bare.stdout.clone()) } else { (77, String::new()) };
            assert_eq!((with.status, with.stdout), expected, "{compiler} {entry}: {}", with.stderr);
        }
    }
}

#[test]
fn a_relative_path_means_what_it_means_to_the_child() {
    let mut sandbox = with_evil();
    mirror(&mut sandbox, "npm");
    fs::create_dir_all(sandbox.project("with a space/deep")).unwrap();
    fs::copy(sandbox.project("bin/npm"), sandbox.project("with a space/deep/npm")).unwrap();
    for compiler in COMPILERS {
        for (entry, caller) in callers(&sandbox, compiler, &ENTRIES) {
            for file in ["./bin/npm", "bin/../bin/npm", "with a space/deep/npm"] {
                run(&sandbox, &caller, &[file, "npm", "install", "evil"]).ended_with(77);
                run(&sandbox, &caller, &[file, "npm", "install", "good"]).ended_with(42);
                assert_eq!(sandbox.mirrored().runs, 1, "{compiler} {entry}: {file}");
            }
        }
        sandbox.set("ENTRY_CHDIR", sandbox.project("with a space"));
        for (entry, caller) in callers(&sandbox, compiler, &["posix_spawn", "pidfd_spawn"]) {
            run(&sandbox, &caller, &["./deep/npm", "npm", "install", "evil"]).ended_with(77);
            run(&sandbox, &caller, &["./deep/npm", "npm", "install", "good"]).ended_with(42);
            let runs = fs::read_to_string(sandbox.project("with a space/runs")).unwrap();
            assert_eq!(runs, ".", "{compiler} {entry}");
            fs::remove_file(sandbox.project("with a space/runs")).unwrap();
        }
        sandbox.unset("ENTRY_CHDIR");
    }
}

#[test]
fn the_library_exports_its_entry_points_and_needs_no_library() {
    let output = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).arg(library()).output().unwrap();
        assert!(output.status.success(), "{program}");
        String::from_utf8(output.stdout).unwrap()
    };
    let symbols = |option: &str| -> BTreeSet<String> {
        let text = output("nm", &["-D", option]);
        text.lines().map(|line| line.split_whitespace().last().unwrap().to_owned()).collect()
    };
    assert_eq!(symbols("--defined-only"), ENTRIES.map(str::to_owned).into());
    // What every libc has, and nothing that allocates or takes a lock but for looking up at the start. That
    // `abort` is not among it shows that nothing can panic.
    let used = [
        "__errno_location", "bcmp", "close", "dlsym", "environ", "faccessat", "getpid",
        "gnu_get_libc_version", "memcpy", "memset", "open", "read", "readlink", "strlen", "syscall", "write",
    ];
    let undefined = symbols("--undefined-only");
    let unexpected: Vec<_> = undefined.iter().filter(|symbol| !used.contains(&symbol.as_str())).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
    let dynamic = output("readelf", &["-d"]);
    assert!(!dynamic.contains("NEEDED") && !dynamic.contains("TEXTREL"), "{dynamic}");
    assert!(dynamic.contains("BIND_NOW"), "no symbol is looked up in a forked child: {dynamic}");
}
