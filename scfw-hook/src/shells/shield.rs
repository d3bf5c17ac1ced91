//! The preload library: its place, and the variables that load it into a program and all its children.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use scfw_core::env;
use scfw_core::files::{Kept, read_kept};

use crate::process::Process;
use crate::process::locate::{own_library, own_program};
use crate::shells::shell::Shell;

/// The library's file.
pub const LIBRARY: &str = "libscfw_shim.so";
/// The loader's list of libraries, by `ld.so(8)` separated by colons or spaces.
pub const PRELOAD: &str = "LD_PRELOAD";

/// The longest list of mappings that is read, in bytes.
const LONGEST_MAPS: u64 = 64 * 1024 * 1024;
/// Options of `AddressSanitizer`'s runtime, separated by colons.
const ASAN_OPTIONS: &str = "ASAN_OPTIONS";
/// The option that says whether it has to be the first library of a program.
const LINK_ORDER: &str = "verify_asan_link_order";
/// The beginnings of the names of the sanitizers' runtimes.
const SANITIZERS: [&str; 6] = ["libasan.", "libhwasan.", "liblsan.", "libtsan.", "libubsan.", "libclang_rt."];

/// The library and the program that it hands calls to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shield {
    /// The library's file.
    pub library: PathBuf,
    /// scfw-hook.
    pub hook: PathBuf,
}

impl Shield {
    /// Those of this installation: the programs are in its `bin/`, the library in `lib/scfw/` beside that.
    pub fn installed(process: &Process) -> Result<Self> {
        let hook = own_program(process).context("scfw-hook is not beside scfw; install scfw again")?;
        let library = own_library(&hook).join(LIBRARY);
        if !library.is_file() {
            bail!(
                "the preload library is not installed ({} is missing); install scfw again",
                library.display()
            );
        }
        if library.as_os_str().as_bytes().iter().any(|byte| matches!(byte, b' ' | b':' | b'$')) {
            // The loader has no way to quote such a path.
            bail!(
                "{} cannot stand in LD_PRELOAD, for its path has a space, a colon or a $; install scfw elsewhere",
                library.display()
            );
        }
        Ok(Self { library, hook })
    }

    /// The variables to set if `present` is the loader's list so far. The list is kept: behind ours, and before it if
    /// it has a sanitizer's runtime, which ends every program in which another library comes first.
    #[must_use]
    pub fn variables(&self, present: Option<&OsStr>) -> [(&'static str, OsString); 2] {
        let own = self.library.as_os_str();
        let others = entries(present).filter(|other| *other != own);
        let list: Vec<&OsStr> = if entries(present).any(is_sanitizer) {
            others.chain([own]).collect()
        } else {
            [own].into_iter().chain(others).collect()
        };
        [(PRELOAD, list.join(OsStr::new(":"))), (env::SCFW_SHIM_HOOK, self.hook.clone().into_os_string())]
    }

    /// Makes sure that programs start under the library, or tells why they cannot.
    pub fn probe(&self) -> Result<()> {
        let probed = Command::new("/bin/sh")
            .args(["-c", ":"])
            .envs(self.variables(None))
            .output()
            .context("/bin/sh could not be started")?;
        // The loader says why it objects, and goes on or ends the program.
        if !probed.status.success() || !probed.stderr.is_empty() {
            let said = String::from_utf8_lossy(&probed.stderr).trim().to_owned();
            bail!("programs do not start under {} on this system ({said})", self.library.display());
        }
        Ok(())
    }

    /// Starts this program anew under the library. Returns once it is.
    pub fn enter(&self, process: &Process) -> Result<()> {
        if self.is_loaded() {
            return Ok(());
        }
        let list = process.variable(PRELOAD);
        if self.is_in(list.as_deref()) {
            bail!("{} could not be loaded into scfw", self.library.display());
        }
        self.probe()?;
        let mut again = Command::new(process.own_file()?);
        let again = again.args(process.arguments().into_iter().skip(1)).envs(self.variables(list.as_deref()));
        let again = again.env(ASAN_OPTIONS, tolerant(process.variable(ASAN_OPTIONS)));
        Err(again.exec()).context("scfw could not be started under the preload library")
    }

    /// Whether the library is in this very process.
    fn is_loaded(&self) -> bool {
        let file = self.library.file_name().unwrap_or_default().as_bytes();
        read_kept(Path::new("/proc/self/maps"), Kept::Anyhow, LONGEST_MAPS).is_ok_and(|maps| {
            maps.unwrap_or_default().split(|byte| *byte == b'\n').any(|line| line.ends_with(file))
        })
    }

    /// Starts this program anew without the library if that is loaded into it, because the library would then see
    /// every program that this one starts. Returns if it is not.
    pub fn leave(&self, process: &Process) -> io::Result<()> {
        let list = process.variable(PRELOAD);
        if !self.is_in(list.as_deref()) {
            return Ok(());
        }
        let others = others(list.as_deref());
        let mut again = Command::new(process.own_file()?);
        again
            .args(process.arguments().into_iter().skip(1))
            .env_remove(env::SCFW_SHIM_HOOK)
            .env_remove(PRELOAD);
        if let Some(others) = others {
            again.env(PRELOAD, others);
        }
        Err(again.exec())
    }

    /// Whether a program that is started with that list loads the library.
    #[must_use]
    pub fn is_in(&self, list: Option<&OsStr>) -> bool {
        entries(list).any(|entry| entry == self.library.as_os_str())
    }
}

/// The line that takes the library out of a running `shell`, whose loader's list is `present`. None if it is not
/// there.
#[must_use]
pub fn leaving_line(shell: Shell, present: Option<&OsStr>) -> Option<String> {
    if !entries(present).any(is_library) {
        return None;
    }
    let hook = env::SCFW_SHIM_HOOK;
    Some(match (shell, others(present)) {
        (Shell::Bash | Shell::Zsh, None) => format!("unset {PRELOAD} {hook}"),
        (Shell::Fish, None) => format!("set -e {PRELOAD} {hook}"),
        (Shell::Bash | Shell::Zsh, Some(others)) => {
            format!("unset {hook}; export {PRELOAD}={}", shell.quote(Path::new(&others)))
        }
        (Shell::Fish, Some(others)) => {
            format!("set -e {hook}; set -gx {PRELOAD} {}", shell.quote(Path::new(&others)))
        }
    })
}

/// The loader's list without the library; none if nothing else is in it.
fn others(list: Option<&OsStr>) -> Option<OsString> {
    let others: Vec<&OsStr> = entries(list).filter(|entry| !is_library(entry)).collect();
    (!others.is_empty()).then(|| others.join(OsStr::new(":")))
}

/// Whether an entry is the library, of this installation or another.
fn is_library(entry: &OsStr) -> bool {
    Path::new(entry).file_name().is_some_and(|name| name == LIBRARY)
}

/// Whether an entry is the runtime of a sanitizer, by the names of GCC and of LLVM.
fn is_sanitizer(entry: &OsStr) -> bool {
    let name = Path::new(entry).file_name().unwrap_or_default().as_bytes();
    SANITIZERS.iter().any(|sanitizer| name.starts_with(sanitizer.as_bytes()))
}

/// The options of `AddressSanitizer` with which a program that was linked to it starts behind the library. An option
/// that is set stays.
fn tolerant(options: Option<OsString>) -> OsString {
    let mut options = options.unwrap_or_default();
    let has_choice = options.as_bytes().windows(LINK_ORDER.len()).any(|part| part == LINK_ORDER.as_bytes());
    if !has_choice {
        if !options.is_empty() {
            options.push(":");
        }
        options.push(LINK_ORDER);
        options.push("=0");
    }
    options
}

fn entries(list: Option<&OsStr>) -> impl Iterator<Item = &OsStr> {
    let bytes = list.unwrap_or_default().as_bytes();
    bytes.split(|byte| matches!(byte, b' ' | b':')).filter(|entry| !entry.is_empty()).map(OsStr::from_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_of_others_stay_and_ours_comes_first_once() {
        let shield =
            Shield { library: "/p/lib/scfw/libscfw_shim.so".into(), hook: "/p/bin/scfw-hook".into() };
        let list = |present: &str| shield.variables(Some(OsStr::new(present)))[0].1.clone();
        assert_eq!(list(""), "/p/lib/scfw/libscfw_shim.so");
        assert_eq!(list("/a.so /b.so"), "/p/lib/scfw/libscfw_shim.so:/a.so:/b.so");
        assert_eq!(list("/a.so::/p/lib/scfw/libscfw_shim.so"), "/p/lib/scfw/libscfw_shim.so:/a.so");
        assert!(shield.is_in(Some(&list("/a.so"))) && !shield.is_in(Some(OsStr::new("/a.so"))));
        assert!(!shield.is_in(None));
        let own = "/p/lib/scfw/libscfw_shim.so";
        for sanitizer in ["libasan.so.8", "/usr/lib/libtsan.so.2", "/l/libclang_rt.asan-x86_64.so"] {
            assert_eq!(list(&format!("/a.so {sanitizer}")), *format!("/a.so:{sanitizer}:{own}"));
            assert_eq!(list(&format!("{own}:{sanitizer}")), *format!("{sanitizer}:{own}"));
        }
        assert_eq!(list("/libasan/a.so"), *format!("{own}:/libasan/a.so"));
    }

    #[test]
    fn a_running_shell_is_left_by_a_line_of_its_own_language() {
        let line = |shell, list: &str| leaving_line(shell, Some(OsStr::new(list)));
        let own = "/elsewhere/libscfw_shim.so";
        assert_eq!(line(Shell::Bash, own).unwrap(), "unset LD_PRELOAD SCFW_SHIM_HOOK");
        assert_eq!(line(Shell::Fish, own).unwrap(), "set -e LD_PRELOAD SCFW_SHIM_HOOK");
        assert_eq!(
            line(Shell::Zsh, &format!("/a.so:{own} /b.so")).unwrap(),
            "unset SCFW_SHIM_HOOK; export LD_PRELOAD='/a.so:/b.so'"
        );
        assert_eq!(
            line(Shell::Fish, &format!("{own}:/a.so")).unwrap(),
            "set -e SCFW_SHIM_HOOK; set -gx LD_PRELOAD '/a.so'"
        );
        assert_eq!(line(Shell::Bash, "/a.so"), None);
        assert_eq!(leaving_line(Shell::Bash, None), None);
    }

    #[test]
    fn the_options_of_a_sanitizer_stay() {
        let options = |present: &str| tolerant(Some(present.into()));
        assert_eq!(options("detect_leaks=0"), "detect_leaks=0:verify_asan_link_order=0");
        assert_eq!(options("verify_asan_link_order=1"), "verify_asan_link_order=1");
        assert_eq!(tolerant(None), "verify_asan_link_order=0");
    }
}
