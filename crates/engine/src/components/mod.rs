//! From a workflow to one image for each component: the same steps as for a project, taken for all of them at once.

mod container;
mod document;
mod files;
mod imports;
mod locks;
mod packages;
mod pins;
mod release;
mod resolve;
mod share;

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use wainwright_emit::Profile;
use wainwright_oci::Reference;
use wainwright_woodwork::{Component, Place, Workflow};

pub use container::COMPONENT_PORT;
pub(crate) use pins::ComponentPins;
pub use release::{foretell, release};
pub use resolve::{lock_workflow, resolve_workflow};
pub(crate) use share::Shares;

use crate::deliver::{Company, load_all, put_one, release as release_of, tell_depth};
use crate::transfer::send_shared;
use crate::{
    Delivery, Error, Images, Outcome, Output, Plan, Request, Resolution, Tools, consult, execute, plan,
    publish,
};

/// How many images are pushed at once, when their layers are in the registry.
const MOST_PUSHES: usize = 4;

/// A workflow that is to become images.
#[derive(Clone)]
pub struct WorkflowRequest {
    /// What is asked of any build; its outputs are folders or registries for all components.
    pub request: Request,
    /// The file, as messages name it.
    pub file: String,
    /// What it says.
    pub workflow: Arc<Workflow>,
    /// What the images are for.
    pub profile: Profile,
    /// Where images are pushed: `HOST/PATH`, before the name of each.
    pub registry: Option<String>,
}

/// What goes into the image of one component.
pub struct ComponentResolution {
    /// Its name in the workflow.
    pub name: String,
    /// Its service.
    pub service: String,
    /// The rest, as for a project.
    pub resolution: Resolution,
}

/// What goes into all images of a workflow.
pub struct WorkflowResolution {
    /// The project's name.
    pub project: String,
    /// Its version; `dev` where it has none.
    pub version: String,
    /// One for each component that becomes an image, in the order of the file.
    pub components: Vec<ComponentResolution>,
}

/// The plan for one component.
pub struct ComponentPlan {
    /// Its name in the workflow.
    pub name: String,
    /// Its service.
    pub service: String,
    /// The rest, as for a project.
    pub plan: Plan,
}

/// One component's image, made and not delivered.
pub struct ComponentImages {
    /// Its name in the workflow.
    pub name: String,
    /// Its service.
    pub service: String,
    /// The images, one for each platform.
    pub images: Images,
    /// The user it runs as.
    pub user: String,
    /// The names it gets.
    pub tags: Vec<Reference>,
}

/// Decides what every image holds; as [`plan`](crate::plan()).
///
/// # Errors
/// As [`plan`](crate::plan()).
pub fn plan_workflow(resolution: &WorkflowResolution, tools: &Tools) -> Result<Vec<ComponentPlan>, Error> {
    let decide = |component: &ComponentResolution| {
        let (name, service) = (component.name.clone(), component.service.clone());
        let mut plan = plan(&component.resolution, &tools.store)?;
        plan.images.iter_mut().for_each(|image| image.component = Some(name.clone()));
        Ok(ComponentPlan { name, service, plan })
    };
    resolution.components.iter().map(decide).collect()
}

/// Asks the caches of a workflow for the layers that the store does not have; as [`consult`](crate::consult()).
///
/// # Errors
/// As [`consult`](crate::consult()).
pub async fn consult_workflow(
    mut plans: Vec<ComponentPlan>,
    tools: &Arc<Tools>,
) -> Result<Vec<ComponentPlan>, Error> {
    let Some(all) = whole(&plans) else { return Ok(plans) };
    let mut images = consult(all, tools).await?.images.into_iter();
    for component in &mut plans {
        let count = component.plan.images.len();
        component.plan.images = images.by_ref().take(count).collect();
    }
    Ok(plans)
}

/// Tells the cache of a workflow which layers were used; as [`publish`](crate::publish()).
///
/// # Errors
/// As [`publish`](crate::publish()).
pub async fn publish_workflow(
    plans: &[ComponentPlan],
    components: &[ComponentImages],
    tools: &Arc<Tools>,
) -> Result<(), Error> {
    let (Some(all), Some(first)) = (whole(plans), components.first()) else { return Ok(()) };
    let parts = || components.iter().map(|component| &component.images);
    let images = Images {
        images: parts().flat_map(|part| part.images.iter().cloned()).collect(),
        index: None,
        layers: parts().flat_map(|part| part.layers.iter().cloned()).collect(),
        shared: parts().flat_map(|part| part.shared.iter().cloned()).collect(),
        sent: 0,
        made: first.images.made.clone(),
        bases: parts().flat_map(|part| part.bases.iter().cloned()).collect(),
    };
    publish(&all, &images, tools).await
}

/// The plans of all components as one.
fn whole(plans: &[ComponentPlan]) -> Option<Plan> {
    let first = plans.first()?;
    Some(Plan {
        images: plans.iter().flat_map(|one| one.plan.images.iter().cloned()).collect(),
        tags: plans.iter().flat_map(|one| one.plan.tags.iter().cloned()).collect(),
        ..first.plan.clone()
    })
}

/// Makes the images of all components side by side; what several have is made once.
///
/// # Errors
/// As [`execute`](crate::execute()).
pub async fn execute_workflow(
    plans: &[ComponentPlan],
    tools: &Arc<Tools>,
) -> Result<Vec<ComponentImages>, Error> {
    let Some(all) = whole(plans) else { return Ok(Vec::new()) };
    if all.outputs.contains(&Output::Registry) {
        all.tags.iter().try_for_each(|tag| tools.demand_registry(tag.registry()))?;
    }
    // Each has a repository of its own: they leave when all are made.
    let mut made = execute(&Plan { outputs: Vec::new(), ..all }, tools).await?;
    let mut components = Vec::new();
    for component in plans {
        let rest = made.split_off(component.plan.images.len(), &component.plan);
        components.push(ComponentImages {
            name: component.name.clone(),
            service: component.service.clone(),
            images: std::mem::replace(&mut made, rest),
            user: component.plan.images.first().map(|image| image.config.user.clone()).unwrap_or_default(),
            tags: component.plan.tags.clone(),
        });
    }
    Ok(components)
}

/// Puts the images of all components where they are wanted, output after output.
///
/// What several have is written or sent once where that can be: layouts have it as links, repositories from each other.
///
/// # Errors
/// As [`deliver`](crate::deliver()).
pub async fn deliver_workflow(
    components: &[ComponentImages],
    outputs: &[Output],
    tools: &Arc<Tools>,
) -> Result<Vec<Delivery>, Error> {
    let mut releases = Vec::new();
    for component in components {
        releases.push(release_of(&component.images, outputs, &component.tags, tools).await?);
    }
    let mut deliveries: Vec<Delivery> =
        releases.iter().map(|release| Delivery { digest: release.digest(), outcomes: Vec::new() }).collect();
    releases.iter().for_each(|release| tell_depth(release, tools));
    for output in outputs {
        let (mut company, mut sent) = (Company::default(), vec![0; releases.len()]);
        let at_once = match output {
            Output::Layout(_) => {
                company.layouts = Some(Arc::default());
                1
            }
            Output::Registry => {
                (company.elsewhere, sent) = send_shared(&releases, tools).await?;
                MOST_PUSHES
            }
            Output::Archive(_) => tools.machine.jobs.max(1),
            Output::Docker | Output::Stdout => 1,
        };
        if *output == Output::Docker {
            let outcomes = load_all(&releases, tools).await?;
            deliveries
                .iter_mut()
                .zip(outcomes)
                .for_each(|(delivery, outcome)| delivery.outcomes.push(outcome));
            continue;
        }
        let company = &company;
        let puts = components.iter().zip(&releases).zip(&sent).map(async |((component, release), sent)| {
            put_one(release, &component_output(output, &component.service), *sent, company, tools).await
        });
        let outcomes: Vec<Outcome> = stream::iter(puts).buffered(at_once).try_collect().await?;
        if let Some(layouts) = &company.layouts {
            layouts.remember(&tools.store);
        }
        deliveries.iter_mut().zip(outcomes).for_each(|(delivery, outcome)| delivery.outcomes.push(outcome));
    }
    tools.remember_last_workflow();
    Ok(deliveries)
}

/// The output of one component: a place of its own in a folder for all.
pub fn component_output(output: &Output, service: &str) -> Output {
    match output {
        Output::Layout(folder) => Output::Layout(folder.join(service)),
        Output::Archive(folder) => Output::Archive(folder.join(format!("{service}.tar"))),
        other => other.clone(),
    }
}

/// Components that get no image and are no service either, with the reason.
pub fn left_out(workflow: &Workflow) -> Vec<(&Component, String)> {
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
pub fn missed(workflow: &Workflow) -> Vec<String> {
    let of = |component: &Component| {
        let absent = document::absent(component, workflow);
        let names: Vec<String> = absent.into_iter().map(|other| format!("`{}`", other.name)).collect();
        (!names.is_empty()).then(|| format!("`{}` does without {}", component.name, names.join(", ")))
    };
    workflow.images().filter_map(of).collect()
}

/// The workflow file of a folder, if it has one.
pub fn workflow_in(root: &std::path::Path) -> Option<PathBuf> {
    Some(root.join("main.ww")).filter(|file| file.is_file())
}
