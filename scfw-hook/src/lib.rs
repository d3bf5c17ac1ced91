//! What the two binaries share: finding the real program, arming the gates, replacing this process, asking the
//! user, and the commands for people. Decisions are made in `scfw-core`.
#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests read and make what is their own"))]

pub mod commands;
pub mod files;
pub mod gate;
pub mod process;
pub mod record;
pub mod route;
pub mod shells;
pub mod terminal;

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
