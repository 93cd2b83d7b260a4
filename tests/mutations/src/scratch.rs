use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, memfd_create};
use tempfile::TempDir;
use wainwright_store::Store;

/// A file in memory.
pub(crate) fn file(bytes: &[u8]) -> Arc<File> {
    let mut file = File::from(memfd_create("input", MemfdFlags::CLOEXEC).unwrap());
    file.write_all(bytes).unwrap();
    Arc::new(file)
}

thread_local! {
    static PLACE: (TempDir, Store) = {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::ephemeral(folder.path()).unwrap();
        (folder, store)
    };
}

/// Lends a folder and a store. They are kept from one input to the next, since making them costs more than reading one.
pub(crate) fn with_folder(work: impl FnOnce(&Path, &Store)) {
    PLACE.with(|(folder, store)| work(folder.path(), store));
}
