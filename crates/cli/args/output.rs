use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use wainwright_engine::Output;
use wainwright_oci::Reference;

use super::parse::with_hint;
use crate::units::{Limit, parse_limit};

/// Names and outputs of images.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArguments {
    /// Name for the image, `name:tag` (may be repeated) [default: the project's name]
    #[arg(long, short, value_name = "REF", value_parser = parse_reference)]
    pub(crate) tag: Vec<Reference>,

    /// Where the image goes: layout:DIR, archive:FILE, archive:-, docker or registry (may be repeated) [default: layout:.wain/image]
    ///
    /// The images of a workflow go to DIR/COMPONENT and FILE/COMPONENT.tar [default: layout:.wain/images]. A folder alone, `build/`, is
    /// for all of a workflow: layouts go to build/images, and what --export writes beside them.
    #[arg(long, short, value_name = "WHERE", value_parser = parse_output)]
    pub(crate) output: Vec<OutputArgument>,

    /// Load the image into Docker; short for --output docker
    #[arg(long)]
    pub(crate) load: bool,

    /// Push the image to the registry of every --tag; short for --output registry
    ///
    /// Credentials are those of `docker login` and `podman login`. In front of them go variables for one registry, for `ghcr.io`
    /// `WAIN_REGISTRY_USER_GHCR_IO` and `WAIN_REGISTRY_PASSWORD_GHCR_IO`. Tags move last, and the registry is asked afterwards.
    #[arg(long)]
    pub(crate) push: bool,
}

/// What a build reports and refuses.
#[derive(Args, Clone)]
#[command(next_help_heading = "Output")]
pub(crate) struct ReportArguments {
    /// Write a report as JSON: digests, layers, sizes, times
    ///
    /// `-` is standard output, which then has the report in the place of the digest. A file that the build writes itself
    /// is refused.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) metadata_file: Option<PathBuf>,

    /// Fail when an image is larger than this, as 100MB: nothing is delivered, and no tag moves
    ///
    /// The sizes of all layers count, compressed, those of the base among them. The error names the largest.
    #[arg(long, value_name = "SIZE", value_parser = parse_limit)]
    pub(crate) size_limit: Option<Limit>,
}

/// What `--output` names.
#[derive(Clone, Debug)]
pub(crate) enum OutputArgument {
    /// Where images go.
    Where(Output),
    /// A folder for all of a workflow.
    Folder(PathBuf),
}

fn parse_output(text: &str) -> Result<OutputArgument, String> {
    if !text.contains(':') && (text.ends_with('/') || Path::new(text).is_dir()) {
        return Ok(OutputArgument::Folder(text.into()));
    }
    let output = text.parse().map_err(with_hint::<wainwright_engine::Error>);
    Ok(OutputArgument::Where(output?))
}

/// Where a pull may go.
pub(crate) fn parse_place(text: &str) -> Result<Output, String> {
    match parse_output(text)? {
        OutputArgument::Folder(folder) => {
            Err(format!("`{0}` is no output\n  hint: write `layout:{0}`", folder.display()))
        }
        OutputArgument::Where(Output::Registry) => {
            Err("from registry to registry it goes with `wain copy`".into())
        }
        OutputArgument::Where(output) => Ok(output),
    }
}

/// A name for an image. A digest would be a promise that only a finished build can make.
fn parse_reference(text: &str) -> Result<Reference, String> {
    let reference: Reference = text.parse().map_err(with_hint::<wainwright_oci::Error>)?;
    if reference.digest().is_some() {
        return Err("a name with a digest cannot be given to a new image; write it as `name:tag`".into());
    }
    Ok(reference)
}
