mod show;

use std::time::Duration;

use clap::Args;
use wainwright_engine::Pinning;

use super::decide::decide;
use super::workflow;
use crate::args::{
    CacheArguments, DisplayArguments, ImageArguments, NetworkArguments, Setup, TransferArguments,
};
use crate::console::{print, usage};
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
    let root = &image.inputs.project.path;
    let setup = Setup {
        network: Some(&arguments.network),
        cache: Some(&arguments.cache),
        connections: arguments.transfer.connections,
        jobs: None,
        progress: arguments.display.progress,
    };
    if let Some(file) = workflow::file(image.workflow.config.as_deref(), root) {
        return workflow::plan(image, &setup, arguments.json, &file);
    }
    let asked = Asked {
        root,
        inputs: &image.inputs,
        content: &image.content,
        output: &image.output,
        // No backend runs.
        build_timeout: Duration::ZERO,
        is_workflow: false,
    };
    let (mut request, machine) = match prepare(&asked, &setup) {
        Ok(ready) => ready,
        Err(message) => return usage(&message),
    };
    request.caches = image.cache_from.caches();
    request.pinning = Pinning::Never;
    request.runs_backends = false;
    run(&setup, &request, machine, async |tools, screen| {
        let plan = decide(&request, tools, screen).await?;
        wainwright_engine::tell_outdated(&request, &plan, tools).await;
        // What a look into the wheels fetches is what the build would have to fetch.
        let fetches = plan.fetches(&tools.store);
        let native = wainwright_engine::preflight(&plan, tools).await?;
        let text = match arguments.json {
            true => format!("{:#}\n", show::json(&plan, &native)),
            false => show::text(&plan, &native, &fetches),
        };
        let printed = print(&text);
        native.iter().try_for_each(|native| native.refuse(plan.strict_native))?;
        Ok(printed)
    })
}
