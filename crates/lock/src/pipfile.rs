//! `Pipfile.lock`: one file for one Python; which files a package has is left to the index.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value as Json;
use toml::Table as Toml;
use wainwright_oci::Digest;
use wainwright_python::{PackageName, VersionRanges, VersionSpecifiers};

use crate::content::Content;
use crate::python_json::{TIGHT, dump};
use crate::table::{File, Origin, Package, Part, Table, git, is_archive};
use crate::text::Text;
use crate::{Error, Indexes, Invalid, Marker, Place};

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "_meta")]
    meta: Meta,
    /// `default`, `develop`, and the categories of the user.
    #[serde(flatten)]
    categories: BTreeMap<String, BTreeMap<String, Entry>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Meta {
    pipfile_spec: Option<i64>,
    #[serde(default)]
    hash: BTreeMap<String, String>,
    #[serde(default)]
    requires: BTreeMap<String, Json>,
    #[serde(default)]
    sources: Vec<Index>,
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    name: String,
    url: String,
}

#[derive(Deserialize)]
struct Entry {
    version: Option<String>,
    #[serde(default)]
    hashes: Vec<String>,
    index: Option<String>,
    markers: Option<String>,
    git: Option<String>,
    hg: Option<Json>,
    path: Option<String>,
    file: Option<String>,
    r#ref: Option<String>,
    subdirectory: Option<String>,
}

/// The only generation there is.
const SPEC: i64 = 6;
const USUAL_INDEX: &str = "https://pypi.org/simple";

/// Reads the text of a `Pipfile.lock`, and the `Pipfile` beside it.
pub(crate) fn read(text: Text) -> Result<Box<dyn Content>, Error> {
    let document: Document = serde_json::from_str(&text.text).map_err(|error| {
        let place = Place { file: text.file.clone(), line: error.line(), column: Some(error.column()) };
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
        Error::Syntax { place, reason }
    })?;
    let meta = &document.meta;
    if let Some(found) = meta.pipfile_spec.filter(|&found| found != SPEC) {
        let (file, found) = (text.file.clone(), found.to_string());
        return Err(Error::FormatVersion { file, found, known: "6" });
    }
    let mut stale = Vec::new();
    match Text::read(&text.directory().join("Pipfile"), None) {
        Ok(pipfile) => {
            if meta.hash.get("sha256").is_some_and(|hash| !accepts(&pipfile.toml().unwrap_or_default(), hash))
            {
                stale.push("its requirements have changed since it was locked".to_owned());
            }
        }
        Err(Error::Missing { .. }) => {}
        Err(error) => return Err(error),
    }
    let mut packages: Vec<Package> = Vec::new();
    let mut groups = BTreeSet::new();
    for (category, entries) in &document.categories {
        let part = part(&text, category)?;
        if let Part::Group(group) = &part {
            groups.insert(group.clone());
        }
        for (name, entry) in entries {
            packages.push(package(&text, category, name, entry, part.clone(), &meta.sources)?);
        }
    }
    let urls: Vec<&str> = meta.sources.iter().map(|source| source.url.as_str()).collect();
    let first = urls.first().filter(|url| url.trim_end_matches('/') != USUAL_INDEX);
    Ok(Box::new(Table {
        file: text.file.clone(),
        directory: text.directory().into(),
        requires_python: requires(&text, &meta.requires)?,
        environments: Vec::new(),
        extras: BTreeSet::new(),
        groups,
        packages,
        roots: None,
        indexes: Indexes {
            index: first.map(|url| (*url).to_owned()),
            extra: urls.iter().skip(1).map(|url| (*url).to_owned()).collect(),
            has_plain_variables: true,
            ..Indexes::default()
        },
        stale,
    }))
}

/// `default` is the project itself; `develop`, which belongs to `--dev`, is the group `dev` as everywhere else.
fn part(text: &Text, category: &str) -> Result<Part, Error> {
    let name = match category {
        "default" => return Ok(Part::Itself),
        "develop" => "dev",
        other => other,
    };
    let wrong =
        |error: wainwright_python::Error| Error::Syntax { place: text.place(0), reason: error.to_string() };
    name.parse().map(Part::Group).map_err(wrong)
}

fn requires(text: &Text, requires: &BTreeMap<String, Json>) -> Result<Option<VersionSpecifiers>, Error> {
    let word = |key: &str| requires.get(key).and_then(Json::as_str);
    let Some(version) = word("python_full_version").or_else(|| word("python_version")) else {
        return Ok(None);
    };
    let is_full = word("python_full_version").is_some();
    let written = if is_full { format!("=={version}") } else { format!("=={version}.*") };
    let reason = format!("`{version}` is not a Python version");
    let read = written.parse().map_err(|_| Error::Syntax { place: text.place(0), reason })?;
    Ok(Some(read))
}

fn package(
    text: &Text,
    category: &str,
    name: &str,
    entry: &Entry,
    part: Part,
    sources: &[Index],
) -> Result<Package, Error> {
    let place = place(text, category, name);
    let wrong = |reason: String| Error::Syntax { place: place.clone(), reason };
    let package: PackageName =
        name.parse().map_err(|error: wainwright_python::Error| wrong(error.to_string()))?;
    let origin = match entry {
        Entry { git: Some(url), r#ref, subdirectory, .. } => {
            git(url, r#ref.as_deref().unwrap_or_default(), subdirectory.as_deref())
        }
        Entry { hg: Some(_), .. } => Origin::Elsewhere("a Mercurial repository".into()),
        Entry { path: Some(path), .. } if path.ends_with(".whl") => Origin::Path(path.into()),
        Entry { path: Some(path), .. } if is_archive(path) => Origin::Path(path.into()),
        Entry { path: Some(path), .. } => Origin::Folder(path.into()),
        Entry { file: Some(file), .. }
            if file.contains("://") && (file.ends_with(".whl") || is_archive(file)) =>
        {
            Origin::Url(file.clone())
        }
        Entry { file: Some(file), .. } => {
            Origin::Elsewhere(format!("`{}`", crate::error::redact(file)).into())
        }
        _ => Origin::Index(index(entry, sources)),
    };
    let version =
        entry.version.as_deref().and_then(|version| version.trim_start_matches('=').trim().parse().ok());
    let version = match (version, &origin) {
        (Some(version), _) => Some(version),
        // Nothing is said of what is not installed from an index; the names of wheels tell.
        (None, Origin::Elsewhere(_) | Origin::Git(_) | Origin::Folder(_)) => None,
        (None, Origin::Url(at)) => version_of(at),
        (None, Origin::Path(at)) => version_of(&at.to_string_lossy()),
        (None, Origin::Index(_)) => return Err(Error::NotPinned { place, name: package }),
    };
    let marker = entry.markers.as_deref().map(str::parse::<Marker>).transpose();
    let marker = marker.map_err(|error: Invalid| wrong(error.to_string()))?;
    let hashes = sha256_first(&entry.hashes);
    Ok(Package {
        name: package,
        version,
        listed: vec![(part, marker)],
        python: VersionRanges::all(),
        extras: BTreeSet::new(),
        needs: Vec::new(),
        by_extra: BTreeMap::new(),
        origin,
        files: hashes.map(|hash| File { name: None, url: None, hash: Some(hash.clone()) }).collect(),
        place,
    })
}

/// The hashes that count: all sha256, or whatever there is when there is none.
fn sha256_first(hashes: &[String]) -> impl Iterator<Item = &String> {
    let is_sha256 = |hash: &&String| hash.starts_with("sha256:");
    let has_any = hashes.iter().any(|hash| is_sha256(&hash));
    hashes.iter().filter(move |hash| !has_any || is_sha256(hash))
}

fn version_of(address: &str) -> Option<wainwright_python::Version> {
    let name: wainwright_python::WheelFilename = address.rsplit('/').next()?.parse().ok()?;
    Some(name.version)
}

/// The index an entry names, unless it is the one that is asked anyway. Its password stands among the indexes.
fn index(entry: &Entry, sources: &[Index]) -> Option<String> {
    let named = sources.iter().position(|source| Some(&source.name) == entry.index.as_ref())?;
    let url = &sources.get(named).filter(|_| named > 0)?.url;
    let (scheme, rest) = url.split_once("://")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Some(format!("{scheme}://{}{path}", host.rsplit('@').next().unwrap_or(host)))
}

/// Where an entry stands: the first line of its name after that of its category.
fn place(text: &Text, category: &str, name: &str) -> Place {
    let find = |word: &str, from: usize| {
        let rest = text.text.get(from..)?;
        rest.match_indices(&format!("\"{word}\"")).map(|(at, _)| from + at).next()
    };
    let start = find(category, 0).unwrap_or(0);
    text.place(find(name, start).unwrap_or(start))
}

/// Whether `hash` is the hash of a `Pipfile`: of what it asks for as Python writes it.
fn accepts(pipfile: &Toml, hash: &str) -> bool {
    let table = |key: &str| pipfile.get(key).cloned().unwrap_or_else(|| Toml::new().into());
    let usual = || {
        let source: Toml = [
            ("name".to_owned(), "pypi".into()),
            ("url".to_owned(), USUAL_INDEX.into()),
            ("verify_ssl".to_owned(), true.into()),
        ]
        .into_iter()
        .collect();
        toml::Value::Array(vec![source.into()])
    };
    let meta: Toml = [
        ("sources".to_owned(), pipfile.get("source").cloned().unwrap_or_else(usual)),
        ("requires".to_owned(), table("requires")),
    ]
    .into_iter()
    .collect();
    let mut content: Toml = [
        ("_meta".to_owned(), meta.into()),
        ("default".to_owned(), table("packages")),
        ("develop".to_owned(), table("dev-packages")),
    ]
    .into_iter()
    .collect();
    const SECTIONS: [&str; 8] =
        ["source", "packages", "dev-packages", "requires", "scripts", "pipfile", "pipenv", "default"];
    for (category, value) in pipfile {
        if !SECTIONS.contains(&category.as_str()) && category != "develop" {
            content.insert(category.clone(), value.clone());
        }
    }
    // What cannot be written cannot be compared.
    dump(&content.into(), TIGHT).is_none_or(|content| Digest::of(content).hex() == hash)
}
