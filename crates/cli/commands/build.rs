use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use wainwright_engine::{Delivery, Error, Images, Output, Plan, Request, Tools};
use wainwright_oci::Reference;

use super::decide::decide;
use super::workflow;
use crate::args::BuildArguments;
use crate::console::stdout::{self, is_stdout};
use crate::console::{fail, print, usage};
use crate::run::report_place;
use crate::run::request::{Asked, prepare};
use crate::run::session::run;
use crate::run::size_limit::check_size;
use crate::run::tidy::tidy;
use crate::screen::{Screen, mended, phase};

const EXAMPLES: &str = "\
Examples:
  wain build                               the image goes to .wain/image, an OCI layout
  wain build -t demo/api:1 --load          load it into Docker (or podman's socket)
  wain build --platform linux/amd64,linux/arm64 --output layout:out
  wain build --base archive:python.tar     build on an image that `docker save` wrote
  wain build --locked --offline            only what is pinned and already here";

/// Build the image of a project
///
/// Reads pyproject.toml and the lockfile (uv.lock, poetry.lock, pdm.lock, pylock.toml, Pipfile.lock, or
/// requirements.txt with hashes; the first of them counts), installs every locked wheel into layers, puts the
/// project under /app, and delivers the image. Nothing of the project is run, and of its dependencies only what
/// --build-sdists allows. Without a lockfile, uv resolves pyproject.toml or a plain requirements.txt, and pylock.toml is
/// written first.
///
/// In a folder with main.ww, a workflow of AI agents, every component becomes an image of its own; what they require is
/// locked in wain.lock.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Build {
    #[command(flatten)]
    options: BuildArguments,
}

/// `wain build`
pub(crate) fn build(arguments: &Build) -> u8 {
    let arguments = &arguments.options;
    let image = &arguments.image;
    let root = &image.inputs.project.path;
    if let Some(file) = workflow::file(image.workflow.config.as_deref(), root) {
        return workflow::build(arguments, &file);
    }
    if let Some(option) = workflow::option(arguments) {
        return usage(&format!(
            "{option} is for workflows, and there is no main.ww in `{}`\n  hint: name one with `-c FILE.ww`",
            root.display()
        ));
    }
    let asked = Asked {
        root,
        inputs: &image.inputs,
        content: &image.content,
        output: &image.output,
        build_timeout: arguments.backends.build_timeout,
        is_workflow: false,
    };
    let setup = arguments.machine.setup(arguments.jobs.jobs);
    let (mut request, machine) = match prepare(&asked, &setup) {
        Ok(ready) => ready,
        Err(message) => return usage(&message),
    };
    let cache_to = &arguments.cache_to.cache_to;
    if let Some(message) = cache_to.as_ref().and_then(|cache| own_name(cache, &request.tags)) {
        return usage(&message);
    }
    request.caches = image.cache_from.caches();
    request.caches.to.clone_from(cache_to);
    let report = arguments.report.metadata_file.as_ref();
    request.report = report.filter(|file| !is_stdout(file)).cloned();
    if let Err(code) = stdout::claim(&request.outputs, report.is_some_and(|file| is_stdout(file))) {
        return code;
    }
    let objection = |report: &PathBuf| report_place::objection(report, &request.root, &request.outputs);
    if let Some(message) = request.report.as_ref().and_then(objection) {
        return usage(&message);
    }
    let limit = arguments.report.size_limit.and_then(|limit| limit.0);
    run(&setup, &request, machine, async |tools, screen| {
        let (plan, images, delivery) =
            mended(screen, async || make(&request, limit, tools, screen).await).await?;
        // The image stands, whatever becomes of the cache.
        let told = wainwright_engine::publish(&plan, &images, tools).await;
        let code = finish(report, &plan, &images, &delivery, screen);
        tidy(&arguments.machine.limits(), tools, screen);
        told.map(|()| code)
    })
}

/// A cache must not take the place of the image that it is about.
fn own_name(cache: &Reference, tags: &[Reference]) -> Option<String> {
    let is_same = |tag: &&Reference| {
        (tag.registry(), tag.repository(), tag.tag().unwrap_or("latest"))
            == (cache.registry(), cache.repository(), cache.tag().unwrap_or("latest"))
    };
    let tag = tags.iter().find(is_same)?;
    Some(format!("{tag} cannot be the image and its cache\n  hint: give --cache-to another tag"))
}

/// Takes a build through all its phases.
async fn make(
    request: &Request,
    limit: Option<u64>,
    tools: &Arc<Tools>,
    screen: &Arc<Screen>,
) -> Result<(Plan, Images, Delivery), Error> {
    let plan = decide(request, tools, screen).await?;
    let images = phase(screen, "execute", wainwright_engine::execute(&plan, tools)).await?;
    if let Some(limit) = limit {
        check_size(&images, limit, None)?;
    }
    let delivered = wainwright_engine::deliver(&images, &plan.outputs, &plan.tags, tools);
    let delivery = phase(screen, "deliver", delivered).await?;
    Ok((plan, images, delivery))
}

/// Writes the report and the last lines, and prints the digest where neither an archive nor the report was printed.
fn finish(
    report_file: Option<&PathBuf>,
    plan: &Plan,
    images: &Images,
    delivery: &Delivery,
    screen: &Arc<Screen>,
) -> u8 {
    let tags: Vec<String> = plan.tags.iter().map(ToString::to_string).collect();
    let mut result = format!("{}\n", delivery.digest);
    if let (Some(path), Ok(report)) = (report_file, screen.report.lock()) {
        let text = format!("{:#}\n", report.metadata(images, delivery, &tags));
        if is_stdout(path) {
            result = text;
        } else if let Err(error) = wainwright_engine::replace(path, text.as_bytes()) {
            return fail(&error.into());
        }
    }
    if let (Ok(mut renderer), Ok(report)) = (screen.renderer.lock(), screen.report.lock()) {
        renderer.finish(&report.summary(images, delivery, &tags));
    }
    match plan.outputs.contains(&Output::Stdout) {
        true => 0,
        false => print(&result),
    }
}
