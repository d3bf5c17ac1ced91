//! The entry of scfw-hook: `scfw-hook NAME ARG…`, or a call through a link with such a name. `scfw-hook verify` is
//! the gates' other end. The preload library runs it with the `argv` of another program, and says so in the
//! environment.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::exit::Exit;
use crate::gate::verify;
use crate::process::Process;
use crate::record::sender;
use crate::route::call::Call;
use crate::route::{preload, route, subshell};
use crate::terminal::output::{self, ignore_broken_pipes};

const USAGE: &str = "usage: scfw-hook PROGRAM [ARGUMENT...]\n       \
    scfw-hook verify < DOCUMENT\n\nThis is the program behind scfw's shell functions and gates. For people: scfw --help\n";

/// Carries out the words of scfw-hook's command line, the first of which is its own name. Returns the exit status if
/// no other program takes over.
#[must_use]
pub fn run(arguments: &[&CStr]) -> Exit {
    let process = &Process::System;
    if let Some(noticed) = preload::take_call(process)
        && let Some(call) = Call::noticed(&noticed, arguments)
    {
        return route(process, &call);
    }
    let Some((own, rest)) = arguments.split_first() else { return usage() };
    let own_name = Path::new(OsStr::from_bytes(own.to_bytes())).file_name().unwrap_or_default();
    if own_name != "scfw-hook" {
        // A link with the name of a program: the user typed that name.
        let name = own.to_bytes_with_nul();
        let start = own.to_bytes().iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let name = name.get(start..).and_then(|name| CStr::from_bytes_with_nul(name).ok()).unwrap_or(own);
        return route(process, &Call::typed(name, rest));
    }
    match rest.split_first() {
        None => usage(),
        Some((first, [])) if *first == c"verify" => {
            // A report that nobody reads any more must not end this process before the verdict.
            ignore_broken_pipes();
            verify::run(process)
        }
        Some((first, [])) if matches!(first.to_bytes(), b"--help" | b"-h") => {
            output::write(USAGE);
            Exit::Success
        }
        Some((first, [])) if matches!(first.to_bytes(), b"--version" | b"-V") => {
            output::write(concat!("scfw-hook ", env!("CARGO_PKG_VERSION"), "\n"));
            Exit::Success
        }
        Some((first, [number, _data])) if first.to_bytes() == sender::COMMAND.as_bytes() => {
            ignore_broken_pipes();
            let accompanied = number.to_str().ok().and_then(|number| number.parse().ok());
            accompanied.map_or_else(usage, |accompanied| sender::run(process, accompanied))
        }
        Some((first, [number, name, arguments @ ..])) if *first == subshell::OPTION => {
            subshell::end_with(number);
            route(process, &Call::typed(name, arguments))
        }
        Some((name, arguments)) => route(process, &Call::typed(name, arguments)),
    }
}

fn usage() -> Exit {
    output::write(USAGE);
    Exit::Usage
}
