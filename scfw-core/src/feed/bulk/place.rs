//! The places that feeds are brought from: a directory or a URL, laid out alike.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use crate::config::FeedPlace;
use crate::text::without_credentials;

/// A directory or file, or a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A place in the local file system.
    Local(PathBuf),
    /// A place that `http` or `https` leads to.
    Url(String),
}

impl Place {
    /// A URL where `text` begins like one, else a path.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text.starts_with("http://") || text.starts_with("https://") {
            Self::Url(text.to_owned())
        } else {
            Self::Local(std::path::absolute(text).unwrap_or_else(|_| PathBuf::from(text)))
        }
    }

    /// The place at `path` below it.
    pub(super) fn join(&self, path: &str) -> Self {
        match self {
            Self::Local(directory) => Self::Local(directory.join(path)),
            Self::Url(base) => Self::Url(crate::net::join(base, path)),
        }
    }

    /// Whether it is reached over the network.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        matches!(self, Self::Url(_))
    }
}

impl From<&FeedPlace> for Place {
    fn from(place: &FeedPlace) -> Self {
        match place {
            FeedPlace::Path(path) => Self::Local(path.clone()),
            FeedPlace::Url(url) => Self::Url(url.clone()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // An address without its scheme is taken for a path.
            Self::Local(path) => {
                let shown = |name: &OsStr| without_credentials(&name.to_string_lossy()).into_owned();
                let names: Vec<String> = path.iter().map(shown).collect();
                formatter.write_str(&names.join("/").replacen("//", "/", 1))
            }
            Self::Url(url) => formatter.write_str(&without_credentials(url)),
        }
    }
}

/// The bases that a mirror `from` may have for one kind of feed: `from/kind`, as a mirror of several kinds has it, else
/// `from` itself.
pub(super) fn below(from: &str, kind: &str) -> Vec<Place> {
    let from = Place::parse(from);
    vec![from.join(kind), from]
}
