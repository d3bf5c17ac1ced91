//! The shells that scfw integrates with.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

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

    /// The integration that this shell evaluates when it starts: its functions call `hook`, and its `scfw` calls
    /// `scfw`.
    #[must_use]
    pub fn init_script(self, hook: &Path, scfw: &Path) -> String {
        let script = match self {
            Self::Bash => include_str!("../../shell/init.bash"),
            Self::Zsh => include_str!("../../shell/init.zsh"),
            Self::Fish => include_str!("../../shell/init.fish"),
        };
        let scfw = self.quote(scfw);
        // In two steps one path could hold the other's placeholder.
        let pieces: Vec<String> =
            script.split("'@SCFW_HOOK@'").map(|piece| piece.replace("'@SCFW_PROGRAM@'", &scfw)).collect();
        pieces.join(&self.quote(hook))
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
            // Inside single quotes only the quote itself means anything.
            Self::Bash | Self::Zsh => format!("'{}'", text.replace('\'', r"'\''")),
            // fish reads `\\` and `\'` there.
            Self::Fish => format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'")),
        }
    }
}

/// The saved scripts that are not what `scfw` would print now.
#[must_use]
pub fn stale_scripts(data: &Path, hook: &Path, scfw: &Path) -> Vec<PathBuf> {
    let is_stale = |shell: &Shell| {
        std::fs::read_to_string(shell.saved_script(data))
            .is_ok_and(|saved| saved != shell.init_script(hook, scfw))
    };
    Shell::ALL.iter().filter(|shell| is_stale(shell)).map(|shell| shell.saved_script(data)).collect()
}

/// The directory of the saved scripts below the data directory.
#[must_use]
pub fn scripts_directory(data: &Path) -> PathBuf {
    data.join("shell")
}

/// The `scfw` that a shell should call: this program, or the one beside it.
#[must_use]
pub fn scfw_program() -> Option<PathBuf> {
    std::env::current_exe().ok().map(|own| own.with_file_name("scfw")).filter(|path| path.is_file())
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
            let script = shell.init_script(Path::new("/it's '@SCFW_PROGRAM@'/hook"), Path::new("/bin/scfw"));
            assert!(script.contains(&shell.quote(Path::new("/it's '@SCFW_PROGRAM@'/hook"))), "{script}");
            assert_eq!(script.matches("'/bin/scfw'").count(), 3, "{script}");
            assert!(!script.contains("@SCFW_HOOK@"), "{script}");
        }
    }
}
