//! `scfw enable`, `disable` and `status` in the session that types them, and a hook that is gone.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::shell_cases::{CASES, init_script, plain, route, stand_in};
use crate::support::{Sandbox, binary};

#[test]
fn without_the_hook_nothing_runs_and_the_way_on_is_said() {
    let mut sandbox = Sandbox::new();
    stand_in(&mut sandbox, "npm");
    for case in CASES {
        // The path of a hook that is not there any more, with everything in it that a quote could break on.
        let script = fs::read_to_string(init_script(&sandbox, case.shell)).unwrap();
        let gone = script.replace(binary("scfw-hook").to_str().unwrap(), "/gone/$HOME %s/scfw-hook");
        assert_ne!(script, gone);
        let path = sandbox.write(format!("gone.{}", case.shell), gone);
        let script = if case.shell == "fish" {
            "source gone.fish\nnpm --version\necho $status\nscfw disable\nnpm --version".to_owned()
        } else {
            format!(". {}\nnpm --version || echo $?\nscfw disable\nnpm --version", path.display())
        };
        let finished = case.run(&sandbox, &script).ended_with(0);
        assert_eq!(finished.stdout, "69\n", "{}: {}", case.name(), finished.stderr);
        for text in
            ["/gone/$HOME %s/scfw-hook is missing", "install scfw again", "scfw disable", "command npm"]
        {
            assert!(finished.stderr.contains(text), "{}: {}", case.name(), finished.stderr);
        }
        assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
        assert!(fs::read(sandbox.project("argv")).unwrap().starts_with(b"npm\0--version\0"));
        fs::remove_file(sandbox.project("argv")).unwrap();
    }
}

#[test]
fn a_session_is_switched_off_and_on_and_knows_it() {
    let mut sandbox = Sandbox::new();
    stand_in(&mut sandbox, "pip3.99");
    for case in CASES {
        let (load, status) =
            if case.shell == "fish" { ("source $INIT", "$status") } else { (". \"$INIT\"", "$?") };
        let shown = format!("scfw status; echo status={status}");
        let script =
            format!("{load}\n{shown}\nscfw disable\n{shown}\nscfw enable\n{shown}\nscfw check nonsense");
        let finished = case.run(&sandbox, &script).ended_with(2);
        let parts: Vec<&str> = finished.stdout.split("status=").collect();
        let [on, off, again, last] = parts[..] else { panic!("{}", finished.stdout) };
        for shown in [on, again] {
            for name in ["pip", "pip3", "python3", "npm", "npx", "pip3.99"] {
                assert!(
                    shown.contains(&format!("  {name}: routed ({}), then /", route(case.shell))),
                    "{}: {shown}",
                    case.name()
                );
            }
        }
        assert!(!off.contains(": routed"), "{}: {off}", case.name());
        assert!(off.contains("  npm: NOT routed: switched off in this session; \"scfw enable\""), "{off}");
        let statuses = [off, again, last].map(|part| &part[..1]);
        assert_eq!(statuses, ["0", "1", "0"], "{}", case.name());
    }
}

#[test]
fn status_says_what_stands_in_front() {
    let sandbox = Sandbox::new();
    for case in plain() {
        let (load, prelude) = match case.shell {
            "bash" => (". \"$INIT\"", "shopt -s expand_aliases; alias npm=pnpm pip='pip -q'"),
            "zsh" => (". \"$INIT\"", "alias npm=pnpm pip='noglob pip'"),
            _ => ("source $INIT", "alias npm=pnpm"),
        };
        let function = if case.shell == "fish" { "function python3; end" } else { "python3() { :; }" };
        let finished =
            case.run(&sandbox, &format!("{load}\n{prelude}\n{function}\nscfw status")).ended_with(1);
        let shown = finished.stdout;
        assert!(shown.contains(&format!("pip: routed ({})", route(case.shell))), "{shown}");
        let npm = if case.shell == "fish" { "another function" } else { "an alias stands in front (pnpm)" };
        assert!(shown.contains(&format!("npm: NOT routed: {npm}")), "{shown}");
        assert!(shown.contains("python3: NOT routed: another function of that name"), "{shown}");
        let json = case.run(&sandbox, &format!("{load}\nscfw status --json")).ended_with(0).stdout;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["shell"], &json["routed"]), (&case.shell.into(), &true.into()));
        assert_eq!(json["routes"][0]["by"], route(case.shell));
    }
    sandbox.scfw(&["enable"]).ended_with(1).says("has not loaded scfw's integration").says("scfw' init");
    sandbox.scfw(&["disable"]).ended_with(1).says("has not loaded scfw's integration");
    let outside = sandbox.scfw(&["status"]).ended_with(1).stdout;
    assert!(outside.contains("the integration is not loaded; load it with: eval \"$('"), "{outside}");
}

#[test]
fn a_program_that_appears_later_is_named_and_taken_in() {
    let mut sandbox = Sandbox::new();
    let later = stand_in(&mut sandbox, "pip3.99").parent().unwrap().to_owned();
    let all = sandbox.variable("PATH");
    let without: Vec<PathBuf> = std::env::split_paths(&all).filter(|path| *path != later).collect();
    sandbox.set("PATH", std::env::join_paths(without).unwrap());
    for case in plain() {
        let (load, appear) = match case.shell {
            "fish" => ("source $INIT", format!("set PATH '{}' $PATH", later.display())),
            _ => (". \"$INIT\"", format!("PATH='{}':$PATH", later.display())),
        };
        let script = format!("{load}\n{appear}\nscfw status\nscfw enable\nscfw status");
        let shown = case.run(&sandbox, &script).ended_with(0).stdout;
        let named = "pip3.99: NOT routed: it came onto PATH after this shell started; \"scfw enable\"";
        let taken_in = format!("pip3.99: routed ({})", route(case.shell));
        assert!(shown.contains(named) && shown.contains(&taken_in), "{shown}");
    }
}

#[test]
fn status_knows_the_shims_and_what_stands_before_them() {
    let mut sandbox = Sandbox::new();
    let shims = sandbox.path("scfw/shims");
    fs::create_dir(&shims).unwrap();
    for name in ["pip", "pip3", "python", "python3", "npm", "npx"] {
        std::os::unix::fs::symlink(binary("scfw-hook"), shims.join(name)).unwrap();
    }
    let not_on_path = sandbox.scfw(&["status"]).ended_with(1).stdout;
    assert!(not_on_path.contains("shims is not on PATH"), "{not_on_path}");
    let path = sandbox.variable("PATH");
    let with = |before: &[&Path]| {
        let mut directories: Vec<PathBuf> = before.iter().map(|path| path.to_path_buf()).collect();
        directories.extend(std::env::split_paths(&path));
        std::env::join_paths(directories).unwrap()
    };
    sandbox.set("PATH", with(&[&shims]));
    let first = sandbox.scfw(&["status"]).ended_with(0).stdout;
    assert!(
        first.contains("npm: routed (shim), then /") && first.contains("before every manager"),
        "{first}"
    );
    let venv = stand_in(&mut sandbox, "pip").parent().unwrap().to_owned();
    sandbox.set("VIRTUAL_ENV", &venv);
    sandbox.set("PATH", with(&[&venv, &shims]));
    let behind = sandbox.scfw(&["status"]).ended_with(1).stdout;
    assert!(behind.contains("pip: NOT routed") && behind.contains("npm: routed (shim)"), "{behind}");
    assert!(behind.contains("(the virtual environment) on PATH"), "{behind}");
}

#[test]
fn the_command_line_of_scfw_is_completed() {
    let sandbox = Sandbox::new();
    for (shell, script) in [
        (
            "bash",
            "source <(SCFW completions bash); COMP_WORDS=(scfw upd); COMP_CWORD=1; _scfw scfw upd scfw; echo \"${COMPREPLY[@]}\"",
        ),
        (
            "zsh",
            "autoload -Uz compinit; compinit -D -u; eval \"$(SCFW completions zsh)\"; echo ${_comps[scfw]/_scfw/update}",
        ),
        ("fish", "SCFW completions fish | source; complete -C 'scfw upd' | string match -r '^\\S+'"),
    ] {
        let scfw = format!("'{}'", binary("scfw").display());
        let options: &[&str] = if shell == "zsh" { &["-f"] } else { &[] };
        let shown = sandbox.bare(shell, &[options, &["-c", &script.replace("SCFW", &scfw)]].concat());
        let shown = shown.ended_with(0);
        assert_eq!((shown.stdout.as_str(), shown.stderr.as_str()), ("update\n", ""), "{shell}");
    }
}
