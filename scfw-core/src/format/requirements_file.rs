//! A requirements file: its text, and its lines taken apart the way pip does it: line breaks, continuations, comments,
//! environment references and options.

use std::borrow::Cow;
use std::collections::HashSet;

/// A logical line is at most this many bytes, before and after environment references are replaced.
const LINE_LENGTH: usize = 1 << 20;

/// Options that take a value, in every pip that is supported.
const VALUE_OPTIONS: [&str; 17] = [
    "all-releases", "config-settings", "constraint", "editable", "extra-index-url", "find-links",
    "global-option", "hash", "index-url", "install-option", "no-binary", "only-binary", "only-final",
    "pypi-url", "requirement", "trusted-host", "use-feature",
];

/// Options that take none.
const FLAG_OPTIONS: [&str; 5] = ["no-index", "no-require-hashes", "pre", "prefer-binary", "require-hashes"];

/// The request of one line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    /// A requirement, without its options.
    Requirement(String),
    /// Another requirements file.
    Requirements(String),
    /// Another constraints file.
    Constraints(String),
    /// The line cannot be read, and why.
    Invalid(String),
}

/// The statements of a file's text, each with the number of its first line. Lines that only set options are left out.
pub(crate) fn statements(
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> impl Iterator<Item = (usize, Statement)> {
    logical_lines(text).filter_map(move |(number, line)| {
        let Some(line) = line else {
            return Some((number, Statement::Invalid("is longer than 1 MiB".to_owned())));
        };
        let line = without_comment(&line).trim_matches(is_space);
        let statement = match expand(line, environment) {
            Ok(line) => statement(&line),
            Err(why) => Some(Statement::Invalid(why)),
        };
        statement.map(|statement| (number, statement))
    })
}

/// White space as Python understands it.
fn is_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\x1c'..='\x1f')
}

/// The lines of `text`, split where Python's `str.splitlines` splits.
fn physical_lines(text: &str) -> impl Iterator<Item = &str> {
    let is_break = |character: char| {
        matches!(
            character,
            '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some(end) = rest.find(is_break) else {
            return Some(std::mem::take(&mut rest));
        };
        let (line, tail) = rest.split_at(end);
        rest = tail.strip_prefix("\r\n").unwrap_or_else(|| {
            let mut characters = tail.chars();
            characters.next();
            characters.as_str()
        });
        Some(line)
    })
}

/// Joins the lines that end in a backslash with their next one; a line of nothing but a comment ends the joining. A
/// line that is too long is `None`.
fn logical_lines(text: &str) -> impl Iterator<Item = (usize, Option<Cow<'_, str>>)> {
    let mut lines = physical_lines(text).enumerate();
    std::iter::from_fn(move || {
        let mut open: Option<(usize, Option<String>)> = None;
        for (index, line) in lines.by_ref() {
            let is_comment = line.trim_start_matches(is_space).starts_with('#');
            let continues = line.ends_with('\\') && !is_comment;
            if open.is_none() && !continues {
                return Some((index + 1, (line.len() <= LINE_LENGTH).then_some(Cow::Borrowed(line))));
            }
            let (_, joined) = open.get_or_insert((index + 1, Some(String::new())));
            if joined.as_ref().is_some_and(|joined| joined.len() + line.len() > LINE_LENGTH) {
                *joined = None;
            }
            if let Some(joined) = joined {
                if is_comment {
                    // A comment has to stay recognisable behind the text that it is joined to.
                    joined.push(' ');
                }
                joined.push_str(if continues { line.trim_matches('\\') } else { line });
            }
            if !continues {
                break;
            }
        }
        open.map(|(number, joined)| (number, joined.map(Cow::Owned)))
    })
}

/// The line up to the first `#` that begins it or follows white space.
fn without_comment(line: &str) -> &str {
    let mut after_space = true;
    for (index, character) in line.char_indices() {
        if character == '#' && after_space {
            return &line[..index];
        }
        after_space = is_space(character);
    }
    line
}

/// Replaces `${NAME}`, of upper-case letters, digits and `_`, if the variable is set and not empty.
fn expand<'a>(line: &'a str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Cow<'a, str>, String> {
    let mut expanded = String::new();
    let mut rest = line;
    let mut unset: HashSet<&str> = HashSet::new();
    while let Some(start) = rest.find("${") {
        let (before, reference) = rest.split_at(start);
        let length = reference[2..]
            .find(|character| !matches!(character, 'A'..='Z' | '0'..='9' | '_'))
            .filter(|&length| length > 0 && reference[2 + length..].starts_with('}'));
        let name = length.map_or("", |length| &reference[2..2 + length]);
        let value = if name.is_empty() || unset.contains(name) {
            None
        } else {
            environment(name).filter(|value| !value.is_empty())
        };
        expanded.push_str(before);
        if let Some(value) = value {
            // pip replaces one name after the other, so a reference inside a value may or may not be replaced.
            if value.contains("${") {
                return Err("refers to a variable that holds another reference".to_owned());
            }
            expanded.push_str(&value);
            rest = &reference[name.len() + 3..];
        } else {
            unset.insert(name);
            expanded.push_str("${");
            rest = &reference[2..];
        }
        if expanded.len() > LINE_LENGTH {
            return Err("is longer than 1 MiB once its variables are replaced".to_owned());
        }
    }
    if expanded.is_empty() {
        return Ok(Cow::Borrowed(rest));
    }
    expanded.push_str(rest);
    Ok(Cow::Owned(expanded))
}

/// The request of a logical line, if it asks for packages. As in pip, everything before the first word that begins
/// with a dash is a requirement, and with a requirement no other option counts.
fn statement(line: &str) -> Option<Statement> {
    let options_start = if line.starts_with('-') { Some(0) } else { line.find(" -").map(|space| space + 1) };
    let (requirement, options) = line.split_at(options_start.unwrap_or(line.len()));
    if !requirement.trim().is_empty() {
        return Some(Statement::Requirement(requirement.to_owned()));
    }
    if options.is_empty() {
        return None;
    }
    let Some(words) = shell_words(options) else {
        return Some(Statement::Invalid("has a quote that is not closed".to_owned()));
    };
    match included(words) {
        Ok(included) => included,
        Err(why) => Some(Statement::Invalid(why)),
    }
}

/// The file that a line of options includes: the first `-r`, or else the first `-c`, unless it is an editable.
fn included(words: Vec<String>) -> Result<Option<Statement>, String> {
    let (mut requirements, mut constraints, mut editable) = (None, None, false);
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let (option, attached) = if word == "--" {
            break;
        } else if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            (long_option(name)?, value)
        } else if let Some(short) = word.strip_prefix('-').filter(|short| !short.is_empty()) {
            let mut rest = short.chars();
            let option = short_option(rest.next())?;
            (option, Some(rest.as_str().to_owned()).filter(|value| !value.is_empty()))
        } else {
            continue;
        };
        if FLAG_OPTIONS.contains(&option) {
            if attached.is_some() {
                return Err(format!("gives --{option} a value"));
            }
            continue;
        }
        let value = attached.or_else(|| words.next()).ok_or_else(|| format!("gives --{option} no value"))?;
        match option {
            "requirement" => requirements = requirements.or(Some(value)),
            "constraint" => constraints = constraints.or(Some(value)),
            "editable" => editable = true,
            _ => {}
        }
    }
    if editable {
        return Ok(None);
    }
    Ok(requirements.map(Statement::Requirements).or(constraints.map(Statement::Constraints)))
}

/// The full name of a long option, which may be shortened as long as it is clear.
fn long_option(name: &str) -> Result<&'static str, String> {
    let options = || VALUE_OPTIONS.into_iter().chain(FLAG_OPTIONS);
    if let Some(exact) = options().find(|option| *option == name) {
        return Ok(exact);
    }
    let mut candidates = options().filter(|option| option.starts_with(name));
    match (candidates.next(), candidates.next()) {
        (Some(option), None) => Ok(option),
        _ => Err("has an option that is not known".to_owned()),
    }
}

fn short_option(letter: Option<char>) -> Result<&'static str, String> {
    match letter {
        Some('i') => Ok("index-url"),
        Some('c') => Ok("constraint"),
        Some('r') => Ok("requirement"),
        Some('e') => Ok("editable"),
        Some('f') => Ok("find-links"),
        Some('C') => Ok("config-settings"),
        _ => Err("has an option that is not known".to_owned()),
    }
}

/// Splits as a POSIX shell would, with quotes and backslashes and nothing else; none if a quote stays open.
fn shell_words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(characters.next()?),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        quoted if quoted == character => break,
                        '\\' if character == '"' => match characters.next()? {
                            escaped @ ('"' | '\\') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        quoted => word.push(quoted),
                    }
                }
            }
            plain => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    Some(words)
}

/// The text of a file: by its byte order mark, or else UTF-8, with replacement characters if it is neither.
pub(crate) fn decode(bytes: &[u8]) -> String {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        [0xff, 0xfe, 0, 0, rest @ ..] => decode_utf32(rest, u32::from_le_bytes),
        [0, 0, 0xfe, 0xff, rest @ ..] => decode_utf32(rest, u32::from_be_bytes),
        [0xff, 0xfe, rest @ ..] => decode_utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => decode_utf16(rest, u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.as_chunks().0.iter().map(|&bytes| unit(bytes));
    char::decode_utf16(units).map(|decoded| decoded.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

fn decode_utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> String {
    let units = bytes.as_chunks().0.iter().map(|&bytes| unit(bytes));
    units.map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests;
