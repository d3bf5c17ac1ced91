//! The action on a command, in one word: it is in the ledger, in records and in the log level of sinks.

use serde::{Deserialize, Serialize};

/// The action on a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Action {
    /// The command went on.
    Allow,
    /// The command was stopped.
    Block,
    /// The user was asked and said no.
    Abort,
}

impl Action {
    /// The word in records: `ALLOW`, `BLOCK`, `ABORT`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "ALLOW",
            Self::Block => "BLOCK",
            Self::Abort => "ABORT",
        }
    }

    /// The action behind that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Allow, Self::Block, Self::Abort].into_iter().find(|action| action.name() == word)
    }

    /// Whether a log level of `level` lets a record of this action pass: `BLOCK` lets blocked ones pass, `ABORT`
    /// declined ones as well, `ALLOW` all.
    #[must_use]
    pub const fn reaches(self, level: Self) -> bool {
        self.rank() >= level.rank()
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Allow => 0,
            Self::Abort => 1,
            Self::Block => 2,
        }
    }

    /// The participle in sentences: `allowed`, `blocked`, `aborted`.
    pub(crate) const fn participle(self) -> &'static str {
        match self {
            Self::Allow => "allowed",
            Self::Block => "blocked",
            Self::Abort => "aborted",
        }
    }
}
