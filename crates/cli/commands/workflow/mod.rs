//! `wain build`, `wain plan` and `wain lock` for the components of a workflow.

mod show;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use wainwright_emit::Release;
use wainwright_engine::{
    ComponentImages, ComponentPlan, Delivery, Error, Event, Machine, Output, Pinning, Tools, Upgrade,
    WorkflowRequest, WorkflowResolution,
};
use wainwright_oci::Reference;
use wainwright_woodwork::Workflow;

use super::{deploy, emit};
use crate::args::{
    self, BuildArguments, ContentArguments, Deploy, ImageArguments, InputArguments, MachineArguments,
    OptimizeFor, OutputArgument, OutputArguments, Setup, WorkflowArguments,
};
use crate::console::exit::WRONG;
use crate::console::stdout::is_stdout;
use crate::console::{fail, line, print, tell, usage};
use crate::run::report_place;
use crate::run::request::{Asked, prepare};
use crate::run::session::run;
use crate::run::size_limit::check_size;
use crate::run::tidy::tidy;
use crate::screen::{Screen, mended, phase};
use crate::units::{bytes, things};
use crate::workflow_file::{self, unreadable};

/// The workflow that is meant: the one that was named, else `main.ww` in the folder of the project.
pub(crate) fn file(named: Option<&Path>, root: &Path) -> Option<PathBuf> {
    let in_folder = || wainwright_engine::workflow_in(root);
    named.map(Path::to_owned).or_else(in_folder)
}

/// The first option that makes sense for workflows alone.
pub(crate) fn option(arguments: &BuildArguments) -> Option<&'static str> {
    let BuildArguments { image: ImageArguments { workflow, .. }, export, .. } = arguments;
    let given = [
        (!export.export.is_empty(), "--export"),
        (export.deploy.is_some(), "--deploy"),
        (export.bus != args::Bus::default(), "--bus"),
        (workflow.registry.is_some(), "--registry"),
        (workflow.optimize_for != OptimizeFor::default(), "--optimize-for"),
    ];
    given.into_iter().find(|(is_given, _)| *is_given).map(|(_, name)| name)
}

/// `wain build` for a workflow: images, then the files that run them, then the images themselves.
pub(crate) fn build(arguments: &BuildArguments, file: &Path) -> u8 {
    let root = root(file);
    let code = make(arguments, file);
    if code != 0 {
        return code;
    }
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

/// What `--export` asks for.
fn exports(arguments: &BuildArguments, root: &Path) -> Vec<emit::Emit> {
    let emit = |format: &args::Format| emit::Emit {
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

/// The folder of a workflow file.
fn root(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn is_same_folder(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// Where `--export` writes: the folder that `--output` names, else `build`.
fn export_folder(arguments: &BuildArguments) -> PathBuf {
    let mut folders = arguments.image.output.output.iter().filter_map(|output| match output {
        OutputArgument::Folder(folder) => Some(folder.clone()),
        OutputArgument::Where(_) => None,
    });
    folders.next_back().unwrap_or_else(|| PathBuf::from("build"))
}

/// Makes the images.
fn make(arguments: &BuildArguments, file: &Path) -> u8 {
    let setup = arguments.machine.setup(arguments.jobs.jobs);
    let (mut asked, machine) =
        match ready_image(&arguments.image, arguments.backends.build_timeout, &setup, file) {
            Ok(ready) => ready,
            Err(code) => return code,
        };
    if arguments.export.deploy.is_some() {
        let output = deploy::output(&asked.request.root);
        if !asked.request.outputs.contains(&output) {
            asked.request.outputs.push(output);
        }
    }
    asked.request.caches.to.clone_from(&arguments.cache_to.cache_to);
    asked.request.report = arguments.report.metadata_file.clone().filter(|file| !is_stdout(file));
    if let Some(message) = asked.request.report.as_ref().and_then(|report| objection(report, &asked)) {
        return usage(&message);
    }
    let limit = arguments.report.size_limit.and_then(|limit| limit.0);
    let (exports, bus) = (exports(arguments, &asked.request.root), arguments.export.bus.into());
    run(&setup, &asked.request, machine, async |tools, screen| {
        let start = Instant::now();
        let make = async || {
            let (resolution, plans) = decide(&asked, tools, screen).await?;
            let foretold = wainwright_engine::foretell(&asked, &resolution, bus)?;
            let refused = exports.iter().try_for_each(|emit| emit::refused(emit, &foretold));
            if let Err((message, code)) = refused {
                line(&message);
                return Ok(Err(code));
            }
            let images = phase(screen, "execute", wainwright_engine::execute_workflow(&plans, tools)).await?;
            if let Some(limit) = limit {
                images.iter().try_for_each(|one| check_size(&one.images, limit, Some(&one.name)))?;
            }
            let outputs = &asked.request.outputs;
            let delivered = wainwright_engine::deliver_workflow(&images, outputs, tools);
            let deliveries = phase(screen, "deliver", delivered).await?;
            Ok(Ok((resolution, plans, images, deliveries)))
        };
        let (resolution, plans, images, deliveries) = match mended(screen, make).await? {
            Ok(made) => made,
            Err(code) => return Ok(code),
        };
        let names = (resolution.project.as_str(), resolution.version.as_str());
        let release = wainwright_engine::release(&asked, names, &images, &deliveries, bus)?;
        match keep(&release, &asked.request.root) {
            // The images are where they were wanted; who goes on from here needs the file.
            Err(error) if arguments.export.export.is_empty() && arguments.export.deploy.is_none() => {
                let message = format!("{error}; `wain emit` and `wain deploy` know nothing of this build");
                tools.tell(Event::Warned { message });
            }
            kept => kept?,
        }
        // The images stand, whatever becomes of the cache.
        let told = wainwright_engine::publish_workflow(&plans, &images, tools).await;
        let code = finish(arguments, &images, &deliveries, screen, start);
        tidy(&arguments.machine.limits(), tools, screen);
        told.map(|()| code)
    })
}

/// Writes the report and the last lines, and prints the digests where the report was not printed.
fn finish(
    arguments: &BuildArguments,
    images: &[ComponentImages],
    deliveries: &[Delivery],
    screen: &Screen,
    start: Instant,
) -> u8 {
    let mut result = show::digests(images, deliveries);
    if let (Some(path), Ok(report)) = (&arguments.report.metadata_file, screen.report.lock()) {
        let text = format!("{:#}\n", report.workflow_metadata(images, deliveries));
        if is_stdout(path) {
            result = text;
        } else if let Err(error) = wainwright_engine::replace(path, text.as_bytes()) {
            return fail(&error.into());
        }
    }
    screen.finish(&summary(images, deliveries, start));
    print(&result)
}

/// Why the report cannot go to a file.
fn objection(report: &Path, asked: &WorkflowRequest) -> Option<String> {
    let services = asked.workflow.images().map(|component| &component.service);
    let outputs = services.flat_map(|service| {
        asked.request.outputs.iter().map(|output| wainwright_engine::component_output(output, service))
    });
    report_place::objection(report, &asked.request.root, &outputs.collect::<Vec<_>>())
}

/// `wain plan` for a workflow.
pub(crate) fn plan(image: &ImageArguments, setup: &Setup<'_>, as_json: bool, file: &Path) -> u8 {
    // No backend runs.
    let (mut asked, machine) = match ready_image(image, Duration::ZERO, setup, file) {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    asked.request.pinning = Pinning::Never;
    asked.request.runs_backends = false;
    run(setup, &asked.request, machine, async |tools, screen| {
        let (_, plans) = decide(&asked, tools, screen).await?;
        let text = match as_json {
            true => format!("{:#}\n", show::json(&asked, &plans, &tools.store)),
            false => show::text(&asked, &plans, &tools.store),
        };
        Ok(print(&text))
    })
}

/// `wain lock` for a workflow.
pub(crate) fn lock(
    inputs: &InputArguments,
    machine: &MachineArguments,
    upgrade: &Upgrade,
    file: &Path,
) -> u8 {
    let (setup, limits) = (machine.setup(None), machine.limits());
    let asked = Asked {
        root: &root(file),
        inputs,
        content: &ContentArguments::default(),
        output: &OutputArguments::default(),
        // No backend runs.
        build_timeout: Duration::ZERO,
        is_workflow: true,
    };
    let (asked, machine) = match ready(&asked, None, &setup, file) {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    run(&setup, &asked.request, machine, async |tools, screen| {
        if !wainwright_engine::lock_workflow(&asked, upgrade, tools).await? {
            line("wain.lock is up to date");
        }
        tidy(&limits, tools, screen);
        Ok(0)
    })
}

/// [`ready`] for what makes images, or plans to.
fn ready_image(
    image: &ImageArguments,
    build_timeout: Duration,
    setup: &Setup<'_>,
    file: &Path,
) -> Result<(WorkflowRequest, Machine), u8> {
    let asked = Asked {
        root: &root(file),
        inputs: &image.inputs,
        content: &image.content,
        output: &image.output,
        build_timeout,
        is_workflow: true,
    };
    let (mut asked, machine) = ready(&asked, Some(&image.workflow), setup, file)?;
    asked.request.caches = image.cache_from.caches();
    Ok((asked, machine))
}

/// Reads the workflow, and turns arguments into what is asked for; the error is an exit code, and told.
fn ready(
    asked: &Asked<'_>,
    options: Option<&WorkflowArguments>,
    setup: &Setup<'_>,
    file: &Path,
) -> Result<(WorkflowRequest, Machine), u8> {
    let path = &asked.inputs.project.path;
    if path != Path::new(".") && !is_same_folder(path, asked.root) {
        return Err(usage(&format!(
            "`{}` is not in `{}`\n  hint: the project is the folder of the workflow; leave the other one out",
            file.display(),
            path.display()
        )));
    }
    let workflow = read(file, options.map(|options| options.ww_compat).unwrap_or_default())?;
    let (mut request, machine) = prepare(asked, setup).map_err(|message| usage(&message))?;
    let registry = options.and_then(|options| options.registry.clone());
    let output = asked.output;
    if options.is_some() && output.output.is_empty() && !output.load && !output.push {
        request.outputs = match registry {
            Some(_) => vec![Output::Registry],
            None => vec![Output::Layout(request.root.join(".wain").join("images"))],
        };
    }
    if request.outputs.contains(&Output::Stdout) {
        return Err(usage(
            "the archives of several images cannot all be standard output\n  hint: give --output archive:DIR",
        ));
    }
    // Images that a registry has go by their digests.
    let is_pushed = request.outputs.contains(&Output::Registry) || registry.is_some();
    let is_latest = |tag: &Reference| tag.tag() == Some("latest");
    if let Some(tag) = request.tags.first().filter(|_| !is_pushed && request.tags.iter().all(is_latest)) {
        let tag = tag.to_string();
        let name = tag.trim_start_matches("docker.io/library/").trim_end_matches(":latest");
        return Err(usage(&format!(
            "--tag {name} names no version, and as `latest` it stands for another image every week\n  hint: write \
             `--tag {name}:0.1.0`, or leave it out: the version is that of the project"
        )));
    }
    let asked = WorkflowRequest {
        request,
        file: file.display().to_string(),
        workflow: Arc::new(workflow),
        profile: options.map(|options| options.optimize_for).unwrap_or_default().into(),
        registry,
    };
    Ok((asked, machine))
}

/// Reads and checks a workflow file, and tells what is wrong with it.
fn read(file: &Path, compat: args::WwCompat) -> Result<Workflow, u8> {
    let name = file.display().to_string();
    let text = workflow_file::read(file).map_err(|error| unreadable(&name, &error))?;
    let workflow = wainwright_woodwork::read(&name, text, compat.into()).map_err(|error| {
        line(&tell(&error, error.hint()));
        WRONG
    })?;
    Ok(workflow)
}

/// Resolves and plans.
async fn decide(
    asked: &WorkflowRequest,
    tools: &Arc<Tools>,
    screen: &Arc<Screen>,
) -> Result<(WorkflowResolution, Vec<ComponentPlan>), Error> {
    for warning in &asked.workflow.warnings {
        let message = format!("{}:{}: {}: {}", asked.file, warning.at, warning.code, warning.text);
        tools.tell(Event::Warned { message });
    }
    for (component, why) in wainwright_engine::left_out(&asked.workflow) {
        tools.tell(Event::Warned { message: format!("`{}` gets no image: {why}", component.name) });
    }
    for message in wainwright_engine::missed(&asked.workflow) {
        tools.tell(Event::Warned { message });
    }
    let resolution = phase(screen, "resolve", wainwright_engine::resolve_workflow(asked, tools)).await?;
    let plans = phase(screen, "plan", async {
        wainwright_engine::consult_workflow(wainwright_engine::plan_workflow(&resolution, tools)?, tools)
            .await
    });
    let plans = plans.await?;
    Ok((resolution, plans))
}

/// Writes what was built beside the images, for `wain emit` and for other tools.
fn keep(release: &Release, root: &Path) -> Result<(), Error> {
    let folder = root.join(".wain");
    wainwright_engine::replace(&folder.join("release.json"), &release.to_json())?;
    wainwright_engine::replace(&folder.join("deployment.json"), &wainwright_emit::deployment(release)?)?;
    Ok(())
}

fn summary(images: &[ComponentImages], deliveries: &[Delivery], start: Instant) -> String {
    let size =
        |one: &ComponentImages| one.images.layers.iter().flatten().map(|layer| layer.size).sum::<u64>();
    let all: u64 = images.iter().map(size).sum();
    let mut layers: Vec<_> = images.iter().flat_map(|one| one.images.layers.iter().flatten()).collect();
    layers.sort_by_key(|layer| layer.digest);
    layers.dedup_by_key(|layer| layer.digest);
    let own: u64 = layers.iter().map(|layer| layer.size).sum();
    let is_unchanged =
        deliveries.iter().flat_map(|delivery| &delivery.outcomes).all(|outcome| outcome.was_there);
    let changed = if is_unchanged { "; nothing changed" } else { "" };
    format!(
        "{}, {} in {}; {} without what they share{changed}; {:.2} s",
        things(images.len(), "image"),
        bytes(own),
        things(layers.len(), "layer"),
        bytes(all),
        start.elapsed().as_secs_f64(),
    )
}
