//! From what the user wrote to the images of a set: from files alone, and without the network.

mod describe;
mod files;
mod kinds;
mod lockfiles;
mod names;

use std::sync::Arc;

use wainwright_project::Project;

pub(crate) use self::files::list_files;
pub(crate) use self::kinds::component::document as links;
pub(crate) use self::kinds::development_tools;
pub(crate) use self::kinds::{COMMAND, WRITABLE, component_mode, component_owner};
pub use self::kinds::{COMPONENT_PORT, component_output, omitted_components, omitted_dependencies};
pub(crate) use self::lockfiles::{file_name, find_locks, has_dependencies, has_own_lock};
use crate::model::image_set::PackageSelection;
use crate::{Error, ImageSet, Request, Session};

/// Reads the settings and the metadata of a project.
///
/// # Errors
/// When one of its files cannot be read, or is wrong.
pub fn load(request: &Request) -> Result<Arc<Project>, Error> {
    Ok(Arc::new(wainwright_project::load(&request.root)?))
}

/// Decides which images a folder describes, and what each is made from.
///
/// # Errors
/// When files are missing, nothing says how a container starts, or an image has no name to be pushed under.
pub async fn expand(request: &Request, project: &Arc<Project>, session: &Session) -> Result<ImageSet, Error> {
    let request = Arc::new(request.clone());
    let (name, version) = (names::project_name(project), names::project_version(project));
    let images = match &request.workflow {
        Some(workflow) => kinds::components(workflow, &request, project, (&name, &version), session).await?,
        None => vec![kinds::python(&request, project, &name, session).await?],
    };
    Ok(ImageSet { request, project: project.clone(), name, version, images })
}

/// The packages that each image of a set selects, without a look at its files.
pub(crate) fn package_selections(request: &Request, project: &Project) -> Vec<PackageSelection> {
    match &request.workflow {
        Some(workflow) => kinds::component_packages(workflow, request, project),
        None => vec![kinds::python_packages(request, project)],
    }
}
