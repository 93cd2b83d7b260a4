//! A Python project: one image, with the project installed as a package where it is one.

use std::sync::Arc;

use wainwright_layer::source_entries;
use wainwright_lock::Selection;
use wainwright_oci::Reference;
use wainwright_project::{Project, SourceTree, start};
use wainwright_python::PackageName;
use wainwright_wheel::Layout;

use crate::expand::describe::annotations;
use crate::expand::files::list_files;
use crate::expand::lockfiles::demand_project;
use crate::expand::names::NO_NAME;
use crate::model::image_set::{ImageSpec, Kind, PackageSelection};
use crate::model::resolution::FilesLayer;
use crate::{Error, Output, Request, Session};

/// The image of a project.
pub(crate) async fn python(
    request: &Request,
    project: &Arc<Project>,
    name: &str,
    session: &Session,
) -> Result<ImageSpec, Error> {
    demand_project(project)?;
    let tags = tags(request, project)?;
    let tree = list_files(project, &[], request, session).await?;
    let start = start(project, &tree)?;
    Ok(ImageSpec {
        name: None,
        service: name.to_owned(),
        tags,
        outputs: request.outputs.clone(),
        annotations: annotations(project),
        slim: request.slim.union(&project.settings.slim).copied().collect(),
        packages: python_packages(request, project),
        kind: Kind::Python { tree, start },
    })
}

/// What the image of a project takes of its lockfile.
pub(crate) fn python_packages(request: &Request, project: &Project) -> PackageSelection {
    PackageSelection { selection: selection(request, project), ..PackageSelection::default() }
}

/// The extras and groups that the command line and the settings select.
pub(super) fn selection(request: &Request, project: &Project) -> Selection {
    let mut selection = request.selection.clone();
    selection.project = project.python_project.as_ref().map(|python| python.name.clone());
    selection.extras.extend(project.settings.extras.iter().cloned());
    selection.groups.extend(project.settings.groups.iter().cloned());
    selection
}

pub(super) fn files(tree: &SourceTree, project: &Project, layout: &Layout) -> Result<FilesLayer, Error> {
    let name = project.name.as_ref().map_or_else(|| NO_NAME.to_owned(), ToString::to_string);
    Ok(FilesLayer::new(format!("project {name}"), source_entries(project, tree, layout)?))
}

/// The references of the command line, else one after the project, else one after its folder.
fn tags(request: &Request, project: &Project) -> Result<Vec<Reference>, Error> {
    if !request.tags.is_empty() {
        return Ok(request.tags.clone());
    }
    if request.outputs.contains(&Output::Registry) {
        return Err(Error::NoTag);
    }
    let folder =
        || -> Option<PackageName> { project.root.canonicalize().ok()?.file_name()?.to_str()?.parse().ok() };
    let name = project.name.clone().or_else(folder);
    name.map_or(Ok(Vec::new()), |name| Ok(vec![format!("{name}:latest").parse()?]))
}
