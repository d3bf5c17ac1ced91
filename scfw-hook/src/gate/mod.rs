//! From armed to verdict: what a manager is started with, the notes about a run, and the answer to its gate.

pub mod arm;
pub mod constants;
pub mod files;
pub mod prompt;
pub mod verify;
