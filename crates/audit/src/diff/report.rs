use serde::Serialize;
use wainwright_oci::{Digest, Platform};

/// In what two images differ.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// Whether what was compared has the same digest.
    pub is_same: bool,
    /// The digest of the first image or index; absent for several images without an index, and for one platform of many.
    pub before: Option<Digest>,
    /// The digest of the second.
    pub after: Option<Digest>,
    /// Fields in which the indexes differ, but for the digests of their images.
    pub index: Vec<Change>,
    /// Platforms that only the first image has.
    pub only_before: Vec<Platform>,
    /// Platforms that only the second image has.
    pub only_after: Vec<Platform>,
    /// Platforms that both have.
    pub platforms: Vec<PlatformDiff>,
}

/// In what the images for one platform differ.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlatformDiff {
    /// The platform; that of the first image where two images for different ones were compared.
    pub platform: Platform,
    /// The digest of the first manifest.
    pub before: Digest,
    /// The digest of the second manifest.
    pub after: Digest,
    /// Fields of the manifest, annotations among them, but for digests and sizes.
    pub manifest: Vec<Change>,
    /// Fields of the config, but for diff IDs.
    pub config: Vec<Change>,
    /// The layers, lowest first.
    pub layers: Vec<LayerChange>,
    /// Packages of Python and Debian that came, went or have another version.
    pub packages: Vec<PackageChange>,
    /// Files, folders and links as a container sees them, sorted by path.
    pub files: Vec<FileChange>,
}

/// Something with a name, before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// What it is.
    pub name: String,
    /// What it was, as JSON; absent where it was not there.
    pub before: Option<String>,
    /// What it is now.
    pub after: Option<String>,
}

/// A layer before and after.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerChange {
    /// What became of it.
    pub state: LayerDifference,
    /// Its place in the first image, counted from 1.
    pub before: Option<usize>,
    /// Its digest there.
    pub before_digest: Option<Digest>,
    /// Its size there, in bytes.
    pub before_size: Option<u64>,
    /// Its place in the second image, counted from 1.
    pub after: Option<usize>,
    /// Its digest there.
    pub after_digest: Option<Digest>,
    /// Its size there, in bytes.
    pub after_size: Option<u64>,
}

/// What became of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerDifference {
    /// The same bytes.
    Same,
    /// The same tar, compressed in another way.
    Recompressed,
    /// Another tar in the same place.
    Changed,
    /// Only the second image has it.
    Added,
    /// Only the first image has it.
    Removed,
}

/// A package before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageChange {
    /// `python` or `debian`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its version in the first image; several where it is there several times.
    pub before: Option<String>,
    /// Its version in the second image.
    pub after: Option<String>,
}

/// A file, folder or link before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileChange {
    /// Where it is.
    pub path: String,
    /// What changed: `kind`, `mode`, `owner`, `size`, `content`, `target`, `time`, `attributes`; empty where it came or
    /// went.
    pub what: Vec<&'static str>,
    /// What it was; absent where it was not there.
    pub before: Option<String>,
    /// What it is now.
    pub after: Option<String>,
    /// Where the contents begin to differ.
    pub first_difference: Option<ByteDifference>,
}

/// Where two contents begin to differ, and what stands there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ByteDifference {
    /// The first byte that differs, counted from 0.
    pub offset: u64,
    /// The bytes of the first content from there on, escaped; empty at its end.
    pub before: String,
    /// The bytes of the second content from there on.
    pub after: String,
}
