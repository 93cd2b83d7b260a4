use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use wainwright_image::Release;

use super::last::{remember, remember_set};
use super::outcome::{Delivery, Outcome};
use super::outputs::{Shared, load_all, put_one, warn_about_depth};
use super::shared::send_shared;
use crate::session::fetch_layers;
use crate::{BuiltImage, Error, Images, Output, Session};

/// How many images are pushed at once, when the layers that they share are in the registry.
const MOST_PUSHES: usize = 4;

/// Puts the images of a set where they are wanted, output after output; returns a delivery for each image.
///
/// What several images share is written or sent once where that can be: layouts link it, repositories mount it from each other.
///
/// # Errors
/// When an output cannot be written. Tags of an image move last.
pub async fn deliver(images: &Images, session: &Arc<Session>) -> Result<Vec<Delivery>, Error> {
    let mut releases = Vec::new();
    for image in &images.images {
        releases.push(finished(image, session).await?);
    }
    let mut deliveries: Vec<Delivery> =
        releases.iter().map(|release| Delivery { digest: release.digest(), outcomes: Vec::new() }).collect();
    releases.iter().for_each(|release| warn_about_depth(release, session));
    let count = images.images.iter().map(|image| image.outputs.len()).max().unwrap_or(0);
    for at in 0..count {
        let outputs: Vec<&Output> = images.images.iter().filter_map(|image| image.outputs.get(at)).collect();
        let outcomes = put_all(&releases, &outputs, images.sent, session).await?;
        deliveries.iter_mut().zip(outcomes).for_each(|(delivery, outcome)| delivery.outcomes.push(outcome));
    }
    match &releases[..] {
        [only] => remember(only, session.root(), session),
        _ => remember_set(session.root(), session),
    }
    Ok(deliveries)
}

/// Puts every image into its output; all are of one sort. `sent` bytes of an only image are in its repositories already.
async fn put_all(
    releases: &[Arc<Release>],
    outputs: &[&Output],
    sent: u64,
    session: &Arc<Session>,
) -> Result<Vec<Outcome>, Error> {
    if let ([release], [output]) = (releases, outputs) {
        return Ok(vec![put_one(release, output, sent, &Shared::default(), session).await?]);
    }
    let (mut shared, mut sent) = (Shared::default(), vec![0; releases.len()]);
    let at_once = match outputs.first() {
        Some(Output::Docker) => return load_all(releases, session).await,
        Some(Output::Layout(_)) => {
            shared.layouts = Some(Arc::default());
            1
        }
        Some(Output::Registry) => {
            (shared.elsewhere, sent) = send_shared(releases, session).await?;
            MOST_PUSHES
        }
        Some(Output::Archive(_)) => session.machine.jobs.max(1),
        Some(Output::Stdout) | None => 1,
    };
    let shared_by_all = &shared;
    let puts =
        releases.iter().zip(outputs).zip(&sent).map(async |((release, output), sent)| {
            put_one(release, output, *sent, shared_by_all, session).await
        });
    let outcomes: Vec<Outcome> = stream::iter(puts).buffered(at_once).try_collect().await?;
    if let Some(layouts) = &shared.layouts {
        layouts.remember(&session.store);
    }
    Ok(outcomes)
}

/// An image under its references, with all layers here that outputs read from here.
async fn finished(image: &BuiltImage, session: &Session) -> Result<Arc<Release>, Error> {
    // Only a registry may have the layers of a base that came from one.
    if image.outputs.iter().any(|output| *output != Output::Registry) {
        for platform in &image.platforms {
            fetch_layers(&platform.image, session).await?;
        }
    }
    Ok(Arc::new(Release {
        images: image.platforms.iter().map(|platform| platform.image.clone()).collect(),
        index: image.index.clone(),
        tree: None,
        tags: image.tags.clone(),
    }))
}
