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

/// What the options of a command say about a project and its images.
pub(crate) struct Asked<'a> {
    pub(crate) inputs: &'a InputArguments,
    pub(crate) content: &'a ContentArguments,
    pub(crate) output: &'a OutputArguments,
    pub(crate) build_timeout: Duration,
    /// The workflow file that is named.
    pub(crate) config: Option<&'a Path>,
    /// What is said about workflows; `None` for a command that makes no images.
    pub(crate) workflow: Option<&'a WorkflowArguments>,
}

/// Turns options into a request, and reads the machine and the workflow file; the error is an exit code, and reported.
pub(crate) fn prepare(asked: &Asked<'_>, setup: &Setup<'_>) -> Result<(Request, Machine), u8> {
    let path = &asked.inputs.project.path;
    let Some(file) = workflow::find(asked.config, path) else {
        return of_project(asked, path, setup, false).map_err(|message| usage(&message));
    };
    let root = workflow::folder(&file);
    if path != Path::new(".") && !workflow::is_same_folder(path, &root) {
        return Err(usage(&format!(
            "`{}` is not in `{}`\n  hint: the project is the folder of the workflow; leave the other one out",
            file.display(),
            path.display()
        )));
    }
    let found = workflow::read(&file, asked.workflow)?;
    let (mut request, machine) = of_project(asked, &root, setup, true).map_err(|message| usage(&message))?;
    let output = asked.output;
    if asked.workflow.is_some() && output.output.is_empty() && !output.load && !output.push {
        request.outputs = match found.registry {
            Some(_) => vec![Output::Registry],
            None => vec![Output::Layout(request.root.join(".wain").join("images"))],
        };
    }
    if let Some(message) = workflow::objection(&request, &found) {
        return Err(usage(&message));
    }
    request.workflow = Some(found);
    Ok((request, machine))
}

/// The request for a folder; the error is one of usage.
fn of_project(
    asked: &Asked<'_>,
    root: &Path,
    setup: &Setup<'_>,
    is_workflow: bool,
) -> Result<(Request, Machine), String> {
    let Asked { inputs, content, output, .. } = asked;
    let (project, base, wheels, layers) = (&inputs.project, &inputs.base, &content.wheels, &content.layers);
    if let (Some(lazy), Some(compression)) = (layers.lazy, layers.compression)
        && !lazy.goes_with(compression)
    {
        return Err(format!(
            "lazy layers cannot use the compression `{compression}`\n  hint: `--lazy {lazy}` goes with \
             `--compression splice` and `gzip`"
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
        build_timeout: asked.build_timeout,
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

/// Where images go.
fn outputs(arguments: &OutputArguments, root: &Path, is_workflow: bool) -> Result<Vec<Output>, String> {
    let mut outputs = Vec::new();
    for output in &arguments.output {
        outputs.push(match output {
            OutputArgument::Where(output) => output.clone(),
            OutputArgument::Folder(folder) if is_workflow => Output::Layout(folder.join("images")),
            OutputArgument::Folder(folder) => {
                let folder = folder.display();
                return Err(format!("`{folder}` is a place for a workflow\n  hint: write `layout:{folder}`"));
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
    // Last, so that what fails elsewhere and is tried again does not send a second archive after the first.
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
