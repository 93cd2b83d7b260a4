use std::collections::BTreeSet;
use std::path::Path;

use wainwright_oci::Digest;
use wainwright_python::{PackageName, WheelFilename};

use super::list::{File, Origin, Package, Table};
use crate::file::{check_files, file_name_of_url};
use crate::hash::Hash;
use crate::{Error, Location, LockedFile, LockedPackage, Source};

/// Turns a chosen entry into a package to install.
pub(super) fn locked(
    table: &Table,
    package: &Package,
    why: Vec<PackageName>,
) -> Result<LockedPackage, Error> {
    let source = match &package.origin {
        Origin::Index(index) => Source::Index(index.clone()),
        Origin::Url(url) => Source::Url(url.clone()),
        Origin::Path(path) => Source::Path(table.directory.join(path)),
        Origin::Git(git) => Source::Git(git.clone()),
        Origin::Folder(_) | Origin::Elsewhere(_) => {
            let from = match &package.origin {
                Origin::Elsewhere(from) => from.clone(),
                _ => "a folder".into(),
            };
            let (place, name) = (package.place.clone(), package.name.to_string());
            return Err(Error::NotAWheel { place, name, from });
        }
    };
    let mut locked = LockedPackage {
        name: package.name.clone(),
        version: package.version.clone(),
        wheels: Vec::new(),
        sdist: None,
        source,
        hashes: BTreeSet::new(),
        why,
        origin: package.place.clone(),
    };
    let mut any_file = BTreeSet::new();
    for file in &package.files {
        let digest = digest(package, file)?;
        let Some(name) = name(package, file, &locked.source) else {
            any_file.insert(digest);
            continue;
        };
        let location = match (&file.url, &locked.source) {
            (Some(url), _) | (None, Source::Url(url)) => Location::Url(without_fragment(url)),
            (None, Source::Path(path)) => Location::Path(path.clone()),
            (None, _) => Location::Index,
        };
        let file = LockedFile { filename: name, location, digest: Some(digest), size: None };
        match kind(&file.filename) {
            Kind::Wheel => locked.wheels.push(file),
            Kind::Sdist if locked.sdist.is_none() => locked.sdist = Some(file),
            Kind::Sdist | Kind::Other => {}
        }
    }
    let is_listed = locked.is_listed();
    let is_git = matches!(locked.source, Source::Git(_));
    if !is_listed && !is_git && any_file.is_empty() {
        return Err(Error::NoHash { place: locked.origin, name: locked.name });
    }
    check_files(&mut locked)?;
    if !is_listed {
        locked.hashes = any_file;
    }
    Ok(locked)
}

/// The name of a file: as written, else that of its address, else that of its package.
fn name(package: &Package, file: &File, source: &Source) -> Option<String> {
    let of_path = |path: &Path| path.file_name().and_then(|name| name.to_str()).map(ToOwned::to_owned);
    let named = file.name.clone().or_else(|| file_name_of_url(file.url.as_deref()?));
    named.or_else(|| match (source, &package.origin) {
        (Source::Url(url), _) => file_name_of_url(url),
        (Source::Path(path), _) => of_path(path),
        _ => None,
    })
}

fn digest(package: &Package, file: &File) -> Result<Digest, Error> {
    let (place, name) = (|| package.place.clone(), || package.name.clone());
    let wrong = |reason| Error::Syntax { place: place(), reason };
    match file.hash.as_deref().map(Hash::read).transpose().map_err(wrong)? {
        Some(Hash::Sha256(digest)) => Ok(digest),
        Some(Hash::Other(algorithm)) => {
            Err(Error::OtherAlgorithm { place: place(), name: name(), algorithm })
        }
        None => Err(Error::NoHash { place: place(), name: name() }),
    }
}

enum Kind {
    Wheel,
    Sdist,
    /// `.egg`, `.exe`, and wheels whose names no installer takes: listed because the index has them.
    Other,
}

fn kind(filename: &str) -> Kind {
    if filename.ends_with(".whl") {
        return if filename.parse::<WheelFilename>().is_ok() { Kind::Wheel } else { Kind::Other };
    }
    let is_archive =
        [".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz"].iter().any(|end| filename.ends_with(end));
    if is_archive { Kind::Sdist } else { Kind::Other }
}

fn without_fragment(url: &str) -> String {
    url.split('#').next().unwrap_or_default().to_owned()
}
