use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use wainwright_oci::{Descriptor, Digest, Document, Reference, media_type};
use wainwright_registry::Error as RegistryError;

use super::entries::Entries;
use crate::session::{at_digest, fetch_blob};
use crate::{Error, Session};

/// What the artifact is (image-spec 1.1, "Guidelines for Artifact Usage").
const ARTIFACT: &str = "application/vnd.wainwright.cache.v1+json";
/// What every artifact of ours begins with, whatever its version.
const FAMILY: &str = "application/vnd.wainwright.cache.";
/// What the blob of entries is.
const ENTRIES: &str = "application/vnd.wainwright.cache.entries.v1+json";
/// The config of artifacts that have none.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// No blob of entries is larger.
pub(crate) const LARGEST_ENTRIES: u64 = 16 << 20;
/// A cache is to save time: longer than this nobody waits for one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A cache as a registry has it.
#[derive(Clone, Debug)]
pub(crate) struct Artifact {
    pub(crate) reference: Reference,
    pub(crate) entries: Entries,
    /// The blobs that its manifest names, which the registry therefore keeps.
    pub(crate) blobs: BTreeMap<Digest, Descriptor>,
}

/// What stands where a cache is looked for.
pub(crate) enum Standing {
    /// Nothing yet.
    Nothing,
    /// A cache.
    Cache(Artifact),
    /// A cache that cannot be used; why.
    Broken(String),
    /// Something that is no cache.
    Other,
}

/// Finds out what a reference stands for. Fails only when that cannot be found out.
pub(crate) async fn find(reference: &Reference, session: &Session) -> Result<Standing, Error> {
    let found = match session.registry().await?.manifest(reference).await {
        Err(RegistryError::Absent { .. }) => return Ok(Standing::Nothing),
        found => found?,
    };
    let Ok(manifest) = Document::read("manifest", &found.media_type, found.bytes) else {
        return Ok(Standing::Other);
    };
    match manifest.json["artifactType"].as_str() {
        Some(ARTIFACT) => {}
        Some(other) if other.starts_with(FAMILY) => {
            return Ok(Standing::Broken(format!("it is `{other}`, and this wain reads `{ARTIFACT}`")));
        }
        _ => return Ok(Standing::Other),
    }
    let blobs: Option<Vec<Descriptor>> = serde_json::from_value(manifest.json["layers"].clone()).ok();
    let Some(blobs) = blobs else {
        return Ok(Standing::Broken("its manifest names its blobs wrongly".into()));
    };
    let Some(first) = blobs.first().filter(|blob| blob.media_type == ENTRIES) else {
        return Ok(Standing::Broken("its manifest names no entries".into()));
    };
    if first.size > LARGEST_ENTRIES {
        return Ok(Standing::Broken(format!("its entries have {} bytes, and 16 MiB are read", first.size)));
    }
    // What the tag stands for may change meanwhile; its blobs do not.
    let pinned = at_digest(reference, &found.digest)?;
    let bytes = match blob(&pinned, first, session).await {
        Err(Error::Registry(error)) if is_about_blob(&error) => {
            return Ok(Standing::Broken(error.to_string()));
        }
        bytes => bytes?,
    };
    let entries = match Entries::read(&bytes) {
        Ok(entries) => entries,
        Err(reason) => return Ok(Standing::Broken(reason)),
    };
    let blobs: BTreeMap<Digest, Descriptor> = blobs.into_iter().map(|blob| (blob.digest, blob)).collect();
    let is_named = |blob: &Descriptor| {
        blobs
            .get(&blob.digest)
            .is_some_and(|named| (named.size, &named.media_type) == (blob.size, &blob.media_type))
    };
    if let Some(blob) = entries.blobs().iter().find(|blob| !is_named(blob)) {
        return Ok(Standing::Broken(format!("its manifest does not name {} as an entry does", blob.digest)));
    }
    Ok(Standing::Cache(Artifact { reference: reference.clone(), entries, blobs }))
}

/// The bytes of a small blob; they are kept by their digest.
pub(crate) async fn blob(from: &Reference, blob: &Descriptor, session: &Session) -> Result<Vec<u8>, Error> {
    if !session.store.contains(&blob.digest, Some(blob.size)) {
        fetch_blob(from, blob, None, session).await?;
    }
    let mut bytes = Vec::new();
    session.store.copy(&blob.digest, &mut bytes)?;
    Ok(bytes)
}

/// Whether the registry answered, but not with the blob.
fn is_about_blob(error: &RegistryError) -> bool {
    matches!(
        error,
        RegistryError::Digest { .. } | RegistryError::Absent { .. } | RegistryError::NotARegistry { .. }
    )
}

/// The documents of a cache: its manifest and what that names beside the blobs of entries.
pub(crate) struct Documents {
    pub(crate) manifest: Document,
    pub(crate) entries: (Descriptor, Vec<u8>),
    pub(crate) config: (Descriptor, Vec<u8>),
}

/// Writes the documents of a cache.
///
/// Every layer that an entry names is a layer of the manifest, so that registries that remove what nobody names keep it.
pub(crate) fn write(entries: &Entries) -> Documents {
    let bytes = entries.write();
    let described = Descriptor::of(ENTRIES, &bytes);
    let config = Descriptor::of(EMPTY, b"{}");
    let layers: Vec<Descriptor> = std::iter::once(described.clone()).chain(entries.blobs()).collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type::MANIFEST, "artifactType": ARTIFACT,
        "config": config, "layers": layers,
    });
    Documents {
        manifest: Document::write(media_type::MANIFEST, manifest),
        entries: (described, bytes),
        config: (config, b"{}".to_vec()),
    }
}
