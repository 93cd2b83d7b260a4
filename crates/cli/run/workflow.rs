//! The workflow of a command, if the project has one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wainwright_engine::{Output, Request, WorkflowRequest};
use wainwright_fault::Classify;
use wainwright_oci::Reference;
use wainwright_woodwork::Workflow;

use crate::args::{self, WorkflowArguments};
use crate::console::exit::WRONG;
use crate::console::{describe, line};
use crate::workflow_file::{self, unreadable};

/// The workflow file of a command: the given one, or else `main.ww` in the project folder.
pub(crate) fn find(named: Option<&Path>, root: &Path) -> Option<PathBuf> {
    named.map(Path::to_owned).or_else(|| Some(root.join("main.ww")).filter(|file| file.is_file()))
}

/// The folder of a workflow file, which is the project folder.
pub(crate) fn folder(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Whether two paths are the same folder.
pub(crate) fn is_same_folder(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// Reads and checks a workflow file; an error is reported, and its exit code returned.
pub(crate) fn read(file: &Path, options: Option<&WorkflowArguments>) -> Result<WorkflowRequest, u8> {
    let name = file.display().to_string();
    let compat: args::WwCompat = options.map(|options| options.ww_compat).unwrap_or_default();
    let text = workflow_file::read(file).map_err(|error| unreadable(&name, &error))?;
    let workflow: Workflow = wainwright_woodwork::read(&name, text, compat.into()).map_err(|error| {
        line(&describe(&error, error.hint()));
        WRONG
    })?;
    Ok(WorkflowRequest {
        file: name,
        workflow: Arc::new(workflow),
        profile: options.map(|options| options.optimize_for).unwrap_or_default().into(),
        registry: options.and_then(|options| options.registry.clone()),
    })
}

/// The usage error if a workflow cannot have these outputs or tags.
pub(crate) fn conflict(request: &Request, workflow: &WorkflowRequest) -> Option<String> {
    if request.outputs.contains(&Output::Stdout) {
        return Some(
            "cannot write the archives of several images to standard output\n  hint: use `--output archive:DIR`"
                .into(),
        );
    }
    // Images in a registry are referenced by digest.
    let is_pushed = request.outputs.contains(&Output::Registry) || workflow.registry.is_some();
    let is_latest = |tag: &Reference| tag.tag() == Some("latest");
    let tag = request.tags.first().filter(|_| !is_pushed && request.tags.iter().all(is_latest))?.to_string();
    let name = tag.trim_start_matches("docker.io/library/").trim_end_matches(":latest");
    Some(format!(
        "--tag {name} has no version\n  hint: use for example `--tag {name}:0.1.0`, or omit it to use the version of the \
         project"
    ))
}
