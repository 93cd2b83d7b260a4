use std::path::PathBuf;

use crate::{Descriptor, DiffId, Document, Platform, Reference};

/// One image for one platform: its documents, and where the bytes of its layers are.
#[derive(Clone, Debug)]
pub struct Image {
    /// What it runs on.
    pub platform: Platform,
    /// The manifest; its digest is the image's.
    pub manifest: Document,
    /// The config; its digest is what Docker calls the image ID.
    pub config: Document,
    /// The layers, lowest first, in the order of the manifest.
    pub layers: Vec<Layer>,
}

/// A finished layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Media type, digest and size of the bytes.
    pub descriptor: Descriptor,
    /// Digest of the tar inside.
    pub diff_id: DiffId,
    /// Where the bytes are.
    pub place: Place,
}

/// Where the bytes of a layer are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the store, by digest.
    Store,
    /// In a file of somebody else, from `offset` on: a blob of an OCI layout, or a member of an archive.
    ///
    /// Not verified yet: whoever copies them checks the digest.
    File {
        /// The file.
        path: PathBuf,
        /// Where the blob starts in it, in bytes.
        offset: u64,
    },
    /// In the repository that the image came from, and in the store from when somebody needs them.
    Registry(Reference),
}
