use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use wainwright_base::{Walk, check_diff_id, images_in, is_image_config};
use wainwright_image::Release;
use wainwright_oci::{Held, Image, Place, Platform, Reference, Tree, media_type};

use super::gather::{MOST_FETCHES, fetch_blobs, gather, tell_kept_back};
use crate::deliver::put;
use crate::{Delivery, Error, Event, Output, Tools, remote};

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
pub async fn pull(pull: &Pull, tools: &Arc<Tools>) -> Result<Delivery, Error> {
    let Pull { reference, outputs, platform } = pull;
    let is_for_docker = outputs.iter().all(|output| *output == Output::Docker);
    let platform = platform.as_ref().or(is_for_docker.then_some(&tools.machine.platform));
    let mut tree = match platform {
        None => gather(reference, tools).await?,
        Some(platform) => {
            let image = remote::open(reference, reference.digest().copied(), platform, tools).await?.image;
            let tree = Tree::of_images(None, &[image]);
            let mut tree = tree.ok_or_else(|| Error::Bug { what: "an image without a manifest".into() })?;
            let kept_back = Walk::begin(reference.to_string(), tree.root.clone())?.finish().kept_back;
            tell_kept_back(&kept_back, tools);
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
        tools.tell(Event::Noted { message: message.into() });
    }
    // The images in it are read from the store.
    for document in tree.children.iter().chain([&tree.root]).chain(&tree.configs) {
        tools.store.put(document.bytes())?;
    }
    let is_config = |held: &&Held| is_image_config(&held.descriptor.media_type);
    fetch_blobs(tree.blobs.iter().filter(is_config), tools).await?;
    let is_index = [media_type::INDEX, media_type::DOCKER_INDEX].contains(&media_type);
    let images = images_in(&tree, reference, &tools.store)?;
    // A layout is a copy, byte for byte, of what the digests name; what reads it unpacks it later, or never.
    let is_copied_only = outputs.iter().all(|output| matches!(output, Output::Layout(_)));
    match is_copied_only {
        true => fetch_blobs(&tree.blobs, tools).await?,
        false => fetch_checked(&tree, &images, reference, tools).await?,
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
    put(&Arc::new(release), outputs, 0, tools).await
}

/// Fetches blobs, and holds each layer against its diff ID when it has come: some runtimes that load an image never do.
async fn fetch_checked(
    tree: &Tree,
    images: &[Image],
    reference: &Reference,
    tools: &Arc<Tools>,
) -> Result<(), Error> {
    let cpu = tools.cpu().await?;
    let check = async |held: &Held| {
        for image in images {
            let layers = image.layers.iter().enumerate();
            for (index, layer) in
                layers.filter(|(_, layer)| layer.descriptor.digest == held.descriptor.digest)
            {
                let (layer, store) = (layer.clone(), tools.store.clone());
                let checked = cpu.run(move || Ok(check_diff_id(&layer, index + 1, &store))).await?;
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
        fetch_blobs([held], tools).await?;
        check(held).await
    };
    stream::iter(&tree.blobs).map(both).buffer_unordered(MOST_FETCHES).try_collect().await
}
