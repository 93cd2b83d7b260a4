//! Knows what a wheel installs, and where.
//!
//! [`Wheel::open`] reads a wheel strictly: the zip framing, every name, the metadata and RECORD are judged before anything
//! is installed, by the rules of [`RULES`]. [`Wheel::install`] then says which file goes where in an image, without
//! unpacking: most contents are places in the wheel file. [`Wheel::check`] inflates everything and verifies it.

mod entry_points;
mod error;
mod generated;
mod headers;
mod install;
mod launcher;
mod layout;
mod metadata;
mod pack;
mod record;
mod rules;
mod slim;
mod source;
mod warning;
mod wheel;
mod zip;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use generated::install_generated;
pub use install::{FileContent, InstalledFile};
pub use layout::Layout;
pub use metadata::Metadata;
pub use pack::{PackedContent, PackedFile, pack};
pub use rules::{RULES, Rule, explain};
pub use warning::Warning;
pub use wheel::{ArchivedFile, Wheel};
pub use zip::Limits;
