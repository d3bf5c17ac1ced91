//! The settings of one run: the answer to warnings, and the time limit.

use std::time::Duration;

use serde::Deserialize;

use super::{ConfigError, File, is_true, text};
use crate::env::{self, Variables};

/// Seconds that all verifiers together may take.
const DEADLINE: f64 = 10.0;
/// More than this, in seconds, is a mistake and not a wish.
const LONGEST_DEADLINE: f64 = 600.0;

/// The answer to warnings without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnWarning {
    /// Go on.
    Allow,
    /// Stop.
    Block,
}

/// Whether this run goes unverified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bypass {
    /// Nobody asks for it.
    Off,
    /// It is asked for.
    On,
    /// It is asked for, and the policy does not allow it.
    Refused,
}

/// The settings of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSettings {
    /// Decides about warnings even on a terminal: the command line or the environment says so.
    pub on_warning_always: Option<OnWarning>,
    /// Decides about warnings where nobody can be asked.
    pub on_warning_unasked: OnWarning,
    /// The time limit for all verifiers together.
    pub deadline: Duration,
    /// Whether this run is to go unverified.
    pub bypass: Bypass,
    /// A manager too old or too new for its gate runs unverified.
    pub allow_unsupported: bool,
}

impl RunSettings {
    pub(super) fn resolve(file: &File, variable: Variables<'_>) -> Result<Self, ConfigError> {
        let deadline = match text(variable, env::SCFW_DEADLINE)? {
            Some(value) => parse_deadline(&value)?,
            None => file.deadline.unwrap_or(DEADLINE),
        };
        let on_warning = text(variable, env::SCFW_ON_WARNING)?;
        let is_on = |name| Ok(text(variable, name)?.is_some_and(|value| is_true(&value)));
        Ok(Self {
            on_warning_always: on_warning.map(|value| parse_on_warning(&value)).transpose()?,
            on_warning_unasked: file.on_warning.unwrap_or(OnWarning::Block),
            deadline: Duration::from_secs_f64(deadline),
            bypass: if is_on(env::SCFW_BYPASS)? { Bypass::On } else { Bypass::Off },
            allow_unsupported: is_on(env::SCFW_ALLOW_UNSUPPORTED)?,
        })
    }
}

fn parse_on_warning(value: &str) -> Result<OnWarning, ConfigError> {
    match value.to_ascii_uppercase().as_str() {
        "ALLOW" => Ok(OnWarning::Allow),
        "BLOCK" => Ok(OnWarning::Block),
        _ => Err(ConfigError::Variable {
            variable: env::SCFW_ON_WARNING,
            value: value.to_owned(),
            expected: "ALLOW or BLOCK",
        }),
    }
}

fn parse_deadline(value: &str) -> Result<f64, ConfigError> {
    value.parse().ok().filter(|seconds| is_sensible_deadline(*seconds)).ok_or_else(|| ConfigError::Variable {
        variable: env::SCFW_DEADLINE,
        value: value.to_owned(),
        expected: "a number of seconds between 0 and 600",
    })
}

pub(super) fn is_sensible_deadline(seconds: f64) -> bool {
    seconds > 0.0 && seconds <= LONGEST_DEADLINE
}
