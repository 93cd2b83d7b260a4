use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use wainwright_oci::Digest;
use wainwright_python::{Version, WheelFilename};

use super::entry::Entry;
use crate::error::redact;
use crate::file::{check_files, file_name_of_url};
use crate::hash::Hash;
use crate::table::is_archive;
use crate::{Error, Foreign, GitSource, Location, LockedFile, LockedPackage, Source};

/// Joins all lines about one package into one pinned package.
pub(super) fn pin(first: &Entry, more: &[&Entry]) -> Result<LockedPackage, Error> {
    let entries: Vec<_> = [first].into_iter().chain(more.iter().copied()).collect();
    let addressed = entries.iter().find(|entry| entry.requirement.url.is_some());
    let mut package = match addressed {
        Some(entry) => by_address(entry)?,
        None => by_version(first, &entries)?,
    };
    // Either kind has to satisfy everything that is said about it.
    for &entry in &entries {
        let specifiers = &entry.requirement.specifiers;
        if package.version.as_ref().is_some_and(|version| !specifiers.contains(version)) {
            return Err(Error::TwoVersions {
                name: package.name.clone(),
                one: package.shown_version(),
                other: specifiers.to_string(),
                first: package.origin.clone().into(),
                second: entry.place.clone().into(),
            });
        }
    }
    for &entry in &entries {
        let hashes = sha256(entry)?;
        match (hashes.first(), package.hashes.first()) {
            (None, _) => {}
            (Some(_), None) => package.hashes = hashes,
            (Some(_), Some(_)) if hashes == package.hashes => {}
            (Some(&second), Some(&first)) => {
                // Name a hash that only one side has.
                let first = package.hashes.difference(&hashes).next().copied().unwrap_or(first);
                let second = hashes.difference(&package.hashes).next().copied().unwrap_or(second);
                let (place, file) = (entry.place.clone().into(), package.name.to_string());
                return Err(Error::HashConflict { place, file, first, second });
            }
        }
    }
    // A commit is a digest itself.
    if package.hashes.is_empty() && !matches!(package.source, Source::Git(_)) {
        return Err(Error::NoHash { place: package.origin, name: package.name });
    }
    if let ([digest], true) = (&package.hashes.iter().copied().collect::<Vec<_>>()[..], addressed.is_some()) {
        package.wheels.iter_mut().chain(&mut package.sdist).for_each(|file| file.digest = Some(*digest));
    }
    Ok(package)
}

/// `foo==1.0`: the index knows the files, and their hashes decide.
fn by_version(first: &Entry, entries: &[&Entry]) -> Result<LockedPackage, Error> {
    match entries.iter().find_map(|entry| Some((entry, exact_version(entry)?))) {
        Some((entry, version)) => Ok(package(entry, Some(version), Source::Index(None))),
        None => {
            let (place, name) = (first.place.clone(), first.requirement.name.clone());
            Err(Error::NotPinned { place, name })
        }
    }
}

/// The version of `==1.0`; `==1.*` leaves it open.
fn exact_version(entry: &Entry) -> Option<Version> {
    entry.requirement.specifiers.iter().find_map(|specifier| {
        let text = specifier.to_string();
        let version = text.strip_prefix("===").or_else(|| text.strip_prefix("=="))?;
        version.trim().parse().ok()
    })
}

/// `foo @ https://.../foo-1.0-py3-none-any.whl` or `./foo-1.0-py3-none-any.whl`.
fn by_address(entry: &Entry) -> Result<LockedPackage, Error> {
    let name = &entry.requirement.name;
    let address = entry.requirement.url.as_deref().unwrap_or_default();
    let wrong = |reason: String| Error::Syntax { place: entry.place.clone(), reason };
    let not_a_wheel =
        |from: Foreign| Error::NotAWheel { place: entry.place.clone(), name: name.to_string(), from };
    let scheme = address.split("://").next().unwrap_or_default();
    if scheme == "git" || scheme.starts_with("git+") {
        let git = GitSource::of_requirement(address).map_err(not_a_wheel)?;
        return Ok(package(entry, None, Source::Git(git)));
    }
    if scheme.starts_with("hg") {
        return Err(not_a_wheel("a Mercurial repository".into()));
    }
    let (source, location, filename) = match scheme {
        "https" | "http" => {
            let filename = file_name_of_url(address);
            (Source::Url(address.into()), Location::Url(address.into()), filename)
        }
        _ if !address.contains("://") || scheme == "file" => {
            let path = local_path(address, &entry.directory);
            let filename = path.file_name().and_then(|name| name.to_str()).map(ToOwned::to_owned);
            (Source::Path(path.clone()), Location::Path(path), filename)
        }
        _ => return Err(not_a_wheel(format!("`{}`", redact(address)).into())),
    };
    let filename = filename.ok_or_else(|| not_a_wheel("a URL without a file name".into()))?;
    let is_sdist = is_archive(&filename);
    if !filename.ends_with(".whl") && !is_sdist {
        return Err(not_a_wheel("a source tree".into()));
    }
    let file = LockedFile { filename: filename.clone(), location, digest: None, size: None };
    let mut package;
    if is_sdist {
        // What the archive of a repository is called, `main.zip`, says nothing.
        let version = sdist_name(&filename).and_then(|(_, version)| version.parse().ok());
        package = self::package(entry, version, source);
        package.sdist = Some(file);
    } else {
        let wheel: WheelFilename =
            filename.parse().map_err(|error: wainwright_python::Error| wrong(error.to_string()))?;
        package = self::package(entry, Some(wheel.version), source);
        package.wheels = vec![file];
    }
    check_files(&mut package)?;
    Ok(package)
}

/// Name and version of `foo-1.0.tar.gz`, where the name may hold dashes.
pub(super) fn sdist_name(filename: &str) -> Option<(&str, &str)> {
    let stem = filename.trim_end_matches(".gz").trim_end_matches(".bz2").trim_end_matches(".xz");
    stem.rsplit_once('.').map_or(stem, |(stem, _)| stem).rsplit_once('-')
}

/// A path, or a `file:` address, of this disk.
pub(super) fn local_path(address: &str, directory: &Path) -> PathBuf {
    let path = address.split('#').next().unwrap_or_default();
    match path.strip_prefix("file:") {
        None => directory.join(path),
        Some(rest) => {
            let absolute = url::Url::parse(path).ok().and_then(|url| url.to_file_path().ok());
            absolute.unwrap_or_else(|| directory.join(rest.trim_start_matches("//")))
        }
    }
}

fn package(entry: &Entry, version: Option<Version>, source: Source) -> LockedPackage {
    LockedPackage {
        name: entry.requirement.name.clone(),
        version,
        wheels: Vec::new(),
        sdist: None,
        source,
        hashes: BTreeSet::new(),
        why: Vec::new(),
        origin: entry.place.clone(),
    }
}

/// The sha256 hashes of a line, with the one an address may end in; other algorithms alone are refused.
fn sha256(entry: &Entry) -> Result<BTreeSet<Digest>, Error> {
    let fragment = entry.requirement.url.as_deref().and_then(|url| url.split_once('#')).map(|(_, end)| end);
    let mut hashes = entry.hashes.clone();
    for part in fragment.into_iter().flat_map(|fragment| fragment.split('&')) {
        if let Some((algorithm, digits)) = part.split_once('=')
            && !["egg", "subdirectory"].contains(&algorithm)
        {
            let hash = Hash::of(algorithm, digits)
                .map_err(|reason| Error::Syntax { place: entry.place.clone(), reason })?;
            hashes.push(hash);
        }
    }
    let mut digests = BTreeSet::new();
    let mut other = None;
    for hash in hashes {
        match hash {
            Hash::Sha256(digest) => drop(digests.insert(digest)),
            Hash::Other(algorithm) => other = Some(algorithm),
        }
    }
    match other {
        Some(algorithm) if digests.is_empty() => Err(Error::OtherAlgorithm {
            place: entry.place.clone(),
            name: entry.requirement.name.clone(),
            algorithm,
        }),
        _ => Ok(digests),
    }
}
