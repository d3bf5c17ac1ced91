//! The OSV API: queries in batches, and records by id. The same records as a bulk export are in [`crate::bulk`].

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::Path;

use scfw_core::advisory::Advisory;
use scfw_core::package::{Ecosystem, Package};
use serde_json::{Map, Value, json};
use zip::ZipArchive;

use crate::http::{Request, Response};

/// The API takes no more queries than this at once.
const MAXIMUM_QUERIES: usize = 1000;
/// The largest advisory that a bulk export may hold, in bytes.
const MAXIMUM_RECORD: u64 = 16 * 1024 * 1024;
/// The first part of every token that asks for the next page; the rest is the number of results before it.
const PAGE_TOKEN: &str = "after-";

/// An advisory, as it came, with the fields by which it is found and listed.
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) modified: String,
    withdrawn: bool,
    /// The packages it names, by normalised name.
    pub(crate) packages: Vec<(Ecosystem, String)>,
    pub(crate) document: Vec<u8>,
}

impl Record {
    /// Any JSON will do: missing or malformed parts are served as they are.
    pub(crate) fn new(value: &Value, document: Vec<u8>) -> Self {
        let packages =
            value["affected"].as_array().map_or(&[][..], Vec::as_slice).iter().filter_map(|affected| {
                let ecosystem = ecosystem(affected["package"]["ecosystem"].as_str()?)?;
                Some((ecosystem, ecosystem.normalise(affected["package"]["name"].as_str()?)))
            });
        let mut packages: Vec<_> = packages.collect();
        packages.sort_unstable();
        packages.dedup();
        let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
        Self {
            id: text("id"),
            modified: text("modified"),
            withdrawn: !value["withdrawn"].is_null(),
            packages,
            document,
        }
    }

    /// Whether it is an answer to a query for `package`, which it names. A record that makes no sense as an
    /// advisory still names its packages.
    fn affects(&self, package: &Package) -> bool {
        Advisory::parse(&self.document).map_or(true, |advisory| advisory.affects(package))
    }
}

/// The ecosystem of exactly that name in the OSV schema.
fn ecosystem(name: &str) -> Option<Ecosystem> {
    Ecosystem::ALL.into_iter().find(|ecosystem| ecosystem.osv_name() == name)
}

/// The advisories.
#[derive(Default)]
pub(crate) struct Osv {
    pub(crate) records: HashMap<String, Record>,
    /// The ids of the advisories that name a package, in order.
    by_package: HashMap<(Ecosystem, String), Vec<String>>,
    /// The number of advisories that have been made up so far.
    made_up: usize,
    /// The seconds that have passed in this world, for modification times.
    seconds: u64,
    /// The number of results of one page; none for all of them.
    pub(crate) page_size: Option<usize>,
    /// Whether queries find withdrawn advisories.
    pub(crate) serves_withdrawn: bool,
}

impl Osv {
    /// Adds an advisory that does not say when it was last modified as one that was modified after all others.
    pub(crate) fn add_now(&mut self, mut record: Value) {
        self.seconds += 1;
        if let Some(fields) = record.as_object_mut() {
            let (hours, rest) = (self.seconds / 3600, self.seconds % 3600);
            let modified = format!("2020-01-01T{:02}:{:02}:{:02}Z", hours % 24, rest / 60, rest % 60);
            fields.entry("modified").or_insert(modified.into());
        }
        self.add(Record::new(&record, record.to_string().into_bytes()));
    }

    /// Takes an advisory away.
    pub(crate) fn remove(&mut self, id: &str) {
        if let Some(old) = self.records.remove(id) {
            for package in &old.packages {
                if let Some(ids) = self.by_package.get_mut(package) {
                    ids.retain(|id| *id != old.id);
                }
            }
        }
    }

    /// Adds an advisory, in the place of one with the same id.
    pub(crate) fn add(&mut self, record: Record) {
        self.remove(&record.id);
        for package in &record.packages {
            let ids = self.by_package.entry(package.clone()).or_default();
            let place = ids.partition_point(|id| *id < record.id);
            ids.insert(place, record.id.clone());
        }
        self.records.insert(record.id.clone(), record);
    }

    /// Makes up an advisory for a malicious package, with an id from a year that has no real ones.
    pub(crate) fn add_malicious(
        &mut self,
        ecosystem: Ecosystem,
        name: &str,
        version: Option<&str>,
    ) -> String {
        self.made_up += 1;
        let id = format!("MAL-0000-{}", self.made_up);
        let mut affected = json!({"package": {"ecosystem": ecosystem.osv_name(), "name": name}});
        if let Some(version) = version {
            affected["versions"] = json!([version]);
        } else {
            let kind = if ecosystem == Ecosystem::Npm { "SEMVER" } else { "ECOSYSTEM" };
            affected["ranges"] = json!([{"type": kind, "events": [{"introduced": "0"}]}]);
        }
        let record = json!({
            "schema_version": "1.5.0",
            "id": id,
            "published": "2020-01-01T00:00:00Z",
            "summary": format!("Malicious code in {name} ({ecosystem})"),
            "details": "This package exists in a test only.",
            "affected": [affected],
        });
        self.add_now(record);
        id
    }

    /// Answers a request below `/osv`.
    pub(crate) fn answer(&self, request: &Request) -> Response {
        match (request.method.as_str(), request.route()) {
            ("POST", "/osv/v1/querybatch") => match self.query_batch(&request.body) {
                Ok(answer) => Response::json(200, &answer),
                Err(complaint) => Response::json(400, &json!({"code": 3, "message": complaint})),
            },
            ("GET", route) if let Some(record) = self.record(route) => {
                Response::new(200, "application/json", record.document.as_slice())
            }
            _ => Response::json(404, &json!({"code": 5, "message": "Bug not found."})),
        }
    }

    fn record(&self, route: &str) -> Option<&Record> {
        self.records.get(route.strip_prefix("/osv/v1/vulns/")?)
    }

    fn query_batch(&self, body: &[u8]) -> Result<Value, &'static str> {
        let document: Value = serde_json::from_slice(body).map_err(|_| "Invalid JSON.")?;
        let queries = document["queries"].as_array().ok_or("No queries.")?;
        if queries.len() > MAXIMUM_QUERIES {
            return Err("Too many queries.");
        }
        let results = queries.iter().map(|query| self.query(query)).collect::<Result<Vec<_>, _>>()?;
        Ok(json!({"results": results}))
    }

    fn query(&self, query: &Value) -> Result<Value, &'static str> {
        let name =
            query["package"]["name"].as_str().ok_or("Only queries by package name are answered here.")?;
        let ecosystem =
            query["package"]["ecosystem"].as_str().and_then(ecosystem).ok_or("Invalid ecosystem.")?;
        let package = Package::new(ecosystem, name, query["version"].as_str());
        let before = match query["page_token"].as_str() {
            Some(token) => token
                .strip_prefix(PAGE_TOKEN)
                .and_then(|number| number.parse().ok())
                .ok_or("Invalid page token.")?,
            None => 0,
        };
        let mut found = self.affecting(&package).skip(before);
        let page_size = self.page_size.unwrap_or(usize::MAX);
        let page: Vec<Value> = found
            .by_ref()
            .take(page_size)
            .map(|record| json!({"id": record.id, "modified": record.modified}))
            .collect();
        let mut result = Map::new();
        if found.next().is_some() {
            result
                .insert("next_page_token".to_owned(), format!("{PAGE_TOKEN}{}", before + page.len()).into());
        }
        if !page.is_empty() {
            result.insert("vulns".to_owned(), page.into());
        }
        Ok(result.into())
    }

    fn affecting(&self, package: &Package) -> impl Iterator<Item = &Record> {
        let ids = self.by_package.get(&(package.ecosystem, package.key()));
        ids.into_iter()
            .flatten()
            .filter_map(|id| self.records.get(id))
            .filter(|record| self.serves_withdrawn || !record.withdrawn)
            .filter(|record| record.affects(package))
    }
}

/// Reads a bulk export: a zip with one `<id>.json` per advisory.
pub(crate) fn read_export(path: &Path) -> io::Result<Vec<Record>> {
    let mut archive = ZipArchive::new(BufReader::new(File::open(path)?))?;
    let mut records = Vec::with_capacity(archive.len());
    for number in 0..archive.len() {
        let file = archive.by_index(number)?;
        let mut document = Vec::new();
        file.take(MAXIMUM_RECORD).read_to_end(&mut document)?;
        let value = serde_json::from_slice(&document)?;
        records.push(Record::new(&value, document));
    }
    Ok(records)
}
