//! Datadog's API for logs: `POST <base>/api/v2/logs`, a list of items, compressed.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Outcome;
use super::http::post;
use crate::config::{ApiKey, Datadog};
use crate::net::join;

/// One log, as the API takes it.
#[derive(Serialize)]
struct Item<'a> {
    ddsource: &'static str,
    ddtags: String,
    hostname: &'a str,
    message: &'a str,
    service: &'static str,
}

/// The fields of a record that stand beside it in an item.
#[derive(Deserialize)]
struct Labels {
    #[serde(default)]
    env: String,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    version: String,
}

pub(super) async fn deliver(datadog: &Datadog, records: &[String]) -> Outcome {
    let retry = |reason: &str| Outcome::Retry { after: None, reason: reason.to_owned() };
    let Some(key) = &datadog.api_key else { return retry("there is no API key") };
    let Some(base) = datadog.intake_url() else { return retry("the Datadog site is no name of a host") };
    let labels: Vec<Labels> = match records.iter().map(|record| serde_json::from_str(record)).collect() {
        Ok(labels) => labels,
        // Only scfw writes to the outbox, so this one is damaged.
        Err(_) => return Outcome::Rejected { reason: "a record is not valid".to_owned() },
    };
    let items: Vec<Item<'_>> = records
        .iter()
        .zip(&labels)
        .map(|(record, labels)| Item {
            ddsource: "scfw",
            ddtags: format!("env:{},version:{}", labels.env, labels.version),
            hostname: &labels.hostname,
            message: record,
            service: "scfw",
        })
        .collect();
    match send(&base, key, &items).await {
        Ok(()) => Outcome::Delivered { refused: 0, remark: None },
        Err(outcome) => outcome,
    }
}

async fn send(base: &str, key: &ApiKey, body: &impl Serialize) -> Result<(), Outcome> {
    let retry = |reason: &str| Outcome::Retry { after: None, reason: reason.to_owned() };
    let mut key = HeaderValue::from_str(key.reveal()).map_err(|_secret| retry("the API key is no key"))?;
    key.set_sensitive(true);
    let compressed = compress(body).map_err(|_| retry("the records could not be compressed"))?;
    let headers = HeaderMap::from_iter([
        (HeaderName::from_static("dd-api-key"), key),
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CONTENT_ENCODING, HeaderValue::from_static("deflate")),
    ]);
    post(&join(base, "api/v2/logs"), None, headers, compressed).await.map(drop)
}

/// HTTP's "deflate" is the zlib format (RFC 9110, section 8.4.1.2).
fn compress(body: &impl Serialize) -> std::io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&serde_json::to_vec(body)?)?;
    encoder.finish()
}

/// Asks the intake whether it takes the key, with the empty log that the Agent tests its connection with. The error
/// is a sentence without the key.
pub fn check_key(datadog: &Datadog, key: &ApiKey) -> Result<(), String> {
    let base = datadog.intake_url().ok_or("the Datadog site is no name of a host")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("the network cannot be used ({error})"))?;
    let deadline = Instant::now() + std::time::Duration::from_secs(15);
    let empty = serde_json::json!({});
    let answer =
        runtime.block_on(async { tokio::time::timeout_at(deadline, send(&base, key, &empty)).await });
    runtime.shutdown_background();
    match answer {
        // One that rejects the empty log has looked at the key first.
        Ok(Ok(()) | Err(Outcome::Rejected { .. } | Outcome::Delivered { .. })) => Ok(()),
        Ok(Err(Outcome::Retry { reason, .. })) => Err(reason),
        Err(_elapsed) => Err("the intake did not answer in time".to_owned()),
    }
}
