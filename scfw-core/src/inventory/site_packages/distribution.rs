//! One installed distribution, from whichever kind of record its installer left.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::metadata::Metadata;
use super::source::is_source;
use super::{Identity, PATH_FILE_LENGTH};
use crate::ecosystem::pypi::is_name;
use crate::files;
use crate::inventory::Licence;
use crate::package::{Ecosystem, Source};
use crate::text::without_credentials;

/// Headers end within this many bytes; the rest may be a book.
const HEADERS_LENGTH: usize = 1 << 20;
/// A `direct_url.json` is at most this many bytes.
const DIRECT_URL_LENGTH: u64 = 64 << 10;
/// Entries looked at in the folder of a project in development.
const MOST_ENTRIES: usize = 10_000;

/// An installed distribution.
#[derive(Debug)]
pub(super) struct Distribution {
    /// Name and version in its metadata.
    pub(super) declared: Identity,
    /// Name and version in the name of its directory.
    pub(super) named: Identity,
    /// The file that says that it is installed.
    pub(super) location: PathBuf,
    pub(super) licence: Option<Licence>,
    /// Names of its requirements.
    pub(super) requires: Vec<String>,
    /// pip's note that the user asked for it.
    pub(super) is_requested: bool,
    /// A repository or bare URL that it came from.
    pub(super) direct: Option<(Source, String)>,
    /// The folder on this machine that it came from.
    pub(super) own_folder: Option<PathBuf>,
}

/// Reads the record at `path`, whose extension tells its kind. An unreadable one goes to `skip`.
pub(super) fn read(path: &Path, mut skip: impl FnMut(&Path, &str)) -> Option<Distribution> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    if path.extension().is_some_and(|extension| extension == "egg-link") {
        return link(path, &stem, skip);
    }
    let file = metadata_file(path);
    let named = identity(&stem);
    let is_archive = path.extension().is_some_and(|extension| extension == "egg") && path.is_file();
    // A zipped egg is known by its name, as it was to the tool that put it there.
    let (metadata, problem) = if is_archive { (Metadata::default(), None) } else { headers(&file) };
    if let Some(why) = problem {
        skip(&file, &why);
    }
    let is_known = [&metadata.name, &named.0].into_iter().flatten().any(|name| is_name(name));
    if !is_known {
        skip(&file, "names no package");
        return None;
    }
    let mut distribution = Distribution {
        declared: (metadata.name, metadata.version),
        named,
        location: file,
        licence: metadata.licence,
        requires: metadata.requires,
        is_requested: path.join("REQUESTED").exists(),
        direct: None,
        own_folder: None,
    };
    let origin = path.join("direct_url.json");
    match files::read_installed(&origin, DIRECT_URL_LENGTH) {
        Ok(None) => {}
        Ok(Some(bytes)) => {
            if !distribution.take_origin(&bytes, path.parent().unwrap_or(path)) {
                skip(&origin, "is no record of a direct URL");
            }
        }
        Err(why) => skip(&origin, &why),
    }
    Some(distribution)
}

/// The file with the metadata of the record at `path`.
fn metadata_file(path: &Path) -> PathBuf {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("dist-info") => path.join("METADATA"),
        Some("egg") if path.is_dir() => path.join("EGG-INFO/PKG-INFO"),
        // distutils wrote the metadata itself under this name, setuptools a directory.
        Some("egg-info") if path.is_dir() => path.join("PKG-INFO"),
        _ => path.to_owned(),
    }
}

/// The metadata in `file`, and why it could not be read, in part or at all.
fn headers(file: &Path) -> (Metadata, Option<String>) {
    let bytes = match files::read_until(file, b"\n\n", HEADERS_LENGTH) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return (Metadata::default(), Some("is missing".to_owned())),
        Err(why) => return (Metadata::default(), Some(why)),
    };
    let metadata = Metadata::parse(&String::from_utf8_lossy(&bytes));
    let problem = match (&metadata.name, &metadata.version) {
        (Some(name), Some(version)) if is_name(name) && super::is_version(version) => None,
        (None, _) | (_, None) => Some("has no name and version".to_owned()),
        _ => Some("has a name or version that no package can have".to_owned()),
    };
    (metadata, problem)
}

/// Name and version in `name-version` or `name-version-py3.11`, whose version may be missing.
fn identity(stem: &str) -> Identity {
    let mut parts = stem.splitn(3, '-').map(str::to_owned);
    (parts.next().filter(|name| !name.is_empty()), parts.next())
}

impl Distribution {
    /// Takes over its source (PEP 610), and says whether that could be read. A place on this machine counts only if
    /// that project is there, outside `site`, because a wheel can bring a record of its own.
    fn take_origin(&mut self, bytes: &[u8], site: &Path) -> bool {
        let Ok(record) = serde_json::from_slice::<Value>(bytes) else { return false };
        let Some(url) = record["url"].as_str() else { return false };
        let shown = without_credentials(url).into_owned();
        if record["vcs_info"].is_object() {
            let scheme = record["vcs_info"]["vcs"].as_str().unwrap_or_default();
            let at = record["vcs_info"]["commit_id"].as_str().map(|commit| format!("@{commit}"));
            self.direct = Some((Source::Git, format!("{scheme}+{shown}{}", at.unwrap_or_default())));
        } else if let Some(path) = local_path(url) {
            let name = self.declared.0.as_deref().unwrap_or_default();
            if is_source(&path, name, site) {
                self.own_folder = Some(path);
            }
        } else {
            self.direct = Some((Source::Url, shown));
        }
        true
    }
}

/// The path of a `file:` URL.
fn local_path(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("file:")?;
    let path = rest.strip_prefix("//localhost/").map(|path| format!("/{path}"));
    let path = path.unwrap_or_else(|| rest.strip_prefix("//").unwrap_or(rest).to_owned());
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let decoded: Vec<u8> = percent_encoding::percent_decode_str(path).collect();
    Some(PathBuf::from(OsString::from_vec(decoded)))
}

/// The project that an egg-link leads to, whose metadata stands beside its source.
fn link(path: &Path, stem: &str, mut skip: impl FnMut(&Path, &str)) -> Option<Distribution> {
    let bytes = match files::read_installed(path, PATH_FILE_LENGTH) {
        Ok(bytes) => bytes.unwrap_or_default(),
        Err(why) => {
            skip(path, &why);
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    let folder = PathBuf::from(text.lines().next().unwrap_or_default().trim());
    if !folder.is_absolute() || !folder.is_dir() || !is_name(stem) {
        skip(path, "leads to no folder");
        return None;
    }
    let key = |name: &str| Ecosystem::PyPi.normalise(name);
    let record = fs::read_dir(&folder).ok().and_then(|entries| {
        entries.take(MOST_ENTRIES).flatten().map(|entry| entry.path()).find(|path| {
            let is_record = path.extension().is_some_and(|extension| extension == "egg-info");
            let name = path.file_stem().and_then(|name| name.to_str()).map(identity);
            is_record && name.and_then(|(name, _)| name).is_some_and(|name| key(&name) == key(stem))
        })
    });
    let metadata = record.map(|record| headers(&record.join("PKG-INFO")).0).unwrap_or_default();
    Some(Distribution {
        declared: (metadata.name, metadata.version),
        named: (Some(stem.to_owned()), None),
        location: path.to_owned(),
        licence: metadata.licence,
        requires: metadata.requires,
        is_requested: true,
        direct: None,
        own_folder: Some(folder),
    })
}
