use serde::Serialize;
use wainwright_oci::{Digest, Platform};

use super::origin::Origin;
use crate::fields::Field;

/// What came of comparing an image with what its project builds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// In one word.
    pub verdict: Verdict,
    /// The digest of the image or index that the project builds; absent where only some platforms were compared.
    pub expected: Option<Digest>,
    /// The digest of the image or index that was found; absent where several images have no index over them.
    pub found: Option<Digest>,
    /// What is wrong with the image as a whole, as sentences.
    pub problems: Vec<String>,
    /// Platforms of the image that nobody asked about.
    pub not_compared: Vec<Platform>,
    /// Fields in which the indexes differ, but for the digests of their images.
    pub index: Vec<Field>,
    /// Every platform that was compared.
    pub platforms: Vec<PlatformVerification>,
}

/// Whether an image is what its project builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The same digests, and every file has an origin.
    Same,
    /// The same files in the same places, and a container runs the same way; but the bytes of layers or documents are
    /// others, as from another version of this program or another compression.
    SameFiles,
    /// Something else.
    Different,
}

/// The image for one platform.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlatformVerification {
    /// The platform.
    pub platform: Platform,
    /// The digest of the manifest that the project builds; of the config where the image has no manifest.
    pub expected: Digest,
    /// The digest of the manifest that was found; of the config where the image has no manifest.
    pub found: Digest,
    /// Whether all is the same but for bytes; see [`Verdict`].
    pub verdict: Verdict,
    /// Fields in which the manifests differ, but for digests and sizes.
    pub manifest: Vec<Field>,
    /// Fields in which the configs differ, but for diff IDs.
    pub config: Vec<Field>,
    /// The layers, lowest first.
    pub layers: Vec<LayerVerification>,
    /// How many files come from where; folders are not counted.
    pub origins: Vec<OriginCount>,
    /// Members of layers that no input brings.
    pub unexplained: Vec<Finding>,
    /// Members of layers that are not what the inputs say.
    pub differing: Vec<Finding>,
    /// What the inputs bring and the image does not show.
    pub missing: Vec<Finding>,
    /// How many members have another modification time than they should.
    pub other_times: usize,
    /// Every explained file with its origin, in the order of layers and paths; folders are left out.
    #[serde(skip)]
    pub files: Vec<(String, Origin)>,
}

/// One layer: as it should be, as it is, or both.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerVerification {
    /// Its place in the image, counted from 1; absent where the image lacks it.
    pub position: Option<usize>,
    /// What it should hold; absent where no such layer is expected.
    pub name: Option<String>,
    /// The digest it should have.
    pub expected: Option<Digest>,
    /// The digest its descriptor says.
    pub found: Option<Digest>,
    /// What it turned out to be.
    pub state: LayerVerdict,
    /// Why it could not be read, or that its bytes are not those its descriptor promises.
    pub problem: Option<String>,
}

/// What a layer turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerVerdict {
    /// The very bytes.
    Same,
    /// The same tar, compressed in another way.
    Recompressed,
    /// Another tar.
    Different,
    /// Nobody expects it.
    Extra,
    /// It is not there.
    Missing,
    /// It cannot be read, or is not what its descriptor says.
    Damaged,
}

/// How many files come from one kind of place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OriginCount {
    /// `wheels`, `debian packages`, `project`, `base image`, `made by wain: environment` ...
    pub origin: String,
    /// How many packages or layers; 0 where that means nothing.
    pub members: usize,
    /// How many files and links.
    pub files: u64,
    /// The sizes of those files together, in bytes.
    pub bytes: u64,
}

/// A member of a layer that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Where it is in the image.
    pub path: String,
    /// Its layer, counted from 1; for something that is missing, where the layer would be.
    pub layer: Option<usize>,
    /// What that layer should hold.
    pub layer_name: Option<String>,
    /// What should be there.
    pub expected: Option<String>,
    /// What is there.
    pub found: Option<String>,
    /// Where what should be there comes from.
    pub origin: Option<Origin>,
}
