use clap::Args;
use wainwright_engine::Output;
use wainwright_oci::{Platform, Reference};

use crate::args::{MachineArguments, parse_any_reference, parse_place, parse_platform};
use crate::run::deliver::deliver;

const EXAMPLES: &str = "\
Examples:
  wain pull ghcr.io/acme/api:1.4 --output layout:api
  wain pull ghcr.io/acme/api:1.4 --output archive:api.tar --platform linux/arm64
  wain pull ghcr.io/acme/api:1.4 --output docker";

/// Pull an image from a registry to disk or into Docker
///
/// All digests stay the same. An index is pulled with all platforms and attestations, unless --platform selects one image.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Pull {
    /// Image, like registry.example/team/name:tag or name@sha256:...
    #[arg(value_name = "REF", value_parser = parse_any_reference)]
    pub(crate) reference: Reference,

    /// Output: layout:DIR, archive:FILE, archive:- (stdout) or docker (may be repeated)
    #[arg(long, short, required = true, value_name = "WHERE", value_parser = parse_place)]
    pub(crate) output: Vec<Output>,

    /// Platform to pull from an index [default: all; with only the output docker, this machine's]
    #[arg(long, value_name = "PLATFORM", value_parser = parse_platform)]
    pub(crate) platform: Option<Platform>,

    #[command(flatten)]
    pub(crate) machine: MachineArguments,
}

/// `wain pull`
pub(crate) fn pull(arguments: &Pull) -> u8 {
    let pull = wainwright_engine::Pull {
        reference: arguments.reference.clone(),
        outputs: arguments.output.clone(),
        platform: arguments.platform.clone(),
    };
    deliver(&arguments.machine, &pull.outputs, async |session| wainwright_engine::pull(&pull, session).await)
}
