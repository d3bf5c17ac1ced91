//! A test's own world: servers, a home, a project folder, an environment that holds nothing else.

pub(crate) mod feeds_in_store;
pub(crate) mod formats;
mod managers;
#[macro_use]
mod matrix;
pub(crate) mod preload;
mod pseudo_terminal;
pub(crate) mod shell_cases;
pub(crate) mod sinks;
pub(crate) mod tls;
mod typing;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use scfw_world::World;
use serde_json::Value;
use tempfile::TempDir;

use pseudo_terminal::Step;

pub(crate) use managers::{NEWEST_NPM, NEWEST_PIP, OLD_PIPS, PIP_VERSIONS, UNPACKING_PIPS, pnpm_directory};
pub(crate) use matrix::NPM_VERSIONS;
pub(crate) use typing::Typing;

/// Lays the directory `$0` over /etc and goes on with the command that follows. What cannot be done is no test.
const OTHER_ETC: &str = r#"mount -t overlay scfw -o "ro,lowerdir=$0:/etc" /etc || {
  echo "this test needs root or user namespaces, to put an administrator's files into /etc" >&2
  exit 125
}
exec "$@""#;

/// Everything that one test touches; it goes with the value.
pub(crate) struct Sandbox {
    root: TempDir,
    /// The index, the registry and the feeds.
    pub(crate) world: World,
    variables: BTreeMap<OsString, OsString>,
    /// Whether there is something of an administrator's below `etc/`.
    has_system: bool,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Fails the test unless the command ended with `status`.
    #[track_caller]
    pub(crate) fn ended_with(self, status: i32) -> Self {
        assert_eq!(self.status, status, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails the test unless standard error holds `text`.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "no {text:?} in\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Fails the test if standard error holds `text`.
    #[track_caller]
    pub(crate) fn does_not_say(self, text: &str) -> Self {
        assert!(!self.stderr.contains(text), "{text:?} in\n{}", self.stderr);
        self
    }
}

impl Sandbox {
    /// A world with the newest pip and npm.
    pub(crate) fn new() -> Self {
        Self::with(NEWEST_PIP, NEWEST_NPM)
    }

    /// A world with the newest npm and that pip.
    pub(crate) fn with_pip(version: &str) -> Self {
        Self::with(version, NEWEST_NPM)
    }

    /// A world with the newest pip and that npm.
    pub(crate) fn with_npm(version: &str) -> Self {
        Self::with(NEWEST_PIP, version)
    }

    fn with(pip: &str, npm: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        for directory in ["home/npm-global/lib", "scfw", "project", "temporary"] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        let world = World::start().unwrap();
        let mut sandbox = Self { root, world, variables: BTreeMap::new(), has_system: false };
        let path = std::env::join_paths([
            managers::pip_directory(pip),
            managers::npm_directory(npm),
            managers::node_directory(npm),
            PathBuf::from("/usr/bin"),
            PathBuf::from("/bin"),
        ]);
        sandbox.set("PATH", path.unwrap());
        sandbox.set("HOME", sandbox.path("home"));
        sandbox.set("TMPDIR", sandbox.path("temporary"));
        sandbox.set("LANG", "C.UTF-8");
        sandbox.set("SCFW_HOME", sandbox.path("scfw"));
        sandbox.set("SCFW_OSV_API_URL", sandbox.world.osv_url());
        sandbox.set("SCFW_OSV_BULK_URL", sandbox.world.osv_bulk_url());
        sandbox.set("SCFW_DD_DATASET_URL", sandbox.world.datadog_url());
        sandbox.set("SCFW_DD_INTAKE_URL", sandbox.world.intake_url());
        sandbox.set("PIP_INDEX_URL", sandbox.world.index_url());
        sandbox.set("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        sandbox.set("npm_config_registry", sandbox.world.registry_url());
        sandbox.set("npm_config_cache", sandbox.path("home/npm-cache"));
        sandbox.set("npm_config_prefix", sandbox.path("home/npm-global"));
        sandbox.set("npm_config_update_notifier", "false");
        if managers::is_npm_12(npm) {
            // What earlier npms do of themselves.
            sandbox.set("npm_config_dangerously_allow_all_scripts", "true");
            sandbox.set("npm_config_allow_git", "all");
            sandbox.set("npm_config_allow_remote", "all");
        }
        sandbox
    }

    /// A path in the sandbox.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.path().join(relative)
    }

    /// A path in the project folder, in which commands run.
    pub(crate) fn project(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.path("project").join(relative)
    }

    /// Writes a file in the project folder.
    pub(crate) fn write(&self, relative: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        assert!(relative.as_ref().is_relative(), "a test writes nowhere else");
        let path = self.project(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Writes a file of the administrator's, below /etc/scfw for all commands to come. They are the very programs that
    /// are shipped, so they run where /etc is another: in a mount namespace, which takes root or unprivileged user
    /// namespaces. Where neither is to be had, every command of this sandbox fails, and says so.
    pub(crate) fn administer(&mut self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        self.has_system = true;
        let path = self.path("etc/scfw").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        for directory in [self.path("etc"), self.path("etc/scfw"), path.parent().unwrap().to_owned()] {
            fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        path
    }

    /// Sets a variable for all commands to come.
    pub(crate) fn set(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.variables.insert(name.into(), value.as_ref().to_owned());
    }

    /// Unsets a variable for all commands to come.
    pub(crate) fn unset(&mut self, name: &str) {
        self.variables.remove(OsStr::new(name));
    }

    /// The value of a variable.
    pub(crate) fn variable(&self, name: &str) -> OsString {
        self.variables.get(OsStr::new(name)).cloned().unwrap_or_default()
    }

    /// A file that does not exist yet, for a canary to write to.
    pub(crate) fn canary(&self, name: &str) -> PathBuf {
        self.path(format!("canary-{name}"))
    }

    /// Whether anything has run that must not have.
    pub(crate) fn has_sung(&self) -> bool {
        fs::read_dir(self.root.path())
            .unwrap()
            .any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with("canary-"))
    }

    /// Names below a folder of the project, sorted.
    pub(crate) fn list(&self, relative: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.project(relative)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// What is left in the temporary directory.
    pub(crate) fn temporary_files(&self) -> Vec<PathBuf> {
        // node keeps its compile cache there, which is none of the install's.
        let is_left = |path: &PathBuf| !path.ends_with("node-compile-cache");
        fs::read_dir(self.path("temporary"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(is_left)
            .collect()
    }

    /// Runs `scfw-hook` with `arguments`, without a terminal.
    pub(crate) fn hook(&self, arguments: &[&str]) -> Finished {
        self.finish(self.command(binary("scfw-hook"), arguments))
    }

    /// Runs `scfw` with `arguments`, without a terminal.
    pub(crate) fn scfw(&self, arguments: &[&str]) -> Finished {
        self.finish(self.command(binary("scfw"), arguments))
    }

    /// Runs `scfw` and gives it `input`.
    pub(crate) fn scfw_with_input(&self, arguments: &[&str], input: &[u8]) -> Finished {
        self.with_input(binary("scfw"), arguments, input)
    }

    /// Runs `scfw-hook` and gives it `input`.
    pub(crate) fn hook_with_input(&self, arguments: &[&str], input: &[u8]) -> Finished {
        self.with_input(binary("scfw-hook"), arguments, input)
    }

    /// Runs a program of the sandbox's `PATH` as it would run without scfw.
    pub(crate) fn bare(&self, program: &str, arguments: &[&str]) -> Finished {
        self.finish(self.command(program, arguments))
    }

    /// Runs a program of the sandbox's `PATH` as it would run without scfw, and gives it `input`.
    pub(crate) fn bare_with_input(&self, program: &str, arguments: &[&str], input: &[u8]) -> Finished {
        self.with_input(PathBuf::from(program), arguments, input)
    }

    /// A command in the project folder, with the sandbox's variables and no terminal.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = self.program(&self.resolve(program.as_ref()));
        command
            .args(arguments)
            .env_clear()
            .envs(&self.variables)
            .current_dir(self.path("project"))
            .stdin(Stdio::null());
        pseudo_terminal::without_terminal(&mut command);
        command
    }

    /// Runs a command to its end.
    #[expect(clippy::unused_self, reason = "a command of a sandbox is finished while the sandbox is there")]
    pub(crate) fn finish(&self, mut command: Command) -> Finished {
        finished(&command.output().unwrap())
    }

    /// Runs `scfw-hook` on a terminal, on which `answer` is typed once `question` stands there, or without one the
    /// terminal goes away. Gives the exit status and everything the terminal showed.
    pub(crate) fn on_terminal(
        &self,
        arguments: &[&str],
        question: &str,
        answer: Option<&str>,
    ) -> (i32, String) {
        pseudo_terminal::run(
            self.terminal_command(arguments),
            &[(question, answer.map_or(Step::Leave, Step::Type))],
        )
    }

    /// The same, where `typed` is typed once `early` stands there, and the terminal goes away once `late` does.
    pub(crate) fn on_terminal_then_gone(
        &self,
        arguments: &[&str],
        early: &str,
        typed: &str,
        late: &str,
    ) -> (i32, String) {
        let steps = [(early, Step::Type(typed)), (late, Step::Leave)];
        pseudo_terminal::run(self.terminal_command(arguments), &steps)
    }

    /// Runs `scfw` on a terminal, on which each answer is typed once its question stands there.
    pub(crate) fn scfw_on_terminal(&self, arguments: &[&str], answers: &[(&str, &str)]) -> (i32, String) {
        let steps: Vec<_> =
            answers.iter().map(|(question, answer)| (*question, Step::TypeUnechoed(answer))).collect();
        pseudo_terminal::run(self.on_terminal_command("scfw", arguments), &steps)
    }

    /// Starts `program` on a terminal of its own, to type to.
    pub(crate) fn typing(&self, program: &str, arguments: &[&str]) -> Typing {
        let mut command = Command::new(self.resolve(OsStr::new(program)));
        command.args(arguments).env_clear().envs(&self.variables).current_dir(self.path("project"));
        Typing::start(command)
    }

    /// A command for `program`, in the sandbox's own /etc where it has one.
    fn program(&self, program: &Path) -> Command {
        if !self.has_system {
            return Command::new(program);
        }
        let mut command = Command::new("/usr/bin/unshare");
        if !nix::unistd::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        command.args(["--mount", "/bin/sh", "-c", OTHER_ETC]).arg(self.path("etc")).arg(program);
        command
    }

    fn terminal_command(&self, arguments: &[&str]) -> Command {
        self.on_terminal_command("scfw-hook", arguments)
    }

    fn on_terminal_command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = self.program(&binary(program));
        command.args(arguments).env_clear().envs(&self.variables).current_dir(self.path("project"));
        command
    }

    /// The records in the file log.
    pub(crate) fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("scfw/scfw.log")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Whether the index or the registry was asked about `name`.
    pub(crate) fn was_asked_for(&self, name: &str) -> bool {
        use scfw_world::Service;
        let requests = self.world.requests();
        requests.iter().any(|request| {
            matches!(request.service, Service::Index | Service::Registry) && request.mentions(name)
        })
    }

    /// The requests of scfw itself to the index and the registry, by their paths.
    pub(crate) fn asked_by_scfw(&self) -> Vec<String> {
        use scfw_world::Service;
        let requests = self.world.requests().into_iter().filter(|request| {
            matches!(request.service, Service::Index | Service::Registry)
                && request.header("user-agent").is_some_and(|agent| agent.starts_with("scfw/"))
        });
        let mut paths: Vec<String> = requests.map(|request| request.path).collect();
        paths.sort();
        paths
    }

    fn with_input(&self, program: PathBuf, arguments: &[&str], input: &[u8]) -> Finished {
        let mut command = self.command(program, arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // One that ends before it has read everything is what some tests are about.
        child.stdin.take().unwrap().write_all(input).ok();
        finished(&child.wait_with_output().unwrap())
    }

    fn resolve(&self, program: &OsStr) -> PathBuf {
        if Path::new(program).components().count() > 1 {
            return PathBuf::from(program);
        }
        let path = self.variable("PATH");
        std::env::split_paths(&path)
            .map(|directory| directory.join(program))
            .find(|candidate| candidate.is_file())
            .unwrap_or_else(|| panic!("{} is not on the sandbox's PATH", program.display()))
    }
}

fn finished(output: &Output) -> Finished {
    Finished {
        // A signal as a shell shows it.
        status: output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or_default()),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A time so many hours ago and half a minute more, as registries write it.
pub(crate) fn hours_ago(hours: i64) -> String {
    let age = jiff::SignedDuration::from_hours(hours) + jiff::SignedDuration::from_secs(30);
    (jiff::Timestamp::now() - age).to_string()
}

/// A binary of the workspace, built with the tests.
pub(crate) fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let directory = own.parent().and_then(Path::parent).unwrap();
    let path = directory.join(name);
    assert!(
        path.is_file(),
        "{} is not built: run `cargo build --workspace` first, as test.sh does",
        path.display()
    );
    path
}

/// Replaces the program of `command` by itself under another `argv[0]`.
pub(crate) fn called_as(mut command: Command, name: &str) -> Command {
    command.arg0(name);
    command
}
