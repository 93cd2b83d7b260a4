use std::ops::Range;
use std::sync::Arc;

use wainwright_oci::{Digest, ImagePath};

/// Contents above this size pass in chunks; smaller ones are made whole, several at a time.
pub(crate) const LARGE: u64 = 4 << 20;
/// Contents up to this size are encoded together with their header; a block of their own would cost more.
pub(crate) const TINY: usize = 64;

/// The next stretch of a layer: in order, complete, checked.
pub(crate) struct Part<'a> {
    /// The tar header, when an entry starts here.
    pub(crate) header: Vec<u8>,
    /// The content as it is.
    pub(crate) plain: Plain,
    /// The same content as deflate blocks; `None` for tiny contents and when nobody wants to splice.
    pub(crate) blocks: Option<Blocks>,
    /// CRC-32 of `plain`.
    pub(crate) crc32: u32,
    /// Whether the entry ends here and its content is padded.
    pub(crate) is_end: bool,
    /// What the hash of the whole content has to be, where nobody compared it yet.
    pub(crate) expected: Option<Expected<'a>>,
}

/// The sha256 that RECORD gives for an entry. Whoever hashes the tar compares it, since two hashes of the same bytes cost
/// little more than one.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) path: &'a ImagePath,
    pub(crate) digest: Digest,
}

/// Content bytes: made here, or shared with whoever generated them.
pub(crate) enum Plain {
    Owned(Vec<u8>),
    Shared(Arc<[u8]>),
    /// A part of a buffer that is used again (`Producer::take_back`).
    Chunk(Vec<u8>, Range<usize>),
}

impl AsRef<[u8]> for Plain {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes,
            Self::Chunk(buffer, range) => buffer.get(range.clone()).unwrap_or_default(),
        }
    }
}

/// Deflate blocks, none of them marked as the last: whole bytes, then some bits of one more.
pub(crate) struct Blocks {
    pub(crate) bytes: Vec<u8>,
    pub(crate) tail: Option<(u8, u32)>,
}
