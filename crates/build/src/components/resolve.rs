use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wainwright_emit::Profile;
use wainwright_layer::{app, component_runtime, source_entries};
use wainwright_lock::{Lock, LockedPackage, Selection};
use wainwright_oci::{Reference, annotation};
use wainwright_project::{Project, SourceTree, refuse_leaks};
use wainwright_python::{PackageName, Slim, Target};
use wainwright_resolve::Upgrade;
use wainwright_wheel::Layout;
use wainwright_woodwork::{Component, Place};

use super::container::{component_config, own_entries, owner};
use super::document::{document, household};
use super::files::Sources;
use super::pins::{ComponentLocks, Requirements, locks};
use super::share::share;
use super::{ComponentResolution, WorkflowRequest, WorkflowResolution};
use crate::base::{Found, oldest_python, resolve_base};
use crate::choose::{ChosenWheel, choose};
use crate::project_files::list_files;
use crate::resolve::{Files, PlatformResolution, check_python, find_locks, max_layers, read_lock};
use crate::sources::{Backends, Unbuilt, settle};
use crate::unlocked::has_dependencies;
use crate::{Error, Event, Resolution, Tools};

/// What the profile `development` adds to every component.
const TOOLS: [&str; 2] = ["debugpy", "ipdb"];
/// The version of a project that says none.
const NO_VERSION: &str = "dev";

/// The wheels of a component, and what only a build would make.
type Chosen = (Vec<ChosenWheel>, Vec<Unbuilt>);

/// Where packages come from: a lockfile that the project has, or what is pinned for each component.
enum Packages {
    Own(Box<Lock>, ComponentLocks),
    Pinned(ComponentLocks),
}

impl Packages {
    /// What is pinned in `wain.lock`.
    fn pinned(&self) -> &ComponentLocks {
        match self {
            Self::Own(_, locks) | Self::Pinned(locks) => locks,
        }
    }

    /// The packages of a component on a base.
    fn of(
        &self,
        component: &Component,
        asked: &WorkflowRequest,
        project: &Project,
        found: &Found,
    ) -> Result<Vec<LockedPackage>, Error> {
        let mut packages = match self {
            Self::Own(lock, _) => lock.packages(&own_selection(asked, project, component), &found.target)?,
            Self::Pinned(locks) => locked(locks, &requirements(asked, project, component), found)?,
        };
        if asked.profile == Profile::Development {
            // What a component has itself counts.
            let names: BTreeSet<PackageName> = packages.iter().map(|one| one.name.clone()).collect();
            let tools = locked(self.pinned(), &development_tools(), found)?;
            packages.extend(tools.into_iter().filter(|one| !names.contains(&one.name)));
        }
        Ok(packages)
    }
}

/// Finds out what goes into the images of all components; as [`resolve`](crate::resolve()) does for a project.
///
/// # Errors
/// As [`resolve`](crate::resolve()); and when a file of a component is not there, or a script has no such function.
pub async fn resolve_workflow(
    asked: &WorkflowRequest,
    tools: &Arc<Tools>,
) -> Result<WorkflowResolution, Error> {
    let WorkflowRequest { request, workflow, .. } = asked;
    let project = load(asked)?;
    let (name, version) = (project_name(&project), project_version(&project));
    let components: Vec<&Component> = workflow.images().collect();
    // All that the folder alone can tell comes first.
    let trees = files_of_each(&components, asked, &project, tools).await?;
    let bases = resolve_base(request, &project, None, tools).await?;
    for found in &bases {
        check_python(&project, None, found.target.python)?;
    }
    let packages = packages(asked, &project, &bases, &Upgrade::Nothing, tools).await?;
    let backends = Backends::new(request, &project, tools)?;
    let (runtime, slim) =
        (Files::new("component runtime".into(), component_runtime()?), slim(asked, &project));
    // The project itself is not installed: a component has what it names.
    let bare = Arc::new(Project { python_project: None, ..Project::clone(&project) });
    let mut all: Vec<Vec<PlatformResolution>> = components.iter().map(|_| Vec::new()).collect();
    for found in &bases {
        let layout = Layout { slim: slim.clone(), ..Layout::venv(app().join(".venv")?, found.target.python) };
        let lists = components.iter().map(|component| packages.of(component, asked, &project, found));
        let chosen = choose_each(lists, &found.target, &backends, tools).await?;
        let room = max_layers(request, &project);
        let wheels: Vec<&[ChosenWheel]> = chosen.iter().map(|(wheels, _)| wheels.as_slice()).collect();
        let shares = Arc::new(share(&wheels, room.saturating_sub(3).max(1)));
        let of_each = chosen.into_iter().zip(&mut all);
        for ((component, tree), ((wheels, unbuilt), platforms)) in components.iter().zip(&trees).zip(of_each)
        {
            tools.tell(Event::Resolved {
                platform: found.platform.clone(),
                base: found.name.clone(),
                python: found.target.python.to_string(),
                wheels: wheels.len() + unbuilt.len(),
            });
            let config = component_config(asked, &project, component, found);
            let own = own_entries(&document(component, &name, workflow), owner(&config.user))?;
            let own = {
                let (bare, tree, layout) = (bare.clone(), tree.clone(), layout.clone());
                let layer = format!("component {}", component.name);
                let read = move || {
                    let mut entries = source_entries(&bare, &tree, &layout)?;
                    entries.extend(own);
                    Ok(Files::new(layer, entries))
                };
                tools.cpu().await?.run(read).await?
            };
            platforms.push(PlatformResolution::new(
                found.clone(),
                layout.clone(),
                (wheels, unbuilt),
                vec![runtime.clone(), own],
                shares.clone(),
                config,
            ));
        }
    }
    settle(all.iter().flatten().flat_map(|platform| &platform.wheels), request, tools)?;
    let resolution = |(component, platforms): (&&Component, Vec<PlatformResolution>)| {
        let tags = tags(asked, &name, &version, component)?;
        let mut resolution = Resolution::new(request, &project, tags, platforms)?;
        resolution.annotations.insert(annotation::TITLE.into(), format!("{name}-{}", component.service));
        Ok(ComponentResolution {
            name: component.name.clone(),
            service: component.service.clone(),
            resolution,
        })
    };
    let components = components.iter().zip(all).map(resolution).collect::<Result<_, Error>>()?;
    Ok(WorkflowResolution { project: name, version, components })
}

/// Pins the base of a workflow and what its components require in `wain.lock`; returns whether anything changed.
///
/// # Errors
/// As [`lock`](crate::lock()).
pub async fn lock_workflow(
    asked: &WorkflowRequest,
    upgrade: &Upgrade,
    tools: &Arc<Tools>,
) -> Result<bool, Error> {
    let mut asked = asked.clone();
    asked.request.pinning = crate::Pinning::Always;
    let root = &asked.request.root;
    let before = crate::wain_lock::WainLock::read(root)?;
    let project = load(&asked)?;
    let pins = (*upgrade == Upgrade::Everything).then(|| before.without_bases());
    let bases = resolve_base(&asked.request, &project, pins, tools).await?;
    packages(&asked, &project, &bases, upgrade, tools).await?;
    Ok(crate::wain_lock::WainLock::read(root)? != before)
}

fn load(asked: &WorkflowRequest) -> Result<Arc<Project>, Error> {
    Ok(Arc::new(wainwright_project::load(&asked.request.root)?))
}

/// The files of the project that each component needs, in the same order.
async fn files_of_each(
    components: &[&Component],
    asked: &WorkflowRequest,
    project: &Arc<Project>,
    tools: &Tools,
) -> Result<Vec<Arc<SourceTree>>, Error> {
    let tree = list_files(project, &[], &asked.request, tools).await?;
    if components.is_empty() {
        return Err(Error::NoComponents { file: asked.file.clone() });
    }
    refuse_taken(components, asked)?;
    let (file, workflow, project) = (asked.file.clone(), asked.workflow.clone(), project.clone());
    let passwords = tools.passwords();
    let find = move || {
        let sources = Sources::new(&tree, &file);
        let of_each = workflow.images().map(|component| sources.of(&household(component, &workflow)));
        let trees = of_each.map(|tree| tree.map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
        trees.iter().try_for_each(|tree| refuse_leaks(&project, tree, &passwords))?;
        Ok(trees)
    };
    tools.cpu().await?.run(find).await
}

/// The locks of the packages of all components.
async fn packages(
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
    Ok(match own {
        Some(lock) => Packages::Own(Box::new(lock), pinned),
        None => Packages::Pinned(pinned),
    })
}

/// The wheels of each list of packages; components often get the same, which is then chosen once.
async fn choose_each(
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

/// The packages of a list of requirements for a target.
fn locked(locks: &ComponentLocks, list: &Requirements, found: &Found) -> Result<Vec<LockedPackage>, Error> {
    let lock = locks.get(list);
    Ok(lock.map_or(Ok(Vec::new()), |lock| lock.packages(&Selection::default(), &found.target))?)
}

fn development_tools() -> Requirements {
    TOOLS.map(str::to_owned).into()
}

/// Refuses components that are called like a service of others, whose name the workflow gives: `neo4j`.
fn refuse_taken(components: &[&Component], asked: &WorkflowRequest) -> Result<(), Error> {
    for owner in &asked.workflow.components {
        let Place::Service(service) = owner.kind.place else { continue };
        if let Some(component) = components.iter().find(|one| one.service == service.name) {
            return Err(Error::ServiceTaken {
                file: asked.file.clone(),
                line: component.at.line,
                column: component.at.column,
                component: component.name.clone(),
                service: service.name.to_owned(),
                owner: owner.name.clone(),
            });
        }
    }
    Ok(())
}

/// Whether a lockfile of the project says which packages there are.
fn has_own_lock(project: &Project) -> bool {
    let is_lock = |(format, path): &(wainwright_lock::LockFormat, PathBuf)| {
        *format != wainwright_lock::LockFormat::Requirements
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

/// What of a lockfile is for a component: what the build asks for, and the dependency group that is named like it.
fn own_selection(asked: &WorkflowRequest, project: &Project, component: &Component) -> Selection {
    let mut selection = crate::resolve::selection(&asked.request, project);
    if let Some(python) = &project.python_project {
        for name in [component.service.as_str(), component.name.as_str()] {
            let group =
                name.parse::<PackageName>().ok().filter(|name| python.dependency_groups.contains_key(name));
            selection.groups.extend(group);
        }
    }
    selection
}

fn slim(asked: &WorkflowRequest, project: &Project) -> BTreeSet<Slim> {
    let profile = match asked.profile {
        Profile::Size => &Slim::ALL[..],
        Profile::Production | Profile::Development => &[],
    };
    asked.request.slim.iter().chain(&project.settings.slim).chain(profile).copied().collect()
}

/// The project's name, or that of its folder.
fn project_name(project: &Project) -> String {
    let folder = || {
        let root = project.root.canonicalize().ok()?;
        let name = root.file_name()?.to_str()?.to_lowercase();
        name.parse::<PackageName>().ok().map(|name| name.to_string())
    };
    project.name.as_ref().map(ToString::to_string).or_else(folder).unwrap_or_else(|| "app".into())
}

fn project_version(project: &Project) -> String {
    let version = project.python_project.as_ref().and_then(|python| python.version.as_ref());
    // A tag has no `+`.
    version.map_or_else(|| NO_VERSION.to_owned(), |version| version.to_string().replace('+', "-"))
}

/// The names of a component's image: those asked for with its service behind, else one after the project.
fn tags(
    asked: &WorkflowRequest,
    project: &str,
    version: &str,
    component: &Component,
) -> Result<Vec<Reference>, Error> {
    let image = format!("{project}-{}", component.service);
    let local = match &asked.registry {
        Some(registry) => format!("{}/{image}:{version}", registry.trim_end_matches('/')),
        None => format!("{image}:{version}"),
    };
    if asked.request.tags.is_empty() {
        return Ok(vec![local.parse()?]);
    }
    let tag = |tag: &Reference| {
        let version = tag.tag().unwrap_or(version);
        Ok(format!("{}/{}-{}:{version}", tag.registry(), tag.repository(), component.service).parse()?)
    };
    asked.request.tags.iter().map(tag).collect()
}
