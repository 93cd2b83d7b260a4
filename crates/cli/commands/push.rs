use clap::{Args, ValueHint};
use wainwright_engine::Subject;
use wainwright_oci::Reference;

use crate::args::{MachineArguments, parse_any_reference, parse_local};
use crate::run::deliver::deliver;

const EXAMPLES: &str = "\
Examples:
  wain push last ghcr.io/acme/api:1.4          what `wain build` made last in this folder
  wain push layout:out:1 ghcr.io/acme/api:1.4 ghcr.io/acme/api:latest
  wain push archive:api.tar registry.example/api:1.4";

/// Push an image that is on this machine to a registry
///
/// The same bytes under new names: nothing is built, compressed or written anew. What the registry has is not sent.
/// Blobs go first, then manifests, the index, and tags last; the registry is asked afterwards what they stand for.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Push {
    /// The image: layout:DIR or archive:FILE, with :TAG behind it if needed; last; or last:DIR
    ///
    /// `last` is what was built last from the project in this folder, wherever that went; the cache remembers it.
    /// Archives may be those of `docker save`.
    #[arg(value_name = "SOURCE", value_parser = parse_local, value_hint = ValueHint::AnyPath)]
    pub(crate) source: Subject,

    /// Names to push it to, as `registry.example/team/name:tag`
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
