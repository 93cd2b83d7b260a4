use std::collections::BTreeSet;

use crate::{Descriptor, Document, Image, Place};

/// Everything that one digest stands for: an index and all below it, or a manifest, with the blobs they name.
///
/// Nothing of it is ours to change: attestations and other artifacts are carried along as they are.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The index or manifest that names everything else; its digest is the tree's.
    pub root: Document,
    /// Indexes and manifests below the root. What is named comes before what names it.
    pub children: Vec<Document>,
    /// Configs whose bytes are at hand; others are among the blobs.
    pub configs: Vec<Document>,
    /// Configs and layers, each once.
    pub blobs: Vec<Held>,
}

/// A blob, and where its bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Media type, digest and size of the bytes.
    pub descriptor: Descriptor,
    /// Where the bytes are.
    pub place: Place,
}

impl Tree {
    /// The tree of images: below an index, or of the only one. `None` for several images without an index, or for none.
    pub fn of_images(index: Option<&Document>, images: &[Image]) -> Option<Self> {
        let manifests = || images.iter().map(|image| image.manifest.clone());
        let (root, children) = match (index, images) {
            (Some(index), _) => (index.clone(), manifests().collect()),
            (None, [image]) => (image.manifest.clone(), Vec::new()),
            _ => return None,
        };
        let mut seen = BTreeSet::new();
        let layers = images.iter().flat_map(|image| &image.layers);
        let blobs = layers
            .filter(|layer| seen.insert(layer.descriptor.digest))
            .map(|layer| Held { descriptor: layer.descriptor.clone(), place: layer.place.clone() })
            .collect();
        let configs = images.iter().filter(|image| seen.insert(image.config.digest()));
        Some(Self { root, children, configs: configs.map(|image| image.config.clone()).collect(), blobs })
    }

    /// How many bytes configs and layers have together.
    pub fn size(&self) -> u64 {
        let configs = self.configs.iter().map(|config| config.descriptor.size);
        configs.chain(self.blobs.iter().map(|blob| blob.descriptor.size)).sum()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{DiffId, Digest, Layer, Platform, canonical_json, media_type};

    fn document(media_type: &str, json: Value) -> Document {
        Document::read("sample", media_type, canonical_json(&json)).unwrap()
    }

    fn image(architecture: &str, layers: &[&str]) -> Image {
        let layer = |text: &&str| Layer {
            descriptor: Descriptor::of(media_type::LAYER_TAR, text.as_bytes()),
            diff_id: DiffId(Digest::of(text)),
            place: Place::Store,
        };
        Image {
            platform: Platform::linux(architecture),
            manifest: document(media_type::MANIFEST, json!({ "for": architecture })),
            config: document(media_type::CONFIG, json!({ "architecture": architecture })),
            layers: layers.iter().map(layer).collect(),
        }
    }

    #[test]
    fn shared_blobs_are_listed_once() {
        let images = [image("amd64", &["a", "both", "a"]), image("arm64", &["both"])];
        let index = document(media_type::INDEX, json!({}));
        let tree = Tree::of_images(Some(&index), &images).unwrap();
        assert_eq!((tree.children.len(), tree.configs.len(), tree.blobs.len()), (2, 2, 2));
        assert_eq!(tree.root.digest(), index.digest());
        let single = Tree::of_images(None, &images[..1]).unwrap();
        assert_eq!((single.root.digest(), single.children.len()), (images[0].manifest.digest(), 0));
        assert!(Tree::of_images(None, &images).is_none());
    }
}
