//! Posting to a sink over HTTP, and the meaning of its answer for the records.

use std::path::Path;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, StatusCode, Url};

use super::Outcome;
use crate::files;
use crate::net::{client_builder, host_of, innermost};

/// The time limits of the connection and of the whole exchange.
const CONNECT: Duration = Duration::from_secs(5);
const EXCHANGE: Duration = Duration::from_secs(20);
/// The most of an answer that is read, in bytes.
const MOST_ANSWER: usize = 64 * 1024;
/// The most of a file with certificates, in bytes.
const LARGEST_CERTIFICATES: u64 = 16 * 1024 * 1024;
/// The longest that a sink may ask to be left alone.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);

/// Posts `body` to `url`, whose certificate may come from those in the file `certificate` as well. The answer's body
/// if it was a success, else the consequence for the records.
pub(super) async fn post(
    url: &str,
    certificate: Option<&Path>,
    headers: HeaderMap,
    body: Vec<u8>,
) -> Result<Vec<u8>, Outcome> {
    let retry = |reason: String| Outcome::Retry { after: None, reason };
    let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(parsed) = parsed.filter(Url::has_host) else {
        return Err(retry("the address is not valid".to_owned()));
    };
    let host = host_of(url);
    let unreachable = |error: reqwest::Error| {
        retry(if error.is_timeout() {
            format!("{host} did not answer in time")
        } else {
            format!("{host} could not be reached ({})", innermost(&error))
        })
    };
    let own = certificate.map(certificates).transpose().map_err(retry)?.unwrap_or_default();
    let client = client(parsed.scheme() == "https", own).map_err(unreachable)?;
    let mut answer = client.post(parsed).headers(headers).body(body).send().await.map_err(unreachable)?;
    let status = answer.status();
    if !status.is_success() {
        return Err(after_failure(&host, status, answer.headers()));
    }
    let mut body = Vec::new();
    // A record that was taken is taken, also if the rest of the answer never comes.
    while let Ok(Some(chunk)) = answer.chunk().await {
        if body.len() + chunk.len() > MOST_ANSWER {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The certificates in a file, in PEM; the error is a sentence.
fn certificates(path: &Path) -> Result<Vec<Certificate>, String> {
    let shown = path.display();
    let pem = files::read(path, LARGEST_CERTIFICATES).map_err(|error| format!("{shown} {error}"))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(format!("{shown} holds no certificate in PEM")),
    }
}

/// A client that follows no redirect: the headers carry secrets, and they are for the host that the user named.
fn client(is_encrypted: bool, own: Vec<Certificate>) -> reqwest::Result<Client> {
    let builder = client_builder(Policy::none(), is_encrypted).connect_timeout(CONNECT).timeout(EXCHANGE);
    if is_encrypted { builder.tls_certs_merge(own) } else { builder }.build()
}

/// The consequence of a status that is no success. Only a fault of the records themselves loses them; a key or an
/// address that is wrong can be corrected.
fn after_failure(host: &str, status: StatusCode, headers: &HeaderMap) -> Outcome {
    let after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(pause);
    match status {
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
            Outcome::Rejected {
                reason: format!("{host} does not take the record (status {})", status.as_u16()),
            }
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Outcome::Retry {
            after,
            reason: format!("{host} refused the key or the headers (status {})", status.as_u16()),
        },
        _ => Outcome::Retry { after, reason: format!("{host} answered with status {}", status.as_u16()) },
    }
}

/// The wait that `Retry-After` asks for (RFC 9110, section 10.2.3): seconds, or a date.
fn pause(value: &str) -> Option<Duration> {
    let value = value.trim();
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let pause = if is_number {
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let date = jiff::fmt::rfc2822::parse(value).ok()?;
        SystemTime::from(date.timestamp()).duration_since(SystemTime::now()).ok()?
    };
    Some(pause.min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_seconds_or_a_date_and_never_too_long() {
        assert_eq!(pause(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(pause("99999999999"), Some(LONGEST_PAUSE));
        assert_eq!(pause(&"9".repeat(40)), Some(LONGEST_PAUSE));
        assert_eq!(pause("Tue, 31 Dec 2199 23:59:59 GMT"), Some(LONGEST_PAUSE));
        for nothing in ["Fri, 31 Dec 1999 23:59:59 GMT", "soon", "", "-1"] {
            assert_eq!(pause(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn only_a_bad_record_is_lost() {
        let after = |status| after_failure("h", StatusCode::from_u16(status).unwrap(), &HeaderMap::new());
        for status in [400, 413, 422] {
            assert!(matches!(after(status), Outcome::Rejected { .. }), "{status}");
        }
        for status in [302, 401, 403, 404, 408, 429, 500, 502, 503, 504] {
            assert!(matches!(after(status), Outcome::Retry { .. }), "{status}");
        }
    }
}
