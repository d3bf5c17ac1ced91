//! The result of the last update, in a file beside the store: for `scfw status`, and so that a background update that
//! fails is not tried again with every install.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Report, UpdateError};
use crate::files::{Kept, read_kept, replace};
use crate::store::now;

const FILE_NAME: &str = "update.json";
/// Largest such file, in bytes.
const LARGEST: u64 = 64 * 1024;
/// Longest error that is kept, in characters.
const LONGEST_ERROR: usize = 1000;
/// Documents that could not be read and are named, and the longest such name, in characters.
const MOST_NAMED: usize = 5;
const LONGEST_NAME: usize = 200;

/// The result of the last update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastUpdate {
    /// The time of its end, in Unix seconds.
    pub time: i64,
    /// The error; none if there was none.
    pub error: Option<String>,
    /// The documents that could not be read and are left out, by feed.
    #[serde(default)]
    pub unreadable: BTreeMap<String, Unreadable>,
}

/// Documents of a feed that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// The number of entries.
    pub count: usize,
    /// The first of them.
    pub named: Vec<String>,
}

impl LastUpdate {
    /// The last update of the store in `data`, if there was one.
    #[must_use]
    pub fn read(data: &Path) -> Option<Self> {
        let state = read_kept(&data.join(FILE_NAME), Kept::Privately, LARGEST).ok()??;
        serde_json::from_slice(&state).ok()
    }

    pub(super) fn of(outcome: &Result<Report, UpdateError>) -> Self {
        let errors: Vec<String> = match outcome {
            Err(error) => vec![describe(error)],
            Ok(report) => report
                .feeds
                .iter()
                .filter_map(|(name, outcome)| Some(format!("{name}: {}", describe(outcome.as_ref().err()?))))
                .collect(),
        };
        let error = errors.join("; ").chars().take(LONGEST_ERROR).collect();
        let feeds = outcome.iter().flat_map(|report| &report.feeds);
        let unreadable = feeds.filter_map(|(name, outcome)| {
            let all = &outcome.as_ref().ok()?.unreadable;
            let named = all.iter().take(MOST_NAMED).map(|name| name.chars().take(LONGEST_NAME).collect());
            (!all.is_empty())
                .then(|| (name.to_string(), Unreadable { count: all.len(), named: named.collect() }))
        });
        Self {
            time: now(),
            unreadable: unreadable.collect(),
            error: Some(error).filter(|error: &String| !error.is_empty()),
        }
    }

    /// Writes it into `data`.
    pub(super) fn write(&self, data: &Path) {
        if let Ok(note) = serde_json::to_vec(self) {
            // An update that has done its work does not fail for a note.
            replace(&data.join(FILE_NAME), &note).ok();
        }
    }
}

fn describe(error: &UpdateError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
