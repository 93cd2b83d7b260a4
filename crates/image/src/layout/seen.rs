//! How the blobs of a layout looked when they were verified.
//!
//! Hashing a whole image only to find out that nothing changed would make every build pay for its size. A file whose
//! size, times and inode are still those it had when it was hashed has not been written to since: the time of the last
//! change of an inode cannot be set by a program.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde_json::{Value, json};
use wainwright_oci::Digest;
use wainwright_store::{CacheKey, Store};

/// What is known of one layout.
pub(super) struct Seen {
    key: Option<CacheKey>,
    looks: BTreeMap<String, Value>,
}

impl Seen {
    /// What the store remembers of a layout; nothing where it cannot be read, for then everything is hashed.
    pub(super) fn load(store: &Store, dir: &Path) -> Self {
        let path = dir.canonicalize().ok();
        let facts = path.map(|path| json!({ "format": 1, "path": path.as_os_str().as_encoded_bytes() }));
        let key = facts.and_then(|facts| CacheKey::of("layout-seen", &facts).ok());
        let looks = key.as_ref().and_then(|key| store.recall(key).ok().flatten()).unwrap_or_default();
        Self { key, looks }
    }

    /// Whether a blob looks as it did when it was verified.
    pub(super) fn holds(&self, digest: &Digest, path: &Path) -> bool {
        self.looks.get(&digest.hex()).is_some_and(|known| look(path).as_ref() == Some(known))
    }

    /// Remembers how verified blobs look now. A memo that cannot be written costs the next run some time, no more.
    pub(super) fn remember<'a>(
        &self,
        store: &Store,
        blobs: impl Iterator<Item = (&'a Digest, std::path::PathBuf)>,
    ) {
        let looks: BTreeMap<String, Value> =
            blobs.filter_map(|(digest, path)| Some((digest.hex(), look(&path)?))).collect();
        if let Some(key) = &self.key
            && looks != self.looks
        {
            let _ = store.remember(key, &looks);
        }
    }
}

/// How a file looks: whoever writes to it changes that.
pub(super) fn look(path: &Path) -> Option<Value> {
    let found = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(json!([
        found.len(),
        found.ino(),
        found.dev(),
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec(),
    ]))
}
