//! The record of an event. Sizes are bounded here: whatever a manager, a registry or a feed named, a record stays
//! below the 900,000 bytes that the strictest sink takes.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::{Map, Value};

use super::attributes::{self, AttributeError};
use super::fields::{
    ErrorMessage, ExemptedEntry, ExemptionEntry, FindingEntry, PackageEntry, Record, UnverifiableEntry,
};
use super::{Command, Event, ExemptionChange, username};
use crate::action::Action;
use crate::config::Settings;
use crate::finding::{Exempted, Finding, FindingSeverity, Verification, predecessor_name};
use crate::manager::{ManagerId, manager};
use crate::package::{Package, Target};
use crate::redact::{Redactor, Text};
use crate::store::{Alert, Exemption, Purpose};

/// The version of the record's fields.
const LOG_VERSION: u32 = 1;
/// Most bytes of JSON that the lists of one record have: packages, findings, failed verifications.
const MOST_PACKAGES: usize = 288 * 1024;
const MOST_FINDINGS: usize = 192 * 1024;
const MOST_UNVERIFIABLE: usize = 96 * 1024;
const MOST_EXEMPTED: usize = 64 * 1024;
const MOST_EXEMPTIONS: usize = 64 * 1024;

/// The context of records: this machine, this user, this directory, with the user's own attributes.
#[derive(Debug)]
pub struct RecordContext {
    redactor: Redactor,
    environment: Text,
    hostname: Text,
    username: Text,
    directory: Text,
    attributes: Map<String, Value>,
    /// The settings that the policy has overruled.
    overruled: Vec<String>,
    /// Mistakes in the attributes, to be said.
    pub errors: Vec<AttributeError>,
}

impl RecordContext {
    /// Here and now.
    #[must_use]
    pub fn here(settings: &Settings) -> Self {
        let redactor = Redactor::for_this_user(&|name| std::env::var_os(name));
        let (attributes, errors) = attributes::read(&settings.telemetry.attributes, &redactor);
        let directory = std::env::current_dir().map(|path| path.display().to_string()).unwrap_or_default();
        let hostname = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned());
        Self {
            environment: redactor.text(&settings.telemetry.environment),
            hostname: redactor.text(&hostname.unwrap_or_default()),
            username: redactor.text(&username()),
            directory: redactor.text(&directory),
            redactor,
            attributes,
            overruled: settings.overruled.clone(),
            errors,
        }
    }

    /// The record of `event`.
    #[must_use]
    pub fn record(&self, event: &Event<'_>) -> Record {
        let mut record = self.blank(event);
        match *event {
            Event::Run { action, purpose, command, verification, refusal } => {
                self.describe_command(&mut record, command);
                // The record of the whole set follows, unless the build or the resolver fails.
                let is_build = (action, purpose) == (Action::Allow, Purpose::Build);
                let participle = if is_build { "allowed to build" } else { action.participle() };
                record.msg = self.sentence(command, participle);
                record.action = Some(action.name());
                record.verified = Some(true);
                record.policy = self.refused(refusal);
                self.describe_verification(&mut record, verification);
            }
            Event::Unverified { action, command, reason, .. } => {
                self.describe_command(&mut record, command);
                let reason = self.redactor.text(reason);
                record.msg = self.sentence(command, &format!("{}: {}", action.participle(), reason.as_str()));
                record.action = Some(action.name());
                record.verified = Some(false);
                record.warning = Some(false);
                record.policy = self.refused(None);
            }
            Event::Bypass { command } => {
                self.describe_command(&mut record, command);
                record.msg = self.sentence(command, Action::Allow.participle());
                record.action = Some(Action::Allow.name());
                record.verified = Some(false);
                record.warning = Some(false);
            }
            Event::Audit { manager: id, executable, verification } => {
                let command = Command { manager: id, program: id.name(), executable, arguments: &[] };
                self.describe_command(&mut record, command);
                record.msg = self.redactor.text(&format!(
                    "Successfully audited {} packages managed by {}",
                    manager(id).ecosystem(),
                    id.name()
                ));
                record.policy = self.refused(None);
                self.describe_audit(&mut record, verification);
            }
            Event::Exemption { change, exemption } => {
                let terms = &exemption.terms;
                let (word, participle) = match change {
                    ExemptionChange::Made => ("made", "exempted"),
                    ExemptionChange::Removed => ("removed", "no longer exempted"),
                };
                let package = Package::new(terms.ecosystem, terms.name.clone(), terms.version.as_deref());
                record.msg = self.redactor.text(&format!("Package {package} was {participle}"));
                record.ecosystem = Some(terms.ecosystem.osv_name());
                record.exemptions = some(self.exemptions(&[exemption], word));
            }
            Event::Policy { rule, command } => {
                record.action = Some(Action::Block.name());
                record.policy = Some(self.redactor.text(rule));
                record.msg = self.redactor.text(&format!("The policy refused: {rule}"));
                if let Some(command) = command {
                    self.describe_command(&mut record, command);
                    record.msg = self.sentence(command, "refused by the policy");
                    record.verified = Some(false);
                    record.warning = Some(false);
                }
            }
            Event::Alert { alert } => self.describe_alert(&mut record, alert),
            Event::Loss { sink, dropped } => {
                record.msg = self.redactor.text(&format!(
                    "{dropped} records were dropped before they could be delivered to {}",
                    sink.title()
                ));
                record.dropped = Some(dropped);
                record.sink = Some(sink.name());
            }
        }
        record
    }

    /// The policy's refusals: the command that a rule of it stopped, and the settings that it has overruled.
    fn refused(&self, rule: Option<&str>) -> Option<Text> {
        let sentences: Vec<&str> =
            rule.into_iter().chain(self.overruled.iter().map(String::as_str)).collect();
        (!sentences.is_empty()).then(|| self.redactor.text(&sentences.join("; ")))
    }

    /// The fields that every record has.
    fn blank(&self, event: &Event<'_>) -> Record {
        Record {
            id: uuid::Uuid::now_v7().to_string(),
            event: event.name(),
            source: "scfw",
            service: "scfw",
            version: env!("CARGO_PKG_VERSION"),
            log_version: LOG_VERSION,
            env: self.environment.clone(),
            hostname: self.hostname.clone(),
            username: self.username.clone(),
            cwd: self.directory.clone(),
            created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()),
            msg: self.redactor.text(""),
            action: None,
            ecosystem: None,
            package_manager: None,
            executable: None,
            verified: None,
            warning: None,
            install_targets: None,
            relevant_findings: None,
            unverifiable: None,
            audited_packages: None,
            findings: None,
            exempted_findings: None,
            exemptions: None,
            policy: None,
            installed: None,
            dropped: None,
            sink: None,
            omitted: None,
            attributes: self.attributes.clone(),
        }
    }

    fn describe_command(&self, record: &mut Record, command: Command<'_>) {
        record.ecosystem = Some(manager(command.manager).ecosystem().osv_name());
        record.package_manager = Some(command.manager.name());
        record.executable = Some(self.redactor.text(command.executable));
    }

    fn sentence(&self, command: Command<'_>, participle: &str) -> Text {
        let line = self.redactor.command(command.program, command.arguments);
        Text::sentence(&["Command '", line.as_str(), "' was ", participle])
    }

    fn describe_verification(&self, record: &mut Record, verification: &Verification) {
        let mut omitted = 0;
        let findings = found(verification);
        let is_critical = findings.iter().any(|(_, finding)| finding.severity == FindingSeverity::Critical);
        let decisive = if is_critical { FindingSeverity::Critical } else { FindingSeverity::Warning };
        let decisive: Vec<_> =
            findings.into_iter().filter(|(_, finding)| finding.severity == decisive).collect();
        let unverifiable = unverifiable(verification);
        record.warning = Some(!(is_critical || decisive.is_empty() && unverifiable.is_empty()));
        record.install_targets = some(self.packages(verification, &mut omitted));
        record.relevant_findings = some(self.findings(&decisive, &mut omitted));
        record.unverifiable = some(self.unverifiable(&unverifiable, &mut omitted));
        record.exempted_findings = some(self.exempted(&verification.exempted, &mut omitted));
        record.exemptions = some(self.exemptions(&used(&verification.exempted), "used"));
        record.omitted = (omitted > 0).then_some(omitted);
    }

    /// The predecessor's record of an audit has its lists also if they are empty.
    fn describe_audit(&self, record: &mut Record, verification: &Verification) {
        let mut omitted = 0;
        let mut findings = found(verification);
        findings.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.severity));
        record.audited_packages = Some(self.packages(verification, &mut omitted));
        record.findings = Some(self.findings(&findings, &mut omitted));
        record.unverifiable = Some(self.unverifiable(&unverifiable(verification), &mut omitted));
        record.omitted = (omitted > 0).then_some(omitted);
    }

    fn describe_alert(&self, record: &mut Record, alert: &Alert) {
        let target = &alert.target;
        let package = PackageEntry {
            ecosystem: target.ecosystem.osv_name(),
            name: self.redactor.text(&target.name),
            version: target.version.as_deref().map(|version| self.redactor.text(version)),
            source: target.url.as_deref().map(|url| self.redactor.address(url)),
        };
        let name = Package::new(target.ecosystem, target.name.clone(), target.version.as_deref()).to_string();
        record.msg =
            self.redactor.text(&format!("Package {name} was found to be bad after it was installed"));
        record.ecosystem = Some(target.ecosystem.osv_name());
        record.package_manager =
            ManagerId::ALL.into_iter().map(ManagerId::name).find(|name| *name == alert.manager);
        record.cwd = self.redactor.text(&alert.directory);
        #[expect(clippy::cast_precision_loss, reason = "seconds since the epoch fit for millions of years")]
        let installed = alert.time as f64;
        record.installed = Some(installed);
        record.relevant_findings = Some(vec![FindingEntry {
            package: package.clone(),
            verifier: self.redactor.text(predecessor_name(&alert.verifier)),
            severity: severity_name(FindingSeverity::Critical),
            finding: self.redactor.text(&alert.summary),
            advisory: Some(self.redactor.text(&alert.advisory)),
        }]);
        record.install_targets = Some(vec![package]);
    }

    fn package(&self, target: &Target) -> PackageEntry {
        PackageEntry {
            ecosystem: target.package.ecosystem.osv_name(),
            name: self.redactor.text(&target.package.name),
            version: target.package.version.as_deref().map(|version| self.redactor.text(version)),
            source: target.url.as_deref().map(|url| self.redactor.address(url)),
        }
    }

    fn packages(&self, verification: &Verification, omitted: &mut usize) -> Vec<PackageEntry> {
        let mut targets: Vec<&Target> = verification.targets.iter().map(|(target, _)| target).collect();
        targets.sort_by_cached_key(|target| target.package.to_string());
        bounded(&targets, |target| self.package(target), MOST_PACKAGES, omitted)
    }

    fn finding(&self, package: PackageEntry, finding: &Finding) -> FindingEntry {
        FindingEntry {
            package,
            verifier: self.redactor.text(predecessor_name(&finding.verifier)),
            severity: severity_name(finding.severity),
            finding: self.redactor.text(&sentence_of(finding)),
            advisory: finding.advisory.as_deref().map(|advisory| self.redactor.text(advisory)),
        }
    }

    fn findings(&self, findings: &[(&Target, &Finding)], omitted: &mut usize) -> Vec<FindingEntry> {
        let entry = |(target, finding): &(&Target, &Finding)| self.finding(self.package(target), finding);
        bounded(findings, entry, MOST_FINDINGS, omitted)
    }

    fn unverifiable(
        &self,
        unverifiable: &[(Option<&Target>, Vec<&Finding>)],
        omitted: &mut usize,
    ) -> Vec<UnverifiableEntry> {
        let message = |finding: &&Finding| ErrorMessage {
            verifier: self.redactor.text(predecessor_name(&finding.verifier)),
            error_message: self.redactor.text(&finding.message),
        };
        let entry = |(target, findings): &(Option<&Target>, Vec<&Finding>)| UnverifiableEntry {
            package: target.map(|target| self.package(target)),
            error_messages: findings.iter().map(message).collect(),
        };
        bounded(unverifiable, entry, MOST_UNVERIFIABLE, omitted)
    }

    fn exempted(&self, exempted: &[Exempted], omitted: &mut usize) -> Vec<ExemptedEntry> {
        let entry = |exempted: &Exempted| {
            let Exempted { package, finding, exemption } = exempted;
            ExemptedEntry {
                package: PackageEntry {
                    ecosystem: package.ecosystem.osv_name(),
                    name: self.redactor.text(&package.name),
                    version: package.version.as_deref().map(|version| self.redactor.text(version)),
                    source: None,
                },
                verifier: self.redactor.text(predecessor_name(&finding.verifier)),
                severity: severity_name(finding.severity),
                finding: self.redactor.text(&finding.message),
                advisory: finding.advisory.as_deref().map(|advisory| self.redactor.text(advisory)),
                exemption: exemption.number,
                reason: self.redactor.text(&exemption.terms.reason),
            }
        };
        bounded(exempted, entry, MOST_EXEMPTED, omitted)
    }

    fn exemptions(&self, exemptions: &[&Exemption], change: &'static str) -> Vec<ExemptionEntry> {
        let entry = |&&Exemption { number, ref terms }: &&Exemption| ExemptionEntry {
            number,
            package: PackageEntry {
                ecosystem: terms.ecosystem.osv_name(),
                name: self.redactor.text(&terms.name),
                version: terms.version.as_deref().map(|version| self.redactor.text(version)),
                source: None,
            },
            advisory: terms.advisory.as_deref().map(|advisory| self.redactor.text(advisory)),
            reason: self.redactor.text(&terms.reason),
            malicious: terms.malicious,
            expires: terms.expires,
            author: self.redactor.text(&terms.author),
            change,
        };
        bounded(exemptions, entry, MOST_EXEMPTIONS, &mut 0)
    }
}

/// The text of a finding, with the severity and the link of a disclosure, as the predecessor shows them.
fn sentence_of(finding: &Finding) -> String {
    let Some(url) = &finding.url else { return finding.message.clone() };
    let severity = finding.disclosure.as_ref().and_then(|disclosure| disclosure.severity);
    let severity = severity.map(|severity| format!("[{severity}] ")).unwrap_or_default();
    format!("{}:\n  * {severity}{url}", finding.message)
}

const fn severity_name(severity: FindingSeverity) -> &'static str {
    match severity {
        FindingSeverity::Critical => "CRITICAL",
        FindingSeverity::Warning => "WARNING",
    }
}

/// Each exemption once.
fn used(exempted: &[Exempted]) -> Vec<&Exemption> {
    let mut used: Vec<&Exemption> = exempted.iter().map(|exempted| &exempted.exemption).collect();
    used.sort_by_key(|exemption| exemption.number);
    used.dedup_by_key(|exemption| exemption.number);
    used
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// Each finding with its target.
fn found(verification: &Verification) -> Vec<(&Target, &Finding)> {
    let all = verification
        .targets
        .iter()
        .flat_map(|(target, findings)| findings.iter().map(move |finding| (target, finding)));
    all.filter(|(_, finding)| !finding.is_unverified).collect()
}

/// The reasons why something could not be verified, target by target, and last of all those about all targets.
fn unverifiable(verification: &Verification) -> Vec<(Option<&Target>, Vec<&Finding>)> {
    let of_targets = verification.targets.iter().map(|(target, findings)| (Some(target), findings));
    of_targets
        .chain([(None, &verification.general)])
        .map(|(target, findings)| (target, findings.iter().filter(|finding| finding.is_unverified).collect()))
        .filter(|(_, findings): &(Option<&Target>, Vec<&Finding>)| !findings.is_empty())
        .collect()
}

/// The first entries, as many as have no more than `most` bytes in JSON; the rest are counted.
fn bounded<S, T: Serialize>(
    items: &[S],
    entry: impl Fn(&S) -> T,
    most: usize,
    omitted: &mut usize,
) -> Vec<T> {
    let mut bytes = 0;
    let fits = |entry: &T| {
        bytes += serde_json::to_string(entry).map_or(most, |json| json.len() + 1);
        bytes <= most
    };
    let entries: Vec<T> = items.iter().map(entry).take_while(fits).collect();
    *omitted += items.len() - entries.len();
    entries
}
