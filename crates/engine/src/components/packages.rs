use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use wainwright_emit::Profile;
use wainwright_lock::{Lock, LockFormat, LockedPackage, Selection};
use wainwright_project::Project;
use wainwright_python::{PackageName, Target};
use wainwright_resolve::Upgrade;
use wainwright_woodwork::Component;

use super::WorkflowRequest;
use super::document::household;
use super::locks::{ComponentLocks, locks};
use super::pins::Requirements;
use crate::base::{Found, oldest_python};
use crate::choose::{ChosenWheel, choose};
use crate::resolve::{find_locks, read_lock, selection};
use crate::sources::{Backends, Unbuilt};
use crate::unlocked::has_dependencies;
use crate::{Error, Tools};

/// What the profile `development` adds to every component.
const TOOLS: [&str; 2] = ["debugpy", "ipdb"];

/// Where the packages of all components come from.
pub(super) struct Packages {
    /// A lockfile that the project has.
    own: Option<Lock>,
    /// What is pinned in `wain.lock`: without a lockfile all that components require, and tools for development.
    pinned: ComponentLocks,
}

/// Finds out where the packages of all components come from; what has to be pinned is.
pub(super) async fn packages(
    asked: &WorkflowRequest,
    project: &Project,
    bases: &[Found],
    upgrade: &Upgrade,
    tools: &Tools,
) -> Result<Packages, Error> {
    let own = match has_own_lock(project) {
        true => read_lock(project, false, tools)?,
        false => None,
    };
    let mut lists = BTreeSet::new();
    if own.is_none() {
        lists.extend(asked.workflow.images().map(|component| requirements(asked, project, component)));
    }
    let for_development = development_tools();
    if asked.profile == Profile::Development {
        lists.insert(for_development.clone());
    }
    let python = oldest_python(bases).ok_or_else(|| Error::Bug { what: "a build for no platform".into() })?;
    let file = Path::new(&asked.file).file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let pinned = locks(&file, lists, &for_development, python, upgrade, &asked.request, tools).await?;
    Ok(Packages { own, pinned })
}

impl Packages {
    /// The packages of a component.
    pub(super) fn of(
        &self,
        component: &Component,
        asked: &WorkflowRequest,
        project: &Project,
        target: &Target,
    ) -> Result<Vec<LockedPackage>, Error> {
        let mut packages = match &self.own {
            Some(lock) => lock.packages(&own_selection(asked, project, component), target)?,
            None => self.pinned(&requirements(asked, project, component), target)?,
        };
        if asked.profile == Profile::Development {
            // What a component has itself counts.
            let names: BTreeSet<PackageName> = packages.iter().map(|one| one.name.clone()).collect();
            let tools = self.pinned(&development_tools(), target)?;
            packages.extend(tools.into_iter().filter(|one| !names.contains(&one.name)));
        }
        Ok(packages)
    }

    /// The packages that a list of requirements comes to.
    fn pinned(&self, list: &Requirements, target: &Target) -> Result<Vec<LockedPackage>, Error> {
        let lock = self.pinned.get(list);
        Ok(lock.map_or(Ok(Vec::new()), |lock| lock.packages(&Selection::default(), target))?)
    }
}

/// The wheels of a component, and what only a build would make.
pub(super) type Chosen = (Vec<ChosenWheel>, Vec<Unbuilt>);

/// The wheels of each list of packages; components often get the same, which is then chosen once.
pub(super) async fn choose_each(
    lists: impl Iterator<Item = Result<Vec<LockedPackage>, Error>>,
    target: &Target,
    backends: &Backends<'_>,
    tools: &Tools,
) -> Result<Vec<Chosen>, Error> {
    let (mut all, mut known) = (Vec::new(), Vec::<(Vec<LockedPackage>, Chosen)>::new());
    for packages in lists {
        let packages = packages?;
        let chosen = match known.iter().find(|(others, _)| *others == packages) {
            Some((_, chosen)) => chosen.clone(),
            None => {
                let chosen = choose(&packages, target, backends, tools).await?;
                known.push((packages, chosen.clone()));
                chosen
            }
        };
        all.push(chosen);
    }
    Ok(all)
}

/// Whether a lockfile of the project says which packages there are.
fn has_own_lock(project: &Project) -> bool {
    let is_lock = |(format, path): &(LockFormat, PathBuf)| {
        *format != LockFormat::Requirements
            || std::fs::read_to_string(path).is_ok_and(|text| text.contains("--hash"))
    };
    find_locks(project).iter().any(is_lock)
}

/// What a component and what lives in its image require, with what the project as a whole does.
fn requirements(asked: &WorkflowRequest, project: &Project, component: &Component) -> Requirements {
    let own =
        household(component, &asked.workflow).into_iter().flat_map(|one| one.requirements.iter().cloned());
    let python = project.python_project.as_ref().filter(|python| has_dependencies(python));
    let whole = python.into_iter().flat_map(|python| python.dependencies.iter().map(ToString::to_string));
    own.chain(whole).collect()
}

fn development_tools() -> Requirements {
    TOOLS.map(str::to_owned).into()
}

/// What of a lockfile is for a component: what the build asks for, and the dependency group that is named like it.
fn own_selection(asked: &WorkflowRequest, project: &Project, component: &Component) -> Selection {
    let mut selection = selection(&asked.request, project);
    if let Some(python) = &project.python_project {
        for name in [component.service.as_str(), component.name.as_str()] {
            let group =
                name.parse::<PackageName>().ok().filter(|name| python.dependency_groups.contains_key(name));
            selection.groups.extend(group);
        }
    }
    selection
}
