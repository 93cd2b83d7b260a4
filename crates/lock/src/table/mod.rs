//! What `poetry.lock`, `pdm.lock` and `Pipfile.lock` have in common: a list of packages, chosen either by what is
//! written beside each of them, or by walking from the requirements of the project.

mod files;
mod listed;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, PathBuf};

use wainwright_python::{ExtraName, PackageName, Target, Version, VersionRanges, VersionSpecifiers};

use crate::lock::Content;
use crate::{
    Error, Foreign, GitSource, Indexes, LocalMember, LockedPackage, Marker, MarkerEnvironment, Place,
    Requirement, Selection, marker_environment,
};

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

    fn applies(&self, environment: &MarkerEnvironment) -> bool {
        self.python.contains(&environment.python_full_version)
            && self.marker.as_ref().is_none_or(|marker| marker.applies(environment))
    }
}

impl Part {
    fn is_wanted(&self, selection: &Selection) -> bool {
        match self {
            Self::Itself => selection.include_project_deps,
            Self::Extra(extra) => selection.wants_extra(extra),
            Self::Group(group) => selection.wants_group(group),
        }
    }
}

impl Table {
    /// The environment the packages are chosen in, with the extras of the project that are wanted.
    fn environment(&self, selection: &Selection, target: &Target) -> Result<MarkerEnvironment, Error> {
        let mut environment = marker_environment(target);
        if !self.environments.is_empty()
            && !self.environments.iter().any(|marker| marker.applies(&environment))
        {
            let (architecture, python) = (target.architecture.clone(), target.python.to_string());
            return Err(Error::Platform { file: self.file.clone(), architecture, python });
        }
        for (what, asked, offered) in [
            ("extra", &selection.extras, &self.extras),
            ("dependency group", &selection.groups, &self.groups),
        ] {
            if let Some(name) = asked.difference(offered).next() {
                let (file, name) = (self.file.clone(), name.clone());
                return Err(Error::NotOffered {
                    file,
                    what,
                    name,
                    offered: offered.iter().cloned().collect(),
                });
            }
        }
        let wanted = self.extras.iter().filter(|extra| selection.wants_extra(extra));
        environment.extras = wanted.cloned().collect();
        Ok(environment)
    }
}

impl Table {
    /// The entries that are wanted, and who needs each of them.
    fn chosen(
        &self,
        selection: &Selection,
        target: &Target,
    ) -> Result<Vec<(&Package, Vec<PackageName>)>, Error> {
        let environment = self.environment(selection, target)?;
        let chosen = match &self.roots {
            None => listed::chosen(self, selection, &environment),
            Some(roots) => walk::chosen(self, roots, selection, &environment)?,
        };
        let misfit = chosen.iter().find(|(package, _)| {
            !package.python.ranges().iter().any(|range| crate::lock::accepts(range, target.python))
        });
        match misfit {
            Some((package, _)) => {
                let (requires, python) = (package.python.hull(), target.python.to_string());
                Err(Error::Python { file: self.file.clone(), requires, python })
            }
            None => Ok(chosen),
        }
    }
}

impl Content for Table {
    fn packages(&self, selection: &Selection, target: &Target) -> Result<Vec<LockedPackage>, Error> {
        let chosen = self.chosen(selection, target)?.into_iter();
        let files = chosen.filter(|(package, _)| !matches!(package.origin, Origin::Folder(_)));
        let packages = files.map(|(package, why)| files::locked(self, package, why));
        let mut packages = crate::package::by_name(packages.collect::<Result<_, _>>()?);
        // A package and the same with extras are two entries, and one package.
        packages.dedup_by(|second, first| {
            let is_same = (&first.name, &first.version, &first.hashes, &first.source)
                == (&second.name, &second.version, &second.hashes, &second.source);
            if is_same {
                first.why.append(&mut second.why);
                first.why.sort();
                first.why.dedup();
            }
            is_same
        });
        crate::package::sorted(packages)
    }

    fn local_members(&self, selection: &Selection, target: &Target) -> Result<Vec<LocalMember>, Error> {
        let mut members = BTreeMap::new();
        for (package, _) in self.chosen(selection, target)? {
            let Origin::Folder(folder) = &package.origin else { continue };
            // Pipenv lists the project itself, `.`, among its packages.
            let is_root = folder.components().all(|part| part == Component::CurDir);
            let member = LocalMember {
                name: package.name.clone(),
                version: package.version.clone(),
                path: if is_root { self.directory.clone() } else { self.directory.join(folder) },
                is_package: true,
                is_root,
                origin: package.place.clone(),
            };
            members.insert(&package.name, member);
        }
        Ok(members.into_values().collect())
    }

    fn requires_python(&self) -> Option<&VersionSpecifiers> {
        self.requires_python.as_ref()
    }

    fn indexes(&self) -> Indexes {
        self.indexes.clone()
    }

    fn check_fresh(&self) -> Result<(), Error> {
        if self.stale.is_empty() {
            return Ok(());
        }
        Err(Error::Stale { file: self.file.clone(), differences: self.stale.clone() })
    }
}
