use std::collections::BTreeMap;
use std::path::Path;

use wainwright_http::Secret;
use wainwright_python::{PackageName, PythonVersion};

use crate::Inputs;

/// What is asked of uv.
pub struct Question<'a> {
    /// The folder of the project.
    pub root: &'a Path,
    /// What to resolve.
    pub inputs: &'a Inputs,
    /// The oldest Python that packages have to fit.
    pub python: PythonVersion,
    /// A lockfile whose versions are kept where they still fit.
    pub before: Option<&'a Path>,
    /// Which versions are not kept.
    pub upgrade: &'a Upgrade,
    /// Whether no index is asked; uv has no variable for it.
    pub no_index: bool,
    /// Files that were uploaded later do not count; it is in `vars` too.
    pub exclude_newer: Option<&'a str>,
    /// The environment, with what uv has to know of indexes in it. Passwords are in here and nowhere else.
    pub vars: &'a BTreeMap<String, String>,
    /// What must not be repeated when uv fails.
    pub passwords: &'a [Secret],
    /// An empty folder for uv's answer.
    pub scratch: &'a Path,
}

/// Which versions of a lockfile are asked for again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Upgrade {
    /// None that fits.
    #[default]
    Nothing,
    /// These packages.
    Packages(Vec<PackageName>),
    /// All.
    Everything,
}
