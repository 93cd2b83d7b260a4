mod contents;
mod garbage;
mod names;
mod seen;
mod siblings;

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use wainwright_oci::Digest;
use wainwright_store::Store;

use crate::blob::Blob;
use crate::draft::{self, Draft, DraftFolder};
use crate::folder::folder_of;
use crate::{Delivered, Error, Release};

use contents::Contents;
use names::blob_path;
pub(crate) use names::{INDEX, MARK, MARK_BYTES};
use seen::Seen;
pub use siblings::Siblings;

/// How many blobs are written at a time.
const WORKERS: usize = 4;

/// How often we look whether another process has finished with the layout, and how long we wait in between.
const TRIES: u32 = 600;
const PAUSE: Duration = Duration::from_millis(100);

/// Puts a release into an OCI layout.
///
/// A new folder appears when it is complete. In a layout that exists, images under other names stay; those under the same
/// names are replaced, and what nobody else needs of them is removed. Blobs come first and `index.json` last, so that
/// whoever reads meanwhile finds the old images or the new ones. A layout that names our digest and has all blobs is left
/// alone; blobs that somebody may have written to since we saw them are hashed first.
pub fn write_layout(release: &Release, store: &Store, dir: &Path) -> Result<Delivered, Error> {
    let siblings = Siblings::default();
    let delivered = write_layout_beside(release, store, dir, &siblings)?;
    siblings.remember(store);
    Ok(delivered)
}

/// The same for one of several layouts: blobs that one before it has are not copied. Whoever wrote them all has
/// [`Siblings::remember`] called.
pub fn write_layout_beside(
    release: &Release,
    store: &Store,
    dir: &Path,
    siblings: &Siblings,
) -> Result<Delivered, Error> {
    release.check()?;
    let delivered = write(release, store, dir, siblings)?;
    let blobs = release.blobs();
    siblings.add(dir, blobs.keys().map(|digest| (digest, blob_path(dir, digest))));
    Ok(delivered)
}

fn write(release: &Release, store: &Store, dir: &Path, siblings: &Siblings) -> Result<Delivered, Error> {
    match fs::metadata(dir) {
        Ok(metadata) if metadata.is_dir() => update(release, store, dir, siblings),
        Ok(_) => Err(Error::InTheWay { path: dir.to_owned(), found: "a file", wanted: "an OCI layout" }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(release, store, dir, siblings),
        Err(source) => Err(Error::disk("write to", dir, source)),
    }
}

fn create(release: &Release, store: &Store, dir: &Path, siblings: &Siblings) -> Result<Delivered, Error> {
    let parent = folder_of(dir);
    draft::create_folder(parent)?;
    draft::sweep(parent);
    let folder = DraftFolder::new(parent)?;
    let delivered = fill(release, store, folder.path(), siblings);
    let delivered = delivered.map_err(|error| error.below(dir, folder.path()))?;
    match folder.finish(dir) {
        Ok(()) => {
            draft::sync_folder(parent);
            Ok(delivered)
        }
        // Somebody was faster: theirs may hold other images by now.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty) =>
        {
            update(release, store, dir, siblings)
        }
        Err(source) => Err(Error::disk("create", dir, source)),
    }
}

fn update(release: &Release, store: &Store, dir: &Path, siblings: &Siblings) -> Result<Delivered, Error> {
    let lock = File::open(dir).map_err(|source| Error::disk("read", dir, source))?;
    wait_for(&lock, dir)?;
    draft::sweep(dir);
    fill(release, store, dir, siblings)
}

/// Waits until no other process works on this folder. Where the file system has no locks, nobody waits.
fn wait_for(lock: &File, dir: &Path) -> Result<(), Error> {
    for _ in 0..TRIES {
        match lock.try_lock() {
            Err(fs::TryLockError::WouldBlock) => thread::sleep(PAUSE),
            Ok(()) | Err(fs::TryLockError::Error(_)) => return Ok(()),
        }
    }
    Err(Error::Busy { path: dir.to_owned(), seconds: (PAUSE * TRIES).as_secs() })
}

/// Brings a folder up to date that nobody else writes to.
fn fill(release: &Release, store: &Store, dir: &Path, siblings: &Siblings) -> Result<Delivered, Error> {
    let contents = Contents::read(dir)?;
    let change = contents.change(dir, release);
    let blobs = release.blobs();
    let seen = Seen::load(store, dir);
    let has_all = blobs.values().all(|blob| is_there(dir, &blob.digest, blob.size));
    if contents.is_marked && !change.is_needed && has_all {
        let blobs: Vec<Blob> = blobs.values().copied().collect();
        // Counts those that are not what they were.
        let count = |blob: &Blob| is_good(blob, &seen, siblings, dir).map(|is_good| u64::from(!is_good));
        if in_parallel(&blobs, count)? == 0 {
            return Ok(Delivered::NOTHING);
        }
    }
    let mut written = 0;
    // First of all, so that an interrupted delivery is known as a layout by the next one.
    if !contents.is_marked {
        written += write_file(dir, MARK, MARK_BYTES)?;
    }
    let folder = dir.join("blobs/sha256");
    draft::create_folder(&folder)?;
    let blobs: Vec<Blob> = blobs.into_values().collect();
    let of_blobs = in_parallel(&blobs, |blob| write_blob(blob, &seen, siblings, store, dir))?;
    written += of_blobs;
    draft::sync_folder(&folder);
    if change.is_needed {
        written += write_file(dir, INDEX, &contents.index_with(&change.manifests))?;
        draft::sync_folder(dir);
        for digest in garbage::between(dir, &change.replaced, &change.manifests) {
            // Not removing what nobody needs is no failure.
            let _ = fs::remove_file(blob_path(dir, &digest));
        }
    }
    let bytes_skipped = blobs.iter().map(|blob| blob.size).sum::<u64>().saturating_sub(of_blobs);
    Ok(Delivered { bytes_written: written, bytes_skipped, was_there: false })
}

/// Writes a blob unless it is there, byte for byte; returns how many bytes that took.
fn write_blob(
    blob: &Blob,
    seen: &Seen,
    siblings: &Siblings,
    store: &Store,
    dir: &Path,
) -> Result<u64, Error> {
    let path = blob_path(dir, &blob.digest);
    if is_good(blob, seen, siblings, dir)? || siblings.link(&blob.digest, &path) {
        return Ok(0);
    }
    let mut draft = Draft::new(dir, &path, blob.size)?;
    blob.copy(store, &mut draft, &path)?;
    draft.finish()?;
    Ok(blob.size)
}

/// Runs `work` on a few items at a time, so that hashing one and waiting for the disk with another overlap; adds up the
/// results. After an error no new item is begun.
fn in_parallel<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<u64, Error> + Sync) -> Result<u64, Error> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut total = 0;
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            total += work(item).inspect_err(|_| next.store(items.len(), Ordering::Relaxed))?;
        }
        Ok(total)
    };
    thread::scope(|scope| {
        // This thread works too, so that a machine without room for others only takes longer.
        let others = 1..WORKERS.min(items.len());
        let others: Vec<_> =
            others.map_while(|_| thread::Builder::new().spawn_scoped(scope, run).ok()).collect();
        let mut total = run();
        for worker in others {
            let other = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            total = total.and_then(|total| Ok(total + other?));
        }
        total
    })
}

fn write_file(dir: &Path, name: &str, bytes: &[u8]) -> Result<u64, Error> {
    let path = dir.join(name);
    let size = bytes.len() as u64;
    let mut draft = Draft::new(dir, &path, size)?;
    io::Write::write_all(&mut draft, bytes).map_err(|source| Error::write(&path, size, source))?;
    draft.finish()?;
    Ok(size)
}

fn is_there(dir: &Path, digest: &Digest, size: u64) -> bool {
    fs::metadata(blob_path(dir, digest)).is_ok_and(|found| found.is_file() && found.len() == size)
}

/// Whether a layout has a blob, byte for byte: nobody wrote to it since it was verified, or it is hashed now.
fn is_good(blob: &Blob, seen: &Seen, siblings: &Siblings, dir: &Path) -> Result<bool, Error> {
    let path = blob_path(dir, &blob.digest);
    let is_known = || seen.holds(&blob.digest, &path) || siblings.holds(&blob.digest, &path);
    Ok(is_there(dir, &blob.digest, blob.size) && (is_known() || is_whole(&path, &blob.digest, blob.size)?))
}

fn is_whole(path: &Path, digest: &Digest, size: u64) -> Result<bool, Error> {
    let mut file = File::open(path).map_err(|source| Error::disk("read", path, source))?;
    crate::blob::has_digest(&mut file, size, digest).map_err(|source| Error::disk("read", path, source))
}

#[cfg(test)]
mod tests;
