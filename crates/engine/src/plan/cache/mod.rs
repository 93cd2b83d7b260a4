//! Layers that a registry cache has.
//!
//! The store's memo of a layer, `inputs -> descriptor and diff ID`, is published beside the layers themselves as an artifact
//! (`deliver::publish`), and looked up ([`consult`]) by machines whose store does not have it. Nothing that a registry says is
//! ever kept as a memo of ours: it counts for one run.

mod artifact;
mod consult;
mod entries;
mod facts;

pub(crate) use self::artifact::{Artifact, LARGEST_ENTRIES, Standing, find, write};
pub use self::consult::consult;
pub(crate) use self::entries::{BaseEntry, BaseLayer, Entries, Finding, LayerEntry};
pub(crate) use self::facts::{Facts, MEDIA_TYPE as FACTS_MEDIA_TYPE};
