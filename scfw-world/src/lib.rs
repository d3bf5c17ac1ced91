//! A self-test world on the loopback interface: a Python package index, an npm registry, the OSV API and the Datadog
//! malicious-packages data set behind one HTTP port, with all that they serve in memory. The self-test runs in it
//! without a network, and so do the tests. It answers the requests of pip, npm and scfw, and nothing else.
//!
//! ```
//! use scfw_core::package::Ecosystem;
//! use scfw_world::{Failure, NpmPackage, Service, Wheel, World};
//!
//! let world = World::start()?;
//! world.add_wheel(Wheel::new("app", "1.0").requires("library>=2"));
//! world.add_wheel(Wheel::new("library", "2.0"));
//! world.add_npm(NpmPackage::new("@scope/bad", "1.0.0").canary("/tmp/canary"));
//! world.malicious(Ecosystem::Npm, "@scope/bad", None);
//! world.fail(Service::Datadog, Some(Failure::Status(500)));
//! assert!(!world.requests().iter().any(|request| request.mentions("@scope/bad")));
//! # Ok::<(), std::io::Error>(())
//! ```
#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests read and make what is their own"))]

mod archive;
mod bulk;
mod datadog;
mod encoding;
mod failure;
mod http;
mod npm;
mod npm_package;
mod osv;
mod pypi;
mod python;
mod sdist;
mod server;
mod telemetry;
#[cfg(test)]
mod tests;
mod wheel;

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use scfw_core::package::Ecosystem;
use serde_json::Value;

use crate::failure::Outcome;
use crate::http::Response;
use crate::server::{Handler, Server};

pub use crate::failure::Failure;
pub use crate::http::Request;
pub use crate::npm_package::NpmPackage;
pub use crate::sdist::{Sdist, SdistStyle};
pub use crate::telemetry::{Agent, AgentMood};
pub use crate::wheel::Wheel;

/// The services of a world, told apart by the first segment of a request's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// The Python package index and its files, below `/pypi`.
    Index,
    /// The npm registry and its tarballs, below `/npm`.
    Registry,
    /// The OSV API, below `/osv/v1`.
    Osv,
    /// The bulk export of the same advisories, below `/osv/npm` and `/osv/PyPI`, and zips of further feeds below
    /// `/feeds`.
    Bulk,
    /// The Datadog data set, below `/datadog`.
    Datadog,
    /// Datadog's intake for logs, below `/intake`.
    Intake,
    /// An OpenTelemetry Collector, below `/otlp`.
    Collector,
    /// Any other service, which is never found.
    Elsewhere,
}

impl Service {
    fn of(path: &str) -> Self {
        let mut segments = path.split(['/', '?']).skip(1);
        match segments.next() {
            Some("pypi") => Self::Index,
            Some("npm") => Self::Registry,
            Some("osv") if segments.next() == Some("v1") => Self::Osv,
            Some("osv" | "feeds") => Self::Bulk,
            Some("datadog") => Self::Datadog,
            Some("intake") => Self::Intake,
            Some("otlp") => Self::Collector,
            _ => Self::Elsewhere,
        }
    }
}

/// The content of a world.
#[derive(Default)]
struct State {
    index: pypi::Index,
    registry: npm::Registry,
    osv: osv::Osv,
    datadog: datadog::DataSet,
    feeds: bulk::Feeds,
    intake: telemetry::Intake,
    collector: telemetry::Collector,
    failures: HashMap<Service, Failure>,
    requests: Vec<Request>,
}

impl State {
    fn answer(&mut self, base: &str, request: Request) -> Outcome {
        let response = match request.service {
            Service::Index => self.index.answer(base, &request),
            Service::Registry => self.registry.answer(base, &request),
            Service::Osv => self.osv.answer(&request),
            Service::Bulk => bulk::answer(&self.osv, &self.feeds, &request),
            Service::Datadog => self.datadog.answer(&request),
            // One that fails has kept nothing.
            Service::Intake | Service::Collector if self.failures.contains_key(&request.service) => {
                Response::text(500, "out of order\n")
            }
            Service::Intake => self.intake.answer(&request),
            Service::Collector => self.collector.answer(&request),
            Service::Elsewhere => Response::text(404, "not found\n"),
        };
        let outcome = match self.failures.get(&request.service) {
            Some(failure) => failure.clone().outcome(request.service, response),
            None => Outcome::Send(response),
        };
        self.requests.push(request);
        outcome
    }
}

/// The world. It serves from [`start`](Self::start) until it is dropped; everything can be changed meanwhile, from
/// any thread.
pub struct World {
    base: String,
    state: Arc<Mutex<State>>,
    // Serves as long as it lives.
    _server: Server,
}

impl World {
    /// Starts an empty world on a free port of 127.0.0.1.
    pub fn start() -> io::Result<Self> {
        let state = Arc::<Mutex<State>>::default();
        let mut base = String::new();
        let server = Server::start(|address| {
            base = format!("http://{address}");
            let (state, base) = (Arc::clone(&state), base.clone());
            let handler: Arc<Handler> = Arc::new(move |request| lock(&state).answer(&base, request));
            handler
        })?;
        Ok(Self { base, state, _server: server })
    }

    /// The package index, for pip's `--index-url`: `http://127.0.0.1:<port>/pypi/simple/`.
    #[must_use]
    pub fn index_url(&self) -> String {
        format!("{}/pypi/simple/", self.base)
    }

    /// The registry, for npm's `--registry`: `http://127.0.0.1:<port>/npm/`.
    #[must_use]
    pub fn registry_url(&self) -> String {
        format!("{}/npm/", self.base)
    }

    /// The base of the OSV API, with `v1/querybatch` and `v1/vulns/<id>` below it.
    #[must_use]
    pub fn osv_url(&self) -> String {
        format!("{}/osv", self.base)
    }

    /// The base of OSV's bulk export, with `<ecosystem>/all.zip`, `<ecosystem>/modified_id.csv` and
    /// `<ecosystem>/<id>.json` below it.
    #[must_use]
    pub fn osv_bulk_url(&self) -> String {
        self.osv_url()
    }

    /// The base of a mirror: the bulk export in `osv/`, the Datadog data set in `datadog/`, further feeds in `feeds/`.
    #[must_use]
    pub fn mirror_url(&self) -> String {
        self.base.clone()
    }

    /// The base of the Datadog data set, with `samples/<npm|pypi>/manifest.json` below it.
    #[must_use]
    pub fn datadog_url(&self) -> String {
        format!("{}/datadog", self.base)
    }

    /// The base of Datadog's intake, with `api/v2/logs` below it.
    #[must_use]
    pub fn intake_url(&self) -> String {
        format!("{}/intake", self.base)
    }

    /// The base of the OpenTelemetry Collector, with `v1/logs` below it.
    #[must_use]
    pub fn collector_url(&self) -> String {
        format!("{}/otlp", self.base)
    }

    /// The logs that the intake has taken, in their order.
    #[must_use]
    pub fn intake_logs(&self) -> Vec<Value> {
        self.state().intake.logs.clone()
    }

    /// Makes the intake take this key, and no longer every other.
    pub fn accept_key(&self, key: &str) {
        self.state().intake.keys.push(key.to_owned());
    }

    /// Makes the intake refuse requests with more than `most` logs.
    pub fn intake_takes(&self, most: usize) {
        self.state().intake.most = Some(most);
    }

    /// Makes the intake call every request malformed that mentions `text`.
    pub fn intake_hates(&self, text: &str) {
        self.state().intake.hated = Some(text.to_owned());
    }

    /// Makes the collector say of each request that it did not keep that many (fewer than 128) of its records.
    pub fn collector_rejects(&self, count: u8) {
        self.state().collector.rejected = count;
    }

    /// The requests that the collector has taken, each an `ExportLogsServiceRequest` in Protocol Buffers.
    #[must_use]
    pub fn collector_requests(&self) -> Vec<Vec<u8>> {
        self.state().collector.requests.clone()
    }

    /// Makes the index's pages say that the files are in another world, as those of most indexes are elsewhere.
    pub fn files_are_in(&self, storage: &Self) {
        self.state().index.storage = Some(storage.base.clone());
    }

    /// Makes packuments say that the tarballs are in another registry, as those of a mirror or a proxy do.
    pub fn tarballs_are_at(&self, registry: &str) {
        self.state().registry.tarballs = Some(registry.to_owned());
    }

    /// Adds a wheel to the index, in the place of one with the same name and version.
    pub fn add_wheel(&self, wheel: Wheel) {
        self.state().index.add(wheel.into_file());
    }

    /// Sets whether the index has nothing but HTML (PEP 503), which tells no times.
    pub fn index_is_html_only(&self, is: bool) {
        self.state().index.is_html_only = is;
    }

    /// Adds a source distribution to the index, in the place of one with the same name and version.
    pub fn add_sdist(&self, sdist: Sdist) {
        self.state().index.add(sdist.into_file());
    }

    /// Publishes a package in the registry, in the place of one with the same name and version.
    pub fn add_npm(&self, package: NpmPackage) {
        self.state().registry.add(package);
    }

    /// Makes a package known as malicious to both feeds, in one version or in all. Returns the advisory's id.
    #[expect(clippy::must_use_candidate, reason = "what it does is more often wanted than what it returns")]
    pub fn malicious(&self, ecosystem: Ecosystem, name: &str, version: Option<&str>) -> String {
        self.list_in_datadog(ecosystem, name, version);
        self.state().osv.add_malicious(ecosystem, name, version)
    }

    /// Lists a package in the Datadog data set alone, in one version or in all.
    pub fn list_in_datadog(&self, ecosystem: Ecosystem, name: &str, version: Option<&str>) {
        self.state().datadog.add(ecosystem, name, version);
    }

    /// Adds an OSV record, in the place of one with the same id. It need not be valid. One that does not say when it
    /// was last modified was so just now.
    pub fn add_advisory(&self, record: Value) {
        self.state().osv.add_now(record);
    }

    /// Takes an OSV record away.
    pub fn remove_advisory(&self, id: &str) {
        self.state().osv.remove(id);
    }

    /// Serves these OSV records as `feeds/<name>.zip`.
    pub fn serve_feed(&self, name: &str, records: &[Value]) {
        self.state().feeds.insert(name.to_owned(), records.to_vec());
    }

    /// Adds the advisories of an OSV bulk export, a zip with one `<id>.json` each. Returns how many there are.
    pub fn load_osv_zip(&self, path: &Path) -> io::Result<usize> {
        let records = osv::read_export(path)?;
        let count = records.len();
        let mut state = self.state();
        for record in records {
            state.osv.add(record);
        }
        Ok(count)
    }

    /// Adds the packages of a Datadog manifest. Returns how many there are.
    pub fn load_datadog_manifest(&self, ecosystem: Ecosystem, path: &Path) -> io::Result<usize> {
        let manifest = datadog::read(path)?;
        let count = manifest.len();
        self.state().datadog.extend(ecosystem, manifest);
        Ok(count)
    }

    /// Gives no more than `size` advisories in one answer to an OSV query, and a token for the rest.
    pub fn osv_page_size(&self, size: usize) {
        self.state().osv.page_size = Some(size.max(1));
    }

    /// Sets whether OSV queries find withdrawn advisories, as the real ones do not. A query by id always finds them.
    pub fn osv_serves_withdrawn(&self, serves: bool) {
        self.state().osv.serves_withdrawn = serves;
    }

    /// Makes a service fail from the next request on; `None` heals it.
    pub fn fail(&self, service: Service, failure: Option<Failure>) {
        let mut state = self.state();
        match failure {
            Some(failure) => state.failures.insert(service, failure),
            None => state.failures.remove(&service),
        };
    }

    /// All requests so far, those of failing services included.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// Forgets all requests so far.
    pub fn forget_requests(&self) {
        self.state().requests.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// The content of a mutex, also when a thread has panicked with it: a test then fails of that panic, not of this one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
