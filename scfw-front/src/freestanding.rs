//! What the start-up code and libc would give: the entry point, the functions of memory that the compiler calls, and an end
//! for a program that cannot go on.

use core::arch::{asm, global_asm};
use core::ffi::c_char;
use core::panic::PanicInfo;

use crate::front::{self, Start};
use crate::system;

// The kernel leaves the number of arguments at the stack pointer, and the arguments behind it.
global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {begin}",
    "ud2",
    begin = sym begin,
);

unsafe extern "C" fn begin(stack: *const usize) -> ! {
    // SAFETY: the kernel lays the count, the arguments, a null pointer, the environment and a null pointer out there.
    let status = unsafe {
        let arguments = stack.add(1).cast::<*const c_char>();
        front::run(Start { arguments, environment: arguments.add(*stack + 1) })
    };
    system::exit(status)
}

/// Nothing here can panic; a program that does all the same must not seem to have succeeded.
#[panic_handler]
fn panic(_information: &PanicInfo<'_>) -> ! {
    system::exit(front::UNVERIFIED)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the caller promises that both are as long as that and do not overlap.
    unsafe {
        asm!("rep movsb", inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _, options(nostack, preserves_flags));
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    if to.addr().wrapping_sub(from.addr()) >= count {
        // SAFETY: the first byte that is written does not stand among those that are still to be read.
        return unsafe { memcpy(to, from, count) };
    }
    // SAFETY: from the end on, no byte is written before it has been read.
    unsafe {
        asm!(
            "std",
            "rep movsb",
            "cld",
            inout("rcx") count => _,
            inout("rdi") to.add(count).wrapping_sub(1) => _,
            inout("rsi") from.add(count).wrapping_sub(1) => _,
            options(nostack),
        );
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, value: i32, count: usize) -> *mut u8 {
    // C has it be the lowest byte.
    let value = value.to_le_bytes()[0];
    // SAFETY: the caller promises that there are so many bytes.
    unsafe {
        asm!("rep stosb", inout("rcx") count => _, inout("rdi") to => _, in("al") value, options(nostack, preserves_flags));
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    let mut index = 0;
    while index < count {
        // SAFETY: the caller promises that both are as long as that.
        let (one, other) = unsafe { (left.add(index).read_volatile(), right.add(index).read_volatile()) };
        if one != other {
            return i32::from(one) - i32::from(other);
        }
        index += 1;
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    // SAFETY: as the caller promises.
    unsafe { memcmp(left, right, count) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const c_char) -> usize {
    let mut length = 0;
    // SAFETY: the caller promises that the text ends.
    while unsafe { text.add(length).read_volatile() } != 0 {
        length += 1;
    }
    length
}
