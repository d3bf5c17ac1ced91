//! `policy.toml`: an administrator's rules for everybody on a machine. It stands above flags, environment and
//! configuration and can only tighten them; each setting that it overrules is named.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use toml::Table;

use super::age::{LONGEST_AGE, MinimumAge, UnknownAge};
use super::keys::Key;
use super::layers::{parse, read_trusted};
use super::{AdvisorySettings, Bypass, ConfigError, FeedLocks, IgnoreFile, OnWarning, Settings, System};
use crate::advisory::Severity;
use crate::env::{self, Variables};
use crate::manager::ManagerId;
use crate::package::Pattern;

/// The name of the file within the system's directory.
pub const POLICY_NAME: &str = "policy.toml";

/// A policy's word about warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WarningPolicy {
    /// Somebody who sits at a terminal may let them pass, and nothing else does.
    Ask,
    /// They block.
    Block,
}

/// The findings that can be exempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exemptible {
    /// None.
    None,
    /// Those that do not say that a package is malicious.
    NoMalicious,
    /// All.
    #[default]
    Any,
}

/// A way on which calls reach scfw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequiredRoute {
    /// The block in bash's start-up files.
    Bash,
    /// The block in zsh's start-up file.
    Zsh,
    /// The block among fish's start-up files.
    Fish,
    /// The PATH shims.
    Shims,
    /// The preload library in everything that the shells start.
    Preload,
}

impl RequiredRoute {
    /// The name in the policy.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
            Self::Shims => "shims",
            Self::Preload => "preload",
        }
    }
}

impl Settings {
    /// Whether a warning counts as accepted because its gate says that it was, earlier in the run. Anybody can say
    /// that, so it is not enough if a policy sets what follows from warnings.
    #[must_use]
    pub fn keeps_accepted(&self) -> bool {
        self.policy.on_warning.is_none() && !self.policy.locks("on_warning")
    }
}

/// The policy; empty if there is none.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// The keys of config.toml for which only the system's file counts.
    locked: Vec<Key>,
    on_warning: Option<WarningPolicy>,
    /// Vulnerabilities from here on cannot be left out.
    minimum_severity: Option<Severity>,
    /// Hours.
    minimum_age: Option<u32>,
    minimum_age_exceptions: BTreeMap<Pattern, u32>,
    unknown_age: Option<UnknownAge>,
    allow_bypass: Option<bool>,
    allow_unsupported: Option<bool>,
    exemptions: Exemptible,
    max_exemption_days: Option<u32>,
    required_verifiers: Vec<String>,
    /// The routes that have to be set up.
    pub required_routes: Vec<RequiredRoute>,
    /// The file that says so, for messages; empty if there is none.
    #[serde(skip)]
    file: String,
}

impl Policy {
    /// The policy of this machine. A file that cannot be relied on is an error.
    pub fn installed() -> Result<Self, ConfigError> {
        Self::read(&System::installed())
    }

    pub(super) fn read(system: &System) -> Result<Self, ConfigError> {
        system.check()?;
        let path = system.directory.join(POLICY_NAME);
        let Some(text) = read_trusted(&path, system.owner)? else { return Ok(Self::default()) };
        let mut policy: Self = parse(&path, &text)?;
        if policy.minimum_age.iter().chain(policy.minimum_age_exceptions.values()).any(|h| *h > LONGEST_AGE) {
            let message = "minimum_age is a number of hours, and these are more than ten years".to_owned();
            return Err(ConfigError::Invalid { path, message });
        }
        if policy.exemptions != Exemptible::Any {
            // Ignoring an advisory is an exemption from it.
            policy.locked.extend(Key::named("osv_ignore").filter(|_| !policy.locks("osv_ignore")));
        }
        policy.file = path.display().to_string();
        Ok(policy)
    }

    /// The file, for messages.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The findings that can be exempted.
    #[must_use]
    pub const fn exemptible(&self) -> Exemptible {
        self.exemptions
    }

    /// How long an exemption may last at most.
    #[must_use]
    pub fn longest_exemption(&self) -> Option<Duration> {
        self.max_exemption_days.map(|days| Duration::from_hours(u64::from(days) * 24))
    }

    /// The verifiers without whose answer nothing is installed.
    #[must_use]
    pub fn required_verifiers(&self) -> &[String] {
        &self.required_verifiers
    }

    /// Whether nothing is installed without an answer of that verifier.
    #[must_use]
    pub fn requires(&self, verifier: &str) -> bool {
        self.required_verifiers.iter().any(|required| required.eq_ignore_ascii_case(verifier))
    }

    /// Vulnerabilities of this severity or more are shown in any case.
    pub(crate) const fn minimum_severity(&self) -> Option<Severity> {
        self.minimum_severity
    }

    /// Whether the policy takes the question of age out of the user's hands.
    pub(crate) fn asks_for_ages(&self) -> bool {
        self.minimum_age.is_some() || self.unknown_age.is_some() || self.requires("age")
    }

    /// Whether only the system's file sets that key of config.toml.
    pub(super) fn locks(&self, key: &str) -> bool {
        self.locked.iter().any(|locked| locked.name == key)
    }

    /// The feeds whose places only the system's file sets.
    pub(super) fn feed_locks(&self) -> FeedLocks {
        FeedLocks {
            osv: self.locks("osv_bulk_url"),
            datadog: self.locks("datadog_dataset_url"),
            extra: self.locks("feeds"),
            file: self.file.clone(),
        }
    }

    /// Whether only the system's file sets the place of a feed.
    #[must_use]
    pub fn locks_feeds(&self) -> bool {
        self.locked.iter().any(|key| key.name.ends_with("_url"))
    }

    /// Whether that variable is ignored because a key that it goes before is locked.
    pub(super) fn silences(&self, variable: &str) -> bool {
        self.locked.iter().any(|key| key.variables.contains(&variable))
    }

    /// Takes locked settings out of `user`, the content of `path`, and names those that had no effect: a value that
    /// is the system's anyway is not worth a word.
    pub(super) fn unlock(
        &self,
        user: &mut Table,
        path: &Path,
        system: &Table,
        variable: Variables<'_>,
    ) -> Vec<String> {
        let mut overruled = Vec::new();
        for key in &self.locked {
            if let Some(value) = user.remove(key.name)
                && system.get(key.name) != Some(&value)
            {
                overruled.push(self.over(&format!("{} in {} is locked", key.name, path.display())));
            }
            for name in key.variables {
                if variable(name).is_some_and(|value| !value.is_empty()) {
                    overruled.push(self.over(&format!("{} is locked, and {name} without effect", key.name)));
                }
            }
        }
        overruled
    }

    /// Makes `settings` as strict as this is.
    pub(super) fn tighten(&self, settings: &mut Settings) {
        let mut overruled = Vec::new();
        if let Some(policy) = self.on_warning {
            if settings.run.on_warning_always == Some(OnWarning::Allow)
                || settings.run.on_warning_unasked == OnWarning::Allow
            {
                overruled.push(
                    "warnings cannot be allowed beforehand (--allow-on-warning, SCFW_ON_WARNING or \
                    on_warning)"
                        .to_owned(),
                );
            }
            let is_blocked = settings.run.on_warning_always == Some(OnWarning::Block);
            settings.run.on_warning_always =
                (is_blocked || policy == WarningPolicy::Block).then_some(OnWarning::Block);
            settings.run.on_warning_unasked = OnWarning::Block;
        }
        if let (Some(floor), Some(chosen)) = (self.minimum_severity, settings.advisories.minimum_severity)
            && chosen > floor
        {
            overruled
                .push(format!("minimum_severity cannot be above \"{}\"", floor.to_string().to_lowercase()));
            settings.advisories.minimum_severity = Some(floor);
        }
        overruled.extend(self.tighten_ignoring(settings));
        overruled.extend(self.tighten_managers(settings));
        overruled.extend(self.tighten_age(settings));
        if let Some(floor) = self.unknown_age.filter(|floor| settings.age.unknown < *floor) {
            if settings.age.unknown == UnknownAge::Allow {
                overruled.push("an unknown age cannot be allowed (unknown_age)".to_owned());
            }
            settings.age.unknown = floor;
        }
        if settings.run.bypass == Bypass::On && self.allow_bypass == Some(false) {
            // The refusal says so.
            settings.run.bypass = Bypass::Refused;
        }
        if settings.run.allow_unsupported && self.allow_unsupported == Some(false) {
            overruled.push(format!(
                "managers without a gate cannot be allowed (--allow-unsupported or {})",
                env::SCFW_ALLOW_UNSUPPORTED
            ));
            settings.run.allow_unsupported = false;
        }
        settings.overruled.extend(overruled.iter().map(|what| self.over(what)));
    }

    /// Says which list of advisories to ignore counts for less than its owner may think.
    fn tighten_ignoring(&self, settings: &Settings) -> Option<String> {
        let AdvisorySettings { ignore: own, administered_ignore: administrators, .. } = &settings.advisories;
        let default = IgnoreFile::new(None, &settings.directories.config);
        if self.locks("osv_ignore") {
            let is_unread = default.path != own.path && default.path.exists();
            return is_unread
                .then(|| format!("osv_ignore is locked, and {} without effect", default.path.display()));
        }
        let floor = self.minimum_severity.filter(|_| own != administrators && own.path.exists())?;
        let floor = floor.to_string().to_lowercase();
        Some(format!("{} only counts for vulnerabilities below \"{floor}\"", own.path.display()))
    }

    /// Everything that has to be verified is verified for every manager: leaving one out would be a bypass.
    fn tighten_managers(&self, settings: &mut Settings) -> Option<String> {
        let is_binding = self.allow_bypass == Some(false)
            || !self.required_verifiers.is_empty()
            || !self.required_routes.is_empty();
        let watched = settings.administered_managers.iter().copied();
        let left_out: Vec<_> =
            watched.filter(|manager| is_binding && !settings.managers.contains(manager)).collect();
        settings.managers.extend(&left_out);
        let names: Vec<_> = left_out.into_iter().map(ManagerId::name).collect();
        (!names.is_empty()).then(|| format!("managers cannot leave out {}", names.join(" and ")))
    }

    /// The longer of both ages counts for each package; the exceptions of this are the only ones below it.
    fn tighten_age(&self, settings: &mut Settings) -> Vec<String> {
        let floor = MinimumAge {
            hours: self.minimum_age.unwrap_or_default(),
            is_chosen: self.minimum_age.is_some(),
            exceptions: self.minimum_age_exceptions.clone(),
        };
        let own = &settings.age.minimum;
        let mut overruled = Vec::new();
        if own.is_chosen && own.hours < floor.hours {
            overruled.push(format!("minimum_age cannot be below {} hours", floor.hours));
        }
        for (pattern, hours) in &own.exceptions {
            let is_granted = floor.exceptions.get(pattern).is_some_and(|granted| granted <= hours);
            if *hours < floor.hours && !is_granted {
                overruled.push(format!(
                    "the exception of \"{pattern}\" from minimum_age is not one of the policy's"
                ));
            }
        }
        settings.age.least = floor;
        overruled
    }

    fn over(&self, what: &str) -> String {
        format!("policy: {what} ({})", self.file)
    }
}
