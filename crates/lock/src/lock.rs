use std::path::{Path, PathBuf};

use wainwright_python::{Target, VersionSpecifiers};

use crate::content::{Content, accepts};
use crate::{Error, Indexes, LocalMember, LockedPackage, ProjectRequirements, Selection};

/// The kinds of lockfiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LockFormat {
    /// `uv.lock`.
    UvLock,
    /// `poetry.lock`.
    PoetryLock,
    /// `pdm.lock`.
    PdmLock,
    /// `pylock.toml` (PEP 751).
    Pylock,
    /// `Pipfile.lock`.
    PipfileLock,
    /// `requirements.txt` with hashes.
    Requirements,
}

/// A lockfile that was read and checked, for any target.
#[derive(Debug)]
pub struct Lock {
    pub(crate) file: PathBuf,
    pub(crate) format: LockFormat,
    pub(crate) content: Box<dyn Content>,
}

impl Lock {
    /// The lockfile itself.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What kind of lockfile it is.
    pub fn format(&self) -> LockFormat {
        self.format
    }

    /// The packages to install for one target, sorted by name; one version of each.
    ///
    /// Every marker is evaluated for the target, never for the machine that builds. The project itself and the
    /// members of its workspace are not among them: see [`local_members`](Self::local_members).
    pub fn packages(&self, selection: &Selection, target: &Target) -> Result<Vec<LockedPackage>, Error> {
        self.check_python(target)?;
        self.content.packages(selection, target)
    }

    /// The projects whose source is at hand and that belong into an image for this target: the project itself and
    /// the workspace members it needs, sorted by name. Only `uv.lock` knows them.
    pub fn local_members(&self, selection: &Selection, target: &Target) -> Result<Vec<LocalMember>, Error> {
        self.check_python(target)?;
        self.content.local_members(selection, target)
    }

    /// The Pythons the lockfile was made for.
    pub fn requires_python(&self) -> Option<&VersionSpecifiers> {
        self.content.requires_python()
    }

    /// The package indexes that requirements files, `Pipfile.lock` and PDM's projects name; the other formats name them
    /// per package.
    pub fn indexes(&self) -> Indexes {
        self.content.indexes()
    }

    /// Whether `uv.lock` was made from these requirements; the other formats see no requirements here.
    ///
    /// Fails with [`Error::Stale`], which lists the differences.
    pub fn check_matches(&self, project: &ProjectRequirements) -> Result<(), Error> {
        self.content.check_matches(project)
    }

    /// Whether `poetry.lock`, `pdm.lock` and `Pipfile.lock` were made from the project file beside them, of which they
    /// hold a digest; `pylock.toml` and requirements files do not record what they were made from.
    ///
    /// Fails with [`Error::Stale`].
    pub fn check_fresh(&self) -> Result<(), Error> {
        self.content.check_fresh()
    }

    fn check_python(&self, target: &Target) -> Result<(), Error> {
        match self.requires_python() {
            Some(requires) if !accepts(requires, target.python) => Err(Error::Python {
                file: self.file.clone(),
                requires: requires.clone(),
                python: target.python.to_string(),
            }),
            _ => Ok(()),
        }
    }
}
