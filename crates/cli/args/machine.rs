use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use wainwright_store::Limits;

use super::caches::{CacheArguments, CacheLimitArguments};
use super::parse::parse_host;

/// How many downloads run at a time where no option says it.
const CONNECTIONS: u16 = 16;

/// How to reach registries and indexes.
#[derive(Args, Clone)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkArguments {
    /// Do not use the network
    #[arg(long)]
    pub(crate) offline: bool,

    /// Registry that may be spoken to without encryption, `HOST[:PORT]` (may be repeated); loopback always may
    #[arg(long, value_name = "HOST", value_parser = parse_host)]
    pub(crate) insecure_registry: Vec<String>,

    /// Certificate authority to trust besides the usual ones, a PEM file (may be repeated)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ca_cert: Vec<PathBuf>,
}

/// How much is moved at a time.
#[derive(Args, Clone)]
#[command(next_help_heading = "Network")]
pub(crate) struct TransferArguments {
    /// How many downloads to run at a time
    #[arg(long, value_name = "N", default_value_t = CONNECTIONS, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) connections: u16,
}

/// How much is made at a time.
#[derive(Args, Clone)]
#[command(next_help_heading = "Machine")]
pub(crate) struct JobsArguments {
    /// How many layers to make at a time [default: the number of processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
}

/// How to show what happens.
#[derive(Args, Clone)]
#[command(next_help_heading = "Machine")]
pub(crate) struct DisplayArguments {
    /// How to show what happens
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Progress::Auto)]
    pub(crate) progress: Progress,
}

/// What a command takes that moves packages or layers, and keeps them in the cache.
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

/// What a command takes that asks a registry, and keeps nothing.
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

/// What the options of a command say about this machine; `None` where it has no such options.
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
    /// Whether files are to be kept.
    pub(crate) fn keeps_cache(&self) -> bool {
        self.cache.is_some_and(|cache| !cache.no_cache)
    }
}

/// How to show what happens; always on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// A live view on a terminal, lines elsewhere
    Auto,
    /// A live view
    Tty,
    /// A line for everything that happened
    Plain,
    /// A JSON object on a line for every event
    Json,
    /// Errors only
    Quiet,
}
