//! Whether a distribution can have been installed from a place on this machine. A wheel can bring a record that says
//! so (PEP 610), so the place has to be that project's, and none that the wheel has made.

use std::fs;
use std::path::{Component, Path};

use super::metadata::Metadata;
use crate::files;
use crate::package::Ecosystem;

/// A file of a project that names it is at most this many bytes.
const FILE_LENGTH: u64 = 1 << 20;
/// Entries looked at in a folder.
const MOST_ENTRIES: usize = 10_000;
/// Folders that lead into a process or a device, which sets their content.
const NOT_ON_DISK: [&str; 3] = ["proc", "sys", "dev"];

/// Whether `path` is the folder of the project `name`, or an archive with its name. `site` is the directory that the
/// distribution is in: the distribution may have brought itself anything below that.
pub(super) fn is_source(path: &Path, name: &str, site: &Path) -> bool {
    if !is_place(path, site) {
        return false;
    }
    if path.is_dir() {
        return names(path).iter().any(|other| key(other) == key(name));
    }
    let file_name = path.file_name().unwrap_or_default().to_string_lossy();
    path.is_file() && key(&file_name).starts_with(&format!("{}-", key(name)))
}

fn key(name: &str) -> String {
    Ecosystem::PyPi.normalise(name)
}

/// Whether `path` says where it is, and that is a disk and not the site directory.
fn is_place(path: &Path, site: &Path) -> bool {
    let mut components = path.components();
    let is_absolute = components.next() == Some(Component::RootDir);
    let first = components.next().map(Component::as_os_str).unwrap_or_default();
    if !is_absolute
        || path.components().any(|component| component == Component::ParentDir)
        || NOT_ON_DISK.iter().any(|folder| first == *folder)
    {
        return false;
    }
    let (Ok(path), Ok(site)) = (path.canonicalize(), site.canonicalize()) else { return false };
    let is_on_disk = !NOT_ON_DISK.iter().any(|folder| path.starts_with(Path::new("/").join(folder)));
    is_on_disk && !path.starts_with(site)
}

/// The name that the files of the project in `folder` give it: `pyproject.toml` (PEP 621, and Poetry's and Flit's
/// own), else `setup.cfg`, else the metadata that a build has left. The name in a `setup.py` is known only to a run
/// of it.
fn names(folder: &Path) -> Vec<String> {
    let read = |file: &str| {
        let bytes = files::read_installed(&folder.join(file), FILE_LENGTH).ok().flatten()?;
        String::from_utf8(bytes).ok()
    };
    if let Some(name) = read("pyproject.toml").and_then(|text| name_in_toml(&text)) {
        return vec![name];
    }
    if let Some(name) = read("setup.cfg").and_then(|text| name_in_setup_cfg(&text)) {
        return vec![name];
    }
    let mut names: Vec<String> =
        read("PKG-INFO").and_then(|text| Metadata::parse(&text).name).into_iter().collect();
    for folder in [folder.to_owned(), folder.join("src")] {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for path in entries.take(MOST_ENTRIES).flatten().map(|entry| entry.path()) {
            if path.extension().is_some_and(|extension| extension == "egg-info") {
                names.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
            }
        }
    }
    names
}

fn name_in_toml(text: &str) -> Option<String> {
    let table: toml::Table = toml::from_str(text).ok()?;
    let at = |path: &[&str]| {
        let (last, folders) = path.split_last()?;
        let table = folders.iter().try_fold(&table, |table, name| table.get(*name)?.as_table())?;
        Some(table.get(*last)?.as_str()?.to_owned())
    };
    at(&["project", "name"])
        .or_else(|| at(&["tool", "poetry", "name"]))
        .or_else(|| at(&["tool", "flit", "metadata", "dist-name"]))
        .or_else(|| at(&["tool", "flit", "metadata", "module"]))
}

/// `name` in the section `metadata` (setuptools' documentation of `setup.cfg`).
fn name_in_setup_cfg(text: &str) -> Option<String> {
    let lines = text.lines().skip_while(|line| line.trim() != "[metadata]").skip(1);
    let mut lines = lines.take_while(|line| !line.starts_with('['));
    lines.find_map(|line| {
        let (key, value) = line.split_once(['=', ':'])?;
        (key.trim_end() == "name").then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_the_project_that_its_files_name() {
        let folder = tempfile::tempdir().unwrap();
        let site = tempfile::tempdir().unwrap();
        let place = folder.path();
        let is = |name: &str| is_source(place, name, site.path());
        let write = |file: &str, content: &str| {
            let path = place.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        write("setup.py", "from setuptools import setup; setup(name='mine')");
        assert!(!is("mine"), "nothing says so yet");
        write("src/My_Own.egg-info/PKG-INFO", "");
        assert!(is("my-own") && !is("mine"));
        write("setup.cfg", "[options]\nname = other\n[metadata]\nversion = 1\nname = From.Cfg\n");
        assert!(is("from-cfg") && !is("my-own") && !is("other"));
        for (toml, name) in [
            ("[project]\nname = \"mine\"", "Mine"),
            ("[tool.poetry]\nname = \"mine\"", "mine"),
            ("[tool.flit.metadata]\nmodule = \"mine\"", "mine"),
        ] {
            write("pyproject.toml", toml);
            assert!(is(name) && !is("from-cfg"), "{toml}");
        }
        write("pyproject.toml", "[build-system]\nrequires = []");
        assert!(is("from-cfg"));
        write("pyproject.toml", "[[");
        assert!(is("from-cfg"));
    }

    #[test]
    fn a_place_that_a_wheel_can_make_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path().join("site-packages");
        let brought = site.join("evil");
        fs::create_dir_all(&brought).unwrap();
        fs::write(brought.join("pyproject.toml"), "[project]\nname = \"evil\"").unwrap();
        assert!(!is_source(&brought, "evil", &site));
        let other = folder.path().join("other");
        fs::create_dir(&other).unwrap();
        assert!(is_source(&brought, "evil", &other), "the same folder from elsewhere");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&brought, &link).unwrap();
        assert!(!is_source(&link, "evil", &site));
        assert!(!is_source(&other.join("../site-packages/evil"), "evil", &other));
        let process = format!("/proc/self/root{}", brought.display());
        assert!(Path::new(&process).is_dir() && !is_source(Path::new(&process), "evil", &other));
        assert!(!is_source(Path::new("evil"), "evil", &other));
    }
}
