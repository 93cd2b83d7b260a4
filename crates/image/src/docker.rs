//! Loads an image into a Docker daemon, or into podman's service, through the Engine API.

mod answer;
mod engine;
mod expected;
mod host;
mod load;
mod probe;
mod send;
mod settings;
mod tls;
mod together;
mod zstd;

pub use host::DockerHost;
pub use load::{Loaded, MOST_LAYERS, load_docker};
pub use together::load_docker_together;
