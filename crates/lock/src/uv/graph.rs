use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use wainwright_python::{ExtraName, PackageName, Version, VersionSpecifiers};

use super::wire::{self, Source};
use crate::text::Text;
use crate::{Error, Invalid, Marker, Place};

/// The packages of a `uv.lock` and the edges between them.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(super) file: PathBuf,
    /// The folder relative paths start from.
    pub(super) directory: PathBuf,
    pub(super) requires_python: Option<VersionSpecifiers>,
    /// Where the lock is valid; everywhere when empty.
    pub(super) supported: Vec<Marker>,
    /// Sets of things that exclude each other.
    pub(super) conflicts: Vec<Vec<Item>>,
    pub(super) members: BTreeSet<PackageName>,
    /// What a script, or a workspace root that is no package, asks for.
    pub(super) requirements: Vec<Wanted>,
    pub(super) groups: BTreeMap<PackageName, Vec<Wanted>>,
    pub(super) packages: Vec<Package>,
    pub(super) by_name: BTreeMap<PackageName, Vec<usize>>,
}

#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: PackageName,
    pub(super) version: Option<Version>,
    pub(super) source: Source,
    /// The forks of the resolution it belongs to; all of them when empty.
    pub(super) forks: Vec<Marker>,
    pub(super) dependencies: Vec<Edge>,
    pub(super) extras: BTreeMap<ExtraName, Vec<Edge>>,
    pub(super) groups: BTreeMap<PackageName, Vec<Edge>>,
    pub(super) wheels: Vec<wire::File>,
    pub(super) sdist: Option<wire::File>,
    pub(super) metadata: Metadata,
    pub(super) place: Place,
}

/// What the package itself says it needs.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) requires: Vec<Wanted>,
    pub(super) groups: BTreeMap<PackageName, Vec<Wanted>>,
}

/// A package that is needed, by its index.
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) to: usize,
    pub(super) extras: Vec<ExtraName>,
    pub(super) marker: Option<Marker>,
}

/// A requirement that names no version to be found.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) name: PackageName,
    pub(super) extras: Vec<ExtraName>,
    pub(super) specifiers: VersionSpecifiers,
    pub(super) marker: Option<Marker>,
    /// Whether it comes from an address or a folder, whatever its specifiers say.
    pub(super) is_pointed: bool,
}

/// A project, one of its extras or one of its groups.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    Project(PackageName),
    Extra(PackageName, ExtraName),
    Group(PackageName, PackageName),
}

impl Item {
    /// The name uv gives it in the `extra == '...'` comparisons of markers.
    pub(super) fn marker_name(&self) -> Option<ExtraName> {
        let text = match self {
            Self::Project(project) => format!("project-{}-{project}", project.as_str().len()),
            Self::Extra(project, extra) => format!("extra-{}-{project}-{extra}", project.as_str().len()),
            Self::Group(project, group) => format!("group-{}-{project}-{group}", project.as_str().len()),
        };
        text.parse().ok()
    }
}

impl Graph {
    /// Checks the document and joins every dependency with the package it means.
    pub(super) fn new(text: &Text, document: wire::Document) -> Result<Self, Error> {
        let mut by_name: BTreeMap<PackageName, Vec<usize>> = BTreeMap::new();
        for (index, package) in document.packages.iter().enumerate() {
            by_name.entry(package.name.get_ref().clone()).or_default().push(index);
        }
        let finder = Finder { by_name: &by_name, packages: &document.packages };
        let place = |package: &wire::Package| text.place(package.name.span().start);
        let mut first: BTreeMap<_, &wire::Package> = BTreeMap::new();
        for package in &document.packages {
            let id = (package.name.get_ref(), &package.version, &package.source);
            if let Some(twin) = first.insert(id, package) {
                return Err(twice(twin, package, place(package)));
            }
        }
        let packages = document.packages.iter().map(|package| finder.package(package, place(package)));
        let packages = packages.collect::<Result<_, _>>()?;
        let top = text.place(0);
        let conflicts = document.conflicts.into_iter().map(|set| set.into_iter().map(item).collect());
        Ok(Self {
            file: text.file.clone(),
            directory: text.directory().into(),
            requires_python: document.requires_python,
            supported: markers(&document.supported_markers, &top)?,
            conflicts: conflicts.collect(),
            members: document.manifest.members.into_iter().collect(),
            requirements: wanted(&document.manifest.requirements, &top)?,
            groups: wanted_groups(&document.manifest.dependency_groups, &top)?,
            packages,
            by_name,
        })
    }

    /// Whether the source of a package is part of the project or its workspace.
    pub(super) fn is_local(&self, package: &Package) -> bool {
        let is_here =
            matches!(&package.source, Source::Editable(path) | Source::Virtual(path) if path == ".");
        let is_folder =
            matches!(package.source, Source::Editable(_) | Source::Virtual(_) | Source::Directory(_));
        is_here || is_folder && self.members.contains(&package.name)
    }
}

/// Finds what a dependency means, before the packages are finished.
struct Finder<'a> {
    by_name: &'a BTreeMap<PackageName, Vec<usize>>,
    packages: &'a [wire::Package],
}

impl Finder<'_> {
    fn package(&self, package: &wire::Package, place: Place) -> Result<Package, Error> {
        let edges = |dependencies: &[wire::Dependency]| -> Result<Vec<Edge>, Error> {
            dependencies.iter().map(|dependency| self.edge(dependency, &place)).collect()
        };
        let edges_by = |map: &BTreeMap<PackageName, Vec<wire::Dependency>>| {
            map.iter().map(|(name, list)| Ok((name.clone(), edges(list)?))).collect::<Result<_, Error>>()
        };
        let mut extras: BTreeMap<ExtraName, Vec<Edge>> = edges_by(&package.optional_dependencies)?;
        let mut groups: BTreeMap<PackageName, Vec<Edge>> = edges_by(&package.dev_dependencies)?;
        // Extras and groups that need nothing are in the metadata only.
        let metadata = &package.metadata;
        for extra in &metadata.provides_extras {
            extras.entry(extra.clone()).or_default();
        }
        for group in metadata.requires_dev.keys() {
            groups.entry(group.clone()).or_default();
        }
        Ok(Package {
            name: package.name.get_ref().clone(),
            version: package.version.clone(),
            source: package.source.clone(),
            forks: markers(&package.resolution_markers, &place)?,
            dependencies: edges(&package.dependencies)?,
            extras,
            groups,
            wheels: package.wheels.clone(),
            sdist: package.sdist.clone(),
            metadata: Metadata {
                requires: wanted(&metadata.requires_dist, &place)?,
                groups: wanted_groups(&metadata.requires_dev, &place)?,
            },
            place,
        })
    }

    fn edge(&self, dependency: &wire::Dependency, place: &Place) -> Result<Edge, Error> {
        let named = self.by_name.get(&dependency.name).into_iter().flatten().copied();
        let mut found = named.filter(|&index| {
            let package = &self.packages[index];
            let has_version = dependency.version.is_none() || dependency.version == package.version;
            has_version && dependency.source.as_ref().is_none_or(|source| *source == package.source)
        });
        let name = &dependency.name;
        let reason = match (found.next(), found.next()) {
            (Some(to), None) => {
                let marker = dependency.marker.as_deref().map(|text| marker(text, place)).transpose()?;
                return Ok(Edge { to, extras: dependency.extra.clone(), marker });
            }
            (None, _) => format!("no package in the lockfile matches the dependency `{name}`"),
            (Some(_), Some(_)) => format!("several packages in the lockfile match the dependency `{name}`"),
        };
        Err(Error::Syntax { place: place.clone(), reason })
    }
}

/// Two entries for one package, which at best say the same.
fn twice(first: &wire::Package, second: &wire::Package, place: Place) -> Error {
    use crate::hash::Hash;
    let sha256 = |file: &wire::File| match file.hash.as_deref().map(Hash::read) {
        Some(Ok(Hash::Sha256(digest))) => Some(digest),
        _ => None,
    };
    for one in &first.wheels {
        let same = |other: &&wire::File| {
            (&one.url, &one.path, &one.filename) == (&other.url, &other.path, &other.filename)
        };
        let other = second.wheels.iter().find(same).and_then(sha256);
        if let (Some(one_digest), Some(other)) = (sha256(one), other)
            && one_digest != other
        {
            let file = second.name.get_ref().to_string();
            return Error::HashConflict { place: place.into(), file, first: one_digest, second: other };
        }
    }
    Error::Syntax { place, reason: format!("`{}` is locked twice", second.name.get_ref()) }
}

fn item(item: wire::ConflictItem) -> Item {
    match (item.extra, item.group) {
        (Some(extra), _) => Item::Extra(item.package, extra),
        (None, Some(group)) => Item::Group(item.package, group),
        (None, None) => Item::Project(item.package),
    }
}

fn marker(text: &str, place: &Place) -> Result<Marker, Error> {
    text.parse().map_err(|error: Invalid| Error::Syntax { place: place.clone(), reason: error.to_string() })
}

fn markers(texts: &[String], place: &Place) -> Result<Vec<Marker>, Error> {
    texts.iter().map(|text| marker(text, place)).collect()
}

fn wanted(requirements: &[wire::Requirement], place: &Place) -> Result<Vec<Wanted>, Error> {
    let one = |requirement: &wire::Requirement| {
        let wire::Requirement { git, url, path, directory, editable, virtual_, .. } = requirement;
        Ok(Wanted {
            name: requirement.name.clone(),
            extras: requirement.extras.clone(),
            specifiers: requirement.specifier.clone().unwrap_or_else(VersionSpecifiers::empty),
            marker: requirement.marker.as_deref().map(|text| marker(text, place)).transpose()?,
            is_pointed: [git, url, path, directory, editable, virtual_].into_iter().any(Option::is_some),
        })
    };
    requirements.iter().map(one).collect()
}

fn wanted_groups(
    groups: &BTreeMap<PackageName, Vec<wire::Requirement>>,
    place: &Place,
) -> Result<BTreeMap<PackageName, Vec<Wanted>>, Error> {
    groups.iter().map(|(name, list)| Ok((name.clone(), wanted(list, place)?))).collect()
}
