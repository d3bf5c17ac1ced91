//! The npm registry: packuments in full and abbreviated, tarballs, and an audit endpoint that finds nothing.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::encoding::integrity;
use crate::http::{Request, Response};
use crate::npm_package::NpmPackage;

const ABBREVIATED: &str = "application/vnd.npm.install-v1+json";

/// One published version.
struct Version {
    package: NpmPackage,
    tarball: Vec<u8>,
}

/// Everything published under one name.
#[derive(Default)]
struct Project {
    versions: BTreeMap<String, Version>,
    dist_tags: BTreeMap<String, String>,
}

/// All packages of the registry, by name.
#[derive(Default)]
pub(crate) struct Registry {
    projects: BTreeMap<String, Project>,
    /// The registry at which packuments say that the tarballs are, if that is another.
    pub(crate) tarballs: Option<String>,
}

impl Registry {
    /// Publishes a version, in the place of one with the same number.
    pub(crate) fn add(&mut self, package: NpmPackage) {
        let project = self.projects.entry(package.name.clone()).or_default();
        for tag in &package.dist_tags {
            project.dist_tags.insert(tag.clone(), package.version.clone());
        }
        if package.dist_tags.is_empty() || !project.dist_tags.contains_key("latest") {
            project.dist_tags.insert("latest".to_owned(), package.version.clone());
        }
        let tarball = package.tarball();
        project.versions.insert(package.version.clone(), Version { package, tarball });
    }

    /// Answers a request below `/npm`.
    pub(crate) fn answer(&self, base: &str, request: &Request) -> Response {
        let path = request.route().strip_prefix("/npm/").unwrap_or_default();
        let answer = match request.method.as_str() {
            "GET" | "HEAD" => match path.split_once("/-/") {
                Some((name, file)) => self.tarball(name, file),
                None => self.packument(base, path, request.accepts(ABBREVIATED)),
            },
            "POST" if path.starts_with("-/npm/v1/security/") => Some(Response::json(200, &json!({}))),
            _ => None,
        };
        answer.unwrap_or_else(|| Response::json(404, &json!({"error": "Not found"})))
    }

    fn tarball(&self, name: &str, file: &str) -> Option<Response> {
        let project = self.projects.get(name)?;
        let version = project.versions.values().find(|version| version.file() == file)?;
        Some(Response::new(200, "application/octet-stream", version.tarball.as_slice()))
    }

    fn packument(&self, base: &str, name: &str, abbreviated: bool) -> Option<Response> {
        let project = self.projects.get(name)?;
        let tarballs = self.tarballs.clone().unwrap_or_else(|| format!("{base}/npm/"));
        let mut packument = Map::new();
        packument.insert("name".to_owned(), name.into());
        packument.insert("dist-tags".to_owned(), json!(project.dist_tags));
        let versions: Map<String, Value> = project
            .versions
            .iter()
            .map(|(number, version)| (number.clone(), version.document(&tarballs, abbreviated)))
            .collect();
        packument.insert("versions".to_owned(), versions.into());
        let content_type = if abbreviated {
            packument.insert("modified".to_owned(), project.modified().into());
            ABBREVIATED
        } else {
            packument.insert("_id".to_owned(), name.into());
            packument.insert("time".to_owned(), project.times().into());
            "application/json"
        };
        let body = Value::Object(packument).to_string();
        Some(Response::new(200, content_type, body).with_header("Vary", "Accept"))
    }
}

impl Project {
    fn published(&self) -> impl Iterator<Item = &str> {
        self.versions.values().map(|version| version.package.published.as_str())
    }

    fn modified(&self) -> &str {
        self.published().max().unwrap_or_default()
    }

    fn times(&self) -> Map<String, Value> {
        let mut times = Map::new();
        times.insert("created".to_owned(), self.published().min().unwrap_or_default().into());
        times.insert("modified".to_owned(), self.modified().into());
        for (number, version) in &self.versions {
            times.insert(number.clone(), version.package.published.as_str().into());
        }
        times
    }
}

impl Version {
    /// The tarball's file name, which has no scope in it.
    fn file(&self) -> String {
        let NpmPackage { name, version, .. } = &self.package;
        let name = name.rsplit('/').next().unwrap_or(name);
        format!("{name}-{version}.tgz")
    }

    fn document(&self, tarballs: &str, abbreviated: bool) -> Value {
        let name = &self.package.name;
        let mut document = self.package.version_document(abbreviated);
        let distribution = json!({
            "tarball": format!("{tarballs}{name}/-/{}", self.file()),
            "integrity": integrity(&self.tarball),
        });
        document.insert("dist".to_owned(), distribution);
        if !abbreviated {
            document.insert("_id".to_owned(), format!("{name}@{}", self.package.version).into());
        }
        document.into()
    }
}
