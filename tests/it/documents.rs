//! The documents of the repository, as far as code can hold them to it: the rows of SECURITY.md and their tests, and the
//! paths that ARCHITECTURE.md and CONTRIBUTING.md name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A row of SECURITY.md's table of ways around.
struct Row {
    number: u32,
    /// Where the way is stopped.
    stopped: String,
    /// What its last column names: `row_N`, and files of this folder.
    tests: Vec<String>,
}

/// What stands between backticks in `text`.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        let number = cells.first()?.parse().ok()?;
        assert_eq!(cells.len(), 4, "row {number}");
        let tests = quoted(cells[3]).map(str::to_owned).collect();
        Some(Row { number, stopped: cells[2].to_owned(), tests })
    };
    text.lines().filter_map(row).collect()
}

/// The tests of each file of this folder that are called `row_…`, by the file's name, and none for a file without tests.
fn tests() -> BTreeMap<String, Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("it");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let tests = files.filter_map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        let has_tests = text.contains("#[test]") || text.contains("for_each_npm! {");
        let names = text.lines().filter_map(|line| line.strip_prefix("fn row_")?.split('(').next());
        let names = names.map(str::to_owned).collect();
        has_tests.then(|| (path.file_stem().unwrap().to_str().unwrap().to_owned(), names))
    });
    tests.collect()
}

/// The rows that the name of a test means, of which `row_` is cut off: 16 and 22 in `16_and_22_what_is_locked…`.
fn numbers(name: &str) -> Vec<u32> {
    let words = name.split('_').take_while(|word| *word == "and" || word.parse::<u32>().is_ok());
    words.filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn the_rows_of_the_security_page_are_numbered_without_a_gap() {
    let numbers: Vec<u32> = rows().iter().map(|row| row.number).collect();
    assert!(!numbers.is_empty());
    assert_eq!(numbers, (1..).take(numbers.len()).collect::<Vec<_>>());
}

#[test]
fn a_test_that_is_called_by_rows_is_named_by_them() {
    let rows = rows();
    let mut found = BTreeSet::new();
    for name in tests().into_values().flatten() {
        let numbers = numbers(&name);
        assert!(!numbers.is_empty(), "row_{name} names no row");
        for number in numbers {
            let row = rows.iter().find(|row| row.number == number);
            let row = row.unwrap_or_else(|| panic!("row_{name}: SECURITY.md has no row {number}"));
            assert!(row.tests.contains(&format!("row_{number}")), "row {number} does not name row_{name}");
            found.insert(number);
        }
    }
    assert!(!found.is_empty());
}

#[test]
fn the_tests_that_a_row_names_exist() {
    let tests = tests();
    let called: BTreeSet<u32> = tests.values().flatten().flat_map(|name| numbers(name)).collect();
    for Row { number, stopped, tests: named } in rows() {
        assert!(!named.is_empty() || stopped.starts_with("not closed"), "row {number} has no test");
        for test in &named {
            let is_there = match test.strip_prefix("row_") {
                Some(row) => row.parse().is_ok_and(|row| called.contains(&row)),
                None => tests.contains_key(test),
            };
            assert!(is_there, "row {number} names {test}, which is no test");
        }
    }
}

#[test]
fn the_paths_that_the_documents_for_developers_name_exist() {
    let root = root();
    for document in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = fs::read_to_string(root.join(document)).unwrap();
        // A diagram or a command line is no sentence with paths.
        let prose: String = text.split("```").step_by(2).collect();
        let mut count = 0;
        for path in quoted(&prose).filter(|word| word.contains('/') && !word.contains(char::is_whitespace)) {
            let is_ours = !path.starts_with('/');
            assert!(!is_ours || root.join(path).exists(), "{document}: there is no {path}");
            count += usize::from(is_ours);
        }
        assert!(count > 0, "{document}");
    }
}
