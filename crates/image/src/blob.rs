use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use wainwright_oci::{Descriptor, Digest, Hasher};
use wainwright_store::Store;

use crate::Error;

/// Bytes read at a time.
pub(crate) const CHUNK: usize = 256 * 1024;

/// A blob to deliver: its name, and where its bytes come from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blob<'a> {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    source: Source<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'a> {
    /// A document at hand.
    Bytes(&'a [u8]),
    /// A layer in the store.
    Store,
    /// A layer in a file of somebody else.
    File { path: &'a Path, offset: u64 },
}

impl<'a> Blob<'a> {
    pub(crate) fn new(descriptor: &Descriptor, source: Source<'a>) -> Self {
        Self { digest: descriptor.digest, size: descriptor.size, source }
    }

    /// Copies exactly `size` bytes with the digest `digest`, or fails; `target` is what `out` is called in errors.
    pub(crate) fn copy(&self, store: &Store, out: &mut dyn Write, target: &Path) -> Result<(), Error> {
        match self.source {
            Source::Bytes(bytes) => {
                out.write_all(bytes).map_err(|source| Error::write(target, self.size, source))
            }
            Source::Store => self.copy_from_store(store, out, target),
            Source::File { path, offset } => self.copy_from_file(path, offset, out, target),
        }
    }

    fn copy_from_store(&self, store: &Store, out: &mut dyn Write, target: &Path) -> Result<(), Error> {
        // The store cannot tell its own troubles from those of `out`; this can.
        let mut out = Watched { out, left: self.size, trouble: None };
        let copied = store.copy(&self.digest, &mut out);
        if let Some(source) = out.trouble {
            return Err(Error::write(target, self.size, source));
        }
        match copied {
            Ok(size) if size == self.size => Ok(()),
            Ok(_) => Err(self.damaged(&store.path(&self.digest), "its size differs".into())),
            Err(source) => Err(Error::Store { source }),
        }
    }

    fn copy_from_file(
        &self,
        path: &Path,
        offset: u64,
        out: &mut dyn Write,
        target: &Path,
    ) -> Result<(), Error> {
        let unreadable = |source| Error::ReadLayer { path: path.to_owned(), digest: self.digest, source };
        let mut file = File::open(path).map_err(unreadable)?;
        file.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; CHUNK];
        let mut left = self.size;
        while left > 0 {
            let wanted = CHUNK.min(usize::try_from(left).unwrap_or(CHUNK));
            let count = match file.read(&mut buffer[..wanted]) {
                Ok(0) => return Err(self.damaged(path, format!("it ends {left} bytes early"))),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(error)),
            };
            hasher.update(&buffer[..count]);
            out.write_all(&buffer[..count]).map_err(|source| Error::write(target, self.size, source))?;
            left -= count as u64;
        }
        match hasher.finish() {
            found if found == self.digest => Ok(()),
            found => Err(self.damaged(path, format!("its content has the digest {found}"))),
        }
    }

    fn damaged(&self, path: &Path, reason: String) -> Error {
        Error::DamagedLayer { path: path.to_owned(), digest: self.digest, reason }
    }
}

/// Keeps the error of a writer, and stops a blob that is longer than it should be.
struct Watched<'a> {
    out: &'a mut dyn Write,
    left: u64,
    trouble: Option<io::Error>,
}

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            return Err(io::Error::other("it is longer than its descriptor says"));
        };
        self.left = left;
        self.out.write_all(bytes).map_err(|error| {
            let kind = error.kind();
            self.trouble = Some(error);
            kind.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Whether exactly the next `size` bytes of `from` have this digest.
pub(crate) fn has_digest(from: &mut dyn Read, size: u64, digest: &Digest) -> io::Result<bool> {
    let mut from = from.take(size);
    let found = Digest::of_reader(&mut from)?;
    Ok(from.limit() == 0 && found == *digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Copies a layer that stands in `file` from `offset` on and should have the bytes `expected`.
    fn copied(file: &[u8], offset: u64, expected: &[u8]) -> Result<Vec<u8>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("base.tar");
        std::fs::write(&path, file).unwrap();
        let store = Store::ephemeral(folder.path()).unwrap();
        let blob = Blob::new(&Descriptor::of("x", expected), Source::File { path: &path, offset });
        let mut out = Vec::new();
        match blob.copy(&store, &mut out, Path::new("out")) {
            Ok(()) => Ok(out),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn layers_of_others_are_checked_while_they_are_copied() {
        assert_eq!(copied(b"..layer..", 2, b"layer"), Ok(b"layer".to_vec()));
        assert!(copied(b"..lager..", 2, b"layer").unwrap_err().contains("its content has the digest"));
        assert!(copied(b"..lay", 2, b"layer").unwrap_err().contains("it ends 2 bytes early"));
    }

    #[test]
    fn a_full_disk_is_not_blamed_on_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::ephemeral(folder.path()).unwrap();
        store.put(b"layer").unwrap();
        let blob = Blob::new(&Descriptor::of("x", b"layer"), Source::Store);
        let mut full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let error = blob.copy(&store, &mut full, Path::new("/dev/full")).unwrap_err();
        assert!(matches!(error, Error::Full { .. }), "{error:?}");
    }

    #[test]
    fn sizes_must_be_right_too() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::ephemeral(folder.path()).unwrap();
        let digest = store.put(b"layer").unwrap();
        for size in [4, 6] {
            let blob = Blob::new(&Descriptor::new("x", digest, size), Source::Store);
            assert!(blob.copy(&store, &mut Vec::new(), Path::new("out")).is_err(), "{size}");
        }
    }
}
