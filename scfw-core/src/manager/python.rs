//! A Python runs a manager as a module or by its script.

use std::borrow::Cow;

use scfw_programs::{Start, python_call};

use super::{Arguments, Install, Invocation, Launch, Refusal, Request, manager};

/// An interpreter that ignores its environment runs a manager otherwise than by `-m`, which alone can be given the gate.
const ISOLATED: Refusal = Refusal(
    "with -I, -E or -S this interpreter keeps scfw's gate out of the manager's script; name the manager itself by \"-m\" \
     instead",
);

/// The meaning of a Python with `arguments`.
pub(super) fn classify(arguments: &[Cow<'_, str>]) -> Invocation {
    let Some(call) = python_call(&Arguments(arguments), 0) else { return Invocation::Passthrough };
    let rest = arguments.get(call.arguments..).unwrap_or_default();
    let mut invocation = match call.start {
        Start::Runner => Install::new(call.manager, Request::Unknown).into(),
        Start::Module(_) | Start::Script => manager(call.manager).classify(call.manager.name(), rest),
    };
    if let Invocation::Install(install) = &mut invocation
        && call.is_isolated
    {
        match call.start {
            Start::Module(option) => {
                install.launch = Launch::Bootstrapped { option, arguments: call.arguments };
            }
            Start::Script | Start::Runner => install.refusal = Some(ISOLATED),
        }
    }
    invocation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installs(line: &str) -> Option<Install> {
        let arguments: Vec<_> = line.split_whitespace().map(Cow::from).collect();
        match classify(&arguments) {
            Invocation::Install(install) => Some(*install),
            Invocation::Passthrough => None,
        }
    }

    #[test]
    fn what_a_python_runs_is_classified_by_its_manager() {
        for line in [
            "-m pip install foo", "-s /venv/bin/pip3.11 install foo", "-P -m pip download foo",
            "-m runpy pip install foo",
        ] {
            assert!(installs(line).is_some(), "{line}");
        }
        for line in ["", "-m pip", "-m pip list", "/venv/bin/pip list", "-m venv -m pip install foo"] {
            assert_eq!(installs(line), None, "{line}");
        }
    }

    #[test]
    fn a_script_of_pips_in_an_isolated_interpreter_is_refused() {
        let refusal = |line: &str| installs(line).unwrap().refusal;
        for line in [
            "-I /venv/bin/pip install foo", "-E -- site-packages/pip install foo",
            "-I -m cProfile -m pip install foo",
        ] {
            assert_eq!(refusal(line), Some(ISOLATED), "{line}");
        }
        assert_eq!(refusal("/venv/bin/pip install foo"), None);
    }

    #[test]
    fn an_interpreter_that_ignores_its_environment_is_told() {
        let launch = |line: &str| installs(line).unwrap().launch;
        assert_eq!(launch("-m pip install foo"), Launch::AsTyped);
        assert_eq!(launch("-I -m pip install foo"), Launch::Bootstrapped { option: 1, arguments: 3 });
        assert_eq!(launch("-X utf8 -sEmpip install foo"), Launch::Bootstrapped { option: 2, arguments: 3 });
        assert_eq!(launch("-Sm pip install foo"), Launch::Bootstrapped { option: 0, arguments: 2 });
    }
}
