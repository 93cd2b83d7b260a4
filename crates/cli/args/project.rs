use std::path::PathBuf;

use clap::{Args, ValueHint};
use wainwright_python::{PackageName, PythonVersion};

use super::parse::{parse_name, parse_python};

/// The project, and which of its dependencies are installed.
#[derive(Args, Clone)]
#[command(next_help_heading = "Project")]
pub(crate) struct ProjectArguments {
    /// Project folder
    #[arg(help_heading = None, default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) path: PathBuf,

    /// Python version of the default base; ignored if a base is given
    #[arg(long, value_name = "X.Y", value_parser = parse_python)]
    pub(crate) python: Option<PythonVersion>,

    /// Install this extra of the project (may be repeated)
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub(crate) extra: Vec<PackageName>,

    /// Install all extras of the project
    #[arg(long)]
    pub(crate) all_extras: bool,

    /// Install this dependency group, for example `dev` (may be repeated)
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub(crate) group: Vec<PackageName>,

    /// Install all dependency groups
    #[arg(long)]
    pub(crate) all_groups: bool,

    /// Fail if wain.lock or pylock.toml is missing or out of date
    ///
    /// Neither file is written. Use it in CI, so that a build uses exactly what was committed.
    #[arg(long)]
    pub(crate) locked: bool,
}
