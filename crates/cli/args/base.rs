use clap::{Args, ValueHint};
use wainwright_engine::Base;
use wainwright_oci::Platform;

use super::parse::{parse_platform, with_hint};

/// The base image and the platforms.
#[derive(Args, Clone)]
#[command(next_help_heading = "Base")]
pub(crate) struct BaseArguments {
    /// Base image: debian:SUITE, layout:DIR, archive:FILE or a registry reference [default: the newest fitting Debian]
    ///
    /// `debian:trixie` (Python 3.13) and `debian:bookworm` (Python 3.11) are assembled from the signed Debian archive. The
    /// default is the newest of the two whose Python satisfies requires-python. `layout:DIR[:TAG]` and `archive:FILE[:TAG]`
    /// read any OCI or Docker image from disk. Anything else is a registry reference such as `ghcr.io/acme/python:3.13`;
    /// its digest is pinned in wain.lock.
    #[arg(long, value_name = "BASE", value_parser = parse_base)]
    pub(crate) base: Option<Base>,

    /// Target platforms, separated by commas [default: this machine's]
    ///
    /// Several platforms produce an image index. Nothing is emulated: wheels are selected for each platform.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_platform)]
    pub(crate) platform: Vec<Platform>,

    /// Debian archive [default: the one in this machine's apt sources, else deb.debian.org]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) mirror: Option<String>,
}

fn parse_base(text: &str) -> Result<Base, String> {
    text.parse().map_err(with_hint::<wainwright_engine::Error>)
}
