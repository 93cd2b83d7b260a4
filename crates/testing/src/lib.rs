//! Wheels, projects, base images and daemons for tests, made on the spot and gone with the test.
//!
//! Everything panics when the machine does not play along: a test has no better answer. Nothing here calls the code under
//! test: what makes an input must not share its mistakes.

mod base;
mod command;
mod daemon;
mod deflate;
mod elf;
mod image_editor;
mod noise;
mod package_server;
mod proxy;
mod registry;
mod relay;
mod server;
mod token;
mod tool;
mod tree;
mod wait;
mod wheel;
mod workshop;

pub use base::write_base;
pub use command::{Ran, is_running, run};
pub use daemon::Dockerd;
pub use elf::ElfFile;
pub use image_editor::{ImageEditor, Member};
pub use noise::noise;
pub use package_server::PackageServer;
pub use proxy::{Act, Asked, Authority, Kind, Length, Lifetime, Proxy, Reply, Tls};
pub use registry::{Access, RegistryServer};
pub use relay::Relay;
pub use server::Server;
pub use token::TokenServer;
pub use tool::{need, skip, unpack};
pub use tree::{Elf, Tree};
pub use wait::wait_until;
pub use wheel::{Wheel, wheel};
pub use workshop::{With, Workshop};
