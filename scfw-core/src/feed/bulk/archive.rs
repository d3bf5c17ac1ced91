//! A zip of advisories, read entry by entry. It comes from outside: sizes are what is read, not what it claims.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;

use super::{Progress, UpdateError};

/// Largest document, in bytes. The largest that OSV has published have about one MiB.
pub(super) const LARGEST_DOCUMENT: u64 = 16 * 1024 * 1024;
/// Most bytes of all documents together.
const LARGEST_CONTENT: u64 = 16 * 1024 * 1024 * 1024;
/// Most entries. Their directory is held in memory.
const MOST_ENTRIES: usize = 3_000_000;

/// Takes a document with its name.
pub(super) type Each<'a> = dyn FnMut(&str, &[u8]) -> Result<(), UpdateError> + 'a;

/// Gives each `.json` of the zip `file` to `each`, with its name. `location` is what it is called in errors.
pub(super) fn documents(
    file: File,
    location: &str,
    progress: &dyn Progress,
    each: &mut Each<'_>,
) -> Result<(), UpdateError> {
    let unusable = |reason: String| UpdateError::Unusable { location: location.to_owned(), reason };
    let broken = |error: &dyn std::fmt::Display| unusable(format!("is no zip that can be read ({error})"));
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| broken(&error))?;
    if archive.len() > MOST_ENTRIES {
        return Err(unusable(format!("has more than {MOST_ENTRIES} entries")));
    }
    progress.begin(&format!("reading {location}"), Some(archive.len() as u64), false);
    let mut total = 0;
    let mut document = Vec::new();
    for number in 0..archive.len() {
        let entry = archive.by_index(number).map_err(|error| broken(&error))?;
        let name = entry.name().map_err(|error| broken(&error))?.into_owned();
        if entry.is_file() && Path::new(&name).extension().is_some_and(|extension| extension == "json") {
            document.clear();
            entry.take(LARGEST_DOCUMENT + 1).read_to_end(&mut document).map_err(|error| broken(&error))?;
            total += document.len() as u64;
            if document.len() as u64 > LARGEST_DOCUMENT {
                return Err(unusable(format!("has an entry of more than {} MiB", LARGEST_DOCUMENT >> 20)));
            }
            if total > LARGEST_CONTENT {
                return Err(unusable(format!("unpacks to more than {} GiB", LARGEST_CONTENT >> 30)));
            }
            each(&name, &document)?;
        }
        progress.advance(1);
    }
    progress.end();
    Ok(())
}
