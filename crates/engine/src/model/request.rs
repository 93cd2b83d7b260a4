use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wainwright_emit::Profile;
use wainwright_lock::Selection;
use wainwright_oci::{Compression, Lazy, Platform, Reference};
use wainwright_project::{AllowedClash, BuildSdists};
use wainwright_pypi::IndexOptions;
use wainwright_python::{Bytecode, PythonVersion, Slim};
use wainwright_woodwork::Workflow;

use super::cache::Caches;
use super::error::Error;

/// What the user asks for on the command line; what is absent is decided by settings, then by us.
#[derive(Clone)]
pub struct Request {
    /// The folder of the project.
    pub root: PathBuf,
    /// The workflow whose components become images; `None` for a project that is one image.
    pub workflow: Option<WorkflowRequest>,
    /// Names for the image.
    pub tags: Vec<Reference>,
    /// What to build on.
    pub base: Option<Base>,
    /// What to build for; empty: the settings, else the host.
    pub platforms: Vec<Platform>,
    /// Which Python, when nothing else decides.
    pub python: Option<PythonVersion>,
    /// Which extras and groups of the project to install.
    pub selection: Selection,
    /// Whose files stay where packages own one path with different contents; asked before the settings.
    pub allow_clash: Vec<AllowedClash>,
    /// Kinds of files that are left out of packages, besides those of the settings.
    pub slim: BTreeSet<Slim>,
    /// Which package indexes to use.
    pub indexes: IndexOptions,
    /// Address of the Debian archive.
    pub mirror: Option<String>,
    /// Where images go.
    pub outputs: Vec<Output>,
    /// Which caches in registries are asked, before those of the settings, and which is told.
    pub caches: Caches,
    /// Where the caller will write a report; it is no part of the project.
    pub report: Option<PathBuf>,
    /// How many layers an image may get on top of its base; `None`: the settings, else 40.
    pub max_layers: Option<u8>,
    /// Whether a module that cannot be imported for want of a library is an error, whatever the settings say.
    pub strict_native: bool,
    /// Whose build backends may run, besides those that the settings allow.
    pub build_sdists: BuildSdists,
    /// How long a step of a build backend may take.
    pub build_timeout: Duration,
    /// Whether they run now; a plan says what they would be run for.
    pub runs_backends: bool,
    /// How layers are compressed; absent: the settings, else [`Compression::Splice`].
    pub compression: Option<Compression>,
    /// Whether layers can be mounted before they were fetched; absent: the settings, else [`Lazy::No`].
    pub lazy: Option<Lazy>,
    /// Whether the modules of wheels are compiled; absent: the settings, else [`Bytecode::None`].
    pub bytecode: Option<Bytecode>,
    /// Refuse to write or change `wain.lock`, and refuse a stale lockfile.
    pub is_locked: bool,
    /// What becomes of new pins.
    pub pinning: Pinning,
    /// Modification time of every file we make, in seconds since 1970.
    pub epoch: u64,
}

/// A workflow whose components become images.
#[derive(Clone)]
pub struct WorkflowRequest {
    /// The file, as messages name it.
    pub file: String,
    /// Its content.
    pub workflow: Arc<Workflow>,
    /// What the images are for.
    pub profile: Profile,
    /// Where images are pushed: `HOST/PATH`, before the name of each.
    pub registry: Option<String>,
}

/// What becomes of pins that `wain.lock` does not have yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinning {
    /// They are used and forgotten: a plan writes nothing.
    Never,
    /// They are written; a checkout that nobody may write to can be built all the same.
    IfPossible,
    /// They are written, or it is an error.
    Always,
}

/// The modification time of files when `SOURCE_DATE_EPOCH` does not say: 1980-01-01T00:00:01Z, the first moment that
/// zip archives, wheels among them, can hold.
pub const EPOCH: u64 = 315_532_801;

/// The machine that builds, as far as it matters: read once, by the binary.
#[derive(Clone)]
pub struct Machine {
    /// The environment variables.
    pub vars: BTreeMap<String, String>,
    /// The user's home directory.
    pub home: Option<PathBuf>,
    /// The folder of system-wide settings: `/etc`.
    pub etc: PathBuf,
    /// Where the store is; `None` for one that is thrown away.
    pub cache: Option<PathBuf>,
    /// Where a store that is thrown away is made.
    pub temporary: PathBuf,
    /// The platform of this machine.
    pub platform: Platform,
    /// The time at the start: signatures may have expired by then, and files of the store count as used then.
    pub now: SystemTime,
    /// Standard output, for an archive that is wanted there; `None` where it cannot be had.
    pub stdout: Option<Arc<File>>,
    /// How many layers are made at a time, and how many threads work on them.
    pub jobs: usize,
    /// How many downloads run at a time.
    pub connections: usize,
    /// Registries that may be spoken to without encryption.
    pub insecure_registries: std::collections::BTreeSet<String>,
    /// Certificate authorities to trust besides the usual ones: PEM files.
    pub ca_certs: Vec<PathBuf>,
    /// Refuse to use the network.
    pub is_offline: bool,
    /// How long to wait while another process removes files from the store.
    pub lock_timeout: Duration,
}

/// What an image is built on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// Assembled from the packages of a Debian release: `debian:trixie`.
    Debian(String),
    /// An image on disk: `layout:DIR` or `archive:FILE`.
    Disk(wainwright_base::Source),
    /// An image in a registry: `ghcr.io/acme/python:3.13`.
    Registry(Reference),
}

impl FromStr for Base {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(suite) = text.strip_prefix("debian:") {
            return Ok(Self::Debian(suite.to_owned()));
        }
        if text.starts_with("layout:") || text.starts_with("archive:") {
            return Ok(Self::Disk(text.parse()?));
        }
        let refuse = |source| Error::UnknownBase { text: text.chars().take(200).collect(), source };
        Ok(Self::Registry(text.parse().map_err(refuse)?))
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Debian(suite) => write!(f, "debian:{suite}"),
            Self::Disk(source) => source.fmt(f),
            Self::Registry(reference) => reference.fmt(f),
        }
    }
}

/// Where images go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Output {
    /// A folder: OCI image layout.
    Layout(PathBuf),
    /// A tar file that docker, podman, containerd and skopeo load.
    Archive(PathBuf),
    /// The same on standard output, which then carries nothing else.
    Stdout,
    /// A Docker daemon.
    Docker,
    /// The registries that the tags name.
    Registry,
}

impl FromStr for Output {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.split_once(':') {
            Some(("layout", "-")) => Err(Error::UnknownOutput { text: text.to_owned() }),
            Some(("archive", "-")) => Ok(Self::Stdout),
            Some(("layout", path)) if !path.is_empty() => Ok(Self::Layout(path.into())),
            Some(("archive", path)) if !path.is_empty() => Ok(Self::Archive(path.into())),
            None if text == "registry" => Ok(Self::Registry),
            None | Some(("docker", "")) if text.trim_end_matches(':') == "docker" => Ok(Self::Docker),
            _ => Err(Error::UnknownOutput { text: text.chars().take(200).collect() }),
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layout(path) => write!(f, "layout:{}", path.display()),
            Self::Archive(path) => write!(f, "archive:{}", path.display()),
            Self::Stdout => f.write_str("archive:-"),
            Self::Docker => f.write_str("docker"),
            Self::Registry => f.write_str("registry"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_read_and_written_the_same() {
        for text in ["layout:out", "archive:a.tar", "archive:-", "docker", "layout:a:b"] {
            assert_eq!(text.parse::<Output>().unwrap().to_string(), text);
        }
        assert_eq!("docker:".parse::<Output>().unwrap(), Output::Docker);
        for text in ["", "layout:", "archive", "registry.example/x", "docker:x", "layout:-"] {
            assert!(text.parse::<Output>().is_err(), "{text} was read");
        }
    }
}
