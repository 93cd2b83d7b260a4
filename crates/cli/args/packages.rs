use std::collections::BTreeSet;
use std::time::Duration;

use clap::{Args, ValueHint};
use wainwright_engine::{AllowedClash, BuildSdists};
use wainwright_python::{Bytecode, PackageName, Slim};

use super::parse::parse_name;
use crate::units::parse_time;

/// Long enough to compile a large extension.
const BUILD_TIMEOUT: &str = "60m";
/// The value of an option with a list of names that stands for all names.
const ALL: &str = ":all:";

/// The sources of packages.
#[derive(Args, Clone)]
#[command(next_help_heading = "Packages")]
pub(crate) struct IndexArguments {
    /// Package index, in place of the configured one
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) index_url: Option<String>,

    /// Additional package index (may be repeated)
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) extra_index_url: Vec<String>,

    /// Folder or web page with wheels, searched before the index (may be repeated)
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) find_links: Vec<String>,

    /// Ignore package indexes; use only --find-links
    #[arg(long)]
    pub(crate) no_index: bool,

    /// Ignore files uploaded after TIME: a date, 2026-11-01T00:00:00Z, or an age like "7 days"
    ///
    /// Applies when uv resolves, that is, without a lockfile or with a pylock.toml that `wain` wrote. TIME has the syntax
    /// of uv. The index must report upload times.
    #[arg(long, value_name = "TIME")]
    pub(crate) exclude_newer: Option<String>,
}

/// How packages are built and installed.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Packages")]
pub(crate) struct WheelArguments {
    /// Build wheels from source distributions and git commits: for all packages that need it, or only for NAMES
    ///
    /// This runs code of these packages, their build backends, in a clean environment (docs/python.md describes it).
    /// Without this option, a package without a compatible wheel is an error. Local folders are assembled without
    /// running code if possible; folders named here are built by their backend. Setting: build-sdists.
    #[arg(long, value_name = "NAMES", num_args = 0..=1, require_equals = true, default_missing_value = ALL,
        value_delimiter = ',', value_parser = parse_name_or_all)]
    pub(crate) build_sdists: Vec<NameOrAll>,

    /// Package that wins a file conflict: PACKAGE or PATH=PACKAGE (may be repeated)
    ///
    /// A conflict is a path that several packages install with different contents. `PACKAGE` wins all of its conflicts,
    /// `/PATH/IN/THE/IMAGE=PACKAGE` only this one. The first match applies, and the other packages are installed without
    /// the file. Without this option, a conflict is an error (E-CLASH).
    #[arg(long, value_name = "OWNER")]
    pub(crate) allow_clash: Vec<AllowedClash>,

    /// Fail if a module of a wheel needs a shared library that the image does not have
    ///
    /// The default is a warning, because many programs never import such modules. Modules for another processor or for a
    /// newer C library than that of the base are always an error.
    #[arg(long)]
    pub(crate) strict_native: bool,

    /// Omit files of these kinds from packages: docs, examples, headers, locales, pycache, sources, static-libraries, tests, type-stubs [default kinds: all]
    ///
    /// Omitted files have no row in RECORD, and the build reports their size. Metadata, scripts and modules of entry points
    /// are always kept. A package that reads omitted files at run time breaks, so test the image. docs/python.md lists
    /// the rules. Setting: slim.
    #[arg(long, value_name = "KINDS", num_args = 0..=1, require_equals = true, default_missing_value = ALL,
        value_delimiter = ',', value_parser = parse_slim)]
    pub(crate) slim: Vec<SlimArgument>,

    /// Add bytecode of the modules in wheels: none or unchecked-hash [default: none]
    ///
    /// Shortens the start of containers with a read-only file system, where Python compiles every import again. The
    /// base's own Python compiles the modules, into separate layers. The image grows by about a quarter.
    #[arg(long, value_name = "HOW")]
    pub(crate) bytecode: Option<Bytecode>,
}

/// Limits of build backends.
#[derive(Args, Clone)]
#[command(next_help_heading = "Packages")]
pub(crate) struct BackendArguments {
    /// Time limit for each step of a build backend, for example 30m
    #[arg(long, value_name = "TIME", default_value = BUILD_TIMEOUT, value_parser = parse_time)]
    pub(crate) build_timeout: Duration,
}

impl WheelArguments {
    /// The packages that may be built from source.
    pub(crate) fn build_sdists(&self) -> BuildSdists {
        let names = self.build_sdists.iter().map(|word| match word {
            NameOrAll::All => None,
            NameOrAll::Name(name) => Some(name.clone()),
        });
        names.collect::<Option<_>>().map_or(BuildSdists::All, BuildSdists::Only)
    }

    /// The kinds of files that packages are installed without.
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
