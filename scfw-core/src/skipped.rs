//! Files of somebody else's that were skipped because they could not be read: listed up to a number, and counted
//! beyond it.

use crate::text::without_credentials;

/// Longer texts are shortened to this many characters before they are kept.
const TEXT_LENGTH: usize = 200;

/// Something that could not be read. Both texts may hold anything that stood in a file, control characters included,
/// so they are sanitised before they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The file, the place in it, or the argument; shortened when it is long.
    pub what: String,
    /// Why, as a sentence in lower case without a full stop.
    pub why: String,
}

/// Gathers [`Skipped`]; a hostile file could bring millions.
#[derive(Debug)]
pub(crate) struct SkippedList {
    listed: Vec<Skipped>,
    unlisted: usize,
    limit: usize,
}

impl SkippedList {
    /// A list that names at most `limit`.
    pub(crate) const fn new(limit: usize) -> Self {
        Self { listed: Vec::new(), unlisted: 0, limit }
    }

    /// Notes that something could not be read.
    pub(crate) fn add(&mut self, what: &str, why: &str) {
        if self.listed.len() < self.limit {
            // Credentials are taken out before the text is cut, because a name before a host is not known for one
            // without its end.
            let (what, why) = (without_credentials(what), without_credentials(why));
            self.listed.push(Skipped { what: shorten(&what), why: shorten(&why) });
        } else {
            self.unlisted += 1;
        }
    }

    /// All of them; if there are more than are kept, the last one is their number.
    pub(crate) fn finish(mut self) -> Vec<Skipped> {
        if self.unlisted > 0 {
            let why = format!("and {} more that could not be read", self.unlisted);
            self.listed.push(Skipped { what: "…".to_owned(), why });
        }
        self.listed
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(TEXT_LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_taken_out_even_where_the_text_is_cut() {
        let mut list = SkippedList::new(10);
        let url = format!("https://user:s3cret@{}.example/", "h".repeat(300));
        list.add(&url, &format!("names {url}"));
        assert!(!format!("{:?}", list.finish()).contains("s3cret"));
    }

    #[test]
    fn texts_are_shortened_and_counted() {
        let mut list = SkippedList::new(10);
        for _ in 0..25 {
            list.add(&"é".repeat(1_000_000), "because");
        }
        let skipped = list.finish();
        assert_eq!(skipped.len(), 11);
        assert_eq!(skipped[0].what.chars().count(), 201);
        assert_eq!(skipped[10].why, "and 15 more that could not be read");
    }
}
