//! Feeds of the user's own: a zip or a directory of advisories in the OSV schema.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::osv::{Gathered, Gathering, not_to_come};
use super::reader::{Archive, read_file};
use super::{How, Place, UpdateError, Updated, Updater, archive, refuse_loss};
use crate::config::{ExtraFeed, FeedPlace};
use crate::store::{FeedName, FeedState};

/// Most files of a directory that is a feed.
const MOST_FILES: usize = 1_000_000;
/// The greatest depth of such a directory.
const DEEPEST: usize = 16;

impl Updater<'_> {
    /// Brings in `feed`. If everything comes from a mirror, a feed that has a URL comes from `feeds/<name>.zip`
    /// there.
    pub(super) fn extra(
        &mut self,
        name: &FeedName,
        feed: &ExtraFeed,
        from: Option<&str>,
    ) -> Result<Updated, UpdateError> {
        let place = match (&feed.place, from) {
            (FeedPlace::Url(_), Some(from)) => Place::parse(from).join(&format!("feeds/{}.zip", feed.name)),
            (place, _) => Place::from(place),
        };
        if let Place::Local(path) = &place
            && path.is_dir()
        {
            return self.directory(name, path);
        }
        let location = place.to_string();
        let known = self.store.snapshot()?.feed(name)?.filter(|feed| feed.location == location);
        let (file, etag) = match self.reader.open(&place, known.and_then(|known| known.etag).as_deref())? {
            Archive::Absent if matches!(feed.place, FeedPlace::Url(_)) && from.is_some() => {
                return self.updated(name, How::Skipped, Vec::new());
            }
            Archive::Absent => return Err(UpdateError::Absent { location }),
            Archive::Unchanged => {
                self.store.confirm(name)?;
                return self.updated(name, How::Unchanged, Vec::new());
            }
            Archive::File(file, etag) => (file, etag),
        };
        let updated = self.zip(name, file, location, etag);
        self.reader.discard(&place, updated.as_ref().map(drop));
        updated
    }

    fn zip(
        &mut self,
        name: &FeedName,
        file: File,
        location: String,
        etag: Option<String>,
    ) -> Result<Updated, UpdateError> {
        let known = self.count(name)?;
        let mut gathering = Gathering::new(self.store.import(name)?, None);
        let mut take = |file: &str, bytes: &[u8]| gathering.take(file, bytes);
        archive::documents(file, &location, self.reader.progress, &mut take)?;
        let unreadable = finish(gathering, self.force, known, location, etag)?;
        self.updated(name, How::Whole, unreadable)
    }

    fn directory(&mut self, name: &FeedName, directory: &Path) -> Result<Updated, UpdateError> {
        let mut files = Vec::new();
        find(directory, DEEPEST, &mut files)?;
        files.sort_unstable();
        let location = directory.display().to_string();
        let known = self.count(name)?;
        self.reader.progress.begin(&format!("reading {location}"), Some(files.len() as u64), false);
        let mut gathering = Gathering::new(self.store.import(name)?, None);
        let limit = usize::try_from(archive::LARGEST_DOCUMENT).unwrap_or(usize::MAX);
        for file in files {
            // One that has just gone is not part of the feed any more.
            if let Some(document) = read_file(&file, limit)? {
                gathering.take(&file.to_string_lossy(), &document)?;
            }
            self.reader.progress.advance(1);
        }
        self.reader.progress.end();
        let unreadable = finish(gathering, self.force, known, location, None)?;
        self.updated(name, How::Whole, unreadable)
    }
}

/// Makes the gathered advisories the feed's content. Gives the documents that could not be read.
fn finish(
    gathering: Gathering<'_>,
    force: bool,
    known: u64,
    location: String,
    etag: Option<String>,
) -> Result<Vec<String>, UpdateError> {
    let (import, Gathered { times, count, unreadable }) = gathering.end()?;
    refuse_loss(force, &location, known, count)?;
    // A document that could not be read is read again next time.
    let etag = etag.filter(|_| unreadable.is_empty());
    import.finish(&FeedState { location, etag, newest: times.into_values().max().map(not_to_come) })?;
    Ok(unreadable)
}

/// Every `.json` below `directory`.
fn find(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), UpdateError> {
    let disk = |source| UpdateError::Disk { path: directory.to_owned(), action: "read", source };
    for entry in fs::read_dir(directory).map_err(disk)? {
        let entry = entry.map_err(disk)?;
        let path = entry.path();
        let kind = entry.file_type().map_err(disk)?;
        if kind.is_dir() && depth > 0 {
            find(&path, depth - 1, files)?;
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
        if files.len() > MOST_FILES {
            let reason = format!("has more than {MOST_FILES} files");
            return Err(UpdateError::Unusable { location: directory.display().to_string(), reason });
        }
    }
    Ok(())
}
