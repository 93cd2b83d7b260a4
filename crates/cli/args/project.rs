use std::path::PathBuf;

use clap::{Args, ValueHint};
use wainwright_python::{PackageName, PythonVersion};

use super::parse::{parse_name, parse_python};

/// Which project, and which part of it.
#[derive(Args, Clone)]
#[command(next_help_heading = "Project")]
pub(crate) struct ProjectArguments {
    /// The folder of the project
    #[arg(help_heading = None, default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) path: PathBuf,

    /// Python version, when nothing else decides
    #[arg(long, value_name = "X.Y", value_parser = parse_python)]
    pub(crate) python: Option<PythonVersion>,

    /// Install an extra of the project (may be repeated)
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub(crate) extra: Vec<PackageName>,

    /// Install all extras of the project
    #[arg(long)]
    pub(crate) all_extras: bool,

    /// Install a dependency group, `dev` among them (may be repeated)
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub(crate) group: Vec<PackageName>,

    /// Install all dependency groups
    #[arg(long)]
    pub(crate) all_groups: bool,

    /// Refuse to write wain.lock and pylock.toml: everything has to be pinned
    #[arg(long)]
    pub(crate) locked: bool,
}
