//! Interactive shells with the configurations that people have, typed to on a terminal.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, Sdist, Wheel};
use serde_json::json;

use crate::support::shell_cases::route;
use crate::support::{Sandbox, Typing, binary};

/// What stands before everything that is typed.
const PROMPT: &str = "person> ";
const QUESTION: &str = "Proceed with the installation anyway? [y/N] ";

/// A world with something clean, something malicious and something that is asked about.
fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set("TERM", "xterm-256color");
    sandbox.world.add_npm(NpmPackage::new("clean", "1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("leaky", "1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("evil", "6.6.6").canary(sandbox.canary("npm")));
    sandbox.world.add_wheel(Wheel::new("clean", "1.0"));
    sandbox.world.add_sdist(Sdist::new("evil", "6.6.6").canary(sandbox.canary("pip")));
    for ecosystem in [Ecosystem::Npm, Ecosystem::PyPi] {
        sandbox.world.malicious(ecosystem, "evil", Some("6.6.6"));
    }
    sandbox.world.add_advisory(json!({
        "id": "GHSA-leaky", "summary": "It leaks",
        "affected": [{"package": {"ecosystem": "npm", "name": "leaky"}}]
    }));
    sandbox
}

/// The line that loads the integration.
fn load(shell: &str) -> String {
    let scfw = binary("scfw");
    match shell {
        "fish" => format!("'{}' init fish | source", scfw.display()),
        _ => format!("eval \"$('{}' init {shell})\"", scfw.display()),
    }
}

/// A person's session in a shell.
pub(crate) struct Session {
    shell: &'static str,
    pub(crate) typing: Typing,
}

impl Session {
    /// A shell that reads `before`, then scfw's line, then `after`, when it starts.
    pub(crate) fn start(sandbox: &Sandbox, shell: &'static str, before: &str, after: &str) -> Self {
        let (file, arguments): (&str, &[&str]) = match shell {
            "bash" => (".bashrc", &["-i"]),
            "zsh" => (".zshrc", &["-d", "-i"]),
            _ => (".config/fish/config.fish", &["-i"]),
        };
        let path = sandbox.path("home").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let prompt = match shell {
            "bash" => format!("PS1='\\[\\e[32m\\]{PROMPT}\\[\\e[0m\\]'; PROMPT_DIRTRIM=1"),
            "zsh" => format!("PROMPT='%F{{green}}{PROMPT}%f'"),
            _ => format!("function fish_prompt; echo -n '{PROMPT}'; end; function fish_greeting; end"),
        };
        // Where this is missing, the first fish in a home reads every manual page.
        fs::create_dir_all(sandbox.path("home/.local/share/fish/generated_completions")).unwrap();
        fs::write(&path, format!("{before}\n{}\n{after}\n{prompt}\n", load(shell))).unwrap();
        Self { shell, typing: sandbox.typing(shell, arguments) }
    }

    /// Types a command, and gives what it showed and its status.
    #[track_caller]
    pub(crate) fn run(&mut self, command: &str) -> (i32, String) {
        self.enter(command);
        self.finished()
    }

    /// Types a command and Enter, once the shell is ready.
    #[track_caller]
    pub(crate) fn enter(&mut self, command: &str) {
        self.ready();
        self.enter_at_once(command);
    }

    #[track_caller]
    pub(crate) fn ready(&mut self) {
        self.typing.sees(PROMPT);
    }

    fn enter_at_once(&mut self, command: &str) {
        let status = if self.shell == "fish" { "$status" } else { "$?" };
        // As it is typed the mark is another than as it is printed.
        self.typing.types(&format!("{command}; echo en\"\"ded-{status}-\r"));
    }

    #[track_caller]
    fn finished(&mut self) -> (i32, String) {
        let shown = self.typing.sees("ended-");
        (self.typing.sees("-").parse().unwrap(), shown)
    }

    /// Types the shell's end, and gives everything that was shown.
    #[track_caller]
    fn exit(mut self) -> String {
        self.ready();
        self.typing.types("exit\r");
        self.typing.ends().1
    }
}

/// Installs a clean package and is stopped at a malicious one, with both managers.
#[track_caller]
fn protects(sandbox: &Sandbox, shell: &'static str, before: &str, after: &str) -> Session {
    let mut session = Session::start(sandbox, shell, before, after);
    for (install, evil) in [
        ("npm install clean", "npm install evil"),
        ("python3 -m pip install --target out clean", "python3 -m pip install --target out evil"),
        ("pip install --target out clean", "pip install --target out evil"),
    ] {
        let (status, shown) = session.run(install);
        assert_eq!(status, 0, "{shell} {install}: {shown}");
        assert!(!shown.contains("scfw"), "{shell} {install}: {shown}");
        let (status, shown) = session.run(evil);
        assert_eq!(status, 77, "{shell} {evil}: {shown}");
        assert!(shown.contains("The installation request was blocked."), "{shown}");
    }
    assert_eq!(sandbox.list("node_modules/clean"), ["index.js", "package.json"]);
    assert!(!sandbox.has_sung());
    session
}

#[test]
fn a_plain_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let shown = protects(&sandbox(), shell, "", "").exit();
        assert!(!shown.contains("command not found"), "{shown}");
    }
}

#[test]
fn a_strict_shell_with_vi_keys() {
    for (shell, before) in [
        ("bash", "set -uo pipefail; set -o vi; shopt -s failglob; trap 'true' ERR; PROMPT_COMMAND='true'"),
        ("zsh", "setopt no_unset pipefail extended_glob ksh_arrays; bindkey -v"),
        ("fish", "fish_vi_key_bindings"),
    ] {
        protects(&sandbox(), shell, before, "");
    }
}

#[test]
fn a_shell_with_a_framework() {
    // What such frameworks do: completion, hooks, options, aliases that keep globs away, functions around commands.
    let before = "npm() { command npm \"$@\"; }\nautoload -Uz compinit add-zsh-hook; compinit -D -u; setopt auto_cd prompt_subst share_history \
                  correct no_case_glob; alias pip='noglob pip' npm='nocorrect npm' -g G='| grep' -g L='| less'\n\
                  noted() { : $1; }; add-zsh-hook preexec noted; add-zsh-hook precmd noted\n\
                  alias python3='command python3'";
    protects(&sandbox(), "zsh", before, "");
    let before = "shopt -s globstar autocd checkwinsize histappend\nalias pip='python3 -m pip' npm='command npm'\n\
                  _noted() { local status=$?; return $status; }; PROMPT_COMMAND=_noted\n\
                  trap ': \"$BASH_COMMAND\"' DEBUG";
    protects(&sandbox(), "bash", before, "");
    let before = "alias npm 'command npm'\n\
                  function noted --on-event fish_preexec; end";
    protects(&sandbox(), "fish", before, "");
}

#[test]
fn aliases_of_the_predecessor() {
    for shell in ["bash", "zsh", "fish"] {
        protects(&sandbox(), shell, "alias pip='scfw run pip'\nalias npm='scfw run npm'", "");
    }
}

#[test]
fn a_function_named_like_a_program() {
    for shell in ["bash", "zsh", "fish"] {
        let function = match shell {
            "fish" => "function python3; command python3 $argv; end; function npm; command npm $argv; end",
            _ => "python3() { command python3 \"$@\"; }; function npm { command npm \"$@\"; }",
        };
        let sandbox = sandbox();
        protects(&sandbox, shell, function, "");
        // Behind scfw's line it wins, and that is said.
        let mut session = Session::start(&sandbox, shell, "", function);
        let (status, shown) = session.run("scfw status");
        assert_eq!(status, 1, "{shown}");
        assert!(shown.contains("npm: NOT routed: another function of that name was defined"), "{shown}");
        assert!(shown.contains(&format!("pip: routed ({})", route(shell))), "{shown}");
        assert_eq!(session.run("scfw enable").0, 0);
        assert_eq!(session.run("npm install evil").0, 77);
        assert_eq!(session.run("scfw status").0, 0);
    }
}

#[test]
fn a_virtual_environment_activated_before_and_after() {
    let mut sandbox = sandbox();
    // Leaving it puts the prompt of before in place.
    sandbox.set("VIRTUAL_ENV_DISABLE_PROMPT", "1");
    let venv = sandbox.path("venv");
    sandbox.bare("python3", &["-m", "venv", venv.to_str().unwrap()]).ended_with(0);
    for shell in ["bash", "zsh", "fish"] {
        let suffix = if shell == "fish" { ".fish" } else { "" };
        let activate = format!("source '{}/bin/activate{suffix}'", venv.display());
        for before in [activate.as_str(), ""] {
            let mut session = Session::start(&sandbox, shell, before, "");
            if before.is_empty() {
                session.run(&activate);
            }
            let (status, shown) = session.run("pip install evil");
            assert_eq!(status, 77, "{shell}: {shown}");
            let (status, shown) = session.run("pip install clean");
            assert_eq!(status, 0, "{shell}: {shown}");
            let (_, shown) = session.run("python -c 'import clean; print(clean.__file__)'");
            assert!(shown.contains("venv/lib"), "into the environment, not beside it: {shown}");
            session.run("pip uninstall --yes clean");
            session.run("deactivate");
            assert_eq!(session.run("pip install --target out evil").0, 77);
        }
    }
}

#[test]
fn the_question_is_asked_and_the_answer_obeyed() {
    for shell in ["bash", "zsh", "fish"] {
        let sandbox = sandbox();
        let mut session = Session::start(&sandbox, shell, "", "");
        for (answer, expected) in [("n\r", 76), ("\u{3}", 0), ("y\r", 0)] {
            session.enter("npm install leaky");
            session.typing.sees(QUESTION);
            session.typing.types(answer);
            if answer == "\u{3}" {
                // What an interrupt does to the rest of the line is the shell's; the session goes on.
                let (_, shown) = session.run("echo still he\"\"re");
                assert!(shown.contains("still here"), "{shell}: {shown}");
            } else {
                let (status, shown) = session.finished();
                assert_eq!(status, expected, "{shell} {answer:?}: {shown}");
            }
            assert_eq!(!sandbox.list("node_modules/leaky").is_empty(), answer == "y\r", "{shell} {answer:?}");
        }
    }
}

/// A stand-in for npm that tells what it has around it, and waits for a signal when it is told to.
fn stand_in(sandbox: &mut Sandbox) {
    let path = sandbox.write(
        "stand-ins/npm",
        "#!/usr/bin/env python3\nimport os, signal, sys\n\
         def say(*words):\n    os.write(1, (' '.join(map(str, words)) + '\\n').encode())\n\
         say('ttys', [os.isatty(stream) for stream in range(3)])\n\
         say('size', *os.get_terminal_size(0))\n\
         def resized(*_):\n    say('resized', *os.get_terminal_size(0))\n    os._exit(5)\n\
         if sys.argv[1] == 'test':\n    signal.signal(signal.SIGWINCH, resized)\n    \
         signal.signal(signal.SIGCONT, lambda *_: say('continued' ' again'))\n    say('wait' 'ing')\n    \
         while True: signal.pause()\n",
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let mut directories = vec![path.parent().unwrap().to_owned()];
    directories.extend(std::env::split_paths(&sandbox.variable("PATH")));
    sandbox.set("PATH", std::env::join_paths(directories).unwrap());
}

#[test]
fn the_terminal_reaches_the_program() {
    for shell in ["bash", "zsh", "fish"] {
        let mut sandbox = sandbox();
        stand_in(&mut sandbox);
        let mut session = Session::start(&sandbox, shell, "", "");
        // Before its prompt, bash sets the size that it has just read.
        session.ready();
        session.typing.resizes(40, 100);
        session.enter_at_once("npm run");
        let (_, shown) = session.finished();
        assert!(shown.contains("ttys [True, True, True]"), "{shell}: {shown}");
        assert!(shown.contains("size 100 40"), "{shell}: {shown}");
        session.enter("npm test");
        session.typing.sees("waiting");
        session.typing.resizes(50, 120);
        let (status, shown) = session.finished();
        assert!(shown.contains("resized 120 50"), "{shell}: {shown}");
        assert_eq!(status, 5);
        // An interrupt ends the program and not the session.
        session.enter("npm test");
        session.typing.sees("waiting");
        session.typing.types("\u{3}");
        let (_, shown) = session.run("echo still he\"\"re");
        assert!(shown.contains("still here"), "{shell}: {shown}");
        // Stopped and taken up again, it is the same program.
        session.ready();
        session.typing.types("npm test\r");
        session.typing.sees("waiting");
        session.typing.types("\u{1a}");
        session.ready();
        session.typing.types("fg\r");
        session.typing.sees("continued again");
        session.typing.types("\u{3}");
        let (_, shown) = session.run("npm run | cat");
        assert!(shown.contains("ttys [True, False, True]"), "{shell}: {shown}");
    }
}

#[test]
fn an_interrupt_during_an_install_leaves_the_session() {
    for shell in ["bash", "zsh", "fish"] {
        let sandbox = sandbox();
        sandbox.world.add_npm(
            NpmPackage::new("slow", "1.0.0").script("install", "echo work\"\"ing >&2; read line < /dev/tty"),
        );
        let mut session = Session::start(&sandbox, shell, "", "");
        session.enter("npm install --foreground-scripts slow");
        session.typing.sees("working");
        session.typing.types("\u{3}");
        let (_, shown) = session.run("echo still he\"\"re");
        assert!(shown.contains("still here"), "{shell}: {shown}");
        assert_eq!(session.run("npm install evil").0, 77);
    }
}

#[test]
fn a_job_in_the_background() {
    for shell in ["bash", "zsh", "fish"] {
        let sandbox = sandbox();
        let mut session = Session::start(&sandbox, shell, "", "");
        let wait = if shell == "fish" { "wait" } else { "wait $!" };
        let (status, shown) = session.run(&format!("npm install clean & {wait}"));
        assert_eq!(status, 0, "{shell}: {shown}");
        assert!(!sandbox.list("node_modules/clean").is_empty(), "{shell}: {shown}");
        let (_, shown) = session.run(&format!("npm install evil & {wait}"));
        assert!(shown.contains("The installation request was blocked."), "{shell}: {shown}");
        assert!(sandbox.list("node_modules/evil").is_empty());
    }
}

/// The managers' own completion scripts, read before the integration and after it, at the keyboard.
#[test]
fn the_managers_own_completions_go_on_working() {
    for (shell, scripts) in [
        ("bash", "eval \"$(pip completion --bash)\"; eval \"$(npm completion)\""),
        (
            "zsh",
            "autoload -Uz compinit; compinit -D -u; eval \"$(pip completion --zsh)\"; eval \"$(npm completion)\"",
        ),
        // For npm, fish has its own.
        ("fish", "pip completion --fish | source"),
    ] {
        for (before, after) in [(scripts, ""), ("", scripts)] {
            let sandbox = sandbox();
            sandbox.write("package.json", r#"{"scripts": {"canary-sings": "echo sung-$((6 * 7))"}}"#);
            let mut session = Session::start(&sandbox, shell, before, after);
            // What is completed is not what was typed.
            let (status, shown) = session.run("pip insta\t--help");
            assert!(status == 0 && shown.contains("pip install [options]"), "{shell}: {shown}");
            let (status, shown) = session.run("npm run canary-s\t--silent");
            assert!(status == 0 && shown.contains("sung-42"), "{shell}: {shown}");
            let (status, shown) = session.run("npm install evil");
            assert_eq!(status, 77, "{shell}: {shown}");
            session.exit();
        }
    }
}
