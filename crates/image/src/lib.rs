//! Puts whole images where people want them: OCI layouts, archives, a Docker daemon.
//!
//! A [`Release`] is what was built. Each way out is one function that says what it had to write ([`Delivered`]) and leaves
//! nothing half-done behind: the name under which an image is found moves last.

mod archive;
mod blob;
mod docker;
mod draft;
mod error;
mod folder;
mod layout;
mod living;
mod name;
mod output;
mod release;
#[cfg(test)]
mod sample;

pub use archive::{write_archive, write_archive_to};
pub use docker::{DockerHost, Loaded, MOST_LAYERS, load_docker, load_docker_together};
pub use error::Error;
pub use layout::{Siblings, write_layout, write_layout_beside};
pub use living::abandon;
pub use output::replace;
pub use release::{Delivered, Release};
