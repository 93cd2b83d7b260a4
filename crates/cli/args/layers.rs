use clap::Args;
use wainwright_oci::{Compression, Lazy};

use super::parse::with_hint;

/// Number, format and compression of layers.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Layers")]
pub(crate) struct LayerArguments {
    /// Maximum number of layers on top of the base, 3 to 127 [default: 40]
    ///
    /// Large wheels get one layer each, small wheels share layers, so that a changed package changes one layer. More
    /// layers make uploads smaller; fewer layers suit a registry with a high cost per layer.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(3..=127))]
    pub(crate) max_layers: Option<u8>,

    /// Compression of layers: splice, gzip[:1-9], zstd[:1-19] or none [default: splice]
    ///
    /// `splice` writes gzip from the compressed data in the wheels and is by far the fastest. `gzip` (level 6) and `zstd`
    /// (level 3) compress again. Docker reads zstd from version 23 on. Layers of a base image are not changed.
    #[arg(long, value_name = "HOW", value_parser = parse_compression)]
    pub(crate) compression: Option<Compression>,

    /// Format for lazy pulling: estargz or no [default: no]
    ///
    /// `estargz` adds a table of contents to gzip, for containerd's stargz snapshotter and podman's partial pulls: a
    /// container starts before its layers are fetched. Other tools read the layers as ordinary gzip with several members.
    /// Layers grow by up to a tenth, and the image has two more small files in `/`.
    #[arg(long, value_name = "HOW", value_parser = parse_lazy)]
    pub(crate) lazy: Option<Lazy>,
}

fn parse_lazy(text: &str) -> Result<Lazy, String> {
    text.parse().map_err(with_hint::<wainwright_oci::Error>)
}

fn parse_compression(text: &str) -> Result<Compression, String> {
    text.parse().map_err(with_hint::<wainwright_oci::Error>)
}
