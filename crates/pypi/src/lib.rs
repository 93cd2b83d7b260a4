//! Fetches wheels and metadata from package indexes, checked by digest.
//!
//! Which indexes those are is read from what pip and uv would read ([`IndexSettings`]); what an index knows
//! about a version comes from its simple API, as JSON (PEP 691) or HTML (PEP 503); and a file is in the store
//! only after its bytes had the digest that the lockfile names ([`Index::fetch`]). A package comes from the
//! first index that knows its name: one that fails or refuses to answer ends the search, so that nobody else
//! can answer in its place.

mod error;
mod fetch;
mod file;
mod flag;
mod for_uv;
mod html;
mod index;
mod ini;
mod layer;
mod link;
mod netrc;
mod page;
mod pip;
mod places;
mod settings;
mod uv;

pub use error::Error;
pub use fetch::{Fetched, Location, Wanted, WantedSdist, Warning};
pub use file::{Filename, IndexFile};
pub use index::Index;
pub use link::{FindLinks, IndexUrl};
pub use places::Places;
pub use settings::{DEFAULT_INDEX, IndexOptions, IndexSettings};
