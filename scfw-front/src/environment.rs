//! The environment of the program that takes over: the one of this process, but for what tells a program its own file and
//! what tells the preload library that it may pass.

use core::ffi::{CStr, c_char};

use crate::locate::PATH_MAX;
use crate::strings::{Strings, Text, decimal};
use crate::system;

/// The variable in which the preload library finds scfw-hook; it is set where the library is in use.
const SHIM_HOOK: &[u8] = b"SCFW_SHIM_HOOK";
/// The variable by which the preload library lets a process pass.
const SHIM_PASS: &[u8] = b"SCFW_SHIM_PASS";
/// The variable in which bash and zsh tell a program its own file.
const OWN_FILE: &[u8] = b"_";

/// The value of a variable.
pub(crate) fn value<'a>(variable: &'a CStr, name: &[u8]) -> Option<&'a [u8]> {
    variable.to_bytes().strip_prefix(name)?.strip_prefix(b"=")
}

/// The value of the first variable of that name.
pub(crate) fn look_up(environment: Strings, name: &[u8]) -> Option<&'static [u8]> {
    environment.iter().find_map(|variable| value(variable, name))
}

/// What takes the place of variables in the environment of the program that takes over.
pub(crate) struct Changes {
    own_file: Text<{ PATH_MAX + 2 }>,
    pass: Option<Text<64>>,
}

impl Changes {
    /// Those for the program at `path`. With `is_manager` the preload library would bring it back here, so it gets a pass.
    pub(crate) fn new(environment: Strings, path: &CStr, is_manager: bool) -> Option<Self> {
        let mut digits = [0; 10];
        let is_under_library = look_up(environment, SHIM_HOOK).is_some();
        let pass = if is_manager && is_under_library {
            Some(Text::of(&[SHIM_PASS, b"=", decimal(system::process(), &mut digits)])?)
        } else {
            None
        };
        Some(Self { own_file: Text::of(&[OWN_FILE, b"=", path.to_bytes()])?, pass })
    }

    /// `environment` with these changes. `told` is the file of this process, as a shell may have told it.
    pub(crate) fn made_to(&self, environment: Strings, told: Option<&CStr>) -> Option<*const *const c_char> {
        // One more for the pass, and one for the null pointer at the end.
        let variables = system::pointers(environment.iter().count() + 2)?;
        let own_file = self.own_file.as_c_str()?;
        let kept =
            environment.iter().filter(|variable| value(variable, SHIM_PASS).is_none()).map(|variable| {
                let is_own = told.is_some_and(|told| value(variable, OWN_FILE) == Some(told.to_bytes()));
                if is_own { own_file } else { variable }
            });
        let pass = self.pass.as_ref().and_then(Text::as_c_str);
        for (place, variable) in variables.iter_mut().zip(kept.chain(pass)) {
            *place = variable.as_ptr();
        }
        Some(variables.as_ptr())
    }
}
