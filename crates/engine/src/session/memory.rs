use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::json;
use wainwright_oci::Digest;
use wainwright_store::CacheKey;

use super::target::Target;
use crate::{Error, Session};

/// Raised when what is remembered of repositories changes its form.
const FORMAT: u32 = 2;
/// How many blobs and tags of a repository are remembered.
const MOST_REMEMBERED: usize = 5000;
/// For so many seconds a tag is believed to stand for what it stood for. A repeat right after a push asks for one tag then, and
/// a later one for each of them: somebody else may have moved any.
const FRESH: u64 = 60;

/// What a repository had when it was last pushed to. Blobs are only a hint: the registry is asked by the manifest.
#[derive(Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) blobs: BTreeSet<Digest>,
    tags: BTreeMap<String, Seen>,
}

/// What a tag stood for, and when the registry said so: seconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    digest: Digest,
    at: u64,
}

impl Memory {
    /// Whether all these tags stood for the digest when they were last asked for.
    pub(crate) fn stood(&self, tags: &[String], digest: Digest) -> bool {
        tags.iter().all(|tag| self.tags.get(tag).is_some_and(|seen| seen.digest == digest))
    }

    /// [`Memory::stood`], and that was a moment ago.
    pub(crate) fn stands(&self, tags: &[String], digest: Digest, now: SystemTime) -> bool {
        let is_fresh = |tag| {
            self.tags
                .get(tag)
                .and_then(|seen| seconds(now).checked_sub(seen.at))
                .is_some_and(|age| age <= FRESH)
        };
        self.stood(tags, digest) && tags.iter().all(is_fresh)
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

pub(crate) fn recall(target: &Target, session: &Session) -> Result<Memory, Error> {
    Ok(session.store.recall(&key(target)?)?.unwrap_or_default())
}

/// Adds blobs that are in the repository now, and what tags stand for.
pub(crate) fn remember(
    target: &Target,
    blobs: &BTreeSet<Digest>,
    tags: &[(String, Digest)],
    session: &Session,
) -> Result<(), Error> {
    let before = recall(target, session)?;
    let at = seconds(session.machine.now);
    let seen = |(tag, digest): &(String, Digest)| (tag.clone(), Seen { digest: *digest, at });
    let tags: BTreeMap<String, Seen> = tags.iter().map(seen).collect();
    let mut all = Memory {
        blobs: before.blobs.union(blobs).copied().collect(),
        tags: before.tags.clone().into_iter().chain(tags.clone()).collect(),
    };
    if all.blobs.len() + all.tags.len() > MOST_REMEMBERED {
        all = Memory { blobs: blobs.clone(), tags };
    }
    if all != before {
        session.store.remember(&key(target)?, &all)?;
    }
    Ok(())
}

fn key(Target { registry, repository, .. }: &Target) -> Result<CacheKey, Error> {
    Ok(CacheKey::of("pushed", &json!({"format": FORMAT, "registry": registry, "repository": repository}))?)
}
