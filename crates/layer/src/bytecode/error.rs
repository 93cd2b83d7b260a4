use std::io;
use std::path::PathBuf;

use wainwright_fault::{Classify, Kind};
use wainwright_oci::ImagePath;

/// Why no bytecode could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The scratch folder cannot be used.
    #[error("cannot use `{}`", .path.display())]
    Scratch {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The content of a source cannot be read.
    #[error("cannot read `/{path}` of a wheel")]
    Source {
        /// The file in the image.
        path: ImagePath,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The interpreter does not run here.
    #[error("the Python that compiles bytecode does not run on this machine: {reason}")]
    CannotRun {
        /// Why.
        reason: String,
    },
    /// The interpreter is another one than was expected.
    #[error("the Python that compiles bytecode is {found}, but the image has {wanted}")]
    OtherVersion {
        /// What it says of itself.
        found: String,
        /// What it should be.
        wanted: String,
    },
    /// The interpreter ended or hung in the middle of a source.
    #[error("Python {what} while compiling `/{path}`")]
    Died {
        /// The source.
        path: ImagePath,
        /// What happened.
        what: String,
    },
    /// The interpreter wrote something that is no bytecode of its version.
    #[error("Python wrote invalid bytecode for `/{path}`")]
    Malformed {
        /// The source.
        path: ImagePath,
    },
}

impl Classify for Error {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::CannotRun { .. } | Self::OtherVersion { .. } => {
                "build with `--bytecode none`; the image then only starts slower".into()
            }
            Self::Died { .. } | Self::Malformed { .. } => {
                "remove the package, or build with `--bytecode none`".into()
            }
            Self::Scratch { .. } | Self::Source { .. } => return None,
        })
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Scratch { .. } => Kind::Outside,
            Self::Source { .. }
            | Self::CannotRun { .. }
            | Self::OtherVersion { .. }
            | Self::Died { .. }
            | Self::Malformed { .. } => Kind::Input,
        }
    }
}
