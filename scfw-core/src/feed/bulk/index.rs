//! `modified_id.csv`: which documents an export has, and when each was last changed.

use std::collections::HashMap;

/// Longest identifier that is taken for one, in bytes.
const LONGEST_ID: usize = 256;

/// The documents of an export, by id, with the time of their last change in Unix microseconds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Index(pub(super) HashMap<String, i64>);

/// The differences from the store, by id.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// New or changed.
    pub(super) changed: Vec<String>,
    /// The ids that are gone.
    pub(super) gone: Vec<String>,
}

impl Difference {
    pub(super) const fn len(&self) -> usize {
        self.changed.len() + self.gone.len()
    }
}

impl Index {
    /// Reads lines of `<RFC 3339 time>,<id>`; none if one is anything else.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut index = HashMap::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let (time, id) = line.split_once(',')?;
            if id.is_empty()
                || id.len() > LONGEST_ID
                || !time.starts_with(|first: char| first.is_ascii_digit())
            {
                return None;
            }
            // Some databases publish times such as 1-01-01T00:00:00Z, in the document as well.
            index.insert(id.to_owned(), microseconds(time).unwrap_or_default());
        }
        Some(Self(index))
    }

    /// The differences from `known`, ids in order.
    pub(super) fn difference(&self, known: &HashMap<String, i64>) -> Difference {
        // An earlier time is a change, too: the later one may have been a mistake. Fractions of a second are not
        // everywhere in the document that are in the index.
        let is_other = |id: &str, modified: i64| {
            known.get(id).is_none_or(|known| {
                modified > *known || modified.div_euclid(1_000_000) != known.div_euclid(1_000_000)
            })
        };
        let changed = self.0.iter().filter(|(id, modified)| is_other(id, **modified));
        let mut changed: Vec<String> = changed.map(|(id, _)| id.clone()).collect();
        let mut gone: Vec<String> = known.keys().filter(|id| !self.0.contains_key(*id)).cloned().collect();
        changed.sort_unstable();
        gone.sort_unstable();
        Difference { changed, gone }
    }

    /// The latest change of any document, in Unix microseconds.
    pub(super) fn newest(&self) -> Option<i64> {
        self.0.values().copied().max()
    }
}

/// A time as RFC 3339 writes it, in Unix microseconds.
pub(super) fn microseconds(time: &str) -> Option<i64> {
    time.trim().parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_tells_what_has_changed_and_what_is_gone() {
        let text =
            b"2024-01-02T00:00:00Z,GHSA-b\n2024-01-01T00:00:00.5Z,GHSA-a\r\n2023-01-01T00:00:00Z,MAL-1\n\
            2023-01-01T00:00:00Z,MAL-2\n";
        let index = Index::parse(text).unwrap();
        assert_eq!(index.newest(), microseconds("2024-01-02T00:00:00Z"));
        let known = |id: &str, time: &str| (id.to_owned(), microseconds(time).unwrap());
        let known = HashMap::from([
            known("GHSA-a", "2024-01-01T00:00:00Z"),
            known("MAL-1", "2023-01-01T00:00:00.123Z"),
            known("MAL-2", "2999-01-01T00:00:00Z"),
            known("GHSA-gone", "2024-01-01T00:00:00Z"),
        ]);
        let difference = index.difference(&known);
        assert_eq!(difference.changed, ["GHSA-a", "GHSA-b", "MAL-2"]);
        assert_eq!(difference.gone, ["GHSA-gone"]);
    }

    #[test]
    fn a_line_that_is_no_entry_makes_the_whole_of_no_use() {
        assert_eq!(Index::parse(b""), Some(Index::default()));
        assert_eq!(Index::parse(b"1-01-01T00:00:00Z,PYSEC-1").unwrap().0["PYSEC-1"], 0);
        for wrong in
            [&b"2024-01-01T00:00:00Z"[..], b"today,MAL-1", b"2024-01-01T00:00:00Z,", b"\xff,\xff", b"<html>"]
        {
            assert_eq!(Index::parse(wrong), None);
        }
    }
}
