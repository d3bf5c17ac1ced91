//! The shared parts of the two binaries: finding the real program, arming the gates, replacing this process, asking
//! the user, and the commands for people. Decisions are made in `scfw-core`.
#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests read and make what is their own"))]

pub mod commands;
pub mod exit;
pub mod files;
pub mod gate;
pub mod process;
pub mod record;
pub mod route;
pub mod shells;
pub mod terminal;
