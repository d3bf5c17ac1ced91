//! The folders of a `node_modules` tree: scopes, nested packages, links, and the stores of pnpm and of npm's linked
//! strategy. Every folder is visited once, so links cannot lead in circles.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::is_bare;
use super::manifest::{self, Manifest};
use crate::files;
use crate::inventory::Builder;

/// Folders looked at, at most.
const MOST_FOLDERS: usize = 1_000_000;

/// The folders in `node_modules` that packages lie in and links lead to.
const STORES: [&str; 2] = [".pnpm", ".store"];

/// A package's folder.
#[derive(Debug)]
pub(super) struct Folder {
    /// Where it lies: by the way that led there, resolved where that was a link.
    pub(super) path: PathBuf,
    /// What it is called in `node_modules`, with its scope.
    pub(super) name: String,
    /// Its package.json, where that could be read.
    pub(super) manifest: Option<Manifest>,
    /// It is a folder of the user's own, outside of any `node_modules`.
    pub(super) is_own: bool,
    /// When something in it last changed that a walk can see.
    pub(super) modified: Option<SystemTime>,
}

/// Everything below a `node_modules`.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The packages.
    pub(super) folders: Vec<Folder>,
    /// Where each can be found, links included.
    by_path: HashMap<PathBuf, usize>,
}

impl Tree {
    /// The package that Node.js finds for `name` from the folder `from`.
    pub(super) fn resolve(&self, from: &Path, name: &str) -> Option<usize> {
        from.ancestors()
            .filter(|folder| folder.file_name() != Some(OsStr::new("node_modules")))
            .find_map(|folder| self.by_path.get(&folder.join("node_modules").join(name)).copied())
    }

    /// The packages that lie in `modules` itself.
    pub(super) fn directly_in(&self, modules: &Path) -> Vec<usize> {
        let is_direct = |path: &Path| {
            path.strip_prefix(modules)
                .is_ok_and(|rest| !rest.components().any(|part| part.as_os_str() == "node_modules"))
        };
        self.by_path.iter().filter(|(path, _)| is_direct(path)).map(|(_, node)| *node).collect()
    }
}

/// Walks the tree below `modules`. What cannot be read is noted.
pub(super) fn walk(modules: &Path, builder: &mut Builder) -> Tree {
    let mut walk = Walk {
        root: modules.parent().unwrap_or(modules),
        tree: Tree::default(),
        seen: HashMap::new(),
        listed: HashSet::new(),
        open: Vec::new(),
        builder,
    };
    walk.open.push(modules.to_owned());
    while let Some(modules) = walk.open.pop() {
        walk.modules(&modules);
    }
    walk.tree
}

struct Walk<'a> {
    /// What the `node_modules` lies in, which may itself lie in another one.
    root: &'a Path,
    tree: Tree,
    /// Device and inode of the folders that were visited.
    seen: HashMap<(u64, u64), usize>,
    /// The same of the `node_modules` that were listed.
    listed: HashSet<(u64, u64)>,
    /// The `node_modules` that are still to be listed.
    open: Vec<PathBuf>,
    builder: &'a mut Builder,
}

impl Walk<'_> {
    fn modules(&mut self, modules: &Path) {
        match fs::metadata(modules) {
            Ok(metadata) if !self.listed.insert((metadata.dev(), metadata.ino())) => return,
            Ok(_) => {}
            Err(error) if files::is_absence(&error) => return,
            Err(error) => return self.builder.unread(modules, &files::describe(&error)),
        }
        for entry in self.entries(modules) {
            let file_name = entry.file_name();
            let Some(name) = self.name(&entry) else { continue };
            if STORES.contains(&name.as_str()) {
                let stored = self.entries(&entry.path());
                self.open.extend(stored.iter().map(|entry| entry.path().join("node_modules")));
                self.open.push(entry.path().join("node_modules"));
            } else if name.starts_with('@') {
                for scoped in self.entries(&entry.path()) {
                    if let Some(inner) = self.name(&scoped) {
                        self.entry(&scoped, format!("{name}/{inner}"));
                    }
                }
            } else if !file_name.as_encoded_bytes().starts_with(b".") {
                self.entry(&entry, name);
            }
        }
    }

    fn entries(&mut self, folder: &Path) -> Vec<DirEntry> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            // A file in the place of a folder holds no packages.
            Err(error) if files::is_absence(&error) => return Vec::new(),
            Err(error) => {
                self.builder.unread(folder, &files::describe(&error));
                return Vec::new();
            }
        };
        let mut listed = Vec::new();
        for entry in entries {
            if listed.len() == MOST_FOLDERS {
                self.builder.unread(folder, &format!("has more than {MOST_FOLDERS} entries"));
                break;
            }
            match entry {
                Ok(entry) => listed.push(entry),
                Err(error) => {
                    self.builder.unread(folder, &files::describe(&error));
                    break;
                }
            }
        }
        listed
    }

    fn name(&mut self, entry: &DirEntry) -> Option<String> {
        let name = entry.file_name().into_string();
        if name.is_err() {
            self.builder.unread(&entry.path(), "has a name that is not UTF-8");
        }
        name.ok()
    }

    fn entry(&mut self, entry: &DirEntry, name: String) {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => {
                self.folder(path.clone(), name, &path, false);
            }
            Ok(kind) if kind.is_symlink() => match path.canonicalize() {
                Ok(real) if real.is_dir() => {
                    let inside = real.strip_prefix(self.root).unwrap_or(&real);
                    let is_own = !inside.components().any(|part| part.as_os_str() == "node_modules");
                    self.folder(real, name, &path, is_own);
                }
                Ok(_) => {}
                Err(error) => self.builder.unread(&path, &format!("is a link that leads nowhere: {error}")),
            },
            // A file is no package.
            Ok(_) => {}
            Err(error) => self.builder.unread(&path, &files::describe(&error)),
        }
    }

    /// Takes the folder `path` in, which is found at `found_at`.
    fn folder(&mut self, path: PathBuf, name: String, found_at: &Path, is_own: bool) {
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) => return self.builder.unread(&path, &files::describe(&error)),
        };
        let identity = (metadata.dev(), metadata.ino());
        if let Some(node) = self.seen.get(&identity) {
            self.tree.by_path.insert(found_at.to_owned(), *node);
            return;
        }
        if self.tree.folders.len() == MOST_FOLDERS {
            return self.builder.unread(&path, &format!("comes after {MOST_FOLDERS} other folders"));
        }
        self.open.push(path.join("node_modules"));
        let manifest = match manifest::read(&path) {
            Ok(Some(manifest)) => Some(manifest),
            Ok(None) if is_own => None,
            Ok(None) => {
                if is_bare(&path) {
                    return;
                }
                self.builder.unread(&path, "has no package.json");
                None
            }
            Err(why) => {
                self.builder.unread(&path.join("package.json"), &why);
                None
            }
        };
        let node = self.tree.folders.len();
        self.seen.insert(identity, node);
        self.tree.by_path.insert(found_at.to_owned(), node);
        if path != found_at {
            self.tree.by_path.insert(path.clone(), node);
        }
        let modified = metadata.modified().ok();
        self.tree.folders.push(Folder { path, name, manifest, is_own, modified });
    }
}
