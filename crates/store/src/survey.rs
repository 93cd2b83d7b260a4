use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::guard::check_folder;
use crate::{Error, Store};

/// Small files take a whole block of the disk.
const BLOCK: u64 = 4096;

/// What a file of a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Bytes named by their digest.
    Blob,
    /// What was made of some inputs.
    Memo,
}

/// A file of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub path: PathBuf,
    /// How many bytes it takes on the disk, in whole blocks of 4 KiB.
    pub size: u64,
    /// When it was made or last used, to the hour.
    pub used: SystemTime,
}

/// Everything in a store, as found at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Its blobs and memos, in no particular order.
    pub items: Vec<Item>,
    /// How many files and folders of unfinished work there are, of the living and the dead.
    pub unfinished: usize,
}

impl Survey {
    /// Bytes on the disk.
    pub fn size(&self) -> u64 {
        self.items.iter().map(|item| item.size).sum()
    }
}

/// Looks at the store in `root`, and creates nothing; `None` when there is no store yet.
///
/// Refuses a folder that holds other things and no store, and one that [`Store::open`] would refuse.
pub fn survey(root: &Path) -> Result<Option<Survey>, Error> {
    find(root)?.map(|store| read(&store)).transpose()
}

/// The store in `root`, if there is one. No lock is taken.
pub(crate) fn find(root: &Path) -> Result<Option<Store>, Error> {
    let unreadable = |source| Error::disk("read", root, source);
    let root = match fs::canonicalize(root) {
        Ok(root) => root,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(unreadable(source)),
    };
    let store = Store::unlocked(&root);
    if fs::symlink_metadata(&store.root).is_err() {
        return match fs::read_dir(&root).map_err(unreadable)?.next() {
            None => Ok(None),
            Some(_) => Err(Error::NotOurs { path: root }),
        };
    }
    check_folder(&root)?;
    let mut is_ours = false;
    for folder in store.folders() {
        if fs::symlink_metadata(&folder).is_ok() {
            check_folder(&folder)?;
            is_ours |= folder != store.root;
        }
    }
    let is_empty = || fs::read_dir(&store.root).is_ok_and(|mut entries| entries.next().is_none());
    match is_ours || is_empty() {
        true => Ok(Some(store)),
        false => Err(Error::NotOurs { path: root }),
    }
}

/// Lists what has the names that a store gives. Whatever else lies there belongs to somebody else.
pub(crate) fn read(store: &Store) -> Result<Survey, Error> {
    let mut survey = Survey::default();
    gather(&store.blobs(), Kind::Blob, &mut survey.items)?;
    for kind in entries(&store.memos())? {
        gather(&kind.path(), Kind::Memo, &mut survey.items)?;
    }
    survey.unfinished = entries(&store.tmp())?.len();
    Ok(survey)
}

/// `<folder>/ab/abcd...`
fn gather(folder: &Path, kind: Kind, items: &mut Vec<Item>) -> Result<(), Error> {
    let mut add = |entry: &DirEntry| {
        // Gone meanwhile is as good as never seen.
        let Ok(found) = entry.metadata() else { return };
        items.push(Item { kind, path: entry.path(), size: size(&found), used: used(&found) });
    };
    for shard in entries(folder)?.iter().filter(|entry| is_hex(entry, 2)) {
        match shard.file_type().is_ok_and(|found| found.is_dir()) {
            true => entries(&shard.path())?.iter().filter(|entry| is_hex(entry, 64)).for_each(&mut add),
            // Something stands in the place of a folder of ours.
            false => add(shard),
        }
    }
    Ok(())
}

/// What is in a folder; nothing when it is none.
pub(crate) fn entries(folder: &Path) -> Result<Vec<DirEntry>, Error> {
    let is_folder = fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir());
    if !is_folder {
        return Ok(Vec::new());
    }
    let read = || fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>();
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(|source| Error::disk("read", folder, source)),
    }
}

fn is_hex(entry: &DirEntry, length: usize) -> bool {
    let name = entry.file_name();
    let bytes = name.as_encoded_bytes();
    bytes.len() == length && bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Nothing is free: where there is room for no byte, empty files and what is no file go too.
fn size(found: &Metadata) -> u64 {
    let length = if found.is_file() { found.len() } else { 0 };
    length.div_ceil(BLOCK).max(1).saturating_mul(BLOCK)
}

/// A file without a time counts as old.
fn used(found: &Metadata) -> SystemTime {
    found.modified().unwrap_or(SystemTime::UNIX_EPOCH)
}
