use std::collections::BTreeSet;
use std::time::Duration;

use clap::{Args, ValueHint};
use wainwright_engine::{AllowedClash, BuildSdists};
use wainwright_python::{Bytecode, PackageName, Slim};

use super::parse::parse_name;
use crate::units::parse_time;

/// Compilers of large extensions take their time.
const BUILD_TIMEOUT: &str = "60m";
/// What an option with a list of names takes for all of them.
const ALL: &str = ":all:";

/// Where packages come from.
#[derive(Args, Clone)]
#[command(next_help_heading = "Packages")]
pub(crate) struct IndexArguments {
    /// Package index to use instead of the configured one
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) index_url: Option<String>,

    /// Package index to ask besides (may be repeated)
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) extra_index_url: Vec<String>,

    /// Folder or page with wheels to look at first (may be repeated)
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) find_links: Vec<String>,

    /// Ask no package index, only --find-links
    #[arg(long)]
    pub(crate) no_index: bool,

    /// Resolve to nothing that was uploaded later: 2026-11-01T00:00:00Z, or "7 days" ago
    ///
    /// Counts where there is no lockfile yet, or one that `wain` made; a day or a time, or a span before now, as uv takes it.
    /// It needs an index that tells when files were uploaded.
    #[arg(long, value_name = "TIME")]
    pub(crate) exclude_newer: Option<String>,
}

/// What is built and installed of packages.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Packages")]
pub(crate) struct WheelArguments {
    /// Build wheels of source distributions and git commits here: of all that need it, or of these packages
    ///
    /// Runs their code, by their build backends, without your environment; docs/python.md says what it sees. Without this,
    /// packages without a fitting wheel are refused. Folders that the project depends on are put together without running
    /// code where that can be; those that are named here are built by their backends. Also: build-sdists in the settings.
    #[arg(long, value_name = "NAMES", num_args = 0..=1, require_equals = true, default_missing_value = ALL,
        value_delimiter = ',', value_parser = parse_name_or_all)]
    pub(crate) build_sdists: Vec<NameOrAll>,

    /// Whose file stays where packages own one path with different contents (may be repeated)
    ///
    /// `PACKAGE`, wherever it clashes, or `/PATH/IN/THE/IMAGE=PACKAGE` for one path. The first that fits decides; the other
    /// packages are installed without that file. Without this, E-CLASH refuses such packages.
    #[arg(long, value_name = "OWNER")]
    pub(crate) allow_clash: Vec<AllowedClash>,

    /// Refuse wheels with a module that cannot be imported for want of a library
    ///
    /// Without this it is a warning: wheels hold modules that many programs never import. Modules of another processor, and
    /// those that need a newer C library than the base has, are refused always.
    #[arg(long)]
    pub(crate) strict_native: bool,

    /// Leave kinds of files out of packages: all, or some of docs, examples, headers, locales, pycache, sources, static-libraries, tests, type-stubs
    ///
    /// What is left out has no row in RECORD, and every build tells how much it is. Never what describes a package, scripts, or
    /// what entry points name. A package that reads such files when it runs breaks: try the image (docs/python.md has the
    /// rules). Also: slim in the settings.
    #[arg(long, value_name = "KINDS", num_args = 0..=1, require_equals = true, default_missing_value = ALL,
        value_delimiter = ',', value_parser = parse_slim)]
    pub(crate) slim: Vec<SlimArgument>,

    /// Compile the modules of wheels: none or unchecked-hash [default: none]
    ///
    /// For containers that start often and cannot write: without bytecode, Python compiles what it imports at every start.
    /// Compiled by the base's own Python, into layers of their own; the image grows by about a quarter.
    #[arg(long, value_name = "HOW")]
    pub(crate) bytecode: Option<Bytecode>,
}

/// How build backends run.
#[derive(Args, Clone)]
#[command(next_help_heading = "Packages")]
pub(crate) struct BackendArguments {
    /// How long a build backend may take, as 30m
    #[arg(long, value_name = "TIME", default_value = BUILD_TIMEOUT, value_parser = parse_time)]
    pub(crate) build_timeout: Duration,
}

impl WheelArguments {
    /// Whose sources may be built.
    pub(crate) fn build_sdists(&self) -> BuildSdists {
        let names = self.build_sdists.iter().map(|word| match word {
            NameOrAll::All => None,
            NameOrAll::Name(name) => Some(name.clone()),
        });
        names.collect::<Option<_>>().map_or(BuildSdists::All, BuildSdists::Only)
    }

    /// Which kinds of files packages go without.
    pub(crate) fn slim(&self) -> BTreeSet<Slim> {
        self.slim.iter().flat_map(|SlimArgument(kinds)| kinds.iter().copied()).collect()
    }
}

/// A package, or all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NameOrAll {
    /// `:all:`
    All,
    /// This one.
    Name(PackageName),
}

fn parse_name_or_all(text: &str) -> Result<NameOrAll, String> {
    match text {
        ALL => Ok(NameOrAll::All),
        text => parse_name(text).map(NameOrAll::Name),
    }
}

/// A word of `--slim`: a kind of files, or all of them.
#[derive(Clone, Debug)]
pub(crate) struct SlimArgument(pub(crate) Vec<Slim>);

fn parse_slim(text: &str) -> Result<SlimArgument, String> {
    match text {
        ALL => Ok(SlimArgument(Slim::ALL.to_vec())),
        kind => kind
            .parse()
            .map(|kind| SlimArgument(vec![kind]))
            .map_err(|error: wainwright_python::Error| error.to_string()),
    }
}
