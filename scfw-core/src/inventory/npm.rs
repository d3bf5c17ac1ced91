//! What npm has installed: every folder of a `node_modules` tree with the `package.json` in it, together with what
//! npm's hidden lockfile, `node_modules/.package-lock.json`, says about that folder. The folders are the truth about
//! what is there; the lockfile knows where it came from, and under which name and version the registry gave it. It
//! counts for a folder only where it is not older than the folder, as for npm itself.

mod hidden;
mod manifest;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::graph::Graph;
use super::{Builder, Inventory, is_version};
use crate::package::{Ecosystem, Package, Source, Target};
use crate::screen::npm_spec;
use crate::text::without_credentials;
use hidden::Recorded;
use manifest::{Manifest, Origin};
use walk::{Folder, Tree};

/// A `node_modules` folder to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// That of the project in this folder.
    Project(PathBuf),
    /// This one, of packages that are installed globally.
    Global(PathBuf),
}

/// Reads what is installed at `place`. A `node_modules` that is not there holds nothing.
#[must_use]
pub fn read(place: &Place) -> Inventory {
    let mut builder = Builder::new(Ecosystem::Npm);
    let (root, modules) = match place {
        Place::Project(root) => (root.clone(), root.join("node_modules")),
        Place::Global(modules) => (modules.parent().unwrap_or(modules).to_owned(), modules.clone()),
    };
    let tree = walk::walk(&modules, &mut builder);
    let lockfile = modules.join(".package-lock.json");
    let text = hidden::read(&lockfile).unwrap_or_else(|why| {
        builder.unread(&lockfile, &why);
        None
    });
    let hidden = text
        .as_ref()
        .map(hidden::Text::parse)
        .and_then(|parsed| parsed.map_err(|why| builder.unread(&lockfile, &why)).ok());
    let project = match place {
        Place::Project(root) => manifest::read(root).unwrap_or_else(|why| {
            builder.unread(&root.join("package.json"), &why);
            None
        }),
        Place::Global(_) => None,
    };
    let (graph, origins) = graph(&tree, &modules, project.as_ref());
    for (node, folder) in tree.folders.iter().enumerate() {
        let recorded = hidden.as_ref().and_then(|hidden| hidden.about(folder, &root));
        add(&mut builder, folder, recorded, origins.get(&node), node);
    }
    builder.finish(&root, graph)
}

/// Adds the packages that a folder is to be looked up as: what its package.json says, and what the lockfile says
/// where that is another one. They differ where somebody has tampered, or has published one thing and described
/// another.
fn add(
    builder: &mut Builder,
    folder: &Folder,
    recorded: Option<&Recorded<'_>>,
    origin: Option<&(Origin, String)>,
    node: usize,
) {
    let declared = folder.manifest.as_ref().and_then(|manifest| {
        let name = manifest.name.clone().filter(|name| npm_spec::is_name(name))?;
        Some((name, manifest.version.clone().filter(|version| is_version(version))))
    });
    let location = folder.path.join("package.json");
    let licence = folder.manifest.as_ref().and_then(|manifest| manifest.licence.clone());
    if folder.is_own {
        let (name, version) = declared.unwrap_or_else(|| (folder.name.clone(), None));
        let package = Package { ecosystem: Ecosystem::Npm, name, version };
        builder.add(Target { source: Source::Path, ..Target::registry(package) }, &location, licence, node);
        return;
    }
    let mut identities: Vec<(String, String)> = Vec::new();
    let declared = declared.and_then(|(name, version)| Some((name, version?)));
    let of_lockfile = recorded.map(|recorded| recorded.identities(&folder.name)).unwrap_or_default();
    for identity in declared.into_iter().chain(of_lockfile) {
        if !identities.contains(&identity) {
            identities.push(identity);
        }
    }
    if identities.is_empty() {
        // Nothing to say where the file itself could not be read: that was said already.
        if folder.manifest.is_some() {
            builder.unread(&location, "has no name and version that a package can have");
        }
        return;
    }
    let (source, url) = source(recorded, origin, &identities);
    for (name, version) in identities {
        let package = Package { ecosystem: Ecosystem::Npm, name, version: Some(version) };
        let target = Target { source, url: url.clone(), ..Target::registry(package) };
        builder.add(target, &location, licence.clone(), node);
    }
}

/// Where a package came from: by the address in the lockfile, or else by what the packages that require it ask for.
fn source(
    recorded: Option<&Recorded<'_>>,
    origin: Option<&(Origin, String)>,
    identities: &[(String, String)],
) -> (Source, Option<String>) {
    let shown = |url: &str| Some(without_credentials(url).into_owned());
    if let Some(resolved) = recorded.and_then(Recorded::resolved) {
        let is_url = resolved.starts_with("https://") || resolved.starts_with("http://");
        if !is_url && !resolved.starts_with("file:") {
            return (Source::Git, shown(resolved));
        }
        let is_asked_for = origin.is_some_and(|(origin, _)| *origin == Origin::Url);
        if is_url && (is_asked_for || !is_of_registry(resolved, identities)) {
            return (Source::Url, shown(resolved));
        }
        // An archive on this machine was taken from somewhere, so it is looked up like what a registry gives.
        return (Source::Registry, None);
    }
    match origin {
        Some((Origin::Git, url)) => (Source::Git, shown(url)),
        Some((Origin::Url, url)) => (Source::Url, shown(url)),
        Some((Origin::Registry, _)) | None => (Source::Registry, None),
    }
}

/// Whether an address has the shape that registries give theirs: `…/name/-/name-version.tgz`, or name and version on
/// the way.
fn is_of_registry(url: &str, identities: &[(String, String)]) -> bool {
    let address = percent_encoding::percent_decode_str(url.split(['?', '#']).next().unwrap_or_default());
    let address = address.decode_utf8_lossy();
    let is_archive = address.ends_with(".tgz") && address.contains("/-/");
    is_archive
        || identities.iter().any(|(name, version)| {
            address.contains(&format!("/{name}/")) && address.contains(version.as_str())
        })
}

/// Which folder requires which, by the way Node.js looks for packages, and what the requirements say of where a
/// folder comes from, where they do not name a registry.
fn graph(
    tree: &Tree,
    modules: &Path,
    project: Option<&Manifest>,
) -> (Graph, HashMap<usize, (Origin, String)>) {
    let mut graph = Graph::default();
    let mut origins = HashMap::new();
    let mut resolve = |from: &Path, manifest: &Manifest, with_development: bool| -> Vec<usize> {
        let groups = [&manifest.requires, &manifest.requires_for_development];
        let groups = &groups[..if with_development { 2 } else { 1 }];
        let mut found = Vec::new();
        for (name, spec) in groups.iter().copied().flatten() {
            let Some(node) = tree.resolve(from, name) else { continue };
            found.push(node);
            let origin = Origin::of(name, spec);
            if origin != Origin::Registry {
                origins.entry(node).or_insert_with(|| (origin, spec.clone()));
            }
        }
        found
    };
    match (project, modules.parent()) {
        (Some(project), Some(root)) => graph.requested = resolve(root, project, true),
        // Without a package.json, whatever lies at the top was asked for.
        _ => graph.requested = tree.directly_in(modules),
    }
    for (node, folder) in tree.folders.iter().enumerate() {
        let requires =
            folder.manifest.as_ref().map(|manifest| resolve(&folder.path, manifest, folder.is_own));
        let requires = requires.unwrap_or_default();
        if folder.is_own {
            // The user's own folders stand for the user.
            graph.requested.push(node);
            graph.requested.extend(&requires);
        }
        graph.requires.push(requires);
        let declared = folder.manifest.as_ref().and_then(|manifest| manifest.name.clone());
        graph.names.push(declared.unwrap_or_else(|| folder.name.clone()));
    }
    (graph, origins)
}

/// Whether a folder holds nothing but, at most, other packages: what is left where npm has moved one away.
fn is_bare(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|entries| {
        entries.flatten().all(|entry| {
            entry.file_name().as_encoded_bytes().starts_with(b".") || entry.file_name() == "node_modules"
        })
    })
}
