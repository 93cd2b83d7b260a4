use serde_json::Value;
use wainwright_oci::{Descriptor, Document, Held, Image, Place, Reference, Tree};
use wainwright_store::{Store, TempDir};

use crate::blobs::Blobs;
use crate::whole::{Files, files, nothing};
use crate::{Error, Source, Walk, docker_archive, document, image, layout, select};

/// Everything that belongs to an image in a layout or an archive.
#[derive(Debug)]
pub struct Gathered {
    /// The documents, which were checked, and the blobs, of which only presence and size were looked at.
    pub tree: Tree,
    /// Whether the manifest is the image's own. `docker save` writes none, and the one here was made for it.
    pub has_manifest: bool,
    /// Layers that are not given away, and are missing from the tree.
    pub kept_back: Vec<Descriptor>,
    /// Where a compressed archive was unpacked, and the layers are.
    _scratch: Option<TempDir>,
}

/// Gathers an image from a layout or an archive: an index with all its platforms and attestations, or a manifest.
///
/// Where there are several, and no name or digest says which is meant, that is an error; but an index goes before the
/// images that it lists.
pub fn gather(source: &Source, store: &Store) -> Result<Gathered, Error> {
    let Files { blobs, scratch, name, digest, is_layout: has_manifest } = files(source, store)?;
    if !has_manifest {
        let images = docker_archive::all(&blobs, &image::docker_manifest(&blobs)?, name)?;
        let Some(tree) = Tree::of_images(None, &images) else {
            let found = images.iter().map(|image| image.config.digest().to_string()).collect();
            return Err(Error::Several { path: blobs.shown.clone(), found });
        };
        return Ok(Gathered { tree, has_manifest, kept_back: Vec::new(), _scratch: scratch });
    }
    let roots = select::roots(&blobs, &layout::index(&blobs)?.json, name, digest)?;
    let indexes: Vec<&Descriptor> =
        roots.iter().filter(|(_, is_index)| *is_index).map(|(root, _)| root).collect();
    let root = match (&indexes[..], &roots[..]) {
        ([index], _) => index,
        ([], [(manifest, _)]) => manifest,
        ([], []) => return Err(nothing(&blobs.shown)),
        _ => {
            let found = roots.iter().map(|(root, _)| select::label(root)).collect();
            return Err(Error::Several { path: blobs.shown.clone(), found });
        }
    };
    let mut walk = Walk::begin(&blobs.shown, blobs.document("manifest", root)?)?;
    while !walk.wanted().is_empty() {
        let read = |descriptor: &Descriptor| {
            let span = blobs.blob("manifest", descriptor)?;
            blobs.small("manifest", &span)
        };
        let all = walk.wanted().iter().map(read).collect::<Result<_, _>>()?;
        walk.take(all)?;
    }
    let parts = walk.finish();
    for document in parts.children.iter().chain([&parts.root]) {
        check_config(&blobs, document)?;
    }
    let held = |descriptor: Descriptor| {
        let place = blobs.layer("blob", &descriptor)?;
        Ok(Held { descriptor, place })
    };
    let held = parts.blobs.into_iter().map(held).collect::<Result<_, Error>>()?;
    let tree = Tree { root: parts.root, children: parts.children, configs: Vec::new(), blobs: held };
    Ok(Gathered { tree, has_manifest, kept_back: parts.kept_back, _scratch: scratch })
}

/// Refuses a manifest whose config has more or fewer diff IDs than it has layers. Configs without any, of artifacts and
/// attestations, are nobody's root file system.
fn check_config(blobs: &Blobs, manifest: &Document) -> Result<(), Error> {
    let value: Value = serde_json::from_slice(manifest.bytes()).unwrap_or_default();
    let (Some(layers), Some(config)) = (value["layers"].as_array(), value.get("config")) else {
        return Ok(());
    };
    let config = document::descriptor(blobs.at("image manifest"), config, "config")?;
    if !select::is_config(&config.media_type) {
        return Ok(());
    }
    let config = blobs.document("image config", &config)?;
    match config.json.pointer("/rootfs/diff_ids") {
        Some(Value::Array(_)) => {
            document::diff_ids(blobs.at("image config"), &config.json, layers.len()).map(drop)
        }
        _ => Ok(()),
    }
}

/// The images among the documents of a tree whose blobs are all in the store; what is no image of a platform is left out.
///
/// `reference` is what the tree is called in messages.
pub fn images_in(tree: &Tree, reference: &Reference, store: &Store) -> Result<Vec<Image>, Error> {
    let blobs = Blobs::fetched(store, reference);
    let mut images: Vec<Image> = Vec::new();
    for candidate in select::candidates(&blobs, vec![tree.root.descriptor.clone()])? {
        let Some(platform) = &candidate.platform else { continue };
        if images.iter().any(|image| image.manifest.digest() == candidate.descriptor.digest) {
            continue;
        }
        let manifest = blobs.document("image manifest", &candidate.descriptor)?;
        let config = manifest.json["config"]["mediaType"].as_str().unwrap_or_default();
        if !select::is_config(config) {
            continue;
        }
        let mut image = layout::read_image(&blobs, &candidate.descriptor, platform)?;
        for layer in &mut image.layers {
            layer.place = Place::Store;
        }
        images.push(image);
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use wainwright_oci::media_type;

    use super::*;
    use crate::testing::{Bench, TestImage, raw};

    fn image(bench: &Bench, architecture: &str) -> Value {
        bench.image(&TestImage::new(architecture, vec![raw().file("x", architecture.as_bytes())]))
    }

    fn gather_layout(bench: &Bench) -> Result<Gathered, Error> {
        gather(&Source::Layout { dir: bench.layout(), name: None, digest: None }, &bench.store)
    }

    #[test]
    fn attestations_come_along() {
        let bench = Bench::new();
        let mut attestation = bench.json_blob(
            media_type::MANIFEST,
            &json!({
                "schemaVersion": 2, "mediaType": media_type::MANIFEST,
                "config": bench.json_blob(media_type::CONFIG, &json!({"architecture": "unknown"})),
                "layers": [bench.json_blob("application/vnd.in-toto+json", &json!({"predicate": {}}))],
            }),
        );
        attestation["platform"] = json!({"os": "unknown", "architecture": "unknown"});
        let index = json!({
            "schemaVersion": 2, "mediaType": media_type::INDEX,
            "manifests": [image(&bench, "amd64"), image(&bench, "arm64"), attestation],
        });
        bench.write_index(&[bench.json_blob(media_type::INDEX, &index)]);
        let gathered = gather_layout(&bench).unwrap();
        assert_eq!((gathered.tree.children.len(), gathered.tree.blobs.len()), (3, 6));
        assert!(gathered.tree.blobs.iter().all(|blob| matches!(blob.place, Place::File { .. })));
    }

    #[test]
    fn a_config_knows_as_many_layers_as_there_are() {
        let bench = Bench::new();
        let layers = vec![raw().file("x", b"x"), raw().file("y", b"y")];
        let mut manifest = bench.manifest(&TestImage::new("amd64", layers));
        manifest["layers"].as_array_mut().unwrap().pop();
        bench.write_index(&[bench.json_blob(media_type::MANIFEST, &manifest)]);
        let error = gather_layout(&bench).unwrap_err().to_string();
        assert!(error.ends_with("it has 2 diff IDs, but the image has 1 layers"), "{error}");
    }

    #[test]
    fn one_of_several_has_to_be_named() {
        let bench = Bench::new();
        bench.write_index(&[image(&bench, "amd64"), image(&bench, "arm64")]);
        assert!(matches!(gather_layout(&bench).unwrap_err(), Error::Several { .. }));
        bench.write_index(&[image(&bench, "amd64")]);
        let gathered = gather_layout(&bench).unwrap();
        assert_eq!((gathered.tree.children.len(), gathered.tree.blobs.len()), (0, 2));
    }
}
