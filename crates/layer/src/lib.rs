//! The kinds of layers: what each puts into an image, as entries.
//!
//! Nothing here compresses or writes: `blob` does that with the entries, the same way for every kind.

pub mod bytecode;
mod component_runtime;
pub mod debian;
mod environment;
mod error;
mod layout;
mod native;
mod source;
mod wheels;

pub use component_runtime::{COMPONENT_RUNTIME, component_runtime};
pub use environment::{Environment, app};
pub use error::Error;
pub use native::{NativeFile, NativeFiles, may_be_native, native_files};
pub use source::{fingerprint, source_entries};
pub use wheels::{ConflictLosers, InstalledWheel, wheel_entries, wheel_origins};
