//! The way of a call: a manager's call goes to scfw-hook, any other goes on to libc at once.

use core::ffi::{CStr, c_char, c_int};

use crate::environment::{self, PASS};
use crate::host::{self, PATH_MAX, Strings, string_at};
use crate::text::Text;
use crate::{hand_over, message, resolve};
use scfw_programs::{Words, recognise};

/// The way in which a call starts its program, which decides how it fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The program takes the place of this process: -1 and errno.
    Exec,
    /// The program runs in a child: errno is the result.
    Spawn {
        /// Whether something may change the child's working directory before.
        has_actions: bool,
    },
}

/// A call of one of libc's functions.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    pub(crate) kind: Kind,
    pub(crate) file: *const c_char,
    /// Whether a file without a slash is looked for on `PATH`.
    pub(crate) is_searched: bool,
    pub(crate) argv: Strings,
    pub(crate) envp: Strings,
}

struct Argv(Strings);

impl Words for Argv {
    fn get(&self, index: usize) -> Option<&[u8]> {
        // SAFETY: `recognise` asks for a word only after the one before it.
        unsafe { string_at(self.0, index) }.map(CStr::to_bytes)
    }
}

/// Follows `call` if it is one of ours: `start` runs the given program with the given environment and the caller's
/// own argv. None if the call is libc's to make. errno stays what it was, unless an exec has failed.
///
/// # Safety
///
/// The pointers are those that libc's function takes.
pub(crate) unsafe fn follow(
    call: Call,
    start: impl FnOnce(*const c_char, Strings) -> c_int,
) -> Option<c_int> {
    if call.file.is_null() {
        return None;
    }
    // SAFETY: libc's functions take a string with its end.
    let file = unsafe { CStr::from_ptr(call.file) };
    let index = recognise(file.to_bytes(), &Argv(call.argv))?;
    let errno = host::errno();
    // SAFETY: as the caller promises.
    let result = unsafe { follow_ours(call, file, index, start) };
    if result.is_none() || call.kind != Kind::Exec {
        host::set_errno(errno);
    }
    result
}

#[inline(never)]
unsafe fn follow_ours(
    call: Call,
    file: &CStr,
    index: usize,
    start: impl FnOnce(*const c_char, Strings) -> c_int,
) -> Option<c_int> {
    // SAFETY: libc's functions take such an array.
    if call.kind == Kind::Exec && unsafe { may_pass(call.envp) } {
        return None;
    }
    let mut room = [0; PATH_MAX];
    let path = if call.is_searched && !file.to_bytes().contains(&b'/') {
        // SAFETY: the environment of the process is such an array.
        let path = unsafe { environment::variable(host::environment(), b"PATH") };
        resolve::search(file.to_bytes(), path.map(CStr::to_bytes), &mut room)?
    } else {
        // The meaning of a relative path in the child cannot be told here, so scfw-hook has to tell it.
        let is_certain = call.kind != Kind::Spawn { has_actions: true } || file.to_bytes().starts_with(b"/");
        if is_certain && !resolve::runs(file) {
            return None;
        }
        file
    };
    let hook = environment::hook();
    let Some(hook) = hook.filter(|hook| host::is_executable(hook)) else {
        return Some(refused(call.kind, file, hook));
    };
    // SAFETY: libc's functions take such an array.
    let result =
        unsafe { hand_over::with_environment(path, index, call.envp, |envp| start(hook.as_ptr(), envp)) };
    let Some(result) = result else { return Some(failed(call.kind, host::ENOMEM)) };
    let failure = if call.kind == Kind::Exec { host::errno() } else { result };
    // The caller would take this for a script without an interpreter, and run the manager's own file as one.
    Some(if failure == host::ENOEXEC { refused(call.kind, file, Some(hook)) } else { result })
}

fn refused(kind: Kind, file: &CStr, hook: Option<&CStr>) -> c_int {
    message::refuse(file, hook);
    failed(kind, host::EPERM)
}

fn failed(kind: Kind, errno: c_int) -> c_int {
    match kind {
        Kind::Exec => {
            host::set_errno(errno);
            -1
        }
        Kind::Spawn { .. } => errno,
    }
}

/// Whether this very process comes from scfw-hook, which has decided about it.
///
/// # Safety
///
/// `envp` is null or an array of strings that ends with a null pointer.
unsafe fn may_pass(envp: Strings) -> bool {
    let mut room = [0; 24];
    let mut own = Text::new(&mut room);
    own.push_number(usize::try_from(host::process()).unwrap_or_default());
    // SAFETY: as the caller promises.
    unsafe { environment::variable(envp, PASS) }.is_some_and(|process| process.to_bytes() == own.bytes())
}
