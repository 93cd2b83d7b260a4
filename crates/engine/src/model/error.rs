use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io;
use std::path::PathBuf;

use wainwright_fault::{Classify, Kind};
use wainwright_oci::Platform;
use wainwright_python::{PackageName, PythonVersion, Target};

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What the user wrote cannot be read.
    #[error(transparent)]
    Project(#[from] wainwright_project::Error),
    /// The lockfile cannot be used.
    #[error(transparent)]
    Lock(#[from] wainwright_lock::Error),
    /// A name that the lockfile gives is none.
    #[error(transparent)]
    Name(#[from] wainwright_python::Error),
    /// An index did not give what the lockfile names.
    #[error(transparent)]
    Index(#[from] wainwright_pypi::Error),
    /// Requirements cannot be resolved.
    #[error(transparent)]
    Resolve(#[from] wainwright_resolve::Error),
    /// What was built could not be deployed.
    #[error(transparent)]
    Emit(#[from] wainwright_emit::Error),
    /// A workflow without anything that becomes an image.
    #[error("`{file}` has no component that becomes an image")]
    NoComponents {
        /// The workflow file.
        file: String,
    },
    /// A component has the name of a service that others make.
    #[error(
        "{file}:{line}:{column}: `{component}` would be the service `{service}`, and that is what `{owner}` is"
    )]
    ServiceTaken {
        /// The workflow file.
        file: String,
        /// The line there.
        line: usize,
        /// The character of that line.
        column: usize,
        /// The component.
        component: String,
        /// The service.
        service: String,
        /// The component that is no image of ours.
        owner: String,
    },
    /// A component names a file that the project does not have.
    #[error("{file}:{line}:{column}: there is no `{path}` in the project, which {} `{component}` needs", key.map_or_else(|| "a hook or pipe of".to_owned(), |key| format!("`{key}` of")))]
    NoComponentFile {
        /// The workflow file.
        file: String,
        /// The line there.
        line: usize,
        /// The character of that line.
        column: usize,
        /// The file that is missing.
        path: String,
        /// The component.
        component: String,
        /// The key that names it; none for a script.
        key: Option<&'static str>,
        /// Whether there is one that goes into no image.
        is_excluded: bool,
    },
    /// A script has no such function.
    #[error("{file}:{line}:{column}: `{script}` defines no `{function}`")]
    NoFunction {
        /// The workflow file.
        file: String,
        /// The line there.
        line: usize,
        /// The character of that line.
        column: usize,
        /// The script.
        script: String,
        /// The function.
        function: String,
    },
    /// A wheel cannot be built.
    #[error(transparent)]
    Backend(#[from] wainwright_backend::Error),
    /// A source on this disk cannot be read or copied.
    #[error("`{}` cannot be used as a source", path.display())]
    Source {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Folders whose wheels only their build backends can make.
    #[error("{} cannot be put together without running code{}", count(refused), list(refused))]
    NotBuilt {
        /// The packages.
        refused: Vec<Refused>,
    },
    /// A folder that the lockfile names is not there.
    #[error("{origin}: there is no folder `{path}`, which `{name}` comes from")]
    NoFolder {
        /// The package.
        name: PackageName,
        /// The folder.
        path: String,
        /// Where it is named.
        origin: String,
    },
    /// There is no Python to build with.
    #[error("{what} has to be built here, and there is no CPython on this machine")]
    NoInterpreter {
        /// The package.
        what: String,
        /// The Python of the image.
        python: String,
    },
    /// A wheel that was built here does not fit the image.
    #[error("{what} built here is `{wheel}`, which does not fit {} ({}, CPython {}); this machine built it on {machine} with CPython {found}", target.machine(), target.libc, target.python)]
    Impure {
        /// The package.
        what: String,
        /// The wheel.
        wheel: String,
        /// What a wheel must fit.
        target: Box<Target>,
        /// The Python that built it.
        found: String,
        /// The processor of this machine.
        machine: String,
    },
    /// A wheel that `wain.lock` knows was built to other bytes.
    #[error("`{wheel}` built here from {from} is {found}, and `wain.lock` has {pinned}: {difference}")]
    BuiltOtherwise {
        /// The wheel.
        wheel: String,
        /// Its source.
        from: String,
        /// What `wain.lock` has.
        pinned: wainwright_oci::Digest,
        /// What came out.
        found: wainwright_oci::Digest,
        /// What was different, as half a sentence.
        difference: String,
    },
    /// A commit that would have to be fetched.
    #[error("{what} comes from the git commit {commit}, and --offline forbids to fetch it")]
    OfflineGit {
        /// The package.
        what: String,
        /// The commit.
        commit: String,
    },
    /// The Debian archive did not give what is wanted.
    #[error(transparent)]
    Debian(#[from] wainwright_debian::Error),
    /// The packages of the base do not make a base.
    #[error(transparent)]
    Runtime(#[from] wainwright_layer::debian::Error),
    /// The base image cannot be used.
    #[error(transparent)]
    Base(#[from] wainwright_base::Error),
    /// A layer of an image that is compared with another is not what the image says.
    #[error("layer {position} of `{image}` cannot be compared")]
    Compare {
        /// Counted from 1, lowest first.
        position: usize,
        /// The image, as it was named.
        image: String,
        /// What is wrong with it.
        source: wainwright_base::Error,
    },
    /// A pulled image whose layers are not what its config says.
    #[error("`{reference}` for {platform} is not pulled")]
    Pulled {
        /// What was to be pulled.
        reference: String,
        /// The platform of the image that is wrong.
        platform: wainwright_oci::Platform,
        /// What is wrong with it.
        source: wainwright_base::Error,
    },
    /// Entries of a layer cannot be made.
    #[error(transparent)]
    Layer(#[from] wainwright_layer::Error),
    /// A layer cannot be made.
    #[error("cannot make the layer `{layer}`")]
    Blob {
        /// Its name.
        layer: String,
        /// What went wrong.
        source: wainwright_blob::Error,
    },
    /// The image cannot be delivered.
    #[error(transparent)]
    Image(#[from] wainwright_image::Error),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] wainwright_store::Error),
    /// Ways to write layers that do not go together.
    #[error(transparent)]
    Format {
        /// Which ones.
        source: wainwright_blob::Error,
    },
    /// The network cannot be used.
    #[error(transparent)]
    Http(#[from] wainwright_http::Error),
    /// A document does not have its shape.
    #[error(transparent)]
    Oci(#[from] wainwright_oci::Error),
    /// A base that is not one of the kinds we know.
    #[error("`{text}` is not a base: {source}")]
    UnknownBase {
        /// What was written.
        text: String,
        /// Why it is no reference either.
        source: wainwright_oci::Error,
    },
    /// A registry did not do what was asked of it.
    #[error(transparent)]
    Registry(#[from] wainwright_registry::Error),
    /// A registry would have to be asked, and may not.
    #[error("{registry} has to be asked for this, and the run is offline")]
    NeedsRegistry {
        /// The registry.
        registry: String,
    },
    /// A push without a name to push to.
    #[error("nothing says where to push to")]
    NoTag,
    /// A cache says something else of a layer than is true.
    #[error("the cache {cache} is wrong about the layer `{layer}`: {reason}")]
    CacheLie {
        /// The cache.
        cache: String,
        /// The layer, by the name it has on the screen.
        layer: String,
        /// What it says, and what was found.
        reason: String,
    },
    /// A registry that does not give what it said it has.
    #[error("the cache {cache} has the layer `{layer}` and gives it to nobody")]
    CacheGone {
        /// The cache.
        cache: String,
        /// The layer, by the name it has on the screen.
        layer: String,
    },
    /// A cache that is not told what was built.
    #[error("the image is built and delivered, but the cache {cache} was not written")]
    CacheWrite {
        /// The cache.
        cache: String,
        /// Why not.
        source: Box<Error>,
    },
    /// Something that would be overwritten.
    #[error("{reference} is something else than a cache of wain, and is left as it is")]
    NoCache {
        /// What was to be the cache.
        reference: String,
    },
    /// An image that is none of the kinds we know.
    #[error("`{text}` is not an image: {source}")]
    UnknownSubject {
        /// What was written.
        text: String,
        /// Why it is no reference either.
        source: wainwright_oci::Error,
    },
    /// Nothing is known of a build.
    #[error("there is no last build of `{}`: {reason}", folder.display())]
    Last {
        /// The folder of the project.
        folder: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// What was built last are several images.
    #[error("the last build of `{}` made an image for each component of a workflow, and no other", folder.display())]
    LastWorkflow {
        /// The folder of the project.
        folder: PathBuf,
    },
    /// A login without a place to keep it.
    #[error("there is no place to keep a login: HOME is not set")]
    NoHome,
    /// A name with a digest for something that has another.
    #[error("`{reference}` names {expected}, and the image has the digest {found}")]
    OtherDigest {
        /// The name.
        reference: String,
        /// The digest in it.
        expected: wainwright_oci::Digest,
        /// The digest of the image.
        found: wainwright_oci::Digest,
    },
    /// An address of an archive that is none.
    #[error("`{text}` is not the address of a Debian archive: {reason}")]
    Mirror {
        /// What was written.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An output that is not one of the kinds we know.
    #[error("`{text}` is not an output")]
    UnknownOutput {
        /// What was written.
        text: String,
    },
    /// No lockfile, but requirements that only another tool can resolve.
    #[error("`{}` has no lockfile", folder.display())]
    NoLock {
        /// The folder of the project.
        folder: PathBuf,
    },
    /// Requirements that would have to be resolved, and may not be.
    #[error("{reason}, and {option} forbids to resolve it")]
    NotLocked {
        /// What is not locked, or no longer.
        reason: String,
        /// The option.
        option: ResolveBan,
    },
    /// There is no uv to resolve requirements with.
    #[error("there is no uv on the PATH{}, and for {architecture} none is fetched", old.as_ref().map(|old| format!(" but the old {old}")).unwrap_or_default())]
    NoResolver {
        /// The processor of this machine.
        architecture: String,
        /// The version of one that is too old.
        old: Option<String>,
    },
    /// A password would be written into the lockfile.
    #[error("the lockfile of `{file}` would hold the password of a package index")]
    SecretInLock {
        /// What was resolved.
        file: String,
    },
    /// A lockfile that another tool made cannot be upgraded by us.
    #[error("`{}` was not made by `wain lock`", file.display())]
    NotOurLock {
        /// The lockfile, or the folder where there is none.
        file: PathBuf,
    },
    /// Nothing that looks like a project.
    #[error("`{}` holds no Python project", folder.display())]
    NoProject {
        /// The folder.
        folder: PathBuf,
    },
    /// Some packages have no wheel for the target.
    #[error("no wheel fits {} ({}, CPython {}) for {}{}", target.machine(), target.libc, target.python, count(refused), list(refused))]
    NoWheel {
        /// What a wheel must fit.
        target: Box<Target>,
        /// The best tags that would have fitted.
        wanted: Vec<String>,
        /// The packages.
        refused: Vec<Refused>,
    },
    /// A file without a sha256.
    #[error("{origin}: `{file}` has no sha256 in the lockfile")]
    NoHash {
        /// The file.
        file: String,
        /// Where it is named.
        origin: String,
    },
    /// An address that is none.
    #[error("{origin}: the address of `{name}` cannot be read: {reason}")]
    LockUrl {
        /// The package.
        name: PackageName,
        /// Where it is named.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// No base has the Python that is wanted.
    #[error("no base has a Python that fits {wanted}")]
    NoPython {
        /// What is wanted, and who wants it.
        wanted: String,
    },
    /// The base's Python is not what the project runs on.
    #[error("the base has Python {found}, and {wanted}")]
    WrongPython {
        /// The base's.
        found: PythonVersion,
        /// Who wants what.
        wanted: String,
    },
    /// The base's C library is not known.
    #[error("the base {base} has no C library that wheels are made for")]
    NoLibc {
        /// The base.
        base: String,
    },
    /// The base has so many layers that ours find no room.
    #[error("the base {base} has {layers} layers already, and an image has 127 at most")]
    FullBase {
        /// The base.
        base: String,
        /// Its layers.
        layers: usize,
    },
    /// The base holds what we are about to make.
    #[error("E-BASE: the base {base} has an environment at /app/.venv already")]
    HasEnvironment {
        /// The base.
        base: String,
    },
    /// Bytecode of an old Python, which depends on more than its source.
    #[error("bytecode is made for Python 3.11 and later, and the base has {python}")]
    OldBytecode {
        /// That of the base.
        python: PythonVersion,
    },
    /// No layer is left for bytecode.
    #[error("bytecode needs a layer of its own, and {max_layers} layers leave none")]
    FewLayers {
        /// How many layers an image may get.
        max_layers: usize,
    },
    /// No interpreter that could compile runs here.
    #[error("bytecode for {platform} needs a Python {wanted} that runs on {host}{}", instead(seen))]
    NoCompiler {
        /// The version of the image.
        wanted: String,
        /// The platform of the image.
        platform: Platform,
        /// That of this machine.
        host: Platform,
        /// What is here instead.
        seen: Vec<String>,
    },
    /// Wheels could not be compiled.
    #[error(transparent)]
    Bytecode(#[from] wainwright_layer::bytecode::Error),
    /// A base that no Debian packages can be added to.
    #[error("`system-packages` cannot be added to the base {base}: {reason}")]
    NotDebian {
        /// The base.
        base: String,
        /// What it is instead.
        reason: String,
    },
    /// `wain.lock` cannot be read.
    #[error("{}: {reason}", path.display())]
    WainLock {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column where they are known.
        reason: String,
    },
    /// `wain.lock` would have to change, and may not.
    #[error("`wain.lock` {reason}, and --locked forbids to change it")]
    Locked {
        /// What it lacks.
        reason: String,
    },
    /// A package file in the store cannot be opened.
    #[error("cannot open `{name}` in the store")]
    Open {
        /// The file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The threads for making layers cannot be started.
    #[error("cannot start threads")]
    Threads {
        /// What the system said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A module that no import can load on the platform.
    #[error("`{}` of `{}` is for {}, and the image is for {}", module.path, module.wheel, module.found, module.wanted)]
    ForeignModule {
        /// The module.
        module: crate::ForeignModule,
    },
    /// A module that needs a newer library than the base has.
    #[error("{file}")]
    TooNew {
        /// The file.
        file: crate::TooNew,
    },
    /// Modules that need libraries which nobody has.
    #[error("wheels need libraries that are neither in a wheel nor in the base{}", lines(missing))]
    MissingLibraries {
        /// The libraries.
        missing: Vec<crate::MissingLibrary>,
        /// What to do, where that is known.
        remedy: Option<String>,
    },
    /// An image is larger than somebody wants.
    #[error("the image {}for {platform} has {size}, and may have {limit}; its largest layers are{}", of.as_ref().map_or_else(String::new, |name| format!("of `{name}` ")), parts.concat())]
    TooLarge {
        /// The component that it is of, where there are several.
        of: Option<String>,
        /// Its platform.
        platform: wainwright_oci::Platform,
        /// The size of its layers, compressed, for people.
        size: String,
        /// What it may have.
        limit: String,
        /// A line for each of the largest layers.
        parts: Vec<String>,
    },
    /// Something that cannot happen.
    #[error("internal error: {what}")]
    Bug {
        /// What happened.
        what: String,
    },
}

/// An option that forbids to resolve requirements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolveBan {
    /// Nothing that is pinned may change.
    Locked,
    /// The network must not be used.
    Offline,
}

impl fmt::Display for ResolveBan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Locked => "--locked",
            Self::Offline => "--offline",
        })
    }
}

/// A package without a fitting wheel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The package.
    pub name: PackageName,
    /// Its version.
    pub version: String,
    /// Why.
    pub refusal: Refusal,
    /// Whether a wheel could be built here, if that were allowed.
    pub can_be_built: bool,
}

/// Why a package has no wheel for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There are wheels, for others: their tags.
    NoneFits(Vec<String>),
    /// There are wheels, none of them with a hash that the lockfile lists: their tags.
    NoHashListed(Vec<String>),
    /// There is a source distribution only.
    SourceOnly(String),
    /// There is a source distribution only, and the lockfile has no sha256 of it.
    Unverified(String),
    /// It comes from a git repository: the commit.
    Git(String),
    /// It is a folder whose wheel only its build backend can make.
    Folder {
        /// The folder.
        path: String,
        /// Why, as half a sentence.
        why: String,
    },
}

fn lines(missing: &[crate::MissingLibrary]) -> String {
    missing.iter().map(|one| format!("\n  {one}")).collect()
}

fn count(refused: &[Refused]) -> String {
    match refused.len() {
        1 => "1 package".into(),
        more => format!("{more} packages"),
    }
}

fn list(refused: &[Refused]) -> String {
    let mut text = String::new();
    for Refused { name, version, refusal, .. } in refused {
        let offer = |tags: &[String]| {
            let shown = tags.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
            match tags.len() {
                0 => "nothing".into(),
                1..=4 => shown,
                more => format!("{shown} and {} more", more - 4),
            }
        };
        let reason = match refusal {
            Refusal::NoneFits(tags) => format!("the lockfile offers {}", offer(tags)),
            Refusal::NoHashListed(tags) => format!("the lockfile has no hash of {}", offer(tags)),
            Refusal::SourceOnly(file) => format!("there is only the source distribution `{file}`"),
            Refusal::Unverified(file) => {
                format!(
                    "there is only the source distribution `{file}`, and the lockfile has no sha256 of it"
                )
            }
            Refusal::Git(commit) => format!("it comes from the git commit {commit}"),
            Refusal::Folder { path, why } => format!("it comes from the folder `{path}`, and {why}"),
        };
        let space = if version.is_empty() { "" } else { " " };
        let _ = write!(text, "\n  {name}{space}{version}: {reason}");
    }
    text
}

fn instead(seen: &[String]) -> String {
    if seen.is_empty() { String::new() } else { format!("; there is {}", seen.join(", ")) }
}

/// Who classifies an error: the crate it comes from, or this one.
enum Class<'a> {
    Same(&'a dyn Classify),
    Own(Kind, Option<Cow<'static, str>>),
}

impl Classify for Error {
    fn hint(&self) -> Option<String> {
        self.system_hint().or_else(|| match self.class() {
            Class::Same(error) => error.hint(),
            Class::Own(_, hint) => hint.map(Cow::into_owned),
        })
    }

    fn kind(&self) -> Kind {
        match self.class() {
            Class::Same(error) => error.kind(),
            Class::Own(kind, _) => kind,
        }
    }
}

impl Error {
    /// Some errors of the operating system have one remedy, wherever they occur.
    fn system_hint(&self) -> Option<String> {
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            if let Some(hint) = error.downcast_ref().and_then(wainwright_store::Error::hint_for) {
                return Some(hint);
            }
            cause = error.source();
        }
        None
    }

    fn class(&self) -> Class<'_> {
        use Class::Same;
        let input = |hint: &'static str| Class::Own(Kind::Input, Some(hint.into()));
        let usage = |hint: &'static str| Class::Own(Kind::Usage, Some(hint.into()));
        let outside = |hint: &'static str| Class::Own(Kind::Outside, Some(hint.into()));
        let found = |hint: String| Class::Own(Kind::Input, Some(hint.into()));
        match self {
            Self::Project(error) => Same(error),
            Self::Lock(error) => Same(error),
            Self::Name(error) => Same(error),
            Self::Index(error) => Same(error),
            Self::Resolve(error) => Same(error),
            Self::Emit(error) => Same(error),
            Self::Backend(error) => Same(error),
            Self::Debian(error) => Same(error),
            Self::Runtime(error) => Same(error),
            Self::Base(error) | Self::Compare { source: error, .. } | Self::Pulled { source: error, .. } => {
                Same(error)
            }
            Self::Layer(error) => Same(error),
            Self::Bytecode(error) => Same(error),
            Self::Blob { source, .. } | Self::Format { source } => Same(source),
            Self::Image(error) => Same(error),
            Self::Store(error) => Same(error),
            Self::Http(error) => Same(error),
            Self::Oci(error) => Same(error),
            Self::Registry(error) => Same(error),
            Self::CacheWrite { source, .. } => Same(&**source),
            Self::NeedsRegistry { .. } => outside("run it without `--offline`"),
            Self::NoTag => usage("name it with its registry: `--tag ghcr.io/acme/api:1.4`"),
            Self::CacheLie { .. } => input(
                "nothing is delivered: build without --cache-from, find out who may write to the cache, and delete its tag",
            ),
            Self::CacheGone { .. } => outside("build without --cache-from: then it is made"),
            Self::NoCache { .. } => input("give --cache-to a tag, or a repository, of its own"),
            Self::UnknownSubject { .. } => {
                usage("write `layout:DIR`, `archive:FILE`, `last` or a reference like `ghcr.io/acme/api:1.4`")
            }
            Self::Last { .. } => input("build it with `wain build`; with --no-cache nothing is remembered"),
            Self::LastWorkflow { .. } => input(
                "name one: `layout:.wain/images/COMPONENT`; `wain build --registry HOST/PATH` pushes all of them",
            ),
            Self::NoHome => input("set HOME, DOCKER_CONFIG or REGISTRY_AUTH_FILE"),
            Self::OtherDigest { .. } => input("name it by a tag, or by its own digest"),
            Self::UnknownBase { .. } => usage(
                "write `debian:trixie`, `debian:bookworm`, `layout:DIR`, `archive:FILE` or a reference like `ghcr.io/acme/python:3.13`",
            ),
            Self::Mirror { .. } => usage("write it as `https://deb.debian.org/debian`"),
            Self::UnknownOutput { .. } => {
                usage("write `layout:DIR`, `archive:FILE`, `archive:-`, `docker` or `registry`")
            }
            Self::NoComponents { .. } => input(
                "add a component such as `llm openai` or `api functions`; `wain ww check` shows them all",
            ),
            Self::ServiceTaken { .. } => input("give it another name"),
            Self::NoComponentFile { is_excluded: true, .. } => input(
                "it is kept out of images because it may hold secrets; name it in `include` if it does not",
            ),
            Self::NoComponentFile { is_excluded: false, .. } => input(
                "paths are relative to the folder of the workflow; look at .dockerignore and .gitignore too",
            ),
            Self::NoFunction { .. } => input("name a function at the top of the script"),
            Self::NoLock { .. } => {
                input("lock it with your tool (`uv lock`, `poetry lock`, `pdm lock`, `pipenv lock`)")
            }
            Self::NotLocked { option: ResolveBan::Offline, .. } => {
                input("run `wain lock` with a network, or give --no-index and --find-links DIR")
            }
            Self::NotLocked { option: ResolveBan::Locked, .. } => {
                input("run `wain lock` and commit what it writes")
            }
            Self::NoResolver { .. } => input("install uv 0.7 or newer"),
            Self::SecretInLock { .. } => {
                input("the index writes it into the addresses of its files: use another index, or `.netrc`")
            }
            Self::NotOurLock { .. } => {
                input("upgrade with the tool that made it, for example `uv lock --upgrade`")
            }
            Self::NoProject { .. } => input("give the folder with pyproject.toml or requirements.txt"),
            Self::NoWheel { wanted, refused, .. } => found(no_wheel_hint(wanted, refused)),
            Self::NoHash { .. } => input("lock again with hashes"),
            Self::LockUrl { .. } => input("lock again"),
            Self::NoPython { .. } => input(
                "debian:trixie has Python 3.13 and debian:bookworm 3.11; for another, give an image that has it with \
                 `--base layout:DIR` or `--base archive:FILE`",
            ),
            Self::WrongPython { .. } => input("choose another base with --base, or another --python"),
            Self::NoLibc { .. } => input("the base needs glibc or musl"),
            Self::FullBase { .. } => {
                input("flatten the base (for example with `podman build --squash-all`), or take another")
            }
            Self::HasEnvironment { .. } => input(
                "its files would be replaced or show through; build on the base of that image instead (`wain explain E-BASE`)",
            ),
            Self::OldBytecode { .. } => input("build with `--bytecode none`, or on a newer Python"),
            Self::FewLayers { .. } => {
                input("allow one more with --max-layers, or build with `--bytecode none`")
            }
            Self::NoCompiler { wanted, host, .. } => found(format!(
                "install exactly Python {wanted}, or build the image of {host} along with it (--platform), or build with `--bytecode none`"
            )),
            Self::NotDebian { .. } => input(
                "take an image of Debian 12 or newer, or `--base debian:trixie`; or have the packages in the base and remove the setting",
            ),
            Self::Source { .. } => Class::Own(Kind::Outside, None),
            Self::NoFolder { .. } => input("check out the whole workspace, or lock again"),
            Self::NotBuilt { refused } => found(switch(refused)),
            Self::NoInterpreter { python, .. } => found(format!(
                "install Python {python} (for a wheel that fits every Python, any will do), or build the wheel elsewhere and lock \
                 it with --find-links"
            )),
            Self::Impure { target, .. } => found(format!(
                "build it where CPython {} for {} is (`uv build --wheel`), and lock the wheel with --find-links; or take a base \
                 with the Python of this machine",
                target.python.short(),
                target.machine()
            )),
            Self::BuiltOtherwise { .. } => input(
                "build with the same tools, or remove its `[[wheel]]` from wain.lock and build without --locked",
            ),
            Self::OfflineGit { .. } => input("build once with a network: the wheel is kept"),
            Self::WainLock { .. } => input("mend it, or remove it and run `wain lock`"),
            Self::Locked { .. } => input("run `wain lock` and commit the result"),
            Self::ForeignModule { .. } => input(
                "the file name of the wheel promises more than it holds: lock another version, or tell its authors",
            ),
            Self::TooNew { .. } => {
                input("take a newer base, as `--base debian:trixie`, or lock an older version")
            }
            Self::MissingLibraries { remedy, .. } => {
                let unknown = "find the packages that have them, and add those to the base";
                found(format!("{}; or leave out --strict-native", remedy.as_deref().unwrap_or(unknown)))
            }
            Self::TooLarge { .. } => input(
                "cut what is not needed (--slim leaves tests and headers of packages out), or raise --size-limit; `wain analyze` says what packages and files cost",
            ),
            Self::Open { .. } => Class::Own(Kind::Outside, None),
            Self::Threads { .. } => outside(
                "raise the limits on processes and memory (`ulimit -u`, `ulimit -v`), or lower `--jobs`",
            ),
            Self::Bug { .. } => Class::Own(Kind::Bug, Some("please report it, with what you did".into())),
        }
    }

    /// Whether a damaged file of the cache was found and removed, so that trying again will do.
    pub fn is_damage(&self) -> bool {
        self.kind() == Kind::Damaged
    }

    /// Whether the reader of an archive went away (`wain build -o archive:- | head`): no reason for many words.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Image(error) if error.is_broken_pipe())
    }

    /// The exit code of a command that ends with this error.
    pub fn exit_code(&self) -> u8 {
        self.kind().exit_code()
    }
}

/// The switch that allows to build some packages.
fn switch(refused: &[Refused]) -> String {
    let names = refused.iter().filter(|package| package.can_be_built).map(|package| package.name.as_str());
    let names: Vec<&str> = names.collect();
    let them = if names.len() == 1 { "it" } else { "them" };
    format!("`--build-sdists={}` builds {them} here, which runs code of the package", names.join(","))
}

fn no_wheel_hint(wanted: &[String], refused: &[Refused]) -> String {
    let tags = format!("a wheel tagged {} would fit", wanted.join(" or "));
    match refused.iter().find(|package| package.can_be_built) {
        Some(source) => format!(
            "{}; or build one with `uv build --wheel` or `pip wheel {}{}{}` and lock it with --find-links ({tags})",
            switch(refused),
            source.name,
            if source.version.is_empty() { "" } else { "==" },
            source.version
        ),
        None => {
            format!("{tags}; lock a version that has one, or choose another --base, --python or --platform")
        }
    }
}

#[cfg(test)]
mod tests {
    use wainwright_oci::Digest;
    use wainwright_store::Error as Store;

    use super::*;

    #[test]
    fn damage_is_known_whoever_met_it() {
        let damaged = || Store::Damaged { digest: Digest::of("x") };
        let missing = || Store::Missing { digest: Digest::of("x") };
        for error in [
            Error::Store(damaged()),
            Error::Store(missing()),
            Error::Base(wainwright_base::Error::Store(damaged())),
            Error::Debian(wainwright_debian::Error::Store(missing())),
            Error::Image(wainwright_image::Error::Store { source: damaged() }),
        ] {
            assert!(error.is_damage(), "{error}");
        }
        assert!(!Error::Base(wainwright_base::Error::Store(Store::NotOurs { path: "x".into() })).is_damage());
        assert!(!Error::NoTag.is_damage());
    }
}
