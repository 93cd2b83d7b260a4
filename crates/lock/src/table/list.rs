use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use wainwright_python::{ExtraName, PackageName, Version, VersionRanges, VersionSpecifiers};

use crate::{Foreign, GitSource, Indexes, Marker, MarkerEnvironment, Place, Requirement, Selection};

/// A lockfile as a list of packages.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) file: PathBuf,
    /// The folder relative paths start from.
    pub(crate) directory: PathBuf,
    pub(crate) requires_python: Option<VersionSpecifiers>,
    /// Where the lock is valid; everywhere when empty.
    pub(crate) environments: Vec<Marker>,
    pub(crate) extras: BTreeSet<ExtraName>,
    pub(crate) groups: BTreeSet<PackageName>,
    pub(crate) packages: Vec<Package>,
    /// What the project asks for, where the packages do not say for whom they are there.
    pub(crate) roots: Option<Vec<(Part, Need)>>,
    pub(crate) indexes: Indexes,
    /// What differs between the project file and the one the lock was made from.
    pub(crate) stale: Vec<String>,
}

/// One entry of the list.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: PackageName,
    /// `None` where only a build of its source tells.
    pub(crate) version: Option<Version>,
    /// For whom it is there, and when.
    pub(crate) listed: Vec<(Part, Option<Marker>)>,
    /// The Pythons it runs on.
    pub(crate) python: VersionRanges,
    /// The extras this entry stands for; none where extras are no entries of their own.
    pub(crate) extras: BTreeSet<ExtraName>,
    pub(crate) needs: Vec<Need>,
    /// The names that an extra adds, where the needs themselves do not say.
    pub(crate) by_extra: BTreeMap<ExtraName, BTreeSet<PackageName>>,
    pub(crate) origin: Origin,
    pub(crate) files: Vec<File>,
    pub(crate) place: Place,
}

/// A part of the project that may be asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Itself,
    Extra(ExtraName),
    Group(PackageName),
}

/// A requirement, by the project or by a package.
#[derive(Clone, Debug)]
pub(crate) struct Need {
    pub(crate) name: PackageName,
    pub(crate) extras: BTreeSet<ExtraName>,
    pub(crate) versions: VersionRanges,
    pub(crate) marker: Option<Marker>,
    /// The Pythons it is needed on.
    pub(crate) python: VersionRanges,
    /// Whether only an extra makes it necessary.
    pub(crate) is_optional: bool,
}

/// Where a package comes from.
#[derive(Debug)]
pub(crate) enum Origin {
    Index(Option<String>),
    Url(String),
    Path(PathBuf),
    /// A commit of a git repository.
    Git(GitSource),
    /// A folder of source.
    Folder(PathBuf),
    /// From where no wheel is had: `a git repository`.
    Elsewhere(Foreign),
}

/// A file of a package, as written. A file without a name stands for a hash that any file may have.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) name: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) hash: Option<String>,
}

/// A commit of a repository, if it is one.
pub(crate) fn git(url: &str, commit: &str, subdirectory: Option<&str>) -> Origin {
    match GitSource::new(url.strip_prefix("git+").unwrap_or(url), commit, subdirectory) {
        Ok(git) => Origin::Git(git),
        Err(from) => Origin::Elsewhere(from),
    }
}

/// Whether a path is that of a source distribution rather than that of a folder.
pub(crate) fn is_archive(path: &str) -> bool {
    [".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz"].iter().any(|end| path.ends_with(end))
}

impl Need {
    /// A requirement as PyPA writes it.
    pub(crate) fn of(requirement: Requirement) -> Self {
        Self {
            name: requirement.name,
            extras: requirement.extras,
            versions: requirement.specifiers.into(),
            marker: requirement.marker,
            python: VersionRanges::all(),
            is_optional: false,
        }
    }

    pub(super) fn applies(&self, environment: &MarkerEnvironment) -> bool {
        self.python.contains(&environment.python_full_version)
            && self.marker.as_ref().is_none_or(|marker| marker.applies(environment))
    }
}

impl Part {
    pub(super) fn is_wanted(&self, selection: &Selection) -> bool {
        match self {
            Self::Itself => selection.include_project_deps,
            Self::Extra(extra) => selection.wants_extra(extra),
            Self::Group(group) => selection.wants_group(group),
        }
    }
}
