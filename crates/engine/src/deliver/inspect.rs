use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use wainwright_base::gather as gather_from_disk;
use wainwright_oci::{Descriptor, Digest, Document, Place, Platform, Tree};

use super::{Subject, last};
use crate::session::{fetch_blobs, gather};
use crate::{Error, Session};

/// What an image is, as its documents say.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// The digest of the index, or of the only manifest.
    pub digest: Digest,
    /// The media type of that document.
    pub media_type: String,
    /// Its size in bytes.
    pub size: u64,
    /// The manifests below it, in the order of the index; or itself.
    pub manifests: Vec<InspectedManifest>,
}

/// One manifest.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InspectedManifest {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// `image`, `attestation`, or what an artifact calls itself.
    pub kind: String,
    /// What it runs on, where it says so.
    pub platform: Option<Platform>,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// The sizes of the layers together, in bytes.
    pub layers_size: u64,
    /// What describes the config.
    pub config_descriptor: Descriptor,
    /// The config of an image.
    pub config: Option<Value>,
    /// Notes on the manifest.
    pub annotations: Value,
}

/// A document whose very bytes are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raw {
    /// The index or manifest; with a platform, the manifest for that.
    Manifest,
    /// The config of the image for a platform.
    Config,
}

/// Reads the documents of an image; no layer is fetched or looked at.
pub async fn inspect(subject: &Subject, session: &Arc<Session>) -> Result<Inspection, Error> {
    let tree = find(subject, session).await?;
    let mut manifests = Vec::new();
    for (document, platform) in entries(&tree) {
        manifests.push(inspect_manifest(document, platform, &tree, session).await?);
    }
    let Descriptor { digest, media_type, size, .. } = tree.root.descriptor.clone();
    Ok(Inspection { digest, media_type, size, manifests })
}

/// The bytes of a document, as they are. Of several images the one for `platform` is meant, or else for this machine.
pub async fn inspect_raw(
    subject: &Subject,
    what: Raw,
    platform: Option<&Platform>,
    session: &Arc<Session>,
) -> Result<Vec<u8>, Error> {
    let tree = find(subject, session).await?;
    if what == Raw::Manifest && platform.is_none() {
        return Ok(tree.root.bytes().to_vec());
    }
    let mut found = Vec::new();
    let mut images = Vec::new();
    for (document, stated) in entries(&tree) {
        let manifest = inspect_manifest(document, stated, &tree, session).await?;
        if manifest.kind == "image" {
            found.push(
                manifest.platform.as_ref().map_or("an unknown platform".to_owned(), Platform::to_string),
            );
            images.push((document, manifest));
        }
    }
    let wanted = platform.unwrap_or(&session.machine.platform);
    let fits = |(_, manifest): &&(&Document, InspectedManifest)| {
        manifest.platform.as_ref().is_some_and(|platform| is_meant(wanted, platform))
    };
    let only = || images.first().filter(|_| images.len() == 1 && platform.is_none());
    let Some((document, manifest)) = images.iter().find(fits).or_else(only) else {
        let (path, wanted) = (subject.to_string().into(), wanted.clone());
        return Err(wainwright_base::Error::Platform { path, wanted, found }.into());
    };
    match what {
        Raw::Manifest => Ok(document.bytes().to_vec()),
        Raw::Config => read_config(&manifest.config_descriptor, &tree, session).await,
    }
}

/// Whether a platform is the one that was written; a variant that was not written may be any.
pub fn is_meant(wanted: &Platform, found: &Platform) -> bool {
    wanted.os == found.os
        && wanted.architecture == found.architecture
        && (wanted.variant.is_none() || wanted.variant == found.variant)
}

async fn find(subject: &Subject, session: &Arc<Session>) -> Result<Tree, Error> {
    match subject {
        Subject::Registry(reference) => gather(reference, session).await,
        Subject::Last(folder) => last::recall(folder, session),
        Subject::Disk(source) => {
            let (source, store) = (source.clone(), session.store.clone());
            let mut gathered = session.compute(move || Ok(gather_from_disk(&source, &store)?)).await?;
            // Configs of a compressed archive lie where it was unpacked, and that is gone after this.
            for held in &gathered.tree.blobs {
                if let (true, Place::File { path, offset }) = (is_small(&held.descriptor), &held.place) {
                    let bytes = read_file(path, *offset, &held.descriptor)?;
                    if let Ok(document) = Document::read("config", &held.descriptor.media_type, bytes) {
                        gathered.tree.configs.push(document);
                    }
                }
            }
            Ok(gathered.tree)
        }
    }
}

/// Configs that are larger are not read.
const LARGEST_CONFIG: u64 = 4 << 20;

fn is_small(descriptor: &Descriptor) -> bool {
    descriptor.size <= LARGEST_CONFIG && descriptor.media_type.ends_with("json")
}

/// The manifests of a tree, with the platforms that indexes state for them.
fn entries(tree: &Tree) -> Vec<(&Document, Option<Platform>)> {
    let all = || tree.children.iter().chain([&tree.root]);
    let stated = |digest: Digest| {
        let entries = all().filter_map(|document| document.json["manifests"].as_array()).flatten();
        let entry = entries.into_iter().find(|entry| entry["digest"] == digest.to_string())?;
        serde_json::from_value(entry["platform"].clone()).ok()
    };
    let manifests = all().filter(|document| document.json.get("layers").is_some());
    manifests.map(|document| (document, stated(document.digest()))).collect()
}

async fn inspect_manifest(
    document: &Document,
    stated: Option<Platform>,
    tree: &Tree,
    session: &Session,
) -> Result<InspectedManifest, Error> {
    let json = &document.json;
    // The walk that found the manifest has read its descriptors.
    let descriptor = |value: &Value| serde_json::from_value(value.clone()).ok();
    let layers: Vec<Descriptor> =
        json["layers"].as_array().into_iter().flatten().filter_map(descriptor).collect();
    let config_descriptor: Descriptor = descriptor(&json["config"])
        .ok_or_else(|| Error::Bug { what: format!("the manifest {} has no config", document.digest()) })?;
    let is_unknown = stated.as_ref().is_some_and(|platform| platform.os == "unknown");
    let artifact = json["artifactType"].as_str();
    let is_image = wainwright_base::is_image_config(&config_descriptor.media_type);
    let kind = match artifact {
        _ if is_unknown => "attestation",
        Some(kind) => kind,
        None if is_image => "image",
        None => &config_descriptor.media_type,
    };
    let config: Option<Value> = match kind {
        "image" => serde_json::from_slice(&read_config(&config_descriptor, tree, session).await?).ok(),
        _ => None,
    };
    let own = || {
        let config = config.as_ref()?;
        let text = |key: &str| config.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Platform { os: text("os")?, architecture: text("architecture")?, variant: text("variant") })
    };
    Ok(InspectedManifest {
        digest: document.digest(),
        media_type: document.descriptor.media_type.clone(),
        kind: kind.to_owned(),
        platform: stated.filter(|_| !is_unknown).or_else(own),
        layers_size: layers.iter().map(|layer| layer.size).sum(),
        layers,
        config_descriptor,
        annotations: json.get("annotations").cloned().unwrap_or_default(),
        config,
    })
}

async fn read_config(wanted: &Descriptor, tree: &Tree, session: &Session) -> Result<Vec<u8>, Error> {
    if let Some(config) = tree.configs.iter().find(|config| config.digest() == wanted.digest) {
        return Ok(config.bytes().to_vec());
    }
    if wanted.size > LARGEST_CONFIG {
        let reason = format!("its config has {} bytes, and 4 MiB are read", wanted.size);
        let reference = tree.root.digest().to_string();
        return Err(wainwright_registry::Error::Document { reference, reason }.into());
    }
    let held = tree.blobs.iter().find(|held| held.descriptor.digest == wanted.digest);
    let held = held.ok_or_else(|| Error::Bug { what: format!("nobody knows where {} is", wanted.digest) })?;
    if let Place::File { path, offset } = &held.place {
        return read_file(path, *offset, wanted);
    }
    fetch_blobs([held], session).await?;
    let mut bytes = Vec::new();
    session.store.copy(&wanted.digest, &mut bytes)?;
    Ok(bytes)
}

/// Reads a small blob of a file, and compares its digest.
fn read_file(path: &std::path::Path, offset: u64, wanted: &Descriptor) -> Result<Vec<u8>, Error> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(offset))?;
        file.take(wanted.size).read_to_end(&mut bytes)
    });
    read.map_err(|source| wainwright_base::Error::Disk { action: "read", path: path.to_owned(), source })?;
    let (found, expected) = (Digest::of(&bytes), wanted.digest);
    if found != expected {
        let (path, what) = (path.to_owned(), "image config".to_owned());
        return Err(wainwright_base::Error::Mismatch { path, what, expected, found }.into());
    }
    Ok(bytes)
}
