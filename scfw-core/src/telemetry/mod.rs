//! Telemetry: the record of whatever happened, field for field what the predecessor logged and more, and the sinks
//! that take it. Making a record is quick and local. Delivering one may take days; nothing waits for it.

mod agent;
mod attributes;
mod event;
mod fields;
pub mod file;
mod http;
mod intake;
mod otlp;
mod reference;
mod scene;
mod sink;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use attributes::{AttributeError, FILE_NAME as ATTRIBUTES_FILE_NAME, Sources as AttributeSources};
pub use event::{Command, Event, ExemptionChange};
pub use fields::Record;
pub use intake::check_key;
pub use reference::reference;
pub use scene::Scene;
pub(crate) use scene::verifier_name;
pub use sink::{Outcome, Sink, SinkKind, wanted_by};

/// What was done.
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

    /// Whether a log level of `level` lets a record of this action pass: `BLOCK` what was blocked, `ABORT` what was
    /// declined as well, `ALLOW` everything.
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

    const fn participle(self) -> &'static str {
        match self {
            Self::Allow => "allowed",
            Self::Block => "blocked",
            Self::Abort => "aborted",
        }
    }
}

/// The name of the user who runs this.
#[must_use]
pub fn username() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid());
    user.ok().flatten().map(|user| user.name).unwrap_or_default()
}
