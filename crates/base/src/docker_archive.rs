use serde_json::{Value, json};
use wainwright_oci::{Descriptor, DiffId, Digest, Document, Image, Layer, Platform, media_type};

use crate::archive::Packing;
use crate::blobs::Blobs;
use crate::document;
use crate::select::{Wish, is_same_machine};
use crate::source::is_same_name;
use crate::span::Span;
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
mod tests;
