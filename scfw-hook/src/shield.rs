//! The preload library: where it lies, and the variables that load it into a program and all that it starts.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use scfw_core::env;

use crate::router::own_program;

/// The library's file.
pub const LIBRARY: &str = "libscfw_shim.so";
/// The loader's list of libraries, by `ld.so(8)` separated by colons or spaces.
pub const PRELOAD: &str = "LD_PRELOAD";

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
    pub fn installed() -> Result<Self> {
        let hook = own_program().context("scfw-hook is not beside scfw; install scfw again")?;
        let prefix = hook.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
        let library = prefix.join("lib/scfw").join(LIBRARY);
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

    /// What has to be set where `present` is the loader's list so far, which is kept behind ours.
    #[must_use]
    pub fn variables(&self, present: Option<&OsStr>) -> [(&'static str, OsString); 2] {
        let mut list = self.library.clone().into_os_string();
        for other in entries(present).filter(|other| *other != self.library.as_os_str()) {
            list.push(":");
            list.push(other);
        }
        [(PRELOAD, list), (env::SCFW_SHIM_HOOK, self.hook.clone().into_os_string())]
    }

    /// Makes sure that programs start under the library, or tells why they cannot.
    pub fn probe(&self) -> Result<()> {
        let probed = Command::new("/bin/sh")
            .args(["-c", ":"])
            .envs(self.variables(None))
            .output()
            .context("/bin/sh could not be started")?;
        // The loader says what it does not like, and goes on or ends the program.
        if !probed.status.success() || !probed.stderr.is_empty() {
            let said = String::from_utf8_lossy(&probed.stderr).trim().to_owned();
            bail!("programs do not start under {} on this system ({said})", self.library.display());
        }
        Ok(())
    }

    /// Starts this program anew under the library. Returns once it is.
    pub fn enter(&self) -> Result<()> {
        if self.is_loaded() {
            return Ok(());
        }
        let list = std::env::var_os(PRELOAD);
        if self.is_in(list.as_deref()) {
            bail!("{} could not be loaded into scfw", self.library.display());
        }
        self.probe()?;
        let mut again = Command::new(std::env::current_exe()?);
        let again = again.args(std::env::args_os().skip(1)).envs(self.variables(list.as_deref()));
        Err(again.exec()).context("scfw could not be started under the preload library")
    }

    /// Whether the library is in this very process.
    fn is_loaded(&self) -> bool {
        let file = self.library.file_name().unwrap_or_default().as_bytes();
        std::fs::read("/proc/self/maps")
            .is_ok_and(|maps| maps.split(|byte| *byte == b'\n').any(|line| line.ends_with(file)))
    }

    /// Starts this program anew without the library where that is loaded into it, for then it would see every program
    /// that this one starts. Returns where it is not.
    pub fn leave(&self) -> io::Result<()> {
        let list = std::env::var_os(PRELOAD);
        if !self.is_in(list.as_deref()) {
            return Ok(());
        }
        let others: Vec<&OsStr> =
            entries(list.as_deref()).filter(|entry| *entry != self.library.as_os_str()).collect();
        let mut again = Command::new(std::env::current_exe()?);
        again.args(std::env::args_os().skip(1)).env_remove(env::SCFW_SHIM_HOOK).env_remove(PRELOAD);
        if !others.is_empty() {
            again.env(PRELOAD, others.join(OsStr::new(":")));
        }
        Err(again.exec())
    }

    /// Whether a program that is started with that list loads the library.
    #[must_use]
    pub fn is_in(&self, list: Option<&OsStr>) -> bool {
        entries(list).any(|entry| entry == self.library.as_os_str())
    }
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
    }
}
