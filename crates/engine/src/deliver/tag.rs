use std::collections::BTreeSet;

use wainwright_base::Walk;
use wainwright_oci::{Document, Reference};
use wainwright_registry::Push;

use super::send::report_tags;
use crate::{Delivery, Error, Event, Outcome, Session};

/// Gives an image in a registry further tags: the same manifest is put under each, and nothing else moves.
pub async fn tag(reference: &Reference, tags: &[String], session: &Session) -> Result<Delivery, Error> {
    session.demand_registry(reference.registry())?;
    let client = session.registry().await?;
    let found = client.manifest(reference).await?;
    let root = Document::read("manifest", &found.media_type, found.bytes)?;
    // What is under a tag must be read alike by everybody; this also completes a media type that nobody told.
    let root = Walk::begin(reference.to_string(), root)?.finish().root;
    let digest = root.digest();
    let push = Push {
        registry: reference.registry().to_owned(),
        repository: reference.repository().to_owned(),
        blobs: Vec::new(),
        children: Vec::new(),
        root,
        tags: tags.to_vec(),
        known: BTreeSet::new(),
        is_settled: false,
    };
    let output = format!("{}/{}:{}", push.registry, push.repository, tags.join(" :"));
    session.report(Event::DeliveryStarted { output: output.clone() });
    let pushed = match client.push(&push, &wainwright_registry::unwatched()).await {
        Ok(pushed) => pushed,
        Err(error) => {
            report_tags(&push, &error, client, session).await;
            return Err(error.into());
        }
    };
    let delivered =
        wainwright_image::Delivered { bytes_written: 0, bytes_skipped: 0, was_there: pushed.was_there };
    Ok(Delivery { digest, outcomes: vec![Outcome::report(output, delivered, session)] })
}
