//! scfw-hook: the program behind the shell functions, the shims and the preload library. It stands in front of every
//! manager and every Python that people type, so it decides one thing only, and at once: whether the command certainly
//! installs nothing. Then it finds the real program and becomes it. Everything else it hands over to `scfw`, beside it,
//! which decides about the same words in full.
//!
//! It opens no file, allocates nothing, and where it can does without libc, whose start-up alone takes longer than all
//! that happens here.
#![cfg_attr(freestanding, no_std)]
#![no_main]
#![expect(
    unsafe_code,
    reason = "this program is started by the kernel or by C, and starts others by system calls"
)]

mod environment;
#[cfg(freestanding)]
mod freestanding;
mod front;
mod locate;
mod strings;
mod system;

/// The entry point that C's start-up code calls.
///
/// # Safety
///
/// The pointers are those that C's start-up code gives: arrays of strings, each with a null pointer at its end, that
/// live as long as the process.
#[cfg(not(freestanding))]
#[unsafe(no_mangle)]
unsafe extern "C" fn main(
    _count: core::ffi::c_int,
    arguments: *const *const core::ffi::c_char,
    environment: *const *const core::ffi::c_char,
) -> core::ffi::c_int {
    // SAFETY: as the caller promises.
    unsafe { front::run(front::Start { arguments, environment }) }
}
