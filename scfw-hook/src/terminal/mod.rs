//! What people see, and programs that are asked a question without their terminal.

pub mod answer;
pub mod output;
pub mod spinner;
