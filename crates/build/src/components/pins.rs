use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};
use wainwright_lock::Lock;
use wainwright_python::{PythonVersion, WheelFilename};
use wainwright_resolve::{FILE_NAME, Inputs, Resolution, Upgrade, relative};

use crate::unlocked::{Uv, refuse};
use crate::wain_lock::{self, WainLock};
use crate::{Error, Event, Request, Tools};

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

/// A list of requirements: sorted, each once.
pub(crate) type Requirements = BTreeSet<String>;

/// Locks of lists of requirements.
pub(crate) struct ComponentLocks {
    locks: BTreeMap<Requirements, Lock>,
}

impl ComponentLocks {
    /// The lock of a list; `None` for an empty one.
    pub(crate) fn get(&self, requirements: &Requirements) -> Option<&Lock> {
        self.locks.get(requirements)
    }
}

/// The locks of the lists of requirements of the workflow in `file`: as `wain.lock` has them, else resolved now, and pinned there
/// as the request says.
///
/// Lists are resolved together first, so that components get the same version of a package where that can be. `kept` is a list
/// that stays pinned although nobody asks for it now.
pub(crate) async fn locks(
    file: &str,
    mut lists: BTreeSet<Requirements>,
    kept: &Requirements,
    python: PythonVersion,
    upgrade: &Upgrade,
    request: &Request,
    tools: &Tools,
) -> Result<ComponentLocks, Error> {
    lists.retain(|list| !list.is_empty());
    let mut lock = WainLock::read(&request.root)?;
    if lock.components.get(file).is_some_and(|pins| pins.find(kept).is_some()) {
        lists.insert(kept.clone());
    }
    let exclude_newer = tools.index_settings()?.exclude_newer;
    let before = lock.components.clone();
    let known = before.get(file);
    let reason = match (known, upgrade) {
        _ if lists.is_empty() => None,
        (None, _) => Some("the requirements of the components are not locked"),
        (Some(pins), Upgrade::Nothing) => pins.reason(&lists, python, exclude_newer.as_deref()),
        (Some(_), _) => Some("the requirements of the components are upgraded"),
    };
    if let Some(reason) = reason {
        refuse(reason, request, tools)?;
        let mut pins =
            ComponentPins { python: minor(python), exclude_newer, set: Vec::new(), package: Vec::new() };
        for (requirements, packages) in
            resolve(&lists, python, known, upgrade, reason, request, tools).await?
        {
            pins.add(requirements, packages);
        }
        lock.components.insert(file.to_owned(), pins);
    } else if let Some(pins) = lock.components.get_mut(file) {
        pins.keep_only(&lists);
    }
    // A folder may have several workflows; one that is gone asks for nothing.
    lock.components.retain(|name, pins| !pins.set.is_empty() && request.root.join(name).is_file());
    if lock.components != before && !request.is_locked {
        wain_lock::write(&lock, "the requirements of the components are", request, tools)?;
    }
    let root = absolute(&request.root);
    let scratch = tools.store.scratch()?;
    let path = scratch.path().join(FILE_NAME);
    let pins = lock.components.get(file);
    let known: BTreeMap<Identity, &Table> = pins.into_iter().flat_map(ComponentPins::by_identity).collect();
    let read = |list: Requirements| {
        let text = pins.and_then(|pins| pins.pylock(&list, &known, &root));
        let text = text.ok_or_else(|| Error::Bug { what: "requirements that were not locked".into() })??;
        std::fs::write(&path, text).map_err(|source| no_scratch(&path, source))?;
        Ok::<_, Error>((list, wainwright_lock::read(&path)?))
    };
    Ok(ComponentLocks { locks: lists.into_iter().map(read).collect::<Result<_, _>>()? })
}

/// Has uv resolve every list: first all of them together, so that components get the same versions where that can be.
async fn resolve(
    lists: &BTreeSet<Requirements>,
    python: PythonVersion,
    before: Option<&ComponentPins>,
    upgrade: &Upgrade,
    reason: &str,
    request: &Request,
    tools: &Tools,
) -> Result<Vec<(Requirements, Vec<Table>)>, Error> {
    let uv = Uv::get(reason, tools).await?;
    let root = absolute(&request.root);
    let vars = &tools.machine.vars;
    let ask = async |number: usize, list: &Requirements, before: Option<&Path>, upgrade: &Upgrade| {
        let place = uv.place.join(number.to_string());
        let folder = place.join("answer");
        std::fs::create_dir_all(&folder).map_err(|source| no_scratch(&place, source))?;
        let text: String = list.iter().map(|line| format!("{line}\n")).collect();
        let file = place.join("requirements.txt");
        std::fs::write(&file, text).map_err(|source| no_scratch(&file, source))?;
        let inputs = Inputs::of_requirements(&place, vars)?;
        let inputs = inputs.ok_or_else(|| Error::Bug { what: "requirements that require nothing".into() })?;
        uv.resolve((&place, &inputs, python), before, upgrade, &folder, tools).await
    };
    let known = match before {
        Some(before) => Some(before.all_versions(&root, &uv.place.join("before.toml"))?),
        None => None,
    };
    let together: Requirements = lists.iter().flatten().cloned().collect();
    let all = ask(0, &together, known.as_deref(), upgrade).await;
    if let (Ok(all), 1) = (&all, lists.len()) {
        return Ok(vec![(together, packages(all, &root)?)]);
    }
    let known = match all {
        Ok(all) => {
            let path = uv.place.join("together.toml");
            std::fs::write(&path, &all.text_for_anywhere).map_err(|source| no_scratch(&path, source))?;
            Some(path)
        }
        // Components need not have the same versions: what does not go together may go alone.
        Err(Error::Resolve(wainwright_resolve::Error::Unresolved { .. })) if lists.len() > 1 => {
            let message =
                "the requirements of all components do not go together, and are resolved one by one";
            tools.tell(Event::Noted { message: message.into() });
            known
        }
        Err(error) => return Err(error),
    };
    let answers = lists.iter().enumerate().map(async |(index, list)| {
        let answer = ask(index + 1, list, known.as_deref(), &Upgrade::Nothing).await?;
        Ok::<_, Error>((list.clone(), packages(&answer, &root)?))
    });
    try_join_all(answers).await
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn minor(python: PythonVersion) -> PythonVersion {
    PythonVersion::new(python.major, python.minor)
}

fn no_scratch(path: &Path, source: std::io::Error) -> Error {
    wainwright_resolve::Error::Write { path: path.to_owned(), source }.into()
}

/// The packages of an answer, with the files that a container can use and paths that begin at the project.
fn packages(answer: &Resolution, root: &Path) -> Result<Vec<Table>, Error> {
    let refuse = |reason: &str| wainwright_resolve::Error::Answer { reason: reason.to_owned() };
    let mut document: Table =
        toml::from_str(&answer.text_for_anywhere).map_err(|error| refuse(error.message()))?;
    let packages = document.remove("packages").and_then(|packages| packages.try_into().ok());
    let mut packages: Vec<Table> = packages.unwrap_or_default();
    for package in &mut packages {
        if let Some(Value::Array(wheels)) = package.get_mut("wheels") {
            wheels.retain(runs_in_containers);
        }
        // It decides nothing any more.
        each_file(package, &|file| drop(file.remove("upload-time")));
        each_path(package, &|path| relative(path, root));
    }
    Ok(packages)
}

/// Whether a wheel can be for Linux.
fn runs_in_containers(wheel: &Value) -> bool {
    let text = |key: &str| wheel.get(key).and_then(Value::as_str);
    let address = text("name").or(text("url")).or(text("path")).unwrap_or_default();
    let name = address.rsplit('/').next().unwrap_or_default().replace("%2B", "+");
    name.parse::<WheelFilename>().map_or(true, |name| {
        name.tags.iter().any(|tag| tag.platform == "any" || tag.platform.contains("linux"))
    })
}

/// Changes the paths of a package's files.
fn each_path(package: &mut Table, change: &dyn Fn(&Path) -> PathBuf) {
    each_file(package, &|file| {
        if let Some(Value::String(path)) = file.get_mut("path") {
            *path = change(Path::new(path)).display().to_string();
        }
    });
}

/// Changes what is said of a package's files.
fn each_file(package: &mut Table, change: &dyn Fn(&mut Table)) {
    let files = package.iter_mut().flat_map(|(_, value)| match value {
        Value::Array(items) => items.iter_mut().collect(),
        value => vec![value],
    });
    files.filter_map(Value::as_table_mut).for_each(change);
}

/// Which package it is: its name and version.
type Identity = (String, String);

fn identity(package: &Table) -> Identity {
    let text = |key: &str| package.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    (text("name"), text("version"))
}

impl ComponentPins {
    /// Why it will not do for some lists; `None` when it will.
    fn reason(
        &self,
        lists: &BTreeSet<Requirements>,
        python: PythonVersion,
        exclude_newer: Option<&str>,
    ) -> Option<&'static str> {
        if lists.iter().any(|list| self.find(list).is_none()) {
            return Some("wain.lock was made from other requirements of the components");
        }
        if exclude_newer.is_some() && exclude_newer != self.exclude_newer.as_deref() {
            return Some("wain.lock was made with another --exclude-newer");
        }
        ((python.major, python.minor) < (self.python.major, self.python.minor))
            .then_some("wain.lock was made for a newer Python")
    }

    fn find(&self, list: &Requirements) -> Option<&PinnedSet> {
        self.set.iter().find(|set| set.requirements.iter().eq(list))
    }

    fn add(&mut self, requirements: Requirements, packages: Vec<Table>) {
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
    fn keep_only(&mut self, lists: &BTreeSet<Requirements>) {
        self.set.retain(|set| lists.iter().any(|list| set.requirements.iter().eq(list)));
        let used: BTreeSet<Identity> = self
            .set
            .iter()
            .flat_map(|set| &set.packages)
            .map(|one| (one.name.clone(), one.version.clone()))
            .collect();
        self.package.retain(|package| used.contains(&identity(package)));
    }

    fn by_identity(&self) -> impl Iterator<Item = (Identity, &Table)> {
        self.package.iter().map(|package| (identity(package), package))
    }

    /// What a list comes to, as the text of a `pylock.toml` for any folder.
    fn pylock(
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
    fn all_versions(&self, root: &Path, path: &Path) -> Result<PathBuf, Error> {
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

    #[test]
    fn wheels_of_other_systems_are_left_out() {
        for (name, runs) in [
            ("a-1-py3-none-any.whl", true),
            ("a-1-cp313-cp313-manylinux_2_17_aarch64.manylinux2014_aarch64.whl", true),
            ("a-1-cp313-cp313-musllinux_1_2_x86_64.whl", true),
            ("a-1-cp313-cp313-win_amd64.whl", false),
            ("a-1-cp313-cp313-macosx_11_0_arm64.whl", false),
            ("what-is-this", true),
        ] {
            let address = format!("https://files.example/x/{name}");
            let wheel = Value::Table(Table::from_iter([("url".to_owned(), address.into())]));
            assert_eq!(runs_in_containers(&wheel), runs, "{name}");
        }
    }
}
