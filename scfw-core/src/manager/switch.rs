//! Dead-man's switches: variables that make a manager refuse to work until its gate lifts them.

use super::ALL;

/// A variable that makes a manager refuse to work until its gate lifts it. No other program reads it.
#[derive(Debug)]
pub struct Switch {
    /// Its name.
    pub variable: &'static str,
    /// The name under which the user's own value is given back.
    pub own: &'static str,
    /// Whether another spelling of a variable's name sets the same option.
    pub is_spelling: fn(&str) -> bool,
    /// The value that makes the manager refuse.
    pub value: &'static str,
    /// The variable that keeps the user's own value, after an `=`; empty if there was none.
    pub keeper: &'static str,
}

/// Every switch of every manager.
pub fn switches() -> impl Iterator<Item = &'static Switch> {
    ALL.into_iter().flat_map(|manager| manager.hold().switches)
}

/// The option that a variable stands for, as managers normalise it.
pub(super) fn option(name: &str, prefix: &str) -> Option<String> {
    name.strip_prefix(prefix).map(|option| option.to_lowercase().replace('_', "-"))
}
