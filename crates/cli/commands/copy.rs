use clap::Args;
use wainwright_oci::Reference;

use crate::args::{MachineArguments, parse_any_reference};
use crate::run::deliver::deliver;

/// Copy an image between repositories
///
/// All digests stay the same. An index is copied with all platforms and attestations. Within a registry, blobs are mounted
/// and not transferred; between registries, only blobs that the target lacks are transferred. Tags are set last.
#[derive(Args)]
#[command(after_help = "Example: wain copy ghcr.io/acme/api:1.4 registry.example/mirror/api:1.4")]
pub(crate) struct Copy {
    /// Image, like registry.example/team/name:tag or name@sha256:...
    #[arg(value_name = "FROM", value_parser = parse_any_reference)]
    pub(crate) from: Reference,

    /// Target names
    #[arg(required = true, value_name = "TO", value_parser = parse_any_reference)]
    pub(crate) names: Vec<Reference>,

    #[command(flatten)]
    pub(crate) machine: MachineArguments,
}

/// `wain copy`
pub(crate) fn copy(arguments: &Copy) -> u8 {
    deliver(&arguments.machine, &[], async |session| {
        wainwright_engine::copy(&arguments.from, &arguments.names, session).await
    })
}
