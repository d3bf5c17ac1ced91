//! The subject of an npm command: which folder is the project, whether its lockfile can be relied on, and, if it
//! cannot, what the project depends on by itself.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::collector::Collector;
use crate::format::npm_spec::{self, Spec};
use crate::format::package_json::Manifest;
use crate::format::workspaces::Workspaces;
use crate::lockfile::{self, Format, LockedPackage};
use crate::manager::NodeRequest;
use crate::package::{Ecosystem, Package};

/// A project, as npm finds it.
#[derive(Debug)]
struct Project {
    /// npm's local prefix.
    root: PathBuf,
    /// The workspace of it that the command is run in, to which npm then limits itself.
    workspace: Option<PathBuf>,
}

/// Collects the packages that the command is certain to install.
pub(super) fn screen(
    request: &NodeRequest,
    formats: &[&Format],
    directory: &Path,
    collector: &mut Collector,
) {
    // npm asks the system where it is, so symbolic links on the way here are resolved.
    let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    if request.executes {
        for spec in request.specs.iter().filter(|spec| !is_at_hand(spec, &directory)) {
            target(collector, npm_spec::argument(spec));
        }
        return;
    }
    let project = Project::find(request, &directory);
    // `npm install .` in the project's own folder is `npm install`.
    let names_itself =
        |spec: &str| matches!(spec, "." | "./") && directory == project.root && !request.global;
    let specs: Vec<&String> =
        request.specs.iter().filter(|spec| !request.clean && !names_itself(spec)).collect();
    for spec in &specs {
        target(collector, npm_spec::argument(spec));
    }
    if specs.is_empty() && !request.global && !request.partial {
        project.screen(request, formats, collector);
    }
}

/// The root of the project that a command in `directory` is about.
pub(super) fn root(directory: &Path) -> PathBuf {
    let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    Project::find(&NodeRequest::default(), &directory).root
}

impl Project {
    fn find(request: &NodeRequest, directory: &Path) -> Self {
        if let Some(prefix) = &request.prefix {
            return Self { root: directory.join(prefix), workspace: None };
        }
        let is_project =
            |folder: &&Path| folder.join("package.json").is_file() || folder.join("node_modules").is_dir();
        let Some(nearest) = directory.ancestors().find(is_project) else {
            return Self { root: directory.to_owned(), workspace: None };
        };
        for ancestor in nearest.ancestors().skip(1) {
            if let Ok(Some(manifest)) = Manifest::read(ancestor)
                && let Some(path) = nearest.strip_prefix(ancestor).ok().and_then(Path::to_str)
                && Workspaces::new(&manifest.workspaces).may_match(path)
                && nearest.join("package.json").is_file()
            {
                return Self { root: ancestor.to_owned(), workspace: Some(nearest.to_owned()) };
            }
        }
        Self { root: nearest.to_owned(), workspace: None }
    }

    fn screen(&self, request: &NodeRequest, formats: &[&Format], collector: &mut Collector) {
        let manifest = read_manifest(&self.root, collector);
        // A workspace gets its own dependencies and theirs, not everything that is locked.
        if self.workspace.is_none() && (request.clean || !request.lock_ignored) {
            let is_screened = formats
                .iter()
                .any(|format| self.screen_lockfile(format, request.clean, manifest.as_ref(), collector));
            if is_screened || request.clean {
                return;
            }
        }
        if let Some(manifest) = manifest {
            self.screen_manifests(&manifest, collector);
        }
    }

    /// Collects the locked packages, if the manager will install the lockfile of that format, and says whether it will.
    fn screen_lockfile(
        &self,
        format: &Format,
        clean: bool,
        manifest: Option<&Manifest>,
        collector: &mut Collector,
    ) -> bool {
        let Some((path, text)) = format.find(&self.root) else { return false };
        let mut skip = |why: &str| {
            collector.skip(&path.to_string_lossy(), why);
            false
        };
        let text = match text {
            Ok(text) => text,
            Err(why) => return skip(&why),
        };
        let locked = match format.parse(&text) {
            Ok(locked) => locked,
            Err(why) => return skip(&why),
        };
        let project = lockfile::Project { root: &self.root, manifest };
        let is_installed = clean || locked.origin.is_in_step(&project);
        for package in locked.packages.into_iter().filter(|_| is_installed) {
            locked_target(format, &path, package, collector);
        }
        is_installed
    }

    /// Collects the direct dependencies of the project and its workspaces, or of the one workspace.
    fn screen_manifests(&self, root: &Manifest, collector: &mut Collector) {
        let workspaces = Workspaces::new(&root.workspaces);
        let (folders, is_complete) = workspaces.folders(&self.root);
        if !is_complete {
            let why = "has workspaces that could not all be found";
            collector.skip(&self.root.join("package.json").to_string_lossy(), why);
        }
        let manifests: Vec<(PathBuf, Manifest)> = folders
            .into_iter()
            .filter_map(|folder| Some((folder.clone(), read_manifest(&folder, collector)?)))
            .collect();
        let local: HashSet<&str> = manifests
            .iter()
            .filter_map(|(folder, manifest)| {
                manifest.name.as_deref().or_else(|| folder.file_name()?.to_str())
            })
            .collect();
        let mut screen = |manifest: &Manifest| {
            // A package of the project's own under that name is linked instead of fetched.
            for (_, spec) in manifest.dependencies.certain().filter(|(name, _)| !local.contains(name)) {
                target(collector, Some(spec));
            }
        };
        if self.workspace.is_none() {
            screen(root);
        }
        // The root's overrides change the dependencies of its workspaces, though not its own. A folder that could not
        // be listed may hold a package of any name.
        if root.has_overrides || !is_complete {
            return;
        }
        for (folder, manifest) in &manifests {
            if self.workspace.as_ref().is_none_or(|workspace| workspace == folder) {
                screen(manifest);
            }
        }
    }
}

/// Whether `npx` runs the command from the project instead of fetching a package: the project declares it, or a
/// package that is installed does. Commands that are installed globally are not known here.
fn is_at_hand(spec: &str, directory: &Path) -> bool {
    let is_command = !spec.is_empty() && !spec.contains('/') && !spec.starts_with('.');
    is_command
        && directory.ancestors().any(|folder| {
            let declares = |manifest: Manifest| manifest.commands.iter().any(|command| command == spec);
            folder.join("node_modules/.bin").join(spec).symlink_metadata().is_ok()
                || Manifest::read(folder).is_ok_and(|manifest| manifest.is_some_and(declares))
        })
}

fn read_manifest(folder: &Path, collector: &mut Collector) -> Option<Manifest> {
    match Manifest::read(folder) {
        Ok(manifest) => manifest,
        Err(why) => {
            collector.skip(&folder.join("package.json").to_string_lossy(), &why);
            None
        }
    }
}

fn target(collector: &mut Collector, spec: Option<Spec<'_>>) {
    if let Some(spec) = spec {
        collector.target(Package::new(Ecosystem::Npm, spec.name, spec.version));
    }
}

fn locked_target(format: &Format, lockfile: &Path, locked: LockedPackage<'_>, collector: &mut Collector) {
    if format.ecosystem.is_name(&locked.name) {
        collector.target(Package::new(format.ecosystem, locked.name, Some(&locked.version)));
    } else {
        let what = format!("{}, {}", lockfile.display(), locked.name);
        collector.skip(&what, "has an entry whose name cannot be a package's");
    }
}
