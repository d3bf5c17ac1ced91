//! The variables that name the hook and this library, remembered when the library is loaded: a host may have cleared
//! its environment by the time it calls a manager. The look-up of a variable in any environment is here too.

use core::cell::UnsafeCell;
use core::ffi::CStr;

use crate::host::{self, Strings, string_at};
use crate::text::Text;

/// Names scfw-hook, by an absolute path.
pub(crate) const HOOK: &[u8] = b"SCFW_SHIM_HOOK";
/// Tells scfw-hook the call.
pub(crate) const CALL: &[u8] = b"SCFW_SHIM_CALL";
/// Names the process whose calls scfw-hook has seen already.
pub(crate) const PASS: &[u8] = b"SCFW_SHIM_PASS";
/// The loader's list.
pub(crate) const PRELOAD: &[u8] = b"LD_PRELOAD";
const LIBRARY: &[u8] = b"libscfw_shim.so";

/// The longest variable that is kept. Longer paths are not worth a page in every process.
const LONGEST: usize = 1024;

/// A variable as it stands in an environment, written once before the host's own code runs.
struct Kept(UnsafeCell<[u8; LONGEST]>);

// SAFETY: it is written by the loader's call alone, before there is a second thread.
unsafe impl Sync for Kept {}

static KEPT_HOOK: Kept = Kept(UnsafeCell::new([0; LONGEST]));
static KEPT_PRELOAD: Kept = Kept(UnsafeCell::new([0; LONGEST]));

impl Kept {
    /// Keeps `name=value`, or nothing if that does not fit.
    ///
    /// # Safety
    ///
    /// No other code uses it meanwhile.
    unsafe fn keep(&self, name: &[u8], value: &[u8]) {
        // SAFETY: as the caller promises.
        let room = unsafe { &mut *self.0.get() };
        let mut text = Text::new(room);
        text.push(name).push(b"=").push(value);
        if text.finish().is_none() {
            *room = [0; LONGEST];
        }
    }

    fn variable(&self) -> Option<&CStr> {
        // SAFETY: nothing writes any more.
        let bytes = unsafe { &*self.0.get() };
        CStr::from_bytes_until_nul(bytes).ok().filter(|variable| !variable.is_empty())
    }
}

/// Remembers the variables that this process was started with.
///
/// # Safety
///
/// Called by the loader and by nothing else.
pub(crate) unsafe fn remember() {
    let environment = host::environment();
    // SAFETY: this is the environment that the process was started with, and no other code runs yet.
    unsafe {
        if let Some(hook) = variable(environment, HOOK) {
            KEPT_HOOK.keep(HOOK, hook.to_bytes());
        }
        if let Some(own) =
            variable(environment, PRELOAD).and_then(|list| entries(list.to_bytes()).find(is_own))
        {
            KEPT_PRELOAD.keep(PRELOAD, own);
        }
    }
}

/// The variable that names the hook, whole.
pub(crate) fn hook_variable() -> Option<&'static CStr> {
    KEPT_HOOK.variable()
}

/// scfw-hook; none if no absolute path is known.
pub(crate) fn hook() -> Option<&'static CStr> {
    value_of(hook_variable()?, HOOK).filter(|path| path.to_bytes().starts_with(b"/"))
}

/// The variable that loads this library and nothing else; none if it was loaded by other means.
pub(crate) fn preload_variable() -> Option<&'static CStr> {
    KEPT_PRELOAD.variable()
}

/// Whether a loader's list loads this library.
pub(crate) fn loads_library(list: &[u8]) -> bool {
    entries(list).any(|entry| is_own(&entry))
}

/// Whether a loader's list loads the runtime of a sanitizer, by the names of GCC and of LLVM.
pub(crate) fn has_sanitizer(list: &[u8]) -> bool {
    let names: [&[u8]; 6] =
        [b"libasan.", b"libhwasan.", b"liblsan.", b"libtsan.", b"libubsan.", b"libclang_rt."];
    entries(list)
        .filter_map(|entry| entry.rsplit(|byte| *byte == b'/').next())
        .any(|file| names.iter().any(|name| file.starts_with(name)))
}

fn is_own(entry: &&[u8]) -> bool {
    entry.strip_suffix(LIBRARY).is_some_and(|folder| folder.is_empty() || folder.ends_with(b"/"))
}

fn entries(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| matches!(byte, b':' | b' '))
}

/// The value of `variable`, if that is `name`'s.
pub(crate) fn value_of<'a>(variable: &'a CStr, name: &[u8]) -> Option<&'a CStr> {
    let value = variable.to_bytes_with_nul().strip_prefix(name)?.strip_prefix(b"=")?;
    CStr::from_bytes_with_nul(value).ok()
}

/// The value of the variable `name`; the first counts, as for libc.
///
/// # Safety
///
/// `environment` is null or an array of strings that ends with a null pointer and outlives the result.
pub(crate) unsafe fn variable<'a>(environment: Strings, name: &[u8]) -> Option<&'a CStr> {
    let mut index = 0;
    // SAFETY: no index is behind the null pointer.
    while let Some(variable) = unsafe { string_at(environment, index) } {
        if let Some(value) = value_of(variable, name) {
            return Some(value);
        }
        index += 1;
    }
    None
}
