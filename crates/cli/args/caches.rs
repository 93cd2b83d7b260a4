use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use wainwright_engine::{Caches, Check};
use wainwright_oci::Reference;
use wainwright_store::Limits;

use super::parse::with_hint;
use crate::units::{Age, Limit, parse_age, parse_limit, parse_time};

/// Room for the wheels and layers of a few projects, not for the whole disk.
pub(crate) const MAX_SIZE: &str = "10GiB";
/// A file that was not used for three months is unlikely to be used again.
pub(crate) const MAX_AGE: &str = "90d";
pub(crate) const LOCK_TIMEOUT: &str = "60s";

/// The cache on this machine.
#[derive(Args, Clone)]
#[command(next_help_heading = "Cache")]
pub(crate) struct CacheArguments {
    /// Do not use the local cache
    #[arg(long)]
    pub(crate) no_cache: bool,

    /// Folder of the local cache [default: wainwright in the user's cache folder]
    #[arg(long, value_name = "DIR", env = "WAIN_CACHE_DIR", hide_env_values = true, value_hint = ValueHint::DirPath)]
    pub(crate) cache_dir: Option<PathBuf>,

    /// How long to wait for another process that is pruning the cache
    #[arg(long, value_name = "TIME", default_value = LOCK_TIMEOUT, value_parser = parse_time)]
    pub(crate) lock_timeout: Duration,
}

/// The limits of the cache on this machine.
#[derive(Args, Clone)]
#[command(next_help_heading = "Cache")]
pub(crate) struct CacheLimitArguments {
    /// Maximum size of the local cache, for example 20GiB, or `none`
    ///
    /// If the cache is larger when the command ends, the least recently used files are removed.
    #[arg(long, value_name = "SIZE", env = "WAIN_CACHE_MAX_SIZE", hide_env_values = true, default_value = MAX_SIZE,
        value_parser = parse_limit)]
    pub(crate) cache_max_size: Limit,

    /// Remove cached files that were not used for this long, for example 30d, or `none`
    #[arg(long, value_name = "TIME", env = "WAIN_CACHE_MAX_AGE", hide_env_values = true, default_value = MAX_AGE,
        value_parser = parse_age)]
    pub(crate) cache_max_age: Age,
}

impl CacheLimitArguments {
    pub(crate) fn limits(&self) -> Limits {
        Limits { size: self.cache_max_size.0, age: self.cache_max_age.0 }
    }
}

/// The registry caches that are read.
#[derive(Args, Clone)]
#[command(next_help_heading = "Cache")]
pub(crate) struct CacheFromArguments {
    /// Read layers from a registry cache, REGISTRY/REPO[:TAG] (may be repeated)
    ///
    /// Layers that another build added with --cache-to are not built again. They are mounted when the image is pushed to
    /// the same registry, and pulled for any other output. If the cache cannot be read, the build logs a warning and
    /// builds all layers. The default tag is `wain-cache`.
    #[arg(long, value_name = "REF", value_parser = parse_cache)]
    pub(crate) cache_from: Vec<Reference>,

    /// Which layers of a registry cache to build again and compare: all, sample or none
    ///
    /// `sample` checks one in fifty, different ones in each build. A mismatch is an error, and no output is written.
    #[arg(long, value_name = "HOW", default_value_t = Check::Sample, value_parser = parse_check)]
    pub(crate) cache_verify: Check,
}

impl CacheFromArguments {
    pub(crate) fn caches(&self) -> Caches {
        Caches { from: self.cache_from.clone(), to: None, check: self.cache_verify }
    }
}

/// The registry cache that is written.
#[derive(Args, Clone)]
#[command(next_help_heading = "Cache")]
pub(crate) struct CacheToArguments {
    /// Write the layers of this build to a registry cache, REGISTRY/REPO[:TAG]
    ///
    /// Builds on other machines read them with --cache-from. The layers are uploaded to that repository or mounted there,
    /// after the image was delivered. A failure is reported in the exit code; the image stays.
    #[arg(long, value_name = "REF", value_parser = parse_own_cache, conflicts_with = "offline")]
    pub(crate) cache_to: Option<Reference>,
}

/// A registry cache to read.
fn parse_cache(text: &str) -> Result<Reference, String> {
    wainwright_engine::cache_reference(text).map_err(with_hint)
}

/// A registry cache to write.
fn parse_own_cache(text: &str) -> Result<Reference, String> {
    let reference = parse_cache(text)?;
    match reference.digest() {
        Some(_) => Err("a cache to write needs a tag, not a digest".into()),
        None => Ok(reference),
    }
}

fn parse_check(text: &str) -> Result<Check, String> {
    text.parse()
}
