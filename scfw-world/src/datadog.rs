//! The malicious-packages data set: one manifest per ecosystem, from names to versions or to null, which means
//! every version.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use scfw_core::package::Ecosystem;

use crate::encoding::sha256_hex;
use crate::http::{Request, Response};

type Manifest = BTreeMap<String, Option<Vec<String>>>;

/// The manifests.
#[derive(Default)]
pub(crate) struct DataSet {
    manifests: BTreeMap<Ecosystem, Manifest>,
}

impl DataSet {
    /// Lists one version of a package, or every version.
    pub(crate) fn add(&mut self, ecosystem: Ecosystem, name: &str, version: Option<&str>) {
        let manifest = self.manifests.entry(ecosystem).or_default();
        let versions = manifest.entry(name.to_owned()).or_insert_with(|| Some(Vec::new()));
        match (version, versions) {
            (Some(version), Some(versions)) => versions.push(version.to_owned()),
            (Some(_), None) => {}
            (None, versions) => *versions = None,
        }
    }

    /// Adds the packages of a manifest file.
    pub(crate) fn extend(&mut self, ecosystem: Ecosystem, manifest: Manifest) {
        self.manifests.entry(ecosystem).or_default().extend(manifest);
    }

    /// Answers a request below `/datadog`.
    pub(crate) fn answer(&self, request: &Request) -> Response {
        let ecosystem = Ecosystem::ALL.into_iter().find(|ecosystem| {
            request.route() == format!("/datadog/samples/{}/manifest.json", ecosystem.purl_type())
        });
        let Some(ecosystem) = ecosystem else { return Response::text(404, "404: Not Found\n") };
        let manifest = self.manifests.get(&ecosystem);
        // None is ever empty.
        let filler = || serde_json::json!({"filler": ["0.0.0"]}).to_string();
        let body = manifest.map_or_else(filler, |manifest| serde_json::json!(manifest).to_string());
        let tag = format!("\"{}\"", sha256_hex(body.as_bytes()));
        let response = if request.header("if-none-match").is_some_and(|tags| tags.contains(&tag)) {
            Response::text(304, "")
        } else {
            Response::text(200, &body)
        };
        response.with_header("ETag", tag)
    }
}

/// Reads a manifest file.
pub(crate) fn read(path: &Path) -> io::Result<Manifest> {
    Ok(serde_json::from_reader(BufReader::new(File::open(path)?))?)
}
