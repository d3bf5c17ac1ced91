//! The ways in which a service can let its clients down.

use crate::{Service, http::Response};

/// The failure of a service, in the place of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Answers every request with this HTTP status and a short body.
    Status(u16),
    /// Answers 429 and asks to be left alone for this many seconds.
    Busy(u32),
    /// Takes the request and never answers, until the client closes the connection or the world ends.
    Hang,
    /// Promises the whole answer, sends half of it and closes the connection.
    Truncated,
    /// Answers 200 with bytes that are no JSON, no HTML and no archive.
    Garbage,
    /// Answers 200 with one gibibyte of JSON of about the right shape, written as fast as the client reads.
    Gigabyte,
    /// Closes the connection as soon as it has read the request.
    Close,
    /// Answers 302 with this location.
    Redirect(String),
}

/// The server's action on the wire.
pub(crate) enum Outcome {
    Send(Response),
    SendHalf(Response),
    Stream(Flood),
    Hang,
    Close,
}

/// An endless-looking document: `opening`, then `unit` over and over, then `closing`.
#[derive(Clone, Copy)]
pub(crate) struct Flood {
    pub(crate) opening: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) closing: &'static str,
}

impl Flood {
    const fn of(service: Service) -> Self {
        match service {
            Service::Osv => Self {
                opening: r#"{"results":[{"vulns":["#,
                unit: r#"{"id":"MAL-0000-0000","modified":"2020-01-01T00:00:00Z"},"#,
                closing: r#"{"id":"MAL-0000-0000","modified":"2020-01-01T00:00:00Z"}]}]}"#,
            },
            Service::Datadog => Self {
                opening: "{",
                unit: r#""one-name-of-many":["1.0.0"],"#,
                closing: r#""one-name-of-many":null}"#,
            },
            _ => Self { opening: r#"{"versions":["#, unit: r#""1.0.0","#, closing: r#""1.0.0"]}"# },
        }
    }
}

impl Failure {
    /// The outcome of a request for which `response` would have been the answer.
    pub(crate) fn outcome(self, service: Service, response: Response) -> Outcome {
        match self {
            Self::Status(status) => Outcome::Send(Response::text(status, "this service is out of order\n")),
            Self::Busy(seconds) => {
                Outcome::Send(Response::text(429, "later\n").with_header("Retry-After", seconds.to_string()))
            }
            Self::Hang => Outcome::Hang,
            Self::Truncated => Outcome::SendHalf(response),
            Self::Garbage => {
                Outcome::Send(Response::new(200, "application/json", *b"\x00\xff\xfe}{]not this"))
            }
            Self::Gigabyte => Outcome::Stream(Flood::of(service)),
            Self::Close => Outcome::Close,
            Self::Redirect(location) => {
                Outcome::Send(Response::text(302, "elsewhere\n").with_header("Location", location))
            }
        }
    }
}
