use std::sync::Arc;

use crate::Exclusion;

/// What to choose from an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Debian's names of the processors.
    pub architectures: Vec<String>,
    /// Package names, or dependencies as in a control file.
    pub requested: Vec<String>,
    /// What is left out although it is depended on.
    pub excluded: Vec<Exclusion>,
    /// What a system has already, in dpkg's own words (`/var/lib/dpkg/status`); empty where packages start from nothing.
    ///
    /// Of one system, so of one processor; no part of the lock.
    pub installed: Arc<str>,
}

impl Request {
    /// The same question with everything in order: how it was written does not change the answer.
    pub(crate) fn sorted(&self) -> Self {
        let mut sorted = self.clone();
        sorted.architectures.sort();
        sorted.architectures.dedup();
        sorted.requested.sort();
        sorted.requested.dedup();
        sorted.excluded.sort();
        sorted.excluded.dedup();
        sorted
    }
}
