//! The managers of the test matrix, fetched once by the ordinary clients and kept below `target/`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One pip of each generation that the gate covers.
pub(crate) const PIP_VERSIONS: [&str; 6] = ["20.3.4", "22.2", "23.2.1", "24.3.1", "25.3", "26.3"];
/// Pips between and before them that work in another way: the first of the resolver's, and one whose legacy resolver has no metadata
/// of wheels.
pub(crate) const OLD_PIPS: [&str; 2] = ["20.3.1", "21.3.1"];
/// Pips that unpack and download at different times: all during resolution, and the newest wheels after it.
pub(crate) const UNPACKING_PIPS: [&str; 5] = ["20.3.1", "21.3.1", "23.2.1", "25.3", "26.3"];
/// The newest of them, for what does not depend on the version.
pub(crate) const NEWEST_PIP: &str = "26.3";
/// A tox, which starts pip in environments that it makes.
const TOX: &str = "4.67.15";
/// The newest npm of the matrix that runs on the Node.js of the machine.
pub(crate) const NEWEST_NPM: &str = "11.19.1";

/// The Node.js that npm 12 runs on.
const NODE: &str = "22.23.3";
/// A pnpm that reads npm's variables.
const PNPM: &str = "9.15.9";

/// The folder with `pip` and `python3` of an environment with that pip.
pub(super) fn pip_directory(version: &str) -> PathBuf {
    let environment = cached(&format!("pip-{version}"), |directory| {
        run(Command::new("python3").args(["-m", "venv"]).arg(directory))?;
        let python = directory.join("bin/python3");
        run(Command::new(python).args(["-m", "pip", "install", "--quiet"]).arg(format!("pip=={version}")))
    });
    environment.join("bin")
}

/// The folder with `tox` and the `python3` that it runs on.
pub(super) fn tox_directory() -> PathBuf {
    let environment = cached(&format!("tox-{TOX}"), |directory| {
        run(Command::new("python3").args(["-m", "venv"]).arg(directory))?;
        let python = directory.join("bin/python3");
        run(Command::new(python).args(["-m", "pip", "install", "--quiet"]).arg(format!("tox=={TOX}")))
    });
    environment.join("bin")
}

/// The folder with `npm` and `npx` of that version.
pub(super) fn npm_directory(version: &str) -> PathBuf {
    let prefix = cached(&format!("npm-{version}"), |directory| {
        let arguments = ["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"];
        run(Command::new("npm").args(arguments).arg(directory).arg(format!("npm@{version}")))
    });
    prefix.join("node_modules/.bin")
}

/// The folder with `pnpm`.
pub(crate) fn pnpm_directory() -> PathBuf {
    let prefix = cached(&format!("pnpm-{PNPM}"), |directory| {
        let arguments = ["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"];
        run(Command::new("npm").args(arguments).arg(directory).arg(format!("pnpm@{PNPM}")))
    });
    prefix.join("node_modules/.bin")
}

/// Whether that npm runs on [`NODE`] and no older Node.js, and by itself neither fetches repositories nor runs scripts.
pub(super) fn is_npm_12(version: &str) -> bool {
    version.starts_with("12.")
}

/// The folder with a `node` on which that npm runs.
pub(super) fn node_directory(npm: &str) -> PathBuf {
    if is_npm_12(npm) {
        let prefix = cached(&format!("node-{NODE}"), |directory| {
            let arguments = ["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"];
            let machine = match std::env::consts::ARCH {
                "aarch64" => "arm64",
                _ => "x64",
            };
            let package = format!("node-linux-{machine}@{NODE}");
            run(Command::new("npm").args(arguments).arg(directory).arg(package))
        });
        let packages = fs::read_dir(prefix.join("node_modules")).unwrap();
        return packages
            .map(|package| package.unwrap().path().join("bin"))
            .find(|folder| folder.join("node").is_file())
            .expect("the package of Node.js holds a node");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(|directory| directory.join("node").is_file())
        .expect("node is not on PATH: the tests need Node.js")
}

/// The folder `name` below `target/test-environments`, made by `make` where it is not there yet. Tests run in
/// parallel processes, so a lock makes sure that it is made once; a half-made one has no final name.
fn cached(name: &str, make: impl Fn(&Path) -> Result<(), String>) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let target = own.ancestors().find(|path| path.ends_with("target")).unwrap_or(own.parent().unwrap());
    let root = target.join("test-environments");
    let directory = root.join(name);
    let done = root.join(format!("{name}.done"));
    if done.exists() {
        return directory;
    }
    fs::create_dir_all(&root).unwrap();
    let lock = File::create(root.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if !done.exists() {
        if directory.exists() {
            fs::remove_dir_all(&directory).unwrap();
        }
        // Environments carry their own path, so they are made where they stay.
        fs::create_dir_all(&directory).unwrap();
        make(&directory).unwrap_or_else(|error| {
            panic!("{name} could not be fetched with the ordinary clients, so this test cannot run: {error}")
        });
        File::create(&done).unwrap();
    }
    directory
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}
