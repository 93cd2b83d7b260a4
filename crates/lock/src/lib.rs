//! Reads lockfiles into the packages to install on one target platform.
//!
//! `uv.lock`, `poetry.lock`, `pdm.lock`, `pylock.toml` (PEP 751), `Pipfile.lock` and `requirements.txt` with hashes. Nothing is resolved here: what a lockfile
//! leaves open is refused. Nothing is downloaded either: [`LockedFile`] says where the bytes are and what their
//! digest must be.

mod content;
mod environment;
mod error;
mod file;
mod format;
mod hash;
mod indexes;
mod lock;
mod marker;
mod marker_parser;
mod package;
mod pdm;
mod percent;
mod pipfile;
mod poetry;
mod project_requirements;
mod pylock;
mod python_json;
mod requirement;
mod requirements;
mod selection;
mod table;
mod text;
mod uv;

pub use environment::{MarkerEnvironment, marker_environment};
pub use error::{Error, Foreign, Invalid, Place};
pub use format::{find, find_all, find_workspace, read};
pub use indexes::{Indexes, replace_variables};
pub use lock::{Lock, LockFormat};
pub use marker::Marker;
pub use package::{GitSource, LocalMember, Location, LockedFile, LockedPackage, Source};
pub use project_requirements::ProjectRequirements;
pub use requirement::Requirement;
pub use selection::Selection;
