//! How the files of a layout are called.

use std::path::{Path, PathBuf};

use wainwright_oci::Digest;

/// The file that says "this folder is an OCI layout" (OCI image-spec, "Image Layout").
pub(crate) const MARK: &str = "oci-layout";
/// What it says.
pub(crate) const MARK_BYTES: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
/// The file that names the images.
pub(crate) const INDEX: &str = "index.json";

pub(super) fn blob_path(dir: &Path, digest: &Digest) -> PathBuf {
    dir.join("blobs/sha256").join(digest.hex())
}
