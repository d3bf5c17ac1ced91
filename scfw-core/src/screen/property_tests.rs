//! Properties of the screen over arbitrary and over generated files.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use crate::package::Ecosystem;

use super::{NodeRequest, PythonRequest, Screened, node_with_npms, python};
use crate::ecosystem::npm::is_name;
use crate::format::npm_spec;

/// A lockfile of version 3 in the shape and size that npm writes, with `entries` certain packages.
pub(super) fn large_lockfile(entries: usize) -> String {
    let mut text = String::from("{\n  \"lockfileVersion\": 3,\n  \"packages\": {\n    \"\": {}");
    for index in 0..entries {
        write!(
            text,
            ",\n    \"node_modules/@scope/package-{index}\": {{\n      \"version\": \"1.{index}.0\",\n      \
             \"resolved\": \"https://host.example/@scope/package-{index}/-/package-{index}-1.{index}.0.tgz\",\n      \
             \"integrity\": \"sha512-{}==\",\n      \"license\": \"MIT\",\n      \"dependencies\": {{\n        \
             \"@scope/package-a\": \"^1.0.0\",\n        \"@scope/package-b\": \"^1.0.0\"\n      }},\n      \
             \"engines\": {{\n        \"node\": \">=18\"\n      }}\n    }}",
            "A".repeat(86)
        )
        .unwrap();
    }
    text + "\n  }\n}\n"
}

fn screen_requirements(content: &[u8]) -> Screened {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("r.txt"), content).unwrap();
    let request = PythonRequest { requirement_files: vec!["r.txt".to_owned()], ..PythonRequest::default() };
    python(&request, folder.path(), &|name| Some(name.repeat(3)))
}

fn screen_project(manifest: &[u8], lockfile: &[u8]) -> [Screened; 2] {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("package.json"), manifest).unwrap();
    fs::write(folder.path().join("package-lock.json"), lockfile).unwrap();
    [true, false].map(|clean| node_with_npms(&NodeRequest { clean, ..NodeRequest::default() }, folder.path()))
}

/// Text that is close to a requirements file.
fn requirement_soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("name"),
        Just("=="),
        Just("==="),
        Just("1.0"),
        Just(".*"),
        Just("-"),
        Just("_"),
        Just("."),
        Just(" "),
        Just("\n"),
        Just("\\\n"),
        Just("#"),
        Just("["),
        Just("]"),
        Just("("),
        Just(")"),
        Just(","),
        Just(";"),
        Just("@"),
        Just("${A}"),
        Just("${"),
        Just("-r "),
        Just("--hash="),
        Just("'"),
        Just("\""),
        Just("é"),
        Just("\u{2028}"),
        Just(">="),
        Just("~="),
        Just("!"),
        Just("+"),
        Just("dev"),
        Just("99999999999999999999"),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Text that is close to a lockfile or a package.json.
fn json_soup() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("1e999".to_owned()),
        Just("-1".to_owned()),
        Just("\"1.0.0\"".to_owned()),
        Just("\"npm:a@1.0.0\"".to_owned()),
        Just("\"\\ud800\"".to_owned()),
        Just("\"https://host.example/b/-/b-1.0.0.tgz\"".to_owned()),
        Just("\"packages/**\"".to_owned()),
    ];
    let key = prop_oneof![
        Just("packages"),
        Just("dependencies"),
        Just("devDependencies"),
        Just("node_modules/a"),
        Just(""),
        Just("a"),
        Just("version"),
        Just("resolved"),
        Just("requires"),
        Just("name"),
        Just("workspaces"),
        Just("bin"),
        Just("overrides"),
        Just("link"),
        Just("packages/b"),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            vec((key.clone(), inner.clone()), 0..6).prop_map(|entries| {
                let entries: Vec<_> =
                    entries.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", entries.join(","))
            }),
            vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_are_too_much(bytes in vec(any::<u8>(), 0..400)) {
        screen_requirements(&bytes);
        screen_project(&bytes, &bytes);
    }

    #[test]
    fn no_requirement_is_too_much(text in requirement_soup()) {
        screen_requirements(text.as_bytes());
        let request = PythonRequest { requirements: vec![text], ..PythonRequest::default() };
        drop(python(&request, std::path::Path::new("/"), &|_| None));
    }

    #[test]
    fn no_json_is_too_much(manifest in json_soup(), lockfile in json_soup()) {
        screen_project(manifest.as_bytes(), lockfile.as_bytes());
    }

    #[test]
    fn no_spec_is_too_much(text in any::<String>()) {
        if let Some(spec) = npm_spec::argument(&text) {
            prop_assert!(is_name(spec.name));
        }
    }

    #[test]
    fn generated_requirements_are_found(
        requirements in vec(("[A-Za-z0-9]([A-Za-z0-9._-]{0,12}[A-Za-z0-9])?", 0u8..5, 0u16..999), 1..30)
    ) {
        let lines = requirements.iter().map(|(name, form, number)| match form {
            0 => format!("{name}\n"),
            1 => format!("{name}=={number}.0\r\n"),
            2 => format!("  {name} >= {number} # comment\n"),
            3 => format!("{name}[extra]\\\n===1.{number} --hash=sha256:00\n"),
            _ => format!("{name} (!= {number})\n"),
        });
        let screened = screen_requirements(lines.collect::<String>().as_bytes());
        let archive = |name: &str| [".zip", ".whl", ".tbz", ".tgz", ".tar", ".txz", ".tlz"]
            .iter().any(|ending| name.to_ascii_lowercase().ends_with(ending));
        let expected: BTreeSet<String> = requirements.iter()
            .filter(|(name, form, _)| *form != 0 || !archive(name))
            .map(|(name, _, _)| Ecosystem::PyPi.normalise(name)).collect();
        let found: BTreeSet<String> = screened.targets.iter().map(|target| target.package.key()).collect();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(screened.skipped, []);
    }

    #[test]
    fn generated_lockfiles_are_found(
        entries in btree_set(("(@[a-z]{1,5}/)?[a-z][a-z0-9._-]{0,8}", 0u8..50, any::<bool>()), 0..30)
    ) {
        let text: Vec<String> = entries.iter().enumerate().map(|(index, (name, minor, dev))| {
            format!("\"node_modules/p{index}/node_modules/{name}\":{{\"version\":\"1.{minor}.0\",\"dev\":{dev}}}")
        }).collect();
        let lock = format!("{{\"packages\":{{\"\":{{}},{}}}}}", text.join(",")).replace(",}", "}");
        let expected: BTreeSet<String> = entries.iter().filter(|(_, _, dev)| !dev)
            .map(|(name, minor, _)| format!("{name}@1.{minor}.0")).collect();
        for screened in screen_project(b"{}", lock.as_bytes()) {
            let found: BTreeSet<String> =
                screened.targets.iter().map(|target| target.package.to_string()).collect();
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(screened.skipped, []);
        }
    }
}
