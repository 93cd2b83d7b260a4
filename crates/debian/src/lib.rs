//! Fetches packages from a signed Debian archive, checked by digest.
//!
//! The chain of trust: a key shipped with the program signs `InRelease`; that lists the digests of the indexes; those list the
//! digests of the packages. [`lock`] follows it and writes the digests down; [`fetch`] needs only them. Packages are chosen as apt
//! would choose them, without apt: no root, no dpkg, any processor.

mod apt;
mod archive;
#[cfg(test)]
mod archive_tests;
mod clearsign;
mod date;
mod deb822;
mod error;
mod exclusion;
mod fetch;
mod index;
mod index_file;
mod keyring;
mod lock;
mod mirrors;
mod recipe;
mod record;
mod relation;
mod release;
#[cfg(test)]
mod release_tests;
mod request;
mod resolve;
#[cfg(test)]
mod sample;
mod suite;
mod trusted_archive;
mod version;

pub use apt::mirrors_from_apt;
pub use archive::lock;
pub use date::Date;
pub use error::Error;
pub use exclusion::Exclusion;
pub use fetch::fetch;
pub use index::{Index, Package};
pub use keyring::Keyring;
pub use lock::{DebianLock, LockedDeb, LockedSuite};
pub use mirrors::Mirrors;
pub use recipe::{Recipe, recipe};
pub use release::{Release, ReleaseFile};
pub use request::Request;
pub use resolve::{Chosen, resolve};
pub use suite::{ArchiveId, Suite, architecture};
pub use trusted_archive::Archive;
pub use version::compare as compare_versions;
