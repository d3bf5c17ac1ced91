//! The preload library in a sandbox, and small C programs that are built there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Sandbox, binary, managers};

/// The compilers of the two C libraries, each with a name for messages.
pub(crate) const COMPILERS: [&str; 2] = ["cc", "musl-gcc"];

/// The preload library, built as it is used: any other build is never loaded.
pub(crate) fn library() -> PathBuf {
    let path = binary("scfw-hook").parent().unwrap().with_file_name("shim").join("libscfw_shim.so");
    assert!(
        path.is_file(),
        "{} is not built: run `cargo build --profile shim --package scfw-shim` first, as test.sh does",
        path.display()
    );
    path
}

impl Sandbox {
    /// Loads the preload library into all commands to come.
    pub(crate) fn preload(&mut self) {
        self.set("LD_PRELOAD", library());
        self.set("SCFW_SHIM_HOOK", binary("scfw-hook"));
    }

    /// A world whose commands run under the preload library.
    pub(crate) fn preloaded() -> Self {
        let mut sandbox = Self::new();
        sandbox.preload();
        sandbox
    }

    /// Compiles `tests/c/<source>` to a program at `relative` in the project folder.
    pub(crate) fn compile(
        &self,
        compiler: &str,
        source: &str,
        options: &[&str],
        relative: impl AsRef<Path>,
    ) -> PathBuf {
        let program = self.project(relative);
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("c").join(source);
        let output = Command::new(compiler)
            .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-o"])
            .arg(&program)
            .arg(source)
            .args(options)
            .output()
            .unwrap_or_else(|error| {
                panic!("{compiler} is not there (test.sh installs what is missing): {error}")
            });
        assert!(output.status.success(), "{compiler}: {}", String::from_utf8_lossy(&output.stderr));
        program
    }

    /// Puts a folder of the project first on `PATH`.
    pub(crate) fn search_first(&mut self, relative: &str) {
        let mut path = self.project(relative).into_os_string();
        path.push(":");
        path.push(self.variable("PATH"));
        self.set("PATH", path);
    }

    /// Puts tox first on `PATH`.
    pub(crate) fn add_tox(&mut self) {
        let mut path = managers::tox_directory().into_os_string();
        path.push(":");
        path.push(self.variable("PATH"));
        self.set("PATH", path);
    }

    /// What the stand-in `mirror.c` has seen, and forgets it.
    pub(crate) fn mirrored(&self) -> Mirrored {
        let read = |name: &str| {
            let content = fs::read(self.project(name)).unwrap_or_default();
            // It may be missing.
            fs::remove_file(self.project(name)).ok();
            String::from_utf8_lossy(&content).into_owned()
        };
        let strings =
            |name: &str| -> Vec<String> { read(name).split_terminator('\0').map(str::to_owned).collect() };
        let environment = strings("environ")
            .iter()
            .filter_map(|variable| variable.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Mirrored { runs: read("runs").len(), argv: strings("argv"), environment }
    }
}

/// How a stand-in was called.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mirrored {
    /// How often.
    pub(crate) runs: usize,
    pub(crate) argv: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
}
