use std::collections::BTreeSet;
use std::path::PathBuf;

use wainwright_oci::Digest;
use wainwright_python::{PackageName, Version};

use crate::{Error, Place};

/// One package of a lockfile, to be installed for one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedPackage {
    /// Its name.
    pub name: PackageName,
    /// The version it is pinned to.
    pub version: Version,
    /// The wheels the lockfile lists, for all platforms; none when the lockfile leaves that to the index
    /// ([`is_listed`](Self::is_listed)) or when there is only a source distribution.
    pub wheels: Vec<LockedFile>,
    /// The source distribution, if one is listed.
    pub sdist: Option<LockedFile>,
    /// Where it comes from.
    pub source: Source,
    /// Any file of the package has to have one of these digests. Empty when the lockfile has no hashes at all.
    pub hashes: BTreeSet<Digest>,
    /// Who needs it directly, by name; empty where the lockfile does not say.
    pub why: Vec<PackageName>,
    /// Where it stands in the lockfile.
    pub origin: Place,
}

impl LockedPackage {
    /// Whether the lockfile lists the files of the package; otherwise the index has to be asked for them.
    pub fn is_listed(&self) -> bool {
        !self.wheels.is_empty() || self.sdist.is_some()
    }
}

/// One file of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedFile {
    /// Its name: a single path component.
    pub filename: String,
    /// Where its bytes are.
    pub location: Location,
    /// Its sha256; `None` where the lockfile has no hash.
    pub digest: Option<Digest>,
    /// Its length in bytes, where the lockfile says.
    pub size: Option<u64>,
}

/// Where the bytes of a file are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// At this address.
    Url(String),
    /// On this disk; relative paths are resolved against the folder of the lockfile.
    Path(PathBuf),
    /// At the package index, which has to be asked for the address.
    Index,
}

/// Where a package comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A package index; `None` where the lockfile leaves open which.
    Index(Option<String>),
    /// A folder of wheels on this disk.
    Folder(PathBuf),
    /// One file at an address.
    Url(String),
    /// One file on this disk.
    Path(PathBuf),
}

/// A project whose source is at hand: the project itself, or a member of its workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalMember {
    /// Its name.
    pub name: PackageName,
    /// Its version, where it is not worked out during a build.
    pub version: Option<Version>,
    /// Its folder.
    pub path: PathBuf,
    /// Whether it is built and installed like a package; otherwise only its dependencies are.
    pub is_package: bool,
    /// Whether it was asked for; otherwise another member needs it.
    pub is_root: bool,
}

/// Sorts packages by name.
pub(crate) fn by_name(mut packages: Vec<LockedPackage>) -> Vec<LockedPackage> {
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    packages
}

/// Sorts packages by name and refuses a second version of one name.
pub(crate) fn sorted(packages: Vec<LockedPackage>) -> Result<Vec<LockedPackage>, Error> {
    let packages = by_name(packages);
    for pair in packages.windows(2) {
        if let [first, second] = pair
            && first.name == second.name
        {
            return Err(Error::TwoVersions {
                name: first.name.clone(),
                one: first.version.to_string(),
                other: second.version.to_string(),
                first: first.origin.clone().into(),
                second: second.origin.clone().into(),
            });
        }
    }
    Ok(packages)
}
