use std::collections::BTreeSet;
use std::sync::Arc;

use wainwright_emit::Profile;
use wainwright_layer::{app, component_runtime, source_entries};
use wainwright_oci::{Reference, annotation};
use wainwright_project::{Project, SourceTree, refuse_leaks};
use wainwright_python::{PackageName, Slim};
use wainwright_resolve::Upgrade;
use wainwright_wheel::Layout;
use wainwright_woodwork::{Component, Place};

use super::container::{component_config, own_entries, owner};
use super::document::{document, household};
use super::files::Sources;
use super::packages::{Chosen, choose_each, packages};
use super::share::share;
use super::{ComponentResolution, WorkflowRequest, WorkflowResolution};
use crate::base::{Found, resolve_base};
use crate::choose::ChosenWheel;
use crate::project_files::list_files;
use crate::resolve::{Files, PlatformResolution, check_python, max_layers};
use crate::sources::{Backends, settle};
use crate::{Error, Event, Resolution, Tools};

/// The layers of a component that have no wheels: the environment of its Python, the component runtime, its own files.
const OTHER_LAYERS: usize = 3;
/// The version of a project that says none.
const NO_VERSION: &str = "dev";

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
        let lists = components.iter().map(|component| packages.of(component, asked, &project, &found.target));
        let chosen = choose_each(lists, &found.target, &backends, tools).await?;
        tell_resolved(&components, &chosen, found, tools);
        let room = max_layers(request, &project).saturating_sub(OTHER_LAYERS).max(1);
        let wheels: Vec<&[ChosenWheel]> = chosen.iter().map(|(wheels, _)| wheels.as_slice()).collect();
        let shares = Arc::new(share(&wheels, room));
        let of_each = chosen.into_iter().zip(&mut all);
        for ((component, tree), ((wheels, unbuilt), platforms)) in components.iter().zip(&trees).zip(of_each)
        {
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
                (Some(runtime.clone()), own),
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

/// Tells what goes into the images for a platform: once of all components with as many packages.
fn tell_resolved(components: &[&Component], chosen: &[Chosen], found: &Found, tools: &Tools) {
    let mut counts: Vec<(usize, Vec<String>)> = Vec::new();
    for (component, (wheels, unbuilt)) in components.iter().zip(chosen) {
        let count = wheels.len() + unbuilt.len();
        match counts.iter_mut().find(|(known, _)| *known == count) {
            Some((_, names)) => names.push(component.name.clone()),
            None => counts.push((count, vec![component.name.clone()])),
        }
    }
    for (wheels, components) in counts {
        tools.tell(Event::Resolved {
            components,
            platform: found.platform.clone(),
            base: found.name.clone(),
            python: found.target.python.to_string(),
            wheels,
        });
    }
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
