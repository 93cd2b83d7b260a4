use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use futures_util::future::try_join_all;
use toml::{Table, Value};
use wainwright_lock::Lock;
use wainwright_python::{PythonVersion, WheelFilename};
use wainwright_resolve::{FILE_NAME, Inputs, Resolution, Upgrade, relative};

use super::component_pins::{ComponentPins, Identity, each_file, each_path, no_scratch};
use super::unlocked::{Uv, refuse};
use super::wain_lock::{self, WainLock};
use crate::model::image_set::Requirements;
use crate::{Error, Event, Request, Session};

/// Locks of lists of requirements.
#[derive(Default)]
pub(super) struct RequirementLocks {
    locks: BTreeMap<Requirements, Lock>,
}

impl RequirementLocks {
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
pub(super) async fn lock_requirements(
    file: &str,
    mut lists: BTreeSet<Requirements>,
    kept: &Requirements,
    python: PythonVersion,
    upgrade: &Upgrade,
    request: &Request,
    session: &Session,
) -> Result<RequirementLocks, Error> {
    lists.retain(|list| !list.is_empty());
    let mut lock = WainLock::read(&request.root)?;
    if lock.components.get(file).is_some_and(|pins| pins.has(kept)) {
        lists.insert(kept.clone());
    }
    let exclude_newer = session.index_settings()?.exclude_newer;
    let before = lock.components.clone();
    let known = before.get(file);
    let reason = match (known, upgrade) {
        _ if lists.is_empty() => None,
        (None, _) => Some("the requirements of the components are not locked"),
        (Some(pins), Upgrade::Nothing) => pins.reason(&lists, python, exclude_newer.as_deref()),
        (Some(_), _) => Some("the requirements of the components are upgraded"),
    };
    if let Some(reason) = reason {
        refuse(reason, request, session)?;
        let mut pins = ComponentPins::new(python, exclude_newer);
        for (requirements, packages) in
            resolve(&lists, python, known, upgrade, reason, request, session).await?
        {
            pins.add(requirements, packages);
        }
        lock.components.insert(file.to_owned(), pins);
    } else if let Some(pins) = lock.components.get_mut(file) {
        pins.keep_only(&lists);
    }
    // A folder may have several workflows; one that is gone asks for nothing.
    lock.components.retain(|name, pins| !pins.is_empty() && request.root.join(name).is_file());
    if lock.components != before && !request.is_locked {
        wain_lock::write(&lock, "the requirements of the components are", request, session)?;
    }
    let root = absolute(&request.root);
    let scratch = session.store.scratch()?;
    let path = scratch.path().join(FILE_NAME);
    let pins = lock.components.get(file);
    let known: BTreeMap<Identity, &Table> = pins.into_iter().flat_map(ComponentPins::by_identity).collect();
    let read = |list: Requirements| {
        let text = pins.and_then(|pins| pins.pylock(&list, &known, &root));
        let text = text.ok_or_else(|| Error::Bug { what: "requirements that were not locked".into() })??;
        std::fs::write(&path, text).map_err(|source| no_scratch(&path, source))?;
        Ok::<_, Error>((list, wainwright_lock::read(&path)?))
    };
    Ok(RequirementLocks { locks: lists.into_iter().map(read).collect::<Result<_, _>>()? })
}

/// Has uv resolve every list: first all of them together, so that components get the same versions where that can be.
async fn resolve(
    lists: &BTreeSet<Requirements>,
    python: PythonVersion,
    before: Option<&ComponentPins>,
    upgrade: &Upgrade,
    reason: &str,
    request: &Request,
    session: &Session,
) -> Result<Vec<(Requirements, Vec<Table>)>, Error> {
    let uv = Uv::get(reason, session).await?;
    let root = absolute(&request.root);
    let vars = &session.machine.vars;
    let ask = async |number: usize, list: &Requirements, before: Option<&Path>, upgrade: &Upgrade| {
        let place = uv.place.join(number.to_string());
        let folder = place.join("answer");
        std::fs::create_dir_all(&folder).map_err(|source| no_scratch(&place, source))?;
        let text: String = list.iter().map(|line| format!("{line}\n")).collect();
        let file = place.join("requirements.txt");
        std::fs::write(&file, text).map_err(|source| no_scratch(&file, source))?;
        let inputs = Inputs::of_requirements(&place, vars)?;
        let inputs = inputs.ok_or_else(|| Error::Bug { what: "requirements that require nothing".into() })?;
        uv.resolve((&place, &inputs, python), before, upgrade, &folder, session).await
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
            session.report(Event::Noted { message: message.into() });
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

#[cfg(test)]
mod tests {
    use super::*;

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
