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
/// What was not wanted for a season is not missed.
pub(crate) const MAX_AGE: &str = "90d";
pub(crate) const LOCK_TIMEOUT: &str = "60s";

/// Where files are kept between builds.
#[derive(Args, Clone)]
#[command(next_help_heading = "Cache")]
pub(crate) struct CacheArguments {
    /// Keep nothing for the next build
    #[arg(long)]
    pub(crate) no_cache: bool,

    /// Where to keep wheels and layers between builds [default: wainwright in the user's cache folder]
    #[arg(long, value_name = "DIR", env = "WAIN_CACHE_DIR", hide_env_values = true, value_hint = ValueHint::DirPath)]
    pub(crate) cache_dir: Option<PathBuf>,

    /// How long to wait while another process removes files from the cache
    #[arg(long, value_name = "TIME", default_value = LOCK_TIMEOUT, value_parser = parse_time)]
    pub(crate) lock_timeout: Duration,
}

/// How much is kept when a command ends.
#[derive(Args, Clone)]
#[command(next_help_heading = "Cache")]
pub(crate) struct CacheLimitArguments {
    /// How large the cache may become: a size like 20GiB, or `none` for any
    ///
    /// When a build ends and the cache is larger, what was unused for the longest time is removed.
    #[arg(long, value_name = "SIZE", env = "WAIN_CACHE_MAX_SIZE", hide_env_values = true, default_value = MAX_SIZE,
        value_parser = parse_limit)]
    pub(crate) cache_max_size: Limit,

    /// For how long files of the cache may be unused: a time like 30d, or `none` for ever
    #[arg(long, value_name = "TIME", env = "WAIN_CACHE_MAX_AGE", hide_env_values = true, default_value = MAX_AGE,
        value_parser = parse_age)]
    pub(crate) cache_max_age: Age,
}

impl CacheLimitArguments {
    pub(crate) fn limits(&self) -> Limits {
        Limits { size: self.cache_max_size.0, age: self.cache_max_age.0 }
    }
}

/// The caches in registries that are read.
#[derive(Args, Clone)]
#[command(next_help_heading = "Cache")]
pub(crate) struct CacheFromArguments {
    /// Cache in a registry to take layers from, `REGISTRY/REPO[:TAG]` (may be repeated)
    ///
    /// What another build told with --cache-to is neither fetched nor made here: the registry mounts the layers when the
    /// image is pushed to it, and gives them where they are wanted elsewhere. A cache that cannot be read is told about, and
    /// everything is made. Without a tag, `wain-cache` is meant.
    #[arg(long, value_name = "REF", value_parser = parse_cache)]
    pub(crate) cache_from: Vec<Reference>,

    /// Which layers of a cache are made here all the same, and compared: all, sample or none
    ///
    /// `sample` is one of fifty, other ones each time. A cache that lies is an error, and nothing is delivered.
    #[arg(long, value_name = "HOW", default_value_t = Check::Sample, value_parser = parse_check)]
    pub(crate) cache_verify: Check,
}

impl CacheFromArguments {
    pub(crate) fn caches(&self) -> Caches {
        Caches { from: self.cache_from.clone(), to: None, check: self.cache_verify }
    }
}

/// The cache in a registry that is written.
#[derive(Args, Clone)]
#[command(next_help_heading = "Cache")]
pub(crate) struct CacheToArguments {
    /// Cache in a registry to tell which layers there are now, `REGISTRY/REPO[:TAG]`
    ///
    /// Afterwards `--cache-from` finds them on any machine. The layers are put into that repository, or mounted there. When
    /// that fails the image is delivered already, and the exit code says that the cache is not.
    #[arg(long, value_name = "REF", value_parser = parse_own_cache, conflicts_with = "offline")]
    pub(crate) cache_to: Option<Reference>,
}

/// A cache to read.
fn parse_cache(text: &str) -> Result<Reference, String> {
    wainwright_engine::cache_reference(text).map_err(with_hint)
}

/// A cache to write.
fn parse_own_cache(text: &str) -> Result<Reference, String> {
    let reference = parse_cache(text)?;
    match reference.digest() {
        Some(_) => Err("a cache that is written has a tag, not a digest".into()),
        None => Ok(reference),
    }
}

fn parse_check(text: &str) -> Result<Check, String> {
    text.parse()
}
