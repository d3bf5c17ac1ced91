//! The other end of the preload library: the variables that it sets, and those that it is given.

use std::ffi::{CString, OsStr};

use scfw_core::env;

use crate::process::Process;
use crate::process::exec::c_string;

/// Takes the library's words about this call out of the environment, so that nothing inherits them.
#[must_use]
pub fn take_call(process: &Process) -> Option<CString> {
    let noticed = process.variable(env::SCFW_SHIM_CALL)?;
    process.remove_variable(env::SCFW_SHIM_CALL);
    Some(c_string(&noticed))
}

/// Lets this process pass from now on if it is under the library: it becomes the real program, perhaps by way of a
/// script or two. Its children have other numbers.
pub(crate) fn let_pass(process: &Process) {
    if process.variable(env::SCFW_SHIM_HOOK).is_some() {
        let own = std::process::id().to_string();
        process.set_variable(env::SCFW_SHIM_PASS, OsStr::new(&own));
    }
}

/// Takes the pass away, if there is one: this process becomes no manager yet, and may become one later.
pub(crate) fn let_nothing_pass(process: &Process) {
    if process.variable(env::SCFW_SHIM_PASS).is_some() {
        process.remove_variable(env::SCFW_SHIM_PASS);
    }
}
