use std::sync::Arc;

use wainwright_project::Project;
use wainwright_resolve::Upgrade;

use super::base::resolve_base;
use super::packages::Packages;
use super::wain_lock::WainLock;
use crate::expand::package_selections;
use crate::{Error, Pinning, Request, Session};

/// Pins the base of a project in `wain.lock`, and its requirements in `pylock.toml` where no other lockfile does; those of the
/// components of a workflow in `wain.lock` too. Returns whether anything changed.
///
/// Pins that still answer are kept; `upgrade` says which are renewed. Lockfiles of other tools are left alone.
///
/// # Errors
/// When something cannot be resolved, or a file cannot be written.
pub async fn lock(
    request: &Request,
    project: &Arc<Project>,
    upgrade: &Upgrade,
    session: &Arc<Session>,
) -> Result<bool, Error> {
    let mut request = request.clone();
    request.pinning = Pinning::Always;
    let before = WainLock::read(&request.root)?;
    // Nothing is lost when the archive does not answer: the file is written last.
    let pins = (*upgrade == Upgrade::Everything).then(|| before.without_bases());
    let mut packages = match request.workflow {
        Some(_) => Packages::open(&request, project, session)?,
        None => Packages::find(&request, project, session)?,
    };
    let session = packages.session();
    if let (Upgrade::Packages(_), None, None) = (upgrade, packages.unlocked(), &request.workflow) {
        let file = wainwright_lock::find(&project.root).map_or(project.root.clone(), |(_, file)| file);
        return Err(Error::NotOurLock { file });
    }
    let bases = resolve_base(&request, project, pins, &session).await?;
    let selections = package_selections(&request, project);
    let is_locked = packages.complete(&selections, &bases, upgrade, &request).await?;
    Ok(is_locked || WainLock::read(&request.root)? != before)
}
