use wainwright_fault::{Classify, Kind};

/// A word that does not follow its grammar.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Not `sha256:` and 64 lower-case hexadecimal digits.
    #[error("`{text}` is not a sha256 digest")]
    Digest {
        /// What was found.
        text: String,
    },
    /// Not `registry/repository:tag@digest`.
    #[error("`{text}` is not an image reference: {reason}")]
    Reference {
        /// What was found.
        text: String,
        /// What is wrong with it, as half a sentence.
        reason: &'static str,
    },
    /// Not `os/architecture[/variant]`.
    #[error("`{text}` is not a platform")]
    Platform {
        /// What was found.
        text: String,
    },
    /// Not a way to compress that we know.
    #[error("`{text}` is not a compression")]
    Compression {
        /// What was found.
        text: String,
    },
    /// A level that its compression does not have.
    #[error("`{text}` is not a compression: its level must be a whole number from {lowest} to {highest}")]
    Level {
        /// What was found.
        text: String,
        /// The lowest level there is.
        lowest: u8,
        /// The highest level there is.
        highest: u8,
    },
    /// Not a lazy layout that we know.
    #[error("`{text}` is not a lazy layout")]
    Lazy {
        /// What was found.
        text: String,
    },
    /// A path that cannot stand in a layer.
    #[error("`{path}` is not a valid path in an image: {reason}")]
    Path {
        /// The path, with unprintable bytes escaped.
        path: String,
        /// The rule it breaks, as half a sentence.
        reason: &'static str,
    },
    /// A JSON document that does not have the shape its media type promises.
    #[error("not a valid {what}: {reason}")]
    Document {
        /// Which document: `image manifest`, `image index`, `image config`.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl Classify for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Digest { .. } => {
                Some("write `sha256:` followed by 64 lower-case hexadecimal digits".into())
            }
            Self::Platform { .. } => {
                Some("write it as `linux/amd64`, `linux/arm64` or `linux/arm/v7`".into())
            }
            Self::Reference { .. } => {
                Some("write it as `name:tag` or `registry.example/team/name:tag`".into())
            }
            Self::Compression { .. } | Self::Level { .. } => {
                Some("write it as `splice`, `gzip`, `gzip:9`, `zstd`, `zstd:19` or `none`".into())
            }
            Self::Lazy { .. } => Some("write it as `estargz` or `no`".into()),
            Self::Path { .. } | Self::Document { .. } => None,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Digest { .. }
            | Self::Reference { .. }
            | Self::Platform { .. }
            | Self::Compression { .. }
            | Self::Level { .. }
            | Self::Lazy { .. }
            | Self::Path { .. }
            | Self::Document { .. } => Kind::Input,
        }
    }
}
