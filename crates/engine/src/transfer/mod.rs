//! Carries images between registries and this machine as they are: every byte keeps its digest, and nothing is unpacked.
//!
//! One file for each command; they share [`gather`] (what belongs to an image), [`send`](send::send) (into a repository,
//! tags last) and [`memory`] (what a repository had when we last looked).

mod ahead;
mod copy;
mod gather;
mod inspect;
mod last;
mod login;
mod memory;
mod probe;
mod pull;
mod push;
mod send;
mod shared;
mod subject;
mod tag;

pub(crate) use ahead::{Ahead, ahead};
pub use copy::copy;
pub(crate) use gather::fetch_blobs;
pub use inspect::{InspectedManifest, Inspection, Raw, inspect, inspect_raw, is_meant};
pub(crate) use last::{remember as remember_last, remember_workflow as remember_last_workflow};
pub use login::{login, logout};
pub use probe::probe;
pub use pull::{Pull, pull};
pub use push::push;
pub(crate) use send::{Target, blob, send, targets, uploads};
pub(crate) use shared::{Elsewhere, send_shared};
pub use subject::Subject;
pub use tag::tag;
