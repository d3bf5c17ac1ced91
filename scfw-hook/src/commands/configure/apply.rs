//! The setup, done: start-up files, config.toml and shims, all of them or none.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use scfw_core::config::{self, Directories, Policy, Settings};
use scfw_core::env;
use scfw_core::files::{Kept, create_private, make_private, read_text};
use scfw_core::text::sanitise;

use super::inheritance::Inheritance;
use super::{Wishes, datadog};
use crate::exit::Exit;
use crate::files::config_file::{Setting, edit};
use crate::files::transaction::Transaction;
use crate::process::Process;
use crate::process::locate::scfw_program;
use crate::shells::coverage::uncovered;
use crate::shells::rc_files::{Change, Home, Integration};
use crate::shells::required_routes::{Removal, refuse_removal};
use crate::shells::shell::{Shell, scripts_directory};
use crate::shells::shield::{PRELOAD, Shield, leaving_line};
use crate::shells::shims;
use crate::terminal::output;

/// A secret may stand in it.
const CONFIG_MODE: u32 = 0o600;

/// The state before anything is changed.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) home: Home,
    /// `SCFW_HOME` as the blocks of the start-up files set it for every new shell.
    exported_home: Option<PathBuf>,
    /// Whether they put shims on `PATH`, in whatever folder.
    pub(super) has_shims: bool,
    /// Whether they load the preload library.
    pub(super) has_preload: bool,
}

impl Setup {
    pub(super) fn from_environment(process: &Process) -> Result<Self> {
        // If files may not grow, writing has to fail instead of ending this process.
        #[expect(unsafe_code, reason = "ignoring a signal installs no handler that could misbehave")]
        unsafe {
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        }
        let home = Home::from_environment(&|name| process.variable(name))?;
        let mut exports = home.exports()?;
        let exported_home = exports.remove(env::SCFW_HOME).map(PathBuf::from);
        Ok(Self {
            // An expansion that only a shell could do is none that is known here.
            exported_home: exported_home.filter(|path| path.is_absolute()),
            has_shims: !home.shims()?.is_empty(),
            has_preload: exports.contains_key(env::SCFW_SHIM_HOOK),
            home,
        })
    }

    /// Where scfw keeps its things, if `chosen` is to be its home.
    fn directories(&self, process: &Process, chosen: Option<&Path>) -> Result<Directories> {
        let home = match chosen {
            Some(chosen) => Some(OsString::from(chosen)),
            None => process
                .variable(env::SCFW_HOME)
                .filter(|home| !home.is_empty())
                .or_else(|| self.exported_home.clone().map(OsString::from)),
        };
        Directories::resolve(&|name| home.clone().filter(|_| name == env::SCFW_HOME))
            .ok_or_else(|| config::ConfigError::NoHome.into())
    }

    /// The settings of the file alone, which has to be valid before it is changed, and whether there is a network.
    pub(super) fn settings(&self, process: &Process, chosen: Option<&Path>) -> Result<Settings> {
        let directories = self.directories(process, chosen)?;
        let home = OsString::from(&directories.config);
        let mut settings = Settings::load(&|name| match name {
            env::SCFW_HOME => Some(home.clone()),
            env::SCFW_OFFLINE => process.variable(name),
            _ => None,
        })?;
        settings.directories = directories;
        Ok(settings)
    }
}

/// The shells on `PATH`.
pub(super) fn installed_shells(process: &Process) -> Vec<Shell> {
    let path = process.variable("PATH").unwrap_or_default();
    let is_installed =
        |shell: &Shell| std::env::split_paths(&path).any(|directory| directory.join(shell.name()).is_file());
    Shell::ALL.into_iter().filter(is_installed).collect()
}

pub(super) fn apply(process: &Process, setup: &Setup, wishes: Wishes) -> Result<Exit> {
    let removal = Removal {
        shells: &wishes.dropped,
        shims: wishes.shims == Some(false),
        preload: wishes.preload == Some(false),
    };
    refuse_removal(process, &Policy::installed()?, removal)?;
    let scfw_home = match &wishes.scfw_home {
        Some(home) => Some(std::path::absolute(home).context("the directory for scfw could not be found")?),
        None => None,
    };
    let known = setup.settings(process, scfw_home.as_deref())?;
    let directories = known.directories.clone();
    let were_there = shims::are_there(&directories.data);
    // Shells may have lost their blocks, and scfw may move to another folder: neither takes the shims down.
    let has_shims = wishes.shims.unwrap_or(were_there || setup.has_shims);
    let scfw = scfw_program(process)
        .ok_or_else(|| anyhow!("scfw is not beside its own program; install it again"))?;
    let shield =
        if wishes.preload.unwrap_or(setup.has_preload) { Some(usable_shield(process)?) } else { None };
    let integration = Integration::new(
        scfw,
        scripts_directory(&directories.data),
        has_shims.then(|| shims::directory(&directories.data)),
        shield.clone(),
        scfw_home.or_else(|| setup.exported_home.clone()),
    )?;
    let changes = setup.home.plan(&wishes.shells, &wishes.dropped, &integration)?;
    let predecessors = Inheritance::of(&changes);
    if !wishes.offline && !known.feeds.offline {
        datadog::check_key(process, &known.telemetry.datadog, &predecessors.settings, &wishes.settings)?;
    }
    let mut settings = predecessors.settings;
    settings.extend(wishes.settings);
    let wanted = settings.clone();
    let agent_file = datadog::agent_file(process, &wanted)?;

    let mut transaction = Transaction::default();
    let written = stage_config(&mut transaction, &directories.config, settings)?;
    stage_changes(&mut transaction, &changes)?;
    if has_shims {
        shims::install(process, &directories.data)
            .with_context(|| format!("the shims in {} could not be made", directories.data.display()))?;
    }
    if let Err(error) = transaction.commit() {
        if has_shims && !were_there {
            remove_shims(&directories.data);
        }
        return Err(error);
    }
    if !has_shims {
        remove_shims(&directories.data);
    }
    // They may be of another installation. The next shells write theirs.
    remove_scripts(&directories.data);

    tell(&changes);
    if has_shims {
        say_of(&shims::directory(&directories.data), "first on PATH in new shells");
    }
    if let Some(shield) = &shield {
        say_of(&shield.library, "loaded into what new shells start");
    }
    for setting in &written {
        say_of(&directories.config.join(config::FILE_NAME), &setting.to_string());
    }
    for sentence in predecessors.left_behind {
        output::say(&sentence);
    }
    if lacks_key(process, setup, wishes.scfw_home.as_deref()) {
        output::say("logging to Datadog's API is on and has no key: give --dd-api-key, or set DD_API_KEY");
    }
    if wishes.preload == Some(false) {
        suggest_leaving_preload(process);
    }
    let agent = datadog::tell_agent(process, &wanted, agent_file.as_deref());
    if let Ok(settings) = setup.settings(process, wishes.scfw_home.as_deref()) {
        tell_uncovered(process, &settings);
    }
    suggest_new_shell(process, &changes);
    Ok(agent)
}

/// The preload library, if programs start under it: in the start-up files it must not keep a shell from starting.
fn usable_shield(process: &Process) -> Result<Shield> {
    let shield = Shield::installed(process)?;
    shield.probe()?;
    Ok(shield)
}

pub(super) fn remove(process: &Process, setup: &Setup) -> Result<Exit> {
    refuse_removal(
        process,
        &Policy::installed()?,
        Removal { shells: &Shell::ALL, shims: true, preload: true },
    )?;
    let integration = Integration::new(PathBuf::new(), PathBuf::new(), None, None, None)?;
    let changes = setup.home.plan(&[], &Shell::ALL, &integration)?;
    let mut transaction = Transaction::default();
    stage_changes(&mut transaction, &changes)?;
    let directories = setup.directories(process, None)?;
    transaction.commit()?;
    remove_shims(&directories.data);
    let session_shims = shims::session_directory(&directories.data);
    if let Err(error) = shims::remove(&session_shims) {
        output::say(&format!("{} could not be removed ({error})", session_shims.display()));
    }
    remove_scripts(&directories.data);
    tell(&changes);
    suggest_leaving_preload(process);
    let agent = datadog::release_agent(process);
    suggest_new_shell(process, &changes);
    for directory in [&directories.config, &directories.data] {
        // One that is empty holds no data; this removes no other.
        fs::remove_dir(directory).ok();
        if directory.is_dir() {
            say_of(directory, "kept, with your settings and data; delete it if you want nothing left");
        }
        if directories.config == directories.data {
            break;
        }
    }
    Ok(agent)
}

/// Whether Datadog's API would be logged to without a key.
fn lacks_key(process: &Process, setup: &Setup, scfw_home: Option<&Path>) -> bool {
    let has_variable = process.variable(env::DD_API_KEY).is_some_and(|key| !key.is_empty());
    let datadog = setup.settings(process, scfw_home).map(|settings| settings.telemetry.datadog);
    !has_variable && datadog.is_ok_and(|datadog| datadog.api_logger && datadog.api_key.is_none())
}

/// Prepares config.toml; what is going to be different in it.
fn stage_config(
    transaction: &mut Transaction,
    directory: &Path,
    settings: Vec<Setting>,
) -> Result<Vec<Setting>> {
    let path = directory.join(config::FILE_NAME);
    let text = read_text(&path, Kept::Privately, config::LARGEST)
        .map_err(|problem| anyhow!("{} {problem}", path.display()))?
        .unwrap_or_default();
    let (edited, changed) = edit(&text, settings)?;
    let is_open = fs::metadata(&path).is_ok_and(|metadata| metadata.mode() & 0o077 != 0);
    if edited != text || (is_open && config::holds_secret(&edited)) {
        create_private(directory)
            .with_context(|| format!("the folder {} could not be made", directory.display()))?;
        transaction.stage(&path, Some(edited.as_bytes()), Some(CONFIG_MODE))?;
    }
    Ok(changed)
}

fn stage_changes(transaction: &mut Transaction, changes: &[Change]) -> Result<()> {
    for change in changes.iter().filter(|change| change.is_needed()) {
        if change.after.is_some() && change.before.is_none() {
            let folder = change.path.parent().unwrap_or(Path::new("/"));
            make_private(folder)
                .with_context(|| format!("the folder {} could not be made", folder.display()))?;
        }
        transaction.stage(&change.path, change.after.as_deref(), None)?;
    }
    Ok(())
}

/// Without a block that names them, shims do nothing, so one that stays is worth a word and no more.
fn remove_shims(data: &Path) {
    if !shims::are_there(data) {
        return;
    }
    let directory = shims::directory(data);
    match shims::remove(&directory) {
        Ok(()) => say_of(&directory, "removed"),
        Err(error) => output::say(&format!("{} could not be removed ({error})", directory.display())),
    }
}

/// The integration as shells have saved it. Where it stays, no block reads it or `scfw status` names it.
fn remove_scripts(data: &Path) {
    for shell in Shell::ALL {
        fs::remove_file(shell.saved_script(data)).ok();
    }
    // The directory stays where others have put something there.
    fs::remove_dir(scripts_directory(data)).ok();
}

/// Names the managers on this machine that scfw leaves alone.
fn tell_uncovered(process: &Process, settings: &Settings) {
    for manager in uncovered(process, Some(settings)) {
        output::print(&format!("{}\n", sanitise(&manager.to_string())));
    }
}

/// Reports the change to each file.
fn tell(changes: &[Change]) {
    for change in changes {
        let has_block =
            |content: &Option<Vec<u8>>| content.as_deref().is_some_and(scfw_core::rc_file::has_block);
        let what = match (&change.before, &change.after) {
            (before, after) if before == after && has_block(after) => "is as it should be",
            (before, after) if before == after => continue,
            (None, _) => "created, with the block of scfw",
            (_, None) => "deleted, for scfw had created it",
            (before, after) if has_block(before) && has_block(after) => "block replaced",
            (_, after) if has_block(after) => "block added",
            _ => "block removed",
        };
        say_of(&change.path, what);
    }
}

/// A shell reads its files when it starts.
fn suggest_new_shell(process: &Process, changes: &[Change]) {
    if changes.iter().any(Change::is_needed) {
        output::print(&format!("open a new shell, or run: exec {}\n", own_shell(process).name()));
    }
}

/// What is in the environment of a running shell, its start-up files do not take out again, and a new one that it
/// starts inherits it.
fn suggest_leaving_preload(process: &Process) {
    let present = process.variable(PRELOAD);
    if let Some(line) = leaving_line(own_shell(process), present.as_deref()) {
        output::print(&format!(
            "this shell still loads the preload library into what it starts, a new shell included; first run: {line}\n\
             programs that are running keep it until they end\n"
        ));
    }
}

/// The user's shell, as far as the environment tells.
fn own_shell(process: &Process) -> Shell {
    let own = process.variable("SHELL").map(PathBuf::from).unwrap_or_default();
    let is_own = |shell: &Shell| own.file_name().is_some_and(|name| name == shell.name());
    Shell::ALL.into_iter().find(is_own).unwrap_or(Shell::Bash)
}

pub(super) fn say_of(path: &Path, what: &str) {
    output::print(&format!("{}: {}\n", sanitise(&path.to_string_lossy()), sanitise(what)));
}
