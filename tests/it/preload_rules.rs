//! The preload library looks at names and options by itself; whatever scfw-hook takes for an install, the library has
//! to bring to it.

use std::borrow::Cow;

use proptest::prelude::*;
use scfw_core::manager::{Invocation, classify};
use scfw_programs::{Words, program, recognise};

struct Line(Vec<String>);

impl Words for Line {
    fn get(&self, index: usize) -> Option<&[u8]> {
        self.0.get(index).map(String::as_bytes)
    }
}

fn line(text: &str) -> Line {
    Line(text.split_whitespace().map(str::to_owned).collect())
}

/// Where the library finds a program to follow when the first word is the file.
fn followed(text: &str) -> Option<usize> {
    let line = line(text);
    recognise(line.0[0].as_bytes(), &line)
}

#[test]
fn programs_are_followed_wherever_they_stand() {
    for (text, index) in [
        ("pip install x", Some(0)),
        ("/a/b/pip3.11 install x", Some(0)),
        ("npm i x", Some(0)),
        ("npx", Some(0)),
        ("python3 -m pip install x", Some(0)),
        ("/usr/bin/python3.12 -Impip install x", Some(0)),
        ("python3 -W ignore -X dev -Em pip install x", Some(0)),
        ("python3 -s /venv/bin/pip install x", Some(0)),
        ("python3 site-packages/pip/__main__.py install x", Some(0)),
        ("pypy3 site-packages/pip/. install x", Some(0)),
        ("python3 pip.pyz install x", Some(0)),
        ("python3 -s ./pip-26.3.pyz install x", Some(0)),
        ("python3 pip-26.3-py3-none-any.whl/pip install x", Some(0)),
        ("./pip-26.3.pyz install x", Some(0)),
        ("python3 pipx.pyz install x", None),
        ("/usr/lib/node_modules/npm/bin/npm-cli.js ci", Some(0)),
        ("node /usr/lib/node_modules/npm/bin/npm-cli.js ci", Some(1)),
        ("node --max-old-space-size=100 /usr/bin/npx cowsay", Some(2)),
        ("node -r ./setup.js --title x npm-cli.js ci", Some(5)),
        ("nodejs npx-cli.js cowsay", Some(1)),
        ("node /usr/lib/node_modules/npm/bin/npm-cli install x", Some(1)),
        ("node /usr/lib/node_modules/npm/bin/npx-cli cowsay", Some(1)),
        ("node -r x /usr/lib/node_modules/npm/index.js install x", Some(3)),
        ("node npm/index install x", Some(1)),
        ("node /usr/lib/node_modules/npm/. install x", Some(1)),
        ("node /usr/lib/node_modules/other/index.js install x", None),
        ("node index.js install x", None),
        ("/lib64/ld-linux-x86-64.so.2 /usr/bin/python3 -m pip install x", Some(1)),
        ("/lib/ld-musl-aarch64.so.1 --library-path /a -- /usr/bin/node npm-cli.js ci", Some(5)),
        ("ld.so --argv0 python3 /usr/bin/python3.11 -m pip install x", Some(3)),
        ("ld.so --list /usr/bin/python3", None),
        ("pip", None),
        ("pip --version", None),
        ("npm -V", None),
        ("python3 -m pip --help", None),
        ("node npm-cli.js --version", None),
        ("pip --version x", Some(0)),
        ("python3", None),
        ("python3 -c pip", None),
        ("python3 script.py -m pip", None),
        ("node server.js npm-cli.js install", None),
        ("node -- server.js npm", None),
        ("ls pip install", None),
        ("env pip install", None),
        ("pipx install x", None),
        ("pip-compile", None),
        ("", None),
    ] {
        assert_eq!(if text.is_empty() { recognise(b"", &line("")) } else { followed(text) }, index, "{text}");
    }
}

proptest! {
    #[test]
    fn what_the_hook_takes_for_an_install_is_brought_to_it(
        name in prop::sample::select(vec!["pip", "pip3.11", "pip-26.3.pyz", "python3", "python", "pypy3", "npm", "npx"]),
        words in prop::collection::vec(prop::sample::select(vec![
            "-m", "pip", "-mpip", "-Im", "-I", "-E", "-X", "-W", "dev", "-Wignore", "--", "-c", "-V", "-h", "--help",
            "--version", "-", "install", "download", "x", "/venv/bin/pip", "site-packages/pip", "a/__pip-runner__.py",
            "pip/__main__.py", "runpy", "cProfile", "pip._internal", "--check-hash-based-pycs", "always", "-uBs",
            "--check-hash-based-pycs=never", "-P", "script.py", "", "i", "ci", "exec", "--no-dry-run", "pip.pyz", "-",
            "pip-26.3.pyz", "pipx.pyz", "pip.__main__",
        ]), 0..6),
    ) {
        let arguments: Vec<Cow<'_, str>> = words.iter().map(|word| Cow::from(*word)).collect();
        let program = program(name.as_bytes()).unwrap();
        if matches!(classify(program, &arguments), Invocation::Install(_)) {
            let words = std::iter::once(name).chain(words.iter().copied()).map(str::to_owned).collect();
            prop_assert_eq!(recognise(name.as_bytes(), &Line(words)), Some(0));
        }
    }
}
