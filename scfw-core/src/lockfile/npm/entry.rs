//! One package of a lockfile of npm's.

use std::borrow::Cow;

use serde::Deserialize;

use crate::ecosystem::npm::{exact, is_name};
use crate::format::lenient::{Scalar, Text, Truth};
use crate::lockfile::LockedPackage;

/// An entry of `packages`, as far as it decides what is installed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Entry<'a> {
    #[serde(borrow)]
    name: Scalar<'a>,
    #[serde(borrow)]
    version: Scalar<'a>,
    #[serde(borrow)]
    resolved: Scalar<'a>,
    link: Truth,
    dev: Truth,
    optional: Truth,
    dev_optional: Truth,
    peer: Truth,
    extraneous: Truth,
    ideally_inert: Truth,
    os: Truth,
    cpu: Truth,
    libc: Truth,
}

impl<'a> Entry<'a> {
    /// The package in `folder`, the end of the entry's path, if it is certain. If the archive is plainly that of
    /// another package, that one comes as well, because npm would unpack it.
    pub(super) fn locked(self, folder: Text<'a>) -> impl Iterator<Item = LockedPackage<'a>> {
        let uncertain = [
            self.link, self.dev, self.optional, self.dev_optional, self.peer, self.extraneous,
            self.ideally_inert, self.os, self.cpu, self.libc,
        ];
        let locked = if uncertain.iter().any(|truth| truth.0) {
            None
        } else {
            match self.name {
                Scalar::Text(name) => Some(name),
                Scalar::Absent => Some(folder.0),
                Scalar::Other => None,
            }
        }
        .and_then(|name| Some(LockedPackage { name, version: exact_version(self.version)? }))
        .filter(|_| is_registry(&self.resolved));
        let archive = locked.as_ref().and_then(|locked| other_archive(&self.resolved, locked));
        locked.into_iter().chain(archive)
    }
}

/// The string as an exact version.
fn exact_version(version: Scalar<'_>) -> Option<Cow<'_, str>> {
    match version {
        Scalar::Text(Cow::Borrowed(text)) => exact(text).map(Cow::Borrowed),
        Scalar::Text(Cow::Owned(text)) => exact(&text).map(|version| Cow::Owned(version.to_owned())),
        Scalar::Absent | Scalar::Other => None,
    }
}

/// Whether `resolved` can be an archive of a registry. An absent one can.
pub(super) fn is_registry(resolved: &Scalar<'_>) -> bool {
    match resolved {
        Scalar::Absent => true,
        Scalar::Text(url) => url.starts_with("https://") || url.starts_with("http://"),
        Scalar::Other => false,
    }
}

/// The package that the archive at `resolved` names in the way of registries, `…/name/-/name-version.tgz`, if it is
/// not `locked` itself.
pub(crate) fn other_archive<'a>(
    resolved: &Scalar<'a>,
    locked: &LockedPackage<'_>,
) -> Option<LockedPackage<'a>> {
    let Scalar::Text(url) = resolved else {
        return None;
    };
    let url = url.split(['?', '#']).next()?;
    let (folder, archive) = url.strip_suffix(".tgz")?.rsplit_once("/-/")?;
    let archive = archive.rsplit('/').next()?;
    let (before, base) = folder.rsplit_once('/')?;
    let (scope, base) = match base.split_once("%2f").or_else(|| base.split_once("%2F")) {
        Some((scope, base)) => (Some(scope), base),
        None => (before.rsplit('/').next().filter(|scope| scope.starts_with('@')), base),
    };
    let version = exact(archive.strip_prefix(base)?.strip_prefix('-')?)?;
    let name = match scope {
        Some(scope) => Cow::Owned(format!("{scope}/{base}")),
        None => Cow::Borrowed(base),
    };
    let differs = name != locked.name || version != locked.version;
    (differs && is_name(&name)).then(|| LockedPackage {
        name: Cow::Owned(name.into_owned()),
        version: Cow::Owned(version.to_owned()),
    })
}

/// The text behind the last `node_modules` of a path; none without one.
pub(super) fn after_last_node_modules<'a>(path: &Text<'a>) -> Option<Text<'a>> {
    const FOLDER: &str = "node_modules/";
    let text = path.as_str();
    let start = text
        .rmatch_indices(FOLDER)
        .map(|(start, _)| start)
        .find(|&start| start == 0 || text.as_bytes()[start - 1] == b'/')?
        + FOLDER.len();
    Some(Text(match &path.0 {
        Cow::Borrowed(path) => Cow::Borrowed(&path[start..]),
        Cow::Owned(path) => Cow::Owned(path[start..].to_owned()),
    }))
}
