//! An OpenTelemetry Collector, or another program that speaks OTLP: logs over HTTP, in Protocol Buffers. The messages
//! are those of the `opentelemetry-proto` crate. The exporter of OpenTelemetry's SDK would keep records in memory,
//! give them a time of its own and not tell when it may be tried again; here they come from the outbox and go back to
//! it.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::Outcome;
use super::http::post;
use crate::config::Otlp;

/// The attribute that names a log record, in OpenTelemetry's semantic conventions.
const RECORD_UID: &str = "log.record.uid";

pub(super) async fn deliver(otlp: &Otlp, records: &[String]) -> Outcome {
    let Some(url) = &otlp.logs_url else {
        return Outcome::Retry { after: None, reason: "there is no endpoint".to_owned() };
    };
    let Some(headers) = headers(otlp) else {
        return Outcome::Retry { after: None, reason: "a header is not valid".to_owned() };
    };
    let Some(request) = request(records) else {
        return Outcome::Rejected { reason: "a record is not valid".to_owned() };
    };
    match post(url, otlp.certificate.as_deref(), headers, request.encode_to_vec()).await {
        Ok(answer) => after_success(&answer),
        Err(outcome) => outcome,
    }
}

fn headers(otlp: &Otlp) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in &otlp.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let mut value = HeaderValue::from_str(value.reveal()).ok()?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    Some(headers)
}

/// A collector may have taken some of the records and not all. The specification forbids to send those again.
fn after_success(answer: &[u8]) -> Outcome {
    let answer = ExportLogsServiceResponse::decode(answer).unwrap_or_default();
    let partial = answer.partial_success.unwrap_or_default();
    let refused = usize::try_from(partial.rejected_log_records).unwrap_or_default();
    let remark = (refused > 0).then(|| format!("{refused} records were refused: {}", partial.error_message));
    Outcome::Delivered { refused, remark }
}

/// The request, in which records of one machine, environment and version that follow one another share a resource.
fn request(records: &[String]) -> Option<ExportLogsServiceRequest> {
    let mut resource_logs: Vec<ResourceLogs> = Vec::new();
    for record in records {
        let Ok(Value::Object(fields)) = serde_json::from_str(record) else { return None };
        let resource = resource(&fields);
        let log_record = log_record(fields);
        match resource_logs.last_mut() {
            Some(last) if last.resource.as_ref() == Some(&resource) => {
                last.scope_logs.iter_mut().for_each(|scope| scope.log_records.push(log_record.clone()));
            }
            _ => resource_logs.push(ResourceLogs {
                resource: Some(resource),
                scope_logs: vec![ScopeLogs {
                    scope: Some(InstrumentationScope { name: "scfw".to_owned(), ..Default::default() }),
                    log_records: vec![log_record],
                    schema_url: String::new(),
                }],
                schema_url: String::new(),
            }),
        }
    }
    Some(ExportLogsServiceRequest { resource_logs })
}

/// The sender's identity, under the names of OpenTelemetry's semantic conventions.
fn resource(fields: &Map<String, Value>) -> Resource {
    let attribute = |name: &str, field: &str| {
        let value = fields.get(field).and_then(Value::as_str).unwrap_or_default();
        key_value(name, any_value::Value::StringValue(value.to_owned()))
    };
    Resource {
        attributes: vec![
            attribute("service.name", "service"),
            attribute("service.version", "version"),
            attribute("deployment.environment.name", "env"),
            attribute("host.name", "hostname"),
        ],
        ..Default::default()
    }
}

/// A record's fields are the attributes, under their own names; its sentence is the body.
fn log_record(fields: Map<String, Value>) -> LogRecord {
    let text = |field: &str| fields.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let created = fields.get("created").and_then(Value::as_f64).unwrap_or_default();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of this kind saturates"
    )]
    let time_unix_nano = (created * 1e9) as u64;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let action = text("action");
    let event = text("event");
    let severity = match (action.as_str(), event.as_str()) {
        ("BLOCK", _) | (_, "alert") => SeverityNumber::Error,
        ("ABORT", _) | (_, "bypass" | "exemption" | "loss") => SeverityNumber::Warn,
        _ => SeverityNumber::Info,
    };
    let body = any(Value::String(text("msg")));
    let id = key_value(RECORD_UID, any_value::Value::StringValue(text("id")));
    // A name stands there once, and this one is not the user's to choose.
    let fields = fields.into_iter().filter(|(name, _)| name != RECORD_UID);
    let fields =
        fields.map(|(name, value)| KeyValue { key: name, value: Some(any(value)), ..Default::default() });
    LogRecord {
        time_unix_nano,
        observed_time_unix_nano: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
        severity_number: severity.into(),
        severity_text: severity.as_str_name().trim_start_matches("SEVERITY_NUMBER_").to_owned(),
        body: Some(body),
        event_name: format!("scfw.{event}"),
        attributes: std::iter::once(id).chain(fields).collect(),
        ..Default::default()
    }
}

fn key_value(name: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

fn any(value: Value) -> AnyValue {
    use any_value::Value as Any;

    let value = match value {
        Value::Null => None,
        Value::Bool(value) => Some(Any::BoolValue(value)),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Some(Any::IntValue(number)),
            None => number.as_f64().map(Any::DoubleValue),
        },
        Value::String(text) => Some(Any::StringValue(text)),
        Value::Array(values) => {
            Some(Any::ArrayValue(ArrayValue { values: values.into_iter().map(any).collect() }))
        }
        Value::Object(fields) => Some(Any::KvlistValue(KeyValueList {
            values: fields
                .into_iter()
                .map(|(name, value)| KeyValue { key: name, value: Some(any(value)), ..Default::default() })
                .collect(),
        })),
    };
    AnyValue { value }
}
