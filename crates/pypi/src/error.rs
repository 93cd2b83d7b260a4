use std::path::PathBuf;

use wainwright_fault::{Classify, Kind};
use wainwright_http::redacted;
use wainwright_oci::Digest;
use wainwright_python::{PackageName, Version};

/// Why a package could not be found or fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An index setting that cannot be used. The value is not shown: it may hold a password.
    #[error("invalid package index in {place}: {reason}")]
    Setting {
        /// The variable, option, or file and key.
        place: String,
        /// What is wrong with the value, as half a sentence.
        reason: String,
    },
    /// A configuration file of pip or uv that cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
    /// A configuration file of pip or uv that breaks its grammar.
    #[error("`{}`, line {line}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, as half a sentence.
        reason: String,
    },
    /// An index that does not answer, or refuses to. The next index is not asked.
    #[error("cannot look up `{name}` on the package index `{index}`")]
    Index {
        /// Its address.
        index: String,
        /// The package asked for.
        name: PackageName,
        /// What it answered.
        #[source]
        source: Box<wainwright_http::Error>,
    },
    /// An answer that is no index page.
    #[error("`{url}` is not a package index page: {reason}")]
    Page {
        /// Its address.
        url: String,
        /// What is wrong with it, as half a sentence.
        reason: String,
    },
    /// A page named by `--find-links` that cannot be had.
    #[error("cannot read the page of links `{url}`")]
    Links {
        /// Its address.
        url: String,
        /// What went wrong.
        #[source]
        source: Box<wainwright_http::Error>,
    },
    /// No index knows the name.
    #[error("package `{name}` not found; tried: {}", list(asked))]
    Unknown {
        /// The package.
        name: PackageName,
        /// Which indexes and folders were asked.
        asked: Vec<String>,
    },
    /// The index that knows the name has no file of this version.
    #[error("`{index}` has `{name}`, but no file of version {version}")]
    Version {
        /// The package.
        name: PackageName,
        /// The version.
        version: Version,
        /// The index that answered.
        index: String,
    },
    /// The index that knows the version has not this file of it.
    #[error("`{filename}` not found; tried: {}", list(asked))]
    File {
        /// The wheel.
        filename: String,
        /// Which indexes and folders were asked.
        asked: Vec<String>,
    },
    /// Bytes other than those the lockfile names.
    #[error("`{filename}` does not match the lockfile: expected {expected}, but `{url}` has {found}")]
    Digest {
        /// The wheel.
        filename: String,
        /// Where it came from.
        url: String,
        /// What the lockfile says.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// Another length than the lockfile names.
    #[error(
        "`{filename}` does not match the lockfile: expected {expected} bytes ({digest}), but `{url}` has {found}"
    )]
    Size {
        /// The wheel.
        filename: String,
        /// Where it came from.
        url: String,
        /// The digest that the lockfile names.
        digest: Digest,
        /// How many bytes the lockfile says.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// A wheel whose bytes did not come.
    #[error("cannot fetch `{filename}`{}", of(index.as_deref()))]
    Fetch {
        /// The wheel.
        filename: String,
        /// The index it was locked from, else the configured one on that server.
        index: Option<String>,
        /// What went wrong.
        #[source]
        source: Box<wainwright_http::Error>,
    },
    /// The store could not keep a wheel.
    #[error("cannot store `{filename}`")]
    Store {
        /// The wheel.
        filename: String,
        /// What went wrong.
        #[source]
        source: wainwright_store::Error,
    },
}

fn of(index: Option<&str>) -> String {
    index.map(|index| format!(" from the package index `{index}`")).unwrap_or_default()
}

fn list(asked: &[String]) -> String {
    if asked.is_empty() { "none (there is no index)".into() } else { format!("`{}`", asked.join("`, `")) }
}

impl Error {
    /// Sorts what went wrong with a download: a file that is another one than the lockfile means is told
    /// apart.
    pub(crate) fn fetch(
        filename: &str,
        digest: Digest,
        index: Option<&wainwright_http::Url>,
        source: wainwright_http::Error,
    ) -> Self {
        let filename = filename.to_owned();
        match source {
            wainwright_http::Error::Digest { url, expected, found } => {
                Self::Digest { filename, url, expected, found }
            }
            wainwright_http::Error::Size { url, expected, found } => {
                Self::Size { filename, url, digest, expected, found }
            }
            source => Self::Fetch { filename, index: index.map(redacted), source: Box::new(source) },
        }
    }

    pub(crate) fn page(url: &wainwright_http::Url, reason: impl Into<String>) -> Self {
        Self::Page { url: redacted(url), reason: reason.into() }
    }
}

impl Classify for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Setting { .. } => {
                Some("write an index as `https://host/simple/`, with `user:password@` before the host if needed".into())
            }
            Self::Fetch { index: Some(_), source, .. } if matches!(source.status(), Some(401 | 403)) => Some(
                "the index requires credentials or rejects these: set them in its URL (`https://user:password@host/simple/` as --index-url, UV_INDEX or PIP_INDEX_URL), in ~/.netrc, or in UV_INDEX_<NAME>_USERNAME and UV_INDEX_<NAME>_PASSWORD"
                    .into(),
            ),
            Self::Index { source, .. } if matches!(source.status(), Some(401 | 403)) => Some(
                "the index requires credentials: set them in its URL, in ~/.netrc, or in UV_INDEX_<NAME>_USERNAME and UV_INDEX_<NAME>_PASSWORD; other indexes are not tried, because anyone could publish a package of that name there"
                    .into(),
            ),
            Self::Index { source, .. } | Self::Links { source, .. } | Self::Fetch { source, .. } => source.hint(),
            Self::Page { .. } => {
                Some("check the URL: an index usually ends in `/simple/`, and a login page may answer instead".into())
            }
            Self::Unknown { .. } => Some(
                "check the spelling; for a private package, add its index with --extra-index-url, UV_INDEX or PIP_EXTRA_INDEX_URL"
                    .into(),
            ),
            Self::Version { .. } => Some(
                "only the first index that has a package is used; lock again, or put the index with this version first"
                    .into(),
            ),
            Self::File { .. } => {
                Some("lock again with the configured index, or configure the index that was used for locking".into())
            }
            Self::Digest { .. } | Self::Size { .. } => Some(
                "the index may have replaced the file, or a proxy answers instead; run `uv lock` (or the command of your tool) again and review the change"
                    .into(),
            ),
            Self::Store { source, .. } => source.hint(),
            Self::Read { .. } | Self::Syntax { .. } => None,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Index { source, .. } | Self::Links { source, .. } | Self::Fetch { source, .. } => {
                source.kind()
            }
            Self::Store { source, .. } => source.kind(),
            Self::Read { .. } | Self::Page { .. } => Kind::Outside,
            Self::Setting { .. }
            | Self::Syntax { .. }
            | Self::Unknown { .. }
            | Self::Version { .. }
            | Self::File { .. }
            | Self::Digest { .. }
            | Self::Size { .. } => Kind::Input,
        }
    }
}
