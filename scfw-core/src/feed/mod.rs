//! Bringing data in: one HTTP client with one deadline for all requests of a run, and bounded answers.

pub mod bulk;
pub mod datadog;
pub mod osv;
pub mod registry;

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, RequestBuilder, StatusCode};
use tokio::time::{Instant, timeout_at};

use crate::net::{client_builder, host_of, innermost};

/// Why a feed gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// The configuration forbids asking.
    #[error("scfw is set to work offline")]
    Offline,
    /// No connection, or it broke.
    #[error("{host} could not be reached ({reason})")]
    Unreachable {
        /// The host that was asked.
        host: String,
        /// The innermost cause.
        reason: String,
    },
    /// The run's deadline passed.
    #[error("{host} did not answer in time")]
    TimedOut {
        /// The host that was asked.
        host: String,
    },
    /// An HTTP status that is no success.
    #[error("{host} answered with status {status}")]
    Status {
        /// The host that was asked.
        host: String,
        /// The status.
        status: u16,
    },
    /// More bytes than any real answer has.
    #[error("the answer of {host} is too large")]
    TooLarge {
        /// The host that was asked.
        host: String,
    },
    /// A package index or registry without times.
    #[error("{host} does not say when packages were published")]
    Untimed {
        /// The host that was asked.
        host: String,
    },
    /// A data set that lists nothing.
    #[error("what {host} has is empty")]
    Empty {
        /// The host that was asked.
        host: String,
    },
    /// An answer that does not follow the feed's format.
    #[error("the answer of {host} could not be read")]
    Malformed {
        /// The host that was asked.
        host: String,
    },
}

/// An HTTP client for the feeds of one run.
#[derive(Debug, Clone)]
pub struct Client {
    http: Result<reqwest::Client, FeedError>,
    deadline: Instant,
}

/// The limits of a bulk download: for all of it, for the connection to its server, and for a silence of that server.
const PATIENCE: [Duration; 3] = [Duration::from_hours(3), Duration::from_secs(20), Duration::from_mins(1)];

/// A successful answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// None if the server says that the client's copy is current (status 304).
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) etag: Option<String>,
    /// Whether many requests can share its connection.
    pub(crate) is_multiplexed: bool,
}

impl Client {
    /// A client whose requests all end by `deadline`; one that only refuses where `offline` is set. `base_urls`
    /// are those that will be asked: without an `https` one among them no certificate is loaded.
    #[must_use]
    pub fn new(offline: bool, deadline: Instant, base_urls: &[&str]) -> Self {
        let http = if offline { Err(FeedError::Offline) } else { build(builder(base_urls)) };
        Self { http, deadline }
    }

    /// A client for large downloads: nobody waits for them, so they only have to go on.
    #[must_use]
    pub fn patient(offline: bool, base_urls: &[&str]) -> Self {
        let [all, connection, silence] = PATIENCE;
        let builder = || builder(base_urls).connect_timeout(connection).read_timeout(silence);
        let http = if offline { Err(FeedError::Offline) } else { build(builder()) };
        Self { http, deadline: Instant::now() + all }
    }

    /// The time by which everything has to be known.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn http(&self) -> Result<&reqwest::Client, FeedError> {
        self.http.as_ref().map_err(Clone::clone)
    }

    /// Sends a request and reads at most `limit` bytes of its answer.
    pub(crate) async fn send(
        &self,
        request: RequestBuilder,
        url: &str,
        limit: usize,
    ) -> Result<Answer, FeedError> {
        let host = host_of(url);
        let unreachable =
            |error: reqwest::Error| FeedError::Unreachable { host: host.clone(), reason: innermost(&error) };
        let exchange = async {
            let mut response = request.send().await.map_err(unreachable)?;
            let etag = response
                .headers()
                .get(reqwest::header::ETAG)
                .and_then(|etag| etag.to_str().ok())
                .map(str::to_owned);
            let status = response.status();
            let is_multiplexed = response.version() == reqwest::Version::HTTP_2;
            if status == StatusCode::NOT_MODIFIED {
                return Ok(Answer { body: None, etag, is_multiplexed });
            }
            if !status.is_success() {
                return Err(FeedError::Status { host: host.clone(), status: status.as_u16() });
            }
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
                if body.len() + chunk.len() > limit {
                    return Err(FeedError::TooLarge { host: host.clone() });
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Answer { body: Some(body), etag, is_multiplexed })
        };
        timeout_at(self.deadline, exchange)
            .await
            .unwrap_or_else(|_| Err(FeedError::TimedOut { host: host.clone() }))
    }
}

fn builder(base_urls: &[&str]) -> ClientBuilder {
    client_builder(Policy::limited(3), base_urls.iter().any(|url| url.starts_with("https:")))
}

fn build(builder: ClientBuilder) -> Result<reqwest::Client, FeedError> {
    builder
        .build()
        .map_err(|error| FeedError::Unreachable { host: "the network".to_owned(), reason: innermost(&error) })
}
