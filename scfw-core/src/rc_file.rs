//! The managed block in a shell's start-up file, as functions of the file's bytes. The block records what putting it
//! there has changed, so that taking it out restores the file byte for byte. The choice of files, and reading and
//! writing them, is not made here.

/// The line that a block begins with; the predecessor's is the same.
const BEGIN: &str = "# BEGIN SCFW MANAGED BLOCK";
/// The line that a block ends with.
const END: &str = "# END SCFW MANAGED BLOCK";
/// The words before the folder of the shims, in the shells of the POSIX kind and in fish.
pub const SHIMS: [&str; 2] = ["__scfw_shims=", "fish_add_path --path --prepend --move "];
/// The first line within a block of ours; the predecessor's has none.
const OURS: &str = "# Written by `scfw configure`; `scfw configure --remove` takes it out.";
/// Recorded if there was no file.
const CREATED: &str = "# scfw: created this file";
/// Recorded if the file's last line had no newline.
const NO_NEWLINE: &str = "# scfw: there was no newline at the end";

/// A block whose end is missing, so its content cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} begins a block of scfw that no line `{END}` ends; mend it or delete the block")]
pub struct Unterminated {
    /// The number of the line that begins it.
    pub line: usize,
}

/// `content` with one block of `lines`: in the place of the first block that is there, or at the end. `None` stands
/// for a file that does not exist. Line ends of the block are those of the shells, even if the file's are others.
pub fn with_block(content: Option<&[u8]>, lines: &[String]) -> Result<Vec<u8>, Unterminated> {
    let Parts { rest, place, is_created, .. } = Parts::of(content.unwrap_or_default())?;
    let (before, after) = rest.split_at(place);
    let mut whole = before.to_vec();
    let mut push = |line: &str| {
        whole.extend_from_slice(line.as_bytes());
        whole.push(b'\n');
    };
    let lacks_newline = before.last().is_some_and(|last| *last != b'\n');
    if lacks_newline {
        push("");
    }
    push(BEGIN);
    push(OURS);
    if is_created || content.is_none() {
        push(CREATED);
    }
    if lacks_newline {
        push(NO_NEWLINE);
    }
    for line in lines {
        push(line);
    }
    push(END);
    whole.extend_from_slice(after);
    Ok(whole)
}

/// `content` without any block; `None` if nothing is left of a file that was created for the block.
pub fn without_block(content: &[u8]) -> Result<Option<Vec<u8>>, Unterminated> {
    let Parts { rest, is_created, .. } = Parts::of(content)?;
    Ok((!is_created || !rest.is_empty()).then_some(rest))
}

/// Whether there is a block, finished or not.
#[must_use]
pub fn has_block(content: &[u8]) -> bool {
    Parts::of(content).map_or(true, |parts| parts.has_block)
}

/// The variables that the blocks export, with their values, in the order of the lines: the predecessor kept its
/// settings there.
#[must_use]
pub fn exports(content: &[u8]) -> Vec<(String, String)> {
    lines(content).into_iter().filter_map(export).collect()
}

/// The folder of the PATH shims that a block puts first on `PATH`, if one does.
#[must_use]
pub fn shims(content: &[u8]) -> Option<String> {
    let mut lines = lines(content).into_iter();
    lines.find_map(|line| SHIMS.iter().find_map(|before| line.strip_prefix(before)).map(unquoted))
}

/// The lines within blocks that are text.
fn lines(content: &[u8]) -> Vec<&str> {
    let mut is_inside = false;
    let mut found = Vec::new();
    for line in content.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
        match line {
            line if line == BEGIN.as_bytes() => is_inside = true,
            line if line == END.as_bytes() => is_inside = false,
            line if is_inside => found.extend(std::str::from_utf8(line).ok()),
            _ => {}
        }
    }
    found
}

/// Reads `export NAME=value` or fish's `set -gx NAME value`.
fn export(line: &str) -> Option<(String, String)> {
    let (name, value) = match line.strip_prefix("export ") {
        Some(assignment) => assignment.split_once('=')?,
        None => line.strip_prefix("set -gx ")?.split_once(' ')?,
    };
    Some((name.to_owned(), unquoted(value)))
}

/// The value of a shell's word, in so far as that needs no shell.
fn unquoted(value: &str) -> String {
    if let Some(quoted) = within(value, '\'') {
        quoted.replace(r"'\''", "'").replace(r"\'", "'").replace(r"\\", r"\")
    } else {
        within(value, '"').unwrap_or(value).to_owned()
    }
}

fn within(value: &str, quote: char) -> Option<&str> {
    value.strip_prefix(quote)?.strip_suffix(quote)
}

/// A file taken apart.
struct Parts {
    /// Everything outside blocks, as it was before they were put there.
    rest: Vec<u8>,
    /// The place of the first block in it, or its end.
    place: usize,
    has_block: bool,
    is_created: bool,
}

impl Parts {
    fn of(content: &[u8]) -> Result<Self, Unterminated> {
        let mut rest = Vec::with_capacity(content.len());
        let mut first = None;
        let mut is_created = false;
        let mut open: Option<Block> = None;
        let mut last = None;
        for (index, line) in content.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let text = line.trim_ascii();
            match &mut open {
                None if text == BEGIN.as_bytes() => {
                    let has_crlf = line.ends_with(b"\r\n");
                    open = Some(Block { line: index + 1, has_crlf, is_ours: false, lacked_newline: false });
                }
                None => rest.extend_from_slice(line),
                Some(block) if text == BEGIN.as_bytes() => return Err(Unterminated { line: block.line }),
                Some(_) if text == END.as_bytes() => {
                    first.get_or_insert(rest.len());
                    last = open.take().map(|block| (rest.len(), block));
                }
                Some(block) => {
                    block.is_ours |= text == OURS.as_bytes();
                    block.lacked_newline |= text == NO_NEWLINE.as_bytes();
                    is_created |= text == CREATED.as_bytes();
                }
            }
        }
        if let Some(block) = open {
            return Err(Unterminated { line: block.line });
        }
        // The bytes that a block added before itself go with it, unless lines were written behind it since.
        if let Some((end, block)) = last
            && end == rest.len()
        {
            rest.truncate(end - block.added_before(&rest));
        }
        let place = first.unwrap_or(rest.len()).min(rest.len());
        Ok(Self { rest, place, has_block: first.is_some(), is_created })
    }
}

/// One block.
struct Block {
    line: usize,
    /// An editor has given it the other line ends since.
    has_crlf: bool,
    is_ours: bool,
    lacked_newline: bool,
}

impl Block {
    /// The number of bytes at the end of `before` that came with it.
    fn added_before(&self, before: &[u8]) -> usize {
        let is_with_crlf = self.has_crlf && before.ends_with(b"\r\n");
        match (self.is_ours, self.lacked_newline) {
            (true, true) if is_with_crlf => 2,
            (true, true) => usize::from(before.ends_with(b"\n")),
            (true, false) => 0,
            // The predecessor put a newline before its block, whether the last line had one or not.
            (false, _) => usize::from(before.ends_with(b"\n\n") || before == b"\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn lines() -> Vec<String> {
        vec!["one".to_owned(), "two".to_owned()]
    }

    fn with(content: &[u8]) -> Vec<u8> {
        with_block(Some(content), &lines()).unwrap()
    }

    #[test]
    fn a_block_is_appended_and_taken_out_again() {
        let expected = format!("alias x=y\n{BEGIN}\n{OURS}\none\ntwo\n{END}\n");
        assert_eq!(String::from_utf8(with(b"alias x=y\n")).unwrap(), expected);
        for content in
            [&b""[..], b"x", b"x\n", b"x\r\ny\r\n", b"x\r\ny", b"x\r", b"\n", b"\n\n", b"\xff\xfe\n\0"]
        {
            let whole = with(content);
            assert!(has_block(&whole) && !has_block(content));
            assert_eq!(without_block(&whole).unwrap().as_deref(), Some(content), "{content:?}");
            assert_eq!(with(&whole), whole, "{content:?}");
        }
    }

    #[test]
    fn a_file_that_was_created_goes_again_unless_something_was_added() {
        let created = with_block(None, &lines()).unwrap();
        assert_eq!(with(&created), created);
        assert_eq!(without_block(&created).unwrap(), None);
        let more = [&created[..], b"export X=1\n"].concat();
        assert_eq!(without_block(&more).unwrap().unwrap(), b"export X=1\n");
    }

    #[test]
    fn lines_that_were_added_behind_the_block_stay_lines() {
        let whole = [&with(b"x")[..], b"more\n"].concat();
        assert_eq!(without_block(&whole).unwrap().unwrap(), b"x\nmore\n");
        let again = with(&whole);
        assert_eq!(with(&again), again);
        assert_eq!(without_block(&again).unwrap().unwrap(), b"x\nmore\n");
    }

    #[test]
    fn an_editor_that_changed_the_line_ends_changed_ours_too() {
        let whole = String::from_utf8(with(b"x\ny")).unwrap().replace('\n', "\r\n");
        assert_eq!(without_block(whole.as_bytes()).unwrap().unwrap(), b"x\r\ny");
    }

    #[test]
    fn blocks_of_the_predecessor_are_replaced_where_they_stand() {
        let old = format!("{BEGIN}\nalias pip=\"scfw run pip\"\n{END}\n");
        let block = String::from_utf8(with(b"")).unwrap();
        let file = format!("a\n{old}b\n{old}");
        let whole = String::from_utf8(with(file.as_bytes())).unwrap();
        assert_eq!(whole, format!("a\n{block}b\n"));
        // The predecessor appends it after an empty line.
        assert_eq!(without_block(format!("a\n\n{old}").as_bytes()).unwrap().unwrap(), b"a\n");
        assert_eq!(String::from_utf8(with(format!("a\n\n{old}").as_bytes())).unwrap(), format!("a\n{block}"));
        assert_eq!(without_block(format!("\n{old}").as_bytes()).unwrap().unwrap(), b"");
    }

    #[test]
    fn a_block_without_an_end_is_an_error() {
        for content in [format!("a\n{BEGIN}\nb\n"), format!("a\n{BEGIN}\n{BEGIN}\n{END}\n")] {
            assert_eq!(with_block(Some(content.as_bytes()), &[]), Err(Unterminated { line: 2 }));
            assert_eq!(without_block(content.as_bytes()), Err(Unterminated { line: 2 }));
            assert!(has_block(content.as_bytes()));
        }
        assert!(!has_block(format!("{END}\n").as_bytes()), "an end alone is a comment like any other");
    }

    #[test]
    fn what_a_block_exports_is_found_and_what_stands_outside_is_not() {
        let file = format!(
            "export DD_SITE=no\n{BEGIN}\nexport DD_SITE=\"eu.example\"\nexport SCFW_HOME='/a b/it'\\''s'\n\
             set -gx OTHER '/it\\'s'\n{END}\nexport X=1\n"
        );
        let expected = [("DD_SITE", "eu.example"), ("SCFW_HOME", "/a b/it's"), ("OTHER", "/it's")];
        assert_eq!(
            exports(file.as_bytes()),
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    /// Bytes that are close to a start-up file without a block.
    fn file() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(&b"\n"[..]),
            Just(&b"\r\n"[..]),
            Just(&b"\r"[..]),
            Just(&b"alias x=y"[..]),
            Just(END.as_bytes()),
            Just(OURS.as_bytes()),
            Just(CREATED.as_bytes()),
            Just(NO_NEWLINE.as_bytes()),
            Just(&b"\xff\xfe\0"[..]),
            Just(&b"# BEGIN SCFW "[..]),
        ];
        vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn taking_the_block_out_restores_every_byte(content in prop_oneof![file(), vec(any::<u8>(), 0..200)]) {
            let whole = with(&content);
            prop_assert_eq!(without_block(&whole).unwrap(), Some(content));
            prop_assert_eq!(with(&whole), whole);
        }

        #[test]
        fn nothing_outside_the_block_is_lost(before in file(), after in file()) {
            let whole = [&with(&before)[..], &after].concat();
            let rest = without_block(&whole).unwrap().unwrap();
            prop_assert!(rest.starts_with(&before) && rest.ends_with(&after));
            let again = with(&whole);
            prop_assert_eq!(with(&again), again.clone());
            prop_assert_eq!(without_block(&again).unwrap().unwrap(), rest);
        }
    }
}
