use wainwright_woodwork::{Component, Place, Workflow};

use super::document::absent;

/// Components that get no image and are no service either, with the reason.
pub fn omitted_components(workflow: &Workflow) -> Vec<(&Component, String)> {
    let why = |component: &Component| match component.kind.place {
        Place::LeftOut { note } => Some(note.to_owned()),
        Place::DockerSocket => {
            Some("it steers a Docker daemon, and a container that may do so owns the machine".to_owned())
        }
        _ => None,
    };
    workflow.components.iter().filter_map(|component| Some((component, why(component)?))).collect()
}

/// What components do without because it gets no image, as sentences.
pub fn omitted_dependencies(workflow: &Workflow) -> Vec<String> {
    let of = |component: &Component| {
        let absent = absent(component, workflow);
        let names: Vec<String> = absent.into_iter().map(|other| format!("`{}`", other.name)).collect();
        (!names.is_empty()).then(|| format!("`{}` does without {}", component.name, names.join(", ")))
    };
    workflow.images().filter_map(of).collect()
}
