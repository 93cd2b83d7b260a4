use std::io;
use std::path::PathBuf;

use wainwright_oci::ImagePath;

/// Why the entries of a layer could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A wheel is refused.
    #[error(transparent)]
    Wheel(#[from] wainwright_wheel::Error),
    /// Two wheels own one path with different contents.
    #[error("E-CLASH: `{path}` is in both `{first}` and `{second}`, with different contents")]
    Clash {
        /// The path in the image.
        path: ImagePath,
        /// File name of one wheel.
        first: String,
        /// File name of the other.
        second: String,
    },
    /// A path of the project cannot stand in an image.
    #[error("a file of the project cannot go into the image")]
    Path {
        /// Which rule it breaks.
        #[source]
        source: wainwright_oci::Error,
    },
    /// A project file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A project file is not what it was when it was listed.
    #[error("`{}` changed while it was read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A project file takes the place of something we make.
    #[error("the project has a file `{path}`, where the image keeps its Python environment")]
    Environment {
        /// The path in the image.
        path: ImagePath,
    },
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Wheel(error) => error.hint(),
            Self::Clash { .. } => {
                Some("installing both would keep whichever came last; leave one of the packages out (`wain explain E-CLASH`)".into())
            }
            Self::Environment { .. } => Some("rename it, or leave it out with `exclude`".into()),
            Self::Path { source } => source.hint(),
            Self::Changed { .. } => Some("build again when nothing writes to the project".into()),
            Self::Read { .. } => None,
        }
    }

    /// Whether the outside world failed, not the input.
    pub fn is_outside(&self) -> bool {
        match self {
            Self::Wheel(error) => error.is_outside(),
            Self::Read { .. } => true,
            _ => false,
        }
    }
}
