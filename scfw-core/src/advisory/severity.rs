//! How severe an advisory is: the qualitative ratings of CVSS v2, v3 and v4, or a database's own word.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A qualitative severity, lowest first (CVSS v4.0, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A score of 0.0.
    None,
    /// 0.1 to 3.9.
    Low,
    /// 4.0 to 6.9.
    Medium,
    /// 7.0 to 8.9.
    High,
    /// 9.0 to 10.0.
    Critical,
}

impl Severity {
    /// The severity behind a word in any case; GitHub's `moderate` and Ubuntu's `negligible` are understood.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "none" | "negligible" => Some(Self::None),
            "low" => Some(Self::Low),
            "medium" | "moderate" => Some(Self::Medium),
            "high" | "important" => Some(Self::High),
            "critical" => Some(Self::Critical),
            _ => None,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "None",
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
            Self::Critical => "Critical",
        })
    }
}

impl From<cvss::Severity> for Severity {
    fn from(severity: cvss::Severity) -> Self {
        match severity {
            cvss::Severity::None => Self::None,
            cvss::Severity::Low => Self::Low,
            cvss::Severity::Medium => Self::Medium,
            cvss::Severity::High => Self::High,
            cvss::Severity::Critical => Self::Critical,
        }
    }
}

/// An entry of an advisory's `severity` array.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct Score {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    score: String,
}

impl Score {
    /// The rating of the vector; nothing where the vector cannot be read.
    pub(super) fn rating(&self) -> Option<Severity> {
        match self.kind.as_str() {
            "CVSS_V2" => Some(cvss::v2::Vector::from_str(&self.score).ok()?.score().severity().into()),
            "CVSS_V3" => {
                Some(cvss::v3::Vector::from_str(&base_metrics(&self.score)).ok()?.score().severity().into())
            }
            "CVSS_V4" => Some(cvss::v4::Vector::from_str(&self.score).ok()?.score().severity().into()),
            _ => Severity::from_word(&self.score),
        }
    }
}

/// A CVSS v3 vector without its temporal and environmental metrics, which the rating of the base score does
/// not need and the parser does not take.
fn base_metrics(vector: &str) -> String {
    const BASE: [&str; 9] = ["CVSS", "AV", "AC", "PR", "UI", "S", "C", "I", "A"];
    let is_base = |component: &&str| component.split(':').next().is_some_and(|metric| BASE.contains(&metric));
    vector.split('/').filter(is_base).collect::<Vec<_>>().join("/")
}
