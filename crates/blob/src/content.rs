use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use wainwright_oci::{Digest, Hasher, ImagePath};

use crate::Error;
use crate::entry::{Content, Span};
use crate::error::MemberProblem;

/// Where uncompressed bytes come from, and what they are checked against when they end.
pub(crate) enum Source<'a> {
    Bytes(&'a [u8]),
    Disk {
        file: File,
        path: &'a Path,
        expected: Option<Digest>,
        hasher: Hasher,
    },
    Stored {
        span: &'a Span,
        at: u64,
        expected: (Option<u32>, Option<Digest>),
        crc32: crc32fast::Hasher,
        hasher: Hasher,
    },
}

impl<'a> Source<'a> {
    /// Opens a content; not for deflated ones, which have no plain bytes anywhere.
    pub(crate) fn open(content: &'a Content) -> Result<Self, Error> {
        Ok(match content {
            Content::Bytes(bytes) => Self::Bytes(bytes),
            Content::Disk { path, size, digest } => {
                let read = |source| Error::Read { path: path.clone(), source };
                let file = File::open(path).map_err(read)?;
                let found = file.metadata().map_err(read)?;
                if !found.is_file() || found.len() != *size {
                    return Err(Error::Changed { path: path.clone() });
                }
                Self::Disk { file, path, expected: *digest, hasher: Hasher::new() }
            }
            Content::Stored { span, crc32, digest } => Self::Stored {
                span,
                at: 0,
                expected: (*crc32, *digest),
                crc32: crc32fast::Hasher::new(),
                hasher: Hasher::new(),
            },
            Content::Deflated(_) => Self::Bytes(&[]),
        })
    }

    /// Reads the next bytes, exactly as many as fit.
    pub(crate) fn fill(&mut self, path: &ImagePath, into: &mut [u8]) -> Result<(), Error> {
        match self {
            Self::Bytes(bytes) => {
                let (now, later) = bytes.split_at(into.len());
                into.copy_from_slice(now);
                *bytes = later;
            }
            Self::Disk { file, path, expected, hasher } => {
                file.read_exact(into).map_err(|source| match source.kind() {
                    io::ErrorKind::UnexpectedEof => Error::Changed { path: path.to_path_buf() },
                    _ => Error::Read { path: path.to_path_buf(), source },
                })?;
                if expected.is_some() {
                    hasher.update(into);
                }
            }
            Self::Stored { span, at, expected, crc32, hasher } => {
                read_at(path, &span.file, into, span.offset + *at)?;
                *at += into.len() as u64;
                crc32.update(into);
                if expected.1.is_some() {
                    hasher.update(into);
                }
            }
        }
        Ok(())
    }

    /// Everything was read: is it what was promised, and is there nothing more?
    pub(crate) fn end(&mut self, path: &ImagePath) -> Result<(), Error> {
        match self {
            Self::Bytes(_) => {}
            Self::Disk { file, path, expected, hasher } => {
                let more =
                    file.read(&mut [0]).map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
                let found = std::mem::take(hasher).finish();
                if more > 0 || expected.is_some_and(|expected| expected != found) {
                    return Err(Error::Changed { path: path.to_path_buf() });
                }
            }
            Self::Stored { expected, crc32, hasher, .. } => {
                if let Some(expected) = expected.0 {
                    check_crc(path, expected, crc32.clone().finalize())?;
                }
                if let Some(expected) = expected.1 {
                    check_digest(path, expected, std::mem::take(hasher).finish())?;
                }
            }
        }
        Ok(())
    }
}

pub(crate) fn read_at(path: &ImagePath, file: &File, into: &mut [u8], offset: u64) -> Result<(), Error> {
    file.read_exact_at(into, offset).map_err(|source| Error::ReadMember { path: path.clone(), source })
}

pub(crate) fn check_tail(path: &ImagePath, end: u64, length: u64) -> Result<(), Error> {
    match length - end.div_ceil(8) {
        0 => Ok(()),
        tail => Err(Error::member(path, MemberProblem::Tail(tail))),
    }
}

pub(crate) fn check_crc(path: &ImagePath, expected: u32, found: u32) -> Result<(), Error> {
    if expected == found {
        return Ok(());
    }
    Err(Error::member(path, MemberProblem::Crc { expected, found }))
}

pub(crate) fn check_digest(path: &ImagePath, expected: Digest, found: Digest) -> Result<(), Error> {
    if expected == found {
        return Ok(());
    }
    Err(Error::member(path, MemberProblem::Digest { expected, found }))
}
