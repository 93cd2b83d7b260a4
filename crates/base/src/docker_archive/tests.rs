use wainwright_fault::Classify as _;
use wainwright_oci::{Place, canonical_json};

use super::*;
use crate::testing::{Bench, RawTar, TestImage, gzip, raw, tar_of_folder};
use crate::{Source, inspect, open};

/// What `docker save` wrote until version 24: a folder for each layer.
fn legacy(images: &[(&str, &TestImage)]) -> RawTar {
    let mut tar = raw();
    let mut manifest = Vec::new();
    for (number, (name, image)) in images.iter().enumerate() {
        let config = canonical_json(&image.config);
        let config_name = format!("{}.json", Digest::of(&config).hex());
        let mut layers = Vec::new();
        for (index, (_, _, layer)) in image.layers.iter().enumerate() {
            layers.push(format!("{number}-{index}/layer.tar"));
            tar = tar.directory(&format!("{number}-{index}/")).file(layers.last().unwrap(), layer);
        }
        tar = tar.file(&config_name, &config);
        manifest.push(json!({"Config": config_name, "RepoTags": [name], "Layers": layers}));
    }
    tar.file("manifest.json", Value::from(manifest).to_string().as_bytes()).file("repositories", b"{}")
}

fn image(content: &str) -> TestImage {
    TestImage::new("amd64", vec![raw().file("etc/passwd", content.as_bytes()), raw().file("b", b"")])
}

fn open_archive(bench: &Bench, bytes: &[u8], name: Option<&str>) -> Result<BaseImage, String> {
    let source = Source::Archive { file: bench.write_archive(bytes), name: name.map(Into::into) };
    open(&source, &Platform::linux("amd64"), &bench.store).map_err(|error| {
        assert!(error.hint().is_some() && !error.is_outside(), "{error:?}");
        error.to_string()
    })
}

#[test]
fn the_manifest_is_made_the_same_each_time() {
    let bench = Bench::new();
    let bytes = legacy(&[("app:1", &image("root:x:0:0::/root:/bin/sh"))]).bytes();
    let base = open_archive(&bench, &bytes, None).unwrap();
    assert_eq!(base.name.as_deref(), Some("app:1"));
    assert!(base.image.layers.iter().all(|layer| layer.descriptor.digest == layer.diff_id.0));
    assert_eq!(inspect(&base, &bench.store).unwrap().users[0].name, "root");
    let again = open_archive(&Bench::new(), &bytes, None).unwrap();
    assert_eq!(again.image.manifest.bytes(), base.image.manifest.bytes());
}

#[test]
fn compressed_archives_leave_their_layers_in_the_store() {
    let bench = Bench::new();
    let tar = legacy(&[("app:1", &image(""))]).bytes();
    for bytes in [gzip(&tar), zstd::encode_all(&tar[..], 1).unwrap()] {
        let base = open_archive(&bench, &bytes, None).unwrap();
        for layer in &base.image.layers {
            assert_eq!(layer.place, Place::Store);
            assert!(bench.store.verify(&layer.descriptor.digest).unwrap());
        }
        inspect(&base, &bench.store).unwrap();
    }
}

#[test]
fn compressed_layers_are_hashed_as_they_are() {
    let (bench, mut packed) = (Bench::new(), image(""));
    let tar = packed.layers[0].2.clone();
    packed.layers[0].2 = gzip(&tar);
    packed.layers[1].2 = zstd::encode_all(&packed.layers[1].2[..], 1).unwrap();
    let base = open_archive(&bench, &legacy(&[("app:1", &packed)]).bytes(), None).unwrap();
    let [first, second] = &base.image.layers[..] else { panic!("two layers") };
    assert_eq!((first.descriptor.digest, first.diff_id.0), (Digest::of(gzip(&tar)), Digest::of(&tar)));
    assert_eq!(second.descriptor.media_type, media_type::LAYER_ZSTD);
    inspect(&base, &bench.store).unwrap();
}

#[test]
fn one_of_several_images_is_chosen_by_name() {
    let bench = Bench::new();
    let bytes = legacy(&[("app:1", &image("1")), ("app:2", &image("2"))]).bytes();
    let base = open_archive(&bench, &bytes, Some("docker.io/library/app:2")).unwrap();
    assert_eq!(base.name.as_deref(), Some("app:2"));
    let refusal = |name: Option<&str>| open_archive(&bench, &bytes, name).unwrap_err();
    assert!(refusal(None).ends_with("contains several images for linux/amd64: app:1, app:2"));
    assert!(refusal(Some("3")).ends_with("contains no image named `3`; it contains app:1, app:2"));
    let arm = legacy(&[("app:1", &TestImage::new("arm64", vec![]))]).bytes();
    let error = open_archive(&bench, &arm, None).unwrap_err();
    assert!(error.ends_with("contains no image for linux/amd64; it contains linux/arm64"), "{error}");
}

#[test]
fn archives_with_both_forms_are_read_by_digest() {
    let (bench, image) = (Bench::new(), image(""));
    bench.write_index(&[bench.image(&image)]);
    let config = canonical_json(&image.config);
    let manifest = json!([{"Config": format!("blobs/sha256/{}", Digest::of(&config).hex()), "RepoTags": null, "Layers": []}]);
    let tar = tar_of_folder(&bench.layout()).file("manifest.json", manifest.to_string().as_bytes());
    let base = open_archive(&bench, &tar.bytes(), None).unwrap();
    assert_eq!(base.image.layers[0].descriptor.media_type, media_type::LAYER_GZIP);
    assert_eq!(inspect(&base, &bench.store).unwrap().paths.len(), 3);
}

#[test]
fn wrong_layouts_are_rejected() {
    let check = |manifest: Value, expected: &str| {
        let bench = Bench::new();
        let config = canonical_json(&image("").config);
        let tar = raw().file("config.json", &config).file(&format!("{}.json", "a".repeat(64)), &config);
        let tar = tar.file("layer.tar", b"x").file("manifest.json", manifest.to_string().as_bytes());
        let error = open_archive(&bench, &tar.bytes(), None).unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    let entry = |config: &str, layers: Value| json!([{"Config": config, "RepoTags": null, "Layers": layers}]);
    check(entry("config.json", json!(["layer.tar"])), "it has 2 diff IDs, but the image has 1 layers");
    check(
        entry("config.json", json!(["layer.tar", "../../etc/passwd"])),
        "does not contain the layer 2, `../../etc/passwd`",
    );
    check(entry("gone.json", json!([])), "does not contain the image config, `gone.json`");
    check(entry(&format!("{}.json", "a".repeat(64)), json!([])), "instead of sha256:aaaa");
    check(json!([{"Config": 1}]), "an entry has no `Config`");
    check(json!({}), "it is not a list");
}

#[test]
fn a_layer_with_other_bytes_is_refused_when_it_is_read() {
    let (bench, mut wrong) = (Bench::new(), image(""));
    wrong.layers[0].2 = raw().file("etc/passwd", b"root").bytes();
    let bytes = legacy(&[("app:1", &wrong)]).bytes();
    let base = open_archive(&bench, &bytes, None).unwrap();
    let error = inspect(&base, &bench.store).unwrap_err().to_string();
    assert!(error.starts_with("the layer 1 in"), "{error}");
    let error = open_archive(&bench, &gzip(&bytes), None).unwrap_err();
    assert!(error.contains("the layer 1 in"), "{error}");
}

#[test]
fn tar_of_files_is_rejected() {
    let error = open_archive(&Bench::new(), &raw().file("etc/passwd", b"").bytes(), None).unwrap_err();
    assert!(error.contains("is not an image archive: it contains neither"), "{error}");
}
