//! Reads workflow files.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use wainwright_woodwork::MOST_BYTES;

use crate::console::exit::OUTSIDE;
use crate::console::{describe, line};

/// Reports a file that cannot be read, and returns the exit code.
pub(crate) fn unreadable(file: &str, error: &io::Error) -> u8 {
    let hint = "use the path of a workflow file, usually main.ww";
    let error = io::Error::other(format!("cannot read `{file}`: {error}"));
    line(&describe(&error, Some(hint.into())));
    OUTSIDE
}

/// The bytes of a file, up to one more than its maximum size.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let found = path.metadata()?;
    if found.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // Opening a pipe blocks until another process writes to it.
    if !found.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut text = Vec::new();
    File::open(path)?.take(MOST_BYTES as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}
