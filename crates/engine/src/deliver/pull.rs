use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use wainwright_base::{Walk, check_diff_id, images_in, is_image_config};
use wainwright_image::Release;
use wainwright_oci::{Held, Image, Place, Platform, Reference, Tree, media_type};

use super::outputs::put;
use crate::session::{MOST_FETCHES, fetch_blobs, gather, open_image, report_omitted};
use crate::{Delivery, Error, Event, Output, Session};

/// What to pull, and where to.
#[derive(Clone, Debug)]
pub struct Pull {
    /// The image.
    pub reference: Reference,
    /// Where it goes; a registry is no place for a pull.
    pub outputs: Vec<Output>,
    /// The one image of an index that is wanted. Absent: all that belongs to it; but Docker alone gets what runs on this
    /// machine.
    pub platform: Option<Platform>,
}

/// Pulls an image: every document and layer as it is, whoever wrote it.
pub async fn pull(pull: &Pull, session: &Arc<Session>) -> Result<Delivery, Error> {
    let Pull { reference, outputs, platform } = pull;
    let is_for_docker = outputs.iter().all(|output| *output == Output::Docker);
    let platform = platform.as_ref().or(is_for_docker.then_some(&session.machine.platform));
    let mut tree = match platform {
        None => gather(reference, session).await?,
        Some(platform) => {
            let image = open_image(reference, reference.digest().copied(), platform, session).await?.image;
            let tree = Tree::of_images(None, &[image]);
            let mut tree = tree.ok_or_else(|| Error::Bug { what: "an image without a manifest".into() })?;
            let kept_back = Walk::begin(reference.to_string(), tree.root.clone())?.finish().kept_back;
            report_omitted(&kept_back, session);
            let is_kept_back = |held: &Held| kept_back.iter().any(|one| one.digest == held.descriptor.digest);
            tree.blobs.retain(|held| !is_kept_back(held));
            tree
        }
    };
    let media_type = tree.root.descriptor.media_type.as_str();
    let is_in_layout = outputs.iter().any(|output| matches!(output, Output::Layout(_)));
    if is_in_layout && [media_type::DOCKER_INDEX, media_type::DOCKER_MANIFEST].contains(&media_type) {
        let message =
            "the image is in Docker's own format and stays so; skopeo and podman find only OCI's in layouts";
        session.report(Event::Noted { message: message.into() });
    }
    // The images in it are read from the store.
    for document in tree.children.iter().chain([&tree.root]).chain(&tree.configs) {
        session.store.put(document.bytes())?;
    }
    let is_config = |held: &&Held| is_image_config(&held.descriptor.media_type);
    fetch_blobs(tree.blobs.iter().filter(is_config), session).await?;
    let is_index = [media_type::INDEX, media_type::DOCKER_INDEX].contains(&media_type);
    let images = images_in(&tree, reference, &session.store)?;
    // A layout is a copy, byte for byte, of what the digests name; what reads it unpacks it later, or never.
    let is_copied_only = outputs.iter().all(|output| matches!(output, Output::Layout(_)));
    match is_copied_only {
        true => fetch_blobs(&tree.blobs, session).await?,
        false => fetch_checked(&tree, &images, reference, session).await?,
    }
    for held in &mut tree.blobs {
        held.place = Place::Store;
    }
    let release = Release {
        images,
        index: is_index.then(|| tree.root.clone()),
        tree: Some(tree),
        tags: reference.tag().is_some().then(|| reference.clone()).into_iter().collect(),
    };
    put(&Arc::new(release), outputs, 0, session).await
}

/// Fetches blobs, and holds each layer against its diff ID when it has come: some runtimes that load an image never do.
async fn fetch_checked(
    tree: &Tree,
    images: &[Image],
    reference: &Reference,
    session: &Arc<Session>,
) -> Result<(), Error> {
    let check = async |held: &Held| {
        for image in images {
            let layers = image.layers.iter().enumerate();
            for (index, layer) in
                layers.filter(|(_, layer)| layer.descriptor.digest == held.descriptor.digest)
            {
                let (layer, store) = (layer.clone(), session.store.clone());
                let checked = session.compute(move || Ok(check_diff_id(&layer, index + 1, &store))).await?;
                checked.map_err(|source| Error::Pulled {
                    reference: reference.to_string(),
                    platform: image.platform.clone(),
                    source,
                })?;
            }
        }
        Ok::<_, Error>(())
    };
    let both = async |held: &Held| {
        fetch_blobs([held], session).await?;
        check(held).await
    };
    stream::iter(&tree.blobs).map(both).buffer_unordered(MOST_FETCHES).try_collect().await
}
