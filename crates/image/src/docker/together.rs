use std::collections::BTreeSet;

use wainwright_oci::{Digest, Image};
use wainwright_store::Store;

use super::engine::Engine;
use super::expected::Expected;
use super::load::{fitting, load_docker};
use super::probe::{held_layers, knows_chains};
use super::send::send;
use super::zstd;
use super::{DockerHost, Loaded};
use crate::{Delivered, Error, Release};

/// A release on its way into a daemon.
struct Loading<'a> {
    image: &'a Image,
    single: Release,
    expected: Expected,
}

/// Loads several releases into a daemon, as [`load_docker`] does with one.
///
/// Docker's own store takes them in one archive, which has what several of them lack once, and unpacks that once where the layers
/// below are the same, too. Any other gets one after the other. An image that is not there after that is loaded by itself,
/// which says what is wrong with it.
pub async fn load_docker_together(
    releases: &[&Release],
    store: &Store,
    host: &DockerHost,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<Vec<Loaded>, Error> {
    let mut loaded: Vec<Option<Loaded>> = vec![None; releases.len()];
    if releases.len() > 1 {
        let engine = Engine::new(host)?;
        // A daemon that does not say what it is gets one after the other.
        if knows_chains(&engine).await.unwrap_or(false) {
            load_at_once(&engine, releases, store, progress, &mut loaded).await?;
        }
    }
    let mut all = Vec::new();
    for (release, loaded) in releases.iter().zip(loaded) {
        all.push(match loaded {
            Some(loaded) => loaded,
            None => load_docker(release, store, host, progress).await?,
        });
    }
    Ok(all)
}

/// Sends what is not there in one archive, and notes what is there then.
async fn load_at_once(
    engine: &Engine,
    releases: &[&Release],
    store: &Store,
    progress: &(dyn Fn(u64) + Send + Sync),
    loaded: &mut [Option<Loaded>],
) -> Result<(), Error> {
    let mut open = Vec::new();
    for (release, loaded) in releases.iter().zip(loaded) {
        let image = fitting(engine, release).await?;
        let expected = Expected::new(release, image);
        match expected.confirm(engine).await? {
            Ok(image_id) => {
                *loaded = Some(Loaded { delivered: Delivered::NOTHING, image_id, second_thoughts: None });
            }
            Err(_) => open.push((Loading { image, single: release.only(image), expected }, loaded)),
        }
    }
    // One by itself has its own way, and that has second thoughts.
    if open.len() < 2 {
        return Ok(());
    }
    let images: Vec<(&Image, &[String])> =
        open.iter().map(|(one, _)| (one.image, one.expected.names.as_slice())).collect();
    let held = held_layers(engine, &images).await.unwrap_or_else(|_| vec![0; images.len()]);
    for ((image, _), held) in images.iter().zip(&held) {
        zstd::check(engine, image.layers.get(*held..).unwrap_or_default()).await?;
    }
    let parts: Vec<(Release, usize)> =
        open.iter().map(|(one, _)| one.single.clone()).zip(held.iter().copied()).collect();
    match send(engine, parts, store.clone(), progress).await {
        Ok(()) => {}
        // What of it is there counts, and the rest is tried again.
        Err(Error::Daemon { .. }) => {}
        Err(error) => return Err(error),
    }
    let mut sent = BTreeSet::new();
    for ((one, loaded), held) in open.into_iter().zip(held) {
        let delivered = delivered(one.image, held, &mut sent);
        if let Ok(image_id) = one.expected.confirm(engine).await? {
            *loaded = Some(Loaded { delivered, image_id, second_thoughts: None });
        }
    }
    Ok(())
}

/// What was sent of an image: what an earlier one has brought is not sent again.
fn delivered(image: &Image, held: usize, sent: &mut BTreeSet<Digest>) -> Delivered {
    let mut delivered =
        Delivered { bytes_written: image.config.descriptor.size, bytes_skipped: 0, was_there: false };
    let mut counted = BTreeSet::new();
    for (at, layer) in image.layers.iter().enumerate().rev() {
        let (digest, size) = (layer.descriptor.digest, layer.descriptor.size);
        if at >= held && sent.insert(digest) {
            delivered.bytes_written += size;
            counted.insert(digest);
        } else if counted.insert(digest) {
            delivered.bytes_skipped += size;
        }
    }
    delivered
}
