//! Every environment variable that scfw reads or sets, by one constant each; docs/environment.md is generated
//! from here.

use std::ffi::OsString;
use std::fmt::Write;
use std::process::Command;

/// Declares the constants together with the table of their names and descriptions.
macro_rules! variables {
    ($($(#[doc = $line:literal])+ $constant:ident = $name:literal;)+) => {
        $($(#[doc = $line])+ pub const $constant: &str = $name;)+

        /// Each variable with the lines that describe it.
        pub const ALL: &[(&str, &[&str])] = &[$(($name, &[$($line),+])),+];
    };
}

variables! {
    /// One directory for everything of scfw: configuration, lists, data and log.
    SCFW_HOME = "SCFW_HOME";
    /// `ALLOW` or `BLOCK`: decides about warnings without asking, as `scfw run --allow-on-warning` does.
    SCFW_ON_WARNING = "SCFW_ON_WARNING";
    /// Hours that a version has to be old (24).
    SCFW_PACKAGE_MINIMUM_AGE = "SCFW_PACKAGE_MINIMUM_AGE";
    /// The file with advisory ids to ignore, instead of `osv-ignore.txt` in the configuration directory.
    SCFW_OSV_VERIFIER_IGNORE = "SCFW_OSV_VERIFIER_IGNORE";
    /// The file that gets one JSON line per decision, instead of `scfw.log` in the data directory.
    SCFW_LOG_FILE = "SCFW_LOG_FILE";
    /// The environment (`prod`, `dev`) that log records name.
    DD_ENV = "DD_ENV";
    /// The local port on which the Datadog Agent takes logs.
    SCFW_DD_AGENT_LOG_PORT = "SCFW_DD_AGENT_LOG_PORT";
    /// `1`: decisions are sent to Datadog's API for logs; `0`: they are not.
    SCFW_DD_API_LOGGER_ENABLED = "SCFW_DD_API_LOGGER_ENABLED";
    /// `ALLOW`, `ABORT` or `BLOCK` (the default): the least that is sent to Datadog.
    SCFW_DD_LOG_LEVEL = "SCFW_DD_LOG_LEVEL";
    /// The API key for Datadog's API.
    DD_API_KEY = "DD_API_KEY";
    /// The Datadog site, for example `datadoghq.eu`.
    DD_SITE = "DD_SITE";
    /// Base of Datadog's API for logs, instead of the one of the site; `/api/v2/logs` is below it.
    SCFW_DD_INTAKE_URL = "SCFW_DD_INTAKE_URL";
    /// A JSON object with attributes of your own for every record.
    SCFW_DD_LOG_ATTRIBUTES = "SCFW_DD_LOG_ATTRIBUTES";
    /// A file with such an object, instead of `dd_logger/log_attributes.json` in the configuration directory.
    SCFW_DD_LOG_ATTRIBUTES_FILE = "SCFW_DD_LOG_ATTRIBUTES_FILE";
    /// Base of an OpenTelemetry Collector; records are sent to `/v1/logs` below it.
    OTEL_EXPORTER_OTLP_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT";
    /// The endpoint that records are sent to, as it is; goes before `OTEL_EXPORTER_OTLP_ENDPOINT`.
    OTEL_EXPORTER_OTLP_LOGS_ENDPOINT = "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT";
    /// Headers for the collector: `name=value,name=value`, percent-encoded.
    OTEL_EXPORTER_OTLP_HEADERS = "OTEL_EXPORTER_OTLP_HEADERS";
    /// The same for logs alone; goes before `OTEL_EXPORTER_OTLP_HEADERS`.
    OTEL_EXPORTER_OTLP_LOGS_HEADERS = "OTEL_EXPORTER_OTLP_LOGS_HEADERS";
    /// Anything but `http/protobuf`: the collector of the two variables above is none for scfw.
    OTEL_EXPORTER_OTLP_PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL";
    /// The same for logs alone; goes before `OTEL_EXPORTER_OTLP_PROTOCOL`.
    OTEL_EXPORTER_OTLP_LOGS_PROTOCOL = "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL";
    /// `none`: nothing is sent to a collector that a variable names.
    OTEL_LOGS_EXPORTER = "OTEL_LOGS_EXPORTER";
    /// A file with the certificates, in PEM, of who may be that endpoint, beside those that the system trusts.
    OTEL_EXPORTER_OTLP_CERTIFICATE = "OTEL_EXPORTER_OTLP_CERTIFICATE";
    /// The same for logs alone; goes before `OTEL_EXPORTER_OTLP_CERTIFICATE`.
    OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE = "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE";
    /// `true`: nothing is sent to a collector that a variable names.
    OTEL_SDK_DISABLED = "OTEL_SDK_DISABLED";
    /// Base of the OSV API; `/v1/querybatch` and `/v1/vulns/<id>` are below it.
    SCFW_OSV_API_URL = "SCFW_OSV_API_URL";
    /// Base of OSV's bulk export; `<ecosystem>/all.zip`, `<ecosystem>/modified_id.csv` and `<ecosystem>/<id>.json` are below it.
    SCFW_OSV_BULK_URL = "SCFW_OSV_BULK_URL";
    /// Base of the Datadog data set; `samples/<npm|pypi>/manifest.json` is below it.
    SCFW_DD_DATASET_URL = "SCFW_DD_DATASET_URL";
    /// `1`: nothing is asked over the network; a package about which this machine knows too little could not be
    /// verified.
    SCFW_OFFLINE = "SCFW_OFFLINE";
    /// The time that all verifiers together may take, in seconds.
    SCFW_DEADLINE = "SCFW_DEADLINE";
    /// `1`: this one run is not verified. It is said aloud and written to the log; a policy can refuse it.
    SCFW_BYPASS = "SCFW_BYPASS";
    /// `1`: a manager too old or too new for its gate runs unverified (`scfw run --allow-unsupported`).
    SCFW_ALLOW_UNSUPPORTED = "SCFW_ALLOW_UNSUPPORTED";
    /// `1`: the manager stops once everything is verified (`scfw run --dry-run`).
    SCFW_DRY_RUN = "SCFW_DRY_RUN";
    /// Set for external verifiers, from which nothing can be installed: the name of the one that runs.
    SCFW_EXTERNAL_VERIFIER = "SCFW_EXTERNAL_VERIFIER";
    /// Set for an installing manager: the variables with secrets that it does not get. Its children send no records
    /// to a collector whose headers are among them.
    SCFW_WITHHELD = "SCFW_WITHHELD";
    /// Set for the gates: the program that verifies their documents.
    SCFW_GATE_VERIFIER = "SCFW_GATE_VERIFIER";
    /// Set for the gates: the file that Python loads first.
    SCFW_GATE_PYTHON = "SCFW_GATE_PYTHON";
    /// Set for the gates: the file that Node.js loads first.
    SCFW_GATE_NODE = "SCFW_GATE_NODE";
    /// Set for the gates: the folder of commands that an npm puts first on its children's `PATH`.
    SCFW_GATE_COMMANDS = "SCFW_GATE_COMMANDS";
    /// Set for the gates: the file of the manager that runs, for the log.
    SCFW_GATE_EXECUTABLE = "SCFW_GATE_EXECUTABLE";
    /// Set for the gates: the path that names this run's notes; a gate removes the first when it attaches.
    SCFW_GATE_RUN = "SCFW_GATE_RUN";
    /// Set for the gates: the user's own `PIP_EXISTS_ACTION` after an `=`; empty if there was none.
    SCFW_GATE_PIP_EXISTS_ACTION = "SCFW_GATE_PIP_EXISTS_ACTION";
    /// Set for the gates: the user's own `npm_config_workspaces` after an `=`; empty if there was none.
    SCFW_GATE_NPM_WORKSPACES = "SCFW_GATE_NPM_WORKSPACES";
    /// Set for the gates: the user's own `npm_config_workspace` after an `=`; empty if there was none.
    SCFW_GATE_NPM_WORKSPACE = "SCFW_GATE_NPM_WORKSPACE";
    /// Set for the gates: the user's own `npm_config_heading` after an `=`; empty if there was none.
    SCFW_GATE_NPM_HEADING = "SCFW_GATE_NPM_HEADING";
    /// Set by build servers: nobody is asked about warnings, not on a terminal either.
    CI = "CI";
    /// The same, on some of them.
    CONTINUOUS_INTEGRATION = "CONTINUOUS_INTEGRATION";
    /// The same, on Azure Pipelines.
    TF_BUILD = "TF_BUILD";
    /// The same, on Jenkins.
    JENKINS_URL = "JENKINS_URL";
    /// The same, on `TeamCity`.
    TEAMCITY_VERSION = "TEAMCITY_VERSION";
    /// The same, on AWS `CodeBuild`.
    CODEBUILD_BUILD_ID = "CODEBUILD_BUILD_ID";
    /// Set beside `LD_PRELOAD` for the preload library: the absolute path of scfw-hook.
    SCFW_SHIM_HOOK = "SCFW_SHIM_HOOK";
    /// Set by the preload library for scfw-hook: where in `argv` the program stands, a colon, and the file that was
    /// called.
    SCFW_SHIM_CALL = "SCFW_SHIM_CALL";
    /// Set by scfw-hook for the preload library: the process about which it has decided.
    SCFW_SHIM_PASS = "SCFW_SHIM_PASS";
}

/// Looks a variable of the environment up.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The variables of build servers.
pub const BUILD_SERVERS: [&str; 6] =
    [CI, CONTINUOUS_INTEGRATION, TF_BUILD, JENKINS_URL, TEAMCITY_VERSION, CODEBUILD_BUILD_ID];

/// The variables with secrets of sinks.
pub const SECRETS: [&str; 3] = [DD_API_KEY, OTEL_EXPORTER_OTLP_HEADERS, OTEL_EXPORTER_OTLP_LOGS_HEADERS];

/// Takes [`SECRETS`] out of the environment of a program that scfw runs for a purpose of its own, which says so.
pub fn keep_secrets_from(command: &mut Command) {
    let before = std::env::var(SCFW_WITHHELD).unwrap_or_default();
    let gone = SECRETS.into_iter().filter(|name| std::env::var_os(name).is_some());
    let withheld: Vec<&str> = gone.chain(before.split(',').filter(|name| !name.is_empty())).collect();
    for name in SECRETS {
        command.env_remove(name);
    }
    if !withheld.is_empty() {
        command.env(SCFW_WITHHELD, withheld.join(","));
    }
}

/// The reference page of all variables, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(
        "# Environment variables\n\nGenerated from scfw-core/src/env.rs. A flag goes before a variable, a variable \
         before config.toml, and a [policy](policy.md) before all of them.\n\n| variable | meaning |\n| --- | --- |\n",
    );
    for (name, lines) in ALL {
        let meaning = lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ").replace('|', "\\|");
        // Writing to a string does not fail.
        writeln!(page, "| `{name}` | {meaning} |").ok();
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_page_is_the_one_in_the_documentation() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/environment.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, reference()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(page, reference(), "run this test once with UPDATE_DOCS=1");
    }
}
