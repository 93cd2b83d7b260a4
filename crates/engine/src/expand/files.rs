use std::path::{Path, PathBuf};
use std::sync::Arc;

use wainwright_project::{Project, SourceTree, list_sources_except};

use crate::{Error, Output, Request, Session};

/// Lists the files of a project that go into images, but for `others` and for what this build writes itself, wherever it lies: else
/// every build would change the next.
///
/// # Errors
/// When a folder cannot be read, or a file may not go into an image.
pub(crate) async fn list_files(
    project: &Arc<Project>,
    others: &[PathBuf],
    request: &Request,
    session: &Session,
) -> Result<Arc<SourceTree>, Error> {
    let (project, mut left_out) = (project.clone(), written(request, session));
    left_out.extend_from_slice(others);
    // Through the door, as is whatever takes long in a large project: a signal is heard meanwhile.
    let list = move || {
        let left_out: Vec<&Path> = left_out.iter().map(PathBuf::as_path).collect();
        Ok(Arc::new(list_sources_except(&project, &left_out)?))
    };
    session.compute(list).await
}

/// Files and folders that this build writes, or may write.
fn written(request: &Request, session: &Session) -> Vec<PathBuf> {
    let ours = request.root.join(".wain");
    let outputs = request.outputs.iter().filter_map(output_path).map(Path::to_owned);
    outputs.chain([ours]).chain(request.report.clone()).chain(session.machine.cache.clone()).collect()
}

fn output_path(output: &Output) -> Option<&Path> {
    match output {
        Output::Layout(path) | Output::Archive(path) => Some(path),
        Output::Stdout | Output::Docker | Output::Registry => None,
    }
}
