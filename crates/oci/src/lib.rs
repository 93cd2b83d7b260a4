//! The words of the Open Container Initiative: digests, descriptors, platforms, references, documents.
//!
//! Everything here is plain data. Nothing reads a file, opens a connection or knows how a layer is made.

mod compression;
mod descriptor;
mod digest;
mod document;
mod error;
mod hasher;
mod image;
mod image_path;
mod lazy;
mod path_order;
mod platform;
mod reference;
mod spec;
mod time;
mod tree;

pub use compression::Compression;
pub use descriptor::{Descriptor, media_type};
pub use digest::{DiffId, Digest};
pub use document::{Document, canonical_json};
pub use error::Error;
pub use hasher::Hasher;
pub use image::{Image, Layer, Place};
pub use image_path::ImagePath;
pub use lazy::Lazy;
pub use path_order::{by_component, one_below_another};
pub use platform::Platform;
pub use reference::Reference;
pub use spec::check_document;
pub use time::rfc3339;
pub use tree::{Held, Tree};

/// The names of annotations (OCI image-spec, "Pre-Defined Annotation Keys").
pub mod annotation {
    pub use oci_spec::image::{
        ANNOTATION_AUTHORS as AUTHORS, ANNOTATION_BASE_IMAGE_DIGEST as BASE_DIGEST,
        ANNOTATION_BASE_IMAGE_NAME as BASE_NAME, ANNOTATION_DESCRIPTION as DESCRIPTION,
        ANNOTATION_DOCUMENTATION as DOCUMENTATION, ANNOTATION_LICENSES as LICENSES,
        ANNOTATION_REF_NAME as REF_NAME, ANNOTATION_SOURCE as SOURCE, ANNOTATION_TITLE as TITLE,
        ANNOTATION_URL as URL, ANNOTATION_VERSION as VERSION,
    };

    /// Of a layer: the digest of its table of contents (eStargz, "Content Verification").
    pub const TOC_DIGEST: &str = "containerd.io/snapshot/stargz/toc.digest";
    /// Of a layer: how many bytes its tar has; podman mounts no layer lazily without it.
    pub const TAR_SIZE: &str = "io.containers.estargz.uncompressed-size";
}
