//! The preload library: stands before libc's exec functions in any process that loads it, sends the calls of package
//! managers to scfw-hook, and leaves all others alone. The meaning of a call is not decided here.
//!
//! The library runs in processes that are not ours, in children of `vfork` and in signal handlers: it allocates
//! nothing from libc, takes no lock, keeps nothing but the values that it reads once when it is loaded and the
//! mappings that [`memory`] has to take back, and needs no library, so that one file serves the GNU C library and
//! musl.
#![cfg_attr(panic = "abort", no_std)]
#![expect(unsafe_code, reason = "this is C's side of a C interface: every pointer comes from the host")]

mod entry;
mod environment;
mod follow;
mod hand_over;
mod host;
mod memory;
mod message;
mod real;
mod resolve;
mod text;

/// No code in this library can panic, so the linker throws this away; a test sees that it did.
#[cfg(panic = "abort")]
#[panic_handler]
fn panic(_information: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: the function takes nothing and does not return.
    unsafe { host::abort() }
}
