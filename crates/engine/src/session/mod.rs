//! What every step works with: the store, the network clients, the processors of a machine, and uploads that begin early.

mod bring;
mod cpu;
mod early_uploads;
mod gather;
mod memory;
mod remote;
mod resources;
mod target;

pub(crate) use self::bring::{bring, compare};
pub(crate) use self::early_uploads::{EarlyUploads, early_uploads, send_one};
pub(crate) use self::gather::{MOST_FETCHES, fetch_blobs, gather, report_omitted};
pub(crate) use self::memory::{recall, remember};
pub(crate) use self::remote::{at_digest, fetch_blob, fetch_layer, fetch_layers, open_image};
pub use self::resources::Session;
pub(crate) use self::target::{Target, blob, targets, uploads};
