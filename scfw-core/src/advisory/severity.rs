//! The severity of an advisory: the qualitative ratings of CVSS v2, v3 and v4, or a database's own word.

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

/// One rating of an advisory, by a scoring system.
#[derive(Debug, Clone, PartialEq)]
pub struct Rating {
    /// The scoring system, by its name in the OSV schema: `CVSS_V2`, `CVSS_V3`, `CVSS_V4`.
    pub system: String,
    /// The vector, as it stands in the advisory.
    pub vector: String,
    /// The score, 0.0 to 10.0.
    pub score: f64,
    /// The word for the score.
    pub severity: Severity,
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
    /// The severity that it comes to; none if the vector cannot be read.
    pub(super) fn severity(&self) -> Option<Severity> {
        self.rating().map(|rating| rating.severity).or_else(|| Severity::from_word(&self.score))
    }

    /// The rating of a CVSS vector; none if it is none that can be read.
    pub(super) fn rating(&self) -> Option<Rating> {
        let (score, severity) = match self.kind.as_str() {
            "CVSS_V2" => {
                let score = cvss::v2::Vector::from_str(&self.score).ok()?.score();
                (score.value(), score.severity())
            }
            "CVSS_V3" => {
                let score = cvss::v3::Vector::from_str(&base_metrics(&self.score)).ok()?.score();
                (score.value(), score.severity())
            }
            "CVSS_V4" => {
                let score = cvss::v4::Vector::from_str(&self.score).ok()?.score();
                (score.clone().value(), score.severity())
            }
            _ => return None,
        };
        let (system, vector) = (self.kind.clone(), self.score.clone());
        Some(Rating { system, vector, score, severity: severity.into() })
    }
}

/// A CVSS v3 vector without its temporal and environmental metrics, which the rating of the base score does
/// not need and the parser does not take.
fn base_metrics(vector: &str) -> String {
    const BASE: [&str; 9] = ["CVSS", "AV", "AC", "PR", "UI", "S", "C", "I", "A"];
    let is_base = |component: &&str| component.split(':').next().is_some_and(|metric| BASE.contains(&metric));
    vector.split('/').filter(is_base).collect::<Vec<_>>().join("/")
}
