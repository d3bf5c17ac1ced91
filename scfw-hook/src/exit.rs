//! The exit statuses of scfw's programs.

use std::process::ExitCode;

/// The end of a program of scfw, unless a manager gives the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// There is nothing to object to.
    Success,
    /// A command could not do what it is for, or not all of it is as it should be.
    Failed,
    /// There are warnings and nothing critical.
    Warnings,
    /// The command line is wrong.
    Usage,
    /// Something could not be verified and the policy says to stop.
    Unverified,
    /// The user said no.
    Declined,
    /// Something critical was found, or the administrator's policy does not allow what was asked for.
    Blocked,
    /// The configuration is invalid.
    Configuration,
    /// The real program is there and cannot be run.
    NotExecutable,
    /// There is no such program.
    NotFound,
    /// The user pressed Ctrl-C.
    Interrupted,
}

impl Exit {
    /// The exit status. The last three are those of a shell.
    #[must_use]
    pub const fn status(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed | Self::Warnings => 1,
            Self::Usage => 2,
            Self::Unverified => 69,
            Self::Declined => 76,
            Self::Blocked => 77,
            Self::Configuration => 78,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
            Self::Interrupted => 130,
        }
    }

    /// Ends this process at once.
    pub fn now(self) -> ! {
        std::process::exit(self.status().into())
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}
