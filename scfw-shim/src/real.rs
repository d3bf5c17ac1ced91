//! libc's own functions: the next ones behind ours, looked up when the library is loaded. Looking up takes a lock
//! of the loader's, which a forked child may never get.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::host::{self, Strings};

const RTLD_NEXT: *mut c_void = core::ptr::without_provenance_mut(usize::MAX);

/// A function of libc, of type `F`.
pub(crate) struct Real<F> {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
    function: core::marker::PhantomData<F>,
}

impl<F: Copy> Real<F> {
    const fn new(name: &'static CStr) -> Self {
        Self { name, address: AtomicPtr::new(core::ptr::null_mut()), function: core::marker::PhantomData }
    }

    /// The function; none if this libc has none.
    pub(crate) fn get(&self) -> Option<F> {
        let mut address = self.address.load(Ordering::Relaxed);
        if address.is_null() {
            // SAFETY: the name has its end.
            address = unsafe { host::dlsym(RTLD_NEXT, self.name.as_ptr()) };
            self.address.store(address, Ordering::Relaxed);
        }
        if address.is_null() {
            return None;
        }
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
        // SAFETY: `F` is a function pointer, of the type that libc documents under this name.
        Some(unsafe { core::mem::transmute_copy(&address) })
    }
}

pub(crate) type ExecFunction = unsafe extern "C" fn(*const c_char, Strings) -> c_int;
pub(crate) type ExecEnvironmentFunction = unsafe extern "C" fn(*const c_char, Strings, Strings) -> c_int;
pub(crate) type DescriptorFunction = unsafe extern "C" fn(c_int, Strings, Strings) -> c_int;
pub(crate) type AtFunction = unsafe extern "C" fn(c_int, *const c_char, Strings, Strings, c_int) -> c_int;
/// `posix_spawn` and its kin: the place for the child's number, the file, file actions, attributes, argv, envp.
pub(crate) type SpawnFunction =
    unsafe extern "C" fn(*mut c_int, *const c_char, *const c_void, *const c_void, Strings, Strings) -> c_int;

pub(crate) static EXECVE: Real<ExecEnvironmentFunction> = Real::new(c"execve");
pub(crate) static EXECV: Real<ExecFunction> = Real::new(c"execv");
pub(crate) static EXECVP: Real<ExecFunction> = Real::new(c"execvp");
pub(crate) static EXECVPE: Real<ExecEnvironmentFunction> = Real::new(c"execvpe");
pub(crate) static FEXECVE: Real<DescriptorFunction> = Real::new(c"fexecve");
pub(crate) static EXECVEAT: Real<AtFunction> = Real::new(c"execveat");
pub(crate) static POSIX_SPAWN: Real<SpawnFunction> = Real::new(c"posix_spawn");
pub(crate) static POSIX_SPAWNP: Real<SpawnFunction> = Real::new(c"posix_spawnp");
pub(crate) static PIDFD_SPAWN: Real<SpawnFunction> = Real::new(c"pidfd_spawn");
pub(crate) static PIDFD_SPAWNP: Real<SpawnFunction> = Real::new(c"pidfd_spawnp");

/// Looks up the functions that every libc has. One that it has not would cost the host an error message on its heap;
/// those are looked up when they are called.
pub(crate) fn look_up() {
    EXECVE.get();
    EXECV.get();
    EXECVP.get();
    EXECVPE.get();
    FEXECVE.get();
    POSIX_SPAWN.get();
    POSIX_SPAWNP.get();
}
