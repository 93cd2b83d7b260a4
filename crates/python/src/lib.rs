//! The words of Python packaging: names, wheel file names, compatibility tags, and the target a wheel must fit.
//!
//! Everything here is plain data and follows the PyPA specifications by name.

mod bytecode;
mod error;
mod name;
mod slim;
mod tags;
mod target;
mod version_ranges;
mod wheel_filename;
mod wheel_tag;

pub use bytecode::Bytecode;
pub use error::Error;
pub use name::{ExtraName, PackageName};
pub use pep440_rs::{Version, VersionSpecifier, VersionSpecifiers};
pub use slim::Slim;
pub use tags::{Fit, Tags};
pub use target::{Libc, PythonVersion, Target};
pub use version_ranges::VersionRanges;
pub use wheel_filename::WheelFilename;
pub use wheel_tag::WheelTag;
