//! A zip of advisories, read entry by entry. It comes from outside: sizes are those that are read, not those that it
//! claims.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use zip::ZipArchive;

use super::{Progress, UpdateError};

/// Largest document, in bytes. The largest that OSV has published have about one MiB.
pub(super) const LARGEST_DOCUMENT: u64 = 16 * 1024 * 1024;
/// Most bytes of all documents together.
const LARGEST_CONTENT: u64 = 16 * 1024 * 1024 * 1024;
/// Most entries. Their directory is held in memory, half a KiB for each.
const MOST_ENTRIES: u64 = 1_000_000;

/// Takes a document with its name.
pub(super) type Each<'a> = dyn FnMut(&str, &[u8]) -> Result<(), UpdateError> + 'a;

/// Gives each `.json` of the zip `file` to `each`, with its name. Errors call it `location`.
pub(super) fn documents(
    mut file: File,
    location: &str,
    progress: &dyn Progress,
    each: &mut Each<'_>,
) -> Result<(), UpdateError> {
    let unusable = |reason: String| UpdateError::Unusable { location: location.to_owned(), reason };
    let broken = |error: &dyn std::fmt::Display| unusable(format!("is no zip that can be read ({error})"));
    // Before anything is held in memory.
    if claimed_entries(&mut file).map_err(|error| broken(&error))? > MOST_ENTRIES {
        return Err(unusable(format!("has more than {MOST_ENTRIES} entries")));
    }
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| broken(&error))?;
    if archive.len() as u64 > MOST_ENTRIES {
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

/// The number of entries that the zip `file` claims to have (APPNOTE 4.3.16, and 4.3.14 if 16 bits do not hold it). A
/// file that claims nothing is left to the reader to refuse.
fn claimed_entries(file: &mut File) -> io::Result<u64> {
    const END: &[u8] = b"PK\x05\x06";
    const LARGE_END: &[u8] = b"PK\x06\x06";
    /// The end with the longest comment that it can have, and the text that may stand between it and the large end.
    const LONGEST_END: u64 = 22 + 0xffff + 20 + 4096;

    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(LONGEST_END)))?;
    let mut tail = Vec::new();
    file.take(LONGEST_END).read_to_end(&mut tail)?;
    file.seek(SeekFrom::Start(0))?;
    let ends = |signature: &'static [u8]| {
        tail.windows(4).enumerate().filter(move |(_, window)| *window == signature).map(|(start, _)| start)
    };
    let number = |start: usize, bytes: usize| {
        let field = tail.get(start..start + bytes)?;
        Some(field.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    };
    // The reader may take any of them, and a comment can hold what looks like one.
    let most = |signature: &'static [u8], field: usize, bytes: usize| {
        ends(signature).filter_map(|end| number(end + field, bytes)).max().unwrap_or_default()
    };
    Ok(most(END, 10, 2).max(most(LARGE_END, 32, 8)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_a_zip_claims_is_known_before_it_is_opened() {
        for count in [0, 3, 70_000] {
            let mut writer = zip::ZipWriter::new(tempfile::tempfile().unwrap());
            for number in 0..count {
                writer
                    .start_file(format!("{number}.json"), zip::write::SimpleFileOptions::default())
                    .unwrap();
            }
            let mut file = writer.finish().unwrap();
            assert_eq!(claimed_entries(&mut file).unwrap(), count);
            assert_eq!(ZipArchive::new(file).unwrap().len() as u64, count);
        }
        // Another end in the comment does not hide the real one.
        let mut writer = zip::ZipWriter::new(tempfile::tempfile().unwrap());
        for number in 0..300 {
            writer.start_file(format!("{number}.json"), zip::write::SimpleFileOptions::default()).unwrap();
        }
        writer.set_comment("PK\u{5}\u{6}\0\0\0\0\u{1}\0\u{1}\0 and more").unwrap();
        assert_eq!(claimed_entries(&mut writer.finish().unwrap()).unwrap(), 300);
        let mut garbage = tempfile::tempfile().unwrap();
        garbage.write_all(b"PK\x05\x06").unwrap();
        assert_eq!(claimed_entries(&mut garbage).unwrap(), 0);
    }
}
