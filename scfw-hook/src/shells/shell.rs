//! The shells that scfw integrates with.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use scfw_core::files::{Kept, read_text};

use crate::shells::rc_files::fill;
use crate::shells::{names, shims};

/// The largest saved script that is read, in bytes.
const LARGEST_SCRIPT: u64 = 1024 * 1024;

/// A shell with an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU bash.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
}

impl Shell {
    /// Every shell there is.
    pub const ALL: [Self; 3] = [Self::Bash, Self::Zsh, Self::Fish];

    /// The name of its program.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }

    /// The integration that this shell evaluates when it starts: its functions call `hook`, its `scfw` calls `scfw`,
    /// and fish has `session_shims` first on `PATH`.
    #[must_use]
    pub fn init_script(self, hook: &Path, scfw: &Path, session_shims: &Path) -> String {
        let script = match self {
            Self::Bash => include_str!("../../../shell/init.bash"),
            Self::Zsh => include_str!("../../../shell/init.zsh"),
            Self::Fish => include_str!("../../../shell/init.fish"),
        };
        let [hook, scfw, session_shims] = [hook, scfw, session_shims].map(|path| self.quote(path));
        let names = names::placeholders(self);
        let mut values = vec![
            ("SCFW_HOOK", hook.as_str()),
            ("SCFW_PROGRAM", &scfw),
            ("SCFW_SESSION_SHIMS", &session_shims),
        ];
        values.extend(names.iter().map(|(placeholder, value)| (*placeholder, value.as_str())));
        fill(script, &values)
    }

    /// The file below the data directory from which new shells read the integration.
    #[must_use]
    pub fn saved_script(self, data: &Path) -> PathBuf {
        scripts_directory(data).join(format!("init.{}", self.name()))
    }

    /// The line that loads the integration, for the shell's own configuration.
    #[must_use]
    pub fn init_line(self, scfw: &Path) -> String {
        let scfw = self.quote(scfw);
        match self {
            Self::Bash | Self::Zsh => format!("eval \"$({scfw} init {})\"", self.name()),
            Self::Fish => format!("{scfw} init fish | source"),
        }
    }

    /// `path` as one word of this shell, whatever characters it holds.
    #[must_use]
    pub fn quote(self, path: &Path) -> String {
        let text = path.to_string_lossy();
        match self {
            // The quote alone has a meaning inside single quotes.
            Self::Bash | Self::Zsh => format!("'{}'", text.replace('\'', r"'\''")),
            // fish reads `\\` and `\'` there.
            Self::Fish => format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'")),
        }
    }
}

/// The saved scripts that differ from those that `scfw` would print now.
#[must_use]
pub fn stale_scripts(data: &Path, hook: &Path, scfw: &Path) -> Vec<PathBuf> {
    let is_stale = |shell: &Shell| {
        let script = shell.init_script(hook, scfw, &session_shims(Some(data)));
        match read_text(&shell.saved_script(data), Kept::Privately, LARGEST_SCRIPT) {
            Ok(saved) => saved.is_some_and(|saved| saved != script),
            // The script is sourced by the next shell, or stops it.
            Err(_) => true,
        }
    };
    Shell::ALL.iter().filter(|shell| is_stale(shell)).map(|shell| shell.saved_script(data)).collect()
}

/// The session shims below the data directory as `PATH` can hold them, or an empty path.
#[must_use]
pub fn session_shims(data: Option<&Path>) -> PathBuf {
    let directory = data.map(shims::session_directory).unwrap_or_default();
    let is_usable = directory.to_str().is_some_and(|path| !path.contains([':', '\n']));
    if is_usable { directory } else { PathBuf::new() }
}

/// The directory of the saved scripts below the data directory.
#[must_use]
pub fn scripts_directory(data: &Path) -> PathBuf {
    data.join("shell")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_one_word_in_every_shell() {
        let path = Path::new(r"/a b/it's $HOME\x");
        assert_eq!(Shell::Bash.quote(path), r"'/a b/it'\''s $HOME\x'");
        assert_eq!(Shell::Fish.quote(path), r"'/a b/it\'s $HOME\\x'");
    }

    #[test]
    fn a_script_holds_the_paths_and_no_placeholder() {
        for shell in Shell::ALL {
            let hook = Path::new("/it's '@SCFW_PROGRAM@'/hook");
            let script = shell.init_script(hook, Path::new("/bin/scfw"), Path::new("/a b/'@SCFW_HOOK@'"));
            assert!(script.contains(&shell.quote(hook)), "{script}");
            assert!(script.contains("'/bin/scfw'"), "{script}");
            let shims = shell.quote(Path::new("/a b/'@SCFW_HOOK@'"));
            assert_eq!(script.contains(&shims), shell == Shell::Fish, "{script}");
            let rest = script.replace(&shell.quote(hook), "").replace(&shims, "");
            assert!(!rest.contains("'@SCFW_"), "{script}");
        }
    }
}
