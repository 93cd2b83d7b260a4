use std::io;
use std::path::{Path, PathBuf};

use wainwright_fault::{Classify, Kind};

use crate::Place;
use crate::place::show;

/// Why a project could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("cannot read `{}`", show(path.as_os_str().as_encoded_bytes()))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The project is not a folder.
    #[error("`{}` is not a folder", show(path.as_os_str().as_encoded_bytes()))]
    NotAFolder {
        /// What was given.
        path: PathBuf,
    },
    /// A file that should be small is not.
    #[error("`{file}` is larger than {limit} bytes")]
    TooLarge {
        /// The file, relative to the project.
        file: String,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A file that would go into the image holds a password that this build uses.
    #[error("`{path}` contains the password of a package index and would be copied into the image")]
    Leak {
        /// The file, relative to the project.
        path: String,
    },
    /// A file that should be a regular file with text is something else.
    #[error("`{file}` {reason}")]
    NotText {
        /// The file, relative to the project.
        file: String,
        /// What it is, as half a sentence.
        reason: String,
    },
    /// Something in a file of the user is not as it must be.
    #[error("{place}: {what}{}", place.excerpt())]
    Invalid {
        /// Where.
        place: Box<Place>,
        /// What is wrong, as half a sentence.
        what: String,
        /// The way out, where one is known.
        remedy: Option<String>,
    },
    /// Settings stand in two places.
    #[error("settings are in both `wainwright.toml` and `pyproject.toml` (under [tool.wainwright])")]
    TwoSettings,
    /// A name in the source tree that would delete a file of the image (rule `E-WHITEOUT`).
    #[error("E-WHITEOUT: cannot add `{path}` to an image: names that start with `.wh.` delete files there")]
    Whiteout {
        /// The path in the project, escaped.
        path: String,
    },
    /// A path in the source tree that cannot stand in an image.
    #[error("cannot add `{path}` to an image: {reason}")]
    Path {
        /// The path in the project, escaped.
        path: String,
        /// The rule it breaks, as half a sentence.
        reason: String,
    },
    /// A socket, pipe or device.
    #[error("`{path}` is a {kind}; images contain only files, folders and links")]
    Special {
        /// The path in the project, escaped.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// A symbolic link that leaves the project.
    #[error("the link `{path}` points outside the project, to `{target}`")]
    LinkOut {
        /// The path in the project, escaped.
        path: String,
        /// Where it points, escaped.
        target: String,
    },
    /// Nothing says how the container starts.
    #[error("cannot determine how the container starts: {reason}")]
    Start {
        /// What was found, as a sentence.
        reason: String,
        /// Commands that would be possible.
        choices: Vec<String>,
    },
}

impl Classify for Error {
    fn hint(&self) -> Option<String> {
        const LEAVE_OUT: &str = "exclude it with `exclude` in the settings or in .dockerignore";
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some(format!("make it readable, or {LEAVE_OUT}"))
            }
            Self::Read { .. } | Self::TooLarge { .. } | Self::NotText { .. } => None,
            Self::Leak { path } => Some(format!(
                "set the password in UV_INDEX_<NAME>_PASSWORD, PIP_INDEX_URL or .netrc instead, or exclude the file with `exclude = [\"{path}\"]`; `include = [\"{path}\"]` adds it anyway"
            )),
            Self::NotAFolder { .. } => Some("use the folder that contains pyproject.toml".into()),
            Self::Invalid { remedy, .. } => remedy.clone(),
            Self::TwoSettings => Some("keep one of them and remove the other".into()),
            Self::Whiteout { .. } => {
                Some(format!("rename it, or {LEAVE_OUT} (`wain explain E-WHITEOUT`)"))
            }
            Self::Path { .. } => Some(format!("rename it, or {LEAVE_OUT}")),
            Self::Special { .. } => Some(format!("remove it, or {LEAVE_OUT}")),
            Self::LinkOut { .. } => {
                Some(format!("replace it with a copy, point it inside the project, or {LEAVE_OUT}"))
            }
            Self::Start { choices, .. } if choices.is_empty() => Some(
                "set `entrypoint` in [tool.wainwright], for example `entrypoint = [\"python\", \"-m\", \"http.server\"]`"
                    .into(),
            ),
            Self::Start { choices, .. } => {
                Some(format!("set `entrypoint` in [tool.wainwright] to one of: {}", choices.join(", ")))
            }
        }
    }

    fn kind(&self) -> Kind {
        match self {
            // A folder that is not there was named wrongly.
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => Kind::Input,
            Self::Read { .. } => Kind::Outside,
            Self::NotAFolder { .. }
            | Self::TooLarge { .. }
            | Self::Leak { .. }
            | Self::NotText { .. }
            | Self::Invalid { .. }
            | Self::TwoSettings
            | Self::Whiteout { .. }
            | Self::Path { .. }
            | Self::Special { .. }
            | Self::LinkOut { .. }
            | Self::Start { .. } => Kind::Input,
        }
    }
}

impl Error {
    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }
}
