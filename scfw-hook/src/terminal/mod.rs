//! The output that people see.

pub mod output;
pub mod spinner;
