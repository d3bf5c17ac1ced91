//! The shell integrations as scripts: executed by each shell under every set of options that a user may have, with
//! no configuration of the machine's.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::Sandbox;
use crate::support::shell_cases::{CASES, Case, case, plain, stand_in};

#[test]
fn loading_says_nothing_and_keeps_the_status() {
    let mut sandbox = Sandbox::new();
    // What the environment holds under our names is not ours.
    sandbox.set("__scfw_names", "pip3.1; echo injected");
    sandbox.set("__scfw_status", "injected");
    for case in CASES {
        let script = if case.shell == "fish" {
            "false\nsource $INIT\necho $status\nfalse\nsource $INIT\necho $status"
        } else {
            "(exit 7)\n. \"$INIT\"\necho $?\n(exit 8)\n. \"$INIT\"\necho $?"
        };
        let finished = case.run(&sandbox, script);
        let expected = if case.shell == "fish" { "1\n1\n" } else { "7\n8\n" };
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), (expected, ""), "{}", case.name());
    }
}

#[test]
fn a_strict_shell_goes_on() {
    let sandbox = Sandbox::new();
    for (shell, options) in [
        ("bash", &["-euo", "pipefail"][..]),
        ("bash", &["-euo", "posix"]),
        ("zsh", &["-euo", "pipefail"]),
        ("zsh", &["-o", "errreturn"]),
    ] {
        let case = Case { shell, options, prelude: "trap 'echo trapped' ERR" };
        let script = "eval \"$(cat \"$INIT\")\"\n. \"$INIT\"\necho on";
        let finished = case.run(&sandbox, script).ended_with(0);
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("on\n", ""), "{}", case.name());
    }
}

#[test]
fn arguments_arrive_whole_and_the_status_comes_back() {
    let mut sandbox = Sandbox::new();
    stand_in(&mut sandbox, "npm");
    sandbox.set("STATUS", "42");
    let arguments: Vec<&OsStr> = [
        "run", "", "a b", "*", "?", "~", "$HOME", "--", "-e", "new\nline\n", "back\\slash", "'\"",
        "\u{1b}[31m",
    ]
    .iter()
    .map(OsStr::new)
    .chain([OsStr::from_bytes(b"not \xff utf-8")])
    .collect();
    for case in CASES {
        let script = if case.shell == "fish" {
            "source $INIT\nnpm $argv\nexit $status"
        } else {
            ". \"$INIT\"\nnpm \"$@\"\nexit $?"
        };
        let finished = sandbox.finish(case.command(&sandbox, script, &arguments)).ended_with(42);
        assert_eq!(finished.stderr, "", "{}", case.name());
        let argv = fs::read(sandbox.project("argv")).unwrap();
        let passed: Vec<&[u8]> = argv.split(|byte| *byte == 0).skip(1).take(arguments.len()).collect();
        let expected: Vec<&[u8]> = arguments.iter().map(|argument| argument.as_bytes()).collect();
        assert_eq!(passed, expected, "{}", case.name());
        fs::remove_file(sandbox.project("argv")).unwrap();
    }
}

#[test]
fn every_name_is_routed_and_malware_is_stopped() {
    let mut sandbox = Sandbox::new();
    for name in
        ["pip3.99", "python3.99", "pip3.98", "pip3.97x", "pip3.", "pip3.9.", "python3.99-config", "pip3tt"]
    {
        stand_in(&mut sandbox, name);
    }
    let not_executable = sandbox.project("stand-ins/pip3.98");
    fs::set_permissions(not_executable, fs::Permissions::from_mode(0o644)).unwrap();
    sandbox.world.malicious(scfw_core::package::Ecosystem::PyPi, "evil", None);
    sandbox.world.malicious(scfw_core::package::Ecosystem::Npm, "evil", None);
    for case in CASES {
        let (load, status) =
            if case.shell == "fish" { ("source $INIT", "$status") } else { (". \"$INIT\"", "$?") };
        let installs = [
            "pip install evil", "pip3 install evil", "python -m pip install evil",
            "python3 -mpip install evil", "npm install evil", "npx --yes evil", "pip3.99 install evil",
            "python3.99 -m pip install evil",
        ]
        .map(|install| format!("{install}; echo {status}"));
        let finished = case.run(&sandbox, &format!("{load}\n{}", installs.join("\n"))).ended_with(0);
        assert_eq!(finished.stdout, "77\n".repeat(8), "{}: {}", case.name(), finished.stderr);
        let routed = match case.shell {
            "fish" => "source $INIT\nls $PATH[1]",
            "zsh" => ". \"$INIT\"\nemulate zsh; print -rl -- ${(k)functions}",
            _ => ". \"$INIT\"\n\\builtin set +o posix; \\builtin compgen -A function",
        };
        let routed = case.run(&sandbox, routed).stdout;
        let names: Vec<&str> = routed.lines().collect();
        assert!(names.contains(&"pip3.99") && names.contains(&"python3.99"), "{}: {names:?}", case.name());
        for name in ["pip3.98", "pip3.97x", "pip3.", "pip3.9.", "python3.99-config", "pip3tt"] {
            assert!(!names.contains(&name), "{}: {name}", case.name());
        }
    }
    assert!(!sandbox.project("argv").exists(), "nothing was started");
}

#[test]
fn nothing_else_is_defined_or_changed() {
    let sandbox = Sandbox::new();
    for case in CASES {
        let state = match case.shell {
            "fish" => "builtin functions -n; set -n; bind 2>/dev/null",
            "zsh" => {
                "function __scfw_state { \\builtin emulate -L zsh; \\builtin print -l -- ${(k)parameters} \
                 ${(k)functions} ${(k)aliases}; }; \\builtin setopt; __scfw_state; \\builtin typeset IFS; \\builtin trap"
            }
            _ => {
                "\\builtin set +o; \\builtin shopt; \\builtin compgen -A function; \\builtin compgen -v; \
                 \\builtin alias; \\builtin trap; \\builtin declare -p POSIXLY_CORRECT IFS 2>/dev/null"
            }
        };
        let load = if case.shell == "fish" { "source $INIT" } else { ". \"$INIT\"" };
        // A first look at its own state defines things as well.
        let script = format!("{state} >/dev/null\n{state}\necho @@@@@\n{load}\n{state}");
        let finished = case.run(&sandbox, &script);
        assert_eq!(finished.stderr, "", "{}", case.name());
        let (before, after) = finished.stdout.split_once("@@@@@\n").unwrap();
        let words =
            |text: &str| text.lines().map(|line| line.replace(", ", "\n")).collect::<Vec<_>>().join("\n");
        let (before, after) = (words(before), words(after));
        let before: Vec<&str> = before.lines().collect();
        for line in after.lines().filter(|line| !before.contains(line)) {
            let is_program = ["pip", "python", "npm", "npx"].iter().any(|name| line.starts_with(name));
            assert!(is_program || line == "scfw" || line.starts_with("__scfw"), "{}: {line}", case.name());
        }
        let after: Vec<&str> = after.lines().collect();
        for line in before {
            assert!(after.contains(&line), "{}: {line} is gone", case.name());
        }
    }
}

#[test]
fn aliases_in_front_are_removed_and_those_that_lead_here_are_kept() {
    let mut sandbox = Sandbox::new();
    stand_in(&mut sandbox, "pip3");
    sandbox.world.malicious(scfw_core::package::Ecosystem::PyPi, "evil", None);
    sandbox.world.malicious(scfw_core::package::Ecosystem::Npm, "evil", None);
    let aliases = "alias pip='scfw run pip' npm='command npm' python3='/usr/bin/python3 -B' python=python3 pip3='pip3 -q'";
    let cases = [
        ("bash", aliases.to_owned(), ". \"$INIT\""),
        ("zsh", format!("{aliases}; alias -g npx=echo; alias pip3.99='noglob pip3'"), ". \"$INIT\""),
        (
            "fish",
            "alias pip 'scfw run pip'; alias npm='command npm'; alias python3 'env python3'; alias python=python3"
                .to_owned(),
            "source $INIT",
        ),
    ];
    for (shell, prelude, load) in cases {
        let options: &[&str] = if shell == "bash" { &["-O", "expand_aliases"] } else { &[] };
        let case = Case { shell, options, prelude: "" };
        let status = if shell == "fish" { "$status" } else { "$?" };
        // `eval`, for a shell reads the line with the old aliases before it runs the first of it.
        let installs: Vec<String> = [
            "pip install evil", "npm i evil", "python3 -m pip install evil", "python -m pip install evil",
            "npx -y evil",
        ]
        .iter()
        .map(|install| format!("eval '{install}'; echo {status}"))
        .collect();
        let finished = case.run(&sandbox, &format!("{prelude}\n{load}\n{}", installs.join("\n")));
        assert_eq!(finished.stdout, "77\n".repeat(5), "{shell}: {}", finished.stderr);
        if shell != "fish" {
            let kept = case.run(&sandbox, &format!("{prelude}\n{load}\nalias")).ended_with(0).stdout;
            assert!(kept.contains("python=") && kept.contains("pip3="), "{kept}");
            assert!(!kept.contains("command npm") && !kept.contains("scfw run"), "{kept}");
        }
    }
}

#[test]
fn completions_are_found_by_name_as_before() {
    let mut sandbox = Sandbox::new();
    stand_in(&mut sandbox, "npm");
    let bash = case("bash", &[], "");
    let script = "_npm() { COMPREPLY=($(COMP_CWORD=1 npm completion -- \"$2\"; echo from-\"$1\")); }\ncomplete -F _npm npm\n\
                  . \"$INIT\"\ncomplete -p npm; _npm npm ins; echo \"${COMPREPLY[@]}\"";
    let finished = bash.run(&sandbox, script).ended_with(0);
    assert_eq!(
        (finished.stdout.as_str(), finished.stderr.as_str()),
        ("complete -F _npm npm\nfrom-npm\n", "")
    );
    assert_eq!(fs::read(sandbox.project("argv")).unwrap(), b"npm\0completion\0--\0ins\0");
    let zsh = case("zsh", &[], "");
    let script = "autoload -Uz compinit; compinit -D -u; _mine() { :; }; compdef _mine npm; . \"$INIT\"\n\
                  echo $_comps[npm] ${functions[npm]}";
    let finished = zsh.run(&sandbox, script).ended_with(0);
    assert!(finished.stdout.starts_with("_mine "), "{}{}", finished.stdout, finished.stderr);
    let fish = case("fish", &[], "");
    let script = "complete -c npm -f -a 'install uninstall'\nsource $INIT\ncomplete -C 'npm ins'";
    assert_eq!(fish.run(&sandbox, script).ended_with(0).stdout, "install\n");
}

#[test]
fn an_assignment_before_the_name_reaches_the_program() {
    let sandbox = Sandbox::new();
    let print = "import os; print(os.environ.get(\"COLOUR\"), len(os.environ))";
    for case in plain() {
        let load = if case.shell == "fish" { "source $INIT" } else { ". \"$INIT\"" };
        let bare = case.run(&sandbox, &format!("COLOUR=red python3 -c '{print}'")).ended_with(0);
        let routed = case.run(&sandbox, &format!("{load}\nCOLOUR=red python3 -c '{print}'")).ended_with(0);
        assert!(bare.stdout.starts_with("red "));
        assert_eq!(routed.stdout, bare.stdout, "{}", case.shell);
    }
}

#[test]
fn the_scripts_are_linted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (program, arguments, script) in [
        ("shellcheck", &[][..], "init.bash"),
        ("bash", &["-n"], "init.bash"),
        ("zsh", &["-n"], "init.zsh"),
        ("fish", &["--no-execute"], "init.fish"),
        ("fish_indent", &["--check"], "init.fish"),
    ] {
        let path: OsString = root.join("shell").join(script).into();
        let output = Command::new(program).args(arguments).arg(path).output().unwrap();
        let shown =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && shown.is_empty(), "{program}: {shown}");
    }
}
