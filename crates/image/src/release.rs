use std::collections::BTreeMap;

use wainwright_oci::{Descriptor, Digest, Document, Image, Place, Platform, Reference, Tree};

use crate::Error;
use crate::blob::{Blob, Source};

/// What was built: one image per platform, an index when there are several, the names to give it.
#[derive(Clone, Debug)]
pub struct Release {
    /// The images; only one where there is no index, and none only in a tree of other artifacts.
    pub images: Vec<Image>,
    /// Lists the manifests of all images.
    pub index: Option<Document>,
    /// What somebody else built, complete: all that is below the index besides the images has to come along.
    pub tree: Option<Tree>,
    /// The names; none at all is allowed.
    pub tags: Vec<Reference>,
}

/// What it took to put a release somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// How many bytes were written or sent.
    pub bytes_written: u64,
    /// How many bytes of blobs were there already, and were left out.
    pub bytes_skipped: u64,
    /// The release was there already, complete, under all its names: nothing had to be written.
    pub was_there: bool,
}

impl Delivered {
    pub(crate) const NOTHING: Self = Self { bytes_written: 0, bytes_skipped: 0, was_there: true };

    pub(crate) fn written(bytes_written: u64) -> Self {
        Self { bytes_written, bytes_skipped: 0, was_there: false }
    }
}

impl Release {
    /// The digest of the index, or of the only manifest.
    ///
    /// A release without images, which every way out refuses, has the digest of no bytes.
    pub fn digest(&self) -> Digest {
        match (&self.index, self.images.first(), &self.tree) {
            (Some(index), ..) => index.digest(),
            (None, Some(image), _) => image.manifest.digest(),
            (None, None, Some(tree)) => tree.root.digest(),
            (None, None, None) => Digest::of(b""),
        }
    }

    /// How many bytes the blobs have together, each counted once: about what a full delivery writes.
    pub fn size(&self) -> u64 {
        self.blobs().values().map(|blob| blob.size).sum()
    }

    /// Refuses what has no digest of its own.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match (&self.index, self.images.len()) {
            (_, 0) if self.tree.is_none() => Err(Error::Release { reason: "it contains no image" }),
            (None, 2..) => Err(Error::Release { reason: "it contains several images and no index" }),
            _ => Ok(()),
        }
    }

    /// What a name stands for: the index, or the only manifest with its platform.
    pub(crate) fn root(&self) -> Option<Descriptor> {
        match &self.index {
            Some(index) => Some(index.descriptor.clone()),
            None => {
                let other = || self.tree.as_ref().map(|tree| tree.root.descriptor.clone());
                self.images.first().map(manifest_descriptor).or_else(other)
            }
        }
    }

    /// The image for a platform; a variant decides only between images of the same processor.
    pub(crate) fn image_for(&self, platform: &Platform) -> Option<&Image> {
        let fits = |image: &&Image| {
            image.platform.os == platform.os && image.platform.architecture == platform.architecture
        };
        let exact = self.images.iter().find(|image| image.platform == *platform);
        exact.or_else(|| self.images.iter().find(fits))
    }

    /// One of the images under the same names, without the index.
    pub(crate) fn only(&self, image: &Image) -> Self {
        Self { images: vec![image.clone()], index: None, tree: None, tags: self.tags.clone() }
    }

    /// Every blob, each once, in the order of their digests.
    pub(crate) fn blobs(&self) -> BTreeMap<Digest, Blob<'_>> {
        let mut blobs = BTreeMap::new();
        let documents =
            self.index.iter().chain(self.images.iter().flat_map(|image| [&image.manifest, &image.config]));
        for document in documents {
            let blob = Blob::new(&document.descriptor, Source::Bytes(document.bytes()));
            blobs.insert(blob.digest, blob);
        }
        let of_tree = self.tree.iter();
        for document in of_tree.clone().flat_map(|tree| tree.children.iter().chain([&tree.root])) {
            let blob = Blob::new(&document.descriptor, Source::Bytes(document.bytes()));
            blobs.insert(blob.digest, blob);
        }
        // A tree is complete; a layer that it lacks stays with those who may give it away.
        let layers = self.images.iter().filter(|_| self.tree.is_none()).flat_map(|image| &image.layers);
        let layers = layers.map(|layer| (&layer.descriptor, &layer.place));
        let others = of_tree.flat_map(|tree| &tree.blobs).map(|held| (&held.descriptor, &held.place));
        for (descriptor, place) in layers.chain(others) {
            let source = match place {
                // What was in a registry has been fetched when its bytes are wanted.
                Place::Store | Place::Registry(_) => Source::Store,
                Place::File { path, offset } => Source::File { path, offset: *offset },
            };
            let blob = Blob::new(descriptor, source);
            blobs.entry(blob.digest).or_insert(blob);
        }
        blobs
    }
}

/// The descriptor of an image's manifest, with its platform.
pub(crate) fn manifest_descriptor(image: &Image) -> Descriptor {
    Descriptor { platform: Some(image.platform.clone()), ..image.manifest.descriptor.clone() }
}

#[cfg(test)]
mod tests {
    use crate::sample::Sample;

    #[test]
    fn a_release_goes_by_its_index_or_its_only_manifest() {
        let sample = Sample::new();
        let single = sample.release(&["amd64"], &[]);
        assert_eq!(single.digest(), single.images[0].manifest.digest());
        let double = sample.release(&["amd64", "arm64"], &[]);
        assert_eq!(double.digest(), double.index.as_ref().unwrap().digest());
    }

    #[test]
    fn blobs_that_images_share_are_counted_once() {
        let sample = Sample::new();
        let release = sample.release(&["amd64", "arm64"], &[]);
        // An index, two manifests, two configs, a layer each, and a layer that both have.
        assert_eq!(release.blobs().len(), 8);
        assert_eq!(release.size(), release.blobs().values().map(|blob| blob.size).sum::<u64>());
    }

    #[test]
    fn index_keeps_other_entries() {
        use wainwright_oci::{Document, Tree, media_type};
        let sample = Sample::new();
        let mut release = sample.release(&["amd64", "arm64"], &[]);
        let mut tree = Tree::of_images(release.index.as_ref(), &release.images).unwrap();
        tree.children.push(Document::write(media_type::MANIFEST, serde_json::json!({"layers": []})));
        release.tree = Some(tree.clone());
        assert_eq!(release.blobs().len(), 9);
        // Something else than an image may stand alone.
        tree.root = tree.children[2].clone();
        release = super::Release { images: Vec::new(), index: None, tree: Some(tree), tags: Vec::new() };
        release.check().unwrap();
        assert_eq!(release.root().unwrap().digest, release.digest());
    }

    #[test]
    fn the_processor_decides_before_the_variant() {
        let sample = Sample::new();
        let release = sample.release(&["amd64", "arm64"], &[]);
        let for_platform =
            |text: &str| release.image_for(&text.parse().unwrap()).map(|image| image.platform.to_string());
        assert_eq!(for_platform("linux/arm64/v9"), Some("linux/arm64".into()));
        assert_eq!(for_platform("linux/s390x"), None);
        assert_eq!(for_platform("windows/amd64"), None);
    }

    #[test]
    fn releases_without_a_digest_are_refused() {
        let sample = Sample::new();
        let mut release = sample.release(&["amd64", "arm64"], &[]);
        release.index = None;
        assert!(release.check().unwrap_err().to_string().contains("several images and no index"));
        release.images.clear();
        assert!(release.check().unwrap_err().to_string().contains("no image"));
    }
}
