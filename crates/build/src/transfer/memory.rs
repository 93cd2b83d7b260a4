use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;
use wainwright_oci::Digest;
use wainwright_registry::Push;
use wainwright_store::CacheKey;

use crate::{Error, Tools};

/// Raised when what is remembered of repositories changes its form.
const FORMAT: u32 = 1;
/// How many blobs and tags of a repository are remembered.
const MOST_REMEMBERED: usize = 5000;

/// What a repository had when it was last pushed to. Blobs are only a hint: the registry is asked by the manifest.
#[derive(Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) blobs: BTreeSet<Digest>,
    /// What each tag stood for, confirmed.
    pub(crate) tags: BTreeMap<String, Digest>,
}

pub(crate) fn recall(registry: &str, repository: &str, tools: &Tools) -> Result<Memory, Error> {
    let memo = tools.store.recall(&key(registry, repository)?)?;
    Ok(memo.and_then(|memo| serde_json::from_value(memo).ok()).unwrap_or_default())
}

pub(crate) fn remember(push: &Push, tools: &Tools) -> Result<(), Error> {
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
