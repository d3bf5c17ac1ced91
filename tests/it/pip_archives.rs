//! pip that lies in one archive and was never installed: a zipapp under the names that it is published by, and a wheel.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use scfw_core::package::Ecosystem;
use scfw_world::{Sdist, Wheel};

use crate::support::Sandbox;

/// Packs the pip of `python3`: as a program where the archive's name ends in `.pyz`, else as its wheel is.
const PACK: &str = "import os, pip, sys, zipfile
parent = os.path.dirname(os.path.dirname(pip.__file__))
with open(sys.argv[1], 'wb') as file:
    file.write(b'#!/usr/bin/env python3\\n')
with zipfile.ZipFile(sys.argv[1], 'a') as archive:
    for folder, _, names in os.walk(os.path.dirname(pip.__file__)):
        for name in names:
            if '__pycache__' not in folder:
                path = os.path.join(folder, name)
                archive.write(path, os.path.relpath(path, parent))
    if sys.argv[1].endswith('.pyz'):
        archive.writestr('__main__.py', 'import runpy; runpy.run_module(\"pip\", run_name=\"__main__\")')
";

#[test]
fn pip_is_known_in_an_archive_by_each_of_its_names() {
    let sandbox = Sandbox::new();
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    sandbox.world.add_sdist(Sdist::new("evil", "1.0").canary(sandbox.canary("evil")));
    sandbox.world.malicious(Ecosystem::PyPi, "evil", Some("1.0"));
    for (archive, words) in [
        ("pip.pyz", &["python3", "pip.pyz"][..]),
        ("pip-26.3.pyz", &["python3", "-s", "./pip-26.3.pyz"]),
        ("pip-26.3.pyz", &["./pip-26.3.pyz"]),
        ("pip-26.3-py3-none-any.whl", &["python3", "pip-26.3-py3-none-any.whl/pip"]),
    ] {
        let path = sandbox.project(archive);
        sandbox.bare("python3", &["-c", PACK, path.to_str().unwrap()]).ended_with(0);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let install =
            |name| sandbox.hook(&[words, &["install", "--upgrade", "--target", "out", name]].concat());
        install("evil").ended_with(77).says("evil-1.0 is malicious");
        assert!(!sandbox.has_sung() && sandbox.list("out").is_empty(), "{words:?}");
        install("good").ended_with(0).does_not_say("scfw");
        assert!(sandbox.list("out").contains(&"good.py".to_owned()), "{words:?}");
        fs::remove_dir_all(sandbox.project("out")).unwrap();
    }
}
