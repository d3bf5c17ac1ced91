//! The records that wait for each sink, and the state of its delivery.

use std::fmt;

use scfw_core::store::{SinkKind, SinkState, Store};
use scfw_core::telemetry::{self};
use serde::Serialize;

use crate::process::Process;
use crate::terminal::output::describe;

/// A sink that is set up, or for which records wait.
#[derive(Debug, Serialize)]
pub struct Delivery {
    /// `agent`, `api`, `otlp`.
    sink: &'static str,
    #[serde(skip)]
    title: &'static str,
    /// Whether the settings ask for it.
    configured: bool,
    /// Records that wait; none if the store does not tell.
    waiting: Option<i64>,
    /// When it last took something, RFC 3339.
    delivered: Option<String>,
    /// What was wrong last.
    error: Option<String>,
    /// When that was, RFC 3339.
    failed: Option<String>,
    /// Records that were given up: too many, too old, or such as the sink does not take.
    dropped: i64,
}

/// All sinks; none if there are no settings, which others tell of.
pub fn all(process: &Process) -> Vec<Delivery> {
    let Ok(settings) = process.settings() else { return Vec::new() };
    let configured: Vec<SinkKind> =
        telemetry::Sink::all(&settings.telemetry).iter().map(telemetry::Sink::kind).collect();
    let store = Store::open_existing(&Store::path_in(&settings.directories.data));
    let state = |kind| match &store {
        Ok(Some(store)) => store.sink_state(kind).map_err(|error| describe(&error)),
        Ok(None) => Ok(SinkState::default()),
        Err(error) => Err(describe(error)),
    };
    let lacks_key = |kind| kind == SinkKind::Api && settings.telemetry.datadog.api_key.is_none();
    SinkKind::ALL
        .into_iter()
        .filter_map(|kind| {
            let is_configured = configured.contains(&kind);
            let (state, waiting, trouble) = match state(kind) {
                Ok(state) => (state.clone(), Some(state.waiting), None),
                Err(trouble) => (SinkState::default(), None, Some(trouble)),
            };
            if !is_configured && state.waiting == 0 {
                return None;
            }
            let trouble = trouble.or_else(|| lacks_key(kind).then(|| "there is no API key".to_owned()));
            let (error, failed) = state.error.unzip();
            Some(Delivery {
                sink: kind.name(),
                title: kind.title(),
                configured: is_configured,
                waiting,
                delivered: state.delivered.and_then(moment),
                error: trouble.or(error),
                failed: failed.and_then(moment),
                dropped: state.dropped,
            })
        })
        .collect()
}

impl Delivery {
    /// Whether it is set up and has not got everything, or nobody can tell.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.configured && self.waiting != Some(0)
    }
}

fn moment(seconds: i64) -> Option<String> {
    jiff::Timestamp::from_second(seconds).ok().map(|moment| moment.to_string())
}

impl fmt::Display for Delivery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.waiting {
            Some(1) => formatter.write_str("telemetry: 1 record waits")?,
            Some(count) => write!(formatter, "telemetry: {count} records wait")?,
            None => formatter.write_str("telemetry: it is not known how many records wait")?,
        }
        write!(formatter, " for {}", self.title)?;
        if !self.configured {
            formatter.write_str(", which is no longer set up")?;
        }
        if let Some(delivered) = &self.delivered {
            write!(formatter, "; the last delivery was at {delivered}")?;
        }
        if let Some(error) = &self.error {
            let at = self.failed.as_ref().map(|failed| format!(" at {failed}")).unwrap_or_default();
            write!(formatter, "; last error{at}: {error}")?;
        }
        if self.dropped > 0 {
            write!(formatter, "; {} dropped so far", self.dropped)?;
        }
        Ok(())
    }
}
