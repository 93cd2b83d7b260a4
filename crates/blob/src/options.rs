use wainwright_oci::{Compression, Lazy};

use crate::Error;

/// How a layer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Modification time of every entry, in seconds since 1970.
    pub mtime: u64,
    /// How the tar is compressed.
    pub compression: Compression,
    /// Whether it can be mounted before it was fetched.
    pub lazy: Lazy,
}

impl Options {
    /// Whether these can go together.
    pub fn check(&self) -> Result<(), Error> {
        match self.lazy.goes_with(self.compression) {
            true => Ok(()),
            false => Err(Error::LazyNeedsGzip { compression: self.compression }),
        }
    }
}
