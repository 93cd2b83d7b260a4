use std::io;
use std::path::PathBuf;
use std::time::Duration;

use wainwright_fault::{Classify, Kind};

/// Why there is no wheel of a source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A source distribution that is not unpacked.
    #[error("source distribution `{file}` rejected: {reason}")]
    Archive {
        /// Its name.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What a source says of its backend cannot be used.
    #[error("cannot build the source of {what}: {reason}")]
    System {
        /// The package.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// A program cannot be started.
    #[error("cannot start `{}`", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The build requirements are not to be had.
    #[error("cannot install the build requirements of {what} ({}):\n{said}", requires.join(", "))]
    Requirements {
        /// The package.
        what: String,
        /// The requirements.
        requires: Vec<String>,
        /// What the installer said, without passwords.
        said: String,
        /// Whether the network was forbidden.
        is_offline: bool,
        /// Whether an index could not be asked.
        is_network: bool,
    },
    /// The backend failed.
    #[error("{backend} failed to build {what}; its last output:\n{said}")]
    Failed {
        /// The package.
        what: String,
        /// The backend.
        backend: String,
        /// What it said last, without passwords.
        said: String,
    },
    /// The backend took too long.
    #[error("{backend} did not build {what} within {} s and was stopped; its last output:\n{said}", limit.as_secs())]
    TooLong {
        /// The package.
        what: String,
        /// The backend.
        backend: String,
        /// How long it may take.
        limit: Duration,
        /// What it said last, without passwords.
        said: String,
    },
    /// The backend left something other than one wheel of the package.
    #[error("{backend} did not build {what}, but {found}")]
    Other {
        /// The package.
        what: String,
        /// The backend.
        backend: String,
        /// What there is.
        found: String,
    },
    /// There is no git.
    #[error("{what} comes from a git repository, and there is no `git` on the PATH")]
    NoGit {
        /// The package.
        what: String,
    },
    /// git could not fetch the commit.
    #[error("git failed to fetch the commit {commit} of {what}:\n{said}")]
    Git {
        /// The package.
        what: String,
        /// The commit.
        commit: String,
        /// What git said, without passwords.
        said: String,
    },
    /// A repository that gave something else than the commit.
    #[error("the repository of {what} sent {found} instead of the commit {commit}")]
    OtherCommit {
        /// The package.
        what: String,
        /// What the lockfile names.
        commit: String,
        /// What came.
        found: String,
    },
}

impl Classify for Error {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Archive { .. } => {
                "lock a version that has a wheel, or build a wheel yourself and add its folder with --find-links"
            }
            Self::Requirements { is_offline: true, .. } => {
                "build once with a network (the wheel is cached), or add the folder of their wheels with --find-links"
            }
            Self::Requirements { is_network: true, .. } => {
                "check --index-url and its credentials, or the network"
            }
            Self::Requirements { .. } => {
                "build requirements are installed as wheels from the configured indexes and --find-links"
            }
            Self::Failed { .. } => {
                "the build runs without your environment (docs/python.md lists what it can access): install the missing libraries and compilers, or build the wheel yourself (`uv build --wheel`) and add its folder with --find-links"
            }
            Self::TooLong { .. } => {
                "raise --build-timeout, or build the wheel elsewhere and add its folder with --find-links"
            }
            Self::NoGit { .. } => "install git, or lock a released version",
            Self::Git { .. } => "check that `git fetch` reaches the repository without asking for a password",
            Self::Read { .. }
            | Self::Write { .. }
            | Self::System { .. }
            | Self::Start { .. }
            | Self::Other { .. }
            | Self::OtherCommit { .. } => return None,
        };
        Some(hint.into())
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Read { .. }
            | Self::Write { .. }
            | Self::Start { .. }
            | Self::Git { .. }
            | Self::Requirements { is_network: true, .. } => Kind::Outside,
            Self::Archive { .. }
            | Self::System { .. }
            | Self::Requirements { is_network: false, .. }
            | Self::Failed { .. }
            | Self::TooLong { .. }
            | Self::Other { .. }
            | Self::NoGit { .. }
            | Self::OtherCommit { .. } => Kind::Input,
        }
    }
}
