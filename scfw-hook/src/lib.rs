//! What the two binaries share: finding the real program, arming the gates, replacing this process, asking the
//! user, and the commands for people. Decisions are made in `scfw-core`.
#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests read and make what is their own"))]

pub mod alerts;
pub mod arm;
pub mod ask;
pub mod call;
pub mod commands;
pub mod config_file;
pub mod datadog_agent;
pub mod detached;
pub mod exec;
pub mod executable;
pub mod locate;
pub mod output;
pub mod preload;
pub mod prompt;
pub mod rc_files;
pub mod record;
pub mod replace;
pub mod required;
pub mod router;
pub mod runs;
pub mod screening;
pub mod sender;
pub mod shell;
pub mod shield;
pub mod shims;
pub mod spinner;
pub mod subshell;
pub mod verify;

/// The exit statuses that are ours; any other is the manager's own.
pub mod status {
    /// Nothing to object to.
    pub const OK: i32 = 0;
    /// A command of ours could not do what it is for.
    pub const FAILED: i32 = 1;
    /// The command line is wrong.
    pub const USAGE: i32 = 2;
    /// Something could not be verified and policy says to stop.
    pub const UNVERIFIED: i32 = 69;
    /// The user said no.
    pub const DECLINED: i32 = 76;
    /// Blocked.
    pub const BLOCKED: i32 = 77;
    /// The configuration is invalid.
    pub const CONFIGURATION: i32 = 78;
    /// The real program is there and cannot be run.
    pub const NOT_EXECUTABLE: i32 = 126;
    /// There is no real program.
    pub const NOT_FOUND: i32 = 127;
}
