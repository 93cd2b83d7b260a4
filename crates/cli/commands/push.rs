use clap::{Args, ValueHint};
use wainwright_engine::Subject;
use wainwright_oci::Reference;

use crate::args::{MachineArguments, parse_any_reference, parse_local};
use crate::run::deliver::deliver;

const EXAMPLES: &str = "\
Examples:
  wain push last ghcr.io/acme/api:1.4          the last build in this folder
  wain push layout:out:1 ghcr.io/acme/api:1.4 ghcr.io/acme/api:latest
  wain push archive:api.tar registry.example/api:1.4";

/// Push an image on this machine to a registry
///
/// Pushes the image as it is, under one or more names; the digest stays the same. Blobs that the registry has are not
/// sent. Tags are set last and confirmed with the registry.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Push {
    /// Image: layout:DIR[:TAG], archive:FILE[:TAG], last or last:DIR
    ///
    /// `last` is the last build of the project in this folder, `last:DIR` of that in DIR; the cache remembers both. An
    /// archive can also be a file from `docker save`.
    #[arg(value_name = "SOURCE", value_parser = parse_local, value_hint = ValueHint::AnyPath)]
    pub(crate) source: Subject,

    /// Target names, like registry.example/team/name:tag
    #[arg(required = true, value_name = "REF", value_parser = parse_any_reference)]
    pub(crate) names: Vec<Reference>,

    #[command(flatten)]
    pub(crate) machine: MachineArguments,
}

/// `wain push`
pub(crate) fn push(arguments: &Push) -> u8 {
    deliver(&arguments.machine, &[], async |session| {
        wainwright_engine::push(&arguments.source, &arguments.names, session).await
    })
}
