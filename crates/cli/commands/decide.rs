use std::sync::Arc;

use wainwright_engine::{Error, Plan, Request, Tools};

use crate::screen::{Screen, phase};

/// Resolves and plans.
pub(crate) async fn decide(
    request: &Request,
    tools: &Arc<Tools>,
    screen: &Arc<Screen>,
) -> Result<Plan, Error> {
    let resolution = phase(screen, "resolve", wainwright_engine::resolve(request, tools)).await?;
    let plan = phase(screen, "plan", async {
        let plan = wainwright_engine::plan(&resolution, &tools.store)?;
        wainwright_engine::consult(plan, tools).await
    });
    let plan = plan.await?;
    tools.tell(plan.summary(&tools.store));
    Ok(plan)
}
