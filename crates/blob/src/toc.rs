use serde_json::{Map, Value, json};
use wainwright_oci::{Digest, canonical_json, rfc3339};

use crate::Error;
use crate::entry::{Entry, Kind};

/// The table of contents of an eStargz layer (eStargz, "TOC and TOCEntries"): a row for every entry and every chunk.
///
/// Kept as the text it becomes, which is the smallest form it has.
pub(crate) struct Toc {
    mtime: u64,
    text: Vec<u8>,
}

/// A stretch of a file that is a gzip member of its own.
pub(crate) struct Chunk {
    /// Where its member begins in the layer.
    pub(crate) offset: u64,
    /// How many bytes it holds.
    pub(crate) size: u64,
    /// Their sha256.
    pub(crate) digest: Digest,
}

impl Toc {
    pub(crate) fn new(mtime: u64) -> Self {
        Self { mtime, text: br#"{"entries":["#.to_vec() }
    }

    /// Adds an entry that is no file, or an empty one.
    pub(crate) fn entry(&mut self, entry: &Entry) -> Result<(), Error> {
        let mut row = self.row(entry)?;
        if let Kind::File(_) = entry.kind {
            row.insert("digest".into(), json!(Digest::of(b"")));
        }
        self.push(row);
        Ok(())
    }

    /// Adds a file that is not empty. The `chunkSize` of its last chunk is zero, which is not written.
    pub(crate) fn file(&mut self, entry: &Entry, digest: Digest, chunks: &[Chunk]) -> Result<(), Error> {
        let mut row = self.row(entry)?;
        row.insert("size".into(), entry.size().into());
        row.insert("digest".into(), json!(digest));
        let name = row.get("name").cloned();
        let mut start = 0;
        for chunk in chunks {
            row.insert("offset".into(), chunk.offset.into());
            row.insert("chunkDigest".into(), json!(chunk.digest));
            if start > 0 {
                row.insert("chunkOffset".into(), start.into());
            }
            start += chunk.size;
            if start < entry.size() {
                row.insert("chunkSize".into(), chunk.size.into());
            }
            let next = Map::from_iter([
                ("name".to_owned(), name.clone().unwrap_or_default()),
                ("type".to_owned(), "chunk".into()),
            ]);
            self.push(std::mem::replace(&mut row, next));
        }
        Ok(())
    }

    /// The finished JSON.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.text.extend_from_slice(br#"],"version":1}"#);
        self.text
    }

    fn row(&self, entry: &Entry) -> Result<Map<String, Value>, Error> {
        let mut name = text(entry.path.as_bytes())?;
        let (kind, link) = match &entry.kind {
            Kind::Directory => {
                name.push('/');
                ("dir", None)
            }
            Kind::File(_) => ("reg", None),
            Kind::Symlink(target) => ("symlink", Some(text(target)?)),
            Kind::Hardlink(target) => ("hardlink", Some(text(target.as_bytes())?)),
        };
        let mut row = Map::new();
        row.insert("name".into(), name.into());
        row.insert("type".into(), kind.into());
        row.insert("mode".into(), entry.mode.into());
        row.insert("uid".into(), entry.owner.0.into());
        row.insert("gid".into(), entry.owner.1.into());
        if let Some(link) = link {
            row.insert("linkName".into(), link.into());
        }
        // No time at all stands for the beginning of 1970.
        if self.mtime > 0 {
            row.insert("modtime".into(), rfc3339(self.mtime).into());
        }
        Ok(row)
    }

    fn push(&mut self, row: Map<String, Value>) {
        if !self.text.ends_with(b"[") {
            self.text.push(b',');
        }
        self.text.append(&mut canonical_json(&row.into()));
    }
}

fn text(bytes: &[u8]) -> Result<String, Error> {
    let not_utf8 = |_| Error::NotUtf8 { name: bytes.escape_ascii().to_string() };
    String::from_utf8(bytes.to_vec()).map_err(not_utf8)
}
