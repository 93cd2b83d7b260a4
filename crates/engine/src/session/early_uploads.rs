use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use wainwright_oci::{Held, Layer};
use wainwright_registry::{Error as RegistryError, Uploaded};

use super::bring::bring;
use super::gather::fetch_blobs;
use super::memory::{recall, remember};
use super::target::{Target, blob, repositories, uploads};
use crate::model::cache::CacheOffer;
use crate::{BasePlan, Error, LayerState, Output, Plan, Session};

/// Takes finished layers, to upload them to every repository while others are still being made.
///
/// Only blobs are uploaded early: no tag moves before everything is there. A build that makes nothing sends no request.
#[derive(Clone)]
pub(crate) struct EarlyUploads(Option<UnboundedSender<QueuedLayer>>);

/// A layer that is finished; or one that a cache has, with its name.
struct QueuedLayer {
    layer: Layer,
    offer: Option<(String, CacheOffer)>,
}

impl EarlyUploads {
    /// Takes a layer that is finished.
    pub(crate) fn take(&self, layer: &Layer) {
        if let Some(sender) = &self.0 {
            // Nobody listens once sending has failed, and then the build is about to end.
            let _ = sender.send(QueuedLayer { layer: layer.clone(), offer: None });
        }
    }

    /// Takes a layer that a cache has: the registry takes it from there, or else it comes by way of the store.
    pub(crate) fn take_offer(&self, name: &str, offer: &CacheOffer) {
        if let Some(sender) = &self.0 {
            let leaver =
                QueuedLayer { layer: offer.layer.clone(), offer: Some((name.to_owned(), offer.clone())) };
            let _ = sender.send(leaver);
        }
    }
}

/// A sender for finished layers, and the queue that uploads them.
///
/// Images of a set have repositories of their own and share layers: they are pushed when all are made.
pub(crate) fn early_uploads(plan: &Plan) -> (EarlyUploads, UploadQueue) {
    let nothing = || (EarlyUploads(None), UploadQueue { layers: None, targets: Vec::new() });
    let [image] = &plan.images[..] else { return nothing() };
    let makes_something = plan.layers().any(|layer| !matches!(layer.state, LayerState::Cached(_)));
    if !image.outputs.contains(&Output::Registry) || !makes_something {
        return nothing();
    }
    let (sender, layers) = mpsc::unbounded_channel();
    let early = EarlyUploads(Some(sender));
    // The layers of a base that is in another registry take longest.
    for platform in &image.platforms {
        if let BasePlan::Image(base) = &platform.base {
            base.layers.iter().for_each(|layer| early.take(layer));
        }
    }
    (early, UploadQueue { layers: Some(layers), targets: repositories(&image.tags) })
}

/// Layers that wait for their upload.
pub(crate) struct UploadQueue {
    layers: Option<UnboundedReceiver<QueuedLayer>>,
    targets: Vec<Target>,
}

impl UploadQueue {
    /// Sends every layer that is handed in, until nobody can hand in another one; says how many bytes that took.
    ///
    /// What arrived is remembered: the push that follows need not ask about it.
    pub(crate) async fn send(self, session: &Arc<Session>) -> Result<u64, Error> {
        let Self { layers: Some(mut layers), targets } = self else { return Ok(0) };
        let mut known = Vec::new();
        for target in &targets {
            known.push((target, recall(target, session)?.blobs));
        }
        let (mut sends, mut bytes, mut is_open) = (FuturesUnordered::new(), 0, true);
        while is_open || !sends.is_empty() {
            tokio::select! {
                layer = layers.recv(), if is_open => match layer {
                    None => is_open = false,
                    Some(QueuedLayer { layer, offer }) => {
                        for (target, known) in &mut known {
                            // What platforms share is handed in by each.
                            if known.insert(layer.descriptor.digest) {
                                let held =
                                    Held { descriptor: layer.descriptor.clone(), place: layer.place.clone() };
                                sends.push(send_one(held, offer.clone(), target, session));
                            }
                        }
                    }
                },
                Some(sent) = sends.next(), if !sends.is_empty() => bytes += sent?,
            }
        }
        drop(sends);
        for (target, known) in known {
            remember(target, &known, &[], session)?;
        }
        Ok(bytes)
    }
}

/// Brings a blob into a repository; says how many bytes that took.
pub(crate) async fn send_one(
    held: Held,
    offer: Option<(String, CacheOffer)>,
    target: &Target,
    session: &Arc<Session>,
) -> Result<u64, Error> {
    let client = session.registry().await?;
    let listener = uploads(target, session);
    let push = async || {
        let blob = blob(&held, target, session);
        client.push_blob(&target.registry, &target.repository, &blob, &listener).await
    };
    let uploaded = match push().await {
        // Nobody there has it: its bytes come first.
        Err(RegistryError::BytesNeeded { .. }) => {
            match offer {
                // What passes through here is looked at.
                Some((name, offer)) if bring(&name, &offer, session).await?.is_none() => {
                    return Err(Error::CacheGone { cache: offer.cache.to_string(), layer: name });
                }
                Some(_) => {}
                None => fetch_blobs([&held], session).await?,
            }
            push().await?
        }
        uploaded => uploaded?,
    };
    Ok(if uploaded == Uploaded::Sent { held.descriptor.size } else { 0 })
}
