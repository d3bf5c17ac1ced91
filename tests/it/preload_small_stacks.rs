//! The preload library in children that share their parent's memory and run on a small stack with a large environment.

use scfw_core::package::Ecosystem;

use crate::support::Sandbox;
use crate::support::preload::COMPILERS;

/// KiB of stack, and variables.
const CASES: [(&str, &str); 4] = [("16", "10"), ("16", "1000"), ("16", "10000"), ("64", "10000")];

#[track_caller]
fn calls_are_followed(compiler: &str) {
    let mut sandbox = Sandbox::preloaded();
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    let npm = sandbox.compile("cc", "mirror.c", &[], "bin/npm").display().to_string();
    sandbox.search_first("bin");
    sandbox.set("MIRROR_STATUS", "42");
    for entry in ["execve", "execvpe", "fexecve", "execveat"] {
        let option = format!("-DENTRY_{entry}");
        let program = sandbox.compile(compiler, "small_stack.c", &[&option], format!("callers/{entry}"));
        for (stack, variables) in CASES {
            let file = if entry == "execvpe" { "npm" } else { &npm };
            for (package, status) in [("evil", 77), ("good", 42)] {
                let arguments = [stack, variables, "5", file, "npm", "install", package];
                let finished = sandbox.finish(sandbox.command(&program, &arguments)).ended_with(0);
                if finished.stdout.starts_with("status 38,") {
                    // This libc has no such function.
                    continue;
                }
                let expected = format!("status {status}, grown by 0\n");
                let case = format!("{compiler} {entry}: {stack} KiB, {variables} variables, {package}");
                assert_eq!(finished.stdout, expected, "{case}: {}", finished.stderr);
            }
            let runs = sandbox.mirrored();
            assert!(runs.runs == 0 || runs.environment.contains_key("SCFW_GATE_EXECUTABLE"), "{entry}");
        }
    }
}

#[test]
fn calls_are_followed_in_gnu_programs() {
    calls_are_followed(COMPILERS[0]);
}

#[test]
fn calls_are_followed_in_musl_programs() {
    calls_are_followed(COMPILERS[1]);
}
