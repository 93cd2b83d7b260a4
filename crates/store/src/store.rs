use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};
use tempfile::{TempDir, TempPath};
use wainwright_oci::{Digest, Hasher};

use crate::guard::{check_folder, create_folder, open_regular, remove_anything};
use crate::lock::{Hold, LockWait, Share, take};
use crate::{Error, owner};

/// Bytes read at a time.
const CHUNK: usize = 256 * 1024;

/// Times of use are kept to the hour: a build that changes nothing should not write to every file it looks at.
const USE_GRAIN: Duration = Duration::from_secs(60 * 60);

/// A folder of blobs and memos.
///
/// ```text
/// <root>/v1/blobs/sha256/ab/abcd...   bytes, named by their sha256
/// <root>/v1/memos/<kind>/ab/abcd...   what was made of some inputs, named by a digest of the inputs
/// <root>/v1/tmp/                      work in progress
/// <root>/v1/size                      when all this was last counted, and what came of it
/// ```
///
/// The modification time of a blob or memo is when it was last used. Another layout gets another number and lives beside
/// this one; nothing is ever migrated. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) root: PathBuf,
    /// Keeps others from removing what is used here; `None` where the file system has no locks.
    pub(crate) lock: Option<Arc<File>>,
    /// When this run began.
    pub(crate) now: Option<SystemTime>,
    /// How many bytes were put into the store by this run.
    pub(crate) added: Arc<AtomicU64>,
    /// Removes the whole store with the last clone, when it was made for one run.
    pub(crate) ephemeral: Option<Arc<TempDir>>,
    /// Whether [`Store::abandon`] was called: nothing may be made any more.
    is_abandoned: Arc<RwLock<bool>>,
}

impl Store {
    /// Opens the store in `root`, and creates what is missing of it.
    ///
    /// Refuses a folder that belongs to another user or that others may write to. Removes what killed processes left. As
    /// long as the store or a clone of it is open, no other process removes anything from it with [`crate::prune()`].
    pub fn open(root: &Path) -> Result<Self, Error> {
        Self::open_with(root, &LockWait::default())
    }

    /// As [`Store::open`]; says how long to wait for a process that removes old files at this moment.
    pub fn open_with(root: &Path, wait: &LockWait) -> Result<Self, Error> {
        create_folder(root).map_err(|source| Error::disk("create", root, source))?;
        // The user may link the folder to a larger disk: followed once, here, and never below.
        let root = fs::canonicalize(root).map_err(|source| Error::disk("read", root, source))?;
        check_folder(&root)?;
        let mut store = Self::unlocked(&root);
        store.lock = match store.join_builds(wait)? {
            Hold::Held(file) => Some(Arc::new(file)),
            Hold::Unknown => None,
        };
        for folder in store.folders() {
            create_folder(&folder).map_err(|source| Error::disk("create", &folder, source))?;
            check_folder(&folder)?;
        }
        owner::sweep(&store.tmp());
        Ok(store)
    }

    /// A store for one run: a new folder in `parent`, removed when the last clone is dropped.
    ///
    /// Removes those that killed processes left there.
    pub fn ephemeral(parent: &Path) -> Result<Self, Error> {
        owner::sweep_ephemeral(parent);
        let folder = tempfile::Builder::new()
            .prefix(&owner::ephemeral_prefix())
            .tempdir_in(parent)
            .map_err(|source| Error::disk("create a folder in", parent, source))?;
        let store = Self::open(folder.path())?;
        Ok(Self { ephemeral: Some(Arc::new(folder)), ..store })
    }

    /// The same store, which notes from now on that what it is asked for is used.
    #[must_use]
    pub fn at(self, now: SystemTime) -> Self {
        Self { now: Some(now), ..self }
    }

    /// The store in a folder whose name is canonical; whether it is there is another question.
    pub(crate) fn unlocked(root: &Path) -> Self {
        Self {
            root: root.join("v1"),
            lock: None,
            now: None,
            added: Arc::default(),
            ephemeral: None,
            is_abandoned: Arc::default(),
        }
    }

    /// Locks the store as one that adds to it, and creates its folder for that.
    fn join_builds(&self, wait: &LockWait) -> Result<Hold, Error> {
        loop {
            create_folder(&self.root).map_err(|source| Error::disk("create", &self.root, source))?;
            check_folder(&self.root)?;
            match take(&self.root, Share::WithBuilds, wait) {
                // Somebody removed the whole store at this moment.
                Err(Error::Disk { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                taken => return taken,
            }
        }
    }

    /// Whether a blob is there, has this size in bytes, and may be read. Looks, does not read.
    pub fn contains(&self, digest: &Digest, size: Option<u64>) -> bool {
        let path = self.path(digest);
        let Ok(found) = fs::symlink_metadata(&path) else { return false };
        let is_there =
            found.is_file() && found.mode() & 0o400 != 0 && size.is_none_or(|size| size == found.len());
        if is_there {
            self.note_use(&path, &found);
        }
        is_there
    }

    /// Where a blob is or would be.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        place_by_digest(self.blobs(), digest)
    }

    /// Opens a blob for reading; `None` when it is not there as a readable regular file.
    ///
    /// The content is not checked: use [`Store::verify`] before, or [`Store::copy`].
    pub fn open_blob(&self, digest: &Digest) -> Result<Option<File>, Error> {
        Ok(self.open_with_metadata(digest)?.map(|(file, _)| file))
    }

    /// Reads a blob and compares its digest; a damaged one is removed and counts as absent.
    pub fn verify(&self, digest: &Digest) -> Result<bool, Error> {
        match self.copy(digest, &mut io::sink()) {
            Ok(_) => Ok(true),
            Err(Error::Missing { .. } | Error::Damaged { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Copies a blob to `out`, hashing on the way; returns the number of bytes.
    ///
    /// [`Error::Damaged`] means that what was written to `out` must not be used; the blob has been removed.
    pub fn copy(&self, digest: &Digest, out: &mut dyn Write) -> Result<u64, Error> {
        let Some((mut file, metadata)) = self.open_with_metadata(digest)? else {
            return Err(Error::Missing { digest: *digest });
        };
        let path = self.path(digest);
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; CHUNK.min(usize::try_from(metadata.len()).unwrap_or(CHUNK)).max(1)];
        let mut total = 0;
        loop {
            let count = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(Error::disk("read", &path, source)),
            };
            hasher.update(&buffer[..count]);
            out.write_all(&buffer[..count]).map_err(|source| Error::disk("copy", &path, source))?;
            total += count as u64;
        }
        if hasher.finish() != *digest {
            self.discard_if_same(&path, &metadata);
            return Err(Error::Damaged { digest: *digest });
        }
        Ok(total)
    }

    /// Removes a blob, if it is there and if that is possible.
    pub fn discard(&self, digest: &Digest) {
        let _ = remove_anything(&self.path(digest));
    }

    /// Removes all drafts and scratch folders of this process, or the whole store if it was made for one run, for when
    /// the process is about to end in the middle of its work.
    ///
    /// Work that still goes on in other threads fails after this, and that is meant.
    pub fn abandon(&self) {
        *self.is_abandoned.write().unwrap_or_else(PoisonError::into_inner) = true;
        match &self.ephemeral {
            Some(folder) => owner::remove_from_writers(folder.path()),
            None => owner::sweep_own(&self.tmp()),
        }
    }

    /// Makes something in the store, unless the work was interrupted; [`Store::abandon`] waits until it is made.
    fn unless_abandoned<T>(&self, make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match *self.is_abandoned.read().unwrap_or_else(PoisonError::into_inner) {
            true => Err(io::Error::other("the work was interrupted")),
            false => make(),
        }
    }

    /// A folder on the store's file system for work in progress, removed when dropped.
    pub fn scratch(&self) -> Result<TempDir, Error> {
        let folder = self.tmp();
        self.with_tmp(|| tempfile::Builder::new().prefix(owner::prefix()).tempdir_in(&folder))
    }

    /// Renames a temporary file to its place, over whatever stands there.
    pub(crate) fn place(&self, from: TempPath, to: &Path) -> Result<(), Error> {
        let mut from = from;
        let size = from.metadata().map_or(0, |found| found.len());
        self.added.fetch_add(size, Ordering::Relaxed);
        // Folders are made when a rename misses them: once per 256 blobs, and after somebody cleaned up too eagerly.
        for _ in 0..3 {
            match from.persist(to) {
                Ok(()) => return Ok(()),
                Err(failure) => {
                    from = failure.path;
                    self.make_room(to, failure.error)?;
                }
            }
        }
        from.persist(to).map_err(|failure| Error::disk("write", to, failure.error))
    }

    /// Mends what kept a file from being renamed to `to`, or reports it.
    fn make_room(&self, to: &Path, problem: io::Error) -> Result<(), Error> {
        let folder = to.parent().unwrap_or(&self.root);
        let mended = match problem.kind() {
            io::ErrorKind::NotFound => self.unless_abandoned(|| create_folder(folder)),
            io::ErrorKind::NotADirectory => {
                remove_anything(folder).and_then(|()| self.unless_abandoned(|| create_folder(folder)))
            }
            io::ErrorKind::IsADirectory | io::ErrorKind::DirectoryNotEmpty => remove_anything(to),
            _ => Err(problem),
        };
        mended.map_err(|source| Error::disk("write", to, source))
    }

    /// Makes something in the temporary folder, which a cleaner may have taken away since the store was opened.
    pub(crate) fn with_tmp<T>(&self, make: impl Fn() -> io::Result<T>) -> Result<T, Error> {
        let made = self.unless_abandoned(|| match make() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create_folder(&self.tmp()).and_then(|()| make())
            }
            result => result,
        });
        made.map_err(|source| Error::disk("create a file in", &self.tmp(), source))
    }

    fn open_with_metadata(&self, digest: &Digest) -> Result<Option<(File, Metadata)>, Error> {
        let path = self.path(digest);
        let found = open_regular(&path).map_err(|source| Error::disk("read", &path, source))?;
        if let Some((_, metadata)) = &found {
            self.note_use(&path, metadata);
        }
        Ok(found)
    }

    /// Notes that a file is used. One that cannot be written to counts as unused, which does no harm.
    pub(crate) fn note_use(&self, path: &Path, found: &Metadata) {
        let Some(now) = self.now else { return };
        // A time to come is the mark of a clock that was wrong.
        let distance = |used| now.duration_since(used).unwrap_or_else(|ahead| ahead.duration());
        if found.modified().is_ok_and(|used| distance(used) < USE_GRAIN) {
            return;
        }
        let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: i64::try_from(seconds).unwrap_or(i64::MAX), tv_nsec: 0 },
        };
        let _ = utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW);
    }

    /// Removes a damaged file unless another process has put a good one in its place meanwhile.
    fn discard_if_same(&self, path: &Path, damaged: &Metadata) {
        let is_same = fs::symlink_metadata(path)
            .is_ok_and(|now| (now.dev(), now.ino()) == (damaged.dev(), damaged.ino()));
        if is_same {
            let _ = fs::remove_file(path);
        }
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    pub(crate) fn memos(&self) -> PathBuf {
        self.root.join("memos")
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(crate) fn stamp(&self) -> PathBuf {
        self.root.join("size")
    }

    /// All folders that are always there, outer ones first.
    pub(crate) fn folders(&self) -> [PathBuf; 5] {
        [self.root.clone(), self.root.join("blobs"), self.blobs(), self.memos(), self.tmp()]
    }
}

/// `<folder>/ab/abcd...`: 256 folders keep each one short.
pub(crate) fn place_by_digest(mut folder: PathBuf, digest: &Digest) -> PathBuf {
    let hex = digest.hex();
    folder.push(&hex[..2]);
    folder.push(hex);
    folder
}
