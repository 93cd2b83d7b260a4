//! `pylock.toml` (PEP 751; PyPA, "pylock.toml specification").

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use wainwright_python::{ExtraName, PackageName, Target, Version, VersionSpecifiers};

use crate::content::Content;
use crate::file::{check_files, file_name_of_url};
use crate::hash::Hash;
use crate::text::Text;
use crate::{
    Error, Foreign, GitSource, Invalid, LocalMember, Location, LockedFile, LockedPackage, Marker, Place,
    Selection, Source, marker_environment,
};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Document {
    lock_version: String,
    #[serde(default)]
    environments: Vec<String>,
    requires_python: Option<VersionSpecifiers>,
    #[serde(default)]
    extras: Vec<ExtraName>,
    #[serde(default)]
    dependency_groups: Vec<PackageName>,
    #[serde(default)]
    default_groups: Vec<PackageName>,
    #[serde(default)]
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Package {
    name: Spanned<PackageName>,
    version: Option<Version>,
    marker: Option<String>,
    requires_python: Option<VersionSpecifiers>,
    index: Option<String>,
    vcs: Option<Vcs>,
    directory: Option<Directory>,
    archive: Option<File>,
    sdist: Option<File>,
    #[serde(default)]
    wheels: Vec<File>,
}

/// A checkout of a version control system.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Vcs {
    r#type: String,
    url: Option<String>,
    path: Option<String>,
    #[serde(default)]
    commit_id: String,
    subdirectory: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Directory {
    path: String,
    subdirectory: Option<String>,
}

#[derive(Debug, Deserialize)]
struct File {
    name: Option<String>,
    url: Option<String>,
    path: Option<String>,
    size: Option<u64>,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Pylock {
    text: Text,
    environments: Vec<Marker>,
    requires_python: Option<VersionSpecifiers>,
    extras: Vec<ExtraName>,
    groups: Vec<PackageName>,
    default_groups: Vec<PackageName>,
    packages: Vec<(Package, Option<Marker>)>,
}

/// Reads the text of a `pylock.toml`.
pub(crate) fn read(text: Text) -> Result<Box<dyn Content>, Error> {
    let document: Document = text.toml()?;
    if document.lock_version.split('.').next() != Some("1") {
        let (file, found) = (text.file.clone(), document.lock_version);
        return Err(Error::FormatVersion { file, found, known: "1.0" });
    }
    let marker = |marker: &String, offset| {
        let place = text.place(offset);
        marker.parse().map_err(|error: Invalid| Error::Syntax { place, reason: error.to_string() })
    };
    let environments = document.environments.iter().map(|one| marker(one, 0)).collect::<Result<_, _>>()?;
    let mut packages = Vec::with_capacity(document.packages.len());
    for package in document.packages {
        let start = package.name.span().start;
        let marker = package.marker.as_ref().map(|one| marker(one, start)).transpose()?;
        packages.push((package, marker));
    }
    Ok(Box::new(Pylock {
        environments,
        requires_python: document.requires_python,
        extras: document.extras,
        groups: document.dependency_groups,
        default_groups: document.default_groups,
        packages,
        text,
    }))
}

impl Pylock {
    /// The packages whose markers hold.
    fn chosen(&self, selection: &Selection, target: &Target) -> Result<Vec<&Package>, Error> {
        let mut environment = marker_environment(target);
        let file = &self.text.file;
        if !self.environments.is_empty()
            && !self.environments.iter().any(|marker| marker.applies(&environment))
        {
            let (architecture, python) = (target.architecture.clone(), target.python.to_string());
            return Err(Error::Platform { file: file.clone(), architecture, python });
        }
        for (what, asked, offered) in [
            ("extra", &selection.extras, &self.extras),
            ("dependency group", &selection.groups, &self.groups),
        ] {
            if let Some(name) = asked.iter().find(|name| !offered.contains(name)) {
                let (file, name, offered) = (file.clone(), name.clone(), offered.clone());
                return Err(Error::NotOffered { file, what, name, offered });
            }
        }
        let wants_extra = |extra: &&ExtraName| selection.wants_extra(extra);
        environment.extras = self.extras.iter().filter(wants_extra).cloned().collect();
        // Default groups stand for the project's own dependencies.
        let default = self.default_groups.iter().filter(|_| selection.include_project_deps);
        let wanted = self.groups.iter().filter(|group| selection.wants_group(group));
        environment.groups = default.chain(wanted).cloned().collect();
        let applies = |marker: &Option<Marker>| marker.as_ref().is_none_or(|one| one.applies(&environment));
        Ok(self.packages.iter().filter(|(_, marker)| applies(marker)).map(|(package, _)| package).collect())
    }

    fn place(&self, package: &Package) -> Place {
        self.text.place(package.name.span().start)
    }

    fn locked(&self, package: &Package, target: &Target) -> Result<LockedPackage, Error> {
        let origin = self.place(package);
        let name = package.name.get_ref().clone();
        let not_a_wheel =
            |from: Foreign| Error::NotAWheel { place: origin.clone(), name: name.to_string(), from };
        if let Some(requires) = &package.requires_python
            && !crate::content::accepts(requires, target.python)
        {
            let (requires, python) = (requires.clone(), target.python.to_string());
            return Err(Error::Python { file: self.text.file.clone(), requires, python });
        }
        if let Some(vcs) = &package.vcs {
            let git = self.git(vcs).map_err(not_a_wheel)?;
            return Ok(LockedPackage {
                name,
                // pip writes none.
                version: package.version.clone(),
                wheels: Vec::new(),
                sdist: None,
                source: Source::Git(git),
                hashes: BTreeSet::new(),
                why: Vec::new(),
                origin,
            });
        }
        let file = |file: &File| self.file(file, package);
        let mut wheels: Vec<_> = package.wheels.iter().map(file).collect::<Result<_, _>>()?;
        let mut sdist = package.sdist.as_ref().map(file).transpose()?;
        let mut source = Source::Index(package.index.clone());
        if let Some(archive) = package.archive.as_ref().map(file).transpose()? {
            source = match &archive.location {
                Location::Path(path) => Source::Path(path.clone()),
                Location::Url(url) => Source::Url(url.clone()),
                Location::Index => source,
            };
            if archive.filename.ends_with(".whl") {
                wheels.push(archive);
            } else {
                sdist = Some(archive);
            }
        }
        // An archive need not say its version: the name of the wheel does.
        let named = || {
            let wheel: wainwright_python::WheelFilename = wheels.first()?.filename.parse().ok()?;
            Some(wheel.version)
        };
        let version = package.version.clone().or_else(named);
        if version.is_none() && sdist.is_none() {
            return Err(Error::NotPinned { place: origin, name });
        }
        let (hashes, why) = (BTreeSet::new(), Vec::new());
        let mut locked = LockedPackage { name, version, wheels, sdist, source, hashes, why, origin };
        check_files(&mut locked)?;
        Ok(locked)
    }

    /// The commit of a checkout; `Err` says from where else the package comes.
    fn git(&self, vcs: &Vcs) -> Result<GitSource, Foreign> {
        if vcs.r#type != "git" {
            return Err(format!("a repository of the kind `{}`", vcs.r#type.escape_debug()).into());
        }
        let url = match (&vcs.url, &vcs.path) {
            (Some(url), _) => url.clone(),
            (None, Some(path)) => {
                let path = self.text.directory().join(path);
                std::path::absolute(&path).unwrap_or(path).display().to_string()
            }
            (None, None) => return Err("a git repository without a URL".into()),
        };
        let url = url.strip_prefix("git+").unwrap_or(&url);
        GitSource::new(url, &vcs.commit_id, vcs.subdirectory.as_deref())
    }

    fn file(&self, file: &File, package: &Package) -> Result<LockedFile, Error> {
        let place = || self.place(package);
        let wrong = |reason| Error::Syntax { place: place(), reason };
        let location = match (&file.path, &file.url) {
            (Some(path), _) => Location::Path(self.text.directory().join(path)),
            (None, Some(url)) => Location::Url(url.clone()),
            (None, None) => Location::Index,
        };
        let name = file.name.clone().or_else(|| match &location {
            Location::Url(url) => file_name_of_url(url),
            Location::Path(path) => Some(path.file_name()?.to_str()?.to_owned()),
            Location::Index => None,
        });
        let filename =
            name.ok_or_else(|| wrong(format!("a file of `{}` has no name", package.name.get_ref())))?;
        let mut digest = None;
        let mut other = None;
        for (algorithm, digits) in &file.hashes {
            match Hash::of(algorithm, digits).map_err(wrong)? {
                Hash::Sha256(sha256) => digest = Some(sha256),
                Hash::Other(algorithm) => other = Some(algorithm),
            }
        }
        if let (Some(algorithm), None) = (other, digest) {
            let name = package.name.get_ref().clone();
            return Err(Error::OtherAlgorithm { place: place(), name, algorithm });
        }
        Ok(LockedFile { filename, location, digest, size: file.size })
    }
}

impl Package {
    /// The folder of a package whose source is at hand, relative to the lockfile.
    fn folder(&self) -> Option<PathBuf> {
        let directory = self.directory.as_ref()?;
        let below = directory.subdirectory.as_deref().unwrap_or(".");
        Some(Path::new(&directory.path).join(below).components().collect())
    }

    /// Whether this is the project itself, whose source is where the lockfile is.
    fn is_project(&self) -> bool {
        self.folder().is_some_and(|folder| folder == Path::new("."))
    }
}

impl Content for Pylock {
    fn packages(&self, selection: &Selection, target: &Target) -> Result<Vec<LockedPackage>, Error> {
        let chosen = self.chosen(selection, target)?;
        let others = chosen.into_iter().filter(|package| package.directory.is_none());
        let packages = others.map(|package| self.locked(package, target)).collect::<Result<_, _>>()?;
        crate::package::sorted(packages)
    }

    fn local_members(&self, selection: &Selection, target: &Target) -> Result<Vec<LocalMember>, Error> {
        let chosen = self.chosen(selection, target)?;
        let folders = chosen.into_iter().filter_map(|package| Some((package, package.folder()?)));
        let mut members: Vec<LocalMember> = folders
            .map(|(package, folder)| LocalMember {
                name: package.name.get_ref().clone(),
                version: package.version.clone(),
                path: match package.is_project() {
                    true => self.text.directory().into(),
                    false => self.text.directory().join(folder),
                },
                is_package: true,
                is_root: package.is_project(),
                origin: self.place(package),
            })
            .collect();
        members.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(members)
    }

    fn requires_python(&self) -> Option<&VersionSpecifiers> {
        self.requires_python.as_ref()
    }
}
