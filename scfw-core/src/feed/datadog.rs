//! The manifests of Datadog's malicious-packages data set: name to `null` (every version) or to a list of
//! versions. A copy is kept in the data directory and revalidated by its `ETag`.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::{Client, FeedError};
use crate::files::{Kept, create_private, read_kept, read_text, replace};
use crate::net::{host_of, join};
use crate::package::{Ecosystem, Package};

/// Largest manifest that is read, in bytes. The published ones have one to two MiB.
pub(super) const LARGEST: usize = 64 * 1024 * 1024;
/// Longest `ETag` that is kept, in bytes.
const LONGEST_ETAG: u64 = 4 * 1024;
/// A copy checked less than this ago is not checked again: screen and gate of one run ask seconds apart.
const FRESH: Duration = Duration::from_mins(5);
/// A copy that could not be checked serves for so long.
const USABLE: Duration = Duration::from_hours(24);

/// The packages that the data set calls malicious.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Manifest(HashMap<String, Option<Vec<String>>>);

/// The versions of a package that the manifest calls malicious.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// Every version.
    Every,
    /// The version that was asked about.
    This,
    /// Some versions are malicious, and none was asked about.
    Some,
}

impl Manifest {
    /// The manifest of these packages: normalised names, with versions or nothing for every version.
    #[must_use]
    pub const fn new(packages: HashMap<String, Option<Vec<String>>>) -> Self {
        Self(packages)
    }

    /// Its packages by normalised name.
    #[must_use]
    pub fn into_packages(self) -> BTreeMap<String, Option<Vec<String>>> {
        self.0.into_iter().collect()
    }

    pub(super) fn parse(bytes: &[u8], ecosystem: Ecosystem) -> Option<Self> {
        let manifest: Self = serde_json::from_slice(bytes).ok()?;
        if ecosystem == Ecosystem::Npm {
            return Some(manifest);
        }
        // Two spellings of one name are one package, and every version outweighs some.
        let mut merged: HashMap<String, Option<Vec<String>>> = HashMap::with_capacity(manifest.0.len());
        for (name, versions) in manifest.0 {
            match merged.entry(ecosystem.normalise(&name)) {
                Entry::Vacant(entry) => {
                    entry.insert(versions);
                }
                Entry::Occupied(mut entry) => match (entry.get_mut(), versions) {
                    (Some(known), Some(versions)) => known.extend(versions),
                    (known, _) => *known = None,
                },
            }
        }
        Some(Self(merged))
    }

    /// The number of packages that it lists; an empty list of versions lists nothing.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0
            .values()
            .filter(|versions| versions.as_ref().is_none_or(|versions| !versions.is_empty()))
            .count()
    }

    /// The manifest's word about `package`.
    #[must_use]
    pub fn lookup(&self, package: &Package) -> Option<Listed> {
        let Some(versions) = self.0.get(&package.key())? else { return Some(Listed::Every) };
        let Some(version) = package.version.as_deref() else { return Some(Listed::Some) };
        let parsed = crate::ecosystem::Version::parse(package.ecosystem, version);
        let is_listed = versions.iter().any(|listed| {
            listed == version
                || parsed.is_some() && crate::ecosystem::Version::parse(package.ecosystem, listed) == parsed
        });
        is_listed.then_some(Listed::This)
    }
}

/// The manifest of `ecosystem`, from the copy in `directory` if that is current, else from below `base`.
pub async fn manifest(
    client: &Client,
    base: &str,
    directory: &Path,
    ecosystem: Ecosystem,
) -> Result<Manifest, FeedError> {
    let url = join(base, &path(ecosystem));
    let copy = Copy::of(directory, &url, ecosystem);
    if copy.is_younger_than(FRESH)
        && let Some(manifest) = copy.read(ecosystem)
    {
        return Ok(manifest);
    }
    match fetch(client, &url, &copy, ecosystem).await {
        Ok(manifest) => Ok(manifest),
        Err(error) if copy.is_younger_than(USABLE) => copy.read(ecosystem).ok_or(error),
        Err(error) => Err(error),
    }
}

/// The path of the manifest of `ecosystem` below the data set's base.
pub(super) fn path(ecosystem: Ecosystem) -> String {
    format!("samples/{}/manifest.json", ecosystem.purl_type())
}

async fn fetch(client: &Client, url: &str, copy: &Copy, ecosystem: Ecosystem) -> Result<Manifest, FeedError> {
    let current = copy.etag().and_then(|etag| Some((etag, copy.read(ecosystem)?)));
    let mut request = client.http()?.get(url);
    if let Some((etag, _)) = &current {
        request = request.header(reqwest::header::IF_NONE_MATCH, etag.as_str());
    }
    let answer = client.send(request, url, LARGEST).await?;
    let malformed = || FeedError::Malformed { host: host_of(url) };
    match answer.body {
        None => {
            let (etag, manifest) = current.ok_or_else(malformed)?;
            copy.write_etag(&etag);
            Ok(manifest)
        }
        Some(body) => {
            let manifest = Manifest::parse(&body, ecosystem).ok_or_else(malformed)?;
            if manifest.count() == 0 {
                // Every package would be known to be harmless.
                return Err(FeedError::Empty { host: host_of(url) });
            }
            copy.write(&body, answer.etag.as_deref().unwrap_or_default());
            Ok(manifest)
        }
    }
}

/// The copy on disk: the manifest, and beside it the `ETag`, whose file time says when it was last checked.
/// A copy that cannot be written costs a download next time and nothing else, so that is not reported.
struct Copy {
    manifest: PathBuf,
    etag: PathBuf,
}

impl Copy {
    /// Copies of different servers do not share a file.
    fn of(directory: &Path, url: &str, ecosystem: Ecosystem) -> Self {
        let server: u64 = url.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let stem = directory.join(format!("datadog-{}-{server:016x}", ecosystem.purl_type()));
        Self { manifest: stem.with_extension("json"), etag: stem.with_extension("etag") }
    }

    fn is_younger_than(&self, age: Duration) -> bool {
        let checked = fs::metadata(&self.etag).and_then(|metadata| metadata.modified());
        // A time in the future says nothing about when the copy was checked.
        checked
            .is_ok_and(|checked| SystemTime::now().duration_since(checked).is_ok_and(|elapsed| elapsed < age))
    }

    fn read(&self, ecosystem: Ecosystem) -> Option<Manifest> {
        let bytes = read_kept(&self.manifest, Kept::Privately, LARGEST as u64).ok()??;
        Manifest::parse(&bytes, ecosystem).filter(|manifest| manifest.count() > 0)
    }

    fn etag(&self) -> Option<String> {
        read_text(&self.etag, Kept::Privately, LONGEST_ETAG).ok()?.filter(|etag| !etag.is_empty())
    }

    fn write(&self, manifest: &[u8], etag: &str) {
        // Without its ETag first, so that at no moment an ETag stands beside another manifest than its own.
        fs::remove_file(&self.etag).ok();
        if keep(&self.manifest, manifest).is_ok() {
            self.write_etag(etag);
        }
    }

    fn write_etag(&self, etag: &str) {
        // Without it the next run downloads the copy again.
        keep(&self.etag, etag.as_bytes()).ok();
    }
}

/// Writes one of the two files.
fn keep(path: &Path, content: &[u8]) -> std::io::Result<()> {
    create_private(path.parent().unwrap_or(Path::new(".")))?;
    replace(path, content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn manifest(ecosystem: Ecosystem, json: &str) -> Manifest {
        Manifest::parse(json.as_bytes(), ecosystem).unwrap()
    }

    #[test]
    fn null_is_every_version_and_a_list_is_those() {
        let manifest = manifest(Ecosystem::PyPi, r#"{"Evil_Package": null, "half-evil": ["1.0", "2.0.0"]}"#);
        let lookup = |name, version| manifest.lookup(&Package::new(Ecosystem::PyPi, name, version));
        assert_eq!(lookup("evil.package", Some("7")), Some(Listed::Every));
        assert_eq!(lookup("evil.package", None), Some(Listed::Every));
        assert_eq!(lookup("half-evil", Some("2.0")), Some(Listed::This));
        assert_eq!(lookup("half-evil", Some("3")), None);
        assert_eq!(lookup("half-evil", None), Some(Listed::Some));
        assert_eq!(lookup("innocent", Some("1")), None);
    }

    #[test]
    fn two_spellings_of_a_name_are_one_package() {
        let json = r#"{"a.b": ["1"], "a_b": ["2"], "c.d": null, "c-d": ["1"]}"#;
        let manifest = manifest(Ecosystem::PyPi, json);
        let lookup = |name, version| manifest.lookup(&Package::new(Ecosystem::PyPi, name, Some(version)));
        assert_eq!((lookup("a-b", "1"), lookup("a-b", "2")), (Some(Listed::This), Some(Listed::This)));
        assert_eq!(lookup("c-d", "9"), Some(Listed::Every));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(Manifest::parse(&bytes, Ecosystem::PyPi));
        }
    }
}
