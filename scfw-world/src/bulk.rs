//! OSV's bulk export: all records of the API, as one zip per ecosystem with an index of what has changed, and zips of
//! further feeds. Conditional and partial requests are answered as RFC 9110 says.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};

use scfw_core::package::Ecosystem;
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::encoding::sha256_hex;
use crate::http::{Request, Response};
use crate::osv::{Osv, Record};

/// Further feeds: OSV records by the feed's name.
pub(crate) type Feeds = BTreeMap<String, Vec<Value>>;

/// Answers a request below `/osv/<ecosystem>` or `/feeds`.
pub(crate) fn answer(osv: &Osv, feeds: &Feeds, request: &Request) -> Response {
    let not_found = || Response::text(404, "not found\n");
    let mut segments = request.route().split('/').skip(1);
    let (Some(kind), Some(name), file, None) =
        (segments.next(), segments.next(), segments.next(), segments.next())
    else {
        return not_found();
    };
    let body = if kind == "feeds" {
        name.strip_suffix(".zip").and_then(|name| feeds.get(name)).map(|records| feed(records))
    } else {
        let ecosystem = Ecosystem::ALL.into_iter().find(|ecosystem| ecosystem.osv_name() == name);
        ecosystem.zip(file).and_then(|(ecosystem, file)| export(osv, ecosystem, file))
    };
    body.map_or_else(not_found, |body| conditional(request, body))
}

/// A file of the export of `ecosystem`.
fn export(osv: &Osv, ecosystem: Ecosystem, file: &str) -> Option<Vec<u8>> {
    let filler = filler(ecosystem);
    let mut records: Vec<&Record> = osv.records.values().collect();
    records.retain(|record| record.packages.iter().any(|(of, _)| *of == ecosystem));
    if records.is_empty() {
        records.push(&filler);
    }
    records.sort_unstable_by(|left, right| left.id.cmp(&right.id));
    match file {
        "all.zip" => Some(zip(records.iter().map(|record| (record.id.as_str(), record.document.as_slice())))),
        "modified_id.csv" => {
            records.sort_by(|left, right| right.modified.cmp(&left.modified));
            let lines = records.iter().map(|record| format!("{},{}\n", record.modified, record.id));
            Some(lines.collect::<String>().into_bytes())
        }
        _ => {
            let id = file.strip_suffix(".json")?;
            records.iter().find(|record| record.id == id).map(|record| record.document.clone())
        }
    }
}

/// The content of an otherwise empty export, because none is ever empty: an advisory about nothing that anybody
/// installs.
fn filler(ecosystem: Ecosystem) -> Record {
    let record = json!({"id": "GHSA-filler", "modified": "2020-01-01T00:00:00Z", "summary": "A filler",
        "affected": [{"package": {"ecosystem": ecosystem.osv_name(), "name": "filler"}, "versions": ["0.0.0"]}]});
    Record::new(&record, record.to_string().into_bytes())
}

fn feed(records: &[Value]) -> Vec<u8> {
    let documents: Vec<(String, Vec<u8>)> = records
        .iter()
        .map(|record| (record["id"].as_str().unwrap_or_default().to_owned(), record.to_string().into_bytes()))
        .collect();
    zip(documents.iter().map(|(id, document)| (id.as_str(), document.as_slice())))
}

/// A zip with one `<id>.json` each. The same documents make the same bytes.
fn zip<'a>(documents: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (id, document) in documents {
        let written = writer
            .start_file(format!("{id}.json"), SimpleFileOptions::default())
            .map_err(std::io::Error::from)
            .and_then(|()| writer.write_all(document));
        written.expect("a vector takes whatever is written");
    }
    writer.finish().expect("a vector takes whatever is written").into_inner()
}

/// The answer to a request that may know `body` already, or a part of it.
fn conditional(request: &Request, body: Vec<u8>) -> Response {
    let tag = format!("\"{}\"", &sha256_hex(&body)[..16]);
    let response = if request.header("if-none-match").is_some_and(|tags| tags.contains(&tag)) {
        Response::text(304, "")
    } else {
        let start = request
            .header("range")
            .filter(|_| request.header("if-range").is_none_or(|range_of| range_of == tag))
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
        let length = body.len();
        match start {
            None => Response::new(200, "application/octet-stream", body),
            Some(start) if start < length => Response::new(206, "application/octet-stream", &body[start..])
                .with_header("Content-Range", format!("bytes {start}-{}/{length}", length - 1)),
            Some(_) => Response::text(416, "").with_header("Content-Range", format!("bytes */{length}")),
        }
    };
    response.with_header("ETag", tag)
}
