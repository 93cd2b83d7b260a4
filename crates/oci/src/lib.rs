//! The words of the Open Container Initiative: digests, descriptors, platforms, references, documents.
//!
//! Everything here is plain data. Nothing reads a file, opens a connection or knows how a layer is made.

mod descriptor;
mod digest;
mod document;
mod error;
mod image;
mod image_path;
mod platform;

pub use descriptor::{Descriptor, media_type};
pub use digest::{DiffId, Digest, Hasher};
pub use document::{Document, canonical_json};
pub use error::Error;
pub use image::{Image, Layer, Place};
pub use image_path::ImagePath;
pub use oci_spec::distribution::Reference;
pub use platform::Platform;
