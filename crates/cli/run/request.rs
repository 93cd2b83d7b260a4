use std::path::Path;
use std::time::Duration;

use wainwright_engine::{Caches, Machine, Output, Pinning, Request};
use wainwright_lock::Selection;
use wainwright_pypi::IndexOptions;

use super::{machine, workflow};
use crate::args::{
    ContentArguments, IndexArguments, InputArguments, OutputArgument, OutputArguments, Setup,
    WorkflowArguments,
};
use crate::console::usage;

/// The options of a command for a project and its images.
pub(crate) struct ProjectOptions<'a> {
    pub(crate) inputs: &'a InputArguments,
    pub(crate) content: &'a ContentArguments,
    pub(crate) output: &'a OutputArguments,
    pub(crate) build_timeout: Duration,
    /// The workflow file from the command line.
    pub(crate) config: Option<&'a Path>,
    /// The options for workflows; `None` for a command that does not build images.
    pub(crate) workflow: Option<&'a WorkflowArguments>,
}

/// Converts options to a request, and reads the machine and the workflow file; an error is reported, and its exit code
/// returned.
pub(crate) fn prepare(options: &ProjectOptions<'_>, setup: &Setup<'_>) -> Result<(Request, Machine), u8> {
    let path = &options.inputs.project.path;
    let Some(file) = workflow::find(options.config, path) else {
        return of_project(options, path, setup, false).map_err(|message| usage(&message));
    };
    let root = workflow::folder(&file);
    if path != Path::new(".") && !workflow::is_same_folder(path, &root) {
        return Err(usage(&format!(
            "`{}` is not in `{}`\n  hint: omit PATH; the project is the folder of the workflow",
            file.display(),
            path.display()
        )));
    }
    let found = workflow::read(&file, options.workflow)?;
    let (mut request, machine) =
        of_project(options, &root, setup, true).map_err(|message| usage(&message))?;
    let output = options.output;
    if options.workflow.is_some() && output.output.is_empty() && !output.load && !output.push {
        request.outputs = match found.registry {
            Some(_) => vec![Output::Registry],
            None => vec![Output::Layout(request.root.join(".wain").join("images"))],
        };
    }
    if let Some(message) = workflow::conflict(&request, &found) {
        return Err(usage(&message));
    }
    request.workflow = Some(found);
    Ok((request, machine))
}

/// The request for a project folder; an error means wrong usage.
fn of_project(
    options: &ProjectOptions<'_>,
    root: &Path,
    setup: &Setup<'_>,
    is_workflow: bool,
) -> Result<(Request, Machine), String> {
    let ProjectOptions { inputs, content, output, .. } = options;
    let (project, base, wheels, layers) = (&inputs.project, &inputs.base, &content.wheels, &content.layers);
    if let (Some(lazy), Some(compression)) = (layers.lazy, layers.compression)
        && !lazy.goes_with(compression)
    {
        return Err(format!(
            "--lazy {lazy} does not support --compression {compression}\n  hint: use `--compression splice` or \
             `--compression gzip`"
        ));
    }
    let machine = machine::read(setup);
    let request = Request {
        root: root.to_owned(),
        workflow: None,
        tags: output.tag.clone(),
        base: base.base.clone(),
        platforms: base.platform.clone(),
        python: project.python,
        selection: Selection {
            extras: project.extra.iter().cloned().collect(),
            all_extras: project.all_extras,
            groups: project.group.iter().cloned().collect(),
            all_groups: project.all_groups,
            ..Selection::default()
        },
        allow_clash: wheels.allow_clash.clone(),
        slim: wheels.slim(),
        indexes: indexes(&inputs.indexes)?,
        mirror: base.mirror.clone(),
        outputs: outputs(output, root, is_workflow)?,
        caches: Caches::default(),
        report: None,
        max_layers: layers.max_layers,
        strict_native: wheels.strict_native,
        build_sdists: wheels.build_sdists(),
        build_timeout: options.build_timeout,
        runs_backends: true,
        compression: layers.compression,
        lazy: layers.lazy,
        bytecode: wheels.bytecode,
        is_locked: project.locked,
        pinning: Pinning::IfPossible,
        epoch: machine::epoch(&machine.vars)?,
    };
    Ok((request, machine))
}

/// The outputs of images.
fn outputs(arguments: &OutputArguments, root: &Path, is_workflow: bool) -> Result<Vec<Output>, String> {
    let mut outputs = Vec::new();
    for output in &arguments.output {
        outputs.push(match output {
            OutputArgument::Where(output) => output.clone(),
            OutputArgument::Folder(folder) if is_workflow => Output::Layout(folder.join("images")),
            OutputArgument::Folder(folder) => {
                let folder = folder.display();
                return Err(format!(
                    "a plain folder as output needs a workflow: `{folder}`\n  hint: use `layout:{folder}`"
                ));
            }
        });
    }
    if arguments.load && !outputs.contains(&Output::Docker) {
        outputs.push(Output::Docker);
    }
    if arguments.push && !outputs.contains(&Output::Registry) {
        outputs.push(Output::Registry);
    }
    if outputs.is_empty() {
        let folder = if root == Path::new(".") { Path::new("") } else { root };
        outputs.push(Output::Layout(folder.join(".wain").join("image")));
    }
    // Standard output is last, so that a retry after a failure of another output does not print a second archive.
    outputs.sort_by_key(|output| *output == Output::Stdout);
    Ok(outputs)
}

fn indexes(arguments: &IndexArguments) -> Result<IndexOptions, String> {
    let find_links = arguments.find_links.iter().map(|text| find_links(text)).collect::<Result<_, _>>()?;
    Ok(IndexOptions {
        place: "the command line".into(),
        index_url: arguments.index_url.clone(),
        extra_index_urls: arguments.extra_index_url.clone(),
        named: Vec::new(),
        find_links,
        no_index: arguments.no_index,
        exclude_newer: arguments.exclude_newer.clone(),
    })
}

/// Makes a folder absolute, relative to the working directory; URLs are not changed.
fn find_links(text: &str) -> Result<String, String> {
    if text.contains("://") {
        return Ok(text.to_owned());
    }
    if !Path::new(text).exists() {
        return Err(format!("--find-links: `{text}` is neither a folder nor a URL"));
    }
    let path = std::path::absolute(text).map_err(|error| format!("--find-links: {error}"))?;
    path.into_os_string().into_string().map_err(|_| format!("--find-links: `{text}` is not UTF-8"))
}
