//! Room for an environment: on the caller's stack while it is small, else in memory of its own from the kernel,
//! because a child of `vfork` may run on a stack of a few KiB.
//!
//! A child of `vfork` shares its memory with the thread that has started it, so a mapping that it hands to a
//! successful exec stays with that thread. It is noted by thread, and taken back when the thread, or a child of it,
//! comes here again: the thread stands still until its child's exec is over. At most one mapping a thread stays, for
//! up to [`THREADS`] threads.

use core::ffi::{c_char, c_int};
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::host;

/// The most pointers that are put on the stack: 2 KiB.
const ON_STACK: usize = 256;
/// The threads whose mappings are noted.
const THREADS: usize = 16;
/// None of these bits is set in an address of a page. This one says that the mapping was handed to libc.
const HANDED_OVER: usize = 1;

/// A mapping that may outlive the call that has made it.
struct Mapping {
    /// The address of its thread's errno, which a child of `vfork` shares, and no other thread. 0 if this is free.
    thread: AtomicUsize,
    /// Its address; 0 if there is none yet or any more. Its first word holds its length.
    address: AtomicUsize,
}

static MAPPINGS: [Mapping; THREADS] =
    [const { Mapping { thread: AtomicUsize::new(0), address: AtomicUsize::new(0) } }; THREADS];

/// Memory for pointers, in which they are put before they are handed to libc.
pub(crate) struct Room<'a> {
    pub(crate) pointers: &'a mut [*const c_char],
    mapping: Option<&'static Mapping>,
}

impl Room<'_> {
    /// The last call before libc gets the pointers.
    pub(crate) fn hand_over(&self) {
        if let Some(mapping) = self.mapping {
            mapping.address.fetch_or(HANDED_OVER, Ordering::Relaxed);
        }
    }
}

/// Calls `body` with room for `count` pointers, all null, which ends with the call. None if there is no memory.
pub(crate) fn with_pointers<F: FnOnce(Room<'_>) -> c_int>(count: usize, body: F) -> Option<c_int> {
    if count <= ON_STACK {
        return Some(host::with_pointers(count, |pointers| body(Room { pointers, mapping: None })));
    }
    let thread = host::thread();
    take_back(thread);
    let length = count.checked_add(1)?.checked_mul(size_of::<*const c_char>())?;
    let address = host::map(length)?;
    let is_free = |mapping: &&Mapping| {
        mapping.thread.compare_exchange(0, thread, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    };
    let mapping = MAPPINGS.iter().find(is_free);
    if let Some(mapping) = mapping {
        mapping.address.store(address as usize, Ordering::Relaxed);
    }
    // SAFETY: the mapping is new, of that length, and holds zeros; its first word is behind no pointer of `pointers`.
    let pointers = unsafe {
        address.cast::<usize>().write(length);
        core::slice::from_raw_parts_mut(address.add(1), count)
    };
    let result = body(Room { pointers, mapping });
    if let Some(mapping) = mapping {
        mapping.address.store(0, Ordering::Relaxed);
        mapping.thread.store(0, Ordering::Relaxed);
    }
    let errno = host::errno();
    // SAFETY: the mapping is this call's, and nobody has a pointer to it any more.
    unsafe { host::unmap(address, length) };
    host::set_errno(errno);
    Some(result)
}

/// Gives back the mapping that a child of this thread has left when it became another program.
fn take_back(thread: usize) {
    for mapping in MAPPINGS.iter().filter(|mapping| mapping.thread.load(Ordering::Relaxed) == thread) {
        let address = mapping.address.load(Ordering::Relaxed);
        // One that is still being filled belongs to a call that a signal has interrupted.
        if address & HANDED_OVER == 0 {
            continue;
        }
        let address = core::ptr::with_exposed_provenance_mut::<*const c_char>(address & !HANDED_OVER);
        mapping.address.store(0, Ordering::Relaxed);
        // SAFETY: only this thread and its children use it, and their exec is over; the length was written first.
        unsafe { host::unmap(address, address.cast::<usize>().read()) };
        mapping.thread.store(0, Ordering::Relaxed);
    }
}
