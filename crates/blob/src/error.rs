use std::io;
use std::path::PathBuf;

use wainwright_fault::{Classify, Kind};
use wainwright_oci::{Compression, Digest, ImagePath};

use crate::corrupt::Corrupt;

/// Why a layer could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two entries want one path.
    #[error("`{path}` appears twice")]
    Duplicate {
        /// The path.
        path: ImagePath,
    },
    /// An entry lies below something that is not a directory.
    #[error("`{path}` is below `{file}`, which is not a directory")]
    UnderFile {
        /// The entry.
        path: ImagePath,
        /// The file or link that is in the way.
        file: ImagePath,
    },
    /// A hard link to something this layer does not hold.
    #[error("`{path}` is a hard link to `{target}`, which is not a file of this layer")]
    HardlinkTarget {
        /// The link.
        path: ImagePath,
        /// What it names.
        target: ImagePath,
    },
    /// A file on disk is not what it was when it was listed.
    #[error("`{}` changed while it was read", path.display())]
    Changed {
        /// The file on disk.
        path: PathBuf,
    },
    /// A file on disk cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file on disk.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The archive that holds a member cannot be read.
    #[error("cannot read the archive that holds `{path}`")]
    ReadMember {
        /// The entry.
        path: ImagePath,
        /// What the system said.
        source: io::Error,
    },
    /// A member is not what its archive says.
    #[error("`{path}` is damaged: {problem}")]
    Member {
        /// The entry.
        path: ImagePath,
        /// What is wrong with it.
        problem: MemberProblem,
    },
    /// Lazy pulling takes gzip apart, nothing else.
    #[error("lazy layers cannot use the compression `{compression}`")]
    LazyNeedsGzip {
        /// The compression asked for.
        compression: Compression,
    },
    /// A name that no table of contents can hold, because JSON is UTF-8.
    #[error("`{name}` is not UTF-8, which the table of contents of a lazy layer requires")]
    NotUtf8 {
        /// The name, with its bytes escaped.
        name: String,
    },
    /// The compressor does not work.
    #[error("cannot compress the layer")]
    Compress {
        /// What it said.
        source: io::Error,
    },
    /// The layer cannot be written.
    #[error("cannot write the layer")]
    Write {
        /// What the system said.
        source: io::Error,
    },
}

/// How the data of an archive member differs from what was promised.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemberProblem {
    /// Not valid deflate data.
    #[error("{0}")]
    Deflate(String),
    /// The compressed data ends before the archive says it does.
    #[error("{0} bytes follow the end of its deflate data")]
    Tail(u64),
    /// It is longer or shorter than promised.
    #[error("it has {found} bytes instead of {expected}")]
    Size {
        /// Bytes promised.
        expected: u64,
        /// Bytes there; one more than promised when reading stopped there.
        found: u64,
    },
    /// Its CRC-32 is another.
    #[error("its CRC-32 is {found:08x}, not {expected:08x}")]
    Crc {
        /// What the archive says.
        expected: u32,
        /// What the bytes say.
        found: u32,
    },
    /// Its sha256 is another.
    #[error("its sha256 is {}, not {}", found.hex(), expected.hex())]
    Digest {
        /// What RECORD says.
        expected: Digest,
        /// What the bytes say.
        found: Digest,
    },
}

impl Error {
    pub(crate) fn member(path: &ImagePath, problem: MemberProblem) -> Self {
        Self::Member { path: path.clone(), problem }
    }
}

impl Classify for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Changed { .. } => Some("build again while no program changes the project".into()),
            Self::Member { .. } => {
                Some("fetch the package again; if that does not help, report it to its publisher".into())
            }
            Self::LazyNeedsGzip { .. } => Some("use `--compression splice` or `gzip`, or `--lazy no`".into()),
            Self::NotUtf8 { .. } => Some("rename it, or build without a lazy layout".into()),
            Self::Compress { .. } => Some("check the free memory; a lower level needs less".into()),
            Self::Write { .. } => Some("check the free disk space".into()),
            Self::Duplicate { .. }
            | Self::UnderFile { .. }
            | Self::HardlinkTarget { .. }
            | Self::Read { .. }
            | Self::ReadMember { .. } => None,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Read { .. } | Self::ReadMember { .. } | Self::Compress { .. } | Self::Write { .. } => {
                Kind::Outside
            }
            Self::Duplicate { .. }
            | Self::UnderFile { .. }
            | Self::HardlinkTarget { .. }
            | Self::Changed { .. }
            | Self::Member { .. }
            | Self::LazyNeedsGzip { .. }
            | Self::NotUtf8 { .. } => Kind::Input,
        }
    }
}

impl From<Corrupt> for MemberProblem {
    fn from(corrupt: Corrupt) -> Self {
        Self::Deflate(corrupt.to_string())
    }
}
