//! The functions that a host calls in the place of libc's, by libc's names. `EXPORTS` in a test lists them.

use core::arch::naked_asm;
use core::ffi::{CStr, c_char, c_int, c_void};

use crate::environment;
use crate::follow::{Call, Kind, follow};
use crate::host::{self, AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, PATH_MAX, Strings};
use crate::real::{self, Real, SpawnFunction};
use crate::text::Text;

/// Called by the loader before the host's own code runs.
#[used]
#[unsafe(link_section = ".init_array")]
static START: unsafe extern "C" fn() = start;

unsafe extern "C" fn start() {
    real::look_up();
    // SAFETY: the loader calls this, and nothing else does.
    unsafe { environment::remember() };
}

/// Fails as libc does if the kernel lacks a function.
fn missing() -> c_int {
    host::set_errno(host::ENOSYS);
    -1
}

/// Replaces the process by scfw-hook with the caller's `argv`.
fn exec_hook(argv: Strings) -> impl FnOnce(*const c_char, Strings) -> c_int {
    move |hook, envp| {
        let Some(execve) = real::EXECVE.get() else { return missing() };
        // SAFETY: the hook's path and its environment are whole, and `argv` is the caller's.
        unsafe { execve(hook, argv, envp) }
    }
}

fn exec_call(file: *const c_char, is_searched: bool, argv: Strings, envp: Strings) -> Call {
    Call { kind: Kind::Exec, file, is_searched, argv, envp }
}

/// libc's `execve`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn execve(path: *const c_char, argv: Strings, envp: Strings) -> c_int {
    // SAFETY: the caller gives the arguments of libc's function, here and in all that follow.
    unsafe {
        follow(exec_call(path, false, argv, envp), exec_hook(argv))
            .unwrap_or_else(|| real::EXECVE.get().map_or_else(missing, |execve| execve(path, argv, envp)))
    }
}

/// libc's `execv`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn execv(path: *const c_char, argv: Strings) -> c_int {
    // SAFETY: as above.
    unsafe {
        follow(exec_call(path, false, argv, host::environment()), exec_hook(argv))
            .unwrap_or_else(|| real::EXECV.get().map_or_else(missing, |execv| execv(path, argv)))
    }
}

/// libc's `execvp`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn execvp(file: *const c_char, argv: Strings) -> c_int {
    // SAFETY: as above.
    unsafe {
        follow(exec_call(file, true, argv, host::environment()), exec_hook(argv))
            .unwrap_or_else(|| real::EXECVP.get().map_or_else(missing, |execvp| execvp(file, argv)))
    }
}

/// libc's `execvpe`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn execvpe(file: *const c_char, argv: Strings, envp: Strings) -> c_int {
    // SAFETY: as above.
    unsafe {
        follow(exec_call(file, true, argv, envp), exec_hook(argv))
            .unwrap_or_else(|| real::EXECVPE.get().map_or_else(missing, |execvpe| execvpe(file, argv, envp)))
    }
}

/// libc's `fexecve`: the file behind a descriptor.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fexecve(descriptor: c_int, argv: Strings, envp: Strings) -> c_int {
    let mut room = [0; PATH_MAX];
    // SAFETY: as above.
    unsafe {
        path_below(descriptor, None, &mut room)
            .and_then(|path| follow(exec_call(path.as_ptr(), false, argv, envp), exec_hook(argv)))
            .unwrap_or_else(|| {
                real::FEXECVE.get().map_or_else(missing, |fexecve| fexecve(descriptor, argv, envp))
            })
    }
}

/// libc's `execveat`: a file below a directory, or the one behind a descriptor.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn execveat(
    directory: c_int,
    path: *const c_char,
    argv: Strings,
    envp: Strings,
    flags: c_int,
) -> c_int {
    let mut room = [0; PATH_MAX];
    // SAFETY: as above.
    unsafe {
        path_at(directory, path, flags, &mut room)
            .and_then(|path| follow(exec_call(path.as_ptr(), false, argv, envp), exec_hook(argv)))
            .unwrap_or_else(|| {
                let real = real::EXECVEAT.get();
                real.map_or_else(missing, |execveat| execveat(directory, path, argv, envp, flags))
            })
    }
}

/// The path that `execveat` would run; none if that is the kernel's to say.
unsafe fn path_at(
    directory: c_int,
    path: *const c_char,
    flags: c_int,
    room: &mut [u8; PATH_MAX],
) -> Option<&CStr> {
    // Other flags may not mean to run anything.
    if path.is_null() || flags & !(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0 {
        return None;
    }
    // SAFETY: libc's function takes a string with its end, which stays for the call.
    let path = unsafe { CStr::from_ptr(path) };
    let errno = host::errno();
    let resolved = match path.to_bytes() {
        [] if flags & AT_EMPTY_PATH == 0 => None,
        [] => path_below(directory, None, room),
        [b'/', ..] => Some(path),
        _ if directory == AT_FDCWD => Some(path),
        relative => path_below(directory, Some(relative), room),
    };
    let resolved = resolved.filter(|path| flags & AT_SYMLINK_NOFOLLOW == 0 || !host::is_link(path));
    host::set_errno(errno);
    resolved
}

/// The path of the file that a descriptor has open, or of something below it.
fn path_below<'a>(
    descriptor: c_int,
    relative: Option<&[u8]>,
    room: &'a mut [u8; PATH_MAX],
) -> Option<&'a CStr> {
    let errno = host::errno();
    let mut name = [0; 40];
    let mut link = Text::new(&mut name);
    link.push(b"/proc/self/fd/").push_number(usize::try_from(descriptor).ok()?);
    // Each array here stands on a stack that may be small.
    let length = host::read_link(link.finish()?, room).map(<[u8]>::len);
    host::set_errno(errno);
    let mut path = Text::after(room, length?);
    if let Some(relative) = relative {
        path.push(b"/").push(relative);
    }
    path.finish()
}

/// The part that the four functions share that start a child.
unsafe fn spawn(
    real: &Real<SpawnFunction>,
    hook_starter: &Real<SpawnFunction>,
    is_searched: bool,
    (child, file, actions, attributes): (*mut c_int, *const c_char, *const c_void, *const c_void),
    (argv, envp): (Strings, Strings),
) -> c_int {
    let call = Call { kind: Kind::Spawn { has_actions: !actions.is_null() }, file, is_searched, argv, envp };
    // SAFETY: the caller gives the arguments of libc's function; actions and attributes are handed on as they are.
    unsafe {
        follow(call, |hook, envp| {
            hook_starter
                .get()
                .map_or(host::ENOSYS, |start| start(child, hook, actions, attributes, argv, envp))
        })
        .unwrap_or_else(|| {
            real.get().map_or(host::ENOSYS, |start| start(child, file, actions, attributes, argv, envp))
        })
    }
}

macro_rules! spawns {
    ($($(#[doc = $line:literal])+ $name:ident($real:ident, $hook_starter:ident, $is_searched:literal);)+) => {$(
        $(#[doc = $line])+
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $name(
            child: *mut c_int,
            file: *const c_char,
            actions: *const c_void,
            attributes: *const c_void,
            argv: Strings,
            envp: Strings,
        ) -> c_int {
            // SAFETY: the caller gives the arguments of libc's function.
            unsafe {
                let what = (child, file, actions, attributes);
                spawn(&real::$real, &real::$hook_starter, $is_searched, what, (argv, envp))
            }
        }
    )+};
}

spawns! {
    /// libc's `posix_spawn`.
    posix_spawn(POSIX_SPAWN, POSIX_SPAWN, false);
    /// libc's `posix_spawnp`.
    posix_spawnp(POSIX_SPAWNP, POSIX_SPAWN, true);
    /// libc's `pidfd_spawn`, if it has one.
    pidfd_spawn(PIDFD_SPAWN, PIDFD_SPAWN, false);
    /// libc's `pidfd_spawnp`, if it has one.
    pidfd_spawnp(PIDFD_SPAWNP, PIDFD_SPAWN, true);
}

/// Defines functions with a variable number of arguments as a jump to C's: stable Rust can define none, and a
/// function that only C defines is not exported.
macro_rules! jumps {
    ($($(#[doc = $line:literal])+ $name:ident => $target:ident;)+) => {
        unsafe extern "C" {
            $(fn $target(path: *const c_char, first: *const c_char, ...) -> c_int;)+
        }
        $(
            $(#[doc = $line])+
            #[unsafe(no_mangle)]
            #[unsafe(naked)]
            pub(crate) unsafe extern "C" fn $name() {
                #[cfg(target_arch = "x86_64")]
                naked_asm!("jmp {}", sym $target);
                #[cfg(target_arch = "aarch64")]
                naked_asm!("b {}", sym $target);
            }
        )+
    };
}

jumps! {
    /// libc's `execl`.
    execl => scfw_execl;
    /// libc's `execlp`.
    execlp => scfw_execlp;
    /// libc's `execle`.
    execle => scfw_execle;
}
