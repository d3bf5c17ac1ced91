//! The command for people.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(scfw_hook::commands::main())
}
