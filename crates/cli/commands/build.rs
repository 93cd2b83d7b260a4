use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use wainwright_emit::{Bus, Release};
use wainwright_engine::{Delivery, Error, Event, Images, Output, Project, Request, Session, WorkflowRequest};
use wainwright_oci::Reference;

use super::decide::{Decided, decide};
use super::{deploy, emit};
use crate::args::{self, BuildArguments, Deploy, Format, ImageArguments, OptimizeFor, OutputArgument};
use crate::console::stdout::{self, is_stdout};
use crate::console::{fail, line, print, usage};
use crate::run::report_place;
use crate::run::request::{ProjectOptions, prepare};
use crate::run::session::run;
use crate::run::size_limit::check_size;
use crate::run::tidy::tidy;
use crate::screen::{Screen, phase, retry_damaged};

const EXAMPLES: &str = "\
Examples:
  wain build                               write the image to .wain/image, an OCI layout
  wain build -t demo/api:1 --load          load it into Docker (or podman, by its socket)
  wain build --platform linux/amd64,linux/arm64 --output layout:out
  wain build --base archive:python.tar     use a base image from `docker save`
  wain build --locked --offline            use only pinned and cached files";

/// Build the image of a project
///
/// Reads pyproject.toml and the lockfile (the first of uv.lock, poetry.lock, pdm.lock, pylock.toml, Pipfile.lock and
/// requirements.txt with hashes), installs the locked wheels into layers, puts the project under /app, and writes the
/// image to its outputs. No code of the project runs, and no code of its dependencies unless --build-sdists allows it.
/// Without a lockfile, uv first resolves pyproject.toml or requirements.txt and writes pylock.toml.
///
/// In a folder with a workflow of AI agents, main.ww, each component becomes an image. Their requirements are locked in
/// wain.lock.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Build {
    #[command(flatten)]
    options: BuildArguments,
}

/// `wain build`: images, deployment files, deployment.
pub(crate) fn build(arguments: &Build) -> u8 {
    let arguments = &arguments.options;
    let root = match make(arguments) {
        Ok(root) => root,
        Err(code) => return code,
    };
    for emit in exports(arguments, &root) {
        let code = emit::emit(&emit);
        if code != 0 {
            return code;
        }
    }
    match arguments.export.deploy {
        Some(Deploy::Local) => deploy::start(&root, arguments.export.detach),
        None => 0,
    }
}

/// Builds and delivers the images; returns the project folder, or an exit code.
fn make(arguments: &BuildArguments) -> Result<PathBuf, u8> {
    let image = &arguments.image;
    let options = ProjectOptions {
        inputs: &image.inputs,
        content: &image.content,
        output: &image.output,
        build_timeout: arguments.backends.build_timeout,
        config: image.workflow.config.as_deref(),
        workflow: Some(&image.workflow),
    };
    let setup = arguments.machine.setup(arguments.jobs.jobs);
    let (mut request, machine) = prepare(&options, &setup)?;
    if let Some(message) = misplaced_option(arguments, &request) {
        return Err(usage(&message));
    }
    let cache_to = &arguments.cache_to.cache_to;
    if let Some(message) = cache_to.as_ref().and_then(|cache| own_name(cache, &request.tags)) {
        return Err(usage(&message));
    }
    request.caches = image.cache_from.caches();
    request.caches.to.clone_from(cache_to);
    if arguments.export.deploy.is_some() {
        let output = deploy::output(&request);
        if !request.outputs.contains(&output) {
            request.outputs.push(output);
        }
    }
    let report = arguments.report.metadata_file.as_ref();
    request.report = report.filter(|file| !is_stdout(file)).cloned();
    stdout::claim(&request.outputs, report.is_some_and(|file| is_stdout(file)))?;
    if let Some(message) = request.report.as_ref().and_then(|report| conflict(report, &request)) {
        return Err(usage(&message));
    }
    let code = run(&setup, &request, machine, async |project, session, screen| {
        let task = async || deliver(arguments, &request, project, session, screen).await;
        let Made { decided, images, deliveries, release } = match retry_damaged(screen, task).await? {
            Ok(made) => made,
            Err(code) => return Ok(code),
        };
        let is_needed = !arguments.export.export.is_empty() || arguments.export.deploy.is_some();
        match wainwright_engine::keep_release(&release, &request.root) {
            // The images are delivered; only the next steps need this file.
            Err(error) if !is_needed => {
                let message = format!("{error}; `wain emit` and `wain deploy` cannot use this build");
                session.report(match request.workflow {
                    Some(_) => Event::Warned { message },
                    None => Event::Noted { message },
                });
            }
            kept => kept?,
        }
        // The images stay even if the registry cache cannot be written.
        let published = wainwright_engine::publish(&decided.plan, &images, &decided.session).await;
        let code = finish(report, &images, &deliveries, screen);
        tidy(&arguments.machine.limits(), session, screen);
        published.map(|()| code)
    });
    if code == 0 { Ok(request.root) } else { Err(code) }
}

/// The results of a build.
struct Made {
    decided: Decided,
    images: Images,
    deliveries: Vec<Delivery>,
    release: Release,
}

/// Runs all phases of a build. The inner error is an exit code, and already reported.
async fn deliver(
    arguments: &BuildArguments,
    request: &Request,
    project: &Arc<Project>,
    session: &Arc<Session>,
    screen: &Screen,
) -> Result<Result<Made, u8>, Error> {
    let bus: Bus = arguments.export.bus.into();
    let decided = decide(request, project, session, screen).await?;
    let Decided { set, resolution, plan, session } = &decided;
    let preview = wainwright_engine::preview_release(set, resolution, bus)?;
    let exports = exports(arguments, &request.root);
    if let Err((message, code)) = exports.iter().try_for_each(|emit| emit::refused(emit, &preview)) {
        line(&message);
        return Ok(Err(code));
    }
    let images = phase(screen, "execute", wainwright_engine::execute(plan, session)).await?;
    if let Some(limit) = arguments.report.size_limit.and_then(|limit| limit.0) {
        check_size(&images, limit)?;
    }
    let deliveries = phase(screen, "deliver", wainwright_engine::deliver(&images, session)).await?;
    let release = wainwright_engine::release(set, &images, &deliveries, bus)?;
    Ok(Ok(Made { decided, images, deliveries, release }))
}

/// The error if an option needs a workflow and the project has none.
fn misplaced_option(arguments: &BuildArguments, request: &Request) -> Option<String> {
    if request.workflow.is_some() {
        return None;
    }
    let BuildArguments { image: ImageArguments { workflow, .. }, export, .. } = arguments;
    let given = [
        (export.bus != args::Bus::default(), "--bus"),
        (workflow.registry.is_some(), "--registry"),
        (workflow.optimize_for != OptimizeFor::default(), "--optimize-for"),
    ];
    let (_, option) = given.into_iter().find(|(is_given, _)| *is_given)?;
    Some(format!(
        "{option} needs a workflow, and `{}` has no main.ww\n  hint: use `-c FILE.ww`",
        request.root.display()
    ))
}

/// The error if the report would replace a file that the build writes.
fn conflict(report: &Path, request: &Request) -> Option<String> {
    let outputs: Vec<Output> = match &request.workflow {
        None => request.outputs.clone(),
        Some(WorkflowRequest { workflow, .. }) => workflow
            .images()
            .flat_map(|component| {
                request
                    .outputs
                    .iter()
                    .map(|output| wainwright_engine::component_output(output, &component.service))
            })
            .collect(),
    };
    report_place::conflict(report, &request.root, &outputs)
}

/// The formats of `--export`.
fn exports(arguments: &BuildArguments, root: &Path) -> Vec<emit::Emit> {
    let emit = |format: &Format| emit::Emit {
        format: *format,
        output: export_folder(arguments).join(format.name()),
        release: Some(root.join(".wain").join("release.json")),
        values: arguments.export.values.clone(),
        namespace: arguments.export.namespace.clone(),
        services_profile: None,
        compose_compat: None,
        force: false,
    };
    arguments.export.export.iter().map(emit).collect()
}

/// The folder for `--export`: the one of `--output`, or else `build`.
fn export_folder(arguments: &BuildArguments) -> PathBuf {
    let mut folders = arguments.image.output.output.iter().filter_map(|output| match output {
        OutputArgument::Folder(folder) => Some(folder.clone()),
        OutputArgument::Where(_) => None,
    });
    folders.next_back().unwrap_or_else(|| PathBuf::from("build"))
}

/// Returns an error if the registry cache would replace the image.
fn own_name(cache: &Reference, tags: &[Reference]) -> Option<String> {
    let is_same = |tag: &&Reference| {
        (tag.registry(), tag.repository(), tag.tag().unwrap_or("latest"))
            == (cache.registry(), cache.repository(), cache.tag().unwrap_or("latest"))
    };
    let tag = tags.iter().find(is_same)?;
    Some(format!("--cache-to would replace the image {tag}\n  hint: use another tag for --cache-to"))
}

/// Writes the report and the summary, and prints the digests unless standard output has an archive or the report.
fn finish(report_file: Option<&PathBuf>, images: &Images, deliveries: &[Delivery], screen: &Screen) -> u8 {
    let mut result: String = images
        .images
        .iter()
        .zip(deliveries)
        .map(|(image, delivery)| match &image.name {
            Some(name) => format!("{} {name}\n", delivery.digest),
            None => format!("{}\n", delivery.digest),
        })
        .collect();
    if let (Some(path), Ok(report)) = (report_file, screen.report.lock()) {
        let text = format!("{:#}\n", report.metadata(images, deliveries));
        if is_stdout(path) {
            result = text;
        } else if let Err(error) = wainwright_engine::replace(path, text.as_bytes()) {
            return fail(&error.into());
        }
    }
    if let (Ok(mut renderer), Ok(report)) = (screen.renderer.lock(), screen.report.lock()) {
        renderer.finish(&report.summary(images, deliveries));
    }
    match images.images.iter().any(|image| image.outputs.contains(&Output::Stdout)) {
        true => 0,
        false => print(&result),
    }
}
