//! The files that settings come from, the system's below the user's: read, checked one by one so that a mistake is
//! named where it stands, and laid over each other.

use std::fs::{self, File as OpenFile};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::age::LONGEST_AGE;
use super::run::is_sensible_deadline;
use super::{ConfigError, File};
use crate::files::{Kept, is_absence, read_text};

/// The administrator's directory, which counts for everybody on a machine. No variable sets it, or a user who is to
/// be bound by it could put another in its place.
pub const SYSTEM_DIRECTORY: &str = "/etc/scfw";
/// Largest configuration file, in bytes.
pub const LARGEST: u64 = 1024 * 1024;

/// The directory of the administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct System {
    pub(crate) directory: PathBuf,
    /// The only user who may have written in it.
    pub(crate) owner: u32,
}

impl System {
    pub(super) fn installed() -> Self {
        Self { directory: PathBuf::from(SYSTEM_DIRECTORY), owner: 0 }
    }

    /// Fails if somebody else could put files in it or take files out of it, which would bind nobody any more.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for path in [self.directory.clone(), self.directory.join("lists"), self.directory.join("verifiers.d")]
        {
            match fs::metadata(&path) {
                Ok(metadata) => {
                    if let Some(problem) = problem(&metadata, self.owner) {
                        return Err(ConfigError::Untrusted { path, problem });
                    }
                }
                Err(error) if is_absence(&error) => {}
                Err(source) => return Err(ConfigError::Unreadable { path, source }),
            }
        }
        Ok(())
    }
}

/// A file of the user's as a table; an empty one if there is none.
pub(super) fn read_user(path: &Path) -> Result<Table, ConfigError> {
    match read_text(path, Kept::Privately, LARGEST) {
        Ok(Some(text)) => checked(path, &text),
        Ok(None) => Ok(Table::new()),
        Err(problem) => Err(ConfigError::File { path: path.to_owned(), problem }),
    }
}

/// The system's configuration as a table.
pub(super) fn read_system(path: &Path, owner: u32) -> Result<Table, ConfigError> {
    match read_trusted(path, owner)? {
        Some(text) => checked(path, &text),
        None => Ok(Table::new()),
    }
}

/// The text of a file that nobody but `owner` can have changed; none if there is no file. A file that is there and
/// cannot be relied on is an error: if it were passed over, it would bind nobody.
pub(super) fn read_trusted(path: &Path, owner: u32) -> Result<Option<String>, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let untrusted = |problem| ConfigError::Untrusted { path: path.to_owned(), problem };
    // Opened first and looked at then, so that it is one file; a pipe must not be waited for.
    let opened = OpenFile::options().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(source) => return Err(unreadable(source)),
    };
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(untrusted("is no regular file"));
    }
    if let Some(problem) = problem(&metadata, owner) {
        return Err(untrusted(problem));
    }
    let mut text = String::new();
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LARGEST {
        return Err(untrusted("is larger than 1 MiB"));
    }
    Ok(Some(text))
}

/// The problem with a file that somebody else than `owner` could have changed.
fn problem(metadata: &fs::Metadata, owner: u32) -> Option<&'static str> {
    if metadata.uid() != owner {
        return Some("does not belong to root");
    }
    (metadata.mode() & 0o022 != 0).then_some("can be written by others than root")
}

fn checked(path: &Path, text: &str) -> Result<Table, ConfigError> {
    let file: File = parse(path, text)?;
    let invalid = |message: &str| ConfigError::Invalid { path: path.to_owned(), message: message.to_owned() };
    if file.deadline.is_some_and(|deadline| !is_sensible_deadline(deadline)) {
        return Err(invalid("deadline is not a number of seconds between 0 and 600"));
    }
    let exceptions = file.minimum_age_exceptions.iter().flat_map(|exceptions| exceptions.values());
    if file.minimum_age.iter().chain(exceptions).any(|hours| *hours > LONGEST_AGE) {
        return Err(invalid("minimum_age is a number of hours, and these are more than ten years"));
    }
    let mut table = parse(path, text)?;
    place(&mut table, path.parent().unwrap_or(Path::new("/")));
    Ok(table)
}

/// Makes the relative paths in `table` ones below `directory`, in which its file stands: laid over another, nobody
/// could tell any more whose they are.
fn place(table: &mut Table, directory: &Path) {
    let settle = |value: &mut Value| {
        // The joined parts are UTF-8 but for the directory, and a table can hold nothing else.
        if let Value::String(path) = value
            && let Some(placed) = directory.join(&*path).to_str()
        {
            placed.clone_into(path);
        }
    };
    for key in ["osv_ignore", "log_file"] {
        table.get_mut(key).into_iter().for_each(settle);
    }
    let otlp = table.get_mut("otlp").and_then(Value::as_table_mut);
    otlp.and_then(|otlp| otlp.get_mut("certificate")).into_iter().for_each(settle);
    let feeds = table.get_mut("feeds").and_then(Value::as_array_mut).into_iter().flatten();
    feeds.filter_map(|feed| feed.get_mut("path")).for_each(settle);
}

/// Reads TOML, or gives the mistake and its place.
pub(super) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text)
        .map_err(|error| ConfigError::Invalid { path: path.to_owned(), message: explain(&error, text) })
}

/// `above` laid over `below`: keys that are in both are taken from above, tables key by key.
pub(super) fn laid_over(below: Table, above: Table) -> Table {
    let mut result = below;
    for (key, value) in above {
        let merged = match (result.remove(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => Value::Table(laid_over(below, above)),
            (_, value) => value,
        };
        result.insert(key, merged);
    }
    result
}

/// The mistake and its place, with the key that was probably meant. The line, values and unknown keys are not shown:
/// any of them may be a secret in the wrong place.
fn explain(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let number = before.matches('\n').count() + 1;
    let line = before.rsplit('\n').next().unwrap_or_default();
    let place = format!("line {number}, column {}", line.chars().count() + 1);
    let message = error.message();
    let expected = message.rsplit_once(", expected ").map(|(_, expected)| expected);
    if let Some(unknown) = message.strip_prefix("unknown field `") {
        // "unknown field `a`, expected one of `b`, `c`": the names stand between the quotes.
        let names = expected.unwrap_or_default().split('`').skip(1).step_by(2);
        let unknown = unknown.split('`').next().unwrap_or_default();
        let expected = expected.map(|expected| format!("; expected {expected}")).unwrap_or_default();
        return match closest(unknown, names) {
            Some(key) => format!("{place}: unknown key `{unknown}`{expected}; did you mean `{key}`?"),
            None => format!("{place}: unknown key{expected}"),
        };
    }
    let is_about_value = ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant `"]
        .iter()
        .any(|beginning| message.starts_with(beginning));
    match expected.filter(|_| is_about_value) {
        Some(expected) => {
            let is_table = expected.starts_with("struct ") || expected == "a map";
            let expected = if is_table { "a table" } else { expected };
            format!("{place}: the value{} does not fit, expected {expected}", key_before(line))
        }
        None => format!("{place}: {message}"),
    }
}

/// The key whose value begins where `line` ends, as the end of a phrase.
fn key_before(line: &str) -> String {
    let is_plain = |key: &&str| !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    match line.split('=').next().map(str::trim).filter(is_plain) {
        Some(key) if line.contains('=') => format!(" of `{key}`"),
        _ => String::new(),
    }
}

/// The one of `names` that `unknown` was probably meant to be.
pub(super) fn closest<'a>(unknown: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (strsim::jaro_winkler(name, unknown), name))
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .filter(|(similarity, _)| *similarity > 0.8)
        .map(|(_, name)| name)
}
