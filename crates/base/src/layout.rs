use serde_json::Value;
use wainwright_oci::{Descriptor, DiffId, Digest, Document, Image, Layer, Platform, media_type};

use crate::blobs::Blobs;
use crate::document::{self, Form};
use crate::select::{self, Wish};
use crate::{BaseImage, Error};

/// Finds an image in an OCI layout (OCI image-spec, "Image Layout").
pub(crate) fn find(blobs: &Blobs, wish: Wish<'_>) -> Result<BaseImage, Error> {
    let chosen = select::select(blobs, &index(blobs)?.json, wish)?;
    let image = read_image(blobs, &chosen.descriptor, wish.platform)?;
    Ok(BaseImage { image, name: chosen.name })
}

/// Reads `index.json` of what has to be an OCI layout.
pub(crate) fn index(blobs: &Blobs) -> Result<Document, Error> {
    let refuse = |reason: &str, hint| {
        let path = blobs.shown.clone();
        Err(Error::Kind { path, expected: "an OCI layout", reason: reason.to_owned(), hint })
    };
    let Some(marker) = blobs.find("oci-layout")? else {
        return refuse(
            "it has no file `oci-layout`",
            Some("use the folder that contains `oci-layout` and `index.json`"),
        );
    };
    let marker = blobs.parse("oci-layout", "", &marker)?;
    let version = marker.json.get("imageLayoutVersion").and_then(Value::as_str).unwrap_or_default();
    if !version.starts_with("1.") {
        return refuse("its `imageLayoutVersion` is not 1", None);
    }
    let Some(index) = blobs.find("index.json")? else {
        return refuse("it has no file `index.json`", None);
    };
    blobs.parse("index.json", "", &index)
}

/// Finds an image among what has been fetched from a registry; `root` is what its reference stands for.
pub(crate) fn find_fetched(blobs: &Blobs, root: &Descriptor, platform: &Platform) -> Result<Image, Error> {
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [root]});
    let chosen = select::select(blobs, &index, Wish { name: None, digest: None, platform })?;
    read_image(blobs, &chosen.descriptor, platform)
}

/// Reads a manifest and its config, and finds the layers.
pub(crate) fn read_image(
    blobs: &Blobs,
    descriptor: &Descriptor,
    platform: &Platform,
) -> Result<Image, Error> {
    let at = blobs.at("image manifest");
    let mut manifest = blobs.document("image manifest", descriptor)?;
    if document::form(at, &descriptor.media_type, &manifest.json)? != Form::Manifest {
        return at.refuse("it is an index");
    }
    if manifest.descriptor.media_type.is_empty() {
        let stated = manifest.json.get("mediaType").and_then(Value::as_str);
        manifest.descriptor.media_type = stated.unwrap_or(media_type::MANIFEST).into();
    }
    let config = document::descriptor(at, &manifest.json["config"], "config")?;
    if !select::is_config(&config.media_type) {
        return at.refuse(format!("`{}` is not the config of an image", config.media_type));
    }
    let config = blobs.document("image config", &config)?;
    check_platform(blobs, &config, platform)?;
    let layers = document::descriptors(at, &manifest.json, "layers")?;
    let diff_ids = document::diff_ids(blobs.at("image config"), &config.json, layers.len())?;
    let layer = |(index, (descriptor, diff_id)): (usize, (Descriptor, Digest))| {
        let what = format!("layer {}", index + 1);
        let is_plain =
            matches!(descriptor.media_type.as_str(), media_type::LAYER_TAR | media_type::DOCKER_LAYER_TAR);
        if is_plain && diff_id != descriptor.digest {
            return Err(Error::DiffId { position: index + 1, expected: diff_id, found: descriptor.digest });
        }
        let place = blobs.layer(&what, &descriptor)?;
        Ok(Layer { descriptor, diff_id: DiffId(diff_id), place })
    };
    let layers = layers.into_iter().zip(diff_ids).enumerate().map(layer).collect::<Result<_, _>>()?;
    Ok(Image { platform: platform.clone(), manifest, config, layers })
}

/// The config must not contradict the index: what we put on top is chosen for the one, and run by the other.
pub(crate) fn check_platform(blobs: &Blobs, config: &Document, wanted: &Platform) -> Result<(), Error> {
    match document::platform(&config.json) {
        Some(stated) if select::is_same_machine(&stated, wanted) => Ok(()),
        Some(stated) => blobs.at("image config").refuse(format!("it is for {stated}, not for {wanted}")),
        None => blobs.at("image config").refuse("it has no `os` and `architecture`"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;
    use wainwright_fault::Classify;
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
            assert_eq!(
                (layer.descriptor.digest, layer.diff_id),
                (Digest::of(&blob), DiffId(Digest::of(&tar)))
            );
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
            "does not hold the layer 2, sha256:",
        );
        check(
            |manifest, bench| fs::write(blob_path(bench, &manifest["layers"][0]), "x").unwrap(),
            "the layer 1 in",
        );
    }

    #[test]
    fn manifests_that_lie_are_refused() {
        check(|manifest, _| manifest["manifests"] = json!([]), "it is both an index and a manifest");
        check(|manifest, _| manifest["mediaType"] = json!(media_type::INDEX), "its `mediaType` is");
        check(|manifest, _| manifest["layers"][0]["size"] = json!(-1), "`layers[0].size`");
        check(|manifest, _| manifest["layers"][1]["digest"] = json!("sha256:../../x"), "`layers[1].digest`");
        check(|manifest, _| manifest["config"]["mediaType"] = json!("text/plain"), "it contains no images");
        check(|manifest, _| manifest["layers"] = json!({}), "its `layers` is not a list");
        let drop_layer =
            |manifest: &mut Value, _: &Bench| drop(manifest["layers"].as_array_mut().unwrap().pop());
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
        assert!(
            error.to_string().contains("`application/vnd.oci.image.layer.v1.tar+gzip+encrypted`"),
            "{error}"
        );
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
}
