//! What `poetry.lock`, `pdm.lock` and `Pipfile.lock` have in common: a list of packages, chosen either by what is
//! written beside each of them, or by walking from the requirements of the project.

mod files;
mod list;
mod listed;
mod walk;

use std::collections::BTreeMap;
use std::path::Component;

use wainwright_python::{PackageName, Target, VersionSpecifiers};

pub(crate) use list::{File, Need, Origin, Package, Part, Table, git, is_archive};

use crate::content::Content;
use crate::{Error, Indexes, LocalMember, LockedPackage, MarkerEnvironment, Selection, marker_environment};

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
            !package.python.ranges().iter().any(|range| crate::content::accepts(range, target.python))
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
