use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use wainwright_oci::{Held, Layer};
use wainwright_registry::{Error as RegistryError, Uploaded};

use super::gather::fetch_blobs;
use super::memory::{recall, remember};
use super::send::{Target, blob, repositories, uploads};
use crate::oracle::{Offer, bring};
use crate::plan::BasePlan;
use crate::{Error, LayerState, Output, Plan, Tools};

/// Where finished layers are handed in, to leave for every repository while others are still being made.
///
/// Only blobs go ahead: no name changes before everything is there. A build that makes nothing asks nobody.
#[derive(Clone)]
pub(crate) struct Ahead(Option<UnboundedSender<Leaver>>);

/// A layer that is finished; or one that a cache has, with its name.
struct Leaver {
    layer: Layer,
    offer: Option<(String, Offer)>,
}

impl Ahead {
    /// Takes a layer that is finished.
    pub(crate) fn take(&self, layer: &Layer) {
        if let Some(sender) = &self.0 {
            // Nobody listens once sending has failed, and then the build is about to end.
            let _ = sender.send(Leaver { layer: layer.clone(), offer: None });
        }
    }

    /// Takes a layer that a cache has: the registry takes it from there, or else it comes by way of the store.
    pub(crate) fn take_offer(&self, name: &str, offer: &Offer) {
        if let Some(sender) = &self.0 {
            let leaver = Leaver { layer: offer.layer.clone(), offer: Some((name.to_owned(), offer.clone())) };
            let _ = sender.send(leaver);
        }
    }
}

/// The two ends of the way: one to hand layers in, one to send them from.
pub(crate) fn ahead(plan: &Plan) -> Result<(Ahead, Leaving), Error> {
    let makes = plan.images.iter().flat_map(|image| &image.layers);
    let makes_something = makes.into_iter().any(|layer| !matches!(layer.state, LayerState::Cached(_)));
    if !plan.outputs.contains(&Output::Registry) || !makes_something {
        return Ok((Ahead(None), Leaving { layers: None, targets: Vec::new() }));
    }
    let targets = repositories(&plan.tags);
    let (sender, layers) = mpsc::unbounded_channel();
    let ahead = Ahead(Some(sender));
    // The layers of a base that is in another registry are a long way off.
    for image in &plan.images {
        if let BasePlan::Image(base) = &image.base {
            base.layers.iter().for_each(|layer| ahead.take(layer));
        }
    }
    Ok((ahead, Leaving { layers: Some(layers), targets }))
}

/// Layers on their way.
pub(crate) struct Leaving {
    layers: Option<UnboundedReceiver<Leaver>>,
    targets: Vec<Target>,
}

impl Leaving {
    /// Sends every layer that is handed in, until nobody can hand in another one; says how many bytes that took.
    ///
    /// What arrived is remembered: the push that follows need not ask about it.
    pub(crate) async fn send(self, tools: &Arc<Tools>) -> Result<u64, Error> {
        let Self { layers: Some(mut layers), targets } = self else { return Ok(0) };
        let mut known = Vec::new();
        for target in &targets {
            known.push((target, recall(target, tools)?.blobs));
        }
        let (mut sends, mut bytes, mut is_open) = (FuturesUnordered::new(), 0, true);
        while is_open || !sends.is_empty() {
            tokio::select! {
                layer = layers.recv(), if is_open => match layer {
                    None => is_open = false,
                    Some(Leaver { layer, offer }) => {
                        for (target, known) in &mut known {
                            // What platforms share is handed in by each.
                            if known.insert(layer.descriptor.digest) {
                                let held =
                                    Held { descriptor: layer.descriptor.clone(), place: layer.place.clone() };
                                sends.push(send_one(held, offer.clone(), target, tools));
                            }
                        }
                    }
                },
                Some(sent) = sends.next(), if !sends.is_empty() => bytes += sent?,
            }
        }
        drop(sends);
        for (target, known) in known {
            remember(target, &known, &[], tools)?;
        }
        Ok(bytes)
    }
}

/// Brings a blob into a repository; says how many bytes that took.
pub(super) async fn send_one(
    held: Held,
    offer: Option<(String, Offer)>,
    target: &Target,
    tools: &Arc<Tools>,
) -> Result<u64, Error> {
    let client = tools.registry().await?;
    let listener = uploads(target, tools);
    let push = async || {
        let blob = blob(&held, target, tools);
        client.push_blob(&target.registry, &target.repository, &blob, &listener).await
    };
    let uploaded = match push().await {
        // Nobody there has it: its bytes come first.
        Err(RegistryError::BytesNeeded { .. }) => {
            match offer {
                // What passes through here is looked at.
                Some((name, offer)) if bring(&name, &offer, tools).await?.is_none() => {
                    return Err(Error::CacheGone { cache: offer.cache.to_string(), layer: name });
                }
                Some(_) => {}
                None => fetch_blobs([&held], tools).await?,
            }
            push().await?
        }
        uploaded => uploaded?,
    };
    Ok(if uploaded == Uploaded::Sent { held.descriptor.size } else { 0 })
}
