//! Keeps blobs by digest on disk, and remembers what made them.
//!
//! A [`Store`] is a folder that several processes may use at once. Nothing in it is locked: everything is written under
//! a temporary name and renamed into place, so a reader sees a whole file or none. Nothing in it is believed: a blob is
//! checked against its digest when it is used, a memo carries a checksum, and whatever is damaged counts as absent.

mod draft;
mod error;
mod guard;
mod memo;
mod owner;
mod store;

pub use draft::Draft;
pub use error::Error;
pub use memo::CacheKey;
pub use store::Store;
pub use tempfile::TempDir;
