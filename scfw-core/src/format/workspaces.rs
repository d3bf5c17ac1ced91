//! npm's workspaces: which folders the patterns of a package.json stand for.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// This many patterns are looked at, each of at most this many bytes.
const PATTERNS: usize = 1_000;
const PATTERN_LENGTH: usize = 1_024;

/// This many folders are looked at, at most this deep.
const FOLDERS: usize = 20_000;
const DEPTH: usize = 32;

/// The patterns of one package.json.
#[derive(Debug)]
pub(crate) struct Workspaces {
    positive: Vec<Pattern>,
    negative: Vec<Pattern>,
    /// There were patterns that could not be understood, so it is not known which folders they name.
    is_incomplete: bool,
}

#[derive(Debug)]
struct Pattern {
    text: String,
    regex: Regex,
}

impl Workspaces {
    /// Takes `workspaces` as it stands in a package.json.
    pub(crate) fn new(patterns: &[String]) -> Self {
        let mut workspaces =
            Self { positive: Vec::new(), negative: Vec::new(), is_incomplete: patterns.len() > PATTERNS };
        for text in patterns.iter().take(PATTERNS) {
            let bare = text.trim_start_matches('!');
            let is_negative = (text.len() - bare.len()) % 2 == 1;
            let Some(pattern) = Pattern::new(bare) else {
                workspaces.is_incomplete = true;
                continue;
            };
            if is_negative {
                workspaces.negative.push(pattern);
            } else {
                // As in npm, a folder that is named again after it was excluded is back.
                workspaces.negative.retain(|negative| !negative.regex.is_match(&pattern.text));
                workspaces.positive.push(pattern);
            }
        }
        workspaces
    }

    /// Whether the folder at `path`, relative to the package.json and with slashes, is or could be one of them.
    pub(crate) fn may_match(&self, path: &str) -> bool {
        self.is_incomplete || self.matches(path)
    }

    fn matches(&self, path: &str) -> bool {
        !path.split('/').any(|segment| segment == "node_modules")
            && self.positive.iter().any(|pattern| pattern.regex.is_match(path))
            && !self.negative.iter().any(|pattern| pattern.regex.is_match(path))
    }

    /// The folders below `root` that have a package.json and are workspaces, in order of their paths, and whether
    /// these are all of them.
    pub(crate) fn folders(&self, root: &Path) -> (Vec<PathBuf>, bool) {
        let mut found = Vec::new();
        let mut left = FOLDERS;
        let mut is_complete = !self.is_incomplete;
        let mut starts: Vec<&str> = self.positive.iter().map(Pattern::start).collect();
        starts.sort_unstable();
        starts.dedup();
        for start in starts {
            let depth = start.split('/').filter(|segment| !segment.is_empty()).count();
            let mut open = vec![(start.to_owned(), depth)];
            while let Some((path, depth)) = open.pop() {
                if left == 0 {
                    return (found, false);
                }
                left -= 1;
                let folder = root.join(&path);
                if self.matches(&path) && folder.join("package.json").is_file() {
                    found.push(folder.clone());
                }
                if !self.positive.iter().any(|pattern| pattern.reaches_below(&path, depth)) {
                    continue;
                }
                if depth == DEPTH {
                    is_complete = false;
                    continue;
                }
                open.extend(children(&folder, &path).into_iter().map(|child| (child, depth + 1)));
            }
        }
        found.sort_unstable();
        found.dedup();
        (found, is_complete)
    }
}

impl Pattern {
    fn new(text: &str) -> Option<Self> {
        let text = text.replace('\\', "/");
        let without_dot = text.strip_prefix('.').filter(|rest| rest.starts_with('/')).unwrap_or(&text);
        let text = without_dot.trim_matches('/');
        let is_readable = text.len() <= PATTERN_LENGTH
            && !text.is_empty()
            && !text.contains(['(', ')'])
            && !text.split('/').any(|segment| matches!(segment, "" | "." | ".."));
        let regex = is_readable.then(|| translate(text))?;
        Some(Self { text: text.to_owned(), regex: Regex::new(&regex).ok()? })
    }

    /// The folder below which everything lies that the pattern can match: its segments up to the first with a
    /// wildcard.
    fn start(&self) -> &str {
        let Some(wildcard) = self.text.find(['*', '?', '[', '{']) else {
            return &self.text;
        };
        self.text[..wildcard].rsplit_once('/').map_or("", |(start, _)| start)
    }

    /// Whether it can match something below the folder at `path`, which is this deep.
    fn reaches_below(&self, path: &str, depth: usize) -> bool {
        let start = self.start();
        let is_below = start.is_empty()
            || path.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let is_deeper = self.text.split('/').count() > depth;
        is_below && (is_deeper || self.text.contains("**"))
    }
}

/// The folders in `folder`, as paths; hidden ones and `node_modules` are never workspaces by a wildcard. A symbolic link
/// counts as a folder, and cannot lead in circles further than the depth allows.
fn children(folder: &Path, path: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .take(FOLDERS)
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let is_candidate = name != "node_modules" && entry.path().is_dir();
            is_candidate.then(|| if path.is_empty() { name } else { format!("{path}/{name}") })
        })
        .collect()
}

/// A glob as a regular expression over a whole relative path. A wildcard does not match a leading dot.
fn translate(glob: &str) -> String {
    let mut regex = String::from(r"\A");
    let mut is_first = true;
    let mut segments = glob.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        if segment == "**" {
            if is_first && is_last {
                regex.push_str("[^/.][^/]*(?:/[^/.][^/]*)*");
            } else if is_first {
                regex.push_str("(?:[^/.][^/]*/)*");
                continue;
            } else {
                regex.push_str("(?:/[^/.][^/]*)*");
            }
        } else {
            if !is_first {
                regex.push('/');
            }
            translate_segment(segment, &mut regex);
        }
        is_first = false;
    }
    regex.push_str(r"\z");
    regex
}

fn translate_segment(segment: &str, regex: &mut String) {
    let mut braces = 0;
    let mut rest = segment.chars();
    let mut is_start = true;
    while let Some(character) = rest.next() {
        match character {
            '*' if is_start && rest.as_str().trim_start_matches('*').is_empty() => {
                regex.push_str("[^/.][^/]*");
                return;
            }
            '*' if is_start => regex.push_str("(?:[^/.][^/]*)?"),
            '*' => regex.push_str("[^/]*"),
            '?' if is_start => regex.push_str("[^/.]"),
            '?' => regex.push_str("[^/]"),
            '{' => {
                braces += 1;
                regex.push_str("(?:");
            }
            '}' if braces > 0 => {
                braces -= 1;
                regex.push(')');
            }
            ',' if braces > 0 => regex.push('|'),
            '[' => match class(rest.as_str()) {
                Some((class, length)) => {
                    regex.push_str(&class);
                    rest = rest.as_str()[length..].chars();
                }
                None => regex.push_str(r"\["),
            },
            plain => regex.push_str(&regex::escape(plain.encode_utf8(&mut [0; 4]))),
        }
        is_start = false;
    }
}

/// A character class after its opening bracket, and the length of what it takes up.
fn class(text: &str) -> Option<(String, usize)> {
    let (content, _) = text.split_once(']')?;
    let (negation, members) = match content.strip_prefix(['!', '^']) {
        Some(members) => ("^/", members),
        None => ("", content),
    };
    let is_simple = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    let is_readable = !members.is_empty() && members.chars().all(is_simple);
    is_readable.then(|| (format!("[{negation}{members}]"), content.len() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(patterns: &[&str], path: &str) -> bool {
        let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        Workspaces::new(&patterns).matches(path)
    }

    #[test]
    fn patterns() {
        for (patterns, path, expected) in [
            (&["packages/*"][..], "packages/a", true),
            (&["packages/*"], "packages/a/b", false),
            (&["packages/*"], "packages", false),
            (&["packages/*"], "packages/.a", false),
            (&["./packages/*/"], "packages/a", true),
            (&["a/**"], "a", true),
            (&["a/**"], "a/b/c", true),
            (&["a/**"], "a/b/.c/d", false),
            (&["a/**"], "ab", false),
            (&["**"], "a/b", true),
            (&["**/x"], "x", true),
            (&["**/x"], "a/b/x", true),
            (&["a/**/x"], "a/x", true),
            (&["a/**/x"], "a/b/c/x", true),
            (&["a/**/x"], "ax", false),
            (&["a"], "a", true),
            (&["a.b"], "axb", false),
            (&["{a,b}/*"], "b/c", true),
            (&["p-*"], "p-", true),
            (&["*-p"], "x-p", true),
            (&["p?"], "px", true),
            (&["p[0-9]"], "p5", true),
            (&["p[!0-9]"], "p5", false),
            (&["packages/*", "!packages/b"], "packages/b", false),
            (&["packages/*", "!packages/b", "packages/b"], "packages/b", true),
            (&["packages/*", "!!packages/b"], "packages/b", true),
            (&["!packages/b", "packages/*"], "packages/b", false),
            (&["**"], "node_modules/a", false),
            (&["**"], "a/node_modules/b", false),
            (&[".."], "..", false),
        ] {
            assert_eq!(matches(patterns, path), expected, "{patterns:?} {path}");
        }
    }

    #[test]
    fn folders_with_a_package_json() {
        let root = tempfile::tempdir().unwrap();
        for folder in
            ["packages/a", "packages/b", "packages/node_modules", "packages/a/deep", "x/y/z", "solo"]
        {
            fs::create_dir_all(root.path().join(folder)).unwrap();
            fs::write(root.path().join(folder).join("package.json"), "{}").unwrap();
        }
        fs::create_dir_all(root.path().join("packages/empty")).unwrap();
        let found = |patterns: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
            let (folders, is_complete) = Workspaces::new(&patterns).folders(root.path());
            assert!(is_complete);
            let relative = folders.iter().map(|folder| folder.strip_prefix(root.path()).unwrap());
            relative.map(|folder| folder.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(found(&["packages/*"]), ["packages/a", "packages/b"]);
        assert_eq!(found(&["packages/**", "!packages/b"]), ["packages/a", "packages/a/deep"]);
        assert_eq!(found(&["x/**/z", "solo", "missing"]), ["solo", "x/y/z"]);
    }

    #[test]
    fn circles_and_what_cannot_be_read_are_incomplete() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("a")).unwrap();
        std::os::unix::fs::symlink(".", root.path().join("a/loop")).unwrap();
        assert!(!Workspaces::new(&["a/**".to_owned()]).folders(root.path()).1);
        for odd in ["+(a|b)", "", "../x", "{x/y,packages}/*", &"a".repeat(2_000)] {
            assert!(Workspaces::new(&[odd.to_owned()]).is_incomplete, "{odd}");
        }
    }
}
