use std::fs;

use serde_json::json;
use wainwright_fault::Classify as _;
use wainwright_oci::Place;

use super::*;
use crate::testing::{Bench, TestImage, raw};
use crate::{Source, open};

fn open_layout(bench: &Bench) -> Result<BaseImage, Error> {
    let source = Source::Layout { dir: bench.layout(), name: None, digest: None };
    open(&source, &Platform::linux("amd64"), &bench.store)
}

fn image() -> TestImage {
    TestImage::new("amd64", vec![raw().file("a", b"1"), raw().file("b", b"2")])
}

/// Writes the image with a changed manifest; the refusal has to hold some words.
fn check(change: impl FnOnce(&mut Value, &Bench), expected: &str) {
    let bench = Bench::new();
    let mut manifest = bench.manifest(&image());
    change(&mut manifest, &bench);
    bench.write_index(&[bench.json_blob(media_type::MANIFEST, &manifest)]);
    let error = open_layout(&bench).unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
    assert!(error.hint().is_some() && !error.is_outside(), "{error:?}");
}

fn blob_path(bench: &Bench, descriptor: &Value) -> std::path::PathBuf {
    let digest: Digest = descriptor["digest"].as_str().unwrap().parse().unwrap();
    bench.layout().join("blobs/sha256").join(digest.hex())
}

#[test]
fn documents_are_kept_as_found_and_layers_where_they_are() {
    let bench = Bench::new();
    let mut manifest = bench.manifest(&image());
    manifest["x"] = json!("a field nobody knows");
    bench.write_index(&[bench.json_blob(media_type::MANIFEST, &manifest)]);
    let base = open_layout(&bench).unwrap();
    assert_eq!(base.image.manifest.json, manifest);
    assert_eq!(base.image.config.json, image().config);
    assert_eq!(base.env("PATH"), Some("/usr/local/bin:/usr/bin:/bin"));
    for (layer, (_, blob, tar)) in base.image.layers.iter().zip(image().layers) {
        assert_eq!((layer.descriptor.digest, layer.diff_id), (Digest::of(&blob), DiffId(Digest::of(&tar))));
        let Place::File { path, offset: 0 } = &layer.place else { panic!("{layer:?}") };
        assert_eq!(fs::read(path).unwrap(), blob);
    }
}

#[test]
fn changed_blobs_are_refused() {
    for (size_stays, expected) in [(true, "has the digest sha256:"), (false, "in its descriptor")] {
        check(
            |manifest, bench| {
                let path = blob_path(bench, &manifest["config"]);
                let mut bytes = fs::read(&path).unwrap();
                // Still JSON, and not what the digest names.
                match bytes.windows(5).position(|part| part == b"linux") {
                    Some(at) if size_stays => bytes[at] = b'L',
                    _ => bytes.push(b' '),
                }
                fs::write(path, bytes).unwrap();
            },
            expected,
        );
    }
    check(
        |manifest, bench| fs::remove_file(blob_path(bench, &manifest["layers"][1])).unwrap(),
        "does not contain the layer 2, sha256:",
    );
    check(
        |manifest, bench| fs::write(blob_path(bench, &manifest["layers"][0]), "x").unwrap(),
        "the layer 1 in",
    );
}

#[test]
fn wrong_manifests_are_rejected() {
    check(|manifest, _| manifest["manifests"] = json!([]), "it is both an index and a manifest");
    check(|manifest, _| manifest["mediaType"] = json!(media_type::INDEX), "its `mediaType` is");
    check(|manifest, _| manifest["layers"][0]["size"] = json!(-1), "`layers[0].size`");
    check(|manifest, _| manifest["layers"][1]["digest"] = json!("sha256:../../x"), "`layers[1].digest`");
    check(|manifest, _| manifest["config"]["mediaType"] = json!("text/plain"), "it contains no images");
    check(|manifest, _| manifest["layers"] = json!({}), "its `layers` is not a list");
    let drop_layer = |manifest: &mut Value, _: &Bench| drop(manifest["layers"].as_array_mut().unwrap().pop());
    check(drop_layer, "it has 2 diff IDs, but the image has 1 layers");
    let plain = |manifest: &mut Value, _: &Bench| {
        manifest["layers"][1]["mediaType"] = json!(media_type::LAYER_TAR);
    };
    check(plain, "layer 2 unpacks to sha256:");
}

#[test]
fn documents_above_4_mib_are_refused_unread() {
    check(|manifest, _| manifest["x"] = json!("x".repeat(4 << 20)), "bytes; the limit is 4194304");
}

#[test]
fn layers_nobody_knows_are_passed_through() {
    let bench = Bench::new();
    let mut image = image();
    image.layers[0].0 = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted".into();
    bench.write_index(&[bench.image(&image)]);
    let base = open_layout(&bench).unwrap();
    assert_eq!(base.image.layers[0].descriptor.media_type, image.layers[0].0);
    let error = crate::inspect(&base, &bench.store).unwrap_err();
    assert!(error.to_string().contains("`application/vnd.oci.image.layer.v1.tar+gzip+encrypted`"), "{error}");
}

#[test]
fn other_folders_are_no_layouts() {
    let bench = Bench::new();
    let refusal = |bench: &Bench| open_layout(bench).unwrap_err().to_string();
    assert!(refusal(&bench).ends_with("is not an OCI layout: it has no file `index.json`"));
    fs::write(bench.layout().join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    assert!(refusal(&bench).ends_with("`imageLayoutVersion` is not 1"));
    fs::remove_file(bench.layout().join("oci-layout")).unwrap();
    assert!(refusal(&bench).ends_with("it has no file `oci-layout`"));
    fs::remove_dir_all(bench.layout()).unwrap();
    assert!(refusal(&bench).starts_with("cannot read"));
    fs::write(bench.layout(), "").unwrap();
    assert!(refusal(&bench).ends_with("it is not a folder"));
}
