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
    let odd = Document::read("sample", media_type::MANIFEST, br#"{"layers":[]}"#.into()).unwrap();
    tree.children.push(odd);
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
