//! Programs in the background of a shell with the integration: the job that the shell knows is the program, or ends
//! with it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::shells_interactive::Session;
use crate::support::shell_cases::plain;
use crate::support::{Sandbox, binary};

/// How long a program may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A world with `serve.py`, which says its number through the pipe `alive` and holds that open until it ends.
fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set("TERM", "xterm-256color");
    sandbox.write(
        "serve.py",
        "import os, signal\n\
         signal.signal(signal.SIGCONT, lambda *_: os.write(1, b'goes' b' on\\n'))\nalive = open('alive', 'w')\nprint(os.getpid(), file=alive, flush=True)\n\
         while True: signal.pause()\n",
    );
    sandbox.write("package.json", r#"{"scripts": {"start": "exec python3 serve.py"}}"#);
    mkfifo(&sandbox.project("alive"), Mode::S_IRWXU).unwrap();
    sandbox
}

/// The server that holds the pipe.
struct Server {
    ended: mpsc::Receiver<String>,
}

impl Server {
    /// Listens for the next one.
    fn listen(sandbox: &Sandbox) -> Self {
        let (tell, ended) = mpsc::channel();
        let pipe = sandbox.project("alive");
        thread::spawn(move || {
            let mut reader = BufReader::new(File::open(pipe).unwrap());
            let mut number = String::new();
            reader.read_line(&mut number).unwrap();
            tell.send(number.trim().to_owned()).unwrap();
            reader.read_to_string(&mut String::new()).unwrap();
            // Nobody listens any more where a test has failed.
            tell.send("ended".to_owned()).ok();
        });
        Self { ended }
    }

    /// Its number, once it runs.
    #[track_caller]
    fn number(&self) -> String {
        self.ended.recv_timeout(PATIENCE).expect("it was not started")
    }

    #[track_caller]
    fn ends(&self) {
        assert_eq!(self.ended.recv_timeout(PATIENCE).expect("it goes on running"), "ended");
    }
}

/// The name of the shell's variable with the number of the last job.
fn last(shell: &str) -> &'static str {
    if shell == "fish" { "$last_pid" } else { "$!" }
}

#[test]
fn what_ends_the_job_ends_the_program() {
    let sandbox = sandbox();
    for shell in ["bash", "zsh", "fish"] {
        let mut session = Session::start(&sandbox, shell, "", "");
        let last = last(shell);
        for (command, kill) in [
            ("python3 serve.py &", format!("kill {last}")),
            ("npm start &", format!("kill {last}")),
            ("python3 serve.py &", format!("kill -9 {last}")),
            ("python3 serve.py &", "kill %1".to_owned()),
            ("npm start &", "kill %1".to_owned()),
        ] {
            let server = Server::listen(&sandbox);
            // The prompt is there at once.
            session.run(&format!("{command} true"));
            server.number();
            let (status, shown) = session.run(&kill);
            assert_eq!(status, 0, "{shell} {kill}: {shown}");
            server.ends();
            session.run("wait");
        }
        for command in ["python3 serve.py", "npm start"] {
            let server = Server::listen(&sandbox);
            session.run(&format!("{command} & echo {last} > pidfile"));
            server.number();
            session.run("kill (cat pidfile)".replace('(', if shell == "fish" { "(" } else { "$(" }).as_str());
            server.ends();
            session.run("wait");
        }
    }
}

#[test]
fn the_status_of_the_job_is_the_status_of_the_program() {
    let sandbox = sandbox();
    for shell in ["bash", "zsh"] {
        let mut session = Session::start(&sandbox, shell, "", "");
        let (status, shown) = session.run("python3 -c 'raise SystemExit(7)' & wait $!");
        assert_eq!(status, 7, "{shell}: {shown}");
        let server = Server::listen(&sandbox);
        session.run("python3 serve.py & true");
        server.number();
        let (status, shown) = session.run("kill $!; wait $!");
        assert_eq!(status, 143, "{shell}: {shown}");
        server.ends();
        let server = Server::listen(&sandbox);
        session
            .run(&format!("command '{}' run python3 serve.py & echo $! > pidfile", binary("scfw").display()));
        let number = server.number();
        assert_eq!(fs::read_to_string(sandbox.project("pidfile")).unwrap().trim(), number, "{shell}");
        session.run(&format!("kill -9 {number}"));
        server.ends();
    }
}

#[test]
fn a_job_of_fish_is_the_program() {
    let sandbox = sandbox();
    let mut session = Session::start(&sandbox, "fish", "", "");
    let server = Server::listen(&sandbox);
    session.run("python3 serve.py & true");
    let number = server.number();
    let (_, shown) = session.run("echo last-$last_pid-; jobs");
    assert!(shown.contains(&format!("last-{number}-")), "{number}: {shown}");
    assert!(shown.contains("python3 serve.py &"), "{shown}");
    session.run("kill -STOP %1");
    session.ready();
    session.typing.types("fg\r");
    session.typing.sees("goes on");
    session.typing.types("\u{3}");
    server.ends();
    let (_, shown) = session.run("jobs");
    assert!(shown.contains("There are no jobs"), "{shown}");
    let (_, shown) =
        session.run("sh -c 'exit 3' & wait $last_pid; python3 -c 'print(6 * 7)' & wait; echo on");
    assert!(shown.contains("42") && shown.contains("on"), "{shown}");
}

#[test]
fn what_follows_in_a_subshell_is_run() {
    let sandbox = sandbox();
    for case in plain().iter().filter(|case| case.shell != "fish") {
        let script = ". \"$INIT\"\n{ python3 -c 'exit(3)'; echo one-$?; } & wait\n(python3 -c ''; echo two)\n\
                      echo \"$(python3 -c 'print(3)'; echo four)\"\npython3 -c 'print(5)' | cat\n\
                      python3 -c 'exit(1)' || python3 -c 'print(6)' & wait $!\neval \"python3 -c ''; echo seven\" & wait\n";
        let finished = case.run(&sandbox, script).ended_with(0);
        assert_eq!(
            (finished.stdout.as_str(), finished.stderr.as_str()),
            ("one-3\ntwo\n3\nfour\n5\n6\nseven\n", ""),
            "{}",
            case.shell
        );
    }
}

#[test]
fn a_program_whose_subshell_has_ended_is_not_started() {
    let sandbox = sandbox();
    let started = sandbox.project("started");
    let script = format!("open({:?}, 'w')", started.display().to_string());
    let own = std::process::id().to_string();
    sandbox.hook(&["--end-with", &own, "python3", "-c", &script]).ended_with(0);
    fs::remove_file(&started).unwrap();
    sandbox.hook(&["--end-with", "1", "python3", "-c", &script]).ended_with(128 + 15);
    assert!(!started.exists());
}

#[test]
fn fish_is_protected_wherever_a_path_comes_from() {
    let sandbox = sandbox();
    sandbox.world.malicious(scfw_core::package::Ecosystem::PyPi, "evil", None);
    let first = sandbox.path("first");
    fs::create_dir(&first).unwrap();
    let canary = sandbox.canary("first");
    let program = format!("#!/bin/sh\n[ \"$1\" != install ] || : > '{}'\necho first\n", canary.display());
    fs::write(first.join("pip"), program).unwrap();
    fs::set_permissions(first.join("pip"), fs::Permissions::from_mode(0o755)).unwrap();
    let fish = plain().into_iter().find(|case| case.shell == "fish").unwrap();
    let first = first.display();
    for how in [
        format!("set -gx PATH '{first}' $PATH; pip install evil"),
        format!("set -p PATH '{first}'; pip install evil"),
        format!("fish_add_path -gm '{first}'; pip install evil"),
        format!("PATH='{first}':\"$PATH\" pip install evil"),
        format!("begin; set -lx PATH '{first}' $PATH; pip install evil; end"),
        format!("function act; set -lx PATH '{first}' $PATH; pip install evil; end; act"),
        format!("scfw disable; scfw enable; set PATH '{first}' $PATH; pip install evil"),
        format!("set PATH '{first}' (string match -v '*session-shims' $PATH); pip install evil"),
    ] {
        let script = format!("source $INIT\n{how}\necho status-$status\npip --version; echo $PATH");
        let finished = fish.run(&sandbox, &script);
        assert!(finished.stdout.contains("status-77\n"), "{how}: {finished:?}");
        assert!(!sandbox.has_sung(), "{how}");
    }
    // What such a PATH starts has none.
    for how in [
        format!("begin; set -l PATH '{first}' $PATH; pip install evil; end"),
        format!("begin; set -lu PATH '{first}'; pip install evil; end"),
        format!("function act; set -f PATH '{first}' $PATH; pip install evil; end; act"),
    ] {
        let finished = fish.run(&sandbox, &format!("source $INIT\n{how}\nset PATH $PATH /\ntype pip"));
        assert!(!sandbox.has_sung(), "{how}");
        assert!(finished.stdout.contains("session-shims/pip"), "{how}: {finished:?}");
    }
    // What was local is gone, and jobs are jobs again.
    let script = format!(
        "source $INIT\nPATH='{first}':\"$PATH\" pip --version\nset PATH $PATH /\ntype -t pip\n\
                          scfw disable\npip --version\nset PATH $PATH /\necho $PATH"
    );
    let finished = fish.run(&sandbox, &script).ended_with(0);
    let lines: Vec<&str> = finished.stdout.lines().collect();
    assert_eq!(lines[..2], ["first", "file"], "{finished:?}");
    assert!(!finished.stdout.contains("session-shims"), "{finished:?}");
}

#[test]
fn a_hook_that_goes_away_takes_no_command_of_fish_with_it() {
    let sandbox = sandbox();
    let installation = sandbox.path("installation");
    fs::create_dir(&installation).unwrap();
    for name in ["scfw", "scfw-hook"] {
        fs::copy(binary(name), installation.join(name)).unwrap();
    }
    let hook = installation.join("scfw-hook").display().to_string();
    let init = sandbox.finish(sandbox.command(installation.join("scfw"), &["init", "fish"])).ended_with(0);
    sandbox.write("init.fish", init.stdout);
    let fish = plain().into_iter().find(|case| case.shell == "fish").unwrap();
    // An interactive fish sends the event before each command.
    let script = format!(
        "source init.fish\ntype -t npm\nmv '{hook}' aside\nemit fish_preexec\nnpm --version\necho $status\n\
         mv aside '{hook}'\nemit fish_preexec\ntype -t npm"
    );
    let finished = fish.run(&sandbox, &script).ended_with(0).says("is missing, so npm cannot be checked");
    assert_eq!(finished.stdout, "file\n69\nfile\n");
}

#[test]
fn fish_without_its_shims_has_functions() {
    let mut sandbox = sandbox();
    sandbox.world.malicious(scfw_core::package::Ecosystem::Npm, "evil", None);
    let fish = plain().into_iter().find(|case| case.shell == "fish").unwrap();
    let script = "source $INIT\nnpm install evil; echo $status\ntype -t npm\nscfw status";
    fs::write(sandbox.path("scfw/session-shims"), "no folder").unwrap();
    let finished = fish.run(&sandbox, script).ended_with(0);
    assert!(finished.stdout.starts_with("77\nfunction\n"), "{finished:?}");
    assert!(finished.stdout.contains("npm: routed (function), then /"), "{finished:?}");
    let colon = sandbox.path("a:b");
    fs::create_dir(&colon).unwrap();
    sandbox.set("SCFW_HOME", &colon);
    fs::remove_file(sandbox.path("init.fish")).unwrap();
    let finished = fish.run(&sandbox, script).ended_with(0);
    assert!(finished.stdout.starts_with("77\nfunction\n"), "{finished:?}");
    assert!(!Path::new(&colon).join("session-shims").exists());
}
