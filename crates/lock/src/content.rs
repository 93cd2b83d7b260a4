use std::fmt::Debug;

use wainwright_python::{PythonVersion, Target, Version, VersionSpecifiers};

use crate::{Error, Indexes, LocalMember, LockedPackage, ProjectRequirements, Selection};

/// What each kind of lockfile can tell.
pub(crate) trait Content: Debug + Send + Sync {
    fn packages(&self, selection: &Selection, target: &Target) -> Result<Vec<LockedPackage>, Error>;

    fn local_members(&self, _: &Selection, _: &Target) -> Result<Vec<LocalMember>, Error> {
        Ok(Vec::new())
    }

    fn requires_python(&self) -> Option<&VersionSpecifiers> {
        None
    }

    fn indexes(&self) -> Indexes {
        Indexes::default()
    }

    fn check_matches(&self, _: &ProjectRequirements) -> Result<(), Error> {
        Ok(())
    }

    fn check_fresh(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Whether a Python will do; one whose patch level is not known yet gets the benefit of the doubt.
pub(crate) fn accepts(requires: &VersionSpecifiers, python: PythonVersion) -> bool {
    let patches = python.patch.map_or(0..=u8::MAX, |patch| patch..=patch);
    let [major, minor] = [python.major, python.minor].map(u64::from);
    patches.map(u64::from).any(|patch| requires.contains(&Version::new([major, minor, patch])))
}
