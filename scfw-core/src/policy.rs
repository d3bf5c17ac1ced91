//! The policy: from findings to a verdict, and from a verdict to what is done when nobody has to be asked.

use std::collections::BTreeSet;

use crate::config::{OnWarning, Settings};
use crate::finding::{FindingSeverity, Verification};

/// The verdict on findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There is no finding.
    Allow,
    /// Warnings only.
    Warn,
    /// There is a critical finding.
    Block,
}

impl Verdict {
    /// The word in JSON: `allow`, `warn`, `block`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Block => "block",
        }
    }

    /// The verdict on findings whose greatest severity is `severity`.
    #[must_use]
    pub const fn of_severity(severity: Option<FindingSeverity>) -> Self {
        match severity {
            None => Self::Allow,
            Some(FindingSeverity::Warning) => Self::Warn,
            Some(FindingSeverity::Critical) => Self::Block,
        }
    }

    /// The verdict on all findings together.
    #[must_use]
    pub fn of(verification: &Verification) -> Self {
        Self::of_severity(verification.findings().map(|finding| finding.severity).max())
    }
}

/// The consequence of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Allow,
    /// Stop, because of the findings.
    Block,
    /// Stop, because too little could be found out.
    BlockUnverified,
    /// Ask the user.
    Ask,
}

/// The decision about `verification` if a person can be asked or, without a terminal, cannot.
#[must_use]
pub fn decide(verification: &Verification, settings: &Settings, has_terminal: bool) -> Decision {
    let on_warning = match Verdict::of(verification) {
        Verdict::Allow => return Decision::Allow,
        Verdict::Block => return Decision::Block,
        // Nobody can be asked to do without an answer that has to be there.
        Verdict::Warn if missing(verification, settings).next().is_some() => {
            return Decision::BlockUnverified;
        }
        Verdict::Warn => match settings.run.on_warning_always {
            Some(always) => always,
            None if has_terminal => return Decision::Ask,
            None => settings.run.on_warning_unasked,
        },
    };
    match on_warning {
        OnWarning::Allow => Decision::Allow,
        OnWarning::Block if verification.findings().all(|finding| finding.is_unverified) => {
            Decision::BlockUnverified
        }
        OnWarning::Block => Decision::Block,
    }
}

/// The reason why the administrator lets nothing be installed, even if a person says yes: the verifiers that gave no
/// answer and have to.
#[must_use]
pub fn refusal(verification: &Verification, settings: &Settings) -> Option<String> {
    let names: BTreeSet<&str> = missing(verification, settings).collect();
    if names.is_empty() {
        return None;
    }
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    Some(format!("policy: nothing is installed without an answer of {names} ({})", settings.policy.file()))
}

fn missing<'a>(verification: &'a Verification, settings: &'a Settings) -> impl Iterator<Item = &'a str> {
    verification
        .findings()
        .filter(|finding| finding.is_unverified && settings.policy.requires(&finding.verifier))
        .map(|finding| &*finding.verifier)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Finding;

    fn settings(variables: &[(&str, &str)]) -> Settings {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().to_str().unwrap().to_owned();
        Settings::load(&|name| {
            let set = variables.iter().find(|(variable, _)| *variable == name);
            if name == crate::env::SCFW_HOME {
                Some(home.clone().into())
            } else {
                set.map(|(_, value)| (*value).into())
            }
        })
        .unwrap()
    }

    fn with(general: Vec<Finding>) -> Verification {
        Verification { general, ..Verification::default() }
    }

    fn finding(severity: FindingSeverity) -> Finding {
        Finding { severity, is_unverified: false, ..Finding::unverified("test", "test") }
    }

    #[test]
    fn only_warnings_can_be_decided_otherwise() {
        let allow = settings(&[(crate::env::SCFW_ON_WARNING, "ALLOW")]);
        let critical = with(vec![finding(FindingSeverity::Warning), finding(FindingSeverity::Critical)]);
        assert_eq!(decide(&critical, &allow, true), Decision::Block);
        let warning = with(vec![finding(FindingSeverity::Warning)]);
        assert_eq!(decide(&warning, &allow, true), Decision::Allow);
        let default = settings(&[]);
        assert_eq!(decide(&warning, &default, true), Decision::Ask);
        assert_eq!(decide(&warning, &default, false), Decision::Block);
        assert_eq!(decide(&with(Vec::new()), &default, false), Decision::Allow);
        let block = settings(&[(crate::env::SCFW_ON_WARNING, "BLOCK")]);
        assert_eq!(decide(&warning, &block, true), Decision::Block);
    }

    #[test]
    fn what_could_not_be_verified_is_told_from_what_was_found() {
        let unverified = Finding::unverified("test", "no network");
        let default = settings(&[]);
        assert_eq!(decide(&with(vec![unverified.clone()]), &default, false), Decision::BlockUnverified);
        let both = with(vec![unverified, finding(FindingSeverity::Warning)]);
        assert_eq!(decide(&both, &default, false), Decision::Block);
    }
}
