//! `scfw configure`: what becomes of start-up files and config.toml, and that all of it can be undone.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::support::{Finished, Sandbox, binary};

const BEGIN: &str = "# BEGIN SCFW MANAGED BLOCK";
const KEY: &str = "0123456789abcdef0123456789abcdef";
/// What the predecessor wrote.
const PREDECESSOR: &str = "\n# BEGIN SCFW MANAGED BLOCK\nalias npm=\"scfw run npm\"\nalias pip=\"scfw run pip\"\n\
    # END SCFW MANAGED BLOCK\n";

fn home(sandbox: &Sandbox, name: &str) -> PathBuf {
    sandbox.path("home").join(name)
}

fn write(sandbox: &Sandbox, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = home(sandbox, name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

fn configure(sandbox: &Sandbox, options: &[&str]) -> Finished {
    sandbox.scfw(&[&["configure"], options].concat())
}

/// Every file and link below a folder with its mode and content.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            files.extend(snapshot(&path));
        } else if metadata.is_symlink() {
            let link = fs::read_link(&path).unwrap();
            files.insert(path, (0, link.into_os_string().into_encoded_bytes()));
        } else {
            files.insert(path.clone(), (metadata.mode(), fs::read(&path).unwrap()));
        }
    }
    files
}

#[test]
fn a_second_run_changes_no_byte_and_removal_restores_every_one() {
    for content in [
        None,
        Some(&b""[..]),
        Some(b"alias x=y\n"),
        Some(b"alias x=y"),
        Some(b"alias x=y\r\nalias z=y\r\n"),
        Some(b"alias x=y\r\nalias z=y"),
        Some(b"\xff\xfe invalid \x80\n\n"),
    ] {
        for mode in [0o600, 0o644, 0o755] {
            let sandbox = Sandbox::new();
            for name in [".bashrc", ".bash_profile", ".zshrc", ".config/fish/conf.d/scfw.fish"] {
                if let Some(content) = content {
                    let path = write(&sandbox, name, content);
                    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
                }
            }
            let before = snapshot(&sandbox.path("home"));
            let first = configure(&sandbox, &["--yes", "--shims"]).ended_with(0);
            assert!(first.stdout.ends_with("open a new shell, or run: exec bash\n"), "{}", first.stdout);
            let configured = snapshot(&sandbox.path("home"));
            assert_ne!(before, configured);
            for (path, (kept, _)) in &before {
                assert_eq!(configured[path].0, *kept, "{}", path.display());
            }
            let again = configure(&sandbox, &["--yes", "--shims"]).ended_with(0);
            assert!(again.stdout.contains(".bashrc: is as it should be"), "{}", again.stdout);
            assert_eq!(snapshot(&sandbox.path("home")), configured);
            configure(&sandbox, &["--remove"]).ended_with(0);
            assert_eq!(snapshot(&sandbox.path("home")), before);
            assert!(!sandbox.path("scfw/shims").exists());
            configure(&sandbox, &["--remove"]).ended_with(0);
            assert_eq!(snapshot(&sandbox.path("home")), before);
        }
    }
}

#[test]
fn a_linked_file_stays_a_link_and_its_target_gets_the_block() {
    let sandbox = Sandbox::new();
    let target = write(&sandbox, "dotfiles/bashrc", "alias x=y\n");
    symlink("dotfiles/bashrc", home(&sandbox, ".bashrc")).unwrap();
    // The same file under two names gets one block.
    symlink(home(&sandbox, ".bashrc"), home(&sandbox, ".bash_profile")).unwrap();
    symlink("dotfiles/not-there-yet", home(&sandbox, ".zshrc")).unwrap();
    let before = snapshot(&sandbox.path("home"));
    configure(&sandbox, &["--shell", "bash,zsh"]).ended_with(0);
    assert!(home(&sandbox, ".bashrc").is_symlink() && home(&sandbox, ".zshrc").is_symlink());
    assert_eq!(fs::read_to_string(&target).unwrap().matches(BEGIN).count(), 1);
    assert!(home(&sandbox, "dotfiles/not-there-yet").is_file());
    configure(&sandbox, &["--remove"]).ended_with(0);
    assert_eq!(snapshot(&sandbox.path("home")), before);
}

#[test]
fn the_predecessors_blocks_are_replaced_and_their_settings_kept() {
    let sandbox = Sandbox::new();
    let secret = PREDECESSOR.replace(
        "# END",
        &format!("export DD_API_KEY=\"{KEY}\"\nexport SCFW_DD_LOG_LEVEL=\"BLOCK\"\nexport SCFW_HOME=\"/old home\"\n# END"),
    );
    let bashrc = write(&sandbox, ".bashrc", format!("alias x=y\n{PREDECESSOR}{PREDECESSOR}"));
    let zshrc = write(&sandbox, ".zshrc", format!("alias x=y\n{secret}"));
    let finished = configure(&sandbox, &["--shell", "bash,zsh"]).ended_with(0);
    assert!(
        finished.stdout.contains("api_key = …cdef") && !finished.stdout.contains(KEY),
        "{}",
        finished.stdout
    );
    for path in [&bashrc, &zshrc] {
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(text.matches(BEGIN).count(), 1, "{text}");
        assert!(!text.contains("alias pip") && !text.contains(KEY), "{text}");
        assert!(text.contains("export SCFW_HOME='/old home'\n"), "{text}");
    }
    let config = fs::read_to_string(sandbox.path("scfw/config.toml")).unwrap();
    assert!(config.contains(KEY) && config.contains("log_level = \"BLOCK\""), "{config}");
    configure(&sandbox, &["--remove"]).ended_with(0);
    assert_eq!(fs::read_to_string(zshrc).unwrap(), "alias x=y\n");
}

#[test]
fn the_file_of_a_login_bash_gets_the_block_only_where_it_does_not_read_bashrc() {
    for (files, expected) in [
        (&[][..], Some(".profile")),
        (&[(".profile", ". \"$HOME/.bashrc\"\n")], None),
        (&[(".profile", "# . ~/.bashrc\n")], Some(".profile")),
        (&[(".profile", ". ~/.bashrc\n"), (".bash_login", "x=y\n")], Some(".bash_login")),
        (&[(".bash_login", "x=y\n"), (".bash_profile", "x=y\n")], Some(".bash_profile")),
        (&[(".bash_profile", ". ~/.profile\n"), (".profile", ". ~/.bashrc\n")], None),
        (&[(".bash_profile", "[ -f ~/.bashrc ] && source ~/.bashrc\n")], None),
    ] {
        let sandbox = Sandbox::new();
        for (name, content) in files {
            write(&sandbox, name, content);
        }
        configure(&sandbox, &["--shell", "bash"]).ended_with(0);
        configure(&sandbox, &["--shell", "bash"]).ended_with(0);
        for name in [".bash_profile", ".bash_login", ".profile"] {
            let has_block = fs::read_to_string(home(&sandbox, name)).is_ok_and(|text| text.contains(BEGIN));
            assert_eq!(has_block, expected == Some(name), "{name} of {files:?}");
        }
    }
}

#[test]
fn the_folders_of_zsh_and_fish_are_where_their_variables_say() {
    let mut sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("zsh")).unwrap();
    sandbox.set("ZDOTDIR", sandbox.path("zsh"));
    sandbox.set("XDG_CONFIG_HOME", sandbox.path("xdg"));
    let stale = write(&sandbox, ".zshrc", format!("x=y\n{PREDECESSOR}"));
    configure(&sandbox, &["--shell=zsh,fish"]).ended_with(0);
    assert!(sandbox.path("zsh/.zshrc").is_file() && sandbox.path("xdg/fish/conf.d/scfw.fish").is_file());
    assert_eq!(fs::read_to_string(stale).unwrap(), "x=y\n", "zsh does not read it");
    configure(&sandbox, &["--remove"]).ended_with(0);
    assert!(!sandbox.path("zsh/.zshrc").exists() && !sandbox.path("xdg/fish/conf.d/scfw.fish").exists());
}

#[test]
fn what_cannot_be_done_is_said_and_nothing_is_half_done() {
    let sandbox = Sandbox::new();
    write(&sandbox, ".bashrc", "x=y\n");
    let zshrc = write(&sandbox, ".zshrc", "x=y\n");
    let unchanged = |options: &[&str], says: &str| {
        let before = snapshot(&sandbox.path("home"));
        configure(&sandbox, options).ended_with(1).says(says).says("nothing was changed");
        assert_eq!(snapshot(&sandbox.path("home")), before);
        assert!(!sandbox.path("scfw/config.toml").exists());
    };
    let options = ["--yes", "--dd-agent-port", "1"];
    for mode in [0o400, 0o444] {
        fs::set_permissions(&zshrc, Permissions::from_mode(mode)).unwrap();
        unchanged(&options, ".zshrc is read-only");
    }
    fs::set_permissions(&zshrc, Permissions::from_mode(0o644)).unwrap();
    fs::write(&zshrc, format!("x=y\n{BEGIN}\n")).unwrap();
    unchanged(&options, ".zshrc: line 2 begins a block");
    unchanged(&["--remove"], ".zshrc: line 2 begins a block");
    fs::remove_file(&zshrc).unwrap();
    fs::create_dir(&zshrc).unwrap();
    unchanged(&options, ".zshrc could not be read");
    fs::remove_dir(&zshrc).unwrap();
    symlink(".zshrc", &zshrc).unwrap();
    unchanged(&options, ".zshrc could not be");
}

#[test]
fn without_a_home_nothing_is_guessed() {
    let mut sandbox = Sandbox::new();
    sandbox.set("HOME", "");
    configure(&sandbox, &["--yes"]).ended_with(1).says("HOME is not set");
    sandbox.unset("HOME");
    configure(&sandbox, &["--remove"]).ended_with(1).says("HOME is not set");
    sandbox.set("HOME", "/not/there");
    configure(&sandbox, &["--yes"]).ended_with(1).says("HOME is /not/there, which is no folder");
}

#[test]
fn a_full_disk_leaves_everything_as_it_was() {
    let sandbox = Sandbox::new();
    write(&sandbox, ".bashrc", "x=y\n");
    write(&sandbox, ".zshrc", "x=y\n");
    let before = snapshot(&sandbox.path("home"));
    let program = binary("scfw").display().to_string();
    for options in ["--yes", "--yes --dd-agent-port 1"] {
        let script = format!("ulimit -f 0; exec '{program}' configure {options}");
        let finished = sandbox.bare("bash", &["-c", &script]).ended_with(1);
        finished.says("could not be written").says("nothing was changed");
        assert_eq!(snapshot(&sandbox.path("home")), before);
    }
    assert!(!sandbox.path("scfw/config.toml").exists());
}

#[test]
fn a_secret_is_in_config_toml_and_nowhere_else() {
    let sandbox = Sandbox::new();
    write(&sandbox, ".bashrc", "x=y\n");
    fs::write(sandbox.path("scfw/config.toml"), "# mine\ndeadline = 3\n").unwrap();
    let options = ["--yes", "--dd-api-logger", "--dd-api-key", KEY, "--dd-site", "eu.example"];
    configure(&sandbox, &["--yes", "--dd-api-logger"]).ended_with(0).says("has no key");
    let finished = configure(&sandbox, &options).ended_with(0).does_not_say("has no key");
    assert!(finished.stdout.contains("api_key = …cdef"), "{}", finished.stdout);
    assert!(!finished.stdout.contains(KEY) && !finished.stderr.contains(KEY));
    for (path, (_, content)) in snapshot(&sandbox.path("home")) {
        assert!(!String::from_utf8_lossy(&content).contains(KEY), "{}", path.display());
    }
    let path = sandbox.path("scfw/config.toml");
    let config = fs::read_to_string(&path).unwrap();
    assert!(config.starts_with("# mine\ndeadline = 3\n"), "{config}");
    assert!(config.contains(&format!("api_key = \"{KEY}\"")), "{config}");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    // A file that others can read is closed, even where nothing in it changes.
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    configure(&sandbox, &["--yes"]).ended_with(0);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    // What is wrong with the file is said without what is in it.
    fs::write(&path, format!("[datadog]\napi_key = \"{KEY}\nsite = 1\n")).unwrap();
    let finished = configure(&sandbox, &["--yes"]).ended_with(78).says("line 2").does_not_say("01234567");
    finished.says("nothing was changed");
    let removed = configure(&sandbox, &["--remove"]).ended_with(0);
    assert!(
        removed.stdout.contains("kept, with your settings and data") && path.exists(),
        "{}",
        removed.stdout
    );
}

#[test]
fn the_predecessors_options_are_understood() {
    let mut sandbox = Sandbox::new();
    let place = sandbox.path("elsewhere");
    let place_text = place.display().to_string();
    let options = [
        "--alias-pip", "--dd-agent-port", "10365", "--dd-log-level", "abort", "--scfw-home", &place_text,
        "--shell", "bash",
    ];
    configure(&sandbox, &options).ended_with(0);
    let config = fs::read_to_string(place.join("config.toml")).unwrap();
    for line in ["managers = [\"pip\"]", "agent_port = 10365", "log_level = \"ABORT\""] {
        assert!(config.contains(line), "{line} in {config}");
    }
    let export = format!("export SCFW_HOME='{place_text}'\n");
    assert!(fs::read_to_string(home(&sandbox, ".bashrc")).unwrap().contains(&export));
    // A later run finds that home again, also for a shell that had no block.
    sandbox.unset("SCFW_HOME");
    configure(&sandbox, &["--shell", "zsh", "--alias-pip", "--alias-npm"]).ended_with(0);
    assert!(fs::read_to_string(home(&sandbox, ".zshrc")).unwrap().contains(&export));
    assert!(!fs::read_to_string(place.join("config.toml")).unwrap().contains("managers"));
    for wrong in [
        &["--dd-log-level", "LOUD"][..],
        &["--dd-agent-port", "0"],
        &["--dd-site", "a b"],
        &["--dd-api-key", ""],
        &["--shims", "--no-shims"],
        &["--remove", "--yes"],
        &["--shell", "tcsh"],
    ] {
        configure(&sandbox, wrong).ended_with(2);
    }
}

#[test]
fn without_a_terminal_and_without_options_it_says_which_there_are() {
    let sandbox = Sandbox::new();
    configure(&sandbox, &[]).ended_with(2).says("--yes").says("--shell");
    assert!(!home(&sandbox, ".bashrc").exists());
}

#[test]
fn the_questions_are_asked_on_a_terminal() {
    let sandbox = Sandbox::new();
    let answers = [
        ("managers should scfw watch", "\r"),
        // All are proposed; the third, fish, is taken out.
        ("shells should be protected", "jj \r"),
        ("Put shims on PATH", "y"),
        ("Load the preload library", "y"),
        ("Send decisions to Datadog?", "jj\r"),
        ("Datadog API key", "0123456789abcdef0123456789abcdef\r"),
        ("Datadog site", "eu.example\r"),
        ("What should be sent?", "\r"),
    ];
    let (status, shown) = sandbox.scfw_on_terminal(&["configure"], &answers);
    assert_eq!(status, 0, "{shown}");
    assert!(!shown.contains(KEY) && shown.contains("…cdef"), "{shown}");
    let config = fs::read_to_string(sandbox.path("scfw/config.toml")).unwrap();
    // The level that is proposed is the one that there would be anyway.
    for line in ["api_logger = true", KEY, "site = \"eu.example\"", "log_level = \"BLOCK\""] {
        assert!(config.contains(line), "{line} in {config}");
    }
    assert!(fs::read_to_string(home(&sandbox, ".zshrc")).unwrap().contains("/shims'"));
    assert!(fs::read_to_string(home(&sandbox, ".zshrc")).unwrap().contains("LD_PRELOAD"));
    assert!(!home(&sandbox, ".config/fish").exists());
    let configured = snapshot(&sandbox.path("home"));
    // Asked again, what is set is proposed: enter alone changes nothing, and the key is kept.
    let mut answers = answers.map(|(question, _)| (question, "\r"));
    let (status, shown) = sandbox.scfw_on_terminal(&["configure"], &answers);
    assert_eq!(status, 0, "{shown}");
    assert_eq!(snapshot(&sandbox.path("home")), configured, "{shown}");
    assert_eq!(fs::read_to_string(sandbox.path("scfw/config.toml")).unwrap(), config);
    // A shell that is taken out loses its block.
    answers[1].1 = "j \r";
    let (status, shown) = sandbox.scfw_on_terminal(&["configure"], &answers);
    assert_eq!(status, 0, "{shown}");
    assert!(!home(&sandbox, ".zshrc").exists() && home(&sandbox, ".bashrc").exists(), "{shown}");
}

#[test]
fn an_interrupt_changes_nothing() {
    for question in ["managers should scfw watch", "Datadog API key"] {
        let sandbox = Sandbox::new();
        let all = [
            ("managers should scfw watch", "\r"),
            ("shells should be protected", "\r"),
            ("Put shims on PATH", "n"),
            ("Load the preload library", "n"),
            ("Send decisions to Datadog?", "jj\r"),
            ("Datadog API key", "\r"),
        ];
        let mut answers: Vec<_> = all.into_iter().take_while(|(text, _)| *text != question).collect();
        answers.push((question, "\u{3}"));
        let (status, shown) = sandbox.scfw_on_terminal(&["configure"], &answers);
        assert_eq!(status, 130, "{shown}");
        assert!(shown.contains("nothing was changed"), "{shown}");
        assert!(
            shown.rfind("\u{1b}[?25h") > shown.rfind("\u{1b}[?25l"),
            "the cursor is shown again: {shown:?}"
        );
        assert!(!home(&sandbox, ".bashrc").exists());
    }
}
