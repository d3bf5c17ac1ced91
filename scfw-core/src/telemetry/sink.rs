//! The sinks: their kinds, the records that each takes, and the fate of a batch.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{Record, agent, intake, otlp};
use crate::action::Action;
use crate::config::{ApiKey, Datadog, Otlp, TelemetrySettings};
use crate::store::SinkKind;

/// A sink that the settings ask for.
#[derive(Debug, Clone)]
pub enum Sink<'a> {
    /// The Datadog Agent, on this local port.
    Agent(std::num::NonZeroU16),
    /// Datadog's API.
    Api(&'a Datadog),
    /// An OpenTelemetry Collector.
    Otlp(&'a Otlp),
}

/// The fate of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The sink has it.
    Delivered {
        /// The number of the records that it did not keep all the same.
        refused: usize,
        /// Its objection to them.
        remark: Option<String>,
    },
    /// The sink may take it later.
    Retry {
        /// The time that it wants to be left alone at least, if it said so.
        after: Option<Duration>,
        /// The error, as a sentence without secrets. Parts of it may come from outside.
        reason: String,
    },
    /// The sink will never take it as it is. A smaller batch, or another record, may pass.
    Rejected {
        /// The error, as a sentence without secrets.
        reason: String,
    },
}

impl<'a> Sink<'a> {
    /// The sinks that `settings` ask for.
    #[must_use]
    pub fn all(settings: &'a TelemetrySettings) -> Vec<Self> {
        let datadog = &settings.datadog;
        let sinks = [
            datadog.agent_port.map(Self::Agent),
            datadog.api_logger.then_some(Self::Api(datadog)),
            settings.otlp.logs_url.is_some().then_some(Self::Otlp(&settings.otlp)),
        ];
        sinks.into_iter().flatten().collect()
    }

    /// The kind of the sink.
    #[must_use]
    pub const fn kind(&self) -> SinkKind {
        match self {
            Self::Agent(_) => SinkKind::Agent,
            Self::Api(_) => SinkKind::Api,
            Self::Otlp(_) => SinkKind::Otlp,
        }
    }

    /// A name for where records go and with which key, from which neither can be told.
    #[must_use]
    pub fn place(&self) -> String {
        let mut digest = Sha256::new();
        let mut add = |part: &str| {
            digest.update(part);
            digest.update([0]);
        };
        match self {
            Self::Agent(port) => add(&port.to_string()),
            Self::Api(datadog) => {
                add(&datadog.intake_url().unwrap_or_default());
                add(datadog.api_key.as_ref().map_or("", ApiKey::reveal));
            }
            Self::Otlp(otlp) => {
                add(otlp.logs_url.as_deref().unwrap_or_default());
                add(&otlp.certificate.as_deref().unwrap_or(Path::new("")).to_string_lossy());
                otlp.headers.iter().flat_map(|(name, value)| [name.as_str(), value.reveal()]).for_each(add);
            }
        }
        digest.finalize()[..8].iter().fold(String::with_capacity(16), |mut text, byte| {
            // Writing to a string does not fail.
            write!(text, "{byte:02x}").ok();
            text
        })
    }

    /// Delivers `records`, each in JSON, in their order, all or none of them. Ends within half a minute.
    pub async fn deliver(&self, records: &[String]) -> Outcome {
        match self {
            Self::Agent(port) => agent::deliver(*port, records).await,
            Self::Api(datadog) => intake::deliver(datadog, records).await,
            Self::Otlp(otlp) => otlp::deliver(otlp, records).await,
        }
    }
}

/// The sinks that are to get `record`. Datadog's log level is about decisions alone, and not about those that an
/// exemption turned or the policy: an override, or an attempt at one, is always sent.
#[must_use]
pub fn wanted_by(record: &Record, settings: &TelemetrySettings) -> Vec<SinkKind> {
    let level = settings.datadog.log_level.unwrap_or(Action::Block);
    let reaches_level = record.event != "run"
        || record.exemptions.is_some()
        || record.policy.is_some()
        || record.action.and_then(Action::parse).is_none_or(|action| action.reaches(level));
    Sink::all(settings)
        .iter()
        .map(Sink::kind)
        .filter(|kind| *kind == SinkKind::Otlp || reaches_level)
        .collect()
}
