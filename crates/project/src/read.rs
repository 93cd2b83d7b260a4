//! Reads small files of the project, safely: regular files below the root, up to a limit.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::OFlags;

use crate::Error;
use crate::place::show;

/// Larger than any honest `pyproject.toml`, even one that holds a megabyte of text in a value.
pub(crate) const LIMIT: u64 = 8 * 1024 * 1024;

/// Opens a file without ever waiting for the other end of a pipe; `None` when there is nothing.
pub(crate) fn open(path: &Path) -> io::Result<Option<File>> {
    match OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The bytes of a file below `root`; `None` when there is none.
pub(crate) fn read_bytes(root: &Path, file: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    let path = root.join(file);
    let Some(opened) = open(&path).map_err(|source| Error::read(&path, source))? else { return Ok(None) };
    let metadata = opened.metadata().map_err(|source| Error::read(&path, source))?;
    let file = show(file.as_bytes());
    if !metadata.is_file() {
        return Err(Error::NotText { file, reason: "is not a regular file".into() });
    }
    let mut bytes = Vec::new();
    opened.take(limit + 1).read_to_end(&mut bytes).map_err(|source| Error::read(&path, source))?;
    if bytes.len() as u64 > limit {
        return Err(Error::TooLarge { file, limit });
    }
    Ok(Some(bytes))
}

/// The text of a file below `root`, without a byte order mark; `None` when there is none.
pub(crate) fn read_text(root: &Path, file: &str, limit: u64) -> Result<Option<String>, Error> {
    let Some(bytes) = read_bytes(root, file, limit)? else { return Ok(None) };
    match String::from_utf8(bytes) {
        Ok(mut text) => {
            if text.starts_with('\u{feff}') {
                text.drain(..'\u{feff}'.len_utf8());
            }
            Ok(Some(text))
        }
        Err(error) => Err(Error::NotText {
            file: show(file.as_bytes()),
            reason: format!("is not UTF-8 text (at byte {})", error.utf8_error().valid_up_to()),
        }),
    }
}

/// Whether a path of the user stays below the project: relative, and no step up.
pub(crate) fn stays_below(path: &str) -> bool {
    !path.is_empty()
        && Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// As [`read_text`], for a file named inside another file: links must not lead out of the project either.
pub(crate) fn read_named(root: &Path, file: &str, limit: u64) -> Result<Option<String>, Error> {
    let leads_out = |path: PathBuf| root.canonicalize().is_ok_and(|root| !path.starts_with(root));
    if !stays_below(file) || root.join(file).canonicalize().is_ok_and(leads_out) {
        return Err(Error::NotText {
            file: show(file.as_bytes()),
            reason: "is not inside the project".into(),
        });
    }
    read_text(root, file, limit)
}
