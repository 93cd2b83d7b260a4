use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::Error;
use crate::draft::{self, Draft};
use crate::folder::folder_of;

/// Writes a small file whole or not at all, durably; folders on the way to it are created.
///
/// Into a pipe or a device the bytes go as they are. What killed processes left beside it is removed.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let size = bytes.len() as u64;
    let failed = |source| Error::write(path, size, source);
    match Target::find(path)? {
        Target::File { path, .. } => {
            let mut output = Output::create(&path, size)?;
            output.write_all(bytes).map_err(failed)?;
            output.finish()
        }
        Target::Stream(mut stream) => stream.write_all(bytes).map_err(failed),
    }
}

/// What a path means to somebody who wants to write an archive there.
pub(crate) enum Target {
    /// A regular file, to be replaced when the new one is whole.
    File {
        /// Where it really is, links followed.
        path: PathBuf,
        /// What is there, if it can be read.
        existing: Option<File>,
    },
    /// A pipe or a device: there is nothing to replace, bytes go straight in.
    Stream(File),
}

impl Target {
    pub(crate) fn find(path: &Path) -> Result<Self, Error> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self::File { path: path.to_owned(), existing: None });
            }
            Err(source) => return Err(Error::disk("write", path, source)),
        };
        if metadata.is_dir() {
            return Err(Error::InTheWay { path: path.to_owned(), found: "a folder", wanted: "a file" });
        }
        if !metadata.is_file() {
            let file = OpenOptions::new().write(true).open(path);
            return file.map(Self::Stream).map_err(|source| Error::disk("write", path, source));
        }
        // A rename would get round the permissions of the file, which somebody set for a reason.
        let is_forbidden = rustix::fs::access(path, Access::WRITE_OK).is_err();
        if is_forbidden || metadata.mode() & 0o222 == 0 {
            return Err(Error::ReadOnly { path: path.to_owned() });
        }
        let real = fs::canonicalize(path).map_err(|source| Error::disk("write", path, source))?;
        Ok(Self::File { existing: File::open(&real).ok(), path: real })
    }
}

/// A file in the making, beside its place.
pub(crate) struct Output {
    draft: Draft,
    folder: PathBuf,
}

impl Output {
    /// Starts it; folders on the way to it are created.
    pub(crate) fn create(path: &Path, size: u64) -> Result<Self, Error> {
        let folder = folder_of(path).to_owned();
        draft::create_folder(&folder)?;
        draft::sweep(&folder);
        Ok(Self { draft: Draft::new(&folder, path, size)?, folder })
    }

    /// Puts it in its place, durably.
    pub(crate) fn finish(self) -> Result<(), Error> {
        self.draft.finish()?;
        draft::sync_folder(&self.folder);
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.draft.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.draft.flush()
    }
}

#[cfg(test)]
mod tests;
