use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use wainwright_oci::ImagePath;

use crate::place::show;

/// The files of a project that go into an image, and what was left out.
#[derive(Clone, Debug)]
pub struct SourceTree {
    /// The folder the paths are relative to.
    pub root: PathBuf,
    /// Files, links and the folders that hold them; sorted by the bytes of their paths.
    pub files: Vec<SourceFile>,
    /// What the user may miss: possible secrets that were left out. Sorted.
    pub excluded: Vec<Excluded>,
    /// What is odd but no reason to stop.
    pub warnings: Vec<Warning>,
}

/// One file, link or folder of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Where it is, relative to the project.
    pub path: ImagePath,
    /// What it is.
    pub kind: SourceKind,
}

/// What a path of a project is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A regular file.
    File {
        /// In bytes, when it was listed.
        size: u64,
        /// Whether anybody may execute it.
        is_executable: bool,
    },
    /// A symbolic link; the target is relative and stays inside the project.
    Symlink {
        /// The target, as bytes.
        target: Vec<u8>,
    },
    /// A folder that holds at least one file or link.
    Directory,
}

/// Something that was left out although nobody asked for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Excluded {
    /// Where it is, relative to the project; escaped, with a final `/` for a folder.
    pub path: String,
    /// Why, as a few words.
    pub why: &'static str,
}

/// Something odd in a source tree.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// Two names that are one on file systems which fold case or normalize Unicode.
    AlmostEqual {
        /// The first path.
        first: ImagePath,
        /// The second path.
        second: ImagePath,
    },
    /// A set-user-ID or set-group-ID bit, which the image does not get.
    SetId {
        /// The file.
        path: ImagePath,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlmostEqual { first, second } => write!(
                f,
                "`{}` and `{}` are the same name on some systems",
                show(first.as_bytes()),
                show(second.as_bytes())
            ),
            Self::SetId { path } => {
                write!(f, "the set-user-ID or set-group-ID bit of `{}` is dropped", show(path.as_bytes()))
            }
        }
    }
}

impl SourceTree {
    /// Where a file is on disk.
    pub fn disk(&self, file: &SourceFile) -> PathBuf {
        self.root.join(OsStr::from_bytes(file.path.as_bytes()))
    }

    /// Whether there is a regular file at a path.
    pub fn has_file(&self, path: &str) -> bool {
        self.files
            .binary_search_by(|file| file.path.as_bytes().cmp(path.as_bytes()))
            .is_ok_and(|index| matches!(self.files[index].kind, SourceKind::File { .. }))
    }

    /// The size of all files, in bytes.
    pub fn size(&self) -> u64 {
        let size = |file: &SourceFile| match file.kind {
            SourceKind::File { size, .. } => size,
            _ => 0,
        };
        self.files.iter().map(size).sum()
    }
}
