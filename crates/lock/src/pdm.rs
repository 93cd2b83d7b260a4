//! `pdm.lock`, as PDM 2.10 and later write it.
//!
//! With the strategy `inherit_metadata` every package says to which groups it belongs and when. Without it the
//! requirements of the project decide, so `pyproject.toml` is read as well.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;
use toml::{Spanned, Table as Toml, Value};
use wainwright_oci::Digest;
use wainwright_python::{ExtraName, PackageName, Version, VersionSpecifiers};

use crate::content::Content;
use crate::python_json::{SPACED, dump};
use crate::table::{File, Need, Origin, Package, Part, Table, git, is_archive};
use crate::text::Text;
use crate::{Error, Foreign, Indexes, Invalid, Marker, Place, ProjectRequirements, Requirement};

#[derive(Deserialize)]
struct Document {
    metadata: Metadata,
    #[serde(default, rename = "package")]
    packages: Vec<Entry>,
}

#[derive(Deserialize)]
struct Metadata {
    content_hash: Option<String>,
    #[serde(default)]
    groups: Vec<PackageName>,
    #[serde(default)]
    strategy: Vec<String>,
    #[serde(default)]
    targets: Vec<For>,
}

/// An environment the lock is for; what is not said may be anything.
#[derive(Deserialize)]
struct For {
    requires_python: Option<VersionSpecifiers>,
    platform: Option<String>,
    implementation: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    name: Spanned<PackageName>,
    version: Version,
    #[serde(default)]
    extras: BTreeSet<ExtraName>,
    requires_python: Option<VersionSpecifiers>,
    #[serde(default)]
    groups: Vec<PackageName>,
    marker: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
    #[serde(default)]
    files: Vec<Listed>,
    git: Option<String>,
    revision: Option<String>,
    subdirectory: Option<String>,
    hg: Option<String>,
    url: Option<String>,
    path: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    file: Option<String>,
    url: Option<String>,
    hash: Option<String>,
}

/// Reads the text of a `pdm.lock`, and the `pyproject.toml` beside it.
pub(crate) fn read(text: Text) -> Result<Box<dyn Content>, Error> {
    check_version(&text)?;
    let document: Document = text.toml()?;
    let metadata = &document.metadata;
    let has_groups = metadata.strategy.iter().any(|one| one == "inherit_metadata");
    let pyproject = match Text::read(&text.directory().join("pyproject.toml"), Some(&text.place(0))) {
        Ok(pyproject) => Some(pyproject),
        // Without it nobody knows which groups are extras, but each package knows its groups.
        Err(Error::Missing { .. }) if has_groups => None,
        Err(error) => return Err(error),
    };
    let project = pyproject.as_ref().map(ProjectRequirements::of).transpose()?.unwrap_or_default();
    let own_groups = pyproject.as_ref().filter(|_| !has_groups).map(dev_dependencies).transpose()?;
    let own_groups = own_groups.unwrap_or_default();
    let stale = match (&pyproject, &metadata.content_hash) {
        (Some(pyproject), Some(hash)) if !accepts(&pyproject.toml()?, hash) => {
            vec!["the project's dependencies have changed since it was locked".to_owned()]
        }
        _ => Vec::new(),
    };
    let part = |name: &PackageName| match name.as_str() {
        "default" => Part::Itself,
        _ if project.extras.contains_key(name) => Part::Extra(name.clone()),
        _ => Part::Group(name.clone()),
    };
    let packages = document.packages.iter().map(|entry| package(&text, entry, &part));
    let packages = packages.collect::<Result<_, _>>()?;
    // What was not locked cannot be had, whatever the project offers.
    let mut extras = BTreeSet::new();
    let mut groups = BTreeSet::new();
    for name in &metadata.groups {
        match part(name) {
            Part::Extra(extra) => drop(extras.insert(extra)),
            Part::Group(group) => drop(groups.insert(group)),
            Part::Itself => {}
        }
    }
    let is_locked = |part: &Part| match part {
        Part::Itself => true,
        Part::Extra(extra) => extras.contains(extra),
        Part::Group(group) => groups.contains(group),
    };
    let requires_python = project.requires_python.clone();
    let roots = (!has_groups).then(|| roots(project, own_groups));
    let roots = roots.map(|roots| roots.into_iter().filter(|(part, _)| is_locked(part)).collect());
    Ok(Box::new(Table {
        file: text.file.clone(),
        directory: text.directory().into(),
        requires_python,
        environments: metadata
            .targets
            .iter()
            .map(|target| environment(&text, target))
            .collect::<Result<_, _>>()?,
        extras,
        groups,
        packages,
        roots,
        indexes: pyproject.as_ref().map(indexes).transpose()?.unwrap_or_default(),
        stale,
    }))
}

fn check_version(text: &Text) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Head {
        metadata: Toml,
    }
    let metadata = text.toml::<Head>()?.metadata;
    let found = metadata.get("lock_version").and_then(Value::as_str).unwrap_or("0").to_owned();
    let mut numbers = found.split('.').map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(4), Some(4..)) => Ok(()),
        _ => Err(Error::FormatVersion { file: text.file.clone(), found, known: "4.4 or a later 4.x" }),
    }
}

fn package(text: &Text, entry: &Entry, part: &impl Fn(&PackageName) -> Part) -> Result<Package, Error> {
    let place = text.place(entry.name.span().start);
    let marker: Option<Marker> = entry.marker.as_deref().map(|marker| read_as(&place, marker)).transpose()?;
    let needs: Vec<Requirement> =
        entry.dependencies.iter().map(|line| read_as(&place, line)).collect::<Result<_, _>>()?;
    let origin = match entry {
        Entry { git: Some(url), revision, subdirectory, .. } => {
            git(url, revision.as_deref().unwrap_or_default(), subdirectory.as_deref())
        }
        Entry { hg: Some(_), .. } => Origin::Elsewhere("a Mercurial repository".into()),
        Entry { url: Some(url), .. } => Origin::Url(url.clone()),
        Entry { path: Some(path), .. } if path.ends_with(".whl") => Origin::Path(PathBuf::from(path)),
        Entry { path: Some(path), .. } if is_archive(path) => Origin::Path(PathBuf::from(path)),
        Entry { path: Some(path), .. } => Origin::Folder(PathBuf::from(path)),
        _ => Origin::Index(None),
    };
    let file =
        |file: &Listed| File { name: file.file.clone(), url: file.url.clone(), hash: file.hash.clone() };
    Ok(Package {
        name: entry.name.get_ref().clone(),
        version: Some(entry.version.clone()),
        listed: entry.groups.iter().map(|group| (part(group), marker.clone())).collect(),
        python: entry.requires_python.clone().unwrap_or_default().into(),
        extras: entry.extras.clone(),
        needs: needs.into_iter().map(Need::of).collect(),
        by_extra: BTreeMap::new(),
        origin,
        files: entry.files.iter().map(file).collect(),
        place,
    })
}

fn read_as<T: std::str::FromStr<Err = Invalid>>(place: &Place, text: &str) -> Result<T, Error> {
    text.parse().map_err(|error: Invalid| Error::Syntax { place: place.clone(), reason: error.to_string() })
}

/// The condition that an environment is one the lock is for.
fn environment(text: &Text, target: &For) -> Result<Marker, Error> {
    let mut conditions = vec!["os_name != ''".to_owned()];
    let python = target.requires_python.iter().flat_map(|versions| versions.iter());
    conditions.extend(python.map(|version| {
        format!(
            "python_full_version {} '{}'",
            version.operator(),
            version.to_string().trim_start_matches(['<', '>', '=', '!', '~']).trim()
        )
    }));
    if let Some(implementation) = &target.implementation {
        conditions.push(format!("implementation_name == '{implementation}'"));
    }
    if let Some(platform) = &target.platform {
        conditions.push(match platform.as_str() {
            "windows" | "macos" | "alpine" => "sys_platform == 'win32'".to_owned(),
            "linux" => "sys_platform == 'linux' and platform_machine == 'x86_64'".to_owned(),
            other => match ["x86_64", "aarch64", "armv7l", "i686", "ppc64le", "s390x", "riscv64"]
                .iter()
                .find(|machine| other.ends_with(*machine))
            {
                Some(machine) if other.contains("linux") => {
                    format!("sys_platform == 'linux' and platform_machine == '{machine}'")
                }
                _ => "sys_platform == 'win32'".to_owned(),
            },
        });
    }
    read_as(&text.place(0), &conditions.join(" and "))
}

/// `[[tool.pdm.source]]`: one called `pypi` is there instead of the usual index, the others besides.
fn indexes(text: &Text) -> Result<Indexes, Error> {
    let document: Toml = text.toml()?;
    let sources = document.get("tool").and_then(|tool| tool.get("pdm")?.get("source")?.as_array());
    let mut indexes = Indexes { has_plain_variables: true, ..Indexes::default() };
    let root = std::path::absolute(text.directory()).unwrap_or_else(|_| text.directory().into());
    for source in sources.into_iter().flatten() {
        let word = |key: &str| source.get(key).and_then(Value::as_str);
        let Some(url) = word("url") else { continue };
        // A variable of PDM's own.
        let url = url.replace("/${PROJECT_ROOT}", &root.to_string_lossy());
        match (word("type"), word("name")) {
            (Some("find_links"), _) => indexes.links.push(url),
            (_, Some("pypi")) => indexes.index = Some(url),
            _ => indexes.extra.push(url),
        }
    }
    Ok(indexes)
}

/// `[tool.pdm.dev-dependencies]`, as PDM had it before `[dependency-groups]`.
fn dev_dependencies(text: &Text) -> Result<Vec<(PackageName, Requirement)>, Error> {
    let document: Toml = text.toml()?;
    let groups = document.get("tool").and_then(|tool| tool.get("pdm")?.get("dev-dependencies")?.as_table());
    let place = text.place(text.text.find("[tool.pdm.dev-dependencies]").unwrap_or(0));
    let mut found = Vec::new();
    for (group, lines) in groups.into_iter().flatten() {
        let group: PackageName = group.parse().map_err(|error: wainwright_python::Error| Error::Syntax {
            place: place.clone(),
            reason: error.to_string(),
        })?;
        for line in lines.as_array().into_iter().flatten().filter_map(Value::as_str) {
            // `-e file:///${PROJECT_ROOT}/lib#egg=lib`: where it is, the lock knows.
            let line = match line
                .trim_start()
                .strip_prefix("-e")
                .map(|source| (source, source.rsplit_once("#egg=")))
            {
                None => line,
                Some((_, Some((_, name)))) => name.split('&').next().unwrap_or_default(),
                Some((source, None)) => {
                    let (place, name) = (place.clone(), source.trim().to_owned());
                    return Err(Error::NotAWheel { place, name, from: Foreign::Nameless });
                }
            };
            found.push((group.clone(), read_as(&place, line)?));
        }
    }
    Ok(found)
}

fn roots(project: ProjectRequirements, own: Vec<(PackageName, Requirement)>) -> Vec<(Part, Need)> {
    let mut roots = Vec::new();
    let mut add = |part: Part, list: Vec<Requirement>| {
        roots.extend(list.into_iter().map(|one| (part.clone(), Need::of(one))));
    };
    add(Part::Itself, project.dependencies);
    for (extra, list) in project.extras {
        add(Part::Extra(extra), list);
    }
    for (group, list) in project.groups {
        add(Part::Group(group), list);
    }
    for (group, requirement) in own {
        add(Part::Group(group), vec![requirement]);
    }
    roots
}

/// Whether `hash` is the `content_hash` of a `pyproject.toml`: of its requirements as Python writes them.
fn accepts(pyproject: &Toml, hash: &str) -> bool {
    let Some(hash) = hash.strip_prefix("sha256:") else { return true };
    let pdm = pyproject.get("tool").and_then(|tool| tool.get("pdm"));
    let project = pyproject.get("project");
    let or = |value: Option<&Value>, default: Value| value.cloned().unwrap_or(default);
    let (list, table) = (|| Value::Array(Vec::new()), || Value::Table(Toml::new()));
    let mut groups = Toml::new();
    for section in [pyproject.get("dependency-groups"), pdm.and_then(|pdm| pdm.get("dev-dependencies"))] {
        for (group, lines) in section.and_then(Value::as_table).into_iter().flatten() {
            let group = group.parse().map_or_else(|_| group.clone(), |name: PackageName| name.to_string());
            let entry = groups.entry(group).or_insert_with(list);
            if let (Some(entry), Some(lines)) = (entry.as_array_mut(), lines.as_array()) {
                entry.extend(lines.iter().cloned());
            }
        }
    }
    let content: Toml = [
        ("sources", or(pdm.and_then(|pdm| pdm.get("source")), list())),
        ("dependencies", or(project.and_then(|project| project.get("dependencies")), list())),
        ("dev-dependencies", groups.into()),
        (
            "optional-dependencies",
            or(project.and_then(|project| project.get("optional-dependencies")), table()),
        ),
        ("requires-python", or(project.and_then(|project| project.get("requires-python")), "".into())),
        ("resolution", or(pdm.and_then(|pdm| pdm.get("resolution")), table())),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect();
    // What cannot be written cannot be compared.
    dump(&content.into(), SPACED).is_none_or(|content| Digest::of(content).hex() == hash)
}
