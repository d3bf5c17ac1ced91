//! `scfw run`: one command through the firewall. The options reach the gates as environment variables.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::Args;
use scfw_core::env;
use scfw_core::manager::ALL;
use scfw_core::text::sanitise;
use scfw_programs::uncovered;

use super::exit::misuse;
use crate::exit::Exit;
use crate::process::Process;
use crate::process::exec::c_string;
use crate::route::call::Call;
use crate::route::route;
use crate::shells::names;
use crate::terminal::output;

/// What the help shows below the options.
pub(super) fn examples() -> String {
    let examples: Vec<String> = ALL.map(|manager| format!("  scfw run {}\n", manager.example())).into();
    "Examples:\n".to_owned()
        + &examples.concat()
        + "\nExit status: the command's own, or 77 blocked, 76 declined, 69 could not be verified, 78 invalid \
           configuration."
}

/// Options of `scfw run`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct Options {
    /// Verify what would be installed, and install nothing
    #[arg(long)]
    dry_run: bool,
    /// Go on where there are warnings but nothing critical, without asking
    #[arg(long, conflicts_with = "block_on_warning")]
    allow_on_warning: bool,
    /// Stop where there are warnings, without asking
    #[arg(long)]
    block_on_warning: bool,
    /// Let a manager run unverified that is too old for scfw's gate
    #[arg(long)]
    allow_unsupported: bool,
    /// Kept for scripts written for the predecessor; a blocked command is always an error
    #[arg(long, hide = true)]
    error_on_block: bool,
    /// The program to run, instead of the first on PATH
    #[arg(long, value_name = "PATH")]
    executable: Option<PathBuf>,
    /// The command with its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

pub(super) fn run(process: &Process, options: &Options) -> Exit {
    let words: Vec<CString> = options.command.iter().map(|word| c_string(word)).collect();
    let words: Vec<&CStr> = words.iter().map(CString::as_c_str).collect();
    let Some((name, arguments)) = words.split_first() else { return misuse("no command is given") };
    let call =
        Call { name, arguments, executable: options.executable.as_deref(), leading: &[], is_explicit: true };
    if call.program().is_none() {
        let name = call.name().to_string_lossy();
        if let Some(name) = Path::new(name.as_ref()).file_name().and_then(OsStr::to_str).and_then(uncovered) {
            output::say(&format!(
                "{name} is not covered by scfw yet, so what it installs could not be verified and it was not started; \
                 without \"scfw run\" it runs unverified"
            ));
            return Exit::Unverified;
        }
        return misuse(&format!(
            "{} is not a program that scfw knows: it runs {}, by these names and as python -m MODULE",
            sanitise(&name),
            names::managers("and")
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
            process.set_variable(variable, OsStr::new(value));
        }
    }
    // Rust's runtime ignores SIGPIPE, which the program that takes over would inherit.
    #[expect(unsafe_code, reason = "the default disposition installs no handler that could misbehave")]
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
    route(process, &call)
}
