//! `poetry.lock`, as Poetry 1.1 and later write it.
//!
//! From lock version 2.1 on every package says to which groups it belongs and when. Before, the requirements of the
//! project decide, so `pyproject.toml` is read as well.

mod content_hash;
mod needs;
mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;

use wainwright_python::PackageName;

use crate::content::Content;
use crate::table::{File, Origin, Package, Part, Table, git};
use crate::text::Text;
use crate::{Error, Indexes, Invalid, Marker, Place};
use needs::Project;
use wire::{Document, Markers};

/// Reads the text of a `poetry.lock`, and the `pyproject.toml` beside it.
pub(crate) fn read(text: Text) -> Result<Box<dyn Content>, Error> {
    let (document, has_groups) = wire::read(&text)?;
    let pyproject = match Text::read(&text.directory().join("pyproject.toml"), Some(&text.place(0))) {
        Ok(pyproject) => Some(pyproject),
        // Only an older lock needs it.
        Err(Error::Missing { .. }) if has_groups => None,
        Err(error) => return Err(error),
    };
    let project = pyproject.as_ref().map(needs::project).transpose()?.unwrap_or_default();
    let is_stale = match (&document.metadata.content_hash, &pyproject) {
        (Some(hash), Some(pyproject)) => !content_hash::accepts(&pyproject.toml()?, hash),
        _ => false,
    };
    let stale = "the project's dependencies have changed since it was locked".to_owned();
    table(&text, document, project, has_groups, is_stale.then_some(stale)).map(|table| Box::new(table) as _)
}

fn table(
    text: &Text,
    document: Document,
    project: Project,
    has_groups: bool,
    stale: Option<String>,
) -> Result<Table, Error> {
    let mut groups = project.groups;
    let mut packages = Vec::with_capacity(document.packages.len());
    for package in &document.packages {
        let package = self::package(text, package, &document)?;
        groups.extend(package.listed.iter().filter_map(|(part, _)| match part {
            Part::Group(group) => Some(group.clone()),
            Part::Itself | Part::Extra(_) => None,
        }));
        packages.push(package);
    }
    Ok(Table {
        file: text.file.clone(),
        directory: text.directory().into(),
        requires_python: document.metadata.python_versions.map(|versions| versions.hull()),
        environments: Vec::new(),
        extras: document.extras.into_keys().collect(),
        groups,
        packages,
        roots: (!has_groups).then_some(project.roots),
        indexes: Indexes { named: project.sources, ..Indexes::default() },
        stale: stale.into_iter().collect(),
    })
}

fn package(text: &Text, package: &wire::Package, document: &Document) -> Result<Package, Error> {
    let place = text.place(package.name.span().start);
    let name = package.name.get_ref().clone();
    let origin = origin(package);
    let mut needs = Vec::new();
    for (needed, constraints) in &package.dependencies {
        needs::read(&place, needed, constraints, &mut needs)?;
    }
    let files = match &package.files {
        Some(files) => files.iter().map(file).collect(),
        None => of_version(package, document.metadata.files.get(&name).map_or(&[], Vec::as_slice)),
    };
    Ok(Package {
        listed: listed(package, &place)?,
        version: Some(package.version.clone()),
        python: package.python_versions.clone(),
        extras: [].into(),
        needs,
        by_extra: package
            .extras
            .iter()
            .map(|(extra, lines)| {
                let names = lines.iter().filter_map(|line| needs::first_name(line)).collect();
                (extra.clone(), names)
            })
            .collect(),
        origin,
        files,
        name,
        place,
    })
}

/// The groups a package belongs to, with the condition for each; `main` is the project itself.
fn listed(package: &wire::Package, place: &Place) -> Result<Vec<(Part, Option<Marker>)>, Error> {
    let read = |text: &String| -> Result<Marker, Error> {
        text.parse()
            .map_err(|error: Invalid| Error::Syntax { place: place.clone(), reason: error.to_string() })
    };
    let one = match &package.markers {
        Some(Markers::Same(text)) => Some(read(text)?),
        _ => None,
    };
    let by_group: BTreeMap<PackageName, Marker> = match &package.markers {
        Some(Markers::ByGroup(map)) => {
            map.iter().map(|(group, text)| Ok((group.clone(), read(text)?))).collect::<Result<_, Error>>()?
        }
        _ => BTreeMap::new(),
    };
    let part = |group: &PackageName| {
        let marker = one.clone().or_else(|| by_group.get(group).cloned());
        (if group.as_str() == "main" { Part::Itself } else { Part::Group(group.clone()) }, marker)
    };
    Ok(package.groups.iter().map(part).collect())
}

fn origin(package: &wire::Package) -> Origin {
    let Some(source) = &package.source else { return Origin::Index(None) };
    match source.kind.as_deref() {
        Some("legacy") => Origin::Index(Some(source.url.clone())),
        Some("url") => Origin::Url(source.url.clone()),
        Some("file") => Origin::Path(PathBuf::from(&source.url)),
        Some("git") => {
            let commit = source.resolved_reference.as_deref().unwrap_or_default();
            git(&source.url, commit, source.subdirectory.as_deref())
        }
        Some("directory") => Origin::Folder(PathBuf::from(&source.url)),
        _ => Origin::Index(None),
    }
}

fn file(file: &wire::File) -> File {
    File { name: Some(file.file.clone()), url: file.url.clone(), hash: file.hash.clone() }
}

/// Lock version 1 lists the files of all versions of a name together.
fn of_version(package: &wire::Package, files: &[wire::File]) -> Vec<File> {
    let is_of_version = |file: &&wire::File| match file.file.parse::<wainwright_python::WheelFilename>() {
        Ok(wheel) => wheel.version == package.version,
        Err(_) => {
            let stem = [".tar.gz", ".zip", ".tar.bz2"].iter().find_map(|end| file.file.strip_suffix(end));
            let version = stem.and_then(|stem| stem.rsplit_once('-')).map(|(_, version)| version.parse());
            version == Some(Ok(package.version.clone()))
        }
    };
    files.iter().filter(is_of_version).map(file).collect()
}
