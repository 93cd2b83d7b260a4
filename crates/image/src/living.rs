//! Unfinished work of this process, so that it can be taken away when the process ends in the middle.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How often a folder is taken away that somebody still writes to.
const TRIES: usize = 20;

/// The unfinished files and folders of this process.
pub(crate) static LIVING: Living = Living::new();

/// Paths of unfinished work; none any more once it was given up.
pub(crate) struct Living(Mutex<Option<BTreeSet<PathBuf>>>);

/// A path on the list, for as long as this lives.
pub(crate) struct Entry<'a> {
    path: PathBuf,
    list: &'a Living,
}

/// Removes all files and folders that this process has begun and not finished, for when it is about to end.
///
/// What other threads still want to begin or to finish fails after this, and that is meant.
pub fn abandon() {
    LIVING.abandon();
}

impl Living {
    const fn new() -> Self {
        Self(Mutex::new(Some(BTreeSet::new())))
    }

    /// Makes something and puts it on the list, in one step as seen by [`Living::abandon`].
    pub(crate) fn make<T>(
        &self,
        make: impl FnOnce() -> io::Result<T>,
        path: impl FnOnce(&T) -> &Path,
    ) -> io::Result<(T, Entry<'_>)> {
        let mut list = self.lock();
        let list = list.as_mut().ok_or_else(|| io::Error::other("the work was interrupted"))?;
        let made = make()?;
        let path = path(&made).to_owned();
        list.insert(path.clone());
        Ok((made, Entry { path, list: self }))
    }

    /// Puts something into its place, in one step as seen by [`Living::abandon`]: what is being taken away gets no name.
    pub(crate) fn finish<T>(&self, finish: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match *self.lock() {
            Some(_) => finish(),
            None => Err(io::Error::other("the work was interrupted")),
        }
    }

    fn abandon(&self) {
        let mut list = self.lock();
        for path in list.take().unwrap_or_default() {
            for _ in 0..TRIES {
                let removed = match fs::symlink_metadata(&path) {
                    Ok(found) if found.is_dir() => fs::remove_dir_all(&path),
                    Ok(_) => fs::remove_file(&path),
                    Err(_) => break,
                };
                if removed.is_ok() {
                    break;
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<BTreeSet<PathBuf>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if let Some(list) = self.list.lock().as_mut() {
            list.remove(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_files_are_removed_on_interruption() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let living = Living::new();
        let make = |name: &str| {
            let path = path(name);
            living.make(|| fs::write(&path, "").map(|()| path.clone()), |path| path)
        };
        let (_file, _entry) = make("unfinished").unwrap();
        living.finish(|| fs::write(path("in time"), "")).unwrap();
        drop(make("finished").unwrap());
        let _made = living
            .make(|| fs::create_dir_all(path("folder/below")).map(|()| path("folder")), |path| path)
            .unwrap();
        living.abandon();
        assert!(make("too late").is_err());
        assert!(living.finish(|| fs::write(path("too late"), "")).is_err());
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["finished", "in time"]);
    }
}
