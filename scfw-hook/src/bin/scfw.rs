//! The command for people, and what scfw-hook hands over.
//!
//! There is no Rust `main`: the runtime would change how signals are handled before the first line of ours runs, and the
//! program that takes over from scfw-hook would inherit that.
#![no_main]

use std::ffi::{CStr, c_char, c_int};
use std::io::{Write, stdout};

use scfw_hook::{commands, route};
use scfw_programs::HANDED_OVER;

/// The C entry point.
///
/// # Safety
///
/// `arguments` points to `count` strings that live as long as the process, as the C runtime gives them.
#[expect(unsafe_code, reason = "the entry point that C calls has to carry its name unmangled")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(count: c_int, arguments: *const *const c_char) -> c_int {
    let count = usize::try_from(count).unwrap_or_default();
    let argument = |index| {
        // SAFETY: `index` is below `count`, and each pointer is to a string, as the caller promises.
        unsafe { CStr::from_ptr(*arguments.add(index)) }
    };
    let words: Vec<&CStr> = (0..count).map(argument).collect();
    let exit = match words.split_first() {
        Some((first, handed_over)) if *first == HANDED_OVER => route::entry::run(handed_over),
        _ => commands::main(&words),
    };
    // Rust's runtime would write what is left in the buffer; a reader that has left wants none of it.
    drop(stdout().flush());
    exit.status().into()
}
