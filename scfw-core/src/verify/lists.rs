//! Findings lists, the user's own and the administrator's: `lists/*.yaml` and `*.yml` in both configuration
//! directories. A list that cannot be read stops everything, because somebody relies on it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::{AtOnce, Local, Outcome, Verifier};
use crate::ecosystem::Version;
use crate::files::{FileError, Kept, Untrusted, check_directory, is_absence, read_text};
use crate::finding::{Finding, FindingSeverity, LISTS};
use crate::package::{Ecosystem, Package, Target};

/// Largest list that is read, in bytes.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Why the lists could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The directory.
    #[error("findings lists: {} could not be read", path.display())]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file in it.
    #[error("findings list {} {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why it is not read.
        problem: FileError,
    },
    /// Somebody else could have changed the content of the directory.
    #[error("findings lists: {0}")]
    Exposed(Untrusted),
    /// The file is no findings list.
    #[error("findings list {} is not valid: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The place and the mistake.
        message: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    findings: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(deserialize_with = "severity")]
    severity: FindingSeverity,
    finding: String,
    packages: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    #[serde(deserialize_with = "ecosystem")]
    ecosystem: Ecosystem,
    name: String,
    #[serde(default)]
    versions: Option<Vec<String>>,
}

// Read while parsing, so that the parser can say in which line a mistake is.

fn severity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FindingSeverity, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.to_ascii_uppercase().as_str() {
        "CRITICAL" => Ok(FindingSeverity::Critical),
        "WARNING" => Ok(FindingSeverity::Warning),
        _ => Err(D::Error::custom(format!("severity {text:?} is neither CRITICAL nor WARNING"))),
    }
}

fn ecosystem<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Ecosystem, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ecosystem::parse(&text)
        .ok_or_else(|| D::Error::custom(format!("ecosystem {text:?} is neither PyPI nor npm")))
}

/// The verifier of the findings lists.
#[derive(Debug, Default)]
pub(super) struct Lists {
    entries: HashMap<(Ecosystem, String), Vec<Rule>>,
}

#[derive(Debug)]
struct Rule {
    severity: FindingSeverity,
    message: String,
    versions: Option<Vec<String>>,
}

impl Lists {
    /// The lists in `directories`, those of each in the order of their names.
    pub(super) fn load(directories: &[PathBuf]) -> Result<Self, ListError> {
        let mut lists = Self::default();
        for directory in directories {
            lists.read(directory)?;
        }
        Ok(lists)
    }

    fn read(&mut self, directory: &Path) -> Result<(), ListError> {
        let unreadable = |source| ListError::Unreadable { path: directory.to_owned(), source };
        let files = match fs::read_dir(directory) {
            Ok(files) => files,
            Err(error) if is_absence(&error) => return Ok(()),
            Err(error) => return Err(unreadable(error)),
        };
        check_directory(directory).map_err(ListError::Exposed)?;
        let mut paths = Vec::new();
        for file in files {
            let path = file.map_err(unreadable)?.path();
            if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
                paths.push(path);
            }
        }
        // A fixed order of files gives a fixed order of findings.
        paths.sort();
        for path in paths {
            let file = |problem| ListError::File { path: path.clone(), problem };
            let gone = || FileError::Unreadable(ErrorKind::NotFound.into());
            let text = read_text(&path, Kept::Privately, LARGEST).and_then(|text| text.ok_or_else(gone));
            self.add(&text.map_err(file)?)
                .map_err(|message| ListError::Invalid { path: path.clone(), message })?;
        }
        Ok(())
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        let list: List = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        for entry in list.findings {
            for listed in entry.packages {
                let key = (listed.ecosystem, listed.ecosystem.normalise(&listed.name));
                let rule = Rule {
                    severity: entry.severity,
                    message: entry.finding.clone(),
                    versions: listed.versions,
                };
                self.entries.entry(key).or_default().push(rule);
            }
        }
        Ok(())
    }

    fn about<'a>(&'a self, package: &'a Package) -> impl Iterator<Item = Finding> + 'a {
        let rules = self.entries.get(&(package.ecosystem, package.key())).into_iter().flatten();
        rules.filter_map(|rule| {
            let severity = match (&rule.versions, package.version.as_deref()) {
                (None, _) => rule.severity,
                (Some(versions), Some(version)) => {
                    let parsed = Version::parse(package.ecosystem, version);
                    let is_listed = versions.iter().any(|listed| {
                        listed == version
                            || parsed.is_some() && Version::parse(package.ecosystem, listed) == parsed
                    });
                    is_listed.then_some(rule.severity)?
                }
                // Some version is listed; whether it is the one that comes nobody knows yet.
                (Some(_), None) => FindingSeverity::Warning,
            };
            Some(Finding {
                severity,
                verifier: LISTS.into(),
                message: rule.message.clone(),
                advisory: None,
                url: None,
                detail: None,
                disclosure: None,
                is_unverified: false,
                is_accepted: false,
            })
        })
    }
}

impl Verifier for Lists {
    fn name(&self) -> Cow<'static, str> {
        LISTS.into()
    }

    fn verify_at_once(&self, targets: &[Target], _local: &Local<'_>) -> AtOnce {
        let findings = targets
            .iter()
            .enumerate()
            .flat_map(|(index, target)| self.about(&target.package).map(move |finding| (index, finding)))
            .collect();
        AtOnce { outcome: Outcome { findings, general: Vec::new() }, ..AtOnce::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIST: &str = "
findings:
  - severity: CRITICAL
    finding: \"Its licence does not fit\"
    packages:
      - ecosystem: PyPI
        name: Foo_Bar
      - ecosystem: npm
        name: bar
        versions:
          - 1.0.1
          - '1.0'
  - severity: warning
    finding: A better one exists
    packages:
      - {ecosystem: pypi, name: baz}
";

    fn about(name: &str, ecosystem: Ecosystem, version: Option<&str>) -> Vec<(FindingSeverity, String)> {
        let mut lists = Lists::default();
        lists.add(LIST).unwrap();
        let package = Package::new(ecosystem, name, version);
        lists.about(&package).map(|finding| (finding.severity, finding.message)).collect()
    }

    #[test]
    fn a_list_in_the_predecessors_format_is_read() {
        let licence = vec![(FindingSeverity::Critical, "Its licence does not fit".to_owned())];
        assert_eq!(about("foo.bar", Ecosystem::PyPi, Some("3")), licence);
        assert_eq!(about("bar", Ecosystem::Npm, Some("1.0.1")), licence);
        assert_eq!(about("bar", Ecosystem::Npm, Some("1.0")), licence);
        assert!(about("bar", Ecosystem::Npm, Some("1.0.2")).is_empty());
        assert!(about("bar", Ecosystem::PyPi, Some("1.0.1")).is_empty());
        assert_eq!(about("BAZ", Ecosystem::PyPi, None)[0].0, FindingSeverity::Warning);
        assert_eq!(about("bar", Ecosystem::Npm, None)[0].0, FindingSeverity::Warning);
    }

    #[test]
    fn a_broken_list_is_an_error_that_says_why() {
        for (text, why) in [
            ("findings: 3", "line 1"),
            ("findings:\n  - severity: SEVERE\n    finding: x\n    packages: []\n", "SEVERE"),
            (
                "findings:\n  - severity: WARNING\n    finding: x\n    packages: [{ecosystem: cargo, name: x}]\n",
                "cargo",
            ),
            ("findings:\n  - severity: WARNING\n    packages: []\n", "finding"),
        ] {
            let message = Lists::default().add(text).unwrap_err();
            assert!(message.contains(why), "{message}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,200}") {
            drop(Lists::default().add(&text));
        }
    }
}
