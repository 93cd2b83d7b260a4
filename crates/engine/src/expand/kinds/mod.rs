//! The kinds of images: what a folder and its settings expand to, and which layers of files an image has.

pub(crate) mod component;
mod python;

use std::sync::Arc;

use wainwright_layer::app;
use wainwright_project::{Project, SourceTree};
use wainwright_wheel::Layout;

pub(crate) use self::component::{
    COMMAND, WRITABLE, component_mode, component_owner, component_packages, components, development_tools,
};
pub use self::component::{COMPONENT_PORT, component_output, omitted_components, omitted_dependencies};
pub(crate) use self::python::{python, python_packages};
use super::describe::config as settings_config;
use crate::model::base::ResolvedBase;
use crate::model::image_set::{ImageSpec, Kind};
use crate::model::resolution::FilesLayer;
use crate::{Config, Error};

impl ImageSpec {
    /// The files of the project that are in the image.
    pub(crate) fn tree(&self) -> &Arc<SourceTree> {
        match &self.kind {
            Kind::Python { tree, .. } | Kind::Component { tree, .. } => tree,
        }
    }

    /// The config of the image on a base.
    pub(crate) fn config(&self, project: &Project, base: &ResolvedBase) -> Config {
        match &self.kind {
            Kind::Python { start, .. } => settings_config(project, start, base),
            Kind::Component { component, profile, .. } => {
                component::config(component, *profile, project, base)
            }
        }
    }

    /// Where packages are installed.
    pub(crate) fn layout(&self, base: &ResolvedBase) -> Result<Layout, Error> {
        let layout = Layout::venv(app().join(".venv")?, base.target.python);
        Ok(Layout { slim: self.slim.clone(), ..layout })
    }

    /// The layers of files: what lies below the wheels besides the environment, and what lies above them.
    pub(crate) fn files(
        &self,
        project: &Project,
        config: &Config,
        layout: &Layout,
    ) -> Result<(Option<FilesLayer>, FilesLayer), Error> {
        match &self.kind {
            Kind::Python { tree, .. } => Ok((None, python::files(tree, project, layout)?)),
            Kind::Component { component, tree, document, .. } => {
                let (runtime, own) = component::files(component, tree, document, (project, config, layout))?;
                Ok((Some(runtime), own))
            }
        }
    }
}
