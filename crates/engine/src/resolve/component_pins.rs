use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};
use wainwright_python::PythonVersion;

use crate::Error;
use crate::model::image_set::Requirements;

/// What the components of one workflow require, in `wain.lock`: one answer for each list of requirements, for all platforms that run
/// containers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ComponentPins {
    /// The oldest Python it was made for.
    python: PythonVersion,
    /// No file in it was uploaded later than this, as it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exclude_newer: Option<String>,
    set: Vec<PinnedSet>,
    /// Packages as in `pylock.toml` (PEP 751), each version once.
    package: Vec<Table>,
}

/// A list of requirements, and what it comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PinnedSet {
    requirements: Vec<String>,
    packages: Vec<PinnedPackage>,
}

/// Which of the packages belongs to a list, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PinnedPackage {
    name: String,
    version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

impl ComponentPins {
    /// Nothing is pinned yet; no file is to be newer than `exclude_newer`.
    pub(super) fn new(python: PythonVersion, exclude_newer: Option<String>) -> Self {
        let python = PythonVersion::new(python.major, python.minor);
        Self { python, exclude_newer, set: Vec::new(), package: Vec::new() }
    }

    /// Whether nothing is pinned.
    pub(super) fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Why it will not do for some lists; `None` when it will.
    pub(super) fn reason(
        &self,
        lists: &BTreeSet<Requirements>,
        python: PythonVersion,
        exclude_newer: Option<&str>,
    ) -> Option<&'static str> {
        if lists.iter().any(|list| !self.has(list)) {
            return Some("wain.lock was made from other requirements of the components");
        }
        if exclude_newer.is_some() && exclude_newer != self.exclude_newer.as_deref() {
            return Some("wain.lock was made with another --exclude-newer");
        }
        ((python.major, python.minor) < (self.python.major, self.python.minor))
            .then_some("wain.lock was made for a newer Python")
    }

    /// Whether it has a list.
    pub(super) fn has(&self, list: &Requirements) -> bool {
        self.find(list).is_some()
    }

    fn find(&self, list: &Requirements) -> Option<&PinnedSet> {
        self.set.iter().find(|set| set.requirements.iter().eq(list))
    }

    /// Pins a list, and the packages that it comes to.
    pub(super) fn add(&mut self, requirements: Requirements, packages: Vec<Table>) {
        let pinned = packages.into_iter().map(|mut package| {
            let marker = package.remove("marker").and_then(|marker| marker.as_str().map(str::to_owned));
            let (name, version) = identity(&package);
            if !self.package.iter().any(|known| identity(known) == (name.clone(), version.clone())) {
                self.package.push(package);
            }
            PinnedPackage { name, version, marker }
        });
        let packages = pinned.collect();
        self.set.push(PinnedSet { requirements: requirements.into_iter().collect(), packages });
        self.package.sort_by_key(identity);
    }

    /// Forgets what no list asks for.
    pub(super) fn keep_only(&mut self, lists: &BTreeSet<Requirements>) {
        self.set.retain(|set| lists.iter().any(|list| set.requirements.iter().eq(list)));
        let used: BTreeSet<Identity> = self
            .set
            .iter()
            .flat_map(|set| &set.packages)
            .map(|one| (one.name.clone(), one.version.clone()))
            .collect();
        self.package.retain(|package| used.contains(&identity(package)));
    }

    /// Every package by what it is.
    pub(super) fn by_identity(&self) -> impl Iterator<Item = (Identity, &Table)> {
        self.package.iter().map(|package| (identity(package), package))
    }

    /// What a list comes to, as the text of a `pylock.toml` for any folder.
    pub(super) fn pylock(
        &self,
        list: &Requirements,
        known: &BTreeMap<Identity, &Table>,
        root: &Path,
    ) -> Option<Result<String, Error>> {
        let set = self.find(list)?;
        let with_marker = |one: &PinnedPackage| {
            let mut package = Table::clone(known.get(&(one.name.clone(), one.version.clone()))?);
            if let Some(marker) = &one.marker {
                package.insert("marker".into(), marker.clone().into());
            }
            Some(package)
        };
        Some(self.document(set.packages.iter().filter_map(with_marker), root))
    }

    /// All versions as a `pylock.toml`, for uv to keep to.
    pub(super) fn all_versions(&self, root: &Path, path: &Path) -> Result<PathBuf, Error> {
        let text = self.document(self.package.iter().cloned(), root)?;
        std::fs::write(path, text).map_err(|source| no_scratch(path, source))?;
        Ok(path.to_owned())
    }

    fn document(&self, packages: impl Iterator<Item = Table>, root: &Path) -> Result<String, Error> {
        let absolute = |mut package: Table| {
            each_path(&mut package, &|path| root.join(path));
            Value::Table(package)
        };
        let document = Table::from_iter([
            ("lock-version".to_owned(), Value::from("1.0")),
            ("created-by".to_owned(), "wainwright".into()),
            ("requires-python".to_owned(), format!(">={}", self.python.short()).into()),
            ("packages".to_owned(), packages.map(absolute).collect::<Vec<_>>().into()),
        ]);
        toml::to_string(&document).map_err(|error| Error::Bug { what: error.to_string() })
    }
}

/// Changes the paths of a package's files.
pub(super) fn each_path(package: &mut Table, change: &dyn Fn(&Path) -> PathBuf) {
    each_file(package, &|file| {
        if let Some(Value::String(path)) = file.get_mut("path") {
            *path = change(Path::new(path)).display().to_string();
        }
    });
}

/// Changes what is said of a package's files.
pub(super) fn each_file(package: &mut Table, change: &dyn Fn(&mut Table)) {
    let files = package.iter_mut().flat_map(|(_, value)| match value {
        Value::Array(items) => items.iter_mut().collect(),
        value => vec![value],
    });
    files.filter_map(Value::as_table_mut).for_each(change);
}

/// Which package it is: its name and version.
pub(super) type Identity = (String, String);

fn identity(package: &Table) -> Identity {
    let text = |key: &str| package.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    (text("name"), text("version"))
}

pub(super) fn no_scratch(path: &Path, source: std::io::Error) -> Error {
    wainwright_resolve::Error::Write { path: path.to_owned(), source }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Requirements {
        names.iter().map(ToString::to_string).collect()
    }

    fn packages(text: &str) -> Vec<Table> {
        let document: Table = toml::from_str(text).unwrap();
        document["packages"].clone().try_into().unwrap()
    }

    fn pins() -> ComponentPins {
        let mut pins = ComponentPins {
            python: PythonVersion::new(3, 13),
            exclude_newer: None,
            set: Vec::new(),
            package: Vec::new(),
        };
        let both = "[[packages]]\nname = 'a'\nversion = '1'\nmarker = \"os_name == 'nt'\"\n\
                    wheels = [{ path = 'wheels/a-1-py3-none-any.whl' }]\n";
        pins.add(list(&["a"]), packages(both));
        pins.add(
            list(&["b", "a>0"]),
            packages("[[packages]]\nname = 'a'\nversion = '1'\n[[packages]]\nname = 'b'\nversion = '2'\n"),
        );
        pins
    }

    #[test]
    fn each_list_gets_its_packages_with_its_markers() {
        let pins = pins();
        assert_eq!(pins.package.len(), 2, "a version is there once");
        let text = |names: &[&str]| {
            pins.pylock(&list(names), &pins.by_identity().collect(), Path::new("/project")).unwrap().unwrap()
        };
        let first = packages(&text(&["a"]));
        assert_eq!(first[0]["marker"].as_str(), Some("os_name == 'nt'"));
        assert_eq!(first[0]["wheels"][0]["path"].as_str(), Some("/project/wheels/a-1-py3-none-any.whl"));
        let second = packages(&text(&["a>0", "b"]));
        assert_eq!((second.len(), second[0].get("marker")), (2, None));
        assert!(pins.pylock(&list(&["c"]), &pins.by_identity().collect(), Path::new("/")).is_none());
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten_and_what_changed_is_told() {
        let mut pins = pins();
        let python = PythonVersion::new(3, 13);
        let both: BTreeSet<Requirements> = [list(&["a"]), list(&["a>0", "b"])].into();
        assert_eq!(pins.reason(&both, python, None), None);
        assert!(pins.reason(&[list(&["c"])].into(), python, None).unwrap().contains("other requirements"));
        assert!(pins.reason(&both, PythonVersion::new(3, 11), None).unwrap().contains("newer Python"));
        assert!(pins.reason(&both, python, Some("2026-01-01")).unwrap().contains("--exclude-newer"));
        pins.keep_only(&[list(&["a"])].into());
        assert_eq!((pins.set.len(), pins.package.len()), (1, 1));
    }
}
