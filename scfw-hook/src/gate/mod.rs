//! The time from arming to the verdict: the environment of a manager, the notes about a run, and the answer to its
//! gate.

pub mod arm;
pub mod constants;
pub mod files;
pub mod prompt;
pub mod verify;
