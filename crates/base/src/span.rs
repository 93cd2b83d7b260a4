use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

use wainwright_oci::{Digest, Place};

/// Where some bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) path: PathBuf,
    /// In bytes.
    pub(crate) offset: u64,
    /// In bytes.
    pub(crate) size: u64,
}

impl Span {
    /// Opens the bytes, and nothing behind them.
    pub(crate) fn open(&self) -> io::Result<io::Take<File>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        Ok(file.take(self.size))
    }

    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open()?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The first bytes; fewer where there are fewer.
    pub(crate) fn head(&self, count: u64) -> io::Result<Vec<u8>> {
        Self { size: self.size.min(count), ..self.clone() }.read()
    }

    /// Reads and hashes everything.
    pub(crate) fn digest(&self) -> io::Result<Digest> {
        Digest::of_reader(self.open()?)
    }

    pub(crate) fn place(self) -> Place {
        Place::File { path: self.path, offset: self.offset }
    }
}
