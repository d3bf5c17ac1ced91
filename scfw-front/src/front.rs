//! The decision: become the real program, or hand over to scfw.

use core::convert::Infallible;
use core::ffi::{CStr, c_char, c_int};

use scfw_programs::{HANDED_OVER, Runs, base_name, certainly_installs_nothing, named};

use crate::environment::{self, Changes};
use crate::locate::{PATH_MAX, locate};
use crate::strings::{Strings, Text};
use crate::system;

/// The exit status where nothing can be verified.
pub(crate) const UNVERIFIED: c_int = 69;
/// The name of this program.
const OWN_NAME: &[u8] = b"scfw-hook";
/// Variables under which a command is more than what was typed: the preload library brings it, or an armed manager has
/// started it.
const CONTEXT: [&[u8]; 2] = [b"SCFW_SHIM_CALL", b"SCFW_GATE_VERIFIER"];
/// The type of the kernel's entry that holds the path of this program as it was given to execve.
const AT_EXECFN: usize = 31;

/// What the kernel gives.
#[derive(Clone, Copy)]
pub(crate) struct Start {
    pub(crate) arguments: *const *const c_char,
    pub(crate) environment: *const *const c_char,
}

/// Runs the program; returns the exit status where no other program takes over.
///
/// # Safety
///
/// Both are arrays of strings, each with a null pointer at its end, that live as long as the process.
pub(crate) unsafe fn run(start: Start) -> c_int {
    // SAFETY: as the caller promises.
    let (words, environment) = unsafe { (Strings::new(start.arguments), Strings::new(start.environment)) };
    // It returns where the command is not certain to install nothing.
    let _not_certain: Option<Infallible> = become_program(words, environment);
    let _not_there: Option<Infallible> = hand_over(words, environment);
    system::say(b"scfw: scfw is not beside scfw-hook, so nothing could be checked; install scfw again\n");
    UNVERIFIED
}

/// Becomes the real program, if the command certainly installs nothing. Returns where it is not certain, or fails.
fn become_program(words: Strings, environment: Strings) -> Option<Infallible> {
    if CONTEXT.iter().any(|name| environment::look_up(environment, name).is_some()) {
        return None;
    }
    let called = base_name(words.get(0)?.to_bytes());
    // Through a link with the name of a program, the user typed that name.
    let command = if called == OWN_NAME { words.without_first(1) } else { words };
    let typed = command.get(0)?;
    let name = if called == OWN_NAME { typed } else { last_component(typed) };
    let program = named(name.to_bytes())?;
    if !certainly_installs_nothing(program, &command, 1) {
        return None;
    }
    let located = locate(name.to_bytes(), environment::look_up(environment, b"PATH"))?;
    let path = located.path.as_c_str()?;
    // Python looks itself up on PATH by its name; behind a shim it would find the shim.
    let first = if located.behind_ours { path } else { name };
    let is_manager = matches!(program.runs, Runs::Manager(_));
    let changes = Changes::new(environment, path, is_manager)?;
    let variables = changes.made_to(environment, own_file(environment))?;
    let words = behind(first, command.without_first(1))?;
    // SAFETY: both arrays are of strings and end with a null pointer.
    unsafe { system::execute(path, words, variables) };
    None
}

/// The string without what stands in front of its last slash.
fn last_component(text: &'static CStr) -> &'static CStr {
    let bytes = text.to_bytes_with_nul();
    let start = bytes.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    bytes.get(start..).and_then(|rest| CStr::from_bytes_with_nul(rest).ok()).unwrap_or(text)
}

/// Replaces this process by the `scfw` beside it, which gets the words behind one that says so.
fn hand_over(words: Strings, environment: Strings) -> Option<Infallible> {
    let mut room = [0; PATH_MAX];
    let own = system::own_path(&mut room)?;
    let folder = own.get(..own.len() - base_name(own).len())?;
    let scfw: Text<PATH_MAX> = Text::of(&[folder, b"scfw"])?;
    let scfw = scfw.as_c_str()?;
    let words = behind(HANDED_OVER, words)?;
    // SAFETY: both arrays are of strings and end with a null pointer.
    unsafe { system::execute(scfw, words, environment.pointer()) };
    None
}

/// An array of `first` and, behind it, `rest`.
fn behind(first: &CStr, rest: Strings) -> Option<*const *const c_char> {
    // Two more: the first, and the null pointer at the end.
    let words = system::pointers(rest.iter().count() + 2)?;
    let (place, places) = words.split_first_mut()?;
    *place = first.as_ptr();
    for (place, word) in places.iter_mut().zip(rest.iter()) {
        *place = word.as_ptr();
    }
    Some(words.as_ptr())
}

/// The file of this process as it was given to execve, which the kernel leaves behind the environment.
#[cfg(target_os = "linux")]
fn own_file(environment: Strings) -> Option<&'static CStr> {
    let count = environment.iter().count();
    // SAFETY: behind the null pointer of the environment stand pairs of numbers, up to one of type 0.
    unsafe {
        let mut pair = environment.pointer().add(count + 1).cast::<usize>();
        while *pair != 0 {
            if *pair == AT_EXECFN {
                return Some(CStr::from_ptr(*pair.add(1).cast::<*const c_char>()));
            }
            pair = pair.add(2);
        }
    }
    None
}

#[cfg(not(target_os = "linux"))]
fn own_file(_environment: Strings) -> Option<&'static CStr> {
    None
}
