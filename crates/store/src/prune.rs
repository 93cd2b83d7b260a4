use std::cmp::Reverse;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::guard::remove_anything;
use crate::lock::{Hold, LockWait, Share, take};
use crate::survey::{Item, entries, find, read};
use crate::{Error, Store, owner};

/// Without locks nobody knows who is building; whatever was used within a day may be in use.
const CAUTION: Duration = Duration::from_secs(24 * 60 * 60);

/// What a store may keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// How many bytes on the disk; the longest unused goes first.
    pub size: Option<u64>,
    /// For how long something may be unused.
    pub age: Option<Duration>,
}

/// What was removed, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The files, longest unused first.
    pub removed: Vec<Item>,
    /// How many files stay.
    pub kept: usize,
    /// How many bytes on the disk they take.
    pub kept_size: u64,
    /// Whether files stay only because they may be in use: the file system has no locks.
    pub is_cautious: bool,
}

impl Pruned {
    /// The bytes on the disk that were freed.
    pub fn size(&self) -> u64 {
        self.removed.iter().map(|item| item.size).sum()
    }
}

/// Says what [`prune`] would remove. Waits for nobody.
pub fn would_prune(root: &Path, limits: &Limits, now: SystemTime) -> Result<Pruned, Error> {
    let Some(store) = find(root)? else { return Ok(Pruned::default()) };
    Ok(choose(read(&store)?.items, limits, now, None))
}

/// Removes what goes beyond the limits, and what dead processes left.
///
/// Waits until no build uses the store, as long as `wait` lasts; builds that begin meanwhile wait too.
pub fn prune(root: &Path, limits: &Limits, now: SystemTime, wait: &LockWait) -> Result<Pruned, Error> {
    let Some(store) = find(root)? else { return Ok(Pruned::default()) };
    let hold = take(&store.root, Share::WithNobody, wait)?;
    owner::sweep(&store.tmp());
    prune_held(&store, &hold, limits, now)
}

/// Removes the store, unfinished work included. Files of others that lie in the folder stay, and so does the folder.
pub fn clear(root: &Path, now: SystemTime, wait: &LockWait) -> Result<Pruned, Error> {
    let Some(store) = find(root)? else { return Ok(Pruned::default()) };
    let hold = take(&store.root, Share::WithNobody, wait)?;
    let pruned = prune_held(&store, &hold, &Limits { size: Some(0), age: None }, now)?;
    if matches!(hold, Hold::Held(_)) {
        for entry in entries(&store.tmp())? {
            remove(&entry.path())?;
        }
        remove(&store.stamp())?;
        [store.blobs(), store.memos()].iter().for_each(|folder| remove_empty(folder));
        // From the inside out; one that holds something stays.
        for folder in store.folders().iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
    Ok(pruned)
}

/// Prunes a store that is locked, as far as there are locks.
pub(crate) fn prune_held(
    store: &Store,
    hold: &Hold,
    limits: &Limits,
    now: SystemTime,
) -> Result<Pruned, Error> {
    let spared = match hold {
        Hold::Held(_) => None,
        Hold::Unknown => Some(now.checked_sub(CAUTION).unwrap_or(SystemTime::UNIX_EPOCH)),
    };
    let pruned = choose(read(store)?.items, limits, now, spared);
    for item in &pruned.removed {
        remove(&item.path)?;
    }
    store.record(now, pruned.kept_size);
    Ok(pruned)
}

/// Decides what goes. What was used after `spared` stays in any case.
fn choose(mut items: Vec<Item>, limits: &Limits, now: SystemTime, spared: Option<SystemTime>) -> Pruned {
    // Names decide between equals, so that the same files go wherever this is done.
    items.sort_by(|a, b| (Reverse(a.used), &a.path).cmp(&(Reverse(b.used), &b.path)));
    let mut pruned = Pruned::default();
    let mut is_full = false;
    for item in items {
        let is_old =
            limits.age.is_some_and(|age| now.duration_since(item.used).is_ok_and(|unused| unused > age));
        // Once something does not fit, nothing older does.
        is_full |= limits.size.is_some_and(|most| pruned.kept_size.saturating_add(item.size) > most);
        let may_go = spared.is_none_or(|spared| item.used < spared);
        if (is_old || is_full) && may_go {
            pruned.removed.push(item);
        } else {
            pruned.is_cautious |= is_old || is_full;
            pruned.kept += 1;
            pruned.kept_size += item.size;
        }
    }
    pruned.removed.reverse();
    pruned
}

/// Somebody else's removal is as good as ours.
fn remove(path: &Path) -> Result<(), Error> {
    remove_anything(path).map_err(|source| Error::disk("remove", path, source))
}

/// Removes a folder and those in it, as far as they hold nothing.
fn remove_empty(folder: &Path) {
    for entry in entries(folder).unwrap_or_default() {
        if entry.file_type().is_ok_and(|found| found.is_dir()) {
            remove_empty(&entry.path());
        }
    }
    let _ = fs::remove_dir(folder);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::Kind;

    const BLOCK: u64 = 4096;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)
    }

    fn hours(count: u64) -> Duration {
        Duration::from_secs(count * 60 * 60)
    }

    /// What goes of `a` to `d`, each of one block and last used 1, 2, 3 and 30 hours ago.
    fn removed(size: Option<u64>, age: Option<Duration>, spared: Option<SystemTime>) -> (String, bool) {
        let item = |(name, ago): (&str, u64)| Item {
            kind: Kind::Blob,
            path: name.into(),
            size: BLOCK,
            used: now() - hours(ago),
        };
        let items = [("c", 3), ("a", 1), ("d", 30), ("b", 2)].map(item).to_vec();
        let pruned = choose(items, &Limits { size, age }, now(), spared);
        assert_eq!(pruned.kept + pruned.removed.len(), 4);
        assert_eq!(pruned.kept_size + pruned.size(), 4 * BLOCK);
        let names = pruned.removed.iter().map(|item| item.path.display().to_string()).collect();
        (names, pruned.is_cautious)
    }

    #[test]
    fn the_longest_unused_goes_first() {
        assert_eq!(removed(None, None, None), (String::new(), false));
        assert_eq!(removed(Some(4 * BLOCK), None, None).0, "");
        assert_eq!(removed(Some(3 * BLOCK), None, None).0, "d");
        assert_eq!(removed(Some(2 * BLOCK + 1), None, None).0, "dc");
        assert_eq!(removed(Some(0), None, None).0, "dcba");
        assert_eq!(removed(None, Some(hours(2)), None).0, "dc");
        assert_eq!(removed(Some(BLOCK), Some(hours(24)), None).0, "dcb");
    }

    #[test]
    fn prune_without_locks_keeps_recent_blobs() {
        let spared = Some(now() - hours(24));
        assert_eq!(removed(Some(0), None, spared), ("d".into(), true));
        assert_eq!(removed(None, Some(hours(24)), spared), ("d".into(), false));
    }

    #[test]
    fn a_store_without_locks_is_pruned_with_caution() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let digest = store.put(b"x").unwrap();
        let prune_at = |now| prune_held(&store, &Hold::Unknown, &Limits { size: Some(0), age: None }, now);
        let made = fs::metadata(store.path(&digest)).unwrap().modified().unwrap();
        assert!(prune_at(made + hours(23)).unwrap().is_cautious);
        assert!(store.contains(&digest, None));
        assert_eq!(prune_at(made + hours(25)).unwrap().removed.len(), 1);
        assert!(!store.contains(&digest, None));
    }
}
