//! A tiny release for the tests: real layers, in a real store.

use serde_json::json;
use tempfile::TempDir;
use wainwright_blob::{Compression, Entry, Lazy, Options, write};
use wainwright_oci::{Document, Image, ImagePath, Layer, Place, Platform, media_type};
use wainwright_store::Store;

use crate::Release;

pub(crate) struct Sample {
    pub(crate) folder: TempDir,
    pub(crate) store: Store,
    /// The size of the layer that all images share, in bytes.
    pub(crate) weight: usize,
}

impl Sample {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        Self { folder, store, weight: 10 }
    }

    /// A release for some architectures, under some names: each image has a layer of its own and one all share.
    pub(crate) fn release(&self, architectures: &[&str], tags: &[&str]) -> Release {
        self.release_of("hello", architectures, tags)
    }

    /// As [`Sample::release`], with a word that changes the images' own layers.
    pub(crate) fn release_of(&self, word: &str, architectures: &[&str], tags: &[&str]) -> Release {
        let images: Vec<Image> =
            architectures.iter().map(|architecture| self.image(word, architecture)).collect();
        let index = (images.len() > 1).then(|| {
            let manifests: Vec<_> = images
                .iter()
                .map(|image| serde_json::to_value(crate::release::manifest_descriptor(image)).unwrap())
                .collect();
            let media_type = media_type::INDEX;
            let json = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests});
            Document::write(media_type, json)
        });
        Release { images, index, tree: None, tags: tags.iter().map(|tag| tag.parse().unwrap()).collect() }
    }

    fn image(&self, word: &str, architecture: &str) -> Image {
        let layers = vec![
            self.layer("shared", &noise(self.weight)),
            self.layer("own", format!("{word}-{architecture}").as_bytes()),
        ];
        let diff_ids: Vec<_> = layers.iter().map(|layer| layer.diff_id).collect();
        let descriptors: Vec<_> = layers.iter().map(|layer| &layer.descriptor).collect();
        let config = Document::write(
            media_type::CONFIG,
            json!({
                "architecture": architecture, "os": "linux", "config": {"Cmd": ["/hello"]},
                "rootfs": {"type": "layers", "diff_ids": diff_ids}
            }),
        );
        let media_type = media_type::MANIFEST;
        let manifest = Document::write(
            media_type,
            json!({
                "schemaVersion": 2, "mediaType": media_type,
                "config": config.descriptor, "layers": descriptors
            }),
        );
        Image { platform: Platform::linux(architecture), manifest, config, layers }
    }

    fn layer(&self, file: &str, content: &[u8]) -> Layer {
        let entry = Entry::bytes(ImagePath::new(file).unwrap(), content);
        let options = Options { mtime: 315_532_801, compression: Compression::Splice, lazy: Lazy::No };
        let mut bytes = Vec::new();
        let written = write(&[entry], &options, &mut bytes).unwrap();
        assert_eq!(self.store.put(&bytes).unwrap(), written.descriptor.digest);
        Layer { descriptor: written.descriptor, diff_id: written.diff_id, place: Place::Store }
    }
}

/// Bytes that do not get smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(step).collect()
}
