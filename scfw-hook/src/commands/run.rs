//! `scfw run`: one command through the firewall. The options reach the gates as environment variables.

use std::ffi::{CStr, CString};

use scfw_core::env;
use scfw_core::text::sanitise;

use super::{Run, misuse};
use crate::route::call::Call;
use crate::route::exec::c_string;
use crate::route::route;

pub(super) fn run(options: &Run) -> i32 {
    let words: Vec<CString> = options.command.iter().map(|word| c_string(word)).collect();
    let words: Vec<&CStr> = words.iter().map(CString::as_c_str).collect();
    let Some((name, arguments)) = words.split_first() else { return misuse("no command is given") };
    let call =
        Call { name, arguments, executable: options.executable.as_deref(), leading: &[], is_explicit: true };
    if call.program().is_none() {
        return misuse(&format!(
            "{} is not a program that scfw knows: it runs pip, python -m pip, npm and npx",
            sanitise(&call.name().to_string_lossy())
        ));
    }
    let on_warning = match (options.allow_on_warning, options.block_on_warning) {
        (true, _) => Some("ALLOW"),
        (false, true) => Some("BLOCK"),
        (false, false) => None,
    };
    let settings = [
        (env::SCFW_ON_WARNING, on_warning),
        (env::SCFW_DRY_RUN, options.dry_run.then_some("1")),
        (env::SCFW_ALLOW_UNSUPPORTED, options.allow_unsupported.then_some("1")),
    ];
    for (variable, value) in settings {
        if let Some(value) = value {
            #[expect(unsafe_code, reason = "no other thread is running that could read the environment")]
            unsafe {
                std::env::set_var(variable, value);
            }
        }
    }
    // Rust's runtime ignores SIGPIPE, which the program that takes over would inherit.
    #[expect(unsafe_code, reason = "the default disposition installs no handler that could misbehave")]
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
    route(&call)
}
