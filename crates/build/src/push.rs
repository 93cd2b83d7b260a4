use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;
use wainwright_image::{Delivered, Release};
use wainwright_oci::{Descriptor, Digest, Document, Layer, Place};
use wainwright_registry::{Blob, Error as RegistryError, Push, Source};
use wainwright_store::CacheKey;

use crate::remote::fetch_layer;
use crate::{Error, Event, Tools};

/// Raised when what is remembered of repositories changes its form.
const FORMAT: u32 = 1;
/// How many blobs and tags of a repository are remembered.
const MOST_REMEMBERED: usize = 5000;

/// Pushes a release to every repository that its tags name; within one, its tags move last.
pub(crate) async fn push(release: &Release, output: &str, tools: &Tools) -> Result<Delivered, Error> {
    let mut repositories: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for tag in &release.tags {
        let names = repositories.entry((tag.registry(), tag.repository())).or_default();
        names.extend(tag.tag().map(str::to_owned));
    }
    if repositories.is_empty() {
        return Err(Error::NoTag);
    }
    let mut delivered = Delivered { bytes_written: 0, bytes_skipped: 0, was_there: true };
    for ((registry, repository), tags) in repositories {
        let one = push_to(release, (registry, repository), tags, output, tools).await?;
        delivered.bytes_written += one.bytes_written;
        delivered.bytes_skipped += one.bytes_skipped;
        delivered.was_there &= one.was_there;
    }
    Ok(delivered)
}

async fn push_to(
    release: &Release,
    (registry, repository): (&str, &str),
    tags: Vec<String>,
    output: &str,
    tools: &Tools,
) -> Result<Delivered, Error> {
    let memory = recall(registry, repository, tools)?;
    let root = root(release)?;
    let mut push = Push {
        registry: registry.to_owned(),
        repository: repository.to_owned(),
        blobs: blobs(release, registry, tools),
        children: Vec::new(),
        is_settled: tags.iter().all(|tag| memory.tags.get(tag) == Some(&root.digest())),
        root,
        tags,
        known: memory.blobs,
    };
    if release.index.is_some() {
        push.children = release.images.iter().map(|image| image.manifest.clone()).collect();
    }
    let progress = |_: &Descriptor, bytes| {
        tools.tell(Event::DeliveryProgressed { output: output.to_owned(), bytes });
    };
    let client = tools.registry().await?;
    // Each round fetches one layer at least.
    let pushed = loop {
        match client.push(&push, &progress).await {
            Err(RegistryError::BytesNeeded { digest }) => {
                fetch(release, &digest, tools).await?;
                push.blobs = blobs(release, registry, tools);
            }
            pushed => break pushed?,
        }
    };
    let all: u64 = {
        let sizes: BTreeMap<Digest, u64> =
            push.blobs.iter().map(|blob| (blob.descriptor.digest, blob.descriptor.size)).collect();
        sizes.values().sum()
    };
    remember(&push, tools)?;
    Ok(Delivered {
        bytes_written: pushed.bytes,
        bytes_skipped: all.saturating_sub(pushed.bytes),
        was_there: pushed.was_there,
    })
}

/// What a tag stands for.
fn root(release: &Release) -> Result<Document, Error> {
    let only = || release.images.first().map(|image| image.manifest.clone());
    let root = release.index.clone().or_else(only);
    root.ok_or_else(|| Error::Bug { what: "a release without images".into() })
}

fn blobs(release: &Release, registry: &str, tools: &Tools) -> Vec<Blob> {
    let mut blobs = Vec::new();
    for image in &release.images {
        blobs.extend(image.layers.iter().map(|layer| blob(layer, registry, tools)));
        blobs.push(Blob {
            descriptor: image.config.descriptor.clone(),
            source: Source::Bytes(image.config.bytes().into()),
            from: None,
        });
    }
    blobs
}

fn blob(layer: &Layer, registry: &str, tools: &Tools) -> Blob {
    let descriptor = layer.descriptor.clone();
    let in_store = || Source::File { path: tools.store.path(&descriptor.digest), offset: 0 };
    let (source, from) = match &layer.place {
        Place::Store => (in_store(), None),
        Place::File { path, offset } => (Source::File { path: path.clone(), offset: *offset }, None),
        Place::Registry(reference) => {
            let is_here = tools.store.contains(&descriptor.digest, Some(descriptor.size));
            let from = (reference.registry() == registry).then(|| reference.repository().to_owned());
            (if is_here { in_store() } else { Source::Absent }, from)
        }
    };
    Blob { descriptor, source, from }
}

async fn fetch(release: &Release, digest: &Digest, tools: &Tools) -> Result<(), Error> {
    let layers = release.images.iter().flat_map(|image| image.layers.iter().enumerate());
    let layer = layers
        .into_iter()
        .find(|(_, layer)| layer.descriptor.digest == *digest && matches!(layer.place, Place::Registry(_)));
    match layer {
        Some((index, layer)) => fetch_layer(index, layer, tools).await,
        None => Err(Error::Bug { what: format!("nobody knows where {digest} is") }),
    }
}

/// What a repository had when it was last pushed to. Blobs are only a hint: the registry is asked by the manifest.
#[derive(Default, PartialEq, Eq, Serialize, Deserialize)]
struct Memory {
    blobs: BTreeSet<Digest>,
    /// What each tag stood for, confirmed.
    tags: BTreeMap<String, Digest>,
}

fn recall(registry: &str, repository: &str, tools: &Tools) -> Result<Memory, Error> {
    let memo = tools.store.recall(&key(registry, repository)?)?;
    Ok(memo.and_then(|memo| serde_json::from_value(memo).ok()).unwrap_or_default())
}

fn remember(push: &Push, tools: &Tools) -> Result<(), Error> {
    let before = recall(&push.registry, &push.repository, tools)?;
    let blobs: BTreeSet<Digest> = push.blobs.iter().map(|blob| blob.descriptor.digest).collect();
    let tags = push.tags.iter().map(|tag| (tag.clone(), push.root.digest()));
    let mut all = Memory {
        blobs: before.blobs.union(&blobs).copied().collect(),
        tags: before.tags.clone().into_iter().chain(tags.clone()).collect(),
    };
    if all.blobs.len() + all.tags.len() > MOST_REMEMBERED {
        all = Memory { blobs, tags: tags.collect() };
    }
    if all != before {
        tools.store.remember(&key(&push.registry, &push.repository)?, &json!(all))?;
    }
    Ok(())
}

fn key(registry: &str, repository: &str) -> Result<CacheKey, Error> {
    Ok(CacheKey::of("pushed", &json!({"format": FORMAT, "registry": registry, "repository": repository}))?)
}
