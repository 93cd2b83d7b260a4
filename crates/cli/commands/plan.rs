mod print;
mod show;
mod workflow;

use std::time::Duration;

use clap::Args;
use wainwright_engine::Pinning;

use super::decide::{Decided, decide};
use crate::args::{
    CacheArguments, DisplayArguments, ImageArguments, NetworkArguments, Setup, TransferArguments,
};
use crate::console::print;
use crate::run::request::{Asked, prepare};
use crate::run::session::run;

/// Show what a build would make, reuse and fetch
///
/// Takes the same inputs as `wain build`, decides everything, and makes nothing.
#[derive(Args)]
pub(crate) struct Plan {
    /// Print the plan as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    image: ImageArguments,

    #[command(flatten)]
    cache: CacheArguments,

    #[command(flatten)]
    network: NetworkArguments,

    #[command(flatten)]
    transfer: TransferArguments,

    #[command(flatten)]
    display: DisplayArguments,
}

/// `wain plan`
pub(crate) fn plan(arguments: &Plan) -> u8 {
    let image = &arguments.image;
    let setup = Setup {
        network: Some(&arguments.network),
        cache: Some(&arguments.cache),
        connections: arguments.transfer.connections,
        jobs: None,
        progress: arguments.display.progress,
    };
    let asked = Asked {
        inputs: &image.inputs,
        content: &image.content,
        output: &image.output,
        // No backend runs.
        build_timeout: Duration::ZERO,
        config: image.workflow.config.as_deref(),
        workflow: Some(&image.workflow),
    };
    let (mut request, machine) = match prepare(&asked, &setup) {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    request.caches = image.cache_from.caches();
    request.pinning = Pinning::Never;
    request.runs_backends = false;
    run(&setup, &request, machine, async |project, session, screen| {
        let Decided { set, plan, session, .. } = decide(&request, project, session, screen).await?;
        wainwright_engine::report_outdated(&request, &plan, &session).await;
        // What a look into the wheels fetches is what the build would have to fetch.
        let shown = show::Shown::new(&set, &plan, &session.store);
        let native = wainwright_engine::preflight(&plan, &session).await?;
        let text = match arguments.json {
            true => format!("{:#}\n", self::print::json(&shown, &native)),
            false => self::print::text(&shown, &native),
        };
        let printed = print(&text);
        native.iter().try_for_each(|native| native.refuse(plan.strict_native))?;
        Ok(printed)
    })
}
