use std::sync::Arc;

use wainwright_engine::{Error, Event, ImageSet, Plan, Project, Request, Resolution, Session};

use crate::screen::{Screen, phase};

/// The images, their contents and their plan.
pub(crate) struct Decided {
    pub(crate) set: ImageSet,
    pub(crate) resolution: Resolution,
    pub(crate) plan: Plan,
    /// The session with the package indexes of the project.
    pub(crate) session: Arc<Session>,
}

/// Expands, resolves and plans, and reads the registry caches.
pub(crate) async fn decide(
    request: &Request,
    project: &Arc<Project>,
    session: &Arc<Session>,
    screen: &Screen,
) -> Result<Decided, Error> {
    warn_about_workflow(request, session);
    let (set, resolution) = phase(screen, "resolve", async {
        let set = wainwright_engine::expand(request, project, session).await?;
        let resolution = wainwright_engine::resolve(&set, session).await?;
        Ok((set, resolution))
    })
    .await?;
    let session = session.with_indexes(resolution.indexes.clone());
    let plan = phase(screen, "plan", async {
        let plan = wainwright_engine::plan(&resolution, &session.store)?;
        wainwright_engine::consult(plan, &session).await
    })
    .await?;
    session.report(plan.summary(&session.store));
    Ok(Decided { set, resolution, plan, session })
}

fn warn_about_workflow(request: &Request, session: &Session) {
    let Some(asked) = &request.workflow else { return };
    let warn = |message: String| session.report(Event::Warned { message });
    for warning in &asked.workflow.warnings {
        warn(format!("{}:{}: {}: {}", asked.file, warning.at, warning.code, warning.text));
    }
    for (component, why) in wainwright_engine::omitted_components(&asked.workflow) {
        warn(format!("no image for `{}`: {why}", component.name));
    }
    wainwright_engine::omitted_dependencies(&asked.workflow).into_iter().for_each(warn);
}
