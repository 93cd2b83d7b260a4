use std::io::Write;

use wainwright_oci::{Digest, Hasher};

use crate::Error;

/// Hashes, counts and writes the bytes of the layer.
pub(crate) struct Sink<'a> {
    out: &'a mut (dyn Write + Send),
    hasher: Hasher,
    size: u64,
}

impl<'a> Sink<'a> {
    pub(crate) fn new(out: &'a mut (dyn Write + Send)) -> Self {
        Self { out, hasher: Hasher::new(), size: 0 }
    }

    /// The digest and the number of everything written.
    pub(crate) fn finish(self) -> (Digest, u64) {
        (self.hasher.finish(), self.size)
    }

    /// How many bytes were written so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        self.out.write_all(bytes).map_err(|source| Error::Write { source })
    }
}
