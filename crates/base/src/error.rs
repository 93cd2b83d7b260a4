use std::io;
use std::path::{Path, PathBuf};

use wainwright_fault::{Classify, Kind};
use wainwright_oci::{Digest, Platform};
use wainwright_python::PythonVersion;

/// Why a base image could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither `layout:` nor `archive:`, or nothing behind it.
    #[error("`{text}` is not an image source: {reason}")]
    Source {
        /// What was found.
        text: String,
        /// What is wrong with it, as half a sentence.
        reason: String,
    },
    /// A file or folder that is not what its name promises.
    #[error("`{}` is not {expected}: {reason}", path.display())]
    Kind {
        /// The file or folder.
        path: PathBuf,
        /// `an OCI layout`, `an image archive` ...
        expected: &'static str,
        /// What is wrong with it, as half a sentence.
        reason: String,
        /// The way out.
        hint: Option<&'static str>,
    },
    /// The operating system refused.
    #[error("cannot {action} `{}`", path.display())]
    Disk {
        /// What was tried, as a verb.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// An archive that ends early, or whose compression or headers are damaged.
    #[error("cannot read the archive `{}`", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
    /// A document of an image in a registry that has to be fetched first.
    #[error("the {what} {} has not been fetched", descriptor.digest)]
    Unfetched {
        /// `image config` or a manifest or an index.
        what: String,
        /// What to fetch.
        descriptor: Box<wainwright_oci::Descriptor>,
    },
    /// No image of that name.
    #[error("`{}` contains no image named `{name}`; it contains {}", path.display(), list(found, "no named images"))]
    Name {
        /// The layout or archive.
        path: PathBuf,
        /// The name or digest that was asked for.
        name: String,
        /// The names it has.
        found: Vec<String>,
    },
    /// No image for that platform.
    #[error("`{}` contains no image for {wanted}; it contains {}", path.display(), list(found, "no images"))]
    Platform {
        /// The layout or archive.
        path: PathBuf,
        /// The platform that was asked for.
        wanted: Platform,
        /// The platforms it has.
        found: Vec<String>,
    },
    /// Several images that fit.
    #[error("`{}` contains several images for {wanted}: {}", path.display(), list(found, ""))]
    Ambiguous {
        /// The layout or archive.
        path: PathBuf,
        /// The platform that was asked for.
        wanted: Platform,
        /// Names or digests of those that fit.
        found: Vec<String>,
    },
    /// Several images, and no word which is meant.
    #[error("`{}` contains several images: {}", path.display(), list(found, ""))]
    Several {
        /// The layout or archive.
        path: PathBuf,
        /// Their names and digests.
        found: Vec<String>,
    },
    /// A blob that should be there and is not.
    #[error("`{}` does not contain the {what}, {blob}", path.display())]
    Missing {
        /// The layout or archive.
        path: PathBuf,
        /// Which document or layer.
        what: String,
        /// Its digest, or its name in the archive.
        blob: String,
    },
    /// A blob of another size than its descriptor says.
    #[error("the {what} in `{}` has {found} bytes instead of the {expected} in its descriptor", path.display())]
    Size {
        /// The layout or archive.
        path: PathBuf,
        /// Which document or layer.
        what: String,
        /// The size in the descriptor.
        expected: u64,
        /// The size of the bytes.
        found: u64,
    },
    /// Bytes that are not those their name promises.
    #[error("the {what} in `{}` has the digest {found} instead of {expected}", path.display())]
    Mismatch {
        /// The layout, archive or file.
        path: PathBuf,
        /// Which document or layer.
        what: String,
        /// The digest that was promised.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// A manifest, index or config that breaks the specification, or is too large.
    #[error("invalid {what} in `{}`: {reason}", path.display())]
    Document {
        /// The layout or archive.
        path: PathBuf,
        /// Which document.
        what: String,
        /// What is wrong with it, as half a sentence.
        reason: String,
        /// The way out, where there is one beside another base image.
        hint: Option<&'static str>,
    },
    /// A layer that cannot be decompressed, or whose tar is damaged.
    #[error("cannot read layer {position}, {digest}")]
    Layer {
        /// Counted from 1, lowest first.
        position: usize,
        /// Its digest.
        digest: Digest,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
    /// A layer whose media type we cannot read.
    #[error("cannot read layer {position}: unsupported media type `{media_type}`")]
    MediaType {
        /// Counted from 1, lowest first.
        position: usize,
        /// The media type in its descriptor.
        media_type: String,
    },
    /// A layer whose bytes are not those of its diff ID.
    #[error("layer {position} unpacks to {found} instead of the {expected} in its config")]
    DiffId {
        /// Counted from 1, lowest first.
        position: usize,
        /// The diff ID in the config.
        expected: Digest,
        /// The digest of the tar.
        found: Digest,
    },
    /// A path in a layer that container runtimes would understand in different ways, or that leaves the image.
    #[error("`{path}` in layer {position} is refused: {reason}")]
    Entry {
        /// Counted from 1, lowest first.
        position: usize,
        /// The path as it stands in the tar, unprintable bytes escaped.
        path: String,
        /// The rule it breaks, as half a sentence.
        reason: &'static str,
    },
    /// No interpreter that fits.
    #[error("the base image has no {} in {searched}; found: {}", wanted_python(*wanted), list(found, "none"))]
    Python {
        /// The version that was asked for.
        wanted: Option<PythonVersion>,
        /// The PATH that was searched.
        searched: String,
        /// What is there: version and path.
        found: Vec<String>,
    },
    /// No C library we know.
    #[error("the base image{} has neither glibc nor musl in the usual places", in_words(os.as_deref()))]
    Libc {
        /// The distribution, where the image names one.
        os: Option<String>,
    },
    /// A user or group that the base image does not know.
    #[error("the base image has no number for the user `{user}`: {reason}")]
    User {
        /// What was asked for.
        user: String,
        /// What is missing, as half a sentence.
        reason: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] wainwright_store::Error),
}

impl Classify for Error {
    fn hint(&self) -> Option<String> {
        const ANOTHER: &str = "create or copy the image again, for example with `skopeo copy`";
        let hint = match self {
            Self::Source { .. } => "write `layout:FOLDER[:NAME][@sha256:...]` or `archive:FILE[:NAME]`",
            Self::Kind { hint, .. } => return hint.map(Into::into),
            Self::Disk { .. } => "check that the path is correct and readable",
            Self::Unfetched { .. } => "fetch it first",
            Self::Name { .. } => "use one of these names, or omit the name if there is only one image",
            Self::Platform { .. } => "choose one of these with `--platform`, or another base image",
            Self::Ambiguous { .. } | Self::Several { .. } => {
                "select one with `:NAME` (layout, archive) or `@sha256:...` (layout, registry)"
            }
            Self::Document { hint: Some(hint), .. } => hint,
            Self::Archive { .. }
            | Self::Missing { .. }
            | Self::Size { .. }
            | Self::Mismatch { .. }
            | Self::Document { .. }
            | Self::Layer { .. }
            | Self::DiffId { .. } => ANOTHER,
            Self::MediaType { .. } => {
                "decrypt or convert the image first: its layers must be tar, gzip or zstd"
            }
            Self::Entry { .. } => "rebuild the base image with a current tool, or flatten it to one layer",
            Self::Python { .. } => {
                "choose a base image with that version, or change the version of the project"
            }
            Self::Libc { .. } => "choose a base image with a C library, for example a Debian or Alpine one",
            Self::User { .. } => "write the user as a number, for example `1000` or `1000:1000`",
            Self::Store(error) => return error.hint(),
        };
        Some(hint.into())
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Disk { source, .. } if source.kind() == io::ErrorKind::NotFound => Kind::Input,
            Self::Disk { .. } => Kind::Outside,
            // An error of the operating system has a number; one of a decoder has none.
            Self::Archive { source, .. } | Self::Layer { source, .. } => match source.raw_os_error() {
                Some(_) => Kind::Outside,
                None => Kind::Input,
            },
            Self::Store(error) => error.kind(),
            Self::Source { .. }
            | Self::Kind { .. }
            | Self::Unfetched { .. }
            | Self::Name { .. }
            | Self::Platform { .. }
            | Self::Ambiguous { .. }
            | Self::Several { .. }
            | Self::Missing { .. }
            | Self::Size { .. }
            | Self::Mismatch { .. }
            | Self::Document { .. }
            | Self::MediaType { .. }
            | Self::DiffId { .. }
            | Self::Entry { .. }
            | Self::Python { .. }
            | Self::Libc { .. }
            | Self::User { .. } => Kind::Input,
        }
    }
}

impl Error {
    pub(crate) fn disk(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Disk { action, path, source }
    }

    pub(crate) fn document(path: &Path, what: &str, reason: impl Into<String>) -> Self {
        Self::Document { path: path.to_owned(), what: what.to_owned(), reason: reason.into(), hint: None }
    }
}

/// Enough of a list to choose from.
const LISTED: usize = 20;

fn list(found: &[String], nothing: &str) -> String {
    if found.is_empty() {
        return nothing.to_owned();
    }
    let mut text = found.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if found.len() > LISTED {
        text.push_str(&format!(" and {} more", found.len() - LISTED));
    }
    text
}

fn wanted_python(wanted: Option<PythonVersion>) -> String {
    wanted.map_or("Python 3".into(), |version| format!("Python {version}"))
}

fn in_words(os: Option<&str>) -> String {
    os.map_or(String::new(), |os| format!(" ({os})"))
}
