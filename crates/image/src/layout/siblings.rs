//! What layouts that are written one after the other have in common: a blob is written once, and is a file of each of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use wainwright_oci::Digest;
use wainwright_store::Store;

use super::names::blob_path;
use super::seen::{Seen, look};
use crate::living::LIVING;

/// Layouts that are written one after the other, for images that share layers.
///
/// What one of them has, the next ones get as a hard link: the same bytes on the disk, under another name. Where the file
/// system has no such links, it is copied.
#[derive(Default)]
pub struct Siblings(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Where a blob is, and how it looked when it was verified.
    blobs: BTreeMap<Digest, (PathBuf, Value)>,
    /// The layouts, and the blobs of each.
    layouts: Vec<(PathBuf, Vec<Digest>)>,
}

impl Siblings {
    /// Whether a file is the one that was verified as a blob before, under this name or another.
    pub(super) fn holds(&self, digest: &Digest, path: &Path) -> bool {
        let known = self.lock();
        known.blobs.get(digest).is_some_and(|(_, known)| look(path).as_ref() == Some(known))
    }

    /// Makes `path`, where nothing is, another name of a blob that was written before; false where that cannot be.
    pub(super) fn link(&self, digest: &Digest, path: &Path) -> bool {
        let mut known = self.lock();
        let Some((from, before)) = known.blobs.get_mut(digest) else { return false };
        if look(from).as_ref() != Some(before) || LIVING.finish(|| fs::hard_link(&*from, path)).is_err() {
            return false;
        }
        // The file has one name more, and to the kernel that is a change.
        match look(from) {
            Some(now) => *before = now,
            None => drop(known.blobs.remove(digest)),
        }
        true
    }

    /// Adds a layout that is complete and verified, with its blobs and where they are.
    pub(super) fn add<'a>(&self, dir: &Path, blobs: impl Iterator<Item = (&'a Digest, PathBuf)> + Clone) {
        let mut known = self.lock();
        known.layouts.push((dir.to_owned(), blobs.clone().map(|(digest, _)| *digest).collect()));
        for (digest, path) in blobs {
            if let Some(look) = look(&path) {
                known.blobs.insert(*digest, (path, look));
            }
        }
    }

    /// Has the store remember how all layouts look now: the next build need not read what nobody wrote to.
    ///
    /// Every link changes how the file looks under its other names, so this comes last.
    pub fn remember(&self, store: &Store) {
        for (dir, blobs) in std::mem::take(&mut self.lock().layouts) {
            let paths = blobs.iter().map(|digest| (digest, blob_path(&dir, digest)));
            Seen::load(store, &dir).remember(store, paths);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
