use std::collections::BTreeMap;

use wainwright_oci::{Digest, Document, Image, Layer, Reference};
use wainwright_store::CacheKey;

use super::conflicts::SharedFile;
use super::debian::DebianLayer;
use super::request::Output;

/// Finished images: bytes and digests, no more questions.
#[derive(Clone, Debug)]
pub struct Images {
    /// The images of the set, in its order.
    pub images: Vec<BuiltImage>,
    /// How many bytes of layers are in their registries already.
    pub sent: u64,
    /// Our layers, by what decides them.
    pub(crate) made: BTreeMap<CacheKey, Layer>,
}

/// One image of the set, made and not delivered.
#[derive(Clone, Debug)]
pub struct BuiltImage {
    /// Its name within the set; `None` where the set has one image without a name.
    pub name: Option<String>,
    /// The name that deployment files give it.
    pub service: String,
    /// The references it gets.
    pub tags: Vec<Reference>,
    /// Where it goes.
    pub outputs: Vec<Output>,
    /// The user it runs as: `uid[:gid]`.
    pub user: String,
    /// The image for each platform, in the order of the plan.
    pub platforms: Vec<BuiltPlatform>,
    /// Lists the platforms, when there are several.
    pub index: Option<Document>,
}

/// One image for one platform.
#[derive(Clone, Debug)]
pub struct BuiltPlatform {
    /// Its documents and layers.
    pub image: Image,
    /// Its layers with what they hold, lowest first.
    pub layers: Vec<LayerReport>,
    /// The paths that several packages own.
    pub shared: Vec<SharedFile>,
    /// The layers of a base that is assembled, or of packages that are added to one.
    pub(crate) base: Option<Vec<DebianLayer>>,
}

impl BuiltImage {
    /// The digest that names it: of the index, or of the manifest where there is one platform.
    pub fn digest(&self) -> Option<Digest> {
        let only = || self.platforms.first().map(|platform| platform.image.manifest.digest());
        self.index.as_ref().map(Document::digest).or_else(only)
    }
}

/// A layer, for a report.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerReport {
    /// What it is called.
    pub name: String,
    /// The packages in it, as `name version`.
    pub packages: Vec<String>,
    /// Its digest.
    pub digest: Digest,
    /// Digest of the tar inside.
    pub diff_id: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it was made earlier.
    pub cached: bool,
}
