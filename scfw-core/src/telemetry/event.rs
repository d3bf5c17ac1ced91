//! The events that a record is made of.

use crate::action::Action;
use crate::finding::Verification;
use crate::manager::ManagerId;
use crate::store::{Alert, Exemption, Purpose, SinkKind};

/// A manager's command.
#[derive(Debug, Clone, Copy)]
pub struct Command<'a> {
    /// The manager that ran or would have run.
    pub manager: ManagerId,
    /// The program as the user called it: `npx`, or `python3` with `-m pip` among its arguments.
    pub program: &'a str,
    /// Its file, as far as it is known.
    pub executable: &'a str,
    /// The program's arguments.
    pub arguments: &'a [String],
}

/// The change to an exemption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExemptionChange {
    /// The user made it.
    Made,
    /// The user removed it.
    Removed,
}

/// Something that a record is made of.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A decision about a command.
    Run {
        /// The action on it.
        action: Action,
        /// Its purpose.
        purpose: Purpose,
        /// The command.
        command: Command<'a>,
        /// The verification.
        verification: &'a Verification,
        /// The rule of the policy that stopped it, if it was one.
        refusal: Option<&'a str>,
    },
    /// A decision about a command whose targets could not be verified at all: it was stopped for that, or went on by
    /// the user's leave.
    Unverified {
        /// The action on it.
        action: Action,
        /// Its purpose.
        purpose: Purpose,
        /// The command.
        command: Command<'a>,
        /// Why nothing could be verified, as a sentence.
        reason: &'a str,
    },
    /// A command that ran unverified because the user said so.
    Bypass {
        /// The command.
        command: Command<'a>,
    },
    /// An audit of installed packages.
    Audit {
        /// The manager whose packages they are.
        manager: ManagerId,
        /// Its file.
        executable: &'a str,
        /// The verification.
        verification: &'a Verification,
    },
    /// An exemption was made or removed.
    Exemption {
        /// The change.
        change: ExemptionChange,
        /// The exemption.
        exemption: &'a Exemption,
    },
    /// Something that the policy forbids was tried and refused.
    Policy {
        /// The rule, as it stands in the policy.
        rule: &'a str,
        /// The command that was refused, if it was one.
        command: Option<Command<'a>>,
    },
    /// Something that is installed has turned out to be bad.
    Alert {
        /// The alert: the install, its time and directory, and what is known of the package now.
        alert: &'a Alert,
    },
    /// Records were dropped before they could be delivered.
    Loss {
        /// The sink that they were for.
        sink: SinkKind,
        /// The number of records.
        dropped: u64,
    },
}

impl Event<'_> {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Run { .. } | Self::Unverified { .. } => "run",
            Self::Bypass { .. } => "bypass",
            Self::Audit { .. } => "audit",
            Self::Exemption { .. } => "exemption",
            Self::Policy { .. } => "policy",
            Self::Alert { .. } => "alert",
            Self::Loss { .. } => "loss",
        }
    }
}
