//! Reads the image a build starts from: an OCI layout or an archive, and what it offers.
//!
//! [`open`] finds the image for a platform and checks every document on the way; [`inspect`] reads the layers once and
//! says which interpreters, C library, users and packages are there; [`survey`] lists every path for somebody who adds packages. Nothing is ever unpacked: links are followed in a
//! virtual root, in memory.
//!
//! [`open_whole`], [`list`] and [`merge`] read any image for comparison: all its platforms, every member of every layer.
//! [`gather`] and [`Walk`] find everything that belongs to an image, to carry it elsewhere as it is.

mod accounts;
mod apply;
mod archive;
mod base_image;
mod blobs;
mod docker_archive;
mod document;
mod error;
mod extract;
mod facts;
mod gather;
mod gzip;
mod image;
mod inspect;
mod interpreter;
mod keep;
mod layer_stream;
mod layout;
mod libc;
mod links;
mod listing;
mod merge;
mod offers;
mod packages;
mod select;
mod source;
mod span;
mod survey;
mod tar_stream;
#[cfg(test)]
mod testing;
mod tree;
mod walk;
mod whole;

pub use accounts::{Group, User};
pub use base_image::BaseImage;
pub use error::Error;
pub use extract::extract;
pub use gather::{Gathered, gather, images_in};
pub use image::{open, open_fetched};
pub use inspect::{inspect, is_inspected};
pub use interpreter::Interpreter;
pub use layer_stream::{check_bytes, check_diff_id};
pub use listing::{FileKind, LayerFile, Listing, each_file, list};
pub use merge::merge;
pub use offers::{Offers, PathKind};
pub use packages::DebianPackage;
pub use select::is_config as is_image_config;
pub use source::Source;
pub use survey::{Surveyed, survey};
pub use walk::{Parts, Walk};
pub use whole::{WholeImage, open_whole};
