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
use crate::run::request::{ProjectOptions, prepare};
use crate::run::session::run;

const EXAMPLES: &str = "\
Examples:
  wain plan
  wain plan --json --platform linux/amd64,linux/arm64";

/// Show what a build would do
///
/// Resolves and plans like `wain build` and lists the layers to build and to reuse, and the files to fetch. Builds and
/// writes nothing.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
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
    let options = ProjectOptions {
        inputs: &image.inputs,
        content: &image.content,
        output: &image.output,
        // No backend runs.
        build_timeout: Duration::ZERO,
        config: image.workflow.config.as_deref(),
        workflow: Some(&image.workflow),
    };
    let (mut request, machine) = match prepare(&options, &setup) {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    request.caches = image.cache_from.caches();
    request.pinning = Pinning::Never;
    request.runs_backends = false;
    run(&setup, &request, machine, async |project, session, screen| {
        let Decided { set, plan, session, .. } = decide(&request, project, session, screen).await?;
        wainwright_engine::report_outdated(&request, &plan, &session).await;
        // Before the preflight, which fetches files that the build needs too.
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
