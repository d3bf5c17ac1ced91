//! The router: `scfw-hook NAME ARG…`, or called through a link with such a name. `scfw-hook verify` is the gates'
//! other end. The preload library runs it with the `argv` of another program, and says so in the environment.
//!
//! There is no Rust `main`: the runtime would change how signals are handled before the first line of ours runs,
//! and the program that takes over would inherit that.
#![no_main]

use std::ffi::{CStr, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use scfw_hook::gate::verify;
use scfw_hook::record::sender;
use scfw_hook::route;
use scfw_hook::route::call::Call;
use scfw_hook::route::preload;
use scfw_hook::route::subshell;
use scfw_hook::status;
use scfw_hook::terminal::output;

const USAGE: &str = "usage: scfw-hook PROGRAM [ARGUMENT...]\n       \
    scfw-hook verify < DOCUMENT\n\nThis is the program behind scfw's shell functions and gates. For people: scfw --help\n";

/// The C entry point.
///
/// # Safety
///
/// `arguments` points to `count` strings that live as long as the process, as the C runtime gives them.
#[expect(unsafe_code, reason = "the entry point that C calls has to carry its name unmangled")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(count: c_int, arguments: *const *const c_char) -> c_int {
    let count = usize::try_from(count).unwrap_or_default();
    let argument = |index| {
        // SAFETY: `index` is below `count`, and each pointer is to a string, as the caller promises.
        unsafe { CStr::from_ptr(*arguments.add(index)) }
    };
    run(&(0..count).map(argument).collect::<Vec<_>>())
}

fn run(arguments: &[&CStr]) -> c_int {
    if let Some(noticed) = preload::take_call()
        && let Some(call) = Call::noticed(&noticed, arguments)
    {
        return route::route(&call);
    }
    let Some((own, rest)) = arguments.split_first() else { return usage() };
    let own_name = Path::new(OsStr::from_bytes(own.to_bytes())).file_name().unwrap_or_default();
    if own_name != "scfw-hook" {
        // A link with the name of a program: the user typed that name.
        let name = own.to_bytes_with_nul();
        let start = own.to_bytes().iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let name = name.get(start..).and_then(|name| CStr::from_bytes_with_nul(name).ok()).unwrap_or(own);
        return route::route(&Call::typed(name, rest));
    }
    match rest.split_first() {
        None => usage(),
        Some((first, [])) if *first == c"verify" => {
            // A report nobody reads any more must not end this process before the verdict.
            ignore_broken_pipes();
            verify::run()
        }
        Some((first, [])) if matches!(first.to_bytes(), b"--help" | b"-h") => {
            output::write(USAGE);
            status::OK
        }
        Some((first, [])) if matches!(first.to_bytes(), b"--version" | b"-V") => {
            output::write(concat!("scfw-hook ", env!("CARGO_PKG_VERSION"), "\n"));
            status::OK
        }
        Some((first, [process, _data])) if first.to_bytes() == sender::COMMAND.as_bytes() => {
            ignore_broken_pipes();
            process.to_str().ok().and_then(|process| process.parse().ok()).map_or_else(usage, sender::run)
        }
        Some((first, [number, name, arguments @ ..])) if *first == subshell::OPTION => {
            subshell::end_with(number);
            route::route(&Call::typed(name, arguments))
        }
        Some((name, arguments)) => route::route(&Call::typed(name, arguments)),
    }
}

fn ignore_broken_pipes() {
    #[expect(unsafe_code, reason = "ignoring a signal installs no handler that could misbehave")]
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
    }
}

fn usage() -> c_int {
    output::write(USAGE);
    status::USAGE
}
