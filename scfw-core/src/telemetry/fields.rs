//! The fields of records and of their parts. The reference page is generated from here, so a field has its
//! description beside it, and whether the predecessor has it as well.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::redact::Text;

/// The origin of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// The predecessor's field, with its name, type and meaning.
    Predecessor,
    /// Ours.
    Scfw,
}

/// A field's line of the reference page.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name in JSON.
    pub name: &'static str,
    /// Its description, line by line.
    pub description: &'static [&'static str],
    /// Its origin.
    pub since: Since,
}

/// Declares a struct together with the table of its fields.
macro_rules! described {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[doc = $line:literal])+ $(#[serde($($serde:tt)*)])? $field:ident: $type:ty = $since:ident,)+
        $(flatten $rest:ident: $rest_type:ty,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Serialize)]
        pub struct $name {
            $($(#[doc = $line])+ $(#[serde($($serde)*)])? pub $field: $type,)+
            $(
                /// The user's own attributes.
                #[serde(flatten)]
                pub $rest: $rest_type,
            )?
        }

        impl $name {
            /// Each field in its order.
            pub const FIELDS: &'static [Field] = &[$(Field {
                name: stringify!($field),
                description: &[$($line),+],
                since: Since::$since,
            }),+];
        }
    };
}

described! {
    /// One record: a line of the file log, a log of Datadog, a log record of OpenTelemetry.
    pub struct Record {
        /// Names this record: a UUID of version 7 (RFC 9562). One that is delivered twice has the same both times.
        id: String = Scfw,
        /// The kind of event: `run`, `bypass` (unverified, by the user's wish), `audit`, `exemption` (made or
        /// removed), `policy` (something the policy forbids was refused), `alert` (an advisory came after the
        /// install), `loss` (records were dropped before they could be delivered).
        event: &'static str = Scfw,
        /// Always `scfw`.
        source: &'static str = Predecessor,
        /// Always `scfw`.
        service: &'static str = Predecessor,
        /// The version of scfw.
        version: &'static str = Predecessor,
        /// The version of these fields.
        log_version: u32 = Predecessor,
        /// The environment: `DD_ENV`, or `environment` in config.toml.
        env: Text = Predecessor,
        /// The machine.
        hostname: Text = Predecessor,
        /// The user.
        username: Text = Predecessor,
        /// The working directory.
        cwd: Text = Predecessor,
        /// Seconds since the epoch.
        created: f64 = Predecessor,
        /// A sentence with the command as it was typed, less secrets, and why it could not be verified, if so.
        msg: Text = Predecessor,
        /// The action: `ALLOW`, `BLOCK`, or `ABORT` if the user was asked and said no.
        #[serde(skip_serializing_if = "Option::is_none")]
        action: Option<&'static str> = Predecessor,
        /// `PyPI` or `npm`.
        #[serde(skip_serializing_if = "Option::is_none")]
        ecosystem: Option<&'static str> = Predecessor,
        /// `pip` or `npm`.
        #[serde(skip_serializing_if = "Option::is_none")]
        package_manager: Option<&'static str> = Predecessor,
        /// The manager's file.
        #[serde(skip_serializing_if = "Option::is_none")]
        executable: Option<Text> = Predecessor,
        /// Whether anything was verified.
        #[serde(skip_serializing_if = "Option::is_none")]
        verified: Option<bool> = Predecessor,
        /// Whether there were warnings, or something could not be verified, and nothing critical.
        #[serde(skip_serializing_if = "Option::is_none")]
        warning: Option<bool> = Predecessor,
        /// The packages that would be or were installed, in alphabetical order.
        #[serde(skip_serializing_if = "Option::is_none")]
        install_targets: Option<Vec<PackageEntry>> = Predecessor,
        /// The findings that decided: the critical ones, or without any the warnings.
        #[serde(skip_serializing_if = "Option::is_none")]
        relevant_findings: Option<Vec<FindingEntry>> = Predecessor,
        /// The packages that could not be verified.
        #[serde(skip_serializing_if = "Option::is_none")]
        unverifiable: Option<Vec<UnverifiableEntry>> = Predecessor,
        /// The packages that an audit looked at.
        #[serde(skip_serializing_if = "Option::is_none")]
        audited_packages: Option<Vec<PackageEntry>> = Predecessor,
        /// The findings of an audit, the critical ones first.
        #[serde(skip_serializing_if = "Option::is_none")]
        findings: Option<Vec<FindingEntry>> = Predecessor,
        /// The findings that did not count because an exemption covers them.
        #[serde(skip_serializing_if = "Option::is_none")]
        exempted_findings: Option<Vec<ExemptedEntry>> = Scfw,
        /// The exemptions that were used, made or removed.
        #[serde(skip_serializing_if = "Option::is_none")]
        exemptions: Option<Vec<ExemptionEntry>> = Scfw,
        /// The policy's refusals: the rule that stopped this, and the user's settings that it has overruled.
        #[serde(skip_serializing_if = "Option::is_none")]
        policy: Option<Text> = Scfw,
        /// The time of the install that an alert is about, in seconds since the epoch.
        #[serde(skip_serializing_if = "Option::is_none")]
        installed: Option<f64> = Scfw,
        /// The number of records that were dropped.
        #[serde(skip_serializing_if = "Option::is_none")]
        dropped: Option<u64> = Scfw,
        /// The sink that they were for: `agent`, `api`, `otlp`.
        #[serde(skip_serializing_if = "Option::is_none")]
        sink: Option<&'static str> = Scfw,
        /// The number of packages and findings that were left out because the record would have become too large.
        #[serde(skip_serializing_if = "Option::is_none")]
        omitted: Option<usize> = Scfw,
        flatten attributes: Map<String, Value>,
    }
}

described! {
    /// A package.
    pub struct PackageEntry {
        /// `PyPI` or `npm`.
        ecosystem: &'static str = Predecessor,
        /// Its name as it was written.
        name: Text = Predecessor,
        /// Its version; null if it is not known yet.
        version: Option<Text> = Predecessor,
        /// The archive, repository or folder that it comes from; null if that is not known.
        source: Option<Text> = Predecessor,
    }
}

described! {
    /// A finding.
    pub struct FindingEntry {
        /// The package that it is about.
        package: PackageEntry = Predecessor,
        /// The verifier that says so: `OsvVerifier`, `DatadogMaliciousPackagesVerifier`, `PackageAgeVerifier` and
        /// `FindingsListVerifier`, as the predecessor calls them, `feeds`, or the name of an external one.
        verifier: Text = Predecessor,
        /// `CRITICAL` or `WARNING`.
        severity: &'static str = Predecessor,
        /// The sentence, with the severity and the link of a disclosure on a second line.
        finding: Text = Predecessor,
        /// The advisory's id; null if there is none.
        advisory: Option<Text> = Scfw,
    }
}

described! {
    /// A finding that an exemption covers.
    pub struct ExemptedEntry {
        /// The package that it is about.
        package: PackageEntry = Scfw,
        /// The verifier that says so.
        verifier: Text = Scfw,
        /// `CRITICAL` or `WARNING`.
        severity: &'static str = Scfw,
        /// The sentence.
        finding: Text = Scfw,
        /// The advisory's id; null if there is none.
        advisory: Option<Text> = Scfw,
        /// The number of the exemption.
        exemption: i64 = Scfw,
        /// Why it was exempted.
        reason: Text = Scfw,
    }
}

described! {
    /// A package that could not be verified, with the reason.
    pub struct UnverifiableEntry {
        /// The package; null if it is all of them.
        package: Option<PackageEntry> = Predecessor,
        /// Each verifier's reason.
        error_messages: Vec<ErrorMessage> = Predecessor,
    }
}

described! {
    /// Why a verifier could not verify.
    pub struct ErrorMessage {
        /// The verifier.
        verifier: Text = Predecessor,
        /// Its reason.
        error_message: Text = Predecessor,
    }
}

described! {
    /// An exemption.
    pub struct ExemptionEntry {
        /// Its number on this machine, which is how it is removed.
        number: i64 = Scfw,
        /// The package; without a version it is every version.
        package: PackageEntry = Scfw,
        /// The one advisory that it covers; null for every finding.
        advisory: Option<Text> = Scfw,
        /// Why.
        reason: Text = Scfw,
        /// Whether it covers critical findings.
        malicious: bool = Scfw,
        /// The time at which it ends, in seconds since the epoch; null for never.
        expires: Option<i64> = Scfw,
        /// The user who made it.
        author: Text = Scfw,
        /// `used`, `made` or `removed`.
        change: &'static str = Scfw,
    }
}
