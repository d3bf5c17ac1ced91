//! Environments as pip, setuptools, distutils and somebody hostile leave them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::*;
use crate::skipped::Skipped;

struct Site {
    root: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("site-packages")).unwrap();
        Self { root }
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.root.path().join(relative)
    }

    fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// A distribution as pip leaves it.
    fn wheel(&self, name: &str, version: &str, further: &str) {
        let directory = format!("site-packages/{}-{version}.dist-info", name.replace('-', "_"));
        let headers =
            format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{further}\nA book.\n");
        self.write(&format!("{directory}/METADATA"), headers);
    }

    fn read(&self) -> Inventory {
        read(&Environment {
            prefix: self.root.path().to_owned(),
            site_directories: vec![self.path("site-packages"), self.path("not-there")],
            other_directories: vec![self.path("python-path")],
        })
    }

    /// Each package with its source.
    fn packages(&self) -> Vec<String> {
        let inventory = self.read();
        assert_eq!(inventory.skipped, []);
        lines(&inventory)
    }
}

fn lines(inventory: &Inventory) -> Vec<String> {
    let line = |installed: &crate::inventory::Installed| {
        let Target { package, source, url, .. } = &installed.target;
        format!("{package} {source:?}{}", url.as_deref().map(|url| format!(" {url}")).unwrap_or_default())
    };
    inventory.packages.iter().map(line).collect()
}

#[test]
fn every_kind_of_record_is_read() {
    let site = Site::new();
    site.wheel("Some-Name", "1.0", "");
    site.write("site-packages/egg_dir-2.0-py3.11.egg-info/PKG-INFO", "Name: egg-dir\nVersion: 2.0\n");
    site.write("site-packages/egg_file-3.0.egg-info", "Name: egg-file\nVersion: 3.0\n");
    site.write("site-packages/egg-4.0-py3.11.egg/EGG-INFO/PKG-INFO", "Name: egg\nVersion: 4.0\n");
    site.write("site-packages/zipped-5.0-py3.11.egg", b"PK\x03\x04");
    site.write("project/develop.egg-info/PKG-INFO", "Name: develop\nVersion: 6.0\n");
    site.write("site-packages/develop.egg-link", format!("{}\n.", site.path("project").display()));
    site.write("python-path/target-7.0.dist-info/METADATA", "Name: target\nVersion: 7.0\n\n");
    let expected = [
        "develop-6.0 Path", "egg-4.0 Registry", "egg-dir-2.0 Registry", "egg-file-3.0 Registry",
        "Some-Name-1.0 Registry", "target-7.0 Registry", "zipped-5.0 Registry",
    ];
    assert_eq!(site.packages(), expected);
}

#[test]
fn path_configuration_files_add_directories_and_their_code_is_not_run() {
    let site = Site::new();
    site.write("more/added-1.0.dist-info/METADATA", "Name: added\nVersion: 1.0\n\n");
    site.write("even-more/nested-1.0.dist-info/METADATA", "Name: nested\nVersion: 1.0\n\n");
    site.write("more/x.pth", "../even-more\n");
    let code = format!("import os; open({:?}, 'w')", site.path("ran"));
    site.write("site-packages/x.pth", format!("# comment\n{code}\n\n../more\n/not/there\n../more\n"));
    assert_eq!(site.packages(), ["added-1.0 Registry"]);
}

#[test]
fn a_project_in_development_is_the_users_own_in_both_places() {
    let site = Site::new();
    site.wheel("mine", "1.0", "");
    let project = site.path("project");
    site.write("project/pyproject.toml", "[project]\nname = \"Mine\"\n");
    site.write("project/src/mine.egg-info/PKG-INFO", "Name: mine\nVersion: 1.0\n");
    site.write("project/src/other.egg-info/PKG-INFO", "Name: other\nVersion: 1.0\n");
    site.write("site-packages/__editable__.mine-1.0.pth", format!("{}/src\n", project.display()));
    let origin = format!(r#"{{"url": "file://{}", "dir_info": {{"editable": true}}}}"#, project.display());
    site.write("site-packages/mine-1.0.dist-info/direct_url.json", origin);
    assert_eq!(site.packages(), ["mine-1.0 Path", "other-1.0 Registry"]);
    assert_eq!(site.read().packages[0].locations.len(), 2);
}

#[test]
fn where_a_package_came_from() {
    let site = Site::new();
    let origin = |name: &str, origin: &str| {
        site.wheel(name, "1.0", "");
        site.write(&format!("site-packages/{name}-1.0.dist-info/direct_url.json"), origin);
    };
    origin(
        "git",
        r#"{"url": "https://me:secret@host.example/r", "vcs_info": {"vcs": "git", "commit_id": "0abc"}}"#,
    );
    origin("url", r#"{"url": "https://host.example/url-1.0.tar.gz", "archive_info": {}}"#);
    let archive = site.write("with space/file-1.0.tar.gz", "");
    let encoded = archive.to_str().unwrap().replace(' ', "%20");
    origin("file", &format!(r#"{{"url": "file://{encoded}", "archive_info": {{}}}}"#));
    let expected = [
        "file-1.0 Path",
        "git-1.0 Git git+https://host.example/r@0abc",
        "url-1.0 Url https://host.example/url-1.0.tar.gz",
    ];
    assert_eq!(site.packages(), expected);
}

#[test]
fn a_wheel_cannot_call_itself_the_users_own() {
    let site = Site::new();
    // A project that is there, and one that the wheel has brought.
    let other = site.write("other/pyproject.toml", "[project]\nname = \"other\"\n");
    site.write("other/setup.py", "");
    let brought = site.write("site-packages/a6/pyproject.toml", "[project]\nname = \"a6\"\n");
    let [other, brought] =
        [other, brought].map(|file| format!("file://{}", file.parent().unwrap().display()));
    let process = brought.replace("file://", "file:///proc/self/root");
    for (number, url) in [
        "file:///", "file:///etc/passwd", "file:///not/there", "file:", "file://x", &other, &brought,
        &process,
    ]
    .iter()
    .enumerate()
    {
        site.wheel(&format!("a{number}"), "1.0", "");
        let origin = format!(r#"{{"url": "{url}", "dir_info": {{"editable": true}}}}"#);
        site.write(&format!("site-packages/a{number}-1.0.dist-info/direct_url.json"), origin);
    }
    assert!(site.packages().iter().all(|package| package.ends_with(" Registry")), "{:?}", site.packages());
}

#[test]
fn two_copies_are_one_package_in_two_places() {
    let site = Site::new();
    site.wheel("foo-bar", "1.0", "");
    site.write("python-path/Foo.Bar-1.0.dist-info/METADATA", "Name: Foo.Bar\nVersion: 1.0\n\n");
    symlink(site.path("site-packages"), site.path("link")).unwrap();
    let environment = Environment {
        prefix: site.root.path().to_owned(),
        site_directories: vec![site.path("site-packages"), site.path("link")],
        other_directories: vec![site.path("python-path")],
    };
    let inventory = read(&environment);
    assert_eq!(lines(&inventory), ["foo-bar-1.0 Registry"]);
    let folders: Vec<_> = inventory.packages[0].folders().map(|folder| inventory.relative(folder)).collect();
    assert_eq!(
        folders,
        [Path::new("python-path/Foo.Bar-1.0.dist-info"), Path::new("site-packages/foo_bar-1.0.dist-info")]
    );
}

#[test]
fn chains_lead_from_what_was_requested() {
    let site = Site::new();
    site.wheel("app", "1.0", "Requires-Dist: Middle>=1\nRequires-Dist: extra; extra == 'x'\n");
    site.wheel("middle", "1.0", "Requires-Dist: deep_one (>1)\n");
    site.wheel("deep-one", "1.0", "Requires-Dist: app\n");
    site.wheel("extra", "1.0", "");
    site.write("site-packages/app-1.0.dist-info/REQUESTED", "");
    let inventory = site.read();
    let findings = inventory
        .targets()
        .into_iter()
        .map(|target| (target, vec![crate::finding::Finding::unverified("test", "test")]));
    let verification = crate::finding::Verification { targets: findings.collect(), ..Default::default() };
    let audit = inventory.audit(verification);
    let chains: Vec<String> =
        audit.verification.targets.iter().map(|(target, _)| target.required_by.join(">")).collect();
    assert_eq!(chains, ["", "app>middle", "", "app"]);
}

fn reasons(inventory: &Inventory) -> Vec<(String, &str)> {
    let name =
        |skipped: &Skipped| skipped.what.rsplit("site-packages/").next().unwrap_or_default().to_owned();
    let mut reasons: Vec<_> =
        inventory.skipped.iter().map(|skipped| (name(skipped), skipped.why.as_str())).collect();
    reasons.sort_unstable();
    reasons
}

#[test]
fn what_cannot_be_read_is_said_and_known_by_its_directory_where_that_tells() {
    let site = Site::new();
    site.write("site-packages/empty-1.0.dist-info/RECORD", "");
    let huge = site.write("site-packages/huge-1.0.dist-info/METADATA", "");
    fs::File::create(huge).unwrap().set_len(1 << 30).unwrap();
    site.write("site-packages/bytes-1.0.dist-info/METADATA", b"Name: \xff\xfe\nVersion: 1.0\n\n");
    site.write("site-packages/escape-1.0.dist-info/METADATA", "Name: esc\u{1b}[2J\nVersion: 1.0\n\n");
    fs::create_dir_all(site.path("site-packages/loop-1.0.dist-info")).unwrap();
    symlink("METADATA", site.path("site-packages/loop-1.0.dist-info/METADATA")).unwrap();
    site.write("site-packages/-1.0.dist-info/METADATA", "Name:\nVersion: 1.0\n\n");
    site.wheel("origin", "1.0", "");
    site.write("site-packages/origin-1.0.dist-info/direct_url.json", "[");
    site.write("site-packages/gone.egg-link", "/not/there\n.\n");
    let fifo = site.path("site-packages/pipe-1.0.egg-info");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let inventory = site.read();
    let names = lines(&inventory);
    let expected = [
        "bytes-1.0 Registry", "empty-1.0 Registry", "escape-1.0 Registry", "huge-1.0 Registry",
        "loop-1.0 Registry", "origin-1.0 Registry", "pipe-1.0 Registry",
    ];
    assert_eq!(names, expected);
    let reasons = reasons(&inventory);
    let about = |name: &str| reasons.iter().find(|(what, _)| what == name).map(|(_, why)| *why);
    assert_eq!(about("empty-1.0.dist-info/METADATA"), Some("is missing"));
    assert_eq!(about("huge-1.0.dist-info/METADATA"), Some("has no name and version"));
    for name in ["bytes", "escape"] {
        let why = about(&format!("{name}-1.0.dist-info/METADATA"));
        assert_eq!(why, Some("has a name or version that no package can have"));
    }
    assert!(about("loop-1.0.dist-info/METADATA").is_some_and(|why| why.starts_with("cannot be read")));
    assert_eq!(about("origin-1.0.dist-info/direct_url.json"), Some("is no record of a direct URL"));
    assert_eq!(about("gone.egg-link"), Some("leads to no folder"));
    assert_eq!(about("pipe-1.0.egg-info"), Some("is not a regular file"));
    assert!(reasons.iter().any(|(_, why)| *why == "names no package"), "{reasons:?}");
}

#[test]
fn a_directory_that_cannot_be_listed_is_said() {
    if nix::unistd::geteuid().is_root() {
        // The superuser can list every directory, but no file as one through a loop.
        let site = Site::new();
        fs::remove_dir(site.path("site-packages")).unwrap();
        symlink("site-packages", site.path("site-packages")).unwrap();
        let inventory = site.read();
        assert_eq!(inventory.skipped.len(), 1, "{:?}", inventory.skipped);
        return;
    }
    let site = Site::new();
    fs::set_permissions(site.path("site-packages"), fs::Permissions::from_mode(0o0)).unwrap();
    let inventory = site.read();
    fs::set_permissions(site.path("site-packages"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(inventory.skipped.len(), 1);
    assert!(inventory.skipped[0].why.contains("ermission"), "{:?}", inventory.skipped);
}

fn identity(name: &str, version: &str) -> Identity {
    (Some(name.to_owned()), Some(version.to_owned()))
}

#[test]
fn metadata_and_directory_name_are_one_package_unless_they_disagree() {
    let names = |declared: &Identity, named: &Identity| -> Vec<String> {
        identities(declared, named)
            .into_iter()
            .map(|(name, version)| format!("{name} {}", version.unwrap_or_default()))
            .collect()
    };
    assert_eq!(names(&identity("Foo.Bar", "1.0"), &identity("foo_bar", "1.0.0")), ["Foo.Bar 1.0"]);
    assert_eq!(names(&identity("foo", "1.0-1"), &identity("foo", "1.0_1")), ["foo 1.0-1"]);
    assert_eq!(names(&identity("good", "1.0"), &identity("evil", "1.0")), ["good 1.0", "evil 1.0"]);
    assert_eq!(names(&identity("foo", "9.9"), &identity("foo", "1.0")), ["foo 9.9", "foo 1.0"]);
    assert_eq!(names(&identity("pip", "1.0"), &identity("~ip", "1.0")), ["pip 1.0"]);
    assert_eq!(names(&(None, None), &identity("foo", "1.0")), ["foo 1.0"]);
    assert_eq!(names(&(Some("foo".to_owned()), None), &identity("foo", "1.0")), ["foo 1.0"]);
    assert_eq!(names(&identity("ev\u{1b}il", "1.0"), &(None, None)), Vec::<String>::new());
    assert_eq!(names(&identity("foo", "1\u{7}"), &(Some("foo".to_owned()), None)), ["foo "]);
}
