use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use wainwright_oci::{Digest, Hasher, canonical_json};

use crate::guard::open_regular;
use crate::store::place_by_digest;
use crate::{Draft, Error, Store};

/// Larger ones are neither written nor read. What is known of a wheel of a million files fits.
const LARGEST: u64 = 256 << 20;
/// The checksum in hexadecimal digits, and the end of its line.
const HEAD: usize = 65;

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
    /// Remembers what was made of some inputs. What would be too large to be read again is made again.
    pub fn remember(&self, key: &CacheKey, value: &impl Serialize) -> Result<(), Error> {
        self.remember_within(LARGEST, key, value)
    }

    /// What [`Store::remember`] was given; `None` when nothing was, when the memo is damaged, or when it is something else.
    pub fn recall<T: DeserializeOwned>(&self, key: &CacheKey) -> Result<Option<T>, Error> {
        self.recall_within(LARGEST, key)
    }

    fn remember_within(&self, largest: u64, key: &CacheKey, value: &impl Serialize) -> Result<(), Error> {
        let mut draft = self.draft()?;
        let path = draft.path().to_owned();
        let failed = |source: io::Error| {
            source.downcast().unwrap_or_else(|source| Error::disk("write", &path, source))
        };
        // The checksum stands in front and is known last.
        draft.write_all(&[b'\n'; HEAD]).map_err(failed)?;
        let mut body = Body { draft: &mut draft, hasher: hasher(key), size: HEAD as u64 };
        serde_json::to_writer(&mut body, value).map_err(|error| failed(error.into()))?;
        if body.size > largest {
            return Ok(());
        }
        let checksum = body.hasher.finish().hex();
        draft.seek(SeekFrom::Start(0)).and_then(|_| draft.write_all(checksum.as_bytes())).map_err(failed)?;
        // Not synced: a memo torn by a crash fails its checksum, and is made again.
        draft.file()?;
        self.place(draft.into_path(), &self.memo_path(key))
    }

    fn recall_within<T: DeserializeOwned>(&self, largest: u64, key: &CacheKey) -> Result<Option<T>, Error> {
        let path = self.memo_path(key);
        let read = |source| Error::disk("read", &path, source);
        let Some((file, metadata)) = open_regular(&path).map_err(read)? else { return Ok(None) };
        if metadata.len() > largest {
            return Ok(None);
        }
        self.note_use(&path, &metadata);
        let mut text = Vec::with_capacity(metadata.len() as usize);
        file.take(largest).read_to_end(&mut text).map_err(read)?;
        Ok(parse(key, &text))
    }

    fn memo_path(&self, key: &CacheKey) -> PathBuf {
        place_by_digest(self.memos().join(key.kind), &key.digest)
    }
}

/// Passes on and hashes what is written: some memos are too long to be held twice.
struct Body<'a> {
    draft: &'a mut Draft,
    hasher: Hasher,
    /// Of the whole memo so far, in bytes.
    size: u64,
}

impl Write for Body<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        self.draft.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hashes the key before the value, so that a memo found under another name is not believed.
fn hasher(key: &CacheKey) -> Hasher {
    let mut hasher = Hasher::new();
    for part in [key.kind.as_bytes(), b"\0", key.digest.as_bytes()] {
        hasher.update(part);
    }
    hasher
}

fn parse<T: DeserializeOwned>(key: &CacheKey, text: &[u8]) -> Option<T> {
    let (head, value) = text.split_at_checked(HEAD)?;
    let mut hasher = hasher(key);
    hasher.update(value);
    let checksum = hasher.finish().hex();
    (head.strip_suffix(b"\n")? == checksum.as_bytes()).then(|| serde_json::from_slice(value).ok())?
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn equal_facts_give_equal_keys() {
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
        assert_eq!(store.recall::<Value>(&key).unwrap(), None);
        for value in [json!({"size": 1}), json!(null), json!([2])] {
            store.remember(&key, &value).unwrap();
            assert_eq!(store.recall(&key).unwrap(), Some(value));
        }
        let other = CacheKey::of("base", &"facts").unwrap();
        assert_eq!(store.recall::<Value>(&other).unwrap(), None, "kinds are kept apart");
    }

    #[test]
    fn changed_memo_is_ignored() {
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
            assert_eq!(store.recall::<Value>(&key).unwrap(), None, "bit flipped in byte {at}");
            fs::write(&path, &good[..at]).unwrap();
            assert_eq!(store.recall::<Value>(&key).unwrap(), None, "cut at {at}");
        }
        let other = CacheKey::of("layer", &"other facts").unwrap();
        fs::create_dir_all(store.memo_path(&other).parent().unwrap()).unwrap();
        fs::write(store.memo_path(&other), &good).unwrap();
        assert_eq!(store.recall::<Value>(&other).unwrap(), None, "a memo under another name");

        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("x"), "x").unwrap();
        assert_eq!(store.recall::<Value>(&key).unwrap(), None, "a folder");
        store.remember(&key, &value).unwrap();
        assert_eq!(store.recall(&key).unwrap(), Some(value), "mended");
    }

    #[test]
    fn remembered_memo_is_recalled() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let key = CacheKey::of("layer", &"facts").unwrap();
        for length in 0..100 {
            let text = "x".repeat(length);
            store.remember_within(120, &key, &text).unwrap();
            // The head and two quotes are part of it.
            let is_short = HEAD + length + 2 <= 120;
            assert_eq!(store.recall_within(120, &key).unwrap() == Some(text), is_short, "{length}");
            assert_eq!(store.memo_path(&key).exists(), is_short, "nobody would read it");
            let _ = fs::remove_file(store.memo_path(&key));
        }
        store.remember(&key, &"text").unwrap();
        assert_eq!(store.recall::<u8>(&key).unwrap(), None, "it is no number");
    }
}
