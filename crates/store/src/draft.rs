use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use tempfile::TempPath;
use wainwright_oci::Digest;

use crate::{Error, Store, owner};

/// Large enough that small writes cost no system calls, small enough for one per job.
const BUFFER: usize = 256 * 1024;

/// A blob that is being written: a temporary file, gone when dropped before it is committed.
#[derive(Debug)]
pub struct Draft {
    store: Store,
    writer: BufWriter<File>,
    path: TempPath,
}

impl Store {
    /// A new blob to write: a temporary file in the store.
    pub fn draft(&self) -> Result<Draft, Error> {
        let folder = self.tmp();
        let make = || tempfile::Builder::new().prefix(owner::prefix()).tempfile_in(&folder);
        let (file, path) = self.with_tmp(make)?.into_parts();
        Ok(Draft::new(self.clone(), file, path))
    }

    /// Stores bytes that are at hand.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, Error> {
        let digest = Digest::of(bytes);
        if !(self.contains(&digest, Some(bytes.len() as u64)) && self.verify(&digest)?) {
            let mut draft = self.draft()?;
            draft.file()?.write_all(bytes).map_err(|source| {
                Error::disk_sized("write", &self.path(&digest), Some(bytes.len() as u64), source)
            })?;
            draft.commit(&digest)?;
        }
        Ok(digest)
    }
}

impl Draft {
    fn new(store: Store, file: File, path: TempPath) -> Self {
        Self { store, writer: BufWriter::with_capacity(BUFFER, file), path }
    }

    /// The file under the buffer, for positional reads and writes; what was written so far is in it.
    pub fn file(&mut self) -> Result<&mut File, Error> {
        self.flush_buffer()?;
        Ok(self.writer.get_mut())
    }

    /// Where the temporary file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the file to its place in the store, durably.
    ///
    /// The caller vouches that `digest` was computed from exactly these bytes while they were written. A blob that is
    /// there already is replaced by these bytes, so that losing a race is success and damage is mended.
    pub fn commit(mut self, digest: &Digest) -> Result<(), Error> {
        self.flush_buffer()?;
        // The file is synced so that no name ever stands for a file without its data (a crash would leave zeros). The
        // folder is not: a rename lost in a crash is only a lost cache entry.
        self.writer.get_mut().sync_data().map_err(|source| Error::disk("write", &self.path, source))?;
        self.store.place(self.path, &self.store.path(digest))
    }

    /// Reads the file back, hashes it, and moves it to its place in the store.
    pub fn commit_hashed(mut self) -> Result<Digest, Error> {
        self.flush_buffer()?;
        let digest =
            hash_file(self.writer.get_mut()).map_err(|source| Error::disk("read", &self.path, source))?;
        self.commit(&digest)?;
        Ok(digest)
    }

    /// Gives up the handle and keeps the file.
    pub(crate) fn into_path(self) -> TempPath {
        self.path
    }

    fn flush_buffer(&mut self) -> Result<(), Error> {
        let needed = self.writer.buffer().len() as u64;
        self.writer.flush().map_err(|source| Error::disk_sized("write", &self.path, Some(needed), source))
    }

    fn describe(&self, needed: usize, source: io::Error) -> io::Error {
        match source.kind() {
            // `write_all` and its kin must see this one as it is.
            io::ErrorKind::Interrupted => source,
            _ => Error::disk_sized("write", &self.path, Some(needed as u64), source).into_io(),
        }
    }
}

fn hash_file(file: &mut File) -> io::Result<Digest> {
    file.seek(SeekFrom::Start(0))?;
    Digest::of_reader(file)
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes).map_err(|error| self.describe(bytes.len(), error))
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes).map_err(|error| self.describe(bytes.len(), error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flush_buffer().map_err(Error::into_io)
    }
}

impl Seek for Draft {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.writer.seek(to).map_err(|error| self.describe(0, error))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn drafts_can_be_written_out_of_order() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut draft = store.draft().unwrap();
        draft.write_all(b"____world").unwrap();
        draft.seek(SeekFrom::Start(0)).unwrap();
        draft.write_all(b"oh, ").unwrap();
        let mut seen = String::new();
        let file = draft.file().unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_string(&mut seen).unwrap();
        assert_eq!(seen, "oh, world");
        assert_eq!(draft.commit_hashed().unwrap(), Digest::of("oh, world"));
        assert!(store.verify(&Digest::of("oh, world")).unwrap());
    }

    #[test]
    fn dropped_drafts_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut draft = store.draft().unwrap();
        draft.write_all(b"x").unwrap();
        let path = draft.path().to_owned();
        assert!(path.exists());
        drop(draft);
        assert!(!path.exists());
    }

    #[test]
    fn failed_writes_name_the_file() {
        // A file opened for reading only stands in for a failing disk.
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let path = tempfile::NamedTempFile::new_in(folder.path()).unwrap().into_temp_path();
        let file = File::open(&path).unwrap();
        let expected = format!("cannot write `{}`", path.display());
        let mut draft = Draft::new(store, file, path);
        draft.write_all(b"x").unwrap();
        assert_eq!(draft.flush().unwrap_err().to_string(), expected);
        assert_eq!(draft.commit(&Digest::of("x")).unwrap_err().to_string(), expected);
    }
}
