use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use wainwright_store::Limits;

use super::caches::{CacheArguments, CacheLimitArguments};
use super::parse::parse_host;

/// The default number of parallel downloads.
const CONNECTIONS: u16 = 16;

/// Access to registries and package indexes.
#[derive(Args, Clone)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkArguments {
    /// Do not use the network
    #[arg(long)]
    pub(crate) offline: bool,

    /// Allow plain HTTP to this registry, HOST[:PORT] (may be repeated); always allowed for loopback addresses
    #[arg(long, value_name = "HOST", value_parser = parse_host)]
    pub(crate) insecure_registry: Vec<String>,

    /// Additional certificate authority, a PEM file (may be repeated)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ca_cert: Vec<PathBuf>,
}

/// The number of downloads at a time.
#[derive(Args, Clone)]
#[command(next_help_heading = "Network")]
pub(crate) struct TransferArguments {
    /// Number of parallel downloads
    #[arg(long, value_name = "N", default_value_t = CONNECTIONS, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) connections: u16,
}

/// The number of layers at a time.
#[derive(Args, Clone)]
#[command(next_help_heading = "Machine")]
pub(crate) struct JobsArguments {
    /// Number of layers to build in parallel [default: the number of processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
}

/// The display of progress.
#[derive(Args, Clone)]
#[command(next_help_heading = "Machine")]
pub(crate) struct DisplayArguments {
    /// Display of progress on standard error
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Progress::Auto)]
    pub(crate) progress: Progress,
}

/// The options of a command that transfers packages or layers and caches them.
#[derive(Args, Clone)]
pub(crate) struct MachineArguments {
    #[command(flatten)]
    pub(crate) cache: CacheArguments,

    #[command(flatten)]
    pub(crate) limits: CacheLimitArguments,

    #[command(flatten)]
    pub(crate) network: NetworkArguments,

    #[command(flatten)]
    pub(crate) transfer: TransferArguments,

    #[command(flatten)]
    pub(crate) display: DisplayArguments,
}

impl MachineArguments {
    pub(crate) fn setup(&self, jobs: Option<u16>) -> Setup<'_> {
        Setup {
            network: Some(&self.network),
            cache: Some(&self.cache),
            connections: self.transfer.connections,
            jobs,
            progress: self.display.progress,
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits.limits()
    }
}

/// The options of a command that talks to a registry and caches nothing.
#[derive(Args, Clone)]
pub(crate) struct RemoteArguments {
    #[command(flatten)]
    pub(crate) network: NetworkArguments,

    #[command(flatten)]
    pub(crate) display: DisplayArguments,
}

impl RemoteArguments {
    pub(crate) fn setup(&self) -> Setup<'_> {
        Setup { network: Some(&self.network), progress: self.display.progress, ..Setup::default() }
    }
}

/// The machine options of a command; `None` if it has no such options.
pub(crate) struct Setup<'a> {
    pub(crate) network: Option<&'a NetworkArguments>,
    pub(crate) cache: Option<&'a CacheArguments>,
    pub(crate) connections: u16,
    pub(crate) jobs: Option<u16>,
    pub(crate) progress: Progress,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self { network: None, cache: None, connections: CONNECTIONS, jobs: None, progress: Progress::Auto }
    }
}

impl Setup<'_> {
    /// Whether the command uses the cache.
    pub(crate) fn keeps_cache(&self) -> bool {
        self.cache.is_some_and(|cache| !cache.no_cache)
    }
}

/// The display of progress, on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// Live view on a terminal, otherwise lines
    Auto,
    /// Live view
    Tty,
    /// One line per event
    Plain,
    /// One JSON object per event and line
    Json,
    /// Errors only
    Quiet,
}
