//! Python runs a manager when its arguments mean `-m MODULE` or name the manager's own script, folder or archive.
//! Options of the interpreter come first, may be clustered (`-Im pip`) and may carry their value with them
//! (`-Wignore`).

use crate::Words;
use crate::names::{ManagerId, PYTHON_MODULES, PYTHON_SCRIPTS, Runs};
use crate::path::{base_name, program};

/// Modules of the standard library, and the usual ones beside it, that run another. Where their own options end is
/// theirs to know, so any mention of a manager counts.
const RUNNERS: [&[u8]; 8] =
    [b"runpy", b"cProfile", b"profile", b"pdb", b"trace", b"timeit", b"coverage", b"debugpy"];

/// A manager that a Python runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PythonCall {
    /// Which it is.
    pub manager: ManagerId,
    /// How Python finds it.
    pub start: Start,
    /// Index of the first word that belongs to the manager. Behind a runner it is the first one of the runner's.
    pub arguments: usize,
    /// Whether the interpreter was told to ignore its environment or its site directories: `-E`, `-I`, `-S`.
    pub is_isolated: bool,
}

/// How Python finds what it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// By `-m`, alone or at the end of a cluster such as `-Im`, in the word at that index.
    Module(usize),
    /// By a script, a folder or an archive.
    Script,
    /// By another module, which runs it: `-m cProfile -m pip`.
    Runner,
}

/// What a cluster of short options means.
enum Cluster<'a> {
    Flags,
    /// The next word is the last flag's value.
    TakesNext,
    /// `-V`, `-h`, or code to run.
    Prints,
    /// `-m`, with what stands behind it in the same word.
    Module(&'a [u8]),
}

/// The manager that a Python runs whose own words begin at `start`; none for anything else that it does.
#[must_use]
pub fn call<W: Words>(words: &W, start: usize) -> Option<PythonCall> {
    let mut is_isolated = false;
    let mut index = start;
    loop {
        let word = words.get(index)?;
        let cluster = match word {
            [b'-', cluster @ ..] if !cluster.is_empty() => cluster,
            script => return script_call(script, index + 1, is_isolated),
        };
        match cluster {
            b"-" => return script_call(words.get(index + 1)?, index + 2, is_isolated),
            b"-check-hash-based-pycs" => {
                words.get(index + 1)?;
                index += 2;
            }
            [b'-', long @ ..] if long.starts_with(b"check-hash-based-pycs=") => index += 1,
            // `--help…` and `--version` print and end, as does an option that Python does not know.
            [b'-', ..] => return None,
            _ => match read_cluster(cluster, &mut is_isolated) {
                Cluster::Flags => index += 1,
                Cluster::TakesNext => {
                    words.get(index + 1)?;
                    index += 2;
                }
                Cluster::Prints => return None,
                Cluster::Module([]) => {
                    return module_call(words.get(index + 1)?, words, index, index + 2, is_isolated);
                }
                Cluster::Module(module) => return module_call(module, words, index, index + 1, is_isolated),
            },
        }
    }
}

fn read_cluster<'a>(cluster: &'a [u8], is_isolated: &mut bool) -> Cluster<'a> {
    let mut rest = cluster;
    while let [flag, attached @ ..] = rest {
        match flag {
            b'E' | b'I' | b'S' => *is_isolated = true,
            b'V' | b'h' | b'?' | b'c' => return Cluster::Prints,
            b'W' | b'X' if attached.is_empty() => return Cluster::TakesNext,
            b'W' | b'X' => return Cluster::Flags,
            b'm' => return Cluster::Module(attached),
            _ => {}
        }
        rest = attached;
    }
    Cluster::Flags
}

fn module_call<W: Words>(
    module: &[u8],
    words: &W,
    option: usize,
    arguments: usize,
    is_isolated: bool,
) -> Option<PythonCall> {
    if let Some(manager) = manager_of_module(module) {
        return Some(PythonCall { manager, start: Start::Module(option), arguments, is_isolated });
    }
    if !RUNNERS.contains(&module) {
        return None;
    }
    let mut index = arguments;
    loop {
        if let Some(manager) = manager_of_module(words.get(index)?) {
            return Some(PythonCall { manager, start: Start::Runner, arguments, is_isolated });
        }
        index += 1;
    }
}

fn script_call(script: &[u8], arguments: usize, is_isolated: bool) -> Option<PythonCall> {
    let manager = manager_of_script(script)?;
    Some(PythonCall { manager, start: Start::Script, arguments, is_isolated })
}

/// `pip`, and `pip._internal`, which a package's own script may name.
fn manager_of_module(module: &[u8]) -> Option<ManagerId> {
    let is_or_is_in = |package: &str| {
        module.strip_prefix(package.as_bytes()).is_some_and(|rest| matches!(rest, [] | [b'.', ..]))
    };
    PYTHON_MODULES.iter().find(|(package, _)| is_or_is_in(package)).map(|(_, manager)| *manager)
}

/// `/some/bin/pip`, `…/site-packages/pip`, `…/pip/__main__.py`, `pip-26.3.pyz`, and the runner that pip starts itself
/// with.
fn manager_of_script(script: &[u8]) -> Option<ManagerId> {
    let name = base_name(script);
    if name == b"__main__.py" {
        let folder = base_name(script.get(..script.len().saturating_sub(name.len()))?);
        return PYTHON_MODULES
            .iter()
            .find(|(package, _)| package.as_bytes() == folder)
            .map(|(_, manager)| *manager);
    }
    let other =
        PYTHON_SCRIPTS.iter().find(|(other, _)| other.as_bytes() == name).map(|(_, manager)| *manager);
    other.or_else(|| match program(script)?.runs {
        // A script of Node's is none of Python's.
        Runs::Manager(manager) => PYTHON_MODULES.iter().find(|(_, runs)| *runs == manager).map(|_| manager),
        Runs::Python | Runs::Node => None,
    })
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec::Vec;

    struct Line<'a>(Vec<&'a str>);

    impl Words for Line<'_> {
        fn get(&self, index: usize) -> Option<&[u8]> {
            self.0.get(index).map(|word| word.as_bytes())
        }
    }

    fn called(line: &str) -> Option<PythonCall> {
        call(&Line(line.split_whitespace().collect()), 0)
    }

    #[test]
    fn pip_is_found_behind_the_interpreters_options() {
        for (line, start, arguments, is_isolated) in [
            ("-m pip install foo", Start::Module(0), 2, false),
            ("-mpip install foo", Start::Module(0), 1, false),
            ("-I -X utf8 -m pip install foo", Start::Module(3), 5, true),
            ("-Im pip install foo", Start::Module(0), 2, true),
            ("-Impip install foo", Start::Module(0), 1, true),
            ("-uBsm pip --quiet install foo", Start::Module(0), 2, false),
            ("-W ignore -Xdev -m pip install foo", Start::Module(3), 5, false),
            ("-Wignore -OO -m pip install foo", Start::Module(2), 4, false),
            ("-WE -m pip install foo", Start::Module(1), 3, false),
            ("--check-hash-based-pycs always -m pip install foo", Start::Module(2), 4, false),
            ("-m pip._internal install foo", Start::Module(0), 2, false),
            ("-m pip.__main__ install foo", Start::Module(0), 2, false),
            ("/usr/bin/pip install foo", Start::Script, 1, false),
            ("-s /venv/bin/pip3.11 install foo", Start::Script, 2, false),
            ("-E -- /venv/bin/pip3.11 install foo", Start::Script, 3, true),
            ("/venv/lib/python3.11/site-packages/pip install foo", Start::Script, 1, false),
            ("site-packages/pip/__pip-runner__.py install foo", Start::Script, 1, false),
            ("site-packages/pip/__main__.py install foo", Start::Script, 1, false),
            ("pip.pyz install foo", Start::Script, 1, false),
            ("dist/pip-26.3-py3-none-any.whl/pip install foo", Start::Script, 1, false),
            ("-m runpy pip install foo", Start::Runner, 2, false),
            ("-m cProfile -s time -m pip install foo", Start::Runner, 2, false),
            ("-I -m pdb -c c -m pip install foo", Start::Runner, 3, true),
        ] {
            let expected = PythonCall { manager: ManagerId::Pip, start, arguments, is_isolated };
            assert_eq!(called(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn anything_else_that_python_runs_is_no_manager() {
        for line in [
            "", "-m pipx install foo", "-c pass -m pip install foo", "script.py -m pip install foo",
            "-m venv -m pip install foo", "-V -m pip install foo", "- -m pip install foo", "--version", "-m",
            "-X", "pipx.pyz install foo", "pip-26.3.tar.gz install foo", "-m cProfile script.py",
            "-m json.tool pip", "/usr/bin/npm install foo", "npm-cli.js install foo", "-m npm install foo",
            "--",
        ] {
            assert_eq!(called(line), None, "{line}");
        }
    }
}
