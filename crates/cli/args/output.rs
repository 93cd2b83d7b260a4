use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use wainwright_engine::Output;
use wainwright_oci::Reference;

use super::parse::with_hint;
use crate::units::{Limit, parse_limit};

/// The names and outputs of images.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArguments {
    /// Image name, NAME:TAG (may be repeated) [default: the name of the project]
    #[arg(long, short, value_name = "REF", value_parser = parse_reference)]
    pub(crate) tag: Vec<Reference>,

    /// Output: layout:DIR, archive:FILE, archive:- (stdout), docker or registry (may be repeated) [default: layout:.wain/image]
    ///
    /// For a workflow, images are written to DIR/COMPONENT or FILE/COMPONENT.tar [default: layout:.wain/images]. A plain
    /// folder such as `build/` is allowed for workflows only: layouts are written to build/images, files of --export to
    /// build/FORMAT.
    #[arg(long, short, value_name = "WHERE", value_parser = parse_output)]
    pub(crate) output: Vec<OutputArgument>,

    /// Load the image into Docker (same as --output docker)
    #[arg(long)]
    pub(crate) load: bool,

    /// Push the image to the registry of each --tag (same as --output registry)
    ///
    /// Uses the credentials of `wain login`, `docker login` or `podman login`. Environment variables for one registry take
    /// precedence: for `ghcr.io`, WAIN_REGISTRY_USER_GHCR_IO and WAIN_REGISTRY_PASSWORD_GHCR_IO. Tags are set last and
    /// confirmed with the registry.
    #[arg(long)]
    pub(crate) push: bool,
}

/// The report of a build, and the limit on its images.
#[derive(Args, Clone)]
#[command(next_help_heading = "Output")]
pub(crate) struct ReportArguments {
    /// Write a JSON report: digests, layers, sizes, times
    ///
    /// `-` prints the report on standard output, in place of the digest. FILE must not be a file that the build writes.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) metadata_file: Option<PathBuf>,

    /// Fail if an image is larger than SIZE, for example 100MB; no output is written and no tag is set
    ///
    /// The size of an image is that of its compressed layers, including the base. The error lists the largest layers.
    #[arg(long, value_name = "SIZE", value_parser = parse_limit)]
    pub(crate) size_limit: Option<Limit>,
}

/// A value of `--output`.
#[derive(Clone, Debug)]
pub(crate) enum OutputArgument {
    /// An output of images.
    Where(Output),
    /// A folder for the images and files of a workflow.
    Folder(PathBuf),
}

fn parse_output(text: &str) -> Result<OutputArgument, String> {
    if !text.contains(':') && (text.ends_with('/') || Path::new(text).is_dir()) {
        return Ok(OutputArgument::Folder(text.into()));
    }
    let output = text.parse().map_err(with_hint::<wainwright_engine::Error>);
    Ok(OutputArgument::Where(output?))
}

/// An output of `wain pull`.
pub(crate) fn parse_place(text: &str) -> Result<Output, String> {
    match parse_output(text)? {
        OutputArgument::Folder(folder) => {
            Err(format!("`{0}` is not an output\n  hint: use `layout:{0}`", folder.display()))
        }
        OutputArgument::Where(Output::Registry) => {
            Err("cannot pull to a registry; use `wain copy` to copy between registries".into())
        }
        OutputArgument::Where(output) => Ok(output),
    }
}

/// A name for a new image. Its digest is known only after the build.
fn parse_reference(text: &str) -> Result<Reference, String> {
    let reference: Reference = text.parse().map_err(with_hint::<wainwright_oci::Error>)?;
    if reference.digest().is_some() {
        return Err("a name for a new image cannot have a digest; use NAME:TAG".into());
    }
    Ok(reference)
}
