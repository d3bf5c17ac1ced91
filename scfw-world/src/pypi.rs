//! The package index: PEP 503 in HTML, PEP 691 and PEP 700 in JSON, PEP 658 where a wheel asks for it.

use std::collections::{BTreeMap, BTreeSet};

use scfw_core::package::Ecosystem;
use serde_json::{Map, Value, json};

use crate::encoding::{html_escape, sha256_hex};
use crate::http::{Request, Response};
use crate::python::Distribution;

const JSON: &str = "application/vnd.pypi.simple.v1+json";

/// One file of the index.
pub(crate) struct File {
    name: String,
    project: String,
    version: String,
    uploaded: Option<String>,
    content: Vec<u8>,
    metadata: Option<Vec<u8>>,
}

impl File {
    /// A file of a distribution, with its metadata if they are served on their own.
    pub(crate) fn new(
        name: String,
        distribution: Distribution,
        content: Vec<u8>,
        metadata: Option<Vec<u8>>,
    ) -> Self {
        let project = Ecosystem::PyPi.normalise(&distribution.name);
        let Distribution { version, uploaded, .. } = distribution;
        Self { name, project, version, uploaded, content, metadata }
    }

    fn url(&self, base: &str) -> String {
        format!("{base}/pypi/files/{}", self.name)
    }

    fn to_json(&self, base: &str) -> Value {
        let mut file = Map::new();
        file.insert("filename".to_owned(), self.name.as_str().into());
        file.insert("url".to_owned(), self.url(base).into());
        file.insert("hashes".to_owned(), json!({"sha256": sha256_hex(&self.content)}));
        file.insert("size".to_owned(), self.content.len().into());
        if let Some(uploaded) = &self.uploaded {
            file.insert("upload-time".to_owned(), uploaded.as_str().into());
        }
        if let Some(metadata) = &self.metadata {
            file.insert("core-metadata".to_owned(), json!({"sha256": sha256_hex(metadata)}));
        }
        file.into()
    }

    fn to_html(&self, base: &str) -> String {
        let attribute = self.metadata.as_ref().map_or_else(String::new, |metadata| {
            format!(" data-core-metadata=\"sha256={}\"", sha256_hex(metadata))
        });
        format!(
            "<a href=\"{}#sha256={}\"{attribute}>{}</a><br>\n",
            html_escape(&self.url(base)),
            sha256_hex(&self.content),
            html_escape(&self.name)
        )
    }
}

/// All files of the index, by name.
#[derive(Default)]
pub(crate) struct Index {
    files: BTreeMap<String, File>,
    pub(crate) is_html_only: bool,
    /// The server at which the pages say that the files are, if that is another.
    pub(crate) storage: Option<String>,
}

impl Index {
    /// Adds a file, in the place of one with the same name.
    pub(crate) fn add(&mut self, file: File) {
        self.files.insert(file.name.clone(), file);
    }

    /// Answers a request below `/pypi`.
    pub(crate) fn answer(&self, base: &str, request: &Request) -> Response {
        if request.method != "GET" && request.method != "HEAD" {
            return Response::text(405, "an index is only read\n");
        }
        let route = request.route();
        let answer = if let Some(name) = route.strip_prefix("/pypi/simple/") {
            self.project(base, name.trim_end_matches('/'), request.accepts(JSON) && !self.is_html_only)
        } else if let Some(name) = route.strip_prefix("/pypi/files/") {
            self.file(name)
        } else {
            None
        };
        answer.unwrap_or_else(|| Response::text(404, "not found\n"))
    }

    fn project(&self, base: &str, name: &str, as_json: bool) -> Option<Response> {
        let base = self.storage.as_deref().unwrap_or(base);
        let project = Ecosystem::PyPi.normalise(name);
        let files: Vec<&File> = self.files.values().filter(|file| file.project == project).collect();
        if files.is_empty() {
            return None;
        }
        let response = if as_json {
            let versions: BTreeSet<&str> = files.iter().map(|file| file.version.as_str()).collect();
            let document = json!({
                "meta": {"api-version": "1.1"},
                "name": project,
                "versions": versions,
                "files": files.iter().map(|file| file.to_json(base)).collect::<Vec<_>>(),
            });
            Response::new(200, JSON, document.to_string())
        } else {
            let links: String = files.iter().map(|file| file.to_html(base)).collect();
            let page = format!(
                "<!DOCTYPE html>\n<html><head><meta name=\"pypi:repository-version\" content=\"1.0\">\
                 <title>Links for {project}</title></head>\n<body>\n{links}</body></html>\n",
                project = html_escape(&project)
            );
            Response::new(200, "text/html; charset=utf-8", page)
        };
        Some(response.with_header("Vary", "Accept"))
    }

    fn file(&self, name: &str) -> Option<Response> {
        let content = match self.files.get(name) {
            Some(file) => &file.content,
            None => self.files.get(name.strip_suffix(".metadata")?)?.metadata.as_ref()?,
        };
        Some(Response::new(200, "application/octet-stream", content.as_slice()))
    }
}
