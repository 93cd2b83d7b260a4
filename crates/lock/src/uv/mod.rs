//! `uv.lock`: one resolution for all platforms, with the markers that choose among it.

mod files;
mod graph;
mod stale;
mod walk;
mod wire;

use wainwright_python::{Target, VersionSpecifiers};

use crate::content::Content;
use crate::text::Text;
use crate::{Error, LocalMember, LockedPackage, ProjectRequirements, Selection};
use graph::Graph;

/// Reads the text of a `uv.lock`.
pub(crate) fn read(text: Text) -> Result<Box<dyn Content>, Error> {
    let document = wire::read(&text)?;
    Ok(Box::new(Graph::new(&text, document)?))
}

impl Content for Graph {
    fn packages(&self, selection: &Selection, target: &Target) -> Result<Vec<LockedPackage>, Error> {
        let needed = walk::walk(self, selection, target)?;
        files::packages(self, &needed)
    }

    fn local_members(&self, selection: &Selection, target: &Target) -> Result<Vec<LocalMember>, Error> {
        let needed = walk::walk(self, selection, target)?;
        Ok(files::local_members(self, &needed))
    }

    fn requires_python(&self) -> Option<&VersionSpecifiers> {
        self.requires_python.as_ref()
    }

    fn check_matches(&self, project: &ProjectRequirements) -> Result<(), Error> {
        stale::check(self, project)
    }
}
