//! The start-up files of the shells: their places, and the words of the block in them. `scfw_core::rc_file` puts a
//! block into a file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use scfw_core::env;
use scfw_core::env::Variables;
use scfw_core::files::{Kept, read_kept};
use scfw_core::rc_file;

use crate::files::transaction::follow;
use crate::process::Process;
use crate::shells::shell::Shell;
use crate::shells::shield::Shield;

/// The largest start-up file that is read, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;
/// The candidates for a login bash, which reads the first that exists.
const LOGIN: [&str; 3] = [".bash_profile", ".bash_login", ".profile"];

/// Keeps the status that the block finds.
const STATUS: &str = "__scfw_before=$?\n";
/// Puts the shims first on `PATH`, and only there, however often it is read.
const SHIMS: &str = include_str!("../../../shell/block-shims.sh");
/// Turns the integration on in bash and zsh; a bash that is called sh has no place for it.
const INIT: &str = include_str!("../../../shell/block.sh");
/// Loads the preload library into programs that the shell starts.
const PRELOAD: &str = include_str!("../../../shell/block-preload.sh");
/// The same in fish.
const PRELOAD_FISH: &str = include_str!("../../../shell/block-preload.fish");
/// Turns the integration on in fish.
const INIT_FISH: &str = include_str!("../../../shell/block.fish");

/// The places of one user's start-up files.
#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "HOME is what the field is called everywhere")]
pub struct Home {
    home: PathBuf,
    zsh: PathBuf,
    configuration: PathBuf,
}

/// The parts of the block.
#[derive(Debug)]
pub struct Integration {
    scfw: PathBuf,
    scripts: PathBuf,
    shims: Option<PathBuf>,
    shield: Option<Shield>,
    scfw_home: Option<PathBuf>,
}

/// The change to one file.
#[derive(Debug)]
pub struct Change {
    /// The file, by the name under which the shell knows it.
    pub path: PathBuf,
    /// Its content; none if it does not exist.
    pub before: Option<Vec<u8>>,
    /// Its new content.
    pub after: Option<Vec<u8>>,
}

impl Change {
    /// Whether anything is to be done at all.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        self.before != self.after
    }
}

/// Whether a block stands in a file of this shell, so that new shells ought to be protected.
#[must_use]
pub fn is_configured(process: &Process, shell: Shell) -> bool {
    Home::from_environment(&|name| process.variable(name))
        .is_ok_and(|home| home.configured().contains(&shell))
}

/// Whether the blocks load the preload library.
#[must_use]
pub fn exports_preload(process: &Process) -> bool {
    Home::from_environment(&|name| process.variable(name))
        .and_then(|home| home.exports())
        .is_ok_and(|exports| exports.contains_key(env::SCFW_SHIM_HOOK))
}

/// Whether a block puts the shims in `directory` on `PATH`.
#[must_use]
pub fn puts_on_path(process: &Process, directory: &Path) -> bool {
    Home::from_environment(&|name| process.variable(name))
        .and_then(|home| home.shims())
        .is_ok_and(|shims| shims.contains(directory))
}

/// The files whose block is of another installation than `scfw`, or of the predecessor's.
#[must_use]
pub fn stale(process: &Process, scfw: &Path) -> Vec<PathBuf> {
    let Ok(home) = Home::from_environment(&|name| process.variable(name)) else { return Vec::new() };
    let is_stale = |(shell, path): &(Shell, PathBuf)| {
        let own = shell.quote(scfw);
        read(path).ok().flatten().is_some_and(|content| {
            rc_file::has_block(&content) && !String::from_utf8_lossy(&content).contains(&own)
        })
    };
    let known =
        Shell::ALL.into_iter().flat_map(|shell| home.known(shell).into_iter().map(move |path| (shell, path)));
    known.filter(is_stale).map(|(_, path)| path).collect()
}

impl Home {
    /// `HOME`, `ZDOTDIR` and `XDG_CONFIG_HOME`.
    pub fn from_environment(variable: Variables<'_>) -> Result<Self> {
        let directory = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let Some(home) = directory("HOME") else {
            bail!("HOME is not set, so it is not known whose start-up files to change");
        };
        if !home.is_dir() {
            bail!("HOME is {}, which is no folder", home.display());
        }
        let home = std::path::absolute(&home).context("HOME could not be made absolute")?;
        Ok(Self {
            zsh: directory("ZDOTDIR").unwrap_or_else(|| home.clone()),
            configuration: directory("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config")),
            home,
        })
    }

    /// Every file in which the block for `shell` could stand, now or from other days.
    #[must_use]
    pub fn known(&self, shell: Shell) -> Vec<PathBuf> {
        let fish = |configuration: &Path| configuration.join("fish/conf.d/scfw.fish");
        match shell {
            Shell::Bash => {
                let names = [".bashrc"].into_iter().chain(LOGIN);
                names.map(|name| self.home.join(name)).collect()
            }
            Shell::Zsh => vec![self.zsh.join(".zshrc"), self.home.join(".zshrc")],
            Shell::Fish => vec![fish(&self.configuration), fish(&self.home.join(".config"))],
        }
    }

    /// The files in which the block for `shell` belongs.
    pub fn wanted(&self, shell: Shell) -> Result<Vec<PathBuf>> {
        let mut files = vec![self.known(shell).swap_remove(0)];
        if shell == Shell::Bash {
            files.extend(self.login_file()?);
        }
        Ok(files)
    }

    /// The file that a login bash reads, unless that reads `.bashrc` in turn. If there is none, `.profile`: either of
    /// the others would hide a `.profile` that comes later.
    fn login_file(&self) -> Result<Option<PathBuf>> {
        let mut existing = LOGIN.iter().map(|name| self.home.join(name)).filter(|path| path.exists());
        let file = existing.next().unwrap_or_else(|| self.home.join(".profile"));
        Ok((!self.reads_bashrc(&file)?).then_some(file))
    }

    fn reads_bashrc(&self, file: &Path) -> Result<bool> {
        let bashrc = self.home.join(".bashrc");
        if follow(file).ok() == follow(&bashrc).ok() {
            return Ok(true);
        }
        let Some(content) = read(file)? else { return Ok(false) };
        let content = rc_file::without_block(&content).ok().flatten().unwrap_or_default();
        let text = String::from_utf8_lossy(&content);
        let mentions =
            |name| text.lines().any(|line| !line.trim_start().starts_with('#') && line.contains(name));
        let profile = self.home.join(".profile");
        // Only a file that is not `.profile` leads there, so this ends.
        Ok(mentions("/.bashrc")
            || (file != profile && mentions("/.profile") && self.reads_bashrc(&profile)?))
    }

    /// The changes to the files of all these shells: those in `with` get the block of `integration`, those in
    /// `without` lose theirs, and so do files in which a block would have no effect.
    pub fn plan(&self, with: &[Shell], without: &[Shell], integration: &Integration) -> Result<Vec<Change>> {
        let mut changes: BTreeMap<PathBuf, Change> = BTreeMap::new();
        for shell in with {
            for path in self.wanted(*shell)? {
                let before = read(&path)?;
                let after = rc_file::with_block(before.as_deref(), &integration.block(*shell));
                let after = Some(after.with_context(|| path.display().to_string())?);
                changes.entry(resolve(&path)?).or_insert(Change { path, before, after });
            }
        }
        for path in with.iter().chain(without).flat_map(|shell| self.known(*shell)) {
            let Some(before) = read(&path)? else { continue };
            let after = rc_file::without_block(&before).with_context(|| path.display().to_string())?;
            changes.entry(resolve(&path)?).or_insert(Change { path, before: Some(before), after });
        }
        Ok(changes.into_values().collect())
    }

    /// The shells with a block in their files. A file that cannot be read has none.
    #[must_use]
    pub fn configured(&self) -> Vec<Shell> {
        let has_block =
            |path: &PathBuf| read(path).ok().flatten().is_some_and(|content| rc_file::has_block(&content));
        Shell::ALL.into_iter().filter(|shell| self.known(*shell).iter().any(has_block)).collect()
    }

    /// The folders of shims that blocks put on `PATH`.
    pub fn shims(&self) -> Result<BTreeSet<PathBuf>> {
        let mut shims = BTreeSet::new();
        for path in Shell::ALL.iter().flat_map(|shell| self.known(*shell)) {
            shims.extend(read(&path)?.and_then(|content| rc_file::shims(&content)).map(PathBuf::from));
        }
        Ok(shims)
    }

    /// The variables that blocks export, from all files.
    pub fn exports(&self) -> Result<BTreeMap<String, String>> {
        let mut exports = BTreeMap::new();
        for path in Shell::ALL.iter().flat_map(|shell| self.known(*shell)) {
            for (name, value) in read(&path)?.map(|content| rc_file::exports(&content)).unwrap_or_default() {
                exports.entry(name).or_insert(value);
            }
        }
        Ok(exports)
    }
}

impl Integration {
    /// A block that reads the integration from `scripts` and has `scfw` write it there, with the folder of the PATH
    /// shims, the preload library and `SCFW_HOME` if they are given.
    pub fn new(
        scfw: PathBuf,
        scripts: PathBuf,
        shims: Option<PathBuf>,
        shield: Option<Shield>,
        scfw_home: Option<PathBuf>,
    ) -> Result<Self> {
        let shielding = shield.iter().flat_map(|shield| [&shield.library, &shield.hook]);
        let others = [Some(&scfw), Some(&scripts), shims.as_ref(), scfw_home.as_ref()];
        for path in others.into_iter().flatten().chain(shielding) {
            if path.to_str().is_none_or(|text| text.contains(char::is_control)) {
                bail!(
                    "the path {} cannot be written to a shell's start-up file; choose one in plain text",
                    path.display()
                );
            }
        }
        if let Some(shims) = &shims
            && shims.to_string_lossy().contains(':')
        {
            bail!("the path {} cannot stand on PATH, for it has a colon", shims.display());
        }
        Ok(Self { scfw, scripts, shims, shield, scfw_home })
    }

    /// The lines of the block for `shell`. What bash and zsh get is one and the same, and any shell of the POSIX
    /// kind can read it: display managers read `.profile`, and some people's `.zshrc` is their `.bashrc`. It ends
    /// with the status that it found, or with 0 under `set -e`, where another would end the shell.
    #[must_use]
    pub fn block(&self, shell: Shell) -> Vec<String> {
        let quoted = |path: &Path| shell.quote(path);
        let message = format!(
            "scfw: {} is gone, so installs are not checked here; install scfw again, or delete the lines from BEGIN \
             to END SCFW MANAGED BLOCK in the start-up files of your shell",
            self.scfw.display()
        );
        let message = quoted(Path::new(&message));
        let scfw = quoted(&self.scfw);
        let scripts = quoted(&self.scripts);
        let shims = self.shims.as_deref().map(quoted);
        let library = self.shield.as_ref().map(|shield| quoted(&shield.library));
        let hook = self.shield.as_ref().map(|shield| quoted(&shield.hook));
        let home = self.scfw_home.as_deref().map(|home| (env::SCFW_HOME, quoted(home)));
        let values = [
            ("SCFW", scfw.as_str()),
            ("SCRIPTS", &scripts),
            ("MESSAGE", &message),
            ("SHIMS", shims.as_deref().unwrap_or_default()),
            ("LIBRARY", library.as_deref().unwrap_or_default()),
            ("HOOK", hook.as_deref().unwrap_or_default()),
        ];
        let block = if shell == Shell::Fish {
            [
                None,
                home.map(|(name, value)| format!("set -gx {name} {value}\n")),
                shims.as_ref().map(|shims| format!("{}{shims}\n", rc_file::SHIMS[1])),
                library.as_ref().map(|_| fill(PRELOAD_FISH, &values)),
                Some(fill(INIT_FISH, &values)),
            ]
        } else {
            [
                Some(STATUS.to_owned()),
                home.map(|(name, value)| format!("export {name}={value}\n")),
                shims.as_ref().map(|_| fill(SHIMS, &values)),
                library.as_ref().map(|_| fill(PRELOAD, &values)),
                Some(fill(INIT, &values)),
            ]
        };
        let block: String = block.into_iter().flatten().collect();
        block.lines().map(str::to_owned).collect()
    }
}

/// `template` with every `'@NAME@'` replaced by the value of that name, in one pass, whatever the values hold, and
/// without the lines that are for the linter.
pub(crate) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let value_of = |piece| values.iter().find(|(name, _)| *name == piece).map_or(piece, |(_, value)| *value);
    let lines = template.split_inclusive('\n').filter(|line| !line.starts_with("# shellcheck"));
    let template: String = lines.collect();
    // The text between two marks is a name, or it is not replaced.
    let pieces = template.split("'@").flat_map(|piece| piece.split("@'"));
    pieces.enumerate().map(|(index, piece)| if index % 2 == 0 { piece } else { value_of(piece) }).collect()
}

/// The content of a file, or none if it does not exist.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    read_kept(path, Kept::Anyhow, LARGEST).with_context(|| format!("{} could not be read", path.display()))
}

fn resolve(path: &Path) -> Result<PathBuf> {
    follow(path).with_context(|| format!("{} could not be followed", path.display()))
}
