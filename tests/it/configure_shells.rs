//! The block of `scfw configure`, read by the real shells.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::support::{Finished, Sandbox, binary};

/// The start-up files that get a block, and the shell that reads each.
const FILES: [(&str, &str); 3] =
    [("bash", ".bashrc"), ("zsh", ".zshrc"), ("fish", ".config/fish/conf.d/scfw.fish")];

/// A home with every block; they call a stand-in for `scfw` that leaves a trace in the shell.
fn configured() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.scfw(&["configure", "--yes", "--shims"]).ended_with(0);
    let stand_in = sandbox.path("it's scfw");
    fs::write(&stand_in, "#!/bin/sh\n[ \"$1\" = init ] && echo \"export TRACE=$2\"\n").unwrap();
    fs::set_permissions(&stand_in, Permissions::from_mode(0o755)).unwrap();
    for (shell, name) in FILES.into_iter().chain([("bash", ".profile")]) {
        let path = sandbox.path("home").join(name);
        let text = fs::read_to_string(&path).unwrap();
        let quoted = format!("'{}'", binary("scfw").display());
        assert!(text.contains(&quoted), "{text}");
        let escaped = if shell == "fish" { r"\'" } else { r"'\''" };
        let stand_in = format!("'{}'", stand_in.display().to_string().replace('\'', escaped));
        fs::write(path, text.replace(&quoted, &stand_in)).unwrap();
    }
    sandbox
}

fn run(sandbox: &Sandbox, shell: &str, arguments: &[&str], script: &str) -> Finished {
    sandbox.bare(shell, &[arguments, &["-c", script]].concat())
}

/// Prints what the shell knows of the integration.
const SHOW: &str = "echo $TRACE; printenv PATH";

#[test]
fn the_shells_read_it_in_silence_and_have_the_shims_first_and_once() {
    let sandbox = configured();
    let shims = sandbox.path("scfw/shims").display().to_string();
    let expected = |shell: &str| format!("{shell}\n{shims}:{}\n", sandbox.variable("PATH").display());
    let read = |name: &str| format!(". {}", sandbox.path("home").join(name).display());
    for (shell, arguments, script) in [
        ("bash", &["-e", "-u", "-o", "pipefail"][..], read(".bashrc")),
        ("bash", &["-eu"], read(".profile")),
        ("zsh", &["-f", "-e", "-u"], read(".zshrc")),
        ("zsh", &["-f", "-o", "ksharrays", "-o", "shwordsplit"], read(".zshrc")),
        // A zsh that reads what is bash's.
        ("zsh", &["-f"], format!("emulate sh -c '{}'", read(".profile"))),
        ("fish", &[], String::new()),
    ] {
        let again = if script.is_empty() { String::new() } else { format!("{script}; ") };
        let shown = run(&sandbox, shell, arguments, &format!("{again}{again}{SHOW}")).ended_with(0);
        assert_eq!(shown.stdout, expected(shell), "{shell} {arguments:?}");
        assert_eq!(shown.stderr, "", "{shell} {arguments:?}");
    }
}

#[test]
fn a_login_bash_is_protected_too() {
    let sandbox = configured();
    // It reads /etc/profile first, which may set PATH anew.
    let shown = run(&sandbox, "bash", &["-l"], SHOW).ended_with(0);
    let expected = format!("bash\n{}:", sandbox.path("scfw/shims").display());
    assert!(shown.stdout.starts_with(&expected), "{}", shown.stdout);
}

#[test]
fn reading_it_keeps_the_status_and_leaves_no_name_behind() {
    let sandbox = configured();
    for (shell, name) in FILES.into_iter().take(2) {
        let path = sandbox.path("home").join(name).display().to_string();
        let options: &[&str] = if shell == "zsh" { &["-f"] } else { &[] };
        for (before, status) in
            [("true", 0), ("false", 1), ("sh -c 'exit 42'", 42), ("set -e; [ a = b ] && x", 0)]
        {
            let script = format!("{before}; . {path}; echo $?; set | grep '^__scfw' || true");
            let shown = run(&sandbox, shell, options, &script);
            assert_eq!(
                (shown.stdout, shown.stderr),
                (format!("{status}\n"), String::new()),
                "{shell}: {before}"
            );
        }
    }
}

#[test]
fn with_the_real_integration_the_status_is_kept_in_strict_shells_too() {
    let sandbox = Sandbox::new();
    sandbox.scfw(&["configure", "--yes", "--shims"]).ended_with(0);
    for (shell, name) in FILES.into_iter().take(2) {
        let path = sandbox.path("home").join(name).display().to_string();
        let options: &[&str] = if shell == "zsh" { &["-f", "-u"] } else { &["-u"] };
        // Printed by scfw the first time, read from the file the second.
        for _start in 0..2 {
            let shown = run(&sandbox, shell, options, &format!("sh -c 'exit 42'; . {path}; echo $?"));
            assert_eq!((shown.stdout.as_str(), shown.stderr.as_str()), ("42\n", ""), "{shell}");
        }
    }
}

#[test]
fn a_shell_of_another_kind_gets_the_shims_and_nothing_else() {
    let sandbox = configured();
    let profile = sandbox.path("home/.profile").display().to_string();
    let shims = sandbox.path("scfw/shims").display().to_string();
    let script = format!("set -eu; . {profile}; echo \"[${{TRACE-}}]\"; printenv PATH");
    let shells: [(&str, &[&str]); 2] = [("sh", &[]), ("bash", &["--posix"])];
    for (shell, arguments) in shells {
        let shown = run(&sandbox, shell, arguments, &script).ended_with(0);
        assert!(shown.stdout.starts_with(&format!("[]\n{shims}:")), "{shell}: {}", shown.stdout);
        assert_eq!(shown.stderr, "", "{shell}");
    }
}

#[test]
fn an_unset_or_odd_path_stays_what_it_is_behind_the_shims() {
    let sandbox = configured();
    let bashrc = sandbox.path("home/.bashrc").display().to_string();
    let shims = sandbox.path("scfw/shims").display().to_string();
    for (path, expected) in [
        ("unset PATH", shims.clone()),
        ("PATH=", shims.clone()),
        ("PATH=:/a:", format!("{shims}::/a:")),
        (&format!("PATH='/a b:{shims}:*'"), format!("{shims}:/a b:*")),
        (&format!("PATH='{shims}'"), shims.clone()),
    ] {
        let shown = run(&sandbox, "bash", &[], &format!("{path}; . {bashrc}; echo \"$PATH\"")).ended_with(0);
        assert_eq!(shown.stdout, format!("{expected}\n"), "{path}");
    }
}

#[test]
fn where_scfw_is_gone_an_interactive_shell_says_so_in_one_line() {
    let sandbox = configured();
    fs::remove_file(sandbox.path("it's scfw")).unwrap();
    for (shell, name) in FILES {
        let read = format!(". {}", sandbox.path("home").join(name).display());
        let norc: &[&str] = match shell {
            "bash" => &["--norc"],
            "zsh" => &["-f"],
            _ => &["--no-config"],
        };
        let silent = run(&sandbox, shell, norc, &format!("{read}; echo on")).ended_with(0);
        assert_eq!((silent.stdout.as_str(), silent.stderr.as_str()), ("on\n", ""), "{shell}");
        let said = run(&sandbox, shell, &[norc, &["-i"]].concat(), &format!("{read}; echo on")).ended_with(0);
        let ours: Vec<_> = said.stderr.lines().filter(|line| line.starts_with("scfw: ")).collect();
        assert_eq!(ours.len(), 1, "{shell}: {}", said.stderr);
        assert!(
            ours[0].contains("is gone, so installs are not checked here; install scfw again"),
            "{ours:?}"
        );
    }
}

#[test]
fn the_integration_is_saved_for_later_shells_and_renewed_when_scfw_is_newer() {
    let sandbox = Sandbox::new();
    sandbox.scfw(&["configure", "--yes"]).ended_with(0);
    for (shell, file) in FILES {
        let load = if shell == "fish" {
            String::new()
        } else {
            format!(". '{}'; ", sandbox.path("home").join(file).display())
        };
        let show = format!("{load}echo $TRACE; scfw status");
        let start = || run(&sandbox, shell, if shell == "zsh" { &["-f"] } else { &[] }, &show).ended_with(0);
        let saved = sandbox.path("scfw/shell").join(format!("init.{shell}"));
        assert!(!saved.exists(), "{shell}");
        let first = start();
        assert!(first.stdout.starts_with('\n') && first.stdout.contains("pip3"), "{shell}: {}", first.stdout);
        assert_eq!(fs::metadata(saved.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);

        // What the next shell says comes from the file, and the file is not what it should be.
        let script = fs::read_to_string(&saved).unwrap();
        let trace = if shell == "fish" { "set -gx TRACE saved" } else { "export TRACE=saved" };
        fs::write(&saved, format!("{trace}\n{script}")).unwrap();
        let second = start();
        assert!(second.stdout.starts_with("saved\n"), "{shell}: {}{}", second.stdout, second.stderr);
        let stale = format!("what {} holds is of another scfw; run scfw configure again", saved.display());
        assert!(second.stdout.contains(&stale), "{shell}: {}", second.stdout);

        // It is older than scfw: an update has come since.
        fs::File::open(&saved).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        let third = start();
        assert!(third.stdout.starts_with('\n') && !third.stdout.contains("of another scfw"), "{shell}");
        assert_eq!(fs::read_to_string(&saved).unwrap(), script, "{shell}");
        let leftovers = fs::read_dir(saved.parent().unwrap()).unwrap().flatten();
        assert!(leftovers.into_iter().all(|entry| entry.file_name().to_string_lossy().starts_with("init.")));
    }
    fs::write(sandbox.path("scfw/shell/init.bash"), "echo of another installation\n").unwrap();
    sandbox.scfw(&["configure", "--yes"]).ended_with(0);
    assert!(!sandbox.path("scfw/shell").exists());
    run(&sandbox, "bash", &[], &format!(". '{}'", sandbox.path("home/.bashrc").display())).ended_with(0);
    assert!(sandbox.path("scfw/shell/init.bash").exists());
    sandbox.scfw(&["configure", "--remove"]).ended_with(0);
    assert!(!sandbox.path("scfw/shell").exists());
}

#[test]
fn where_the_integration_cannot_be_saved_shells_are_protected_all_the_same() {
    let sandbox = Sandbox::new();
    sandbox.scfw(&["configure", "--yes"]).ended_with(0);
    fs::create_dir_all(sandbox.path("scfw")).unwrap();
    fs::write(sandbox.path("scfw/shell"), "no folder").unwrap();
    for (shell, file) in FILES {
        let load = if shell == "fish" { "true" } else { "." };
        let script = format!("{load} '{}'; scfw status", sandbox.path("home").join(file).display());
        let shown = run(&sandbox, shell, &[], &script).ended_with(0);
        assert!(shown.stdout.contains("pip"), "{shell}: {}", shown.stdout);
        assert_eq!(shown.stderr, "", "{shell}");
    }
}
