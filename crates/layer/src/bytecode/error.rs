use std::io;
use std::path::PathBuf;

use wainwright_fault::{Classify, Kind};
use wainwright_oci::ImagePath;

/// Why no bytecode could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The scratch folder cannot be used.
    #[error("could not use `{}`", .path.display())]
    Scratch {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The content of a source cannot be read.
    #[error("could not read `/{path}` of a wheel")]
    Source {
        /// The file in the image.
        path: ImagePath,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The interpreter does not run here.
    #[error("the interpreter that compiles does not run here: {reason}")]
    CannotRun {
        /// Why.
        reason: String,
    },
    /// The interpreter is another one than was expected.
    #[error("the interpreter that compiles is {found}, and the image has {wanted}")]
    OtherVersion {
        /// What it says of itself.
        found: String,
        /// What it should be.
        wanted: String,
    },
    /// The interpreter ended or hung in the middle of a source.
    #[error("the interpreter {what} while it compiled `/{path}`")]
    Died {
        /// The source.
        path: ImagePath,
        /// What happened.
        what: String,
    },
    /// The interpreter wrote something that is no bytecode of its version.
    #[error("the interpreter wrote no proper bytecode for `/{path}`")]
    Malformed {
        /// The source.
        path: ImagePath,
    },
}

impl Classify for Error {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::CannotRun { .. } | Self::OtherVersion { .. } => {
                "with `--bytecode none` the image works all the same, it only starts slower".into()
            }
            Self::Died { .. } | Self::Malformed { .. } => {
                "leave the package out, or build with `--bytecode none`".into()
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
