use std::io;
use std::path::{Path, PathBuf};

use wainwright_fault::{Classify, Kind};
use wainwright_oci::{Digest, Platform};

/// Why an image did not get where it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Images that do not make a release: a mistake of the caller.
    #[error("cannot write this image: {reason}")]
    Release {
        /// What is wrong, as half a sentence.
        reason: &'static str,
    },
    /// A layer cannot be taken from the store.
    #[error("cannot read a layer from the cache")]
    Store {
        /// What the store said.
        #[source]
        source: wainwright_store::Error,
    },
    /// A file that holds a layer of the base image cannot be read.
    #[error("cannot read the layer {digest} from `{}`", path.display())]
    ReadLayer {
        /// The file.
        path: PathBuf,
        /// The layer.
        digest: Digest,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A layer whose bytes are not those its image names.
    #[error("the layer {digest} in `{}` is damaged: {reason}", path.display())]
    DamagedLayer {
        /// The file that holds it.
        path: PathBuf,
        /// The digest it should have.
        digest: Digest,
        /// What was found instead, as half a sentence.
        reason: String,
    },
    /// The disk or the user's quota is full.
    #[error("no space left to write `{}` ({needed} bytes to write{})", path.display(), describe(*free))]
    Full {
        /// What was being written.
        path: PathBuf,
        /// How many bytes the whole file has.
        needed: u64,
        /// How many bytes are free for this user, where known.
        free: Option<u64>,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The operating system refused something else.
    #[error("cannot {action} `{}`", path.display())]
    Disk {
        /// What was tried, as a verb: `create`, `write`, `replace` ...
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A layer could not be read after the beginning of an archive had gone into a pipe.
    #[error("the archive in `{}` is incomplete: {reason}", path.display())]
    Torn {
        /// The pipe or device; `-` is standard output.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// A file that nobody may write to.
    #[error("cannot replace `{}`: it is read-only", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// Something else has the name the output should have.
    #[error("`{}` is {found} and cannot be replaced by {wanted}", path.display())]
    InTheWay {
        /// The path.
        path: PathBuf,
        /// What is there: `a folder`, `a file` ...
        found: &'static str,
        /// What should be there: `an archive`, `an OCI layout`.
        wanted: &'static str,
    },
    /// A folder that looks like an OCI layout and is none we can change.
    #[error("`{}` is not an OCI layout: {reason}", path.display())]
    Layout {
        /// The folder, or the file in it.
        path: PathBuf,
        /// What is wrong with it, as half a sentence.
        reason: String,
    },
    /// Another process writes to the same layout, and does not come to an end.
    #[error("another process has been writing to `{}` for more than {seconds} s", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
        /// How long we waited.
        seconds: u64,
    },
    /// An address of a daemon that cannot be used.
    #[error("unsupported Docker daemon `{address}` in {origin}: {reason}")]
    Address {
        /// Where the address was found: `DOCKER_HOST`, `the Docker context x`.
        origin: String,
        /// The address.
        address: String,
        /// What is wrong with it, as half a sentence.
        reason: &'static str,
    },
    /// Docker's own settings cannot be used.
    #[error("cannot read the Docker settings in `{}`: {reason}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, as half a sentence.
        reason: String,
    },
    /// A certificate or key for a daemon on the network cannot be used.
    #[error("cannot use `{}` for the Docker daemon: {reason}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, as half a sentence.
        reason: String,
    },
    /// No daemon is running in any of the usual places.
    #[error("no Docker daemon found; tried {}", list(tried.iter().map(|path| path.display().to_string())))]
    NoDaemon {
        /// The sockets looked for.
        tried: Vec<PathBuf>,
    },
    /// The user may not talk to the daemon.
    #[error("no permission to use the Docker daemon at {daemon}")]
    NotAllowed {
        /// The daemon.
        daemon: String,
    },
    /// The daemon does not answer, or the connection broke.
    #[error("no complete response from the Docker daemon at {daemon}: {reason}")]
    Unreachable {
        /// The daemon.
        daemon: String,
        /// The innermost cause.
        reason: String,
    },
    /// The daemon refused.
    #[error("the Docker daemon at {daemon} failed to {action}: {text}")]
    Daemon {
        /// The daemon.
        daemon: String,
        /// What it was asked for, as a verb: `load the image` ...
        action: &'static str,
        /// Its own words.
        text: String,
    },
    /// After loading, a name stands for another image, or for none.
    #[error("the Docker daemon at {daemon} loaded the image, but `{name}` is {}", describe_found(found.as_deref()))]
    NotLoaded {
        /// The daemon.
        daemon: String,
        /// The name or ID asked for.
        name: String,
        /// What the daemon has there.
        found: Option<String>,
    },
    /// None of the images runs where the daemon is.
    #[error("the Docker daemon at {daemon} runs {wanted}, but the image was built for {} only", list(offered.iter().map(Platform::to_string)))]
    Platform {
        /// The daemon.
        daemon: String,
        /// Its platform.
        wanted: Platform,
        /// What there is.
        offered: Vec<Platform>,
    },
    /// Layers that a daemon is too old for.
    #[error(
        "the Docker daemon at {daemon} has version {version}; layers compressed with zstd require 23 or newer"
    )]
    NoZstd {
        /// The daemon.
        daemon: String,
        /// Its version.
        version: String,
    },
    /// More layers than Docker can stack.
    #[error("the image has {count} layers; the limit of Docker is {limit}")]
    TooManyLayers {
        /// How many the image has.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
}

impl Classify for Error {
    fn hint(&self) -> Option<String> {
        const ARCHIVE: &str =
            "write an archive with `--output archive:FILE` and load it with `docker load -i FILE`";
        const FREE: &str = "free some space, or write to another disk";
        let hint = match self {
            Self::Release { .. } => {
                "write it to a folder with `--output layout:DIR`, which has no such limits".into()
            }
            Self::Store { source } => return source.hint(),
            Self::ReadLayer { .. } => "check that the file still exists and is readable".into(),
            Self::DamagedLayer { .. } => "fetch the base image again".into(),
            // Where not even an empty folder can be made.
            Self::Disk { source, .. } if source.kind() == io::ErrorKind::StorageFull => FREE.into(),
            Self::Full { .. } => FREE.into(),
            Self::Disk { .. } => {
                "check the path and the permissions of its folder, or use another output".into()
            }
            Self::Torn { .. } => "discard the output and run the command again".into(),
            Self::ReadOnly { path } => {
                format!("run `chmod u+w {}`, or use another output", path.display())
            }
            Self::InTheWay { .. } => "choose another path, or move the existing one away".into(),
            Self::Layout { .. } => {
                "remove it if it was an image layout, or choose a new or empty folder".into()
            }
            Self::Busy { .. } => "wait for it to end, or choose another folder".into(),
            Self::Address { .. } => {
                format!("use a `unix:///path` or `tcp://host:port` address, or {ARCHIVE}")
            }
            Self::Settings { .. } => format!("set DOCKER_HOST=unix:///path/of/docker.sock, or {ARCHIVE}"),
            Self::Certificate { .. } => format!("correct DOCKER_CERT_PATH, or {ARCHIVE}"),
            Self::NoDaemon { .. } => format!("start it, set DOCKER_HOST, or {ARCHIVE}"),
            Self::NotAllowed { .. } => {
                format!("join the group that owns the socket (usually `docker`), or {ARCHIVE}")
            }
            Self::Unreachable { .. } => format!("check that it is running, or {ARCHIVE}"),
            Self::Daemon { .. } | Self::NotLoaded { .. } => format!("see the daemon's log, or {ARCHIVE}"),
            Self::Platform { wanted, .. } => format!("build for it with `--platform {wanted}`"),
            Self::NoZstd { .. } => "build for it with `--compression splice`".into(),
            Self::TooManyLayers { .. } => "start from a base image with fewer layers".into(),
        };
        Some(hint)
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Store { source } => source.kind(),
            Self::ReadLayer { .. }
            | Self::Full { .. }
            | Self::Disk { .. }
            | Self::Torn { .. }
            | Self::ReadOnly { .. }
            | Self::Busy { .. }
            | Self::NoDaemon { .. }
            | Self::NotAllowed { .. }
            | Self::Unreachable { .. }
            | Self::Daemon { .. }
            | Self::NotLoaded { .. } => Kind::Outside,
            Self::Release { .. }
            | Self::DamagedLayer { .. }
            | Self::InTheWay { .. }
            | Self::Layout { .. }
            | Self::Address { .. }
            | Self::Settings { .. }
            | Self::Certificate { .. }
            | Self::Platform { .. }
            | Self::NoZstd { .. }
            | Self::TooManyLayers { .. } => Kind::Input,
        }
    }
}

impl Error {
    /// Whether the reader of our output went away (`wain build -o archive:- | head`): no reason for many words.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Disk { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What an error becomes after bytes have gone into a pipe: nothing that could be mended by trying again.
    pub(crate) fn in_the_middle(self, target: &Path) -> Self {
        if !matches!(self, Self::Store { .. } | Self::ReadLayer { .. } | Self::DamagedLayer { .. }) {
            return self;
        }
        let mut cause: &dyn std::error::Error = &self;
        while let Some(source) = cause.source() {
            cause = source;
        }
        Self::Torn { path: target.to_owned(), reason: cause.to_string() }
    }

    /// Sorts an error of the operating system: a full disk is told apart from the rest.
    pub(crate) fn disk(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Disk { action, path: path.to_owned(), source }
    }

    /// Says where a file was meant to be in the end, when it was written below a temporary name.
    pub(crate) fn below(mut self, target: &Path, temporary: &Path) -> Self {
        if let Self::Full { path, .. } | Self::Disk { path, .. } | Self::Layout { path, .. } = &mut self
            && let Ok(rest) = path.strip_prefix(temporary)
        {
            *path = target.join(rest);
        }
        self
    }

    /// As [`Error::disk`], for writing a file of a known size.
    pub(crate) fn write(path: &Path, needed: u64, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { path: path.to_owned(), needed, free: free_space(path), source }
            }
            _ => Self::disk("write", path, source),
        }
    }
}

/// Bytes free for this user on the file system that holds `path` or its folder; `None` for devices and streams.
fn free_space(path: &Path) -> Option<u64> {
    if path == Path::new("-") {
        return None;
    }
    let is_folder = |folder: &&Path| folder.is_dir();
    let folder = Some(path).filter(is_folder).or_else(|| {
        (path.is_file() || !path.exists()).then(|| crate::folder::folder_of(path)).filter(is_folder)
    })?;
    let statistics = rustix::fs::statvfs(folder).ok()?;
    statistics.f_bavail.checked_mul(statistics.f_frsize)
}

fn describe(free: Option<u64>) -> String {
    free.map_or_else(String::new, |free| format!(", {free} bytes free"))
}

fn describe_found(found: Option<&str>) -> String {
    found.map_or_else(|| "not there".into(), |id| format!("another image, {id}"))
}

/// `a`, `b` and `c`.
fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.map(|item| format!("`{item}`")).collect();
    match items.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => "nothing".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_disks_are_told_apart_and_name_the_free_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.tar");
        let error = Error::write(&file, 10, io::ErrorKind::StorageFull.into());
        let text = error.to_string();
        assert!(text.contains("a.tar` (10 bytes to write, ") && text.ends_with(" bytes free)"), "{text}");
        assert!(error.is_outside());
        let device = Error::write(Path::new("/dev/full"), 10, io::ErrorKind::StorageFull.into());
        assert_eq!(device.to_string(), "no space left to write `/dev/full` (10 bytes to write)");
        let stream = Error::write(Path::new("-"), 10, io::ErrorKind::StorageFull.into());
        assert_eq!(stream.to_string(), "no space left to write `-` (10 bytes to write)");
    }

    #[test]
    fn unreachable_daemon_hints_at_archive() {
        let error = Error::NoDaemon { tried: vec!["/a".into(), "/b".into(), "/c".into()] };
        assert_eq!(error.to_string(), "no Docker daemon found; tried `/a`, `/b` and `/c`");
        assert!(error.hint().unwrap().contains("--output archive:FILE"));
    }

    #[test]
    fn temporary_names_are_not_shown() {
        let error = Error::disk("write", Path::new("/x/.wain-1/blobs/a"), io::ErrorKind::Other.into());
        let error = error.below(Path::new("out"), Path::new("/x/.wain-1"));
        assert_eq!(error.to_string(), "cannot write `out/blobs/a`");
    }

    #[test]
    fn broken_pipe_is_recognized() {
        assert!(Error::write(Path::new("-"), 1, io::ErrorKind::BrokenPipe.into()).is_broken_pipe());
        assert!(!Error::write(Path::new("-"), 1, io::ErrorKind::Other.into()).is_broken_pipe());
    }
}
