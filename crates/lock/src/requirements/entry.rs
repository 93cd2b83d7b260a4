use std::path::PathBuf;

use crate::hash::Hash;
use crate::{Place, Requirement};

/// One requirement and the hashes its file may have.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) requirement: Requirement,
    pub(super) hashes: Vec<Hash>,
    /// The folder relative paths start from.
    pub(super) directory: PathBuf,
    /// The folder of source that it is.
    pub(super) folder: Option<PathBuf>,
    pub(super) place: Place,
}
