//! The settings of logging to an OpenTelemetry Collector: the `[otlp]` table and OpenTelemetry's own variables.

use std::collections::BTreeMap;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::{ApiKey, is_true};
use crate::env::{self, Variables};
use crate::net::join;

/// Logging over OTLP, resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Otlp {
    /// The URL that logs are posted to; none if there is no collector.
    pub logs_url: Option<String>,
    /// The headers of its requests. The values are as secret as a key.
    pub headers: BTreeMap<String, ApiKey>,
    /// A file with certificates, in PEM, that are trusted there beside the system's.
    pub certificate: Option<PathBuf>,
}

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    endpoint: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, ApiKey>,
    certificate: Option<PathBuf>,
}

impl Otlp {
    /// The variables go before the table. Headers of the table go to the endpoint of the table alone: a user who sets
    /// a variable for a collector of their own is not to be sent another's secrets.
    pub(super) fn resolve(table: Table, variable: Variables<'_>) -> Self {
        // Other programs read these variables too, so none of them is a reason to stop an install.
        let text = |name: &str| {
            let value = variable(name).filter(|value| !value.is_empty())?;
            Some(value.to_string_lossy().trim().to_owned())
        };
        let headers = text(env::OTEL_EXPORTER_OTLP_LOGS_HEADERS)
            .or_else(|| text(env::OTEL_EXPORTER_OTLP_HEADERS))
            .map(|headers| parse_headers(&headers));
        let endpoint = text(env::OTEL_EXPORTER_OTLP_LOGS_ENDPOINT)
            .or_else(|| text(env::OTEL_EXPORTER_OTLP_ENDPOINT).map(|base| join(&base, "v1/logs")));
        let protocol = text(env::OTEL_EXPORTER_OTLP_LOGS_PROTOCOL)
            .or_else(|| text(env::OTEL_EXPORTER_OTLP_PROTOCOL))
            .is_none_or(|protocol| protocol == "http/protobuf");
        let is_off = text(env::OTEL_SDK_DISABLED).is_some_and(|value| is_true(&value))
            || text(env::OTEL_LOGS_EXPORTER).is_some_and(|exporter| exporter == "none");
        let certificate = [env::OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE, env::OTEL_EXPORTER_OTLP_CERTIFICATE]
            .into_iter()
            .find_map(|name| variable(name).filter(|path| !path.is_empty()))
            .map(PathBuf::from);
        match endpoint.filter(|_| protocol && !is_off) {
            Some(endpoint) => {
                Self { logs_url: Some(endpoint), headers: headers.unwrap_or_default(), certificate }
            }
            None => Self {
                logs_url: table.endpoint.map(|base| join(&base, "v1/logs")),
                headers: headers.unwrap_or(table.headers),
                certificate: certificate.or(table.certificate),
            },
        }
    }
}

/// `name=value,name=value`, percent-encoded (the OpenTelemetry specification, "Protocol Exporter").
fn parse_headers(text: &str) -> BTreeMap<String, ApiKey> {
    let decode = |text: &str| percent_decode_str(text.trim()).decode_utf8_lossy().into_owned();
    text.split(',')
        .filter_map(|header| header.split_once('='))
        .map(|(name, value)| (decode(name), ApiKey::from(decode(value))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::load;
    use super::*;

    const FILE: &str =
        "[otlp]\nendpoint = \"https://file.example/otlp/\"\nheaders = { authorization = \"Bearer 1\" }\n";

    fn resolved(file: &str, variables: &[(&str, &str)]) -> (String, Vec<(String, String)>) {
        let otlp = load(file, variables).unwrap().telemetry.otlp;
        let headers =
            otlp.headers.into_iter().map(|(name, value)| (name, value.reveal().to_owned())).collect();
        (otlp.logs_url.unwrap_or_default(), headers)
    }

    #[test]
    fn the_endpoint_of_logs_is_taken_as_it_is_and_any_other_is_a_base() {
        assert_eq!(load("", &[]).unwrap().telemetry.otlp, Otlp::default());
        let base = (env::OTEL_EXPORTER_OTLP_ENDPOINT, "http://c.example:4318");
        assert_eq!(resolved("", &[base]).0, "http://c.example:4318/v1/logs");
        let logs = (env::OTEL_EXPORTER_OTLP_LOGS_ENDPOINT, "http://l.example/x");
        assert_eq!(resolved(FILE, &[base, logs]).0, "http://l.example/x");
        assert_eq!(
            resolved(FILE, &[]),
            (
                "https://file.example/otlp/v1/logs".to_owned(),
                vec![("authorization".to_owned(), "Bearer 1".to_owned())]
            )
        );
    }

    #[test]
    fn headers_do_not_go_where_they_do_not_belong() {
        let endpoint = (env::OTEL_EXPORTER_OTLP_ENDPOINT, "http://c.example");
        assert_eq!(resolved(FILE, &[endpoint]).1, Vec::new());
        let headers = (env::OTEL_EXPORTER_OTLP_HEADERS, "api-key=a%20b%2C, x = 1");
        let expected = vec![("api-key".to_owned(), "a b,".to_owned()), ("x".to_owned(), "1".to_owned())];
        assert_eq!(resolved(FILE, &[endpoint, headers]).1, expected);
        assert_eq!(resolved(FILE, &[headers]), ("https://file.example/otlp/v1/logs".to_owned(), expected));
    }

    #[test]
    fn an_exporter_that_is_off_or_speaks_otherwise_is_none_of_ours() {
        let endpoint = (env::OTEL_EXPORTER_OTLP_ENDPOINT, "http://c.example");
        for other in [
            (env::OTEL_SDK_DISABLED, "true"),
            (env::OTEL_LOGS_EXPORTER, "none"),
            (env::OTEL_EXPORTER_OTLP_PROTOCOL, "grpc"),
            (env::OTEL_EXPORTER_OTLP_LOGS_PROTOCOL, "http/json"),
        ] {
            assert_eq!(resolved("", &[endpoint, other]).0, "", "{other:?}");
        }
    }

    #[test]
    fn no_message_and_no_debug_output_shows_a_header() {
        let message = load("[otlp]\nheaders = { key = 777777 }\n", &[]).unwrap_err().to_string();
        assert!(!message.contains("777777"), "{message}");
        assert!(!format!("{:?}", load(FILE, &[]).unwrap()).contains("Bearer"));
    }
}
