use std::io;
use std::path::PathBuf;

use wainwright_fault::{Classify, Kind};

/// Why requirements cannot be resolved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the project cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the project is not what its name says.
    #[error("`{}`: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Source that uv would have to run to know what it requires, even where it is told to build nothing.
    #[error("`{}`: `{what}` is a source folder, and resolving it would run its code", path.display())]
    Editable {
        /// The file.
        path: PathBuf,
        /// The line or the package.
        what: String,
    },
    /// uv cannot be written to the store.
    #[error("cannot unpack uv to `{}`", path.display())]
    Write {
        /// Where to.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// uv's own wheel is not sound.
    #[error("cannot unpack the wheel of uv: {reason}")]
    Unpack {
        /// Why.
        reason: String,
    },
    /// uv cannot be started.
    #[error("cannot start `{}`", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// uv found no Python on this machine.
    #[error("uv found no Python on this machine, which it needs to resolve requirements")]
    NoPython,
    /// uv could not ask the indexes.
    #[error("uv failed to query a package index:\n{said}")]
    Network {
        /// What it said, without passwords.
        said: String,
        /// Whether the index wants other credentials.
        is_denied: bool,
    },
    /// uv found no answer.
    #[error("uv failed to resolve `{file}`:\n{said}")]
    Unresolved {
        /// What was to be resolved.
        file: String,
        /// What it said, without passwords.
        said: String,
        /// Whether a package would have to be built to find out what it requires.
        needs_build: bool,
    },
    /// uv's answer is not a lockfile.
    #[error("uv wrote an unusable lockfile: {reason}")]
    Answer {
        /// What is wrong with it.
        reason: String,
    },
}

impl Classify for Error {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Editable { .. } => {
                "lock with the tool of the project (`uv lock`), or build a wheel (`uv build --wheel`) and require the wheel"
            }
            Self::Start { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "the file system may forbid running programs (`noexec`): install uv on the PATH, or choose another --cache-dir"
            }
            Self::Start { .. } => "reinstall uv, so that `uv --version` works",
            Self::NoPython => "install any python3, or run `uv lock` elsewhere",
            Self::Network { is_denied: true, .. } => {
                "set credentials in the URL of the index, in ~/.netrc, or in UV_INDEX_<NAME>_USERNAME and UV_INDEX_<NAME>_PASSWORD; other indexes are not tried, because anyone could publish a package of that name there"
            }
            Self::Network { is_denied: false, .. } => {
                "check --index-url and its credentials, or the network; `uv pip compile -v` shows details"
            }
            Self::Unresolved { needs_build: true, .. } => {
                "build the missing wheel (`uv build --wheel`, `pip wheel`) and add its folder with --find-links; or lock with a tool that reads sources (`uv lock`, `uv pip compile --universal --generate-hashes requirements.in -o requirements.txt`) and allow --build-sdists; dependencies must be listed in pyproject.toml (not `dynamic`), because no code is run to find them"
            }
            Self::Unresolved { needs_build: false, .. } => {
                "change the requirements, or the Python of the image (--python)"
            }
            Self::Answer { .. } => "try another version of uv",
            Self::Read { .. } | Self::Syntax { .. } | Self::Write { .. } | Self::Unpack { .. } => {
                return None;
            }
        };
        Some(hint.into())
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Read { .. }
            | Self::Write { .. }
            | Self::Start { .. }
            | Self::NoPython
            | Self::Network { .. } => Kind::Outside,
            Self::Syntax { .. }
            | Self::Editable { .. }
            | Self::Unpack { .. }
            | Self::Unresolved { .. }
            | Self::Answer { .. } => Kind::Input,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_without_permission_hints_at_noexec() {
        let start = |kind: io::ErrorKind| Error::Start { program: "/cache/uv".into(), source: kind.into() };
        let denied = start(io::ErrorKind::PermissionDenied);
        assert!(denied.hint().unwrap().contains("noexec") && denied.is_outside());
        assert!(!start(io::ErrorKind::NotFound).hint().unwrap().contains("noexec"));
    }
}
