use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use clap::CommandFactory as _;
use wainwright_engine::{
    BuildSdists, Caches, Delivery, Error, Event, Images, LayerReport, Listener, Machine, Output, Pinning,
    Plan, Request, Tools, Upgrade,
};
use wainwright_lock::Selection;
use wainwright_oci::Reference;
use wainwright_pypi::IndexOptions;
use wainwright_store::Limits;

use crate::args::{
    self, Arguments, ImageArguments, MachineArguments, NameOrAll, OutputArgument, ProjectArguments,
    SlimArgument,
};
use crate::render::{Renderer, line, renderer};
use crate::report::{Report, bytes};
use crate::signals::{Ended, until_signal};
use crate::stdout::{self, print};
use crate::{cache, check, explain, failure, limits, machine, report_place, show_plan, workflow};

const USAGE: u8 = 2;
pub(crate) const OUTSIDE: u8 = 3;
/// 128 + SIGPIPE.
const BROKEN_PIPE: u8 = 141;
/// Docker takes no more.
const MOST_LAYERS: usize = 127;
/// Layers of an image that is too large.
const MOST_NAMED: usize = 10;

/// Where events go: a renderer and a report.
pub(crate) struct Screen {
    renderer: Mutex<Box<dyn Renderer>>,
    pub(crate) report: Mutex<Report>,
}

impl Screen {
    /// Begins to count anew, and says why.
    fn try_again(&self, message: &str) {
        if let Ok(mut report) = self.report.lock() {
            report.forget_reused();
        }
        self.take(&Event::Warned { message: message.to_owned() });
    }

    /// Shows the last lines of work that went well.
    pub(crate) fn finish(&self, summary: &str) {
        if let Ok(mut renderer) = self.renderer.lock() {
            renderer.finish(summary);
        }
    }

    fn take(&self, event: &Event) {
        if let Ok(mut report) = self.report.lock() {
            report.add(event);
        }
        if let Ok(mut renderer) = self.renderer.lock() {
            renderer.show(event);
        }
    }
}

/// `wain build`
pub(crate) fn build(arguments: &args::Build) -> u8 {
    let project = &arguments.project;
    if let Some(file) = workflow::file(arguments.workflow.config.as_deref(), project) {
        return workflow::build(arguments, &file);
    }
    if let Some(option) = workflow::option(arguments) {
        return usage(&format!(
            "{option} is for workflows, and there is no main.ww in `{}`\n  hint: name one with `-c FILE.ww`",
            project.path.display()
        ));
    }
    let (mut request, machine) = match prepare(project, Some(&arguments.image)) {
        Ok(ready) => ready,
        Err(message) => return usage(&message),
    };
    if let Some(message) = arguments.cache_to.as_ref().and_then(|cache| own_name(cache, &request.tags)) {
        return usage(&message);
    }
    request.caches.to.clone_from(&arguments.cache_to);
    request.report = arguments.metadata_file.clone().filter(|file| !is_stdout(file));
    let prints_report = arguments.metadata_file.as_deref().is_some_and(is_stdout);
    if let Err(code) = stdout::claim(&request.outputs, prints_report) {
        return code;
    }
    let objection = |report: &PathBuf| report_place::objection(report, &request.root, &request.outputs);
    if let Some(message) = request.report.as_ref().and_then(objection) {
        return usage(&message);
    }
    let limit = arguments.size_limit.and_then(|limit| limit.0);
    run(project, &request, machine, async |tools, screen| {
        let (plan, images, delivery) =
            mended(screen, async || make(&request, limit, tools, screen).await).await?;
        // The image stands, whatever becomes of the cache.
        let told = wainwright_engine::publish(&plan, &images, tools).await;
        let code = finish(arguments, &plan, &images, &delivery, screen);
        tidy(&project.machine, tools, screen);
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

/// Whether a path stands for standard output, as in `archive:-`.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Tries again as long as a damaged file of the cache is found, and removed.
pub(crate) async fn mended<T>(screen: &Screen, task: impl AsyncFn() -> Result<T, Error>) -> Result<T, Error> {
    let mut done = task().await;
    // Every try removes at least one damaged file, and an image has so many layers at most.
    for _ in 0..MOST_LAYERS {
        let Err(error) = &done else { break };
        if !error.is_damage() {
            break;
        }
        screen.try_again(&format!("{}; it is made anew", failure::innermost(error)));
        done = task().await;
    }
    done
}

/// `wain plan`
pub(crate) fn plan(arguments: &args::Plan) -> u8 {
    let project = &arguments.project;
    if let Some(file) = workflow::file(arguments.workflow.config.as_deref(), project) {
        return workflow::plan(arguments, &file);
    }
    let (mut request, machine) = match prepare(project, Some(&arguments.image)) {
        Ok(ready) => ready,
        Err(message) => return usage(&message),
    };
    request.pinning = Pinning::Never;
    request.runs_backends = false;
    run(project, &request, machine, async |tools, screen| {
        let plan = decide(&request, tools, screen).await?;
        wainwright_engine::tell_outdated(&request, &plan, tools).await;
        // What a look into the wheels fetches is what the build would have to fetch.
        let fetches = plan.fetches(&tools.store);
        let native = wainwright_engine::preflight(&plan, tools).await?;
        let text = match arguments.json {
            true => format!("{:#}\n", show_plan::json(&plan, &native)),
            false => show_plan::text(&plan, &native, &fetches),
        };
        let printed = print(&text);
        native.iter().try_for_each(|native| native.refuse(plan.strict_native))?;
        Ok(printed)
    })
}

/// `wain lock`
pub(crate) fn lock(arguments: &args::Lock) -> u8 {
    let project = &arguments.project;
    if let Some(file) = workflow::file(arguments.config.as_deref(), project) {
        return workflow::lock(arguments, &file);
    }
    let (request, machine) = match prepare(project, None) {
        Ok(ready) => ready,
        Err(message) => return usage(&message),
    };
    run(project, &request, machine, async |tools, screen| {
        if !wainwright_engine::lock(&request, &upgrade(arguments), tools).await? {
            line("wain.lock is up to date");
        }
        tidy(&project.machine, tools, screen);
        Ok(0)
    })
}

/// Which pins are asked for again.
pub(crate) fn upgrade(arguments: &args::Lock) -> Upgrade {
    match &arguments.upgrade_package[..] {
        [] if arguments.upgrade => Upgrade::Everything,
        [] => Upgrade::Nothing,
        names => Upgrade::Packages(names.to_vec()),
    }
}

/// `wain check`
pub(crate) fn check(wheels: &[PathBuf], as_json: bool) -> u8 {
    let mut worst = 0;
    for path in wheels {
        let verdict = check::check(path);
        let text = if as_json { verdict.json.to_string() } else { verdict.line };
        if !as_json {
            verdict.details.iter().for_each(|text| line(text));
        }
        let printed = print(&format!("{text}\n"));
        if printed != 0 {
            return printed;
        }
        worst = worst.max(verdict.code);
    }
    worst
}

/// `wain explain`
pub(crate) fn explain(rule: Option<&str>) -> u8 {
    print(&rule.and_then(explain::one).unwrap_or_else(explain::all))
}

/// `wain completions`
pub(crate) fn completions(shell: clap_complete::Shell) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "wain", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Turns arguments into a request and reads the machine.
pub(crate) fn prepare(
    project: &ProjectArguments,
    image: Option<&ImageArguments>,
) -> Result<(Request, Machine), String> {
    prepare_any(project, image, false)
}

/// As [`prepare`], for a workflow too.
pub(crate) fn prepare_any(
    project: &ProjectArguments,
    image: Option<&ImageArguments>,
    is_workflow: bool,
) -> Result<(Request, Machine), String> {
    if let (Some(lazy), Some(compression)) = (project.lazy, project.compression)
        && !lazy.goes_with(compression)
    {
        return Err(format!(
            "lazy layers cannot use the compression `{compression}`\n  hint: `--lazy {lazy}` goes with \
             `--compression splice` and `gzip`"
        ));
    }
    let machine = machine::read(&project.machine, project.jobs);
    let mut outputs = Vec::new();
    for output in image.iter().flat_map(|image| &image.output) {
        outputs.push(match output {
            OutputArgument::Where(output) => output.clone(),
            OutputArgument::Folder(folder) if is_workflow => Output::Layout(folder.join("images")),
            OutputArgument::Folder(folder) => {
                let folder = folder.display();
                return Err(format!("`{folder}` is a place for a workflow\n  hint: write `layout:{folder}`"));
            }
        });
    }
    if image.is_some_and(|image| image.load) && !outputs.contains(&Output::Docker) {
        outputs.push(Output::Docker);
    }
    if image.is_some_and(|image| image.push) && !outputs.contains(&Output::Registry) {
        outputs.push(Output::Registry);
    }
    if outputs.is_empty() {
        let folder = if project.path == Path::new(".") { Path::new("") } else { &project.path };
        outputs.push(Output::Layout(folder.join(".wain").join("image")));
    }
    // Last, so that what fails elsewhere and is tried again does not send a second archive after the first.
    outputs.sort_by_key(|output| *output == Output::Stdout);
    let selection = Selection {
        extras: project.extra.iter().cloned().collect(),
        all_extras: project.all_extras,
        groups: project.group.iter().cloned().collect(),
        all_groups: project.all_groups,
        ..Selection::default()
    };
    let find_links = project.find_links.iter().map(|text| find_links(text)).collect::<Result<_, _>>()?;
    let request = Request {
        root: project.path.clone(),
        tags: image.map_or_else(Vec::new, |image| image.tag.clone()),
        base: project.base.clone(),
        platforms: project.platform.clone(),
        python: project.python,
        selection,
        allow_clash: project.allow_clash.clone(),
        slim: project.slim.iter().flat_map(|SlimArgument(kinds)| kinds.iter().copied()).collect(),
        indexes: IndexOptions {
            place: "the command line".into(),
            index_url: project.index_url.clone(),
            extra_index_urls: project.extra_index_url.clone(),
            named: Vec::new(),
            find_links,
            no_index: project.no_index,
            exclude_newer: project.exclude_newer.clone(),
        },
        mirror: project.mirror.clone(),
        outputs,
        caches: Caches {
            from: image.map_or_else(Vec::new, |image| image.cache_from.clone()),
            to: None,
            check: image.map_or_else(Default::default, |image| image.cache_verify),
        },
        report: None,
        max_layers: project.max_layers,
        strict_native: project.strict_native,
        build_sdists: build_sdists(&project.build_sdists),
        build_timeout: project.build_timeout,
        runs_backends: true,
        compression: project.compression,
        lazy: project.lazy,
        bytecode: project.bytecode,
        is_locked: project.locked,
        pinning: Pinning::IfPossible,
        epoch: machine::epoch(&machine.vars)?,
    };
    Ok((request, machine))
}

fn build_sdists(words: &[NameOrAll]) -> BuildSdists {
    let names = words.iter().map(|word| match word {
        NameOrAll::All => None,
        NameOrAll::Name(name) => Some(name.clone()),
    });
    names.collect::<Option<_>>().map_or(BuildSdists::All, BuildSdists::Only)
}

/// A folder of the command line is relative to where the command was given; pages are left as they are.
fn find_links(text: &str) -> Result<String, String> {
    if text.contains("://") {
        return Ok(text.to_owned());
    }
    if !Path::new(text).exists() {
        return Err(format!("--find-links names `{text}`, which is neither a folder nor an address"));
    }
    let path = std::path::absolute(text).map_err(|error| format!("--find-links: {error}"))?;
    path.into_os_string().into_string().map_err(|_| format!("--find-links: `{text}` is not UTF-8"))
}

/// Runs a command that keeps nothing, and works where no cache can be made.
pub(crate) fn run_without_cache(
    arguments: &MachineArguments,
    command: impl AsyncFnOnce(&Arc<Tools>, &Arc<Screen>) -> Result<u8, Error>,
) -> u8 {
    let arguments = MachineArguments { no_cache: true, ..arguments.clone() };
    let machine = machine::read(&arguments, None);
    run_with(&arguments, machine, Tools::without_project, command)
}

/// Opens the store, runs a command on it until it is done or interrupted, and says how it ended.
pub(crate) fn run(
    project: &ProjectArguments,
    request: &Request,
    machine: Machine,
    command: impl AsyncFnOnce(&Arc<Tools>, &Arc<Screen>) -> Result<u8, Error>,
) -> u8 {
    run_with(&project.machine, machine, |machine, listener| Tools::new(machine, request, listener), command)
}

/// As [`run`], with tools that the caller knows how to make.
pub(crate) fn run_with(
    arguments: &MachineArguments,
    machine: Machine,
    tools: impl FnOnce(Machine, Arc<Listener>) -> Result<Tools, Error>,
    command: impl AsyncFnOnce(&Arc<Tools>, &Arc<Screen>) -> Result<u8, Error>,
) -> u8 {
    if let Some(message) = limits::objection() {
        line(&format!("error: {message}"));
        return OUTSIDE;
    }
    let screen = Arc::new(Screen {
        renderer: Mutex::new(renderer(arguments.progress)),
        report: Mutex::new(Report::new()),
    });
    if machine.cache.is_none() && !arguments.no_cache {
        let message = "there is no cache: HOME is not set; give --cache-dir".into();
        screen.take(&Event::Warned { message });
    }
    let listener = {
        let screen = screen.clone();
        Arc::new(move |event: Event| screen.take(&event))
    };
    let tools = match tools(machine, listener) {
        Ok(tools) => Arc::new(tools),
        Err(error) => return fail(&error),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Error::Threads { source: error.into() }),
    };
    let ended = runtime.block_on(until_signal(command(&tools, &screen)));
    if matches!(ended, Ended::Stopped(_)) {
        runtime.block_on(tools.end_uploads());
    }
    // Jobs on other threads are not waited for: what they write is not committed any more.
    runtime.shutdown_background();
    if !matches!(ended, Ended::Done(Ok(_))) {
        tools.abandon();
    }
    if let (Ok(mut renderer), false) = (screen.renderer.lock(), matches!(ended, Ended::Done(Ok(_)))) {
        renderer.stop();
    }
    match ended {
        Ended::Done(Ok(code)) => code,
        Ended::Done(Err(error)) => fail(&error),
        Ended::Stopped(code) => {
            line("interrupted; nothing was delivered that was not finished");
            code
        }
    }
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

/// Refuses an image whose layers are larger than wanted, and names those that count most; `of` is the component it is of.
pub(crate) fn check_size(images: &Images, limit: u64, of: Option<&str>) -> Result<(), Error> {
    for (image, layers) in images.images.iter().zip(&images.layers) {
        let size = image.layers.iter().map(|layer| layer.descriptor.size).sum();
        if size <= limit {
            continue;
        }
        let mut largest: Vec<_> = layers.iter().collect();
        largest.sort_by_key(|layer| std::cmp::Reverse(layer.size));
        let line = |layer: &&LayerReport| format!("\n  {:>9}  {}", bytes(layer.size), layer.name);
        return Err(Error::TooLarge {
            of: of.map(str::to_owned),
            platform: image.platform.clone(),
            size: bytes(size),
            limit: bytes(limit),
            parts: largest.iter().take(MOST_NAMED).map(line).collect(),
        });
    }
    Ok(())
}

/// Resolves and plans.
async fn decide(request: &Request, tools: &Arc<Tools>, screen: &Arc<Screen>) -> Result<Plan, Error> {
    let resolution = phase(screen, "resolve", wainwright_engine::resolve(request, tools)).await?;
    let plan = phase(screen, "plan", async {
        let plan = wainwright_engine::plan(&resolution, &tools.store)?;
        wainwright_engine::consult(plan, tools).await
    });
    let plan = plan.await?;
    tools.tell(plan.summary(&tools.store));
    Ok(plan)
}

/// Runs a phase between its two events.
pub(crate) async fn phase<T>(
    screen: &Arc<Screen>,
    phase: &'static str,
    task: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    screen.take(&Event::PhaseStarted { phase });
    let done = task.await?;
    screen.take(&Event::PhaseFinished { phase });
    Ok(done)
}

/// Writes the report and the last lines, and prints the digest where neither an archive nor the report was printed.
fn finish(
    arguments: &args::Build,
    plan: &Plan,
    images: &Images,
    delivery: &Delivery,
    screen: &Arc<Screen>,
) -> u8 {
    let tags: Vec<String> = plan.tags.iter().map(ToString::to_string).collect();
    let mut result = format!("{}\n", delivery.digest);
    if let (Some(path), Ok(report)) = (&arguments.metadata_file, screen.report.lock()) {
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

/// Keeps the cache within its limits. The work is done: what fails here is told, and no more.
pub(crate) fn tidy(arguments: &MachineArguments, tools: &Tools, screen: &Screen) {
    let limits = Limits { size: arguments.cache_max_size.0, age: arguments.cache_max_age.0 };
    match tools.store.tidy(&limits) {
        Ok(Some(pruned)) if pruned.removed.is_empty() => {}
        Ok(Some(pruned)) => {
            let message = cache::removed(&pruned, false);
            screen.take(&match pruned.removed.iter().any(|item| cache::is_fresh(item, tools.machine.now)) {
                true => Event::Warned {
                    message: format!(
                        "{message}; this build used some of them: give it more with --cache-max-size"
                    ),
                },
                false => Event::Noted { message },
            });
        }
        Ok(None) => {}
        Err(error) => screen.take(&Event::Warned { message: format!("the cache was not cut down: {error}") }),
    }
}

pub(crate) fn fail(error: &Error) -> u8 {
    if error.is_broken_pipe() {
        // As for programs that the signal ends: who sent it away needs no words.
        return BROKEN_PIPE;
    }
    line(&failure::text(error));
    error.exit_code()
}

pub(crate) fn usage(message: &str) -> u8 {
    line(&format!("error: {message}"));
    USAGE
}
