//! Entries in, a reproducible compressed tar out, digests on the way.
//!
//! The usual layer is one gzip member whose deflate stream is *joined* from blocks that wheels already hold and from
//! tar headers encoded here: nothing is compressed a second time ([`Compression::Splice`]).

mod body;
mod content;
mod corrupt;
mod deflate;
mod entry;
mod error;
mod estargz;
mod gzip;
mod huffman;
mod inflate;
mod joiner;
mod large;
mod options;
mod ordered;
mod part;
mod produce;
#[cfg(test)]
mod readers;
mod sink;
mod step_hasher;
mod tar;
mod toc;
mod write;
mod zstd;

pub use entry::{Content, Deflated, Entry, Kind, Span};
pub use error::{Error, MemberProblem};
pub use estargz::LAZY_FILES;
pub use options::Options;
pub use ordered::try_map_ordered;
pub use tar::{BLOCK, file_header, padding};
pub use wainwright_oci::{Compression, Lazy};
pub use write::{FORMAT, Written, write};
