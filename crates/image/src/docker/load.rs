use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use wainwright_oci::{Digest, Image, Platform};
use wainwright_store::Store;

use super::DockerHost;
use super::engine::Engine;
use super::expected::Expected;
use super::probe::held_layers;
use super::send::send;
use super::zstd;
use crate::{Delivered, Error, Release};

/// Docker's own store stacks this many layers at most (`max depth exceeded` is what it says otherwise).
pub const MOST_LAYERS: usize = 125;

/// An image that a daemon has, under all its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// What it took.
    pub delivered: Delivered,
    /// What the daemon calls it: the digest of the config, or of the manifest where containerd keeps the images.
    pub image_id: Digest,
    /// Layers were left out because the daemon had them, and then it did not: its words. All was sent after that.
    pub second_thoughts: Option<String>,
}

/// Loads a release into a daemon: of several images the one for the daemon's platform.
///
/// Nothing is sent when all names stand for our image already, and no layer that the daemon's own store has below the same
/// layers. If it turns out that it has not, everything is sent, once. `progress` hears how many bytes have just been sent.
/// The daemon is asked afterwards what the names stand for; that answer counts, not the one to the upload.
pub async fn load_docker(
    release: &Release,
    store: &Store,
    host: &DockerHost,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<Loaded, Error> {
    let engine = Engine::new(host)?;
    let image = fitting(&engine, release).await?;
    let expected = Expected::new(release, image);
    if let Ok(image_id) = expected.confirm(&engine).await? {
        return Ok(Loaded { delivered: Delivered::NOTHING, image_id, second_thoughts: None });
    }
    let sent = AtomicU64::new(0);
    let progress = |bytes| {
        sent.fetch_add(bytes, Ordering::Relaxed);
        progress(bytes);
    };
    let single = release.only(image);
    // A daemon that does not say what it has is sent everything; if something is wrong with it, that will tell.
    let held = held_layers(&engine, &[(image, &expected.names)]).await.unwrap_or_default();
    let held = held.first().copied().unwrap_or_default();
    let load = async |held| {
        zstd::check(&engine, image.layers.get(held..).unwrap_or_default()).await?;
        send(&engine, vec![(single.clone(), held)], store.clone(), &progress).await?;
        expected.confirm(&engine).await?
    };
    let (image_id, bytes_skipped, second_thoughts) = match load(held).await {
        Ok(image_id) => (image_id, size_of_first(image, held), None),
        // Somebody removed an image in the meantime, or the store is not what we took it for.
        Err(error @ (Error::Daemon { .. } | Error::NotLoaded { .. })) if held > 0 => {
            (load(0).await?, 0, Some(error.to_string()))
        }
        Err(error) => return Err(error),
    };
    let bytes_written = sent.into_inner();
    let delivered = Delivered { bytes_written, bytes_skipped, was_there: false };
    Ok(Loaded { delivered, image_id, second_thoughts })
}

/// The sizes of the first layers, but for those that are sent all the same because they come again further up.
fn size_of_first(image: &Image, held: usize) -> u64 {
    let (first, rest) = image.layers.split_at_checked(held).unwrap_or((&image.layers, &[]));
    let blobs: BTreeMap<Digest, u64> =
        first.iter().map(|layer| (layer.descriptor.digest, layer.descriptor.size)).collect();
    let is_sent = |digest: &Digest| rest.iter().any(|layer| layer.descriptor.digest == *digest);
    blobs.into_iter().filter(|(digest, _)| !is_sent(digest)).map(|(_, size)| size).sum()
}

/// The image of a release that runs where the daemon is, if it can be loaded.
pub(super) async fn fitting<'a>(engine: &Engine, release: &'a Release) -> Result<&'a Image, Error> {
    release.check()?;
    if release.images.is_empty() {
        return Err(Error::Release { reason: "it contains no runnable image" });
    }
    let image = choose(engine, release).await?;
    match image.layers.len() {
        count if count > MOST_LAYERS => Err(Error::TooManyLayers { count, limit: MOST_LAYERS }),
        _ => Ok(image),
    }
}

/// The image that runs where the daemon is. A single one is not questioned: emulation may be set up there.
async fn choose<'a>(engine: &Engine, release: &'a Release) -> Result<&'a Image, Error> {
    if let [image] = release.images.as_slice() {
        return Ok(image);
    }
    const ACTION: &str = "report its platform";
    let version = engine.ask("/version", ACTION).await?.unwrap_or_default();
    let word = |key: &str| version[key].as_str().unwrap_or_default().to_owned();
    let text = format!("{}/{}", word("Os"), word("Arch"));
    let wanted: Platform = text.parse().map_err(|_| Error::Daemon {
        daemon: engine.name(),
        action: ACTION,
        text: format!("it returned `{text}`"),
    })?;
    release.image_for(&wanted).ok_or_else(|| Error::Platform {
        daemon: engine.name(),
        wanted,
        offered: release.images.iter().map(|image| image.platform.clone()).collect(),
    })
}

#[cfg(test)]
mod tests;
