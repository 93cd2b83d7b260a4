use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use wainwright_engine::{AllowedClash, Base, Check, ImageSource, Output, Subject};
use wainwright_fault::Classify;
use wainwright_oci::{Compression, Lazy, Platform, Reference};
use wainwright_python::{Bytecode, PackageName, PythonVersion, Slim};

use crate::units::{Age, Limit, parse_age, parse_limit, parse_size, parse_time};

/// Builds container images from Python projects, without a daemon, root or a Dockerfile.
#[derive(Parser)]
#[command(name = "wain", version, max_term_width = 100, after_help = AFTER_HELP, disable_help_subcommand = false)]
pub(crate) struct Arguments {
    /// Tell what is asked of whom, and -vv all there is to tell; never credentials
    #[arg(short, long, global = true, action = clap::ArgAction::Count, display_order = 1000)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
Exit codes: 0 done, 1 the input is wrong, 2 usage, 3 the outside world (network, disk, daemon), 70 our bug.

Examples:
  wain build --load                        build the project in this folder, load it into Docker
  wain build -t demo/api:1 --output archive:api.tar
  wain build -c main.ww --deploy local -d  build a workflow, and run it on this machine
  wain plan                                what would be made, reused and fetched";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Build the image of a project
    ///
    /// Reads pyproject.toml and the lockfile (uv.lock, poetry.lock, pdm.lock, pylock.toml, Pipfile.lock, or
    /// requirements.txt with hashes; the first of them counts), installs every locked wheel into layers, puts the
    /// project under /app, and delivers the image. Nothing of the project is run, and of its dependencies only what
    /// --build-sdists allows. Without a lockfile, uv resolves pyproject.toml or a plain requirements.txt, and pylock.toml is
    /// written first.
    ///
    /// In a folder with main.ww, a workflow of AI agents, every component becomes an image of its own; what they require is
    /// locked in wain.lock.
    #[command(after_help = BUILD_EXAMPLES)]
    Build(Box<Build>),
    /// Show what a build would make, reuse and fetch
    ///
    /// Takes the same inputs as `wain build`, decides everything, and makes nothing.
    Plan(Plan),
    /// Pin the base in wain.lock, and requirements without a lockfile in pylock.toml
    ///
    /// Writes what Python's lockfiles do not pin: the Debian packages of the base, or the digest of a base image. A plain
    /// requirements.txt, or a pyproject.toml without a lockfile, is resolved by uv for all platforms at once: by the one on the
    /// PATH (0.7 or newer), else by one that is fetched from the package index and checked. Lockfiles of other tools are left
    /// alone. Pins that still answer are kept, unless --upgrade is given. `wain build` does this by itself when there is no pin.
    Lock(Lock),
    /// Judge wheels by the rules that a build applies
    ///
    /// Reads the whole of every file, and prints a line for each: `ok`, or `refused` with the rule. Why, and what to do,
    /// goes to standard error. Neither a project nor the network is needed.
    #[command(after_help = "Example: wain check dist/*.whl")]
    Check {
        /// The wheels
        #[arg(required = true, value_name = "WHEEL", value_hint = ValueHint::FilePath)]
        wheels: Vec<PathBuf>,

        /// Print a JSON object for each: verdict, rule, message; or warnings, and the files with size and CRC-32
        #[arg(long)]
        json: bool,
    },
    /// Say what a rule demands, why, and what to do
    ///
    /// Refusals and warnings name their rule, as `E-ZIPDIFF` or `W-PTH` for wheels, `E-REF-UNKNOWN` or `D-COMMA` for workflows. Without
    /// a rule, all of them are listed.
    Explain {
        /// The rule, in any case
        #[arg(value_parser = rules(), ignore_case = true, hide_possible_values = true)]
        rule: Option<String>,
    },
    /// Show, cut down or empty the cache
    ///
    /// Wheels and layers are kept between builds, up to a size and an age; a build that ends removes what goes beyond them
    /// by itself, the longest unused first. Nothing is removed while a build uses the cache.
    #[command(after_help = CACHE_EXAMPLES)]
    Cache {
        #[command(subcommand)]
        command: Cache,
    },
    /// Check that an image is what the project builds, and say where every file of it comes from
    ///
    /// Builds the project again from source and lock, makes every layer anew, and compares: manifests, configs, layers.
    /// Besides, every file of the image is read and explained by what brings it: a wheel's RECORD, a Debian package, the
    /// project, the base image. Nothing is delivered or written. Exits with 0 when the digests are the same and every file
    /// has an origin; with 1 otherwise, also when only the bytes differ and the files do not.
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(Verify),
    /// Say in what two images differ
    ///
    /// Compares configs and manifests field by field, layers, packages of Python and Debian, and every file as a container
    /// sees it: kind, mode, owner, size, content, and the first byte that differs. Every layer is held against its digest,
    /// in both images. Exits with 0 when the digests are the same, with 1 when they differ or an image is damaged.
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(Diff),
    /// Say what packages, kinds of files and layers of an image cost
    ///
    /// Reads every layer of an image on disk. Shows what is largest, unpacked and compressed, and what is there more than
    /// once. A layer is compressed as a whole: what a file or package costs compressed is its share by size.
    #[command(after_help = ANALYZE_EXAMPLES)]
    Analyze(Analyze),
    /// Push an image that is on this machine to a registry
    ///
    /// The same bytes under new names: nothing is built, compressed or written anew. What the registry has is not sent.
    /// Blobs go first, then manifests, the index, and tags last; the registry is asked afterwards what they stand for.
    #[command(after_help = PUSH_EXAMPLES)]
    Push(Push),
    /// Pull an image from a registry to disk or into Docker
    ///
    /// Every byte keeps its digest. An index comes with all its platforms and attestations, unless --platform picks one
    /// image of it.
    #[command(after_help = PULL_EXAMPLES)]
    Pull(Pull),
    /// Copy an image between repositories
    ///
    /// An index comes with all that is below it, attestations too, and keeps its digest. Within one registry nothing is
    /// fetched; between registries, only what the target lacks passes through here. The tag moves last.
    #[command(after_help = "Example: wain copy ghcr.io/acme/api:1.4 registry.example/mirror/api:1.4")]
    Copy(Copy),
    /// Give an image in a registry further tags
    ///
    /// The manifest is put under each tag as it is; no layer moves. The registry is asked afterwards.
    #[command(after_help = "Example: wain tag ghcr.io/acme/api:1.4 stable latest")]
    Tag(Tag),
    /// Say what an image is: its digest, platforms, layers and config
    ///
    /// Reads documents alone: no layer is fetched. The image may be in a registry, a layout or an archive, or what was
    /// built last.
    #[command(after_help = INSPECT_EXAMPLES)]
    Inspect(Inspect),
    /// Log in to a registry
    ///
    /// The password comes from standard input, and is checked with the registry before it is kept: by the credential
    /// helper that Docker's config.json names, else in that file. docker, podman and skopeo find it there, too.
    #[command(after_help = "Example: wain login ghcr.io --username ann --password-stdin < token")]
    Login(Login),
    /// Forget the login for a registry
    Logout(Logout),
    /// Find out about registries
    Registry {
        #[command(subcommand)]
        command: RegistryCommand,
    },
    /// Write files that deploy what was built: for Docker Compose, Kubernetes or Helm
    ///
    /// Reads the release that a build of components left in .wain/release.json, and writes every file or none. Images go by
    /// digest, secrets by name alone. A file that you changed is never written over without --force; a file that is no longer
    /// made is removed if it is as it was written. docs/emit.md describes the release, the files and the values.
    #[command(after_help = EMIT_EXAMPLES)]
    Emit(Emit),
    /// Run on this machine what was built last, by `docker compose`, `docker-compose` or `podman-compose`
    Deploy {
        #[command(subcommand)]
        command: DeployCommand,
    },
    /// Write a small project that works: a workflow, or settings for a project in Python
    ///
    /// Prints the files it wrote. Nothing that is there is written over.
    #[command(after_help = INIT_EXAMPLES)]
    Init(Init),
    /// Look at workflows, `.ww` files of the Woodwork language
    Ww {
        #[command(subcommand)]
        command: WwCommand,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

const EMIT_EXAMPLES: &str = "\
Examples:
  wain emit docker-compose -o deploy       then: docker compose --file deploy/compose.yaml up
  wain emit kubernetes -o k8s --namespace support --values production.yaml
  wain emit helm -o chart                  then: helm upgrade --install support chart";

const INIT_EXAMPLES: &str = "\
Examples:
  wain init --template agent demo      a workflow in a new folder
  wain init                            settings, where there is a project in Python";

const BUILD_EXAMPLES: &str = "\
Examples:
  wain build                               the image goes to .wain/image, an OCI layout
  wain build -t demo/api:1 --load          load it into Docker (or podman's socket)
  wain build --platform linux/amd64,linux/arm64 --output layout:out
  wain build --base archive:python.tar     build on an image that `docker save` wrote
  wain build --locked --offline            only what is pinned and already here";

const CACHE_EXAMPLES: &str = "\
Examples:
  wain cache status                        where it is, how large, when last used
  wain cache prune --max-size 2GiB         remove the longest unused
  wain cache prune --older-than 30d --dry-run";

const VERIFY_EXAMPLES: &str = "\
Examples:
  wain verify .wain/image                  the image that `wain build` left here
  wain verify archive:api.tar --locked     nothing but what the lockfiles pin
  wain verify layout:out:1 api --no-cache  the project in `api`, fetched anew as well
  wain verify out --files                  each file with its origin";

const DIFF_EXAMPLES: &str = "\
Examples:
  wain diff layout:out:1 layout:out:2
  wain diff .wain/image api.tar --platform linux/arm64
  wain diff one.tar two.tar --json         everything, where the text ends with \"and 7 more\"";

const ANALYZE_EXAMPLES: &str = "\
Examples:
  wain analyze .wain/image                 the image that `wain build` left here
  wain analyze api.tar --html api.html     a page with a map, which needs no network
  wain analyze layout:out:1 --json";

const WW_CHECK_EXAMPLES: &str = "\
Examples:
  wain ww check main.ww
  wain ww check main.ww --json --stage resolve
  wain ww check main.ww --ww-compat engine     for a file that the `woodwork` command reads, too";

const PUSH_EXAMPLES: &str = "\
Examples:
  wain push last ghcr.io/acme/api:1.4          what `wain build` made last in this folder
  wain push layout:out:1 ghcr.io/acme/api:1.4 ghcr.io/acme/api:latest
  wain push archive:api.tar registry.example/api:1.4";

const INSPECT_EXAMPLES: &str = "\
Examples:
  wain inspect ghcr.io/acme/api:1.4            in short
  wain inspect layout:out:1 --layers           every layer
  wain inspect last --raw                      the very bytes of the manifest or index
  wain inspect ghcr.io/acme/api:1.4 --config --platform linux/arm64";

const PULL_EXAMPLES: &str = "\
Examples:
  wain pull ghcr.io/acme/api:1.4 --output layout:api
  wain pull ghcr.io/acme/api:1.4 --output archive:api.tar --platform linux/arm64
  wain pull ghcr.io/acme/api:1.4 --output docker";

/// What every command about a project takes.
#[derive(Args, Clone)]
pub(crate) struct ProjectArguments {
    /// The folder of the project
    #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) path: PathBuf,

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

    /// Python version, when nothing else decides
    #[arg(long, value_name = "X.Y", value_parser = parse_python)]
    pub(crate) python: Option<PythonVersion>,

    /// Install an extra of the project (may be repeated)
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub(crate) extra: Vec<PackageName>,

    /// Install all extras of the project
    #[arg(long)]
    pub(crate) all_extras: bool,

    /// Install a dependency group, `dev` among them (may be repeated)
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub(crate) group: Vec<PackageName>,

    /// Install all dependency groups
    #[arg(long)]
    pub(crate) all_groups: bool,

    /// Most layers on top of the base, from 3 to 127 [default: 40]
    ///
    /// Large wheels get layers of their own, small ones share some, so that a package that changes brings one layer
    /// along. More layers make smaller uploads; fewer suit registries that are slow for every layer.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(3..=127))]
    pub(crate) max_layers: Option<u8>,

    /// Refuse wheels with a module that cannot be imported for want of a library
    ///
    /// Without this it is a warning: wheels hold modules that many programs never import. Modules of another processor, and
    /// those that need a newer C library than the base has, are refused always.
    #[arg(long)]
    pub(crate) strict_native: bool,

    /// Build wheels of source distributions and git commits here: of all that need it, or of these packages
    ///
    /// Runs their code, by their build backends, without your environment; docs/python.md says what it sees. Without this,
    /// packages without a fitting wheel are refused. Folders that the project depends on are put together without running
    /// code where that can be; those that are named here are built by their backends. Also: build-sdists in the settings.
    #[arg(long, value_name = "NAMES", num_args = 0..=1, require_equals = true, default_missing_value = ALL,
        value_delimiter = ',', value_parser = parse_name_or_all)]
    pub(crate) build_sdists: Vec<NameOrAll>,

    /// How long a build backend may take, as 30m
    #[arg(long, value_name = "TIME", default_value = BUILD_TIMEOUT, value_parser = parse_time)]
    pub(crate) build_timeout: Duration,

    /// How layers are compressed: splice, gzip[:1-9], zstd[:1-19] or none [default: splice]
    ///
    /// `splice` is gzip made of what wheels hold already, and much faster than the rest. `gzip` (level 6) and `zstd`
    /// (level 3) compress anew; Docker reads zstd from version 23 on. A base that is an image stays as it is.
    #[arg(long, value_name = "HOW", value_parser = parse_compression)]
    pub(crate) compression: Option<Compression>,

    /// Whose file stays where packages own one path with different contents (may be repeated)
    ///
    /// `PACKAGE`, wherever it clashes, or `/PATH/IN/THE/IMAGE=PACKAGE` for one path. The first that fits decides; the other
    /// packages are installed without that file. Without this, E-CLASH refuses such packages.
    #[arg(long, value_name = "OWNER")]
    pub(crate) allow_clash: Vec<AllowedClash>,

    /// Leave kinds of files out of packages: all, or some of docs, examples, headers, locales, pycache, sources, static-libraries, tests, type-stubs
    ///
    /// What is left out has no row in RECORD, and every build tells how much it is. Never what describes a package, scripts, or
    /// what entry points name. A package that reads such files when it runs breaks: try the image (docs/python.md has the
    /// rules). Also: slim in the settings.
    #[arg(long, value_name = "KINDS", num_args = 0..=1, require_equals = true, default_missing_value = ALL,
        value_delimiter = ',', value_parser = parse_slim)]
    pub(crate) slim: Vec<SlimArgument>,

    /// Make layers that can be mounted before they were fetched: estargz or no [default: no]
    ///
    /// `estargz` is gzip with a table of contents, for the stargz snapshotter of containerd and for podman's partial
    /// pulls. Everybody else reads the layers as any gzip of several members; they are a tenth larger or less. The folder
    /// `/` gets two small files.
    #[arg(long, value_name = "HOW", value_parser = parse_lazy)]
    pub(crate) lazy: Option<Lazy>,

    /// Compile the modules of wheels: none or unchecked-hash [default: none]
    ///
    /// For containers that start often and cannot write: without bytecode, Python compiles what it imports at every start.
    /// Compiled by the base's own Python, into layers of their own; the image grows by about a quarter.
    #[arg(long, value_name = "HOW")]
    pub(crate) bytecode: Option<Bytecode>,

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

    /// Debian archive to use [default: the one apt uses here, else Debian's]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) mirror: Option<String>,

    /// Refuse to write wain.lock and pylock.toml: everything has to be pinned
    #[arg(long)]
    pub(crate) locked: bool,

    /// How many layers to make at a time [default: the number of processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,

    #[command(flatten)]
    pub(crate) machine: MachineArguments,
}

/// What every command takes that uses the cache or the network.
#[derive(Args, Clone)]
pub(crate) struct MachineArguments {
    /// Do not use the network
    #[arg(long)]
    pub(crate) offline: bool,

    /// Registry that may be spoken to without encryption, `HOST[:PORT]` (may be repeated); loopback always may
    #[arg(long, value_name = "HOST", value_parser = parse_host)]
    pub(crate) insecure_registry: Vec<String>,

    /// Certificate authority to trust besides the usual ones, a PEM file (may be repeated)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ca_cert: Vec<std::path::PathBuf>,

    /// How many downloads to run at a time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) connections: u16,

    /// Keep nothing for the next build
    #[arg(long)]
    pub(crate) no_cache: bool,

    /// Where to keep wheels and layers between builds [default: wainwright in the user's cache folder]
    #[arg(long, value_name = "DIR", env = "WAIN_CACHE_DIR", hide_env_values = true, value_hint = ValueHint::DirPath)]
    pub(crate) cache_dir: Option<PathBuf>,

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

    /// How long to wait while another process removes files from the cache
    #[arg(long, value_name = "TIME", default_value = LOCK_TIMEOUT, value_parser = parse_time)]
    pub(crate) lock_timeout: Duration,

    /// How to show what happens
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Progress::Auto)]
    pub(crate) progress: Progress,
}

/// Room for the wheels and layers of a few projects, not for the whole disk.
const MAX_SIZE: &str = "10GiB";
/// What was not wanted for a season is not missed.
const MAX_AGE: &str = "90d";
const LOCK_TIMEOUT: &str = "60s";
/// Compilers of large extensions take their time.
const BUILD_TIMEOUT: &str = "60m";
const ALL: &str = ":all:";

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

#[derive(Args)]
pub(crate) struct Build {
    #[command(flatten)]
    pub(crate) project: ProjectArguments,

    #[command(flatten)]
    pub(crate) image: ImageArguments,

    #[command(flatten)]
    pub(crate) workflow: WorkflowArguments,

    #[command(flatten)]
    pub(crate) export: ExportArguments,

    /// Cache in a registry to tell which layers there are now, `REGISTRY/REPO[:TAG]`
    ///
    /// Afterwards `--cache-from` finds them on any machine. The layers are put into that repository, or mounted there. When
    /// that fails the image is delivered already, and the exit code says that the cache is not.
    #[arg(long, value_name = "REF", value_parser = parse_own_cache, conflicts_with = "offline")]
    pub(crate) cache_to: Option<Reference>,

    /// Write a report as JSON: digests, layers, sizes, times
    ///
    /// `-` is standard output, which then has the report in the place of the digest. A file that the build writes itself
    /// is refused.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) metadata_file: Option<PathBuf>,

    /// Fail when an image is larger than this, as 100MB: nothing is delivered, and no tag moves
    ///
    /// The sizes of all layers count, compressed, those of the base among them. The error names the largest.
    #[arg(long, value_name = "SIZE", value_parser = parse_limit)]
    pub(crate) size_limit: Option<Limit>,
}

/// Names and outputs of the image.
#[derive(Args, Clone)]
pub(crate) struct ImageArguments {
    /// Name for the image, `name:tag` (may be repeated) [default: the project's name]
    #[arg(long, short, value_name = "REF", value_parser = parse_reference)]
    pub(crate) tag: Vec<Reference>,

    /// Where the image goes: layout:DIR, archive:FILE, archive:-, docker or registry (may be repeated) [default: layout:.wain/image]
    ///
    /// The images of a workflow go to DIR/COMPONENT and FILE/COMPONENT.tar [default: layout:.wain/images]. A folder alone, `build/`, is
    /// for all of a workflow: layouts go to build/images, and what --export writes beside them.
    #[arg(long, short, value_name = "WHERE", value_parser = parse_output)]
    pub(crate) output: Vec<OutputArgument>,

    /// Load the image into Docker; short for --output docker
    #[arg(long)]
    pub(crate) load: bool,

    /// Push the image to the registry of every --tag; short for --output registry
    ///
    /// Credentials are those of `docker login` and `podman login`. In front of them go variables for one registry, for `ghcr.io`
    /// `WAIN_REGISTRY_USER_GHCR_IO` and `WAIN_REGISTRY_PASSWORD_GHCR_IO`. Tags move last, and the registry is asked afterwards.
    #[arg(long)]
    pub(crate) push: bool,

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

/// What is built of a workflow, and for what.
#[derive(Args, Clone)]
#[command(next_help_heading = "Workflows")]
pub(crate) struct WorkflowArguments {
    /// The workflow: one image for each of its components [default: main.ww, where the project has one]
    ///
    /// The project is the folder of the file. `wain ww check` says whether the file is sound.
    #[arg(long, short, value_name = "FILE.ww", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,

    /// What the images of a workflow are for
    #[arg(long, value_enum, value_name = "GOAL", default_value_t)]
    pub(crate) optimize_for: OptimizeFor,

    /// Push the images of a workflow to HOST/PATH/PROJECT-COMPONENT
    #[arg(long, value_name = "HOST/PATH", conflicts_with_all = ["offline", "tag"])]
    pub(crate) registry: Option<String>,

    /// What becomes of what the `woodwork` command reads differently
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    pub(crate) ww_compat: WwCompat,
}

/// What is written and started when the images of a workflow are made.
#[derive(Args, Clone)]
#[command(next_help_heading = "Workflows")]
pub(crate) struct ExportArguments {
    /// Write files that run the images, to build/FORMAT (may be repeated); as `wain emit` afterwards
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) export: Vec<Format>,

    /// The Kubernetes namespace for --export
    #[arg(long, value_name = "NAME", requires = "export")]
    pub(crate) namespace: Option<String>,

    /// What is wanted different in what --export writes, component by component: YAML or JSON
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "export")]
    pub(crate) values: Option<PathBuf>,

    /// How components tell each other of events: `redis` adds a Redis to what is run
    #[arg(long, value_enum, value_name = "BUS", default_value_t)]
    pub(crate) bus: Bus,

    /// Run the images when they are made: `local` is this machine; as `wain deploy up` afterwards
    #[arg(long, value_enum, value_name = "WHERE")]
    pub(crate) deploy: Option<Deploy>,

    /// Leave running what --deploy started
    #[arg(long, short, requires = "deploy")]
    pub(crate) detach: bool,
}

/// How components tell each other of events.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bus {
    /// Each keeps its own
    #[default]
    Http,
    /// Through Redis
    Redis,
}

impl From<Bus> for wainwright_emit::Bus {
    fn from(bus: Bus) -> Self {
        match bus {
            Bus::Http => Self::Http,
            Bus::Redis => Self::Redis,
        }
    }
}

/// Where images are run.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Deploy {
    /// Here, by a Compose tool
    Local,
}

/// What the images of a workflow are for.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OptimizeFor {
    /// To run for long: nothing in them but what runs
    #[default]
    Production,
    /// To be worked on: debugpy and ipdb, more is logged, Compose mounts the sources
    Development,
    /// To be small: as with --slim all
    Size,
}

impl From<OptimizeFor> for wainwright_emit::Profile {
    fn from(goal: OptimizeFor) -> Self {
        match goal {
            OptimizeFor::Production => Self::Production,
            OptimizeFor::Development => Self::Development,
            OptimizeFor::Size => Self::Size,
        }
    }
}

#[derive(Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) project: ProjectArguments,

    #[command(flatten)]
    pub(crate) image: ImageArguments,

    #[command(flatten)]
    pub(crate) workflow: WorkflowArguments,

    /// Print the plan as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Lock {
    #[command(flatten)]
    pub(crate) project: ProjectArguments,

    /// The workflow whose components are locked [default: main.ww, where the project has one]
    #[arg(long, short, value_name = "FILE.ww", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,

    /// Ask again for everything that is pinned
    #[arg(long, conflicts_with_all = ["locked", "offline"])]
    pub(crate) upgrade: bool,

    /// Ask again for this package of pylock.toml (may be repeated)
    #[arg(long, short = 'P', value_name = "NAME", value_parser = parse_name, conflicts_with_all = ["locked", "upgrade"])]
    pub(crate) upgrade_package: Vec<PackageName>,
}

#[derive(Args)]
pub(crate) struct Push {
    /// The image: layout:DIR or archive:FILE, with :TAG behind it if needed; last; or last:DIR
    ///
    /// `last` is what was built last from the project in this folder, wherever that went; the cache remembers it.
    /// Archives may be those of `docker save`.
    #[arg(value_name = "SOURCE", value_parser = parse_local, value_hint = ValueHint::AnyPath)]
    pub(crate) source: Subject,

    /// Names to push it to, as `registry.example/team/name:tag`
    #[arg(required = true, value_name = "REF", value_parser = parse_any_reference)]
    pub(crate) names: Vec<Reference>,

    #[command(flatten)]
    pub(crate) machine: MachineArguments,
}

#[derive(Args)]
pub(crate) struct Pull {
    /// The image, as `registry.example/team/name:tag` or with `@sha256:...`
    #[arg(value_name = "REF", value_parser = parse_any_reference)]
    pub(crate) reference: Reference,

    /// Where it goes: layout:DIR, archive:FILE, archive:- or docker (may be repeated)
    #[arg(long, short, required = true, value_name = "WHERE", value_parser = parse_place)]
    pub(crate) output: Vec<Output>,

    /// The one image of an index that is wanted [default: all; for docker alone, this machine's]
    #[arg(long, value_name = "PLATFORM", value_parser = parse_platform)]
    pub(crate) platform: Option<Platform>,

    #[command(flatten)]
    pub(crate) machine: MachineArguments,
}

#[derive(Args)]
pub(crate) struct Copy {
    /// The image, as `registry.example/team/name:tag` or with `@sha256:...`
    #[arg(value_name = "FROM", value_parser = parse_any_reference)]
    pub(crate) from: Reference,

    /// Names to copy it to
    #[arg(required = true, value_name = "TO", value_parser = parse_any_reference)]
    pub(crate) names: Vec<Reference>,

    #[command(flatten)]
    pub(crate) machine: MachineArguments,
}

#[derive(Args)]
pub(crate) struct Tag {
    /// The image, as `registry.example/team/name:tag` or with `@sha256:...`
    #[arg(value_name = "REF", value_parser = parse_any_reference)]
    pub(crate) reference: Reference,

    /// Tags to give it, in the same repository
    #[arg(required = true, value_name = "TAG", value_parser = parse_tag)]
    pub(crate) tags: Vec<String>,

    #[command(flatten)]
    pub(crate) machine: MachineArguments,
}

#[derive(Args)]
pub(crate) struct Inspect {
    /// The image: a reference; layout:DIR or archive:FILE, with :TAG behind it if needed; last; or last:DIR
    #[arg(value_name = "IMAGE", value_parser = parse_subject, value_hint = ValueHint::AnyPath)]
    pub(crate) image: Subject,

    /// Print the index or manifest as it is, byte for byte
    #[arg(long, conflicts_with_all = ["config", "layers", "json"])]
    pub(crate) raw: bool,

    /// Print the config as it is, byte for byte
    #[arg(long, conflicts_with_all = ["layers", "json"])]
    pub(crate) config: bool,

    /// List the layers: digest, size, media type
    #[arg(long, conflicts_with = "json")]
    pub(crate) layers: bool,

    /// Print everything as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// The platform to look at [default: all; for --config, this machine's]
    #[arg(long, value_name = "PLATFORM", value_parser = parse_platform)]
    pub(crate) platform: Option<Platform>,

    #[command(flatten)]
    pub(crate) machine: MachineArguments,
}

#[derive(Args)]
pub(crate) struct Login {
    /// The registry, `HOST[:PORT]`; Docker's own is docker.io
    #[arg(value_name = "HOST", value_parser = parse_host)]
    pub(crate) registry: String,

    /// Who you are there
    #[arg(long, short, value_name = "NAME")]
    pub(crate) username: String,

    /// Read the password or token from standard input; there is no other way
    #[arg(long, required = true)]
    pub(crate) password_stdin: bool,

    #[command(flatten)]
    pub(crate) machine: MachineArguments,
}

#[derive(Args)]
pub(crate) struct Logout {
    /// The registry, `HOST[:PORT]`; Docker's own is docker.io
    #[arg(value_name = "HOST", value_parser = parse_host)]
    pub(crate) registry: String,

    #[command(flatten)]
    pub(crate) machine: MachineArguments,
}

#[derive(Subcommand)]
pub(crate) enum RegistryCommand {
    /// Try what a registry can do
    ///
    /// Tells its API version, what it asks of its users, and which ways to upload, kinds of manifests and removals it
    /// knows. It says what it will write before it does: some small blobs and manifests that go by their digests, one
    /// manifest of 4 MiB, and no tag. What the registry lets it remove is removed; the rest is listed.
    #[command(after_help = "Example: wain registry probe registry.example/team/scratch --other team/other")]
    Probe(ProbeArguments),
}

#[derive(Args)]
pub(crate) struct ProbeArguments {
    /// The repository to try it in, `HOST/REPO`
    #[arg(value_name = "HOST/REPO", value_parser = parse_repository)]
    pub(crate) repository: Reference,

    /// Another repository of the same registry, to mount a blob into
    #[arg(long, value_name = "REPO", value_parser = parse_other)]
    pub(crate) other: Option<String>,

    /// Write nothing, and find out less
    #[arg(long)]
    pub(crate) read_only: bool,

    /// Print what was found as JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) machine: MachineArguments,
}

#[derive(Subcommand)]
pub(crate) enum DeployCommand {
    /// Start everything, wait until it is well, and print where it answers
    ///
    /// The Compose file is .wain/deploy/compose.yaml. Secrets are taken from the environment, or from `.env` beside the
    /// workflow.
    Up {
        #[command(flatten)]
        place: DeployPlace,

        /// Leave it running; without this, logs are shown until Ctrl-C, which ends it
        #[arg(long, short)]
        detach: bool,
    },
    /// End everything, and remove its containers, networks and volumes
    Down {
        #[command(flatten)]
        place: DeployPlace,
    },
    /// Say how each component is; exits with 1 unless all are well
    Status {
        #[command(flatten)]
        place: DeployPlace,
    },
    /// Show what components say
    Logs {
        #[command(flatten)]
        place: DeployPlace,

        /// Go on until Ctrl-C
        #[arg(long, short)]
        follow: bool,
    },
}

#[derive(Args)]
pub(crate) struct DeployPlace {
    /// The folder of the project
    #[arg(value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) path: PathBuf,
}

#[derive(Args)]
pub(crate) struct Init {
    /// The folder; made where it is not there
    #[arg(value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,

    /// What to write [default: plain where there is a project in Python, else agent]
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) template: Option<Template>,
}

/// What `wain init` writes.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Template {
    /// A workflow: an entry, an agent, its model, and functions it may call
    Agent,
    /// wainwright.toml, for a project in Python
    Plain,
}

#[derive(Subcommand)]
pub(crate) enum WwCommand {
    /// Say whether a workflow is sound, and what else reads it differently
    ///
    /// Reads the file in stages: `parse` judges the language, `resolve` what components refer to, `validate` what every
    /// kind of component needs. Errors and warnings go to standard error as `FILE:LINE:COLUMN: CODE: text`; the first
    /// stage with errors ends the work, and tells all it finds. `E-` codes are errors, `W-` warnings, `D-` warnings of
    /// what the `woodwork` command would read differently. Nothing is run, and no other file is read.
    #[command(after_help = WW_CHECK_EXAMPLES)]
    Check(WwCheck),
}

#[derive(Args)]
pub(crate) struct WwCheck {
    /// The workflow
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,

    /// The last stage to go through
    #[arg(long, value_enum, value_name = "STAGE", default_value_t)]
    pub(crate) stage: WwStage,

    /// Print what was found as JSON: components, their order, names of environment variables; or the error
    ///
    /// The object goes to standard output also when there is an error: `result` is `ok` or `error`.
    #[arg(long)]
    pub(crate) json: bool,

    /// What becomes of constructs that the `woodwork` command reads differently
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    pub(crate) ww_compat: WwCompat,
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum WwStage {
    /// Is it the language?
    Parse,
    /// Is everything there that is named?
    Resolve,
    /// Does every component have what its kind wants?
    #[default]
    Validate,
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum WwCompat {
    /// They mean what they say, and are warned of
    #[default]
    Strict,
    /// They are errors: the file is for both
    Engine,
}

impl From<WwStage> for wainwright_woodwork::Stage {
    fn from(stage: WwStage) -> Self {
        match stage {
            WwStage::Parse => Self::Parse,
            WwStage::Resolve => Self::Resolve,
            WwStage::Validate => Self::Validate,
        }
    }
}

impl From<WwCompat> for wainwright_woodwork::Compat {
    fn from(compat: WwCompat) -> Self {
        match compat {
            WwCompat::Strict => Self::Strict,
            WwCompat::Engine => Self::Engine,
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum Cache {
    /// Show where the cache is, how large it is and when it was last used
    Status(CacheStatus),
    /// Remove what was unused for the longest time
    ///
    /// Without options it does what a build does at its end.
    Prune(CachePrune),
    /// Remove everything
    ///
    /// Files that are not the cache's own stay where they are.
    Clear(CacheClear),
}

/// Where the cache is.
#[derive(Args)]
pub(crate) struct CachePlace {
    /// The folder of the cache [default: wainwright in the user's cache folder]
    #[arg(long, value_name = "DIR", env = "WAIN_CACHE_DIR", hide_env_values = true, value_hint = ValueHint::DirPath)]
    pub(crate) cache_dir: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct CacheStatus {
    #[command(flatten)]
    pub(crate) place: CachePlace,

    /// Print it as JSON: sizes in bytes, times in seconds since 1970
    #[arg(long)]
    pub(crate) json: bool,

    #[arg(long, hide = true, env = "WAIN_CACHE_MAX_SIZE", default_value = MAX_SIZE, value_parser = parse_limit)]
    pub(crate) max_size: Limit,

    #[arg(long, hide = true, env = "WAIN_CACHE_MAX_AGE", default_value = MAX_AGE, value_parser = parse_age)]
    pub(crate) max_age: Age,
}

#[derive(Args)]
pub(crate) struct CachePrune {
    #[command(flatten)]
    pub(crate) place: CachePlace,

    /// How large the cache may be afterwards: a size like 2GiB, or `none` for any
    #[arg(long, value_name = "SIZE", env = "WAIN_CACHE_MAX_SIZE", hide_env_values = true, default_value = MAX_SIZE,
        value_parser = parse_any_limit)]
    pub(crate) max_size: Limit,

    /// Remove what was unused for longer: a time like 30d, or `none`
    #[arg(long, value_name = "TIME", env = "WAIN_CACHE_MAX_AGE", hide_env_values = true, default_value = MAX_AGE,
        value_parser = parse_age)]
    pub(crate) older_than: Age,

    /// Only say what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// How long to wait for builds that use the cache
    #[arg(long, value_name = "TIME", default_value = LOCK_TIMEOUT, value_parser = parse_time)]
    pub(crate) lock_timeout: Duration,
}

#[derive(Args)]
pub(crate) struct CacheClear {
    #[command(flatten)]
    pub(crate) place: CachePlace,

    /// How long to wait for builds that use the cache
    #[arg(long, value_name = "TIME", default_value = LOCK_TIMEOUT, value_parser = parse_time)]
    pub(crate) lock_timeout: Duration,
}

/// Once, everything may be removed; as a lasting limit that would be a mistake.
fn parse_any_limit(text: &str) -> Result<Limit, String> {
    match parse_size(text) {
        Ok(size) => Ok(Limit(Some(size))),
        Err(_) => parse_limit(text),
    }
}

#[derive(Args)]
pub(crate) struct Verify {
    /// The image: layout:DIR or archive:FILE, with :TAG behind it if needed, or the bare path
    #[arg(value_parser = parse_image, value_hint = ValueHint::AnyPath)]
    pub(crate) image: ImageSource,

    #[command(flatten)]
    pub(crate) project: ProjectArguments,

    /// Print every file with its origin
    #[arg(long)]
    pub(crate) files: bool,

    /// Print what was found as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Emit {
    /// What to write files for
    #[arg(value_name = "FORMAT", value_enum)]
    pub(crate) format: Format,

    /// The folder to write to; made if it is not there
    #[arg(long, short, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) output: PathBuf,

    /// What was built [default: .wain/release.json]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) release: Option<PathBuf>,

    /// What is wanted different, component by component: YAML or JSON
    ///
    /// Replicas, resources, autoscale, disruption, environment, published port, user and volumes of components; namespace,
    /// existingSecret and imagePullSecrets for all. A key that is not known is an error.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) values: Option<PathBuf>,

    /// The Kubernetes namespace; a Namespace is written for it. Helm has its own --namespace
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,

    /// Put services of others, as databases, into a profile of Compose: they start only when it is asked for
    #[arg(long, value_name = "PROFILE", value_parser = parse_profile)]
    pub(crate) services_profile: Option<String>,

    /// An old docker-compose that has to read the file, too: 1.29
    #[arg(long, value_name = "VERSION", value_parser = ["1.29"])]
    pub(crate) compose_compat: Option<String>,

    /// Write over files that `wain emit` did not write, or that were changed
    #[arg(long)]
    pub(crate) force: bool,
}

/// What files are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// compose.yaml, for `docker compose` and podman-compose
    DockerCompose,
    /// Objects and a kustomization.yaml, for `kubectl apply -k`
    Kubernetes,
    /// A chart
    Helm,
}

impl Format {
    /// As it is written on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DockerCompose => "docker-compose",
            Self::Kubernetes => "kubernetes",
            Self::Helm => "helm",
        }
    }
}

/// What Compose takes as the name of a profile.
fn parse_profile(text: &str) -> Result<String, String> {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let is_first = text.starts_with(|letter: char| letter.is_ascii_alphanumeric());
    match is_first && text.len() > 1 && text.bytes().all(is_inner) {
        true => Ok(text.to_owned()),
        false => Err("a profile has two or more letters, digits, `_`, `.` and `-`".into()),
    }
}

#[derive(Args)]
pub(crate) struct Diff {
    /// The first image: layout:DIR or archive:FILE, with :TAG behind it if needed, or the bare path
    #[arg(value_parser = parse_image, value_hint = ValueHint::AnyPath)]
    pub(crate) before: ImageSource,

    /// The second image
    #[arg(value_parser = parse_image, value_hint = ValueHint::AnyPath)]
    pub(crate) after: ImageSource,

    /// The platform to compare [default: all that both have]
    #[arg(long, value_name = "PLATFORM", value_parser = parse_platform)]
    pub(crate) platform: Option<Platform>,

    /// Print what was found as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn with_hint(message: String, hint: Option<String>) -> String {
    hint.map_or(message.clone(), |hint| format!("{message}; {hint}"))
}

#[derive(Args)]
pub(crate) struct Analyze {
    /// The image: layout:DIR or archive:FILE, with :TAG behind it if needed, or the bare path
    #[arg(value_parser = parse_image, value_hint = ValueHint::AnyPath)]
    pub(crate) image: ImageSource,

    /// The platform to look at [default: all]
    #[arg(long, value_name = "PLATFORM", value_parser = parse_platform)]
    pub(crate) platform: Option<Platform>,

    /// Write a page with a map of packages and files: one file that works without a network
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) html: Option<PathBuf>,

    /// Print everything as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The ids of all rules: completions offer them, and a wrong one is answered with the nearest.
fn rules() -> PossibleValuesParser {
    PossibleValuesParser::new(crate::explain::names())
}

fn parse_base(text: &str) -> Result<Base, String> {
    text.parse().map_err(|error: wainwright_engine::Error| with_hint(error.to_string(), error.hint()))
}

fn parse_image(text: &str) -> Result<ImageSource, String> {
    ImageSource::of_image(text).map_err(|error| with_hint(error.to_string(), error.hint()))
}

/// An image on this machine.
fn parse_local(text: &str) -> Result<Subject, String> {
    match text.parse() {
        Ok(Subject::Registry(_)) => {
            Err("that is not on this machine; write `layout:DIR`, `archive:FILE` or `last`, or \
            copy between registries with `wain copy`"
                .into())
        }
        Ok(subject) => Ok(subject),
        Err(error) => Err(with_hint(error.to_string(), error.hint())),
    }
}

fn parse_subject(text: &str) -> Result<Subject, String> {
    text.parse().map_err(|error: wainwright_engine::Error| with_hint(error.to_string(), error.hint()))
}

fn parse_host(text: &str) -> Result<String, String> {
    wainwright_engine::Registry::named(text).ok_or_else(|| {
        "that is not a host with an optional port, like `ghcr.io` or `registry.example:5000`".into()
    })
}

/// A repository: a reference without a tag or digest.
fn parse_repository(text: &str) -> Result<Reference, String> {
    let reference = parse_any_reference(text)?;
    let name = text.rsplit('/').next().unwrap_or(text);
    match name.contains([':', '@']) {
        true => Err("a repository is meant, without a tag or digest: `registry.example/team/scratch`".into()),
        false => Ok(reference),
    }
}

/// A repository of a registry that is known already.
fn parse_other(text: &str) -> Result<String, String> {
    parse_repository(&format!("registry.example/{text}")).map(|reference| reference.repository().to_owned())
}

/// A cache to read.
fn parse_cache(text: &str) -> Result<Reference, String> {
    wainwright_engine::cache_reference(text).map_err(|error| with_hint(error.to_string(), error.hint()))
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

/// Where a pull may go.
fn parse_place(text: &str) -> Result<Output, String> {
    match parse_output(text)? {
        OutputArgument::Folder(folder) => {
            Err(format!("`{0}` is no output\n  hint: write `layout:{0}`", folder.display()))
        }
        OutputArgument::Where(Output::Registry) => {
            Err("from registry to registry it goes with `wain copy`".into())
        }
        OutputArgument::Where(output) => Ok(output),
    }
}

/// The name of an image that exists, or that is given to one: a digest may be part of it.
fn parse_any_reference(text: &str) -> Result<Reference, String> {
    text.parse().map_err(|error: wainwright_oci::Error| with_hint(error.to_string(), error.hint()))
}

fn parse_tag(text: &str) -> Result<String, String> {
    let reference: Result<Reference, _> = format!("x/y:{text}").parse();
    match reference {
        Ok(reference) if reference.tag() == Some(text) => Ok(text.to_owned()),
        _ => Err(
            "a tag has at most 128 letters, digits, `_`, `.` and `-`; the repository is that of the image"
                .into(),
        ),
    }
}

fn parse_output(text: &str) -> Result<OutputArgument, String> {
    if !text.contains(':') && (text.ends_with('/') || Path::new(text).is_dir()) {
        return Ok(OutputArgument::Folder(text.into()));
    }
    let output =
        text.parse().map_err(|error: wainwright_engine::Error| with_hint(error.to_string(), error.hint()));
    Ok(OutputArgument::Where(output?))
}

/// What `--output` names.
#[derive(Clone, Debug)]
pub(crate) enum OutputArgument {
    /// Where images go.
    Where(Output),
    /// A folder for all of a workflow.
    Folder(PathBuf),
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

fn parse_lazy(text: &str) -> Result<Lazy, String> {
    text.parse().map_err(|error: wainwright_oci::Error| with_hint(error.to_string(), error.hint()))
}

fn parse_compression(text: &str) -> Result<Compression, String> {
    text.parse().map_err(|error: wainwright_oci::Error| with_hint(error.to_string(), error.hint()))
}

fn parse_platform(text: &str) -> Result<Platform, String> {
    let platform: Platform =
        text.parse().map_err(|error: wainwright_oci::Error| with_hint(error.to_string(), error.hint()))?;
    if platform.os != "linux" {
        return Err("only images for Linux can be built".into());
    }
    // Variants that processors have, as Go's GOARM names them; `arm64/v8` has become `arm64`.
    match (platform.architecture.as_str(), platform.variant.as_deref()) {
        (_, None) | ("arm", Some("v5" | "v6" | "v7")) => Ok(platform),
        (_, Some(variant)) => {
            Err(format!("`{variant}` is no variant of {} that we know", platform.architecture))
        }
    }
}

fn parse_python(text: &str) -> Result<PythonVersion, String> {
    text.parse().map_err(|error: wainwright_python::Error| with_hint(error.to_string(), error.hint()))
}

fn parse_name(text: &str) -> Result<PackageName, String> {
    text.parse().map_err(|error: wainwright_python::Error| with_hint(error.to_string(), error.hint()))
}

/// A name for an image. A digest would be a promise that only a finished build can make.
fn parse_reference(text: &str) -> Result<Reference, String> {
    let reference: Reference =
        text.parse().map_err(|error: wainwright_oci::Error| with_hint(error.to_string(), error.hint()))?;
    if reference.digest().is_some() {
        return Err("a name with a digest cannot be given to a new image; write it as `name:tag`".into());
    }
    Ok(reference)
}
