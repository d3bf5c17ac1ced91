//! The one thing that this library ever says: that it refuses, and how to go on.

use core::ffi::CStr;

use crate::host;
use crate::text::Text;

/// Says that `program` is not started because `hook` cannot be.
pub(crate) fn refuse(program: &CStr, hook: Option<&CStr>) {
    let mut room = [0; 1024];
    let mut text = Text::new(&mut room);
    text.push(b"scfw: ");
    match hook {
        Some(hook) => push_printable(text.push(b"scfw-hook cannot be run as "), hook),
        None => {
            text.push(b"SCFW_SHIM_HOOK does not name scfw-hook");
        }
    }
    text.push(b", so ");
    push_printable(&mut text, program);
    text.push(b" was not started; install scfw again, or unset LD_PRELOAD to go on without it\n");
    host::complain(text.bytes());
}

/// A character that would move a terminal's cursor is replaced, and a path beyond any sane length is cut off.
fn push_printable(text: &mut Text<'_>, string: &CStr) {
    for byte in string.to_bytes().iter().take(300) {
        text.push(if byte.is_ascii_control() { b"?" } else { core::slice::from_ref(byte) });
    }
}
