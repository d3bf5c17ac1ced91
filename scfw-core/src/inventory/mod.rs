//! The inventory of what is installed, read from the files that pip and npm leave, without running either. Names and
//! versions come from those files, so nothing in them is trusted: sizes are bounded, and a file that cannot be read
//! is a [`Skipped`] and never just left out.

mod graph;
pub mod node_modules;
pub mod site_packages;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::finding::Verification;
use crate::package::{Ecosystem, Package, Source, Target};
use crate::policy::Verdict;
use crate::skipped::{Skipped, SkippedList};
use graph::Graph;

/// This many things that could not be read are named one by one.
const SKIPPED_LISTED: usize = 1_000;

/// Longest name or version that is taken for one, in bytes.
const LONGEST: usize = 856;

/// One package in one version from one source, wherever it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The package, and the place that it came from.
    pub target: Target,
    /// The files that say that it is installed, such as `package.json` or `METADATA`; each once.
    pub locations: Vec<PathBuf>,
    /// The licence that it declares.
    pub licence: Option<Licence>,
    nodes: Vec<usize>,
}

/// A licence as a package declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Licence {
    /// An SPDX licence expression.
    Expression(String),
    /// Any other short text.
    Name(String),
}

/// Everything that is installed in one place.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// The ecosystem of its packages.
    pub ecosystem: Ecosystem,
    /// The project or environment. Locations below it are reported relative to it.
    pub root: PathBuf,
    /// The packages, sorted by name and version.
    pub packages: Vec<Installed>,
    /// The files that could not be read.
    pub skipped: Vec<Skipped>,
    graph: Graph,
}

/// An inventory with the findings about each of its packages.
#[derive(Debug)]
pub struct Audit<'a> {
    /// The installed packages.
    pub inventory: &'a Inventory,
    /// The findings; its targets are the inventory's packages in the inventory's order.
    pub verification: Verification,
}

impl Inventory {
    /// The packages as targets, for verifying.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        self.packages.iter().map(|installed| installed.target.clone()).collect()
    }

    /// Puts the findings about [`targets`](Self::targets) to the packages. Those with findings get the chain of
    /// packages that required them.
    #[must_use]
    pub fn audit(&self, mut verification: Verification) -> Audit<'_> {
        let mut found: HashMap<Key, _> = std::mem::take(&mut verification.targets)
            .into_iter()
            .map(|(target, findings)| (key(&target), findings))
            .collect();
        let paths = graph::Paths::of(&self.graph);
        verification.targets = self
            .packages
            .iter()
            .map(|installed| {
                let mut target = installed.target.clone();
                let findings = found.remove(&key(&target)).unwrap_or_default();
                if !findings.is_empty() {
                    target.required_by = paths.shortest(&installed.nodes);
                }
                (target, findings)
            })
            .collect();
        Audit { inventory: self, verification }
    }

    /// The indexes of the packages that each package requires.
    #[must_use]
    pub fn requirements(&self) -> Vec<Vec<usize>> {
        let mut packages_of: Vec<Vec<usize>> = vec![Vec::new(); self.graph.names.len()];
        for (index, installed) in self.packages.iter().enumerate() {
            for &node in &installed.nodes {
                packages_of[node].push(index);
            }
        }
        let required = |installed: &Installed| {
            let nodes = installed.nodes.iter().flat_map(|&node| &self.graph.requires[node]);
            let mut required: Vec<usize> =
                nodes.flat_map(|&node| packages_of[node].iter().copied()).collect();
            required.sort_unstable();
            required.dedup();
            required
        };
        self.packages.iter().map(required).collect()
    }

    /// `path` relative to the root, if it lies below it.
    #[must_use]
    pub fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

impl Audit<'_> {
    /// Whether everything that is there could be read and verified.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let mut findings = self.verification.findings();
        self.inventory.skipped.is_empty() && !findings.any(|finding| finding.is_unverified)
    }

    /// The verdict on it. A file that could not be read is a warning.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match Verdict::of(&self.verification) {
            Verdict::Allow if !self.inventory.skipped.is_empty() => Verdict::Warn,
            verdict => verdict,
        }
    }
}

impl Installed {
    /// The folders in which it lies: those of its locations, or the file itself if it stands for the package.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.locations.iter().map(|file| {
            let is_inside = ["package.json", "METADATA", "PKG-INFO"].iter().any(|name| file.ends_with(name));
            if is_inside { file.parent().unwrap_or(file) } else { file }
        })
    }
}

/// The identity of an installed package.
type Key = (String, Option<String>, Source, Option<String>);

fn key(target: &Target) -> Key {
    (target.package.key(), target.package.version.clone(), target.source, target.url.clone())
}

/// Gathers an inventory.
struct Builder {
    ecosystem: Ecosystem,
    packages: Vec<Installed>,
    index: HashMap<Key, usize>,
    skipped: SkippedList,
}

impl Builder {
    fn new(ecosystem: Ecosystem) -> Self {
        Self {
            ecosystem,
            packages: Vec::new(),
            index: HashMap::new(),
            skipped: SkippedList::new(SKIPPED_LISTED),
        }
    }

    /// Adds a package, or to a package that is there already another location. `node` is its place in the graph.
    fn add(&mut self, target: Target, location: &Path, licence: Option<Licence>, node: usize) {
        let index = *self.index.entry(key(&target)).or_insert_with(|| {
            self.packages.push(Installed { target, locations: Vec::new(), licence, nodes: Vec::new() });
            self.packages.len() - 1
        });
        let installed = &mut self.packages[index];
        if installed.locations.last().is_none_or(|last| last != location) {
            installed.locations.push(location.to_owned());
        }
        installed.nodes.push(node);
    }

    fn skip(&mut self, what: &Path, why: &str) {
        self.skipped.add(&what.to_string_lossy(), why);
    }

    fn finish(mut self, root: &Path, graph: Graph) -> Inventory {
        for installed in &mut self.packages {
            installed.locations.sort_unstable();
            installed.locations.dedup();
        }
        let order = |installed: &Installed| {
            let Package { name, version, .. } = &installed.target.package;
            (name.to_lowercase(), version.clone(), installed.target.url.clone())
        };
        self.packages.sort_by_cached_key(order);
        let Self { ecosystem, packages, skipped, .. } = self;
        Inventory { ecosystem, root: root.to_owned(), packages, skipped: skipped.finish(), graph }
    }
}

/// Whether `text` can be a version of anything: something short without white space and control characters.
fn is_version(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= LONGEST
        && !text.contains(|character: char| character.is_control() || character.is_whitespace())
}
