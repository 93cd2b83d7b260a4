//! Wheels that no index has: made here of source distributions, commits and folders.

mod assemble;
mod backend;
mod folder;
mod pins;
mod tool;

use std::fmt;
use std::fs::File;
use std::sync::Arc;

use wainwright_lock::GitSource;
use wainwright_oci::Digest;
use wainwright_pypi::{Location, Wanted, WantedSdist};
use wainwright_python::{PackageName, Version, WheelFilename};
use wainwright_store::Store;

pub(crate) use self::assemble::members;
pub(crate) use self::backend::Backends;
pub(crate) use self::folder::Folder;
pub(crate) use self::pins::record_built;

use crate::Error;
use crate::model::wheel::{ChosenWheel, Made};

/// A package to make a wheel of.
#[derive(Clone, Debug)]
pub(crate) struct SourcePackage {
    pub(crate) name: PackageName,
    /// Where the lockfile tells.
    pub(crate) version: Option<Version>,
    pub(crate) origin: Origin,
}

/// Where a source comes from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    Sdist(WantedSdist),
    Git(GitSource),
    Folder(Arc<Folder>),
}

impl Origin {
    /// What it is and nothing else: the same text is the same source.
    pub(crate) fn identity(&self) -> String {
        match self {
            Self::Sdist(wanted) => format!("sdist {}", wanted.digest),
            Self::Git(GitSource { commit, subdirectory: None, .. }) => format!("git commit {commit}"),
            Self::Git(GitSource { commit, subdirectory: Some(below), .. }) => {
                format!("git commit {commit}, folder {below}")
            }
            Self::Folder(folder) => format!("folder {}", folder.digest),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "the folder `{}`", folder.shown),
            _ => f.write_str(&self.identity()),
        }
    }
}

/// Puts a wheel into the store that was made here: its digest and its size.
fn keep(
    store: &Store,
    write: impl FnOnce(&mut File) -> Result<(), wainwright_wheel::Error>,
) -> Result<(Digest, u64), Error> {
    let mut draft = store.draft()?;
    let path = draft.path().to_owned();
    let file = draft.file()?;
    write(file).map_err(wainwright_layer::Error::Wheel)?;
    let size = file.metadata().map_err(|source| Error::Source { path, source })?.len();
    Ok((draft.commit_hashed()?, size))
}

/// A wheel of the store that was made here, like one that an index has.
fn chosen(
    name: &PackageName,
    filename: WheelFilename,
    digest: Digest,
    size: u64,
    made: Made,
    store: &Store,
) -> ChosenWheel {
    ChosenWheel {
        name: name.clone(),
        wanted: Wanted { filename, digest, size: Some(size), location: Location::Path(store.path(&digest)) },
        size: Some(size),
        made: Some(Arc::new(made)),
    }
}
