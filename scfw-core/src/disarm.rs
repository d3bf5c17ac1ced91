//! The way back from arming: takes its variables out of an environment, for programs that are no managers.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::env;
use crate::manager::switches;

/// The beginning of the names of all variables for the gates.
const GATE_PREFIX: &[u8] = b"SCFW_GATE_";
/// The option in `NODE_OPTIONS` that loads the gate.
const REQUIRE: &[u8] = b"--require ";

/// `environment` as it was before it was armed; the same if it was not.
#[must_use]
pub fn disarmed(environment: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<OsString, OsString> {
    let mut variables: BTreeMap<OsString, OsString> = environment.collect();
    if !variables.contains_key(OsStr::new(env::SCFW_GATE_VERIFIER)) {
        return variables;
    }
    for switch in switches() {
        let kept = variables.remove(OsStr::new(switch.keeper)).unwrap_or_default();
        if variables.get(OsStr::new(switch.variable)).is_some_and(|value| value == switch.value) {
            variables.remove(OsStr::new(switch.variable));
            if let Some(own) = kept.as_bytes().strip_prefix(b"=") {
                variables.insert(switch.own.into(), OsStr::from_bytes(own).to_owned());
            }
        }
    }
    let commands = variables.get(OsStr::new(env::SCFW_GATE_COMMANDS)).cloned().unwrap_or_default();
    without_entry(&mut variables, "PATH", commands.as_bytes());
    let gate = variables.get(OsStr::new(env::SCFW_GATE_PYTHON)).cloned().unwrap_or_default();
    let gates = Path::new(&gate).parent().unwrap_or(Path::new("")).as_os_str().as_bytes();
    without_entry(&mut variables, "PYTHONPATH", gates);
    let gate = variables.get(OsStr::new(env::SCFW_GATE_NODE)).cloned().unwrap_or_default();
    let gate = require_option(Path::new(&gate));
    change(&mut variables, "NODE_OPTIONS", |options| without_option(options, &gate));
    variables.retain(|name, _| !name.as_bytes().starts_with(GATE_PREFIX));
    variables
}

/// Takes an entry out of a list of paths.
fn without_entry(variables: &mut BTreeMap<OsString, OsString>, name: &str, entry: &[u8]) {
    change(variables, name, |list| {
        let others = list.split(|byte| *byte == b':').filter(|other| entry.is_empty() || *other != entry);
        others.collect::<Vec<_>>().join(&b':')
    });
}

/// Changes a variable that is there, and removes it if nothing is left of it.
fn change(variables: &mut BTreeMap<OsString, OsString>, name: &str, edit: impl Fn(&[u8]) -> Vec<u8>) {
    let Some(value) = variables.remove(OsStr::new(name)) else { return };
    let edited = edit(value.as_bytes());
    if !edited.is_empty() {
        variables.insert(name.into(), OsString::from_vec(edited));
    }
}

/// The option that makes node load `gate`. node splits `NODE_OPTIONS` at spaces outside double quotes; before version 12 it
/// knew no quotes, so there are none without need.
#[must_use]
pub fn require_option(gate: &Path) -> Vec<u8> {
    let path = gate.as_os_str().as_bytes();
    let mut option = REQUIRE.to_vec();
    if path.iter().any(|byte| matches!(byte, b' ' | b'"' | b'\\')) {
        option.push(b'"');
        for byte in path {
            if matches!(byte, b'"' | b'\\') {
                option.push(b'\\');
            }
            option.push(*byte);
        }
        option.push(b'"');
    } else {
        option.extend_from_slice(path);
    }
    option
}

/// `NODE_OPTIONS` without `option` of two words, which something may have put another in front of.
fn without_option(options: &[u8], option: &[u8]) -> Vec<u8> {
    let words = node_words(options);
    let Some(at) = words.windows(2).position(|pair| pair.join(&b' ') == option) else {
        return options.to_vec();
    };
    let rest: Vec<&[u8]> = words[..at].iter().chain(&words[at + 2..]).copied().collect();
    rest.join(&b' ')
}

/// The words of `NODE_OPTIONS` as they are written: node splits it at spaces outside double quotes.
fn node_words(options: &[u8]) -> Vec<&[u8]> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    let is_space = |byte: &u8| {
        let is_space = *byte == b' ' && !is_quoted;
        if *byte == b'"' && !is_escaped {
            is_quoted = !is_quoted;
        }
        is_escaped = *byte == b'\\' && !is_escaped;
        is_space
    };
    options.split(is_space).collect()
}
