use clap::{Args, ValueHint};
use wainwright_engine::Base;
use wainwright_oci::Platform;

use super::parse::{parse_platform, with_hint};

/// What images are built on, and for which platforms.
#[derive(Args, Clone)]
#[command(next_help_heading = "Base")]
pub(crate) struct BaseArguments {
    /// What to build on: debian:SUITE, layout:DIR, archive:FILE or an image in a registry
    ///
    /// `debian:trixie` (Python 3.13) and `debian:bookworm` (3.11) are assembled from the signed Debian archive. The
    /// default is the newest of them whose Python fits requires-python. `layout:DIR[:TAG]` and `archive:FILE[:TAG]` take
    /// any OCI or Docker image; anything else is a reference like `ghcr.io/acme/python:3.13`, pinned in wain.lock.
    #[arg(long, value_name = "BASE", value_parser = parse_base)]
    pub(crate) base: Option<Base>,

    /// Platforms to build for, with commas between them [default: this machine's]
    ///
    /// Several give an image index. Nothing is emulated: wheels are chosen for each platform.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_platform)]
    pub(crate) platform: Vec<Platform>,

    /// Debian archive to use [default: the one apt uses here, else Debian's]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) mirror: Option<String>,
}

fn parse_base(text: &str) -> Result<Base, String> {
    text.parse().map_err(with_hint::<wainwright_engine::Error>)
}
