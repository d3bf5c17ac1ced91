//! The system calls that are needed, made directly where libc is left out, and by libc elsewhere.

use core::ffi::{CStr, c_char};

/// What tells a file from any other, and what kind it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

#[cfg(freestanding)]
pub(crate) use imp::exit;
pub(crate) use imp::{
    execute, is_executable, own_identity, own_path, pointers, process, read_link, regular_file, say,
};

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod imp {
    use core::arch::asm;

    #[cfg(freestanding)]
    use core::ffi::c_int;

    use super::{CStr, Identity, c_char};

    const WRITE: usize = 1;
    const STAT: usize = 4;
    const ACCESS: usize = 21;
    const MMAP: usize = 9;
    const GETPID: usize = 39;
    const EXECVE: usize = 59;
    #[cfg(freestanding)]
    const EXIT_GROUP: usize = 231;
    const READLINK: usize = 89;

    /// The file of this process.
    const OWN: &CStr = c"/proc/self/exe";
    const X_OK: usize = 1;
    const STANDARD_ERROR: usize = 2;
    /// The bits of a mode that tell the kind of a file, and the kind of a regular one.
    const KIND: u32 = 0o170_000;
    const REGULAR: u32 = 0o100_000;

    /// The beginning of the kernel's `struct stat`, and room for the rest.
    #[repr(C)]
    struct Stat {
        device: u64,
        inode: u64,
        links: u64,
        mode: u32,
        rest: [u32; 29],
    }

    unsafe fn call(number: usize, first: usize, second: usize, third: usize) -> isize {
        // SAFETY: as the caller promises; a system call does not look at what it does not take.
        unsafe { call_with_six(number, [first, second, third, 0, 0, 0]) }
    }

    unsafe fn call_with_six(number: usize, arguments: [usize; 6]) -> isize {
        let [first, second, third, fourth, fifth, sixth] = arguments;
        let result: isize;
        // SAFETY: the caller promises that the arguments are what that system call takes.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") number.cast_signed() => result,
                in("rdi") first,
                in("rsi") second,
                in("rdx") third,
                in("r10") fourth,
                in("r8") fifth,
                in("r9") sixth,
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
        }
        result
    }

    /// The identity of the regular file at `path`, through links.
    pub(crate) fn regular_file(path: &CStr) -> Option<Identity> {
        let mut stat = Stat { device: 0, inode: 0, links: 0, mode: 0, rest: [0; 29] };
        // SAFETY: the kernel fills a structure of that size.
        let result = unsafe { call(STAT, path.as_ptr().addr(), (&raw mut stat).addr(), 0) };
        let is_regular = result == 0 && stat.mode & KIND == REGULAR;
        is_regular.then_some(Identity { device: stat.device, inode: stat.inode })
    }

    /// The identity of the file of this process.
    pub(crate) fn own_identity() -> Option<Identity> {
        regular_file(OWN)
    }

    /// The path of the file of this process, as far as there is room for it.
    pub(crate) fn own_path(room: &mut [u8]) -> Option<&[u8]> {
        read_link(OWN, room)
    }

    /// Whether this user may execute the file at `path`.
    pub(crate) fn is_executable(path: &CStr) -> bool {
        // SAFETY: the kernel reads a string.
        unsafe { call(ACCESS, path.as_ptr().addr(), X_OK, 0) == 0 }
    }

    /// Where the link at `path` leads, as far as there is room for it; none where it is no link.
    pub(crate) fn read_link<'a>(path: &CStr, room: &'a mut [u8]) -> Option<&'a [u8]> {
        // SAFETY: the kernel writes no more than there is room for.
        let length = unsafe { call(READLINK, path.as_ptr().addr(), room.as_mut_ptr().addr(), room.len()) };
        room.get(..usize::try_from(length).ok()?)
    }

    /// Room for so many pointers, all of them null, which is never given back; none where there is no memory.
    pub(crate) fn pointers(count: usize) -> Option<&'static mut [*const c_char]> {
        /// Readable and writable.
        const ACCESS: usize = 3;
        /// Private and of no file.
        const KIND: usize = 0x22;

        let length = count.checked_mul(size_of::<*const c_char>())?;
        // SAFETY: a new mapping touches no memory that is in use.
        let address = unsafe { call_with_six(MMAP, [0, length, ACCESS, KIND, usize::MAX, 0]) };
        let address = usize::try_from(address).ok()?;
        // SAFETY: the kernel has laid so much memory there, full of zeros, and nobody else knows of it.
        Some(unsafe {
            core::slice::from_raw_parts_mut(core::ptr::with_exposed_provenance_mut(address), count)
        })
    }

    /// The number of this process.
    pub(crate) fn process() -> u32 {
        // SAFETY: it takes nothing and cannot fail.
        u32::try_from(unsafe { call(GETPID, 0, 0, 0) }).unwrap_or_default()
    }

    /// Replaces this process by the program at `path`; returns only where that fails.
    ///
    /// # Safety
    ///
    /// Both arrays are of strings and end with a null pointer.
    pub(crate) unsafe fn execute(
        path: &CStr,
        arguments: *const *const c_char,
        environment: *const *const c_char,
    ) {
        // SAFETY: as the caller promises.
        unsafe { call(EXECVE, path.as_ptr().addr(), arguments.addr(), environment.addr()) };
    }

    /// Writes to standard error, as far as that takes it.
    pub(crate) fn say(text: &[u8]) {
        // SAFETY: the kernel reads that many bytes.
        unsafe { call(WRITE, STANDARD_ERROR, text.as_ptr().addr(), text.len()) };
    }

    /// Ends this process.
    #[cfg(freestanding)]
    pub(crate) fn exit(status: c_int) -> ! {
        loop {
            // SAFETY: it does not return.
            unsafe { call(EXIT_GROUP, usize::try_from(status).unwrap_or(1), 0, 0) };
        }
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod imp {
    use core::mem::MaybeUninit;
    use std::ffi::CString;
    use std::os::unix::ffi::OsStringExt;

    use super::{CStr, Identity, c_char};

    /// The identity of the regular file at `path`, through links.
    pub(crate) fn regular_file(path: &CStr) -> Option<Identity> {
        let mut stat = MaybeUninit::<libc::stat>::uninit();
        // SAFETY: libc fills the structure where it succeeds.
        let stat = unsafe {
            if libc::stat(path.as_ptr(), stat.as_mut_ptr()) != 0 {
                return None;
            }
            stat.assume_init()
        };
        let is_regular = stat.st_mode & libc::S_IFMT == libc::S_IFREG;
        is_regular.then_some(Identity { device: stat.st_dev as u64, inode: stat.st_ino as u64 })
    }

    /// The identity of the file of this process.
    pub(crate) fn own_identity() -> Option<Identity> {
        regular_file(&CString::new(std::env::current_exe().ok()?.into_os_string().into_vec()).ok()?)
    }

    /// The path of the file of this process, as far as there is room for it.
    pub(crate) fn own_path(room: &mut [u8]) -> Option<&[u8]> {
        let path = std::env::current_exe().ok()?.into_os_string().into_vec();
        let room = room.get_mut(..path.len())?;
        room.copy_from_slice(&path);
        Some(room)
    }

    /// Whether this user may execute the file at `path`.
    pub(crate) fn is_executable(path: &CStr) -> bool {
        // SAFETY: libc reads a string.
        unsafe { libc::access(path.as_ptr(), libc::X_OK) == 0 }
    }

    /// Where the link at `path` leads, as far as there is room for it; none where it is no link.
    pub(crate) fn read_link<'a>(path: &CStr, room: &'a mut [u8]) -> Option<&'a [u8]> {
        // SAFETY: libc writes no more than there is room for.
        let length = unsafe { libc::readlink(path.as_ptr(), room.as_mut_ptr().cast(), room.len()) };
        room.get(..usize::try_from(length).ok()?)
    }

    /// Room for so many pointers, all of them null, which is never given back.
    pub(crate) fn pointers(count: usize) -> Option<&'static mut [*const c_char]> {
        Some(vec![core::ptr::null(); count].leak())
    }

    /// The number of this process.
    pub(crate) fn process() -> u32 {
        std::process::id()
    }

    /// Replaces this process by the program at `path`; returns only where that fails.
    ///
    /// # Safety
    ///
    /// Both arrays are of strings and end with a null pointer.
    pub(crate) unsafe fn execute(
        path: &CStr,
        arguments: *const *const c_char,
        environment: *const *const c_char,
    ) {
        // SAFETY: as the caller promises.
        unsafe { libc::execve(path.as_ptr(), arguments, environment) };
    }

    /// Writes to standard error, as far as that takes it.
    pub(crate) fn say(text: &[u8]) {
        // SAFETY: libc reads that many bytes.
        unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
    }
}
