//! Changing files that people own: several at once or none, with the way back.

pub mod config_file;
pub mod datadog_agent;
pub mod transaction;
