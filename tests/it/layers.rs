//! The layers of the two crates: a module at the top of one imports only from the rows below its own. So there is no circle
//! between modules, and what a module rests on can be read from here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rows of scfw-core, from the top.
const CORE: &[&[&str]] = &[
    &["report", "update"],
    &["inventory", "recall", "verify"],
    &["exemption", "policy", "telemetry"],
    &["feed", "finding"],
    &["config", "disarm", "gate", "screen", "store"],
    &["manager"],
    &["lockfile"],
    &["advisory", "format"],
    &["package"],
    &["ecosystem"],
    &["rc_file", "redact", "skipped"],
    &["action", "child", "env", "files", "net", "text", "time"],
];

/// The rows of scfw-hook, from the top.
const HOOK: &[&[&str]] = &[
    &["commands"],
    &["route"],
    &["gate"],
    &["shells"],
    &["record"],
    &["files"],
    &["process", "terminal"],
    &["exit"],
];

#[test]
fn a_module_of_scfw_core_imports_only_from_rows_below_it() {
    check("scfw-core", CORE);
}

#[test]
fn a_module_of_scfw_hook_imports_only_from_rows_below_it() {
    check("scfw-hook", HOOK);
}

fn check(name: &str, rows: &[&[&str]]) {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src");
    let row = |module: &str| rows.iter().position(|row| row.contains(&module));
    let mut wrong = Vec::new();
    let imports = imports(&sources);
    for ((from, to), file) in &imports {
        match (row(from), row(to)) {
            (Some(from), Some(to)) if from < to => {}
            _ => wrong.push(format!("{from} imports {to} in {}", file.display())),
        }
    }
    assert!(wrong.is_empty(), "{name}: not from a row above into one below:\n{}", wrong.join("\n"));
}

/// Each import between two modules at the top of a crate, with a file that has it.
fn imports(sources: &Path) -> BTreeMap<(String, String), PathBuf> {
    let mut imports = BTreeMap::new();
    for file in files(sources) {
        let inner: Vec<String> = file
            .strip_prefix(sources)
            .unwrap()
            .with_extension("")
            .iter()
            .map(|part| part.to_str().unwrap().to_owned())
            .filter(|part| part != "mod")
            .collect();
        // The binaries and the root of the crate are above everything.
        if matches!(inner[0].as_str(), "lib" | "bin") {
            continue;
        }
        let code: String = fs::read_to_string(&file)
            .unwrap()
            .lines()
            .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
            .fold(String::new(), |code, line| code + line + "\n");
        // At the start of a line, so not in a module within the file.
        let root = format!("\nuse {}", "super::".repeat(inner.len()));
        for to in names_after(&code, "crate::").chain(names_after(&code, &root)) {
            if to != inner[0] && to != "super" {
                imports.entry((inner[0].clone(), to)).or_insert_with(|| file.clone());
            }
        }
    }
    imports
}

/// The names that follow `path` in `code`, one by one or as a list in braces.
fn names_after<'a>(code: &'a str, path: &'a str) -> impl Iterator<Item = String> + 'a {
    let name = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|character| character.is_alphanumeric() || *character == '_')
            .collect()
    };
    code.match_indices(path).flat_map(move |(at, _)| {
        let rest = &code[at + path.len()..];
        let Some(list) = rest.strip_prefix('{') else { return vec![name(rest)] };
        let mut depth = 0;
        let is_split = |character: char| {
            depth += i32::from(character == '{') - i32::from(character == '}');
            (character == ',' && depth == 0) || depth < 0
        };
        list[..list.find(';').unwrap()].split(is_split).map(name).filter(|name| !name.is_empty()).collect()
    })
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}
