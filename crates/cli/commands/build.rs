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

/// `wain build`: images, then the files that run them, then the containers.
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

/// Makes and delivers the images; returns the folder of the project, or an exit code.
fn make(arguments: &BuildArguments) -> Result<PathBuf, u8> {
    let image = &arguments.image;
    let asked = Asked {
        inputs: &image.inputs,
        content: &image.content,
        output: &image.output,
        build_timeout: arguments.backends.build_timeout,
        config: image.workflow.config.as_deref(),
        workflow: Some(&image.workflow),
    };
    let setup = arguments.machine.setup(arguments.jobs.jobs);
    let (mut request, machine) = prepare(&asked, &setup)?;
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
        let output = deploy::output(&request.root);
        if !request.outputs.contains(&output) {
            request.outputs.push(output);
        }
    }
    let report = arguments.report.metadata_file.as_ref();
    request.report = report.filter(|file| !is_stdout(file)).cloned();
    stdout::claim(&request.outputs, report.is_some_and(|file| is_stdout(file)))?;
    if let Some(message) = request.report.as_ref().and_then(|report| objection(report, &request)) {
        return Err(usage(&message));
    }
    let code = run(&setup, &request, machine, async |project, session, screen| {
        let task = async || deliver(arguments, &request, project, session, screen).await;
        let Made { decided, images, deliveries, release } = match mended(screen, task).await? {
            Ok(made) => made,
            Err(code) => return Ok(code),
        };
        let is_needed = !arguments.export.export.is_empty() || arguments.export.deploy.is_some();
        match release.as_ref().map_or(Ok(()), |release| keep(release, &request.root)) {
            // The images are delivered; only what follows needs the file.
            Err(error) if !is_needed => {
                let message = format!("{error}; `wain emit` and `wain deploy` know nothing of this build");
                session.report(Event::Warned { message });
            }
            kept => kept?,
        }
        // The images stand, whatever becomes of the cache.
        let published = wainwright_engine::publish(&decided.plan, &images, &decided.session).await;
        let code = finish(report, &images, &deliveries, screen);
        tidy(&arguments.machine.limits(), session, screen);
        published.map(|()| code)
    });
    if code == 0 { Ok(request.root) } else { Err(code) }
}

/// What a build has made.
struct Made {
    decided: Decided,
    images: Images,
    deliveries: Vec<Delivery>,
    release: Option<Release>,
}

/// Takes a build through all its phases. The inner error is an exit code, and reported.
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
    if let Some(preview) = wainwright_engine::preview_release(set, resolution, bus)? {
        let exports = exports(arguments, &request.root);
        if let Err((message, code)) = exports.iter().try_for_each(|emit| emit::refused(emit, &preview)) {
            line(&message);
            return Ok(Err(code));
        }
    }
    let images = phase(screen, "execute", wainwright_engine::execute(plan, session)).await?;
    if let Some(limit) = arguments.report.size_limit.and_then(|limit| limit.0) {
        check_size(&images, limit)?;
    }
    let deliveries = phase(screen, "deliver", wainwright_engine::deliver(&images, session)).await?;
    let release = wainwright_engine::release(set, &images, &deliveries, bus)?;
    Ok(Ok(Made { decided, images, deliveries, release }))
}

/// An option that makes sense for workflows alone, where there is none.
fn misplaced_option(arguments: &BuildArguments, request: &Request) -> Option<String> {
    if request.workflow.is_some() {
        return None;
    }
    let BuildArguments { image: ImageArguments { workflow, .. }, export, .. } = arguments;
    let given = [
        (!export.export.is_empty(), "--export"),
        (export.deploy.is_some(), "--deploy"),
        (export.bus != args::Bus::default(), "--bus"),
        (workflow.registry.is_some(), "--registry"),
        (workflow.optimize_for != OptimizeFor::default(), "--optimize-for"),
    ];
    let (_, option) = given.into_iter().find(|(is_given, _)| *is_given)?;
    Some(format!(
        "{option} is for workflows, and there is no main.ww in `{}`\n  hint: name one with `-c FILE.ww`",
        request.root.display()
    ))
}

/// Why the report cannot go to a file.
fn objection(report: &Path, request: &Request) -> Option<String> {
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
    report_place::objection(report, &request.root, &outputs)
}

/// What `--export` writes.
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

/// Where `--export` writes: the folder that `--output` names, else `build`.
fn export_folder(arguments: &BuildArguments) -> PathBuf {
    let mut folders = arguments.image.output.output.iter().filter_map(|output| match output {
        OutputArgument::Folder(folder) => Some(folder.clone()),
        OutputArgument::Where(_) => None,
    });
    folders.next_back().unwrap_or_else(|| PathBuf::from("build"))
}

/// Writes what was built beside the images, for `wain emit` and for other tools.
fn keep(release: &Release, root: &Path) -> Result<(), Error> {
    let folder = root.join(".wain");
    wainwright_engine::replace(&folder.join("release.json"), &release.to_json())?;
    wainwright_engine::replace(&folder.join("deployment.json"), &wainwright_emit::deployment(release)?)?;
    Ok(())
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

/// Writes the report and the last lines, and prints the digests where neither an archive nor the report was printed.
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
