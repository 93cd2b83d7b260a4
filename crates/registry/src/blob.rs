use std::path::PathBuf;
use std::sync::Arc;

use wainwright_oci::Descriptor;

/// A blob that belongs into a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// What it is.
    pub descriptor: Descriptor,
    /// Where its bytes are.
    pub source: Source,
    /// A repository of the same registry that may have it already.
    pub from: Option<String>,
}

/// Where the bytes of a blob are that is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nowhere here: the registry may have it, or take it from another of its repositories.
    Absent,
    /// In memory.
    Bytes(Arc<[u8]>),
    /// In a file, from `offset` on.
    File {
        /// The file.
        path: PathBuf,
        /// Where the blob begins in it, in bytes.
        offset: u64,
    },
}

/// How a blob came to be in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uploaded {
    /// Its bytes were sent.
    Sent,
    /// The registry took it from another of its repositories.
    Mounted,
    /// It was there.
    There,
}
