use clap::Args;
use wainwright_oci::{Compression, Lazy};

use super::parse::with_hint;

/// How layers are cut and compressed.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Layers")]
pub(crate) struct LayerArguments {
    /// Most layers on top of the base, from 3 to 127 [default: 40]
    ///
    /// Large wheels get layers of their own, small ones share some, so that a package that changes brings one layer
    /// along. More layers make smaller uploads; fewer suit registries that are slow for every layer.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(3..=127))]
    pub(crate) max_layers: Option<u8>,

    /// How layers are compressed: splice, gzip[:1-9], zstd[:1-19] or none [default: splice]
    ///
    /// `splice` is gzip made of what wheels hold already, and much faster than the rest. `gzip` (level 6) and `zstd`
    /// (level 3) compress anew; Docker reads zstd from version 23 on. A base that is an image stays as it is.
    #[arg(long, value_name = "HOW", value_parser = parse_compression)]
    pub(crate) compression: Option<Compression>,

    /// Make layers that can be mounted before they were fetched: estargz or no [default: no]
    ///
    /// `estargz` is gzip with a table of contents, for the stargz snapshotter of containerd and for podman's partial
    /// pulls. Everybody else reads the layers as any gzip of several members; they are a tenth larger or less. The folder
    /// `/` gets two small files.
    #[arg(long, value_name = "HOW", value_parser = parse_lazy)]
    pub(crate) lazy: Option<Lazy>,
}

fn parse_lazy(text: &str) -> Result<Lazy, String> {
    text.parse().map_err(with_hint::<wainwright_oci::Error>)
}

fn parse_compression(text: &str) -> Result<Compression, String> {
    text.parse().map_err(with_hint::<wainwright_oci::Error>)
}
