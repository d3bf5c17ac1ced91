//! The files of pip's gate: Python loads what scfw has compared and nothing else, wherever it lies.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use scfw_core::package::Ecosystem;
use scfw_world::{Sdist, Wheel};

use crate::support::{Finished, Sandbox};

/// A world with a clean `good`, an `evil` of which one version is malicious, and a `top` that is built with `tool`.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    sandbox.world.add_sdist(Sdist::new("evil", "1.0").canary(sandbox.canary("evil")));
    sandbox.world.malicious(Ecosystem::PyPi, "evil", Some("1.0"));
    sandbox.world.add_wheel(Wheel::new("tool", "1.0"));
    sandbox.world.add_sdist(Sdist::new("top", "1.0").build_requires("tool"));
    sandbox.world.add_sdist(Sdist::new("bad-top", "1.0").build_requires("evil"));
    sandbox
}

fn install(sandbox: &Sandbox, package: &str) -> Finished {
    sandbox.hook(&["pip", "install", "--no-cache-dir", "--upgrade", "--target", "out", package])
}

/// Both kinds of installs work, in an inner pip too.
#[track_caller]
fn works(sandbox: &Sandbox) {
    install(sandbox, "good").ended_with(0).does_not_say("scfw");
    install(sandbox, "top").ended_with(0).does_not_say("scfw");
    install(sandbox, "evil").ended_with(77).says("evil-1.0 is malicious");
    install(sandbox, "bad-top").ended_with(77);
    assert!(!sandbox.has_sung());
}

/// Every file below `folder` that is bytecode of the gate's.
fn bytecode(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().unwrap().is_dir() {
            found.extend(bytecode(&path));
        } else if name.contains(".pyc") && (name.starts_with("sitecustomize") || name.starts_with("points")) {
            found.push(path);
        }
    }
    found
}

#[test]
fn python_keeps_no_bytecode_of_the_gate_that_a_full_disk_could_cut_short() {
    let mut sandbox = sandbox();
    for prefix in [None, Some(sandbox.path("home/bytecode"))] {
        if let Some(prefix) = &prefix {
            sandbox.set("PYTHONPYCACHEPREFIX", prefix);
        }
        works(&sandbox);
        for found in [bytecode(&sandbox.path("scfw")), bytecode(&sandbox.path("home"))].concat() {
            // What a nearly full disk leaves.
            let half = fs::read(&found).unwrap();
            fs::write(&found, &half[..half.len() / 2]).unwrap();
        }
        works(&sandbox);
    }
}

/// Writes bytecode that Python loads without a look at any source: `-c` gets the source, then the folders.
const PLANT: &str = "import importlib.util, os, py_compile, sys
for folder in sys.argv[2:]:
    for source in (folder + '/sitecustomize.py', folder + '/gate.zip/sitecustomize.py'):
        for target in (importlib.util.cache_from_source(source), source + 'c'):
            try:
                os.makedirs(os.path.dirname(target), exist_ok=True)
            except OSError:
                continue
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
            py_compile.compile(sys.argv[1], target, invalidation_mode=mode, doraise=True)
";

#[test]
fn bytecode_that_somebody_planted_is_not_loaded() {
    let mut sandbox = sandbox();
    for prefix in [None, Some(sandbox.path("home/bytecode"))] {
        if let Some(prefix) = &prefix {
            sandbox.set("PYTHONPYCACHEPREFIX", prefix);
        }
        install(&sandbox, "good").ended_with(0);
        let planted = format!("open({:?}, 'w')", sandbox.canary("planted").to_str().unwrap());
        let source = sandbox.write("planted.py", planted);
        let folders = fs::read_dir(sandbox.path("scfw/gates")).unwrap().map(|entry| entry.unwrap().path());
        let mut arguments = vec!["-c".to_owned(), PLANT.to_owned(), source.to_str().unwrap().to_owned()];
        arguments.extend(folders.map(|folder| folder.to_str().unwrap().to_owned()));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        sandbox.bare("python3", &arguments).ended_with(0);
        works(&sandbox);
    }
}

#[test]
fn a_gate_that_was_cut_short_is_written_again() {
    let sandbox = sandbox();
    install(&sandbox, "good").ended_with(0);
    for folder in fs::read_dir(sandbox.path("scfw/gates")).unwrap() {
        let files = fs::read_dir(folder.unwrap().path()).unwrap().map(Result::unwrap);
        // A link leads to scfw-hook itself.
        for file in files.filter(|file| file.file_type().unwrap().is_file()) {
            let path = file.path();
            let content = fs::read(&path).unwrap();
            fs::write(&path, &content[..content.len() / 2]).unwrap();
        }
    }
    works(&sandbox);
}

#[test]
fn a_colon_in_the_path_of_the_data_directory_changes_nothing() {
    let mut sandbox = sandbox();
    sandbox.set("SCFW_HOME", sandbox.path("with:colon/scfw"));
    works(&sandbox);
    sandbox
        .hook(&["python3", "-I", "-m", "pip", "--isolated", "install", "--help-me"])
        .does_not_say("Traceback");
    let index = sandbox.world.index_url();
    let isolated = [
        "python3", "-I", "-m", "pip", "--isolated", "install", "--index-url", &index, "--target", "o", "evil",
    ];
    sandbox.hook(&isolated).ended_with(77).says("evil-1.0 is malicious");
    // What others could write is closed again; what leads elsewhere is refused with a sentence.
    let own = sandbox.path("temporary").join(format!("scfw-{}", nix::unistd::geteuid()));
    assert_eq!(fs::metadata(&own).unwrap().permissions().mode() & 0o777, 0o700);
    fs::set_permissions(&own, fs::Permissions::from_mode(0o777)).unwrap();
    install(&sandbox, "good").ended_with(0);
    assert_eq!(fs::metadata(&own).unwrap().permissions().mode() & 0o777, 0o700);
    fs::remove_dir_all(&own).unwrap();
    std::os::unix::fs::symlink(sandbox.path("home"), &own).unwrap();
    install(&sandbox, "good")
        .ended_with(69)
        .says("is not a directory of this user's alone")
        .says("set SCFW_HOME");
}

#[test]
fn a_python_without_pip_says_so_under_every_option() {
    let sandbox = sandbox();
    for options in ["-S", "-IS", "-ES"] {
        let arguments = [options, "-m", "pip", "install", "good"];
        let bare = sandbox.bare("python3", &arguments).ended_with(1);
        let finished = sandbox.hook(&[&["python3"], &arguments[..]].concat()).ended_with(1);
        assert_eq!((finished.stdout, finished.stderr), (bare.stdout, bare.stderr), "{options}");
    }
}
