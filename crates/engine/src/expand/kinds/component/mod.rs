//! The components of a woodwork workflow: one image each, with the files that it names and the component runtime.

mod container;
pub(crate) mod document;
mod files;
mod imports;
mod omitted;

use std::collections::BTreeSet;
use std::sync::Arc;

use wainwright_emit::Profile;
use wainwright_layer::{component_runtime, source_entries};
use wainwright_lock::Selection;
use wainwright_oci::{Reference, annotation};
use wainwright_project::{Project, SourceTree};
use wainwright_python::{PackageName, Slim};
use wainwright_wheel::Layout;
use wainwright_woodwork::{Component, Place};

pub use self::container::COMPONENT_PORT;
pub(crate) use self::container::config;
pub(crate) use self::container::{COMMAND, WRITABLE, mode as component_mode, owner as component_owner};
use self::files::Sources;
pub use self::omitted::{omitted_components, omitted_dependencies};
use crate::expand::describe::annotations;
use crate::expand::files::list_files;
use crate::expand::lockfiles::{has_dependencies, has_own_lock};
use crate::model::image_set::{ImageSpec, Kind, PackageSelection, Requirements};
use crate::model::resolution::FilesLayer;
use crate::{Config, Error, Output, Request, Session, WorkflowRequest};

/// What the profile `development` adds to every component.
const TOOLS: [&str; 2] = ["debugpy", "ipdb"];

/// The images of a workflow.
pub(crate) async fn components(
    workflow: &WorkflowRequest,
    request: &Request,
    project: &Arc<Project>,
    (name, version): (&str, &str),
    session: &Session,
) -> Result<Vec<ImageSpec>, Error> {
    let trees = trees(workflow, request, project, session).await?;
    let packages = component_packages(workflow, request, project);
    let slim = slim(workflow, request, project);
    let spec = |((component, tree), packages): ((&Component, Arc<SourceTree>), PackageSelection)| {
        let mut annotations = annotations(project);
        annotations.insert(annotation::TITLE.into(), format!("{name}-{}", component.service));
        Ok(ImageSpec {
            name: Some(component.name.clone()),
            service: component.service.clone(),
            tags: tags(workflow, request, (name, version), component)?,
            outputs: request
                .outputs
                .iter()
                .map(|output| component_output(output, &component.service))
                .collect(),
            annotations,
            slim: slim.clone(),
            packages,
            kind: Kind::Component {
                component: Box::new(component.clone()),
                profile: workflow.profile,
                tree,
                document: document::document(component, name, &workflow.workflow).into(),
            },
        })
    };
    workflow.workflow.images().zip(trees).zip(packages).map(spec).collect()
}

/// The packages of each image of a workflow.
pub(crate) fn component_packages(
    workflow: &WorkflowRequest,
    request: &Request,
    project: &Project,
) -> Vec<PackageSelection> {
    let has_lock = has_own_lock(project);
    let of = |component: &Component| PackageSelection {
        selection: selection(request, project, component),
        requirements: match has_lock {
            true => Requirements::new(),
            false => requirements(workflow, project, component),
        },
        tools: match workflow.profile {
            Profile::Development => TOOLS.map(str::to_owned).into(),
            Profile::Production | Profile::Size => Requirements::new(),
        },
    };
    workflow.workflow.images().map(of).collect()
}

/// The tools of development, which stay pinned when a build does not install them.
pub(crate) fn development_tools() -> Requirements {
    TOOLS.map(str::to_owned).into()
}

/// The output of one component: a place of its own in a folder for all.
pub fn component_output(output: &Output, service: &str) -> Output {
    match output {
        Output::Layout(folder) => Output::Layout(folder.join(service)),
        Output::Archive(folder) => Output::Archive(folder.join(format!("{service}.tar"))),
        other => other.clone(),
    }
}

/// The files of the project that each component needs, in the same order.
async fn trees(
    asked: &WorkflowRequest,
    request: &Request,
    project: &Arc<Project>,
    session: &Session,
) -> Result<Vec<Arc<SourceTree>>, Error> {
    let tree = list_files(project, &[], request, session).await?;
    if asked.workflow.images().next().is_none() {
        return Err(Error::NoComponents { file: asked.file.clone() });
    }
    reject_taken_names(asked)?;
    let (file, workflow) = (asked.file.clone(), asked.workflow.clone());
    let find = move || {
        let sources = Sources::new(&tree, &file);
        let of_each =
            workflow.images().map(|component| sources.of(&document::with_folded(component, &workflow)));
        of_each.map(|tree| tree.map(Arc::new)).collect()
    };
    session.compute(find).await
}

/// Rejects components with the name of a service that the workflow needs besides: `neo4j`.
fn reject_taken_names(asked: &WorkflowRequest) -> Result<(), Error> {
    for owner in &asked.workflow.components {
        let Place::Service(service) = owner.kind.place else { continue };
        if let Some(component) = asked.workflow.images().find(|one| one.service == service.name) {
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

fn slim(asked: &WorkflowRequest, request: &Request, project: &Project) -> BTreeSet<Slim> {
    let profile = match asked.profile {
        Profile::Size => &Slim::ALL[..],
        Profile::Production | Profile::Development => &[],
    };
    request.slim.iter().chain(&project.settings.slim).chain(profile).copied().collect()
}

/// The references of a component's image: those of the command line with its service behind, else one after the project.
fn tags(
    asked: &WorkflowRequest,
    request: &Request,
    (project, version): (&str, &str),
    component: &Component,
) -> Result<Vec<Reference>, Error> {
    let image = format!("{project}-{}", component.service);
    let local = match &asked.registry {
        Some(registry) => format!("{}/{image}:{version}", registry.trim_end_matches('/')),
        None => format!("{image}:{version}"),
    };
    if request.tags.is_empty() {
        return Ok(vec![local.parse()?]);
    }
    let tag = |tag: &Reference| {
        let version = tag.tag().unwrap_or(version);
        Ok(format!("{}/{}-{}:{version}", tag.registry(), tag.repository(), component.service).parse()?)
    };
    request.tags.iter().map(tag).collect()
}

/// What a component and what is folded into its image require, and what the project as a whole does.
fn requirements(asked: &WorkflowRequest, project: &Project, component: &Component) -> Requirements {
    let all = document::with_folded(component, &asked.workflow);
    let own = all.into_iter().flat_map(|one| one.requirements.iter().cloned());
    let python = project.python_project.as_ref().filter(|python| has_dependencies(python));
    let whole = python.into_iter().flat_map(|python| python.dependencies.iter().map(ToString::to_string));
    own.chain(whole).collect()
}

/// What a component takes of a lockfile: what the build selects, and the dependency group that is named like it.
fn selection(request: &Request, project: &Project, component: &Component) -> Selection {
    let mut selection = super::python::selection(request, project);
    if let Some(python) = &project.python_project {
        for name in [component.service.as_str(), component.name.as_str()] {
            let group =
                name.parse::<PackageName>().ok().filter(|name| python.dependency_groups.contains_key(name));
            selection.groups.extend(group);
        }
    }
    selection
}

/// The layers of files of a component: the component runtime, and what is its own.
pub(super) fn files(
    component: &Component,
    tree: &SourceTree,
    document: &[u8],
    (project, config, layout): (&Project, &Config, &Layout),
) -> Result<(FilesLayer, FilesLayer), Error> {
    // The project itself is not installed: a component has what it names.
    let bare = Project { python_project: None, ..Project::clone(project) };
    let mut entries = source_entries(&bare, tree, layout)?;
    entries.extend(container::own_entries(document, container::owner(&config.user))?);
    Ok((
        FilesLayer::new("component runtime".into(), component_runtime()?),
        FilesLayer::new(format!("component {}", component.name), entries),
    ))
}
