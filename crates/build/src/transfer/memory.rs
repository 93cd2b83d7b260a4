use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;
use wainwright_oci::Digest;
use wainwright_store::CacheKey;

use super::send::Target;
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

pub(crate) fn recall(target: &Target, tools: &Tools) -> Result<Memory, Error> {
    Ok(tools.store.recall(&key(target)?)?.unwrap_or_default())
}

/// Adds blobs that are in the repository now, and what tags stand for.
pub(crate) fn remember(
    target: &Target,
    blobs: &BTreeSet<Digest>,
    tags: &[(String, Digest)],
    tools: &Tools,
) -> Result<(), Error> {
    let before = recall(target, tools)?;
    let mut all = Memory {
        blobs: before.blobs.union(blobs).copied().collect(),
        tags: before.tags.clone().into_iter().chain(tags.iter().cloned()).collect(),
    };
    if all.blobs.len() + all.tags.len() > MOST_REMEMBERED {
        all = Memory { blobs: blobs.clone(), tags: tags.iter().cloned().collect() };
    }
    if all != before {
        tools.store.remember(&key(target)?, &all)?;
    }
    Ok(())
}

fn key(Target { registry, repository, .. }: &Target) -> Result<CacheKey, Error> {
    Ok(CacheKey::of("pushed", &json!({"format": FORMAT, "registry": registry, "repository": repository}))?)
}
