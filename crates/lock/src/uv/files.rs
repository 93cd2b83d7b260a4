use std::collections::BTreeSet;

use super::graph::{Graph, Package};
use super::walk::Needed;
use super::wire::{self, Source as UvSource};
use crate::file::{check_files, file_name_of_url};
use crate::hash::Hash;
use crate::{Error, Foreign, GitSource, LocalMember, Location, LockedFile, LockedPackage, Source};

/// What is needed, without the projects whose source is at hand.
pub(super) fn packages(graph: &Graph, needed: &Needed) -> Result<Vec<LockedPackage>, Error> {
    let mut packages: Vec<LockedPackage> = Vec::with_capacity(needed.why.len());
    for (&index, why) in &needed.why {
        let package = &graph.packages[index];
        if package.source.folder().is_some() {
            continue;
        }
        let mut locked = locked(graph, package)?;
        locked.why = why.iter().cloned().collect();
        packages.push(locked);
    }
    crate::package::sorted(packages)
}

/// The projects that are needed, sorted by name.
pub(super) fn local_members(graph: &Graph, needed: &Needed) -> Vec<LocalMember> {
    let indexes: BTreeSet<_> = needed.why.keys().chain(&needed.roots).copied().collect();
    let mut members: Vec<_> = indexes
        .into_iter()
        .map(|index| (index, &graph.packages[index]))
        .filter(|(_, package)| package.source.folder().is_some())
        .map(|(index, package)| LocalMember {
            name: package.name.clone(),
            version: package.version.clone(),
            path: match package.source.folder() {
                None | Some(".") => graph.directory.clone(),
                Some(folder) => graph.directory.join(folder),
            },
            is_package: !matches!(package.source, UvSource::Virtual(_)),
            is_root: needed.roots.contains(&index),
            origin: package.place.clone(),
        })
        .collect();
    members.sort_by(|a, b| a.name.cmp(&b.name));
    members
}

impl UvSource {
    /// The folder of a source tree.
    pub(super) fn folder(&self) -> Option<&str> {
        match self {
            Self::Directory(path) | Self::Editable(path) | Self::Virtual(path) => Some(path),
            _ => None,
        }
    }
}

fn locked(graph: &Graph, package: &Package) -> Result<LockedPackage, Error> {
    let not_a_wheel = |from: Foreign| Error::NotAWheel {
        place: package.place.clone(),
        name: package.name.to_string(),
        from,
    };
    let source = match &package.source {
        UvSource::Registry(at) => match at.split_once("://") {
            None => Source::Folder(graph.directory.join(at)),
            Some(_) => Source::Index(Some(at.clone())),
        },
        UvSource::Url(url) => Source::Url(url.clone()),
        UvSource::Path(path) => Source::Path(graph.directory.join(path)),
        UvSource::Git(at) => Source::Git(GitSource::of_url(at).map_err(not_a_wheel)?),
        UvSource::Directory(path) | UvSource::Editable(path) | UvSource::Virtual(path) => {
            return Err(not_a_wheel(format!("the folder `{path}`").into()));
        }
    };
    let Some(version) = package.version.clone() else {
        let reason = format!("`{}` has no version", package.name);
        return Err(Error::Syntax { place: package.place.clone(), reason });
    };
    let file = |file: &wire::File| file_of(&source, package, file);
    let wheels = package.wheels.iter().map(file).collect::<Result<_, _>>()?;
    let sdist = package.sdist.as_ref().map(file).transpose()?;
    let mut locked = LockedPackage {
        name: package.name.clone(),
        version: Some(version),
        wheels,
        sdist,
        source,
        hashes: BTreeSet::new(),
        why: Vec::new(),
        origin: package.place.clone(),
    };
    check_files(&mut locked)?;
    Ok(locked)
}

/// One file: its own address or path wins, then that of its package, then the index has to be asked.
fn file_of(source: &Source, package: &Package, file: &wire::File) -> Result<LockedFile, Error> {
    let wrong = |reason| Error::Syntax { place: package.place.clone(), reason };
    let location = match (source, &file.url, &file.path) {
        (_, Some(url), _) => Location::Url(url.clone()),
        (Source::Folder(folder), None, Some(path)) => Location::Path(folder.join(path)),
        (Source::Path(path), None, _) => Location::Path(path.clone()),
        (Source::Url(url), None, _) => Location::Url(url.clone()),
        (_, None, _) => Location::Index,
    };
    let name = file.filename.clone().or_else(|| match &location {
        Location::Url(url) => file_name_of_url(url),
        Location::Path(path) => Some(path.file_name()?.to_str()?.to_owned()),
        Location::Index => None,
    });
    let filename = name.ok_or_else(|| wrong(format!("a file of `{}` has no name", package.name)))?;
    let digest = match file.hash.as_deref().map(Hash::read).transpose().map_err(wrong)? {
        Some(Hash::Other(algorithm)) => {
            let (place, name) = (package.place.clone(), package.name.clone());
            return Err(Error::OtherAlgorithm { place, name, algorithm });
        }
        Some(Hash::Sha256(digest)) => Some(digest),
        None => None,
    };
    Ok(LockedFile { filename, location, digest, size: file.size })
}
