//! Reading of feeds' files, from a directory or over HTTP. Archives that come over the network are downloaded to a
//! file first; if this update is killed, a later one goes on with it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use reqwest::StatusCode;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_RANGE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::{Place, Progress, UpdateError};
use crate::config::{FeedPlace, FeedSettings};
use crate::feed::{Client, FeedError};
use crate::files::{FileError, Kept, create_private, is_absence, open_regular, read_kept};
use crate::net::{host_of, innermost};

/// Requests for single documents that are under way at once.
const AT_ONCE: usize = 8;
/// Largest archive, in bytes. The largest that OSV has published have some hundred MiB.
const LARGEST_ARCHIVE: u64 = 4 * 1024 * 1024 * 1024;
/// The number of times that a broken download is continued.
const ATTEMPTS: usize = 4;
/// Longest note beside a download, in bytes.
const LONGEST_NOTE: u64 = 16 * 1024;

/// A file of a feed.
#[derive(Debug)]
pub(super) enum Content {
    /// There is none.
    Absent,
    /// The file is the one with the known `ETag`.
    Unchanged,
    /// Its bytes and its `ETag`.
    Bytes(Vec<u8>, Option<String>),
}

/// An archive.
#[derive(Debug)]
pub(super) enum Archive {
    /// There is none.
    Absent,
    /// The archive is the one with the known `ETag`.
    Unchanged,
    /// A file, and its `ETag`.
    File(File, Option<String>),
}

/// The note beside a download: the archive that it is a part of.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// The SHA-256 of the URL.
    url: String,
    etag: String,
}

/// The SHA-256 of `url`, in hexadecimal.
fn digest(url: &str) -> String {
    Sha256::digest(url).iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

/// Reads files of feeds.
pub(super) struct Reader<'a> {
    pub(super) progress: &'a dyn Progress,
    client: Client,
    runtime: Runtime,
    downloads: PathBuf,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        settings: &FeedSettings,
        bases: &[Vec<Place>],
        progress: &'a dyn Progress,
    ) -> Result<Self, UpdateError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| UpdateError::Disk { path: "the network".into(), action: "used", source })?;
        let urls = bases.iter().flatten().filter_map(|place| match place {
            Place::Url(url) => Some(url.as_str()),
            Place::Local(_) => None,
        });
        let extra = settings.extra.iter().filter_map(|feed| match &feed.place {
            FeedPlace::Url(url) => Some(url.as_str()),
            FeedPlace::Path(_) => None,
        });
        let urls: Vec<&str> = urls.chain(extra).collect();
        let client = runtime.block_on(async { Client::patient(settings.offline, &urls) });
        Ok(Self { progress, client, runtime, downloads: settings.directory.join("downloads") })
    }

    /// The file at `place`, unless it is still the one that `etag` stands for; no more than `limit` bytes.
    pub(super) fn read(
        &self,
        place: &Place,
        etag: Option<&str>,
        limit: usize,
    ) -> Result<Content, UpdateError> {
        match place {
            Place::Local(path) => Ok(match read_file(path, limit)? {
                Some(bytes) => Content::Bytes(bytes, None),
                None => Content::Absent,
            }),
            Place::Url(url) => {
                self.progress.begin(&format!("asking {place}"), None, false);
                let content = self.runtime.block_on(get(&self.client, url, etag, limit));
                self.progress.end();
                Ok(content?)
            }
        }
    }

    /// The files at `places`, in their order; none for each that is not there, and none at all if they have more than
    /// `total` bytes together, `limit` being the most that one may have.
    pub(super) fn read_all(
        &self,
        places: Vec<Place>,
        limit: usize,
        total: usize,
    ) -> Result<Option<Vec<Option<Vec<u8>>>>, UpdateError> {
        self.progress.begin("fetching what has changed", Some(places.len() as u64), false);
        let read = self.runtime.block_on(async {
            let mut found: Vec<Option<Vec<u8>>> = vec![None; places.len()];
            let mut waiting = places.into_iter().enumerate();
            let mut running = JoinSet::new();
            let mut rest = total;
            loop {
                while running.len() < AT_ONCE
                    && let Some((number, place)) = waiting.next()
                {
                    match place {
                        Place::Local(path) => {
                            let file = read_file(&path, limit)?;
                            let size = file.as_ref().map_or(0, Vec::len);
                            let Some(left) = rest.checked_sub(size) else { return Ok(None) };
                            rest = left;
                            found[number] = file;
                        }
                        Place::Url(url) => {
                            let client = self.client.clone();
                            running.spawn(async move { (number, get(&client, &url, None, limit).await) });
                        }
                    }
                }
                let Some(answered) = running.join_next().await else { return Ok(Some(found)) };
                let Ok((number, content)) = answered else { continue };
                if let Content::Bytes(bytes, _) = content? {
                    let Some(left) = rest.checked_sub(bytes.len()) else { return Ok(None) };
                    rest = left;
                    found[number] = Some(bytes);
                }
                self.progress.advance(1);
            }
        });
        self.progress.end();
        read
    }

    /// The size of the archive at `place` in bytes, if it can be told.
    pub(super) fn size(&self, place: &Place) -> Result<Option<u64>, UpdateError> {
        match place {
            Place::Local(path) => Ok(fs::metadata(path).ok().map(|metadata| metadata.len())),
            Place::Url(url) => {
                let request = self.client.http()?.head(url).header(ACCEPT_ENCODING, "identity");
                let length = self.runtime.block_on(async {
                    let response = request.send().await.ok()?;
                    let length = response.headers().get(reqwest::header::CONTENT_LENGTH)?;
                    response.status().is_success().then(|| length.to_str().ok()?.parse().ok()).flatten()
                });
                Ok(length)
            }
        }
    }

    /// The archive at `place`, unless it is still the one that `etag` stands for.
    pub(super) fn open(&self, place: &Place, etag: Option<&str>) -> Result<Archive, UpdateError> {
        let path = match place {
            Place::Local(path) => path.clone(),
            Place::Url(url) => {
                let (file, note) = self.download_of(url);
                let disk = |source| UpdateError::Disk { path: file.clone(), action: "written", source };
                create_private(&self.downloads).map_err(disk)?;
                let download =
                    Download { client: &self.client, url, file: &file, note: &note, progress: self.progress };
                return self.runtime.block_on(download.run(etag));
            }
        };
        match open_regular(&path) {
            Ok((file, _)) => Ok(Archive::File(file, None)),
            Err(FileError::Unreadable(error)) if is_absence(&error) => Ok(Archive::Absent),
            Err(error) => Err(UpdateError::Disk { path, action: "read", source: error.into() }),
        }
    }

    /// Removes the download of the archive at `place`, once it is brought in or is of no use.
    pub(super) fn discard(&self, place: &Place, outcome: Result<(), &UpdateError>) {
        let is_of_use = matches!(outcome, Err(UpdateError::Store(_) | UpdateError::Disk { .. }));
        if let (Place::Url(url), false) = (place, is_of_use) {
            let (file, note) = self.download_of(url);
            // The note first: a file without one is nothing, and the next download writes over it.
            fs::remove_file(note).ok();
            fs::remove_file(file).ok();
        }
    }

    /// The file that the archive at `url` is downloaded to, and the note beside it. A URL can hold a secret, so neither
    /// has it in its name or in it.
    fn download_of(&self, url: &str) -> (PathBuf, PathBuf) {
        let name = digest(url);
        (self.downloads.join(format!("{name}.part")), self.downloads.join(format!("{name}.json")))
    }
}

/// One archive on its way to a file.
struct Download<'a> {
    client: &'a Client,
    url: &'a str,
    file: &'a Path,
    note: &'a Path,
    progress: &'a dyn Progress,
}

/// The end of an attempt that did not fail for good.
enum Attempt {
    Done(Archive),
    /// The connection broke; the part so far is in the file.
    Broken(FeedError),
}

impl Download<'_> {
    async fn run(&self, etag: Option<&str>) -> Result<Archive, UpdateError> {
        let mut failure = None;
        for _attempt in 0..ATTEMPTS {
            let attempt = self.attempt(etag).await;
            self.progress.end();
            match attempt? {
                Attempt::Done(archive) => return Ok(archive),
                Attempt::Broken(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| FeedError::Malformed { host: host_of(self.url) }).into())
    }

    async fn attempt(&self, etag: Option<&str>) -> Result<Attempt, UpdateError> {
        let (start, part_of) = self.present();
        let mut request = self.client.http()?.get(self.url).header(ACCEPT_ENCODING, "identity");
        if let Some(part_of) = &part_of {
            request = request.header(RANGE, format!("bytes={start}-")).header(IF_RANGE, part_of.as_str());
        } else if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Ok(Attempt::Broken(self.unreachable(&error))),
        };
        let header =
            |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (received_etag, range) = (header(ETAG), header(CONTENT_RANGE));
        let file = match response.status() {
            StatusCode::NOT_FOUND => return Ok(Attempt::Done(Archive::Absent)),
            StatusCode::NOT_MODIFIED => return Ok(Attempt::Done(Archive::Unchanged)),
            StatusCode::PARTIAL_CONTENT
                if range.as_deref().is_some_and(|range| range.starts_with(&format!("bytes {start}-"))) =>
            {
                self.progress.begin(&self.what(), response.content_length().map(|rest| rest + start), true);
                self.progress.advance(start);
                fs::OpenOptions::new().append(true).open(self.file).map_err(|source| self.disk(source))?
            }
            // The server has nothing left to send: all of it was here before.
            StatusCode::RANGE_NOT_SATISFIABLE if range.as_deref() == Some(&format!("bytes */{start}")) => {
                return self.done(part_of);
            }
            StatusCode::OK => {
                self.progress.begin(&self.what(), response.content_length(), true);
                self.begin(received_etag.as_deref())?
            }
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                let error = FeedError::Malformed { host: host_of(self.url) };
                self.forget()?;
                return Ok(Attempt::Broken(error));
            }
            status => {
                return Err(FeedError::Status { host: host_of(self.url), status: status.as_u16() }.into());
            }
        };
        let mut file = file;
        let mut size = file.metadata().map_err(|source| self.disk(source))?.len();
        loop {
            match response.chunk().await {
                Ok(None) => return self.done(received_etag),
                Ok(Some(chunk)) => {
                    size += chunk.len() as u64;
                    if size > LARGEST_ARCHIVE {
                        self.forget()?;
                        return Err(FeedError::TooLarge { host: host_of(self.url) }.into());
                    }
                    file.write_all(&chunk).map_err(|source| self.disk(source))?;
                    self.progress.advance(chunk.len() as u64);
                }
                Err(error) => return Ok(Attempt::Broken(self.unreachable(&error))),
            }
        }
    }

    /// The number of bytes that are there, and the state of the archive that they are of.
    fn present(&self) -> (u64, Option<String>) {
        let note = read_kept(self.note, Kept::Privately, LONGEST_NOTE).ok().flatten();
        let note = note.and_then(|note| serde_json::from_slice::<Note>(&note).ok());
        let size = fs::metadata(self.file).map(|metadata| metadata.len());
        match (note, size) {
            (Some(note), Ok(size)) if note.url == digest(self.url) && size > 0 => (size, Some(note.etag)),
            _ => (0, None),
        }
    }

    /// An empty file, with a note of what it will be if the server can be asked for the rest of that.
    fn begin(&self, etag: Option<&str>) -> Result<File, UpdateError> {
        self.forget()?;
        let create = |path: &Path| {
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
        };
        let file = create(self.file).map_err(|source| self.disk(source))?;
        if let Some(etag) = etag.filter(|etag| etag.starts_with('"')) {
            let note = Note { url: digest(self.url), etag: etag.to_owned() };
            let note = serde_json::to_vec(&note).map_err(|error| self.disk(error.into()))?;
            create(self.note)
                .and_then(|mut file| file.write_all(&note))
                .map_err(|source| self.disk(source))?;
        }
        Ok(file)
    }

    /// Takes the note away first: a file without one is nothing.
    fn forget(&self) -> Result<(), UpdateError> {
        match fs::remove_file(self.note) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.disk(error)),
            _ => Ok(()),
        }
    }

    fn done(&self, etag: Option<String>) -> Result<Attempt, UpdateError> {
        let (file, _) = open_regular(self.file).map_err(|error| self.disk(error.into()))?;
        Ok(Attempt::Done(Archive::File(file, etag)))
    }

    fn what(&self) -> String {
        format!("fetching {}", Place::Url(self.url.to_owned()))
    }

    fn unreachable(&self, error: &reqwest::Error) -> FeedError {
        FeedError::Unreachable { host: host_of(self.url), reason: innermost(error) }
    }

    fn disk(&self, source: std::io::Error) -> UpdateError {
        UpdateError::Disk { path: self.file.to_owned(), action: "written", source }
    }
}

async fn get(client: &Client, url: &str, etag: Option<&str>, limit: usize) -> Result<Content, FeedError> {
    let mut request = client.http()?.get(url);
    if let Some(etag) = etag {
        request = request.header(IF_NONE_MATCH, etag);
    }
    match client.send(request, url, limit).await {
        Ok(answer) => Ok(answer.body.map_or(Content::Unchanged, |body| Content::Bytes(body, answer.etag))),
        Err(FeedError::Status { status: 404, .. }) => Ok(Content::Absent),
        Err(error) => Err(error),
    }
}

pub(super) fn read_file(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, UpdateError> {
    match read_kept(path, Kept::Anyhow, limit as u64) {
        Ok(bytes) => Ok(bytes),
        Err(FileError::TooLong { .. }) => {
            let reason = format!("is larger than {} MiB", limit >> 20);
            Err(UpdateError::Unusable { location: path.display().to_string(), reason })
        }
        Err(error) => Err(UpdateError::Disk { path: path.to_owned(), action: "read", source: error.into() }),
    }
}
