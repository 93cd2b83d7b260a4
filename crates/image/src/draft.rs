//! Files and folders that are written under another name, beside their place, and renamed when they are whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use tempfile::{Builder, TempDir, TempPath};

use crate::Error;
use crate::blob::CHUNK;
use crate::living::{Entry, LIVING};

/// How the names of unfinished work begin. The list of what is left out of a project knows it too.
pub(crate) const PREFIX: &str = ".wain-";

/// Most names looked at when cleaning up; a folder with more is not ours to tidy.
const MOST_PER_SWEEP: usize = 10_000;

/// A file that is being written, gone when dropped before it is finished.
pub(crate) struct Draft {
    writer: BufWriter<File>,
    path: TempPath,
    target: PathBuf,
    size: u64,
    _entry: Entry<'static>,
}

/// A folder that is being filled, gone when dropped before it is kept.
pub(crate) struct DraftFolder {
    folder: TempDir,
    /// Keeps the lock.
    _handle: File,
    _entry: Entry<'static>,
}

impl Draft {
    /// Starts a file that will become `target` and have `size` bytes; its temporary name is in `folder`, which must be on
    /// the same file system.
    pub(crate) fn new(folder: &Path, target: &Path, size: u64) -> Result<Self, Error> {
        let failed = |source| Error::disk("create a file in", folder, source);
        for _ in 0..10 {
            // What everybody else's files get: `0666` without the bits of the umask.
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
            let make = || Builder::new().prefix(PREFIX).permissions(permissions).tempfile_in(folder);
            let (made, entry) = LIVING.make(make, |made| made.path()).map_err(failed)?;
            let (file, path) = made.into_parts();
            if is_held(&file, &path) {
                let writer = BufWriter::with_capacity(CHUNK, file);
                return Ok(Self { writer, path, target: target.to_owned(), size, _entry: entry });
            }
        }
        Err(failed(io::Error::other("temporary files disappear")))
    }

    /// Renames the file to its target, over what stands there; its bytes are on the disk by then.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        let target = &self.target;
        let written = self.writer.flush().and_then(|()| self.writer.get_mut().sync_data());
        written.map_err(|source| Error::write(target, self.size, source))?;
        let path = self.path;
        LIVING
            .finish(|| path.persist(target).map_err(|failure| failure.error))
            .map_err(|source| Error::disk("replace", target, source))
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl DraftFolder {
    /// Starts a folder in `parent`, and holds it.
    pub(crate) fn new(parent: &Path) -> Result<Self, Error> {
        let failed = |source| Error::disk("create a folder in", parent, source);
        for _ in 0..10 {
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o777);
            let make = || Builder::new().prefix(PREFIX).permissions(permissions).tempdir_in(parent);
            let (folder, entry) = LIVING.make(make, TempDir::path).map_err(failed)?;
            match File::open(folder.path()) {
                Ok(handle) if is_held(&handle, folder.path()) => {
                    return Ok(Self { folder, _handle: handle, _entry: entry });
                }
                // Swept away by somebody who took it for abandoned, in the moment before it was held.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(failed(source)),
            }
        }
        Err(failed(io::Error::other("temporary folders disappear")))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Renames the folder to its target, unless there is something; it is gone when that fails.
    pub(crate) fn finish(self, target: &Path) -> io::Result<()> {
        LIVING.finish(|| fs::rename(self.folder.path(), target))?;
        let _ = self.folder.keep();
        Ok(())
    }
}

/// Takes the lock that says "somebody works on this"; false when a sweep came in between.
///
/// Locks die with their process, also with a killed one, and are seen across containers: process numbers are not. A file
/// system without locks is no reason to fail.
fn is_held(handle: &File, path: &Path) -> bool {
    let inode = |found: io::Result<fs::Metadata>| found.ok().map(|found| found.ino());
    match handle.try_lock() {
        Err(fs::TryLockError::WouldBlock) => false,
        Ok(()) | Err(fs::TryLockError::Error(_)) => {
            let held = inode(handle.metadata());
            held.is_some() && held == inode(fs::symlink_metadata(path))
        }
    }
}

/// Removes what killed processes left in a folder. Never fails: what cannot be removed is left to the next one.
pub(crate) fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten().take(MOST_PER_SWEEP) {
        if !entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        let Ok(kind) = entry.file_type() else { continue };
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
        let path = entry.path();
        if !(kind.is_file() || kind.is_dir()) {
            continue;
        }
        let Ok(handle) = OpenOptions::new().read(true).custom_flags(flags).open(&path) else { continue };
        if handle.try_lock().is_ok() {
            let _ = if kind.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    }
}

/// Creates a folder and those above it, where they are missing.
pub(crate) fn create_folder(path: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().recursive(true).mode(0o777).create(path);
    made.map_err(|source| Error::disk("create", path, source))
}

/// Writes a rename to the disk, as far as the file system lets us.
pub(crate) fn sync_folder(path: &Path) {
    let _ = File::open(path).and_then(|folder| folder.sync_all());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn unfinished_files_vanish_and_finished_ones_replace() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a");
        fs::write(&target, "old").unwrap();
        let mut draft = Draft::new(folder.path(), &target, 4).unwrap();
        draft.write_all(b"half").unwrap();
        drop(draft);
        assert_eq!(fs::read(&target).unwrap(), b"old");
        let mut draft = Draft::new(folder.path(), &target, 4).unwrap();
        draft.write_all(b"new").unwrap();
        draft.finish().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn sweeping_takes_what_the_dead_left_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path();
        fs::create_dir_all(path.join(".wain-dead/blobs")).unwrap();
        fs::write(path.join(".wain-gone"), "").unwrap();
        fs::write(path.join("mine"), "").unwrap();
        std::os::unix::fs::symlink("mine", path.join(".wain-link")).unwrap();
        let draft = Draft::new(path, &path.join("target"), 0).unwrap();
        let working = DraftFolder::new(path).unwrap();
        sweep(path);
        let mut expected = vec![".wain-link".to_owned(), "mine".into()];
        for living in [&draft.path as &Path, working.path()] {
            expected.push(living.file_name().unwrap().to_str().unwrap().into());
        }
        expected.sort();
        assert_eq!(names(path), expected);
    }
}
