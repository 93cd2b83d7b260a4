use std::path::{Path, PathBuf};

use wainwright_lock::LockFormat;
use wainwright_project::{Project, PythonProject};

use crate::Error;

/// Every lockfile of the project, the one that counts first; that of its workspace where it has none of its own.
pub(crate) fn find_locks(project: &Project) -> Vec<(LockFormat, PathBuf)> {
    let mut found = wainwright_lock::find_all(&project.root);
    if found.is_empty()
        && let Some(lock) = workspace_lock(project)
    {
        found.push((LockFormat::UvLock, lock));
    }
    found
}

/// Rejects a folder that holds neither a Python project nor a lockfile.
pub(super) fn demand_project(project: &Project) -> Result<(), Error> {
    if project.python_project.is_some() || !find_locks(project).is_empty() {
        return Ok(());
    }
    let folder = project.root.clone();
    Err(match folder.join("Pipfile").is_file() {
        true => Error::NoLock { folder },
        false => Error::NoProject { folder },
    })
}

/// Whether a lockfile of the project says which packages there are; a requirements file does so where it has hashes.
pub(crate) fn has_own_lock(project: &Project) -> bool {
    let is_lock = |(format, path): &(LockFormat, PathBuf)| {
        *format != LockFormat::Requirements
            || std::fs::read_to_string(path).is_ok_and(|text| text.contains("--hash"))
    };
    find_locks(project).iter().any(is_lock)
}

/// Whether a project requires packages.
pub(crate) fn has_dependencies(python: &PythonProject) -> bool {
    !python.dependencies.is_empty() || !python.optional_dependencies.is_empty()
}

/// The last part of a path, for messages.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The lock of the workspace that a project is a member of.
fn workspace_lock(project: &Project) -> Option<PathBuf> {
    project.python_project.as_ref()?;
    wainwright_lock::find_workspace(&project.root.canonicalize().ok()?)
}
