use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::Error;

/// Creates a folder for this user alone, parents included; an existing folder is left as it is.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        // A dangling link: `create` says "exists", but nothing can be put there.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        result => result,
    }
}

/// Refuses a folder that another user could change under our hands.
pub(crate) fn check_folder(path: &Path) -> Result<(), Error> {
    let found = fs::symlink_metadata(path).map_err(|source| Error::disk("read", path, source))?;
    match objection(&found, rustix::process::geteuid().as_raw()) {
        None => Ok(()),
        Some((reason, remedy)) => Err(Error::Untrusted { path: path.to_owned(), reason, remedy }),
    }
}

/// What is wrong with a folder, and the way out.
fn objection(found: &Metadata, user: u32) -> Option<(String, String)> {
    if !found.is_dir() {
        return Some(("it is not a folder".into(), "move it away".into()));
    }
    if found.uid() != user {
        let reason = format!("it belongs to user {}, but you are user {user}", found.uid());
        return Some((reason, "change its owner".into()));
    }
    // By convention a group that shares its user's number holds nobody else ("user private groups").
    let is_private_group = found.gid() == found.uid();
    if found.mode() & 0o002 != 0 || (found.mode() & 0o020 != 0 && !is_private_group) {
        let reason = format!("other users may write to it (mode {:04o})", found.mode() & 0o7777);
        return Some((reason, "remove that permission with `chmod go-w`".into()));
    }
    None
}

/// Opens a regular file for reading; `None` when there is none.
///
/// A link, a folder, a pipe or a file we may not read is "none": it is not ours, and will be replaced. Never blocks.
pub(crate) fn open_regular(path: &Path) -> io::Result<Option<(File, Metadata)>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path) {
        Ok(file) => file,
        Err(error) => {
            let is_loop = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
            let is_socket = error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error());
            return match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied => {
                    Ok(None)
                }
                _ if is_loop || is_socket => Ok(None),
                _ => Err(error),
            };
        }
    };
    let metadata = file.metadata()?;
    Ok(metadata.is_file().then_some((file, metadata)))
}

/// Takes away whatever stands at `path`: file, link or folder. Nothing there is success.
pub(crate) fn remove_anything(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
