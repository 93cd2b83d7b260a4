use wainwright_fault::{Classify, Kind};

/// A word that does not follow its specification.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Not `X.Y` or `X.Y.Z`.
    #[error("`{text}` is not a Python version")]
    PythonVersion {
        /// What was found.
        text: String,
    },
    /// Not a name by the PyPA "Names and normalization" specification.
    #[error("`{text}` is not a package name")]
    Name {
        /// What was found, with unprintable characters escaped.
        text: String,
    },
    /// Neither specifiers nor Poetry's notation for them.
    #[error("`{text}` is not a version range")]
    VersionRange {
        /// What was found, with unprintable characters escaped.
        text: String,
    },
    /// Not `name-version[-build]-python-abi-platform.whl`.
    #[error("`{text}` is not a wheel file name: {reason}")]
    WheelFilename {
        /// What was found.
        text: String,
        /// Which part is wrong, as half a sentence.
        reason: &'static str,
    },
    /// No kind of files that can be left out.
    #[error("`{}` is not one of {}", text.escape_debug(), known)]
    Slim {
        /// What was found.
        text: String,
        /// All kinds there are.
        known: String,
    },
}

impl Classify for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Self::PythonVersion { .. } => Some("write it as `3.11` or `3.13.5`".into()),
            Self::Name { .. } => Some("package names contain ASCII letters, digits, `.`, `-` and `_`".into()),
            Self::VersionRange { .. } => Some("write it as `>=1.2,<2`, `^1.2` or `~1.2`".into()),
            Self::WheelFilename { .. } | Self::Slim { .. } => None,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::PythonVersion { .. }
            | Self::Name { .. }
            | Self::VersionRange { .. }
            | Self::WheelFilename { .. }
            | Self::Slim { .. } => Kind::Input,
        }
    }
}
