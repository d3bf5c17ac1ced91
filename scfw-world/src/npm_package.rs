//! npm packages: the content of their package.json and of their tarball.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::archive::{self, Entry};
use crate::python::{literal, path_text};

/// The time of publication of a version unless its builder says otherwise.
const PUBLISHED: &str = "2020-01-01T00:00:00.000Z";

/// The scripts that npm runs when it installs a package from a registry.
const INSTALL_SCRIPTS: [&str; 3] = ["preinstall", "install", "postinstall"];

/// The fields of package.json that an abbreviated packument repeats.
const ABBREVIATED: [&str; 9] = [
    "name", "version", "dependencies", "optionalDependencies", "devDependencies", "peerDependencies",
    "bundleDependencies", "bin", "os",
];

/// One version of an npm package, with an `index.js` that exports its version.
#[derive(Debug, Clone)]
#[must_use = "a package does nothing until it is added to a world"]
pub struct NpmPackage {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) published: String,
    pub(crate) dist_tags: Vec<String>,
    manifest: Map<String, Value>,
    canary: Option<PathBuf>,
    bins: Vec<String>,
    bundled: Vec<NpmPackage>,
    shrinkwrap: Option<Value>,
}

impl NpmPackage {
    /// A package without dependencies and scripts, published on 1 January 2020.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            published: PUBLISHED.to_owned(),
            dist_tags: Vec::new(),
            manifest: Map::new(),
            canary: None,
            bins: Vec::new(),
            bundled: Vec::new(),
            shrinkwrap: None,
        }
    }

    /// Adds an entry to `dependencies`.
    pub fn dependency(self, name: &str, range: &str) -> Self {
        self.entry("dependencies", name, range)
    }

    /// Adds an entry to `optionalDependencies`.
    pub fn optional_dependency(self, name: &str, range: &str) -> Self {
        self.entry("optionalDependencies", name, range)
    }

    /// Adds an entry to `devDependencies`.
    pub fn dev_dependency(self, name: &str, range: &str) -> Self {
        self.entry("devDependencies", name, range)
    }

    /// Adds an entry to `peerDependencies`.
    pub fn peer_dependency(self, name: &str, range: &str) -> Self {
        self.entry("peerDependencies", name, range)
    }

    /// Adds a script, such as `postinstall`.
    pub fn script(self, event: &str, command: &str) -> Self {
        self.entry("scripts", event, command)
    }

    /// Puts a `canary.js` into the package, which appends the line `<name> <version> <event>` to the file at `path`,
    /// and runs it as the `postinstall` script unless the package has scripts of its own. A program that
    /// [`bin`](Self::bin) adds appends `<name> <version> bin` when it is run.
    pub fn canary(mut self, path: impl Into<PathBuf>) -> Self {
        self.canary = Some(path.into());
        self
    }

    /// Adds an executable, which prints `<name> <version>` and its arguments.
    pub fn bin(mut self, name: impl Into<String>) -> Self {
        self.bins.push(name.into());
        self
    }

    /// Packs another package into this one's tarball, and depends on it. The dependencies of that one have to be
    /// bundled with it, as `npm pack` does: npm fetches nothing for a bundled package.
    pub fn bundled(mut self, package: Self) -> Self {
        self = self.dependency(&package.name, &package.version);
        self.bundled.push(package);
        self
    }

    /// Packs an `npm-shrinkwrap.json`, which fixes the resolution of this package's dependencies.
    pub fn shrinkwrap(mut self, lockfile: Value) -> Self {
        self.shrinkwrap = Some(lockfile);
        self
    }

    /// Adds an operating system that the package is for, as `process.platform` names it; `!win32` excludes one.
    pub fn os(mut self, name: &str) -> Self {
        if let Value::Array(names) = self.manifest.entry("os").or_insert_with(|| json!([])) {
            names.push(name.into());
        }
        self
    }

    /// Sets when it was published, `2020-01-01T00:00:00.000Z`.
    pub fn published(mut self, time: impl Into<String>) -> Self {
        self.published = time.into();
        self
    }

    /// Adds a dist-tag that points to this version. A version without one is the `latest` until the next is added.
    pub fn dist_tag(mut self, tag: impl Into<String>) -> Self {
        self.dist_tags.push(tag.into());
        self
    }

    fn entry(mut self, field: &str, key: &str, value: &str) -> Self {
        self.manifest.entry(field).or_insert_with(|| json!({}))[key] = value.into();
        self
    }

    /// The package.json.
    fn manifest(&self) -> Map<String, Value> {
        let mut manifest = self.manifest.clone();
        manifest.insert("name".to_owned(), self.name.as_str().into());
        manifest.insert("version".to_owned(), self.version.as_str().into());
        manifest.insert("main".to_owned(), "index.js".into());
        manifest.insert("license".to_owned(), "MIT".into());
        if self.canary.is_some() && !manifest.contains_key("scripts") {
            manifest.insert("scripts".to_owned(), json!({"postinstall": "node canary.js"}));
        }
        if !self.bins.is_empty() {
            let bins: Map<String, Value> =
                self.bins.iter().map(|bin| (bin.clone(), format!("bin/{bin}.js").into())).collect();
            manifest.insert("bin".to_owned(), bins.into());
        }
        if !self.bundled.is_empty() {
            let names: Vec<&str> = self.bundled.iter().map(|package| package.name.as_str()).collect();
            manifest.insert("bundleDependencies".to_owned(), names.into());
        }
        manifest
    }

    /// A packument's entry for this version, less where the tarball is.
    pub(crate) fn version_document(&self, abbreviated: bool) -> Map<String, Value> {
        let mut document = self.manifest();
        let runs_on_install = document
            .get("scripts")
            .is_some_and(|scripts| INSTALL_SCRIPTS.iter().any(|event| scripts.get(event).is_some()));
        if runs_on_install {
            document.insert("hasInstallScript".to_owned(), true.into());
        }
        if abbreviated {
            document.retain(|field, _| field == "hasInstallScript" || ABBREVIATED.contains(&field.as_str()));
        }
        if self.shrinkwrap.is_some() {
            document.insert("_hasShrinkwrap".to_owned(), true.into());
        }
        document
    }

    pub(crate) fn tarball(&self) -> Vec<u8> {
        archive::tar_gz("package", &self.entries())
    }

    fn entries(&self) -> Vec<Entry> {
        let manifest = serde_json::to_string_pretty(&self.manifest()).expect("a JSON object is JSON");
        let mut entries = vec![
            Entry::new("package.json", manifest + "\n"),
            Entry::new("index.js", format!("module.exports = {};\n", literal(&self.version))),
        ];
        if self.canary.is_some() {
            entries.push(Entry::new("canary.js", self.canary_source("process.env.npm_lifecycle_event")));
        }
        let greeting = [self.name.as_str(), self.version.as_str()];
        for bin in &self.bins {
            let script = format!(
                "#!/usr/bin/env node\n{}console.log({}.concat(process.argv.slice(2)).join(\" \"));\n",
                self.canary_source("\"bin\""),
                json!(greeting)
            );
            entries.push(Entry { executable: true, ..Entry::new(format!("bin/{bin}.js"), script) });
        }
        if let Some(lockfile) = &self.shrinkwrap {
            entries.push(Entry::new("npm-shrinkwrap.json", lockfile.to_string()));
        }
        for package in &self.bundled {
            entries.extend(package.entries().into_iter().map(|entry| Entry {
                path: format!("node_modules/{}/{}", package.name, entry.path),
                ..entry
            }));
        }
        entries
    }

    /// JavaScript that leaves a line in the canary's file; empty without a canary.
    fn canary_source(&self, event: &str) -> String {
        let Some(path) = &self.canary else { return String::new() };
        format!(
            "require(\"fs\").appendFileSync({}, {} + {event} + \"\\n\");\n",
            literal(&path_text(path)),
            literal(&format!("{} {} ", self.name, self.version))
        )
    }
}
