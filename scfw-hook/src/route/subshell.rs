//! The subshell in which bash and zsh run a function in the background. `$!` is its number, and only the shell knows
//! whether anything follows the function in it, so the program cannot take its place. The program ends with it
//! instead.

use std::ffi::CStr;

/// The option of `scfw-hook` before the number of the subshell.
pub const OPTION: &CStr = c"--end-with";

/// Has the kernel end this process, and any program that replaces it, with SIGTERM once its parent `subshell` has
/// ended. If the parent has ended already, this happens at once. Only Linux can do this.
pub fn end_with(subshell: &CStr) {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::signal::{Signal, raise};
        use nix::unistd::getppid;

        let Some(subshell) = subshell.to_str().ok().and_then(|number| number.parse::<i32>().ok()) else {
            return;
        };
        let is_set = nix::sys::prctl::set_pdeathsig(Signal::SIGTERM).is_ok();
        // The subshell may have ended before the kernel was asked.
        if is_set && getppid().as_raw() != subshell {
            // A signal that is blocked or ignored waits or is lost, as for the program itself.
            raise(Signal::SIGTERM).ok();
        }
    }
    #[cfg(not(target_os = "linux"))]
    drop(subshell);
}
