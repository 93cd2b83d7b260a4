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
mod tests;
