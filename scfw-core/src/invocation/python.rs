//! `python` runs pip when its arguments mean `-m pip` or name pip's own script or folder. Options of the
//! interpreter come first, may be clustered (`-Im pip`) and may carry their value with them (`-Wignore`).

use std::borrow::Cow;
use std::path::Path;

use super::{Invocation, Program, PythonModule, Refusal, pip};

pub(super) fn classify(arguments: &[Cow<'_, str>]) -> Invocation {
    let mut ignores_environment = false;
    let mut index = 0;
    while let Some(argument) = arguments.get(index) {
        let Some(cluster) = argument.strip_prefix('-').filter(|cluster| !cluster.is_empty()) else {
            return isolated(classify_script(argument, &arguments[index + 1..]), ignores_environment);
        };
        if let Some(long) = cluster.strip_prefix('-') {
            match long {
                "" => {
                    let script = arguments.get(index + 1).map_or("", |script| script.as_ref());
                    let rest = arguments.get(index + 2..).unwrap_or_default();
                    return isolated(classify_script(script, rest), ignores_environment);
                }
                "check-hash-based-pycs" => index += 2,
                // `--help…` and `--version` print and end, as does an option that Python does not know.
                _ if long.starts_with("check-hash-based-pycs=") => index += 1,
                _ => return Invocation::Passthrough,
            }
            continue;
        }
        let mut takes_next = false;
        for (position, flag) in cluster.char_indices() {
            let attached = &cluster[position + flag.len_utf8()..];
            match flag {
                'E' | 'I' | 'S' => ignores_environment = true,
                'V' | 'h' | '?' | 'c' => return Invocation::Passthrough,
                'W' | 'X' => {
                    takes_next = attached.is_empty();
                    break;
                }
                'm' => {
                    let (module, rest) = if attached.is_empty() {
                        (arguments.get(index + 1).map_or("", |module| module.as_ref()), index + 2)
                    } else {
                        (attached, index + 1)
                    };
                    if !is_pip_module(module) {
                        return classify_runner(module, arguments.get(rest..).unwrap_or_default());
                    }
                    let mut invocation = pip::classify(arguments.get(rest..).unwrap_or_default());
                    if let Invocation::Install(install) = &mut invocation
                        && ignores_environment
                    {
                        install.module = Some(PythonModule { option: index, arguments: rest });
                    }
                    return invocation;
                }
                _ => {}
            }
        }
        index += if takes_next { 2 } else { 1 };
    }
    Invocation::Passthrough
}

/// `python -m cProfile -m pip …`: modules of the standard library, and the usual ones beside it, that run another.
/// Where their own options end is theirs to know, so any mention of pip counts.
fn classify_runner(module: &str, arguments: &[Cow<'_, str>]) -> Invocation {
    const RUNNERS: [&str; 8] =
        ["runpy", "cProfile", "profile", "pdb", "trace", "timeit", "coverage", "debugpy"];
    let runs_pip = RUNNERS.contains(&module) && arguments.iter().any(|argument| is_pip_module(argument));
    if runs_pip { pip::unscreened() } else { Invocation::Passthrough }
}

fn is_pip_module(module: &str) -> bool {
    module == "pip" || module.starts_with("pip.")
}

/// pip's script under an interpreter that ignores its environment: only `-m pip` can be given the gate.
fn isolated(mut invocation: Invocation, ignores_environment: bool) -> Invocation {
    if let Invocation::Install(install) = &mut invocation
        && ignores_environment
    {
        install.refusal = Some(Refusal::IsolatedScript);
    }
    invocation
}

/// `python /some/bin/pip …`, `python …/site-packages/pip …`, `python pip-26.3.pyz …` and the runner that pip starts itself with.
fn classify_script(script: &str, arguments: &[Cow<'_, str>]) -> Invocation {
    let name = Path::new(script).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let runs_pip = match name {
        "__pip-runner__.py" => true,
        "__main__.py" => Path::new(script).parent().is_some_and(|parent| parent.ends_with("pip")),
        _ => Program::from_name(name) == Some(Program::Pip),
    };
    if runs_pip { pip::classify(arguments) } else { Invocation::Passthrough }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installs(line: &str) -> bool {
        let arguments: Vec<_> = line.split_whitespace().map(Cow::from).collect();
        matches!(classify(&arguments), Invocation::Install(_))
    }

    #[test]
    fn pip_is_found_behind_the_interpreters_options() {
        for line in [
            "-m pip install foo",
            "-mpip install foo",
            "-I -X utf8 -m pip install foo",
            "-Im pip install foo",
            "-Impip install foo",
            "-uBsm pip --quiet install foo",
            "-W ignore -Xdev -m pip install foo",
            "-Wignore -OO -m pip install foo",
            "--check-hash-based-pycs always -m pip install foo",
            "-m pip._internal install foo",
            "-P -m pip download foo",
            "/usr/bin/pip install foo",
            "-s /venv/bin/pip3.11 install foo",
            "/venv/lib/python3.11/site-packages/pip install foo",
            "site-packages/pip/__pip-runner__.py install foo",
            "site-packages/pip/__main__.py install foo",
            "-m pip.__main__ install foo",
            "pip.pyz install foo",
            "-s ./pip-26.3.pyz install foo",
            "dist/pip-26.3-py3-none-any.whl/pip install foo",
        ] {
            assert!(installs(line), "{line}");
        }
    }

    #[test]
    fn anything_else_that_python_runs_is_not_an_install() {
        for line in [
            "", "-m pip", "-m pip list", "-m pipx install foo", "-c pass -m pip install foo",
            "script.py -m pip install foo", "-m venv -m pip install foo", "-V -m pip install foo",
            "- -m pip install foo", "--version", "-m", "-X", "pipx.pyz install foo",
            "pip-26.3.tar.gz install foo",
        ] {
            assert!(!installs(line), "{line}");
        }
    }

    #[test]
    fn a_module_that_runs_pip_is_pip() {
        for line in [
            "-m runpy pip install foo", "-m cProfile -s time -m pip install foo",
            "-m pdb -c c -m pip install foo",
        ] {
            assert!(installs(line), "{line}");
        }
        assert!(!installs("-m cProfile script.py") && !installs("-m json.tool pip"));
    }

    #[test]
    fn a_script_of_pips_in_an_isolated_interpreter_is_refused() {
        let refusal = |line: &str| {
            let arguments: Vec<_> = line.split_whitespace().map(Cow::from).collect();
            match classify(&arguments) {
                Invocation::Install(install) => install.refusal,
                Invocation::Passthrough => panic!("{line} is an install"),
            }
        };
        assert_eq!(refusal("-I /venv/bin/pip install foo"), Some(Refusal::IsolatedScript));
        assert_eq!(refusal("-E -- site-packages/pip install foo"), Some(Refusal::IsolatedScript));
        assert_eq!(refusal("/venv/bin/pip install foo"), None);
    }

    #[test]
    fn an_interpreter_that_ignores_its_environment_is_told() {
        let module = |line: &str| {
            let arguments: Vec<_> = line.split_whitespace().map(Cow::from).collect();
            match classify(&arguments) {
                Invocation::Install(install) => install.module,
                Invocation::Passthrough => panic!("{line} is an install"),
            }
        };
        assert_eq!(module("-m pip install foo"), None);
        assert_eq!(module("-I -m pip install foo"), Some(PythonModule { option: 1, arguments: 3 }));
        assert_eq!(module("-X utf8 -sEmpip install foo"), Some(PythonModule { option: 2, arguments: 3 }));
        assert_eq!(module("-Sm pip install foo"), Some(PythonModule { option: 0, arguments: 2 }));
    }
}
