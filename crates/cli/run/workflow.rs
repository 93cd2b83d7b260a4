//! The workflow that a command is about, where it is about one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wainwright_engine::{Output, Request, WorkflowRequest};
use wainwright_fault::Classify;
use wainwright_oci::Reference;
use wainwright_woodwork::Workflow;

use crate::args::{self, WorkflowArguments};
use crate::console::exit::WRONG;
use crate::console::{line, tell};
use crate::workflow_file::{self, unreadable};

/// The workflow of a command: the file that it names, else `main.ww` in the folder of the project.
pub(crate) fn find(named: Option<&Path>, root: &Path) -> Option<PathBuf> {
    named.map(Path::to_owned).or_else(|| Some(root.join("main.ww")).filter(|file| file.is_file()))
}

/// The folder of a workflow file, which is the project.
pub(crate) fn folder(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Whether two paths name one folder.
pub(crate) fn is_same_folder(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// Reads and checks a workflow file; the error is an exit code, and reported.
pub(crate) fn read(file: &Path, options: Option<&WorkflowArguments>) -> Result<WorkflowRequest, u8> {
    let name = file.display().to_string();
    let compat: args::WwCompat = options.map(|options| options.ww_compat).unwrap_or_default();
    let text = workflow_file::read(file).map_err(|error| unreadable(&name, &error))?;
    let workflow: Workflow = wainwright_woodwork::read(&name, text, compat.into()).map_err(|error| {
        line(&tell(&error, error.hint()));
        WRONG
    })?;
    Ok(WorkflowRequest {
        file: name,
        workflow: Arc::new(workflow),
        profile: options.map(|options| options.optimize_for).unwrap_or_default().into(),
        registry: options.and_then(|options| options.registry.clone()),
    })
}

/// What is wrong with the outputs and tags of a workflow, as an error of usage.
pub(crate) fn objection(request: &Request, workflow: &WorkflowRequest) -> Option<String> {
    if request.outputs.contains(&Output::Stdout) {
        return Some(
            "the archives of several images cannot all be standard output\n  hint: give --output archive:DIR"
                .into(),
        );
    }
    // Images that a registry has go by their digests.
    let is_pushed = request.outputs.contains(&Output::Registry) || workflow.registry.is_some();
    let is_latest = |tag: &Reference| tag.tag() == Some("latest");
    let tag = request.tags.first().filter(|_| !is_pushed && request.tags.iter().all(is_latest))?.to_string();
    let name = tag.trim_start_matches("docker.io/library/").trim_end_matches(":latest");
    Some(format!(
        "--tag {name} names no version, and as `latest` it stands for another image every week\n  hint: write \
         `--tag {name}:0.1.0`, or leave it out: the version is that of the project"
    ))
}
