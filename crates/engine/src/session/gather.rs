use futures_util::future::try_join_all;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use wainwright_base::Walk;
use wainwright_oci::{Descriptor, Document, Held, Place, Reference, Tree};

use super::remote::{at_digest, fetch_blob};
use crate::{Error, Event, Session};

/// How many blobs are on their way at once; the client's own limit of connections may be narrower.
pub(crate) const MOST_FETCHES: usize = 16;

/// Finds out what belongs to a reference: documents are fetched, blobs stay in the registry.
///
/// The first answer decides: whoever moves the tag meanwhile does not mix two images.
pub(crate) async fn gather(reference: &Reference, session: &Session) -> Result<Tree, Error> {
    session.demand_registry(reference.registry())?;
    let client = session.registry().await?;
    let root = client.manifest(reference).await?;
    let digest = root.digest;
    let root = Document::read("manifest", &root.media_type, root.bytes)?;
    let mut walk = Walk::begin(reference.to_string(), root)?;
    while !walk.wanted().is_empty() {
        let fetches = walk.wanted().iter().map(async |wanted: &Descriptor| {
            Ok::<_, Error>(client.manifest(&at_digest(reference, &wanted.digest)?).await?.bytes)
        });
        let all = try_join_all(fetches).await?;
        walk.take(all)?;
    }
    let parts = walk.finish();
    report_omitted(&parts.kept_back, session);
    let place = Place::Registry(at_digest(reference, &digest)?);
    let held = |descriptor| Held { descriptor, place: place.clone() };
    let blobs = parts.blobs.into_iter().map(held).collect();
    Ok(Tree { root: parts.root, children: parts.children, configs: Vec::new(), blobs })
}

/// Reports layers that only their makers may distribute: those of Windows, as a rule.
pub(crate) fn report_omitted(layers: &[Descriptor], session: &Session) {
    for layer in layers {
        let message = format!(
            "the layer {} is not carried along: its type `{}` says that only its makers may give it away",
            layer.digest, layer.media_type
        );
        session.report(Event::Warned { message });
    }
}

/// Brings blobs that are still in their registry into the store.
pub(crate) async fn fetch_blobs(
    blobs: impl IntoIterator<Item = &Held>,
    session: &Session,
) -> Result<(), Error> {
    let missing: Vec<(&Held, &Reference)> = blobs
        .into_iter()
        .filter_map(|held| match &held.place {
            Place::Registry(reference) => Some((held, reference)),
            _ => None,
        })
        .filter(|(held, _)| !session.store.contains(&held.descriptor.digest, Some(held.descriptor.size)))
        .collect();
    let fetch = async |(held, reference): (&Held, &Reference)| {
        let hex = held.descriptor.digest.hex();
        let name = format!("{}/{} {}", reference.registry(), reference.repository(), &hex[..12]);
        fetch_blob(reference, &held.descriptor, Some(name), session).await
    };
    stream::iter(missing).map(fetch).buffer_unordered(MOST_FETCHES).try_collect().await
}
