//! The parts of the host's libc that are used, found in the process by name, and those of the C in this crate.
//! Numbers are those of Linux on every architecture of which `entry` knows the jump.

use core::ffi::{CStr, c_char, c_int, c_long, c_void};

/// A null-terminated array of strings, as `argv` and `envp` are.
pub(crate) type Strings = *const *const c_char;

pub(crate) const EPERM: c_int = 1;
pub(crate) const ENOEXEC: c_int = 8;
pub(crate) const EISDIR: c_int = 21;
pub(crate) const ENOSYS: c_int = 38;
/// Errors behind which `execvp` goes on to the next directory: `ENOENT`, `EACCES`, `ENODEV`, `ENOTDIR`, `ETIMEDOUT`,
/// `ESTALE`. musl stops at some of them; to go on is the safe side.
pub(crate) const ENDS_NO_SEARCH: [c_int; 6] = [2, 13, 19, 20, 110, 116];

pub(crate) const AT_FDCWD: c_int = -100;
pub(crate) const AT_SYMLINK_NOFOLLOW: c_int = 0x100;
pub(crate) const AT_EACCESS: c_int = 0x200;
pub(crate) const AT_EMPTY_PATH: c_int = 0x1000;
const X_OK: c_int = 1;
const O_NONBLOCK: c_int = 0o4000;
const O_CLOEXEC: c_int = 0o2_000_000;
pub(crate) const ENOMEM: c_int = 12;
const PROT_READ_WRITE: c_long = 0x3;
const MAP_PRIVATE_ANONYMOUS: c_long = 0x22;
#[cfg(target_arch = "x86_64")]
const SYS_MMAP_AND_MUNMAP: (c_long, c_long) = (9, 11);
#[cfg(target_arch = "aarch64")]
const SYS_MMAP_AND_MUNMAP: (c_long, c_long) = (222, 215);

/// The longest path that the kernel takes, with its end.
pub(crate) const PATH_MAX: usize = 4096;

unsafe extern "C" {
    static environ: Strings;
    fn __errno_location() -> *mut c_int;
    fn write(descriptor: c_int, bytes: *const c_void, count: usize) -> isize;
    fn read(descriptor: c_int, bytes: *mut c_void, count: usize) -> isize;
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    fn close(descriptor: c_int) -> c_int;
    fn readlink(path: *const c_char, bytes: *mut c_char, count: usize) -> isize;
    fn faccessat(directory: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int;
    fn getpid() -> c_int;
    // libc's own functions for memory may have been replaced by somebody's who counts it.
    fn syscall(number: c_long, ...) -> c_long;
    pub(crate) fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    #[cfg(panic = "abort")]
    pub(crate) fn abort() -> !;

    fn scfw_is_gnu() -> c_int;
    fn scfw_with_pointers(
        count: usize,
        body: unsafe extern "C" fn(*mut c_void, *mut *const c_char) -> c_int,
        context: *mut c_void,
    ) -> c_int;
}

/// The environment of the process.
pub(crate) fn environment() -> Strings {
    // SAFETY: a pointer is read; who changes it at the same time breaks libc's own exec as well.
    unsafe { environ }
}

pub(crate) fn errno() -> c_int {
    // SAFETY: libc gives the place of the calling thread.
    unsafe { *__errno_location() }
}

pub(crate) fn set_errno(errno: c_int) {
    // SAFETY: as above.
    unsafe { *__errno_location() = errno }
}

/// A value that tells the calling thread from all others that are there, and not a child of `vfork` from its parent.
pub(crate) fn thread() -> usize {
    // SAFETY: libc gives the place of the calling thread.
    unsafe { __errno_location() }.expose_provenance()
}

/// Memory of zeros from the kernel, of `length` bytes; none if there is none.
pub(crate) fn map(length: usize) -> Option<*mut *const c_char> {
    // SAFETY: the kernel chooses an address at which nothing is.
    let address = unsafe {
        syscall(
            SYS_MMAP_AND_MUNMAP.0, 0_usize, length, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1_isize, 0_usize,
        )
    };
    // The kernel's own errors are -1 here, and no address is negative.
    Some(core::ptr::with_exposed_provenance_mut(usize::try_from(address).ok()?))
}

/// Gives such memory back.
///
/// # Safety
///
/// The address is a mapping of that length, and nobody uses it any more.
pub(crate) unsafe fn unmap(address: *mut *const c_char, length: usize) {
    // SAFETY: as the caller promises. If the kernel refuses, the memory stays, and nothing else follows.
    unsafe { syscall(SYS_MMAP_AND_MUNMAP.1, address, length) };
}

pub(crate) fn process() -> c_int {
    // SAFETY: the function has no conditions.
    unsafe { getpid() }
}

/// Whether libc is GNU's and not musl.
pub(crate) fn is_gnu() -> bool {
    // SAFETY: the function has no conditions.
    unsafe { scfw_is_gnu() != 0 }
}

/// Writes `text` to standard error. If that fails, nobody is left to be told.
pub(crate) fn complain(text: &[u8]) {
    // SAFETY: the bytes are a slice's.
    unsafe { write(2, text.as_ptr().cast(), text.len()) };
}

/// Whether this process may execute `path`.
pub(crate) fn is_executable(path: &CStr) -> bool {
    // SAFETY: the string has its end.
    unsafe { faccessat(AT_FDCWD, path.as_ptr(), X_OK, AT_EACCESS) == 0 }
}

/// Reads the beginning of a file. Returns how much there was, or errno.
pub(crate) fn read_start(path: &CStr, bytes: &mut [u8]) -> Result<usize, c_int> {
    // SAFETY: the string has its end. A named pipe without a writer is not waited for.
    let descriptor = unsafe { open(path.as_ptr(), O_NONBLOCK | O_CLOEXEC) };
    if descriptor < 0 {
        return Err(errno());
    }
    // SAFETY: the bytes are a slice's, and the descriptor is ours.
    let count = unsafe { read(descriptor, bytes.as_mut_ptr().cast(), bytes.len()) };
    let result = usize::try_from(count).map_err(|_negative| errno());
    // SAFETY: the descriptor is ours.
    unsafe { close(descriptor) };
    result
}

/// Whether `path` is a symbolic link.
pub(crate) fn is_link(path: &CStr) -> bool {
    let mut byte = 0;
    // SAFETY: the string has its end, and there is room for a byte.
    unsafe { readlink(path.as_ptr(), &raw mut byte, 1) > 0 }
}

/// The target of a symbolic link. None if the file is no link, or if the target does not fit.
pub(crate) fn read_link<'a>(path: &CStr, bytes: &'a mut [u8]) -> Option<&'a [u8]> {
    // SAFETY: the string has its end, and the bytes are a slice's.
    let count = unsafe { readlink(path.as_ptr(), bytes.as_mut_ptr().cast(), bytes.len()) };
    let target = bytes.get(..usize::try_from(count).ok()?)?;
    // One that fills its room may have been cut off.
    (target.len() < bytes.len()).then_some(target)
}

/// Calls `body` with `count` null pointers on the stack, which must not be many. They end with the call.
pub(crate) fn with_pointers<F: FnOnce(&mut [*const c_char]) -> c_int>(count: usize, body: F) -> c_int {
    struct Context<F> {
        count: usize,
        body: Option<F>,
    }
    unsafe extern "C" fn call<F: FnOnce(&mut [*const c_char]) -> c_int>(
        context: *mut c_void,
        pointers: *mut *const c_char,
    ) -> c_int {
        // SAFETY: this is the context of the only call below, which waits for us.
        let context = unsafe { &mut *context.cast::<Context<F>>() };
        // SAFETY: there are that many pointers, nobody else has them, and they are written before they are lent.
        let pointers = unsafe {
            core::ptr::write_bytes(pointers, 0, context.count);
            core::slice::from_raw_parts_mut(pointers, context.count)
        };
        context.body.take().map_or(-1, |body| body(pointers))
    }
    // An array in C has at least one element.
    let count = count.max(1);
    let mut context = Context { count, body: Some(body) };
    // SAFETY: the function and its context are of one type.
    unsafe { scfw_with_pointers(count, call::<F>, (&raw mut context).cast()) }
}

/// One string of an array that ends with a null pointer; none if the array itself is null.
///
/// # Safety
///
/// `index` is at most the index of the null pointer, and the strings outlive the result.
pub(crate) unsafe fn string_at<'a>(strings: Strings, index: usize) -> Option<&'a CStr> {
    if strings.is_null() {
        return None;
    }
    // SAFETY: as the caller promises.
    unsafe {
        let string = *strings.add(index);
        if string.is_null() { None } else { Some(CStr::from_ptr(string)) }
    }
}
