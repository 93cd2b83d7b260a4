//! Reading a workflow file.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use wainwright_woodwork::MOST_BYTES;

use crate::console::exit::OUTSIDE;
use crate::console::{line, tell};

/// Tells why a file cannot be read, and gives the exit code.
pub(crate) fn unreadable(file: &str, error: &io::Error) -> u8 {
    let hint = "name a file that can be read; a workflow is usually called main.ww";
    let error = io::Error::other(format!("`{file}` cannot be read: {error}"));
    line(&tell(&error, Some(hint.into())));
    OUTSIDE
}

/// The bytes of a file, and no more than shows that it is too large.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let found = path.metadata()?;
    if found.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // Opening a pipe would wait for somebody to write to it.
    if !found.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = Vec::new();
    File::open(path)?.take(MOST_BYTES as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}
