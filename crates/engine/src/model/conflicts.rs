use serde::{Deserialize, Serialize};

/// What the wheels of an image are to each other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FileConflicts {
    /// What is odd about each of them.
    pub(crate) oddities: Vec<String>,
    /// The paths that several own.
    pub(crate) shared: Vec<SharedFile>,
}

/// A path that several packages own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedFile {
    /// The path in the image: `/app/.venv/bin/tool`.
    pub path: String,
    /// File names of the wheels, lowest layer first.
    pub owners: Vec<String>,
    /// The package whose file it is, by the user's decision; `None` where all agree what it holds.
    pub kept: Option<String>,
    /// The packages that are installed without it.
    pub lost: Vec<String>,
}
