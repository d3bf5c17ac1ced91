//! The words that the gates share with this program: the protocol's number, exit statuses, names of variables and
//! switches. Each is written once, in Rust. The entry file of each runtime's gate holds them in a block, so that linters
//! see whole files and nothing is put together at run time; a test compares the block with what is rendered here.

use scfw_core::env;
use scfw_core::gate::PROTOCOL;
use scfw_core::manager::{ALL, Switch};

use crate::exit::Exit;

/// The first line of the block, behind the sign of a comment.
const BEGIN: &str = "--- What follows is written by scfw-hook/src/gate/constants.rs";
/// The last line of the block, behind the sign of a comment.
const END: &str = "--- Here ends what is written by scfw-hook/src/gate/constants.rs";

/// The exit statuses of the verifier by which a manager is stopped, with what the manager says of it.
const STATUSES: [(&str, u8, &str); 3] = [
    ("BLOCKED", Exit::Blocked.status(), "scfw blocked this installation"),
    ("DECLINED", Exit::Declined.status(), "the installation was declined"),
    ("UNVERIFIED", Exit::Unverified.status(), "scfw could not verify this installation"),
];

/// The variables that gates read or set, but for the switches.
const VARIABLES: [&str; 7] = [
    env::SCFW_ALLOW_UNSUPPORTED,
    env::SCFW_DRY_RUN,
    env::SCFW_GATE_COMMANDS,
    env::SCFW_GATE_NODE,
    env::SCFW_GATE_PYTHON,
    env::SCFW_GATE_RUN,
    env::SCFW_GATE_VERIFIER,
];

/// The language of a runtime's gate. Numbers, strings, lists and tables are written alike in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Python.
    Python,
    /// JavaScript.
    JavaScript,
}

impl Language {
    /// The entry file `gate` with the block as it has to be; none if the file has no block.
    #[must_use]
    pub fn with_block(self, gate: &str) -> Option<String> {
        let (before, rest) = gate.split_once(BEGIN)?;
        let (_, after) = rest.split_once(END)?;
        let block = match self {
            Self::Python => format!("# fmt: off\n{}# fmt: on\n# ", self.constants()),
            Self::JavaScript => format!("const constants = {{\n{}}}\n// ", self.constants()),
        };
        Some(format!("{before}{BEGIN}\n{block}{END}{after}"))
    }

    /// Every constant on lines of its own.
    fn constants(self) -> String {
        let mut constants = vec![("PROTOCOL", PROTOCOL.to_string())];
        constants.extend(STATUSES.map(|(name, status, _)| (name, status.to_string())));
        let messages = STATUSES.map(|(_, status, message)| format!("{status}: {message:?}"));
        constants.push(("MESSAGES", format!("{{{}}}", messages.join(", "))));
        constants.extend(VARIABLES.map(|name| (name, format!("{name:?}"))));
        constants.push(("SWITCHES", switches()));
        let line = |(name, value)| match self {
            Self::Python => format!("{name} = {value}\n"),
            Self::JavaScript => format!("  {name}: {value},\n"),
        };
        constants.into_iter().map(line).collect()
    }
}

/// The switches by their managers: the variable, the name for the user's own value, the value that makes the manager
/// refuse, and the variable that keeps the user's own value.
fn switches() -> String {
    let words = |switch: &Switch| [switch.variable, switch.own, switch.value, switch.keeper];
    let tables = ALL.map(|manager| {
        let lines = manager.hold().switches.iter().map(|switch| format!("    {:?},\n", words(switch)));
        format!("  {:?}: [\n{}  ],\n", manager.id().name(), lines.collect::<String>())
    });
    let tables = tables.concat();
    format!("{{\n{tables}}}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_gates_hold_the_words_of_this_program() {
        let gates = Path::new(env!("CARGO_MANIFEST_DIR")).join("gates");
        for (file, language) in
            [("python/sitecustomize.py", Language::Python), ("node/gate.cjs", Language::JavaScript)]
        {
            let path = gates.join(file);
            let gate = std::fs::read_to_string(&path).unwrap();
            let expected = language.with_block(&gate).expect("an entry file has a block");
            if std::env::var_os("UPDATE_GATES").is_some() {
                std::fs::write(&path, expected).unwrap();
                continue;
            }
            assert!(gate == expected, "{file}: run this test once with UPDATE_GATES=1");
        }
    }
}
