//! The other end of the preload library: what it says in the environment, and what it is told there.

use std::ffi::{CString, OsStr};

use scfw_core::env;

use crate::process::exec::c_string;

/// Takes what the library says about this call out of the environment, so that nothing inherits it.
#[must_use]
pub fn take_call() -> Option<CString> {
    let noticed = std::env::var_os(env::SCFW_SHIM_CALL)?;
    #[expect(unsafe_code, reason = "no other thread is running that could read the environment")]
    unsafe {
        std::env::remove_var(env::SCFW_SHIM_CALL);
    }
    Some(c_string(&noticed))
}

/// Under the library, lets this process pass from now on: it becomes the real program, perhaps by way of a script or
/// two. Its children have other numbers.
pub(crate) fn let_pass() {
    if std::env::var_os(env::SCFW_SHIM_HOOK).is_some() {
        let own = std::process::id().to_string();
        #[expect(unsafe_code, reason = "no other thread is running that could read the environment")]
        unsafe {
            std::env::set_var(env::SCFW_SHIM_PASS, OsStr::new(&own));
        }
    }
}

/// Takes the pass away, if there is one: what this process becomes is no manager, and may become one later.
pub(crate) fn let_nothing_pass() {
    if std::env::var_os(env::SCFW_SHIM_PASS).is_some() {
        #[expect(unsafe_code, reason = "no other thread is running that could read the environment")]
        unsafe {
            std::env::remove_var(env::SCFW_SHIM_PASS);
        }
    }
}
