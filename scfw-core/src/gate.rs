//! The document that a gate sends: the targets that the running manager has resolved and is about to build or install
//! (protocol 1). It comes from another process and is not trusted.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::manager::{ManagerId, manager};
use crate::package::{Ecosystem, Package, Publication, Source, Target, Told, publish_time, registry_base};
use crate::text::without_credentials;

/// The protocol that this build speaks.
pub const PROTOCOL: u32 = 1;

/// Largest document that is read, in bytes. 100,000 targets take about 40 MiB.
pub const LARGEST_DOCUMENT: u64 = 128 * 1024 * 1024;

/// Longest name or version that is taken for one, in bytes.
const LONGEST_NAME: usize = 1024;

/// Most further indexes that are asked about one target.
const MOST_INDEXES: usize = 8;

/// Longest part of a name or version that an error shows, in characters.
const LONGEST_SHOWN: usize = 200;

/// The moment at which the gate asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Before something is built, or fetched from a repository, to learn its metadata.
    Build,
    /// Before the resolved set is installed.
    Install,
    /// Before a manager that it cannot hold does anything.
    Unsupported,
}

/// A gate's document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The manager that runs.
    pub manager: ManagerId,
    /// The moment at which it asks.
    pub phase: Phase,
    /// The program as the user called it: `npx` may be npm's.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The targets that it is about to build or install, or the reason why they cannot be verified, if no registry
    /// can hold one of them.
    pub targets: Result<Vec<Target>, TargetError>,
    /// The reason why the gate cannot hold the manager, if it is unsupported.
    pub reason: String,
}

/// Why a document was refused.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It is cut short or is no JSON of the protocol.
    #[error("the gate's document could not be read")]
    Malformed(#[from] serde_json::Error),
    /// It speaks another protocol: the gate and this program are of different versions.
    #[error("the gate speaks protocol {found}, this program {PROTOCOL}")]
    Protocol {
        /// The number in the document.
        found: u64,
    },
    /// A manager that has no gate.
    #[error("the gate names an unknown manager")]
    Manager,
}

/// Why a target of a document was refused. A manager would fetch something else for it than its name and version say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No registry can hold a package of that name.
    #[error("no registry can hold a package called {name:?}, so it could not be verified")]
    Name {
        /// The name, as far as it is shown.
        name: String,
    },
    /// The version is a range, a tag, an alias or an address.
    #[error(
        "{version:?} is no exact version of {name}, so it could not be verified; is there an odd lockfile?"
    )]
    Version {
        /// The package's name.
        name: String,
        /// The version, as far as it is shown.
        version: String,
    },
    /// A name or version is empty or longer than any real one.
    #[error("the gate names a package with an empty or overlong name or version")]
    Length,
}

#[derive(Deserialize)]
struct Header {
    protocol: u64,
}

#[derive(Deserialize)]
struct RawDocument {
    manager: String,
    phase: Phase,
    program: Option<String>,
    #[serde(default)]
    argv: Vec<String>,
    targets: Vec<RawTarget>,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct RawTarget {
    name: Option<String>,
    version: Option<String>,
    source: Source,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    required_by: Vec<String>,
    #[serde(default)]
    accepted: bool,
    // A value that a gate could not find out is null, and a senseless one is as good as that: the registry is asked
    // then.
    #[serde(default)]
    index: Value,
    #[serde(default)]
    other_indexes: Vec<Value>,
    #[serde(default)]
    published: Value,
    #[serde(default)]
    modified: Value,
    #[serde(default)]
    carried: bool,
    #[serde(default)]
    hashes: BTreeMap<String, Value>,
}

impl Document {
    /// Reads a document. Anything unexpected is an error, because a document that cannot be read cannot be verified.
    pub fn parse(document: &[u8]) -> Result<Self, DocumentError> {
        let header: Header = serde_json::from_slice(document)?;
        if header.protocol != u64::from(PROTOCOL) {
            return Err(DocumentError::Protocol { found: header.protocol });
        }
        let raw: RawDocument = serde_json::from_slice(document)?;
        let id = ManagerId::from_name(&raw.manager).ok_or(DocumentError::Manager)?;
        let ecosystem = manager(id).ecosystem();
        let targets = raw.targets.into_iter().map(|target| target.into_target(ecosystem)).collect();
        Ok(Self {
            manager: id,
            phase: raw.phase,
            program: raw.program.unwrap_or_else(|| id.name().to_owned()),
            arguments: raw.argv,
            targets,
            reason: raw.reason,
        })
    }
}

impl RawTarget {
    fn into_target(self, ecosystem: Ecosystem) -> Result<Target, TargetError> {
        // The gates take credentials out, and another program that writes a document need not.
        let url = self.url.map(|url| without_credentials(&url).into_owned());
        // A repository or archive without a name is known by its address.
        let name = self.name.or_else(|| url.clone()).ok_or(TargetError::Length)?;
        let is_sensible = |text: &str| !text.is_empty() && text.len() <= LONGEST_NAME;
        if self.version.as_deref().is_some_and(|version| !is_sensible(version)) {
            return Err(TargetError::Length);
        }
        if self.source == Source::Registry {
            if !is_sensible(&name) {
                return Err(TargetError::Length);
            }
            check_identity(ecosystem, &name, self.version.as_deref().unwrap_or_default())?;
        }
        let publication = if self.carried {
            Publication::Unasked
        } else {
            Publication::Told(Told {
                registry: self.index.as_str().and_then(registry_base),
                others: self
                    .other_indexes
                    .iter()
                    .take(MOST_INDEXES)
                    .filter_map(|index| index.as_str().and_then(registry_base))
                    .collect(),
                published: self.published.as_str().and_then(publish_time),
                modified: self.modified.as_str().and_then(publish_time),
            })
        };
        Ok(Target {
            package: Package { ecosystem, name, version: self.version },
            source: self.source,
            url,
            required_by: self.required_by,
            hashes: self.hashes.into_iter().filter_map(sensible_hash).collect(),
            accepted: self.accepted,
            publication,
        })
    }
}

/// A hash with the name of its algorithm, if it can be one.
fn sensible_hash((algorithm, digest): (String, Value)) -> Option<(String, String)> {
    let digest = digest.as_str().filter(|digest| digest.len() <= LONGEST_NAME)?.to_owned();
    (algorithm.len() <= LONGEST_NAME).then_some((algorithm, digest))
}

/// Checks that a registry can hold the package, and that `version` is one of it and no specifier or address.
fn check_identity(ecosystem: Ecosystem, name: &str, version: &str) -> Result<(), TargetError> {
    let shown = |text: &str| text.chars().take(LONGEST_SHOWN).collect::<String>();
    match (ecosystem.is_name(name), ecosystem.is_exact(version)) {
        (true, true) => Ok(()),
        (false, _) => Err(TargetError::Name { name: shown(name) }),
        (true, false) => Err(TargetError::Version { name: shown(name), version: shown(version) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DOCUMENT: &str = r#"{"protocol":1,"manager":"pip","version":"26.3","phase":"install",
        "argv":["install","requests"],"targets":[{"name":"urllib3","version":"2.2.1","source":"registry",
        "index":"https://index.example/simple/","url":"https://files.example/urllib3-2.2.1-py3-none-any.whl",
        "hashes":{"sha256":"00"},"artifact":"wheel","requested":false,"required_by":["requests"],"published":null}]}"#;

    #[test]
    fn a_document_becomes_targets() {
        let document = Document::parse(DOCUMENT.as_bytes()).unwrap();
        assert_eq!((document.manager, document.phase), (ManagerId::Pip, Phase::Install));
        assert_eq!((document.program.as_str(), document.reason.as_str()), ("pip", ""));
        assert_eq!(document.arguments, ["install", "requests"]);
        let targets = document.targets.unwrap();
        assert_eq!(targets[0].package.to_string(), "urllib3-2.2.1");
        assert_eq!(targets[0].required_by, ["requests"]);
    }

    #[test]
    fn what_is_told_of_a_publication_is_taken_only_if_it_makes_sense() {
        let told = |document: &str| {
            Document::parse(document.as_bytes()).unwrap().targets.unwrap().remove(0).publication
        };
        let unknown = Told { registry: Some("https://index.example/simple/".to_owned()), ..Told::default() };
        assert_eq!(told(DOCUMENT), Publication::Told(unknown.clone()));
        let dated = DOCUMENT.replace("\"published\":null", "\"published\":\"2020-01-01T00:00:00Z\"");
        let published = "2020-01-01T00:00:00Z".parse().ok();
        assert_eq!(told(&dated), Publication::Told(Told { published, ..unknown.clone() }));
        for nonsense in ["7", "\"soon\"", "{}", "[null]"] {
            let document = DOCUMENT.replace("\"published\":null", &format!("\"published\":{nonsense}"));
            assert_eq!(told(&document), Publication::Told(unknown.clone()), "{nonsense}");
        }
        let secret = DOCUMENT.replace("https://index.", "https://user:t0ken@index.");
        assert_eq!(told(&secret), Publication::Told(unknown));
        let local = DOCUMENT.replace("https://index.example/simple/", "file:///etc/");
        assert_eq!(told(&local), Publication::Told(Told::default()));
        let carried = DOCUMENT.replace("\"requested\":false", "\"requested\":false,\"carried\":true");
        assert_eq!(told(&carried), Publication::Unasked);
    }

    #[test]
    fn a_gate_that_cannot_hold_its_manager_says_why() {
        let document = r#"{"protocol":1,"manager":"npm","phase":"unsupported","program":"npx","argv":["x"],
            "targets":[],"reason":"npm 6 is too old"}"#;
        let document = Document::parse(document.as_bytes()).unwrap();
        assert_eq!((document.phase, document.reason.as_str()), (Phase::Unsupported, "npm 6 is too old"));
        assert_eq!((document.program.as_str(), document.targets), ("npx", Ok(Vec::new())));
    }

    #[test]
    fn another_protocol_is_refused_whatever_else_it_says() {
        let other = DOCUMENT.replace("\"protocol\":1", "\"protocol\":2").replace("targets", "packages");
        assert!(matches!(Document::parse(other.as_bytes()), Err(DocumentError::Protocol { found: 2 })));
    }

    #[test]
    fn a_registry_package_has_a_name_and_a_version() {
        let check = |document: &str| Document::parse(document.as_bytes()).unwrap().targets.map(|_| ());
        for broken in [
            DOCUMENT.replace("urllib3\",\"version", "\",\"version"),
            DOCUMENT.replace("2.2.1\",\"source", &format!("{}\",\"source", "9".repeat(2000))),
        ] {
            assert_eq!(check(&broken), Err(TargetError::Length), "{broken}");
        }
        let unversioned = DOCUMENT.replace("\"version\":\"2.2.1\",", "");
        assert!(matches!(check(&unversioned), Err(TargetError::Version { .. })));
        let npm = DOCUMENT.replace("\"manager\":\"pip\"", "\"manager\":\"npm\"");
        let with = |document: &str, name: &str, version: &str| {
            check(
                &document
                    .replace("\"urllib3\"", &format!("{name:?}"))
                    .replace("\"2.2.1\"", &format!("{version:?}")),
            )
        };
        for (name, version) in [
            ("urllib3", "2.2.1"),
            ("urllib3", "v2.2.1"),
            ("@s/urllib3", "=2.2.1-rc.1+build"),
            ("JSONStream", "0.0.1"),
        ] {
            assert_eq!(with(&npm, name, version), Ok(()), "{name}@{version}");
        }
        for version in
            ["npm:evil@1.0.0", "1.x", "latest", "https://host.example/x.tgz", "file:x", "1.0.0 || 2.0.0", "*"]
        {
            assert!(matches!(with(&npm, "a", version), Err(TargetError::Version { .. })), "{version}");
        }
        for name in ["a@npm:evil", "a b", "../a", "@s", "a/b", "node_modules", "https://host.example/x"] {
            assert!(matches!(with(&npm, name, "1.0.0"), Err(TargetError::Name { .. })), "{name}");
        }
        for (name, version) in [("Zope.Interface", "2.2.1"), ("a", "2004d"), ("a", "1!2.0.post1+local.1")] {
            assert_eq!(with(DOCUMENT, name, version), Ok(()), "{name} {version}");
        }
        for (name, version) in
            [("a @ https://host.example/a", "1.0"), ("-r", "1.0"), ("a", ">=1.0"), ("a", "1.*")]
        {
            assert!(with(DOCUMENT, name, version).is_err(), "{name} {version}");
        }
    }

    proptest! {
        #[test]
        fn a_document_cut_short_is_an_error(length in 0..DOCUMENT.len()) {
            prop_assert!(Document::parse(&DOCUMENT.as_bytes()[..length]).is_err());
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Document::parse(&bytes).is_err());
        }
    }
}
