use serde_json::{Value, json};
use wainwright_oci::{Descriptor, DiffId, Digest, Document, Image, Layer, Platform, media_type};

use crate::archive::Packing;
use crate::blobs::{Blobs, Span};
use crate::document;
use crate::select::{Wish, is_same_machine};
use crate::source::is_same_name;
use crate::{BaseImage, Error};

/// More than any image has, so that a list cannot keep us busy.
const MOST_IMAGES: usize = 1000;

/// One entry of `manifest.json`.
struct Saved {
    config: Document,
    platform: Option<Platform>,
    names: Vec<String>,
    layers: Vec<String>,
}

/// Finds an image in what `docker save` writes: `manifest.json`, configs and layer tars.
///
/// Such an archive has no OCI manifest, so one is made; the same archive gives the same manifest.
pub(crate) fn find(blobs: &Blobs, manifest: &Span, wish: Wish<'_>) -> Result<BaseImage, Error> {
    let saved = read(blobs, manifest)?;
    let names: Vec<String> = saved.iter().flat_map(|saved| saved.names.clone()).collect();
    let is_wanted = |saved: &&Saved| {
        wish.name.is_none_or(|wanted| saved.names.iter().any(|name| is_same_name(name, wanted)))
    };
    let named: Vec<&Saved> = saved.iter().filter(is_wanted).collect();
    let path = || blobs.shown.clone();
    if let (Some(name), []) = (wish.name, &named[..]) {
        return Err(Error::Name { path: path(), name: name.to_owned(), found: names });
    }
    let fits =
        |saved: &&&Saved| saved.platform.as_ref().is_some_and(|found| is_same_machine(found, wish.platform));
    let fitting: Vec<&&Saved> = named.iter().filter(fits).collect();
    let wanted = wish.platform.clone();
    match fitting[..] {
        [one] => finish(blobs, one, wish.platform),
        [] => {
            let platform = |saved: &&Saved| {
                saved.platform.as_ref().map_or("an unknown platform".into(), |platform| platform.to_string())
            };
            Err(Error::Platform { path: path(), wanted, found: named.iter().map(platform).collect() })
        }
        _ => {
            let label =
                |saved: &&&Saved| saved.names.first().cloned().unwrap_or(saved.config.digest().to_string());
            Err(Error::Ambiguous { path: path(), wanted, found: fitting.iter().map(label).collect() })
        }
    }
}

/// All images of such an archive; those of a name, if there is one.
pub(crate) fn all(blobs: &Blobs, manifest: &Span, name: Option<&str>) -> Result<Vec<Image>, Error> {
    let saved = read(blobs, manifest)?;
    let is_wanted =
        |saved: &&Saved| name.is_none_or(|wanted| saved.names.iter().any(|name| is_same_name(name, wanted)));
    let images: Vec<Image> = saved
        .iter()
        .filter(is_wanted)
        .map(|saved| match &saved.platform {
            Some(platform) => Ok(finish(blobs, saved, platform)?.image),
            None => blobs.at("image config").refuse("it has no `os` and `architecture`"),
        })
        .collect::<Result<_, Error>>()?;
    if images.is_empty() {
        let found = saved.iter().flat_map(|saved| saved.names.clone()).collect();
        let name = name.unwrap_or_default().to_owned();
        return Err(Error::Name { path: blobs.shown.clone(), name, found });
    }
    Ok(images)
}

fn read(blobs: &Blobs, manifest: &Span) -> Result<Vec<Saved>, Error> {
    let at = blobs.at("manifest.json");
    let entries = match serde_json::from_slice(&blobs.small("manifest.json", manifest)?) {
        Ok(Value::Array(entries)) if entries.len() <= MOST_IMAGES => entries,
        Ok(Value::Array(_)) => return at.refuse(format!("it lists more than {MOST_IMAGES} images")),
        Ok(_) => return at.refuse("it is not a list"),
        Err(error) => return at.refuse(error.to_string()),
    };
    entries
        .iter()
        .map(|entry| {
            let texts = |field: &str| match entry.get(field) {
                None | Some(Value::Null) => Some(Vec::new()),
                Some(Value::Array(values)) => {
                    values.iter().map(|value| value.as_str().map(str::to_owned)).collect()
                }
                Some(_) => None,
            };
            let (Some(config), Some(names), Some(layers)) =
                (entry.get("Config").and_then(Value::as_str), texts("RepoTags"), texts("Layers"))
            else {
                return at.refuse("an entry has no `Config`, or its `RepoTags` or `Layers` are not strings");
            };
            let config = read_config(blobs, config)?;
            let platform = document::platform(&config.json);
            Ok(Saved { config, platform, names, layers })
        })
        .collect()
}

/// Reads a config; its name is usually its digest, and then has to be.
fn read_config(blobs: &Blobs, name: &str) -> Result<Document, Error> {
    let what = "image config";
    let span = member(blobs, what, name)?;
    let config = blobs.parse(what, media_type::CONFIG, &span)?;
    let stem = name.rsplit('/').next().unwrap_or(name);
    let stem = stem.strip_suffix(".json").unwrap_or(stem);
    match Digest::from_hex(stem.strip_prefix("sha256:").unwrap_or(stem)) {
        Ok(expected) if expected != config.digest() => Err(Error::Mismatch {
            path: blobs.shown.clone(),
            what: what.into(),
            expected,
            found: config.digest(),
        }),
        _ => Ok(config),
    }
}

fn member(blobs: &Blobs, what: &str, name: &str) -> Result<Span, Error> {
    blobs.find(name)?.ok_or_else(|| Error::Missing {
        path: blobs.shown.clone(),
        what: what.to_owned(),
        blob: format!("`{name}`"),
    })
}

fn finish(blobs: &Blobs, saved: &Saved, platform: &Platform) -> Result<BaseImage, Error> {
    let diff_ids = document::diff_ids(blobs.at("image config"), &saved.config.json, saved.layers.len())?;
    let layer = |(index, (name, diff_id)): (usize, (&String, Digest))| {
        let span = member(blobs, &format!("layer {}", index + 1), name)?;
        let head = span.head(8).map_err(Error::disk("read", &span.path))?;
        let digest = || span.digest().map_err(Error::disk("read", &span.path));
        let (media_type, digest) = match Packing::of(&head) {
            // A plain tar has its diff ID for a digest, which whoever reads it compares.
            Packing::Plain => (media_type::LAYER_TAR, diff_id),
            Packing::Gzip => (media_type::LAYER_GZIP, digest()?),
            Packing::Zstd => (media_type::LAYER_ZSTD, digest()?),
            Packing::Foreign(kind) => {
                return Err(Error::MediaType { position: index + 1, media_type: kind.into() });
            }
        };
        let descriptor = Descriptor::new(media_type, digest, span.size);
        Ok(Layer { descriptor, diff_id: DiffId(diff_id), place: span.place() })
    };
    let layers: Vec<Layer> =
        saved.layers.iter().zip(diff_ids).enumerate().map(layer).collect::<Result<_, _>>()?;
    let descriptors: Vec<&Descriptor> = layers.iter().map(|layer| &layer.descriptor).collect();
    let manifest = Document::write(
        media_type::MANIFEST,
        json!({
            "schemaVersion": 2,
            "mediaType": media_type::MANIFEST,
            "config": saved.config.descriptor,
            "layers": descriptors,
        }),
    );
    let image = Image { platform: platform.clone(), manifest, config: saved.config.clone(), layers };
    Ok(BaseImage { image, name: saved.names.first().cloned() })
}

#[cfg(test)]
mod tests {
    use wainwright_fault::Classify;
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
    fn lies_are_refused() {
        let check = |manifest: Value, expected: &str| {
            let bench = Bench::new();
            let config = canonical_json(&image("").config);
            let tar = raw().file("config.json", &config).file(&format!("{}.json", "a".repeat(64)), &config);
            let tar = tar.file("layer.tar", b"x").file("manifest.json", manifest.to_string().as_bytes());
            let error = open_archive(&bench, &tar.bytes(), None).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        let entry =
            |config: &str, layers: Value| json!([{"Config": config, "RepoTags": null, "Layers": layers}]);
        check(entry("config.json", json!(["layer.tar"])), "it has 2 diff IDs, but the image has 1 layers");
        check(
            entry("config.json", json!(["layer.tar", "../../etc/passwd"])),
            "does not hold the layer 2, `../../etc/passwd`",
        );
        check(entry("gone.json", json!([])), "does not hold the image config, `gone.json`");
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
    fn a_tar_of_files_is_no_image() {
        let error = open_archive(&Bench::new(), &raw().file("etc/passwd", b"").bytes(), None).unwrap_err();
        assert!(error.contains("is not an image archive: it contains neither"), "{error}");
    }
}
