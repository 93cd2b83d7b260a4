//! Keeps blobs by digest on disk, and remembers what made them.
//!
//! A [`Store`] is a folder that several processes may use at once. Builds do not wait for each other: everything is written
//! under a temporary name and renamed into place, so a reader sees a whole file or none. Only [`prune()`] and [`clear`],
//! which remove what was not used for long, wait until nobody builds. Nothing in a store is believed: a blob is checked
//! against its digest when it is used, a memo carries a checksum, and whatever is damaged counts as absent.

mod draft;
mod error;
mod guard;
mod lock;
mod memo;
mod owner;
mod processes;
mod prune;
mod store;
mod survey;
mod tidy;

pub use draft::Draft;
pub use error::Error;
pub use lock::{LockWait, Waiting};
pub use memo::CacheKey;
pub use prune::{Limits, Pruned, clear, prune, would_prune};
pub use store::Store;
pub use survey::{Item, Kind, Survey, survey};
pub use tempfile::TempDir;
