use std::io;
use std::path::{Path, PathBuf};

use wainwright_fault::{Classify, Kind};
use wainwright_oci::Digest;

use crate::processes::Names;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk or the user's quota is full.
    #[error("no space left to write `{}` ({})", path.display(), describe_space(*needed, *free))]
    Full {
        /// What was being written.
        path: PathBuf,
        /// How many bytes had to be written at that moment, where known.
        needed: Option<u64>,
        /// How many bytes are free for this user, where known.
        free: Option<u64>,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The operating system refused something else.
    #[error("cannot {action} `{}`", path.display())]
    Disk {
        /// What was tried, as a verb: `create`, `write`, `read` ...
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The folder may be changed by somebody else, or is no folder.
    #[error("unsafe cache folder `{}`: {reason}", path.display())]
    Untrusted {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it, as half a sentence.
        reason: String,
        /// The way out.
        remedy: String,
    },
    /// A folder that holds other things, and no store.
    #[error("`{}` is not a Wainwright cache: it contains other files", path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
    },
    /// Others use the store, and do not end.
    #[error("the cache `{}` has been in use by {} for more than {seconds} s", path.display(), Names(processes))]
    Busy {
        /// The folder of the store.
        path: PathBuf,
        /// The numbers of the processes, as far as we can see them.
        processes: Vec<u32>,
        /// How long we waited.
        seconds: u64,
    },
    /// A blob that is not in the store.
    #[error("{digest} is missing from the cache")]
    Missing {
        /// Its digest.
        digest: Digest,
    },
    /// A blob whose bytes do not have its digest; it has been removed.
    #[error("the cache had damaged data for {digest}; it has been removed")]
    Damaged {
        /// The digest it should have.
        digest: Digest,
    },
    /// Facts that cannot be a cache key: a mistake of the caller.
    #[error("`{kind}` facts cannot be a cache key: {reason}")]
    Key {
        /// The kind of memo.
        kind: &'static str,
        /// What is wrong.
        reason: String,
    },
}

const MORE_FILES: &str =
    "raise the limit of open files with `ulimit -n`, or lower `--jobs` and `--connections`";

impl Classify for Error {
    fn hint(&self) -> Option<String> {
        const ELSEWHERE: &str = "choose another folder with `--cache-dir` or WAIN_CACHE_DIR";
        match self {
            Self::Full { .. } => Some(format!("free some space, or {ELSEWHERE}")),
            Self::Disk { source, .. } if is_too_many_files(source) => Some(MORE_FILES.into()),
            Self::Disk { source, .. } => match source.kind() {
                io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                    Some(format!("{ELSEWHERE}, or build with `--no-cache`"))
                }
                _ => Some(format!("check the disk, or {ELSEWHERE}")),
            },
            Self::Untrusted { remedy, .. } => Some(format!("{remedy}, or {ELSEWHERE}")),
            Self::NotOurs { .. } => Some("set the cache folder with `--cache-dir` or WAIN_CACHE_DIR".into()),
            Self::Busy { .. } => Some(format!("wait for it to end, stop it if it hangs, or {ELSEWHERE}")),
            Self::Missing { .. } | Self::Damaged { .. } => {
                Some("run the command again; missing data is made or fetched again".into())
            }
            Self::Key { .. } => None,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Full { .. } | Self::Disk { .. } | Self::Untrusted { .. } | Self::Busy { .. } => {
                Kind::Outside
            }
            Self::Missing { .. } | Self::Damaged { .. } => Kind::Damaged,
            Self::NotOurs { .. } | Self::Key { .. } => Kind::Input,
        }
    }
}

impl Error {
    /// What the user can do about an error of the operating system that was not met in the store, where there is a way out;
    /// an error of the store on its way through `std::io` is recognized.
    pub fn hint_for(error: &io::Error) -> Option<String> {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Self>());
        inner.map_or_else(|| is_too_many_files(error).then(|| MORE_FILES.into()), Self::hint)
    }

    /// Sorts an error of the operating system: a full disk is told apart from the rest.
    pub(crate) fn disk(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::disk_sized(action, path, None, source)
    }

    /// As [`Error::disk`], with the number of bytes that had to be written.
    pub(crate) fn disk_sized(
        action: &'static str,
        path: &Path,
        needed: Option<u64>,
        source: io::Error,
    ) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { free: free_space(&path), path, needed, source }
            }
            _ => Self::Disk { action, path, source },
        }
    }

    /// That bytes meant for a draft could not be written by somebody else, who had only the file.
    pub fn not_written(path: &Path, needed: Option<u64>, source: io::Error) -> Self {
        Self::disk_sized("write", path, needed, source)
    }

    /// For the `std::io` traits: keeps the kind, and says which file it was.
    pub(crate) fn into_io(self) -> io::Error {
        let kind = match &self {
            Self::Full { source, .. } | Self::Disk { source, .. } => source.kind(),
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, self)
    }
}

/// Whether the system refused to open one more file.
fn is_too_many_files(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let code = error.raw_os_error();
    code == Some(Errno::MFILE.raw_os_error()) || code == Some(Errno::NFILE.raw_os_error())
}

/// Bytes free for this user on the file system that holds `path`, or the nearest folder above it that exists.
fn free_space(path: &Path) -> Option<u64> {
    let statistics = path.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok())?;
    statistics.f_bavail.checked_mul(statistics.f_frsize)
}

fn describe_space(needed: Option<u64>, free: Option<u64>) -> String {
    let free = free.map_or("free space unknown".to_owned(), |free| format!("{free} bytes free"));
    needed.map_or(free.clone(), |needed| format!("{needed} bytes to write, {free}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(errno: rustix::io::Errno) -> Error {
        let source = io::Error::from_raw_os_error(errno.raw_os_error());
        Error::disk_sized("write", Path::new("/"), Some(4096), source)
    }

    #[test]
    fn full_disks_name_needed_and_free_bytes() {
        for errno in [rustix::io::Errno::NOSPC, rustix::io::Errno::DQUOT] {
            let error = disk(errno);
            assert!(error.is_outside());
            let text = error.to_string();
            assert!(text.starts_with("no space left to write `/` (4096 bytes to write, "), "{text}");
            assert!(text.ends_with(" bytes free)"), "{text}");
            assert!(error.hint().unwrap().contains("WAIN_CACHE_DIR"));
        }
    }

    #[test]
    fn hints_fit_the_cause() {
        for (errno, hint) in [
            (rustix::io::Errno::MFILE, "ulimit -n"),
            (rustix::io::Errno::ROFS, "--no-cache"),
            (rustix::io::Errno::IO, "check the disk"),
        ] {
            let found = disk(errno).hint().unwrap();
            assert!(found.contains(hint), "{found}");
        }
    }

    #[test]
    fn the_kind_and_the_hint_survive_std_io() {
        let error = disk(rustix::io::Errno::NOSPC).into_io();
        assert!(Error::hint_for(&error).unwrap().contains("free some space"));
        let other = |errno: rustix::io::Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        assert!(Error::hint_for(&other(rustix::io::Errno::MFILE)).unwrap().contains("ulimit -n"));
        assert_eq!(Error::hint_for(&other(rustix::io::Errno::IO)), None);
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().contains("no space left to write `/`"));
    }
}
