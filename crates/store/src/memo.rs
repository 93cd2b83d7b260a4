use std::io::{Read, Write};
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;
use wainwright_oci::{Digest, Hasher, canonical_json};

use crate::guard::open_regular;
use crate::store::place_by_digest;
use crate::{Error, Store};

/// Memos are small facts; a larger file is not one of ours.
const LARGEST: u64 = 64 * 1024 * 1024;

/// A digest of inputs, never of outputs: what something is made of, and which kind of making.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheKey {
    kind: &'static str,
    digest: Digest,
}

impl CacheKey {
    /// The key of some facts. Put a format number among them: a changed maker must not find old results.
    ///
    /// `kind` names a folder: lower-case letters, digits and `-`. Fails only for facts that are no JSON.
    pub fn of(kind: &'static str, facts: &impl Serialize) -> Result<Self, Error> {
        let refuse = |reason: String| Error::Key { kind, reason };
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if kind.is_empty() || !kind.bytes().all(is_letter) {
            return Err(refuse("the kind must be lower-case letters, digits and `-`".into()));
        }
        let facts = serde_json::to_value(facts).map_err(|error| refuse(error.to_string()))?;
        Ok(Self { kind, digest: Digest::of(canonical_json(&facts)) })
    }

    /// The kind of making.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The digest of the facts.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

impl Store {
    /// Remembers what was made of some inputs.
    pub fn remember(&self, key: &CacheKey, value: &Value) -> Result<(), Error> {
        let value = canonical_json(value);
        let mut draft = self.draft()?;
        let path = draft.path().to_owned();
        let head = format!("{}\n", checksum(key, &value).hex());
        // Not synced: a memo torn by a crash fails its checksum, and is made again.
        let size = (head.len() + value.len()) as u64;
        let file = draft.file()?;
        file.write_all(head.as_bytes())
            .and_then(|()| file.write_all(&value))
            .map_err(|source| Error::disk_sized("write", &path, Some(size), source))?;
        self.place(draft.into_path(), &self.memo_path(key))
    }

    /// What [`Store::remember`] was given; `None` when nothing was, or when the memo is damaged.
    pub fn recall(&self, key: &CacheKey) -> Result<Option<Value>, Error> {
        let path = self.memo_path(key);
        let read = |source| Error::disk("read", &path, source);
        let Some((file, metadata)) = open_regular(&path).map_err(read)? else { return Ok(None) };
        if metadata.len() > LARGEST {
            return Ok(None);
        }
        self.note_use(&path, &metadata);
        let mut text = Vec::new();
        file.take(LARGEST).read_to_end(&mut text).map_err(read)?;
        Ok(parse(key, &text))
    }

    fn memo_path(&self, key: &CacheKey) -> PathBuf {
        place_by_digest(self.memos().join(key.kind), &key.digest)
    }
}

/// Covers the key too, so that a memo found under another name is not believed.
fn checksum(key: &CacheKey, value: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    for part in [key.kind.as_bytes(), b"\0", key.digest.as_bytes(), value] {
        hasher.update(part);
    }
    hasher.finish()
}

fn parse(key: &CacheKey, text: &[u8]) -> Option<Value> {
    let (hex, rest) = text.split_at_checked(64)?;
    let value = rest.strip_prefix(b"\n")?;
    (hex == checksum(key, value).hex().as_bytes()).then(|| serde_json::from_slice(value).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fs;

    #[test]
    fn equal_facts_meet_and_others_do_not() {
        let key = |facts: Value| CacheKey::of("layer", &facts).unwrap();
        assert_eq!(key(json!({"a": 1, "b": 2})), key(json!({"b": 2, "a": 1})));
        assert_ne!(key(json!({"a": 1})), key(json!({"a": 2})));
        assert!(CacheKey::of("../x", &1).is_err());
        assert!(CacheKey::of("", &1).is_err());
    }

    #[test]
    fn memos_are_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let key = CacheKey::of("layer", &"facts").unwrap();
        assert_eq!(store.recall(&key).unwrap(), None);
        for value in [json!({"size": 1}), json!(null), json!([2])] {
            store.remember(&key, &value).unwrap();
            assert_eq!(store.recall(&key).unwrap(), Some(value));
        }
        let other = CacheKey::of("base", &"facts").unwrap();
        assert_eq!(store.recall(&other).unwrap(), None, "kinds are kept apart");
    }

    #[test]
    fn a_changed_memo_is_no_memo() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let key = CacheKey::of("layer", &"facts").unwrap();
        let value = json!({"size": 12});
        store.remember(&key, &value).unwrap();
        let path = store.memo_path(&key);
        let good = fs::read(&path).unwrap();

        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            assert_eq!(store.recall(&key).unwrap(), None, "bit flipped in byte {at}");
            fs::write(&path, &good[..at]).unwrap();
            assert_eq!(store.recall(&key).unwrap(), None, "cut at {at}");
        }
        let other = CacheKey::of("layer", &"other facts").unwrap();
        fs::create_dir_all(store.memo_path(&other).parent().unwrap()).unwrap();
        fs::write(store.memo_path(&other), &good).unwrap();
        assert_eq!(store.recall(&other).unwrap(), None, "a memo under another name");

        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("x"), "x").unwrap();
        assert_eq!(store.recall(&key).unwrap(), None, "a folder");
        store.remember(&key, &value).unwrap();
        assert_eq!(store.recall(&key).unwrap(), Some(value), "mended");
    }
}
