use std::sync::Arc;

use wainwright_base::list;
use wainwright_fault::Classify;
use wainwright_oci::{Layer, Place};

use super::remote::fetch_blob;
use crate::model::cache::CacheOffer;
use crate::{Error, Event, Session};

/// Brings the bytes of a layer that a cache offers into the store, and holds them against digest and diff ID.
///
/// `None` when the cache does not give what it offers: then the layer is made, and a warning says why. What comes with
/// the right digest and another diff ID is a lie, and an error.
pub(crate) async fn bring(
    name: &str,
    offer: &CacheOffer,
    session: &Arc<Session>,
) -> Result<Option<Layer>, Error> {
    let descriptor = &offer.layer.descriptor;
    let layer = Layer { place: Place::Store, ..offer.layer.clone() };
    if !session.store.contains(&descriptor.digest, Some(descriptor.size)) {
        let label = format!("layer `{name}` of {}", offer.cache);
        match fetch_blob(&offer.cache, descriptor, Some(label), session).await {
            Ok(()) => {}
            Err(Error::Registry(error)) => {
                let message =
                    format!("{} does not give the layer `{name}`, which is made: {error}", offer.cache);
                session.report(Event::Warned { message });
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
    }
    let (read, store) = (layer.clone(), session.store.clone());
    let found = session.compute(move || Ok(list(&read, 1, &store)?)).await;
    match found {
        Ok(found) if found.diff_id == layer.diff_id.0 => Ok(Some(layer)),
        Ok(found) => Err(lie(name, offer, "diff ID", layer.diff_id.0, found.diff_id)),
        // Not a layer at all.
        Err(Error::Base(error))
            if !error.is_outside() && !matches!(error, wainwright_base::Error::Store(_)) =>
        {
            Err(Error::CacheLie {
                cache: offer.cache.to_string(),
                layer: name.to_owned(),
                reason: format!("{} cannot be read: {error}", descriptor.digest),
            })
        }
        Err(error) => Err(error),
    }
}

/// Compares what a cache says of a layer with what was made here of the same inputs.
pub(crate) fn compare(name: &str, offer: &CacheOffer, made: &Layer) -> Result<(), Error> {
    let (said, made) = (&offer.layer, made);
    if said.diff_id != made.diff_id {
        return Err(lie(name, offer, "diff ID", said.diff_id.0, made.diff_id.0));
    }
    if said.descriptor.digest != made.descriptor.digest {
        return Err(lie(name, offer, "digest", said.descriptor.digest, made.descriptor.digest));
    }
    match said.descriptor == made.descriptor {
        true => Ok(()),
        false => Err(Error::CacheLie {
            cache: offer.cache.to_string(),
            layer: name.to_owned(),
            reason: "it has another size, media type or annotations".into(),
        }),
    }
}

fn lie(
    name: &str,
    offer: &CacheOffer,
    what: &str,
    said: impl std::fmt::Display,
    found: impl std::fmt::Display,
) -> Error {
    Error::CacheLie {
        cache: offer.cache.to_string(),
        layer: name.to_owned(),
        reason: format!("it says {said}, and the {what} is {found}"),
    }
}
