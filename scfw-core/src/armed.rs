//! What arming puts into a manager's environment, and how to take it out again for programs that are no managers.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::env;

/// The file name of pip's gate, whose directory stands first on `PYTHONPATH`.
pub const PIP_GATE_NAME: &str = "sitecustomize.py";
/// The file name of npm's gate, which `NODE_OPTIONS` requires first.
pub const NPM_GATE_NAME: &str = "npm-gate.cjs";
/// What all variables for the gates begin with.
const GATE_PREFIX: &[u8] = b"SCFW_GATE_";
/// What the option in `NODE_OPTIONS` begins with.
const REQUIRE: &[u8] = b"--require ";

/// A variable that makes a manager harmless until its gate lifts it.
#[derive(Debug)]
pub struct Switch {
    /// Its name.
    pub variable: &'static str,
    /// Whether another spelling of a variable's name sets the same option.
    pub is_spelling: fn(&str) -> bool,
    /// What makes the manager harmless.
    pub value: &'static str,
    /// Where the user's own value is kept, after an `=`; empty where there was none.
    pub keeper: &'static str,
}

/// Every switch.
pub const SWITCHES: [Switch; 3] = [
    // pip ends with an error as soon as it reads this value, whatever it was asked to do, and no flag undoes that.
    // `PIP_NO_INDEX` would let files, folders and URLs pass.
    Switch {
        variable: "PIP_EXISTS_ACTION",
        is_spelling: |name| option(name, "PIP_").as_deref() == Some("exists-action"),
        value: "refused-by-scfw-because-its-gate-did-not-attach",
        keeper: env::SCFW_GATE_PIP_EXISTS_ACTION,
    },
    Switch {
        variable: "npm_config_dry_run",
        is_spelling: |name| npm_option(name).as_deref() == Some("dry-run"),
        value: "true",
        keeper: env::SCFW_GATE_NPM_DRY_RUN,
    },
    // For what takes no notice of a dry run: rebuild, and preparing a git dependency.
    Switch {
        variable: "npm_config_ignore_scripts",
        is_spelling: |name| npm_option(name).as_deref() == Some("ignore-scripts"),
        value: "true",
        keeper: env::SCFW_GATE_NPM_IGNORE_SCRIPTS,
    },
];

/// The option that a variable stands for, as pip and npm normalise it.
fn option(name: &str, prefix: &str) -> Option<String> {
    name.strip_prefix(prefix).map(|option| option.to_lowercase().replace('_', "-"))
}

/// npm reads its variables in any case.
fn npm_option(name: &str) -> Option<String> {
    option(&name.to_ascii_lowercase(), "npm_config_")
}

/// `environment` as it was before it was armed; the same where it was not.
#[must_use]
pub fn disarmed(environment: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<OsString, OsString> {
    let mut variables: BTreeMap<OsString, OsString> = environment.collect();
    if !variables.contains_key(OsStr::new(env::SCFW_GATE_VERIFIER)) {
        return variables;
    }
    for switch in &SWITCHES {
        let kept = variables.remove(OsStr::new(switch.keeper)).unwrap_or_default();
        if variables.get(OsStr::new(switch.variable)).is_some_and(|value| value == switch.value) {
            variables.remove(OsStr::new(switch.variable));
            if let Some(own) = kept.as_bytes().strip_prefix(b"=") {
                variables.insert(switch.variable.into(), OsStr::from_bytes(own).to_owned());
            }
        }
    }
    let gate = variables.get(OsStr::new(env::SCFW_GATE_PIP)).cloned().unwrap_or_default();
    let gates = Path::new(&gate).parent().unwrap_or(Path::new("")).as_os_str().as_bytes();
    change(&mut variables, "PYTHONPATH", |path| {
        path.split(|byte| *byte == b':').filter(|entry| *entry != gates).collect::<Vec<_>>().join(&b':')
    });
    change(&mut variables, "NODE_OPTIONS", |options| without_gate(options).to_vec());
    variables.retain(|name, _| !name.as_bytes().starts_with(GATE_PREFIX));
    variables
}

/// Changes a variable that is there, and removes it where nothing is left of it.
fn change(variables: &mut BTreeMap<OsString, OsString>, name: &str, edit: impl Fn(&[u8]) -> Vec<u8>) {
    let Some(value) = variables.remove(OsStr::new(name)) else { return };
    let edited = edit(value.as_bytes());
    if !edited.is_empty() {
        variables.insert(name.into(), OsString::from_vec(edited));
    }
}

/// `NODE_OPTIONS` without the gate that it begins with.
fn without_gate(options: &[u8]) -> &[u8] {
    let Some(rest) = options.strip_prefix(REQUIRE) else { return options };
    let mut is_quoted = false;
    let mut is_escaped = false;
    let end = rest.iter().position(|byte| {
        let is_end = *byte == b' ' && !is_quoted;
        if *byte == b'"' && !is_escaped {
            is_quoted = !is_quoted;
        }
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    });
    let (required, rest) = rest.split_at(end.unwrap_or(rest.len()));
    let required = required.strip_suffix(b"\"").unwrap_or(required);
    if required.ends_with(NPM_GATE_NAME.as_bytes()) {
        rest.strip_prefix(b" ").unwrap_or(rest)
    } else {
        options
    }
}
