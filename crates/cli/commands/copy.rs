use clap::Args;
use wainwright_oci::Reference;

use crate::args::{MachineArguments, parse_any_reference};
use crate::run::deliver::deliver;

/// Copy an image between repositories
///
/// An index comes with all that is below it, attestations too, and keeps its digest. Within one registry nothing is
/// fetched; between registries, only what the target lacks passes through here. The tag moves last.
#[derive(Args)]
#[command(after_help = "Example: wain copy ghcr.io/acme/api:1.4 registry.example/mirror/api:1.4")]
pub(crate) struct Copy {
    /// The image, as `registry.example/team/name:tag` or with `@sha256:...`
    #[arg(value_name = "FROM", value_parser = parse_any_reference)]
    pub(crate) from: Reference,

    /// Names to copy it to
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
