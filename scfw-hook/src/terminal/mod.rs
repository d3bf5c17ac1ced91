//! What people see.

pub mod output;
pub mod spinner;
