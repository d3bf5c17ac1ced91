//! Finding programs, starting them, and becoming one.

pub mod answer;
pub mod detached;
pub mod exec;
pub mod locate;
